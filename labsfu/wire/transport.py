"""The ORTC dictionaries of ICE and DTLS, in mediasoup's shapes, and the states that transports go through."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from labsfu.wire.base import ABSENT, Absent, Wire
from labsfu.wire.ids import TransportId


class IceParameters(Wire):
    """ICE credentials (RFC 8445 5.3)."""

    username_fragment: str
    password: str
    ice_lite: bool = True


class IceCandidate(Wire):
    """A host candidate. `ip` repeats `address` for older clients."""

    foundation: str
    priority: int
    ip: str
    address: str
    protocol: Literal["udp", "tcp"]
    port: int
    type: Literal["host"] = "host"
    tcp_type: Literal["passive"] | Absent = ABSENT


class DtlsRole(StrEnum):
    """Who sends the ClientHello: `client`; `auto` leaves it to the other."""

    AUTO = "auto"
    CLIENT = "client"
    SERVER = "server"


class DtlsFingerprint(Wire):
    """Hash of a certificate (RFC 8122 5); value is upper-case hex with colons."""

    algorithm: Literal["sha-1", "sha-224", "sha-256", "sha-384", "sha-512"]
    value: str


class DtlsParameters(Wire):
    """Role and fingerprints of one side."""

    role: DtlsRole = DtlsRole.AUTO
    fingerprints: tuple[DtlsFingerprint, ...]


class TransportOptions(Wire):
    """What a client needs to make its end of a WebRTC transport."""

    id: TransportId
    ice_parameters: IceParameters
    ice_candidates: tuple[IceCandidate, ...]
    dtls_parameters: DtlsParameters


class IceState(StrEnum):
    """State of the ICE gate: a nominated pair makes it `completed`."""

    NEW = "new"
    CONNECTED = "connected"
    COMPLETED = "completed"
    DISCONNECTED = "disconnected"
    CLOSED = "closed"


class DtlsState(StrEnum):
    """State of the DTLS gate; `connected` means handshake done and fingerprint checked."""

    NEW = "new"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    FAILED = "failed"
    CLOSED = "closed"
