"""The states of a DTLS endpoint, as a table (W3C webrtc 5.5.1 RTCDtlsTransportState)."""

from __future__ import annotations

from enum import Enum

from labsfu.wire.transport import DtlsState


class DtlsRole(Enum):
    """Who sends the ClientHello (RFC 8842 5.3)."""

    CLIENT = "client"
    SERVER = "server"


class DtlsInput(Enum):
    """What can move the state."""

    START = "a role was given"
    FINISHED = "the handshake is complete and an SRTP profile agreed"
    FAILURE = "the handshake or the session broke"
    CLOSE = "we were asked to close, or the peer did"


TRANSITIONS: dict[tuple[DtlsState, DtlsInput], DtlsState] = {
    (DtlsState.NEW, DtlsInput.START): DtlsState.CONNECTING,
    (DtlsState.NEW, DtlsInput.CLOSE): DtlsState.CLOSED,
    (DtlsState.CONNECTING, DtlsInput.START): DtlsState.CONNECTING,  # from idle server to client
    (DtlsState.CONNECTING, DtlsInput.FINISHED): DtlsState.CONNECTED,
    (DtlsState.CONNECTING, DtlsInput.FAILURE): DtlsState.FAILED,
    (DtlsState.CONNECTING, DtlsInput.CLOSE): DtlsState.CLOSED,
    (DtlsState.CONNECTED, DtlsInput.FAILURE): DtlsState.FAILED,
    (DtlsState.CONNECTED, DtlsInput.CLOSE): DtlsState.CLOSED,
    (DtlsState.FAILED, DtlsInput.CLOSE): DtlsState.CLOSED,
    (DtlsState.CLOSED, DtlsInput.CLOSE): DtlsState.CLOSED,
}
"""Every move there is; a pair that is not here cannot happen."""
