"""Reads what passes a client's socket: SRTP, decrypted a second time with the keys of its DTLS transport.

Rules for exact packets must know what a packet is when it enters the network: before aiortc has decrypted it, and long
after it encrypted it. A second pair of SRTP sessions, which sees every datagram once and in order, tells that of both
directions alike, whoever made the packet; nothing else has to take part. What is sent again bit by bit is a replay to
SRTP and stays unread; so does what comes before this end has finished its handshake.

This file touches aiortc's private names: the keys are kept nowhere else.
"""

# ruff: noqa: SLF001 - see above

from __future__ import annotations

import pylibsrtp
from aiortc import RTCDtlsTransport

from clients.network import Direction
from clients.network.packets import Content

_LABEL = b"EXTRACTOR-dtls_srtp"
"""RFC 5764 4.2."""
_WINDOW = 1024
"""Packets that may come late and still be read, as for aiortc."""


class SrtpPeek:
    """Reads the SRTP and SRTCP of one DTLS transport.

    Args:
        dtls: before or after its handshake.

    Attributes:
        unread: packets that could not be decrypted.
    """

    def __init__(self, dtls: RTCDtlsTransport) -> None:
        self._dtls = dtls
        self._sessions: dict[Direction, pylibsrtp.Session] = {}
        self.unread = 0

    def read(self, direction: Direction, content: Content, data: bytes) -> bytes | None:
        """An RTP or RTCP packet in the clear; None: it cannot be read."""
        if not self._sessions:
            if self._dtls.state != "connected":
                self.unread += 1
                return None
            self._sessions = _sessions(self._dtls)
        session = self._sessions[direction]
        try:
            plain: bytes = session.unprotect(data) if content is Content.RTP else session.unprotect_rtcp(data)
        except (pylibsrtp.Error, ValueError):  # the latter: longer than libsrtp's buffer
            self.unread += 1
            return None
        return plain


def _sessions(dtls: RTCDtlsTransport) -> dict[Direction, pylibsrtp.Session]:
    assert dtls._ssl is not None, "the handshake is over"
    negotiated = dtls._ssl.get_selected_srtp_profile()
    profile = next(one for one in dtls._srtp_profiles if one.openssl_profile == negotiated)
    material = dtls._ssl.export_keying_material(_LABEL, 2 * (profile.key_length + profile.salt_length))
    ours = 1 if dtls._role == "server" else 0
    found = {}
    for direction, index in ((Direction.UP, ours), (Direction.DOWN, 1 - ours)):
        policy = pylibsrtp.Policy(
            key=profile.get_key_and_salt(material, index),
            ssrc_type=pylibsrtp.Policy.SSRC_ANY_INBOUND,
            srtp_profile=profile.libsrtp_profile,
        )
        policy.window_size = _WINDOW
        found[direction] = pylibsrtp.Session(policy)
    return found
