"""Bodies of the pipe routes: the way of producers from router to router (mediasoup's PipeTransport)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from labsfu.wire.base import ABSENT, Absent, JsonObject, Wire
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId, RouterId, TransportId
from labsfu.wire.rtp import ConsumerType, MediaKind, ProducerType, RtpCapabilities, RtpParameters

KEY_SALT_BYTES = 44
"""Of AEAD_AES_256_GCM: a key of 32 octets and a salt of 12 (RFC 7714 12)."""


class SrtpParameters(Wire):
    """One side's keys: what it sends is protected with them. `key_base64` is key and salt, 44 octets."""

    crypto_suite: Literal["AEAD_AES_256_GCM"]
    key_base64: str


class PipeTuple(Wire):
    """Between which addresses a pipe's packets go; the remote one is known once it is connected."""

    local_ip: str
    local_port: int
    remote_ip: str | Absent = ABSENT
    remote_port: int | Absent = ABSENT
    protocol: Literal["udp"] = "udp"


# ------------------------------------------------------------------ what callers send


class CreatePipeTransportRequestPayload(Wire):
    """Where to listen: `listen_ip` absent for where other media comes in, `port` 0 for any free one."""

    listen_ip: str | Absent = ABSENT
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    enable_srtp: bool = False
    enable_rtx: bool = False


class ConnectPipeTransportRequestPayload(Wire):
    """The other side's keys; there if and only if SRTP was enabled."""

    srtp_parameters: SrtpParameters | Absent = ABSENT


class CreatePipeConsumerForProducerPayload(Wire):
    """What the router at the other end can take: codecs that it does not know are left out."""

    rtp_capabilities: RtpCapabilities
    paused: bool = False
    app_data: JsonObject | Absent = ABSENT


class CreateRemoteProducerOnPipeTransportPayload(Wire):
    """What comes over a pipe: `rtp_parameters` are those of the pipe consumer at the other end.

    On a router of a room its participant is shown there as `display_name` (absent: as its id), and as a shared screen.
    """

    kind: MediaKind
    rtp_parameters: RtpParameters
    paused: bool = False
    display_name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | Absent = ABSENT
    share_screen: bool = False
    app_data: JsonObject | Absent = ABSENT


# ------------------------------------------------------------------ what the server answers


class PipeTransportPayload(Wire):
    """One end of a pipe.

    Attributes:
        addresses: where it listens, and where the other end is; `tuple` on the wire.
        rtx: whether lost packets are repaired on the way (`nack` and RTX).
        srtp_parameters: our keys, for the other end; absent without SRTP.
        connected: the other end is known.
        created_at: epoch milliseconds.
    """

    id: TransportId
    router_id: RouterId
    addresses: PipeTuple = msgspec.field(name="tuple")
    rtx: bool
    srtp_parameters: SrtpParameters | Absent = ABSENT
    connected: bool
    created_at: int


class PipeTransportList(Wire):
    """All pipe transports of a router."""

    pipe_transports: tuple[PipeTransportPayload, ...]


class PipeConsumerPayload(Wire):
    """A producer on its way into a pipe: all of its streams."""

    id: ConsumerId
    producer_id: ProducerId
    kind: MediaKind
    type: ConsumerType = ConsumerType.PIPE
    rtp_parameters: RtpParameters
    paused: bool
    producer_paused: bool


class PipeProducerPayload(Wire):
    """A producer that comes out of a pipe; it has the id that it has where it comes from."""

    id: ProducerId
    kind: MediaKind
    type: ProducerType
    rtp_parameters: RtpParameters
    paused: bool
    participant_id: ParticipantId


class PipeProducerToLocalRouterPayload(Wire):
    """A producer of one router that is one of another router of this server too."""

    message: str
    producer_id: ProducerId
    source_router_id: RouterId
    destination_router_id: RouterId
    pipe_consumer: PipeConsumerPayload
    pipe_producer: PipeProducerPayload
