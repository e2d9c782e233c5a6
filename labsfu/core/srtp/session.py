"""SRTP sessions that work in place: libsrtp without the copies of pylibsrtp's `Session` (RFC 3711, RFC 7714).

This is the hot path: a call is one write and one read of an `int *` around the call into libsrtp.
A compiled twin would replace this file and nothing else.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Protocol

from labsfu.core.srtp.binding import ERRORS, ffi, lib
from labsfu.core.srtp.buffer import SrtpBuffer
from labsfu.core.srtp.profiles import PROFILES, SrtpProfile
from labsfu.errors import LabsfuError, Malformed

REPLAY_WINDOW = 1024

LOOSE_STREAMS = 256
"""SSRCs of a peer whose state is kept though nobody asked for it: what comes before it is known whose it is, and the
senders of RTCP. libsrtp would keep every SSRC that it ever met."""

_HALF = 0x7FFF  # libsrtp takes this and more, after 65535, for older
_BAD_PARAMETER, _AUTH_FAILED, _CIPHER_FAILED, _REPLAYED, _TOO_OLD = 2, 7, 8, 9, 10
_NO_STREAM, _KEY_EXPIRED, _HEADER, _INDEX_OLD = 13, 15, 21, 26
_REASONS = {
    _BAD_PARAMETER: "too-short",
    _AUTH_FAILED: "auth-failed",
    _CIPHER_FAILED: "auth-failed",
    _REPLAYED: "replay",
    _TOO_OLD: "too-old",
    _INDEX_OLD: "too-old",
    _NO_STREAM: "no-stream",
    _KEY_EXPIRED: "key-expired",
    _HEADER: "header",
}
_RTP_REASONS = {code: f"srtp-{name}" for code, name in _REASONS.items()}
_RTCP_REASONS = {code: f"srtcp-{name}" for code, name in _REASONS.items()}


class ProtectError(LabsfuError):
    """A packet of our own could not be protected: a bug, or a retransmission older than the replay window.

    Attributes:
        reason: stable and kebab-case, e.g. `srtp-too-old`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Handle(Protocol):
    """What we see of the cdata of an `srtp_t *`."""

    def __getitem__(self, index: int, /) -> object: ...


class SrtpSender:
    """Protects what we send; a stream begins with the first packet of its SSRC.

    The same sequence number may be sent again (a retransmission without RTX) while it is in the window.

    Args:
        profile: the protection profile.
        key_salt: master key and master salt, one behind the other; `PROFILES` has their sizes.

    Raises:
        ValueError: `key_salt` has the wrong size.
    """

    __slots__ = ("_handle", "_length", "_protect_rtcp", "_protect_rtp", "_srtp")

    def __init__(self, profile: SrtpProfile, key_salt: bytes) -> None:
        self._handle = _create(profile, key_salt, lib.ssrc_any_outbound)
        self._srtp = self._handle[0]
        self._length = ffi.new("int *")
        self._protect_rtp = lib.srtp_protect
        self._protect_rtcp = lib.srtp_protect_rtcp

    def protect_rtp(self, buffer: SrtpBuffer, length: int) -> int:
        """Make the RTP packet in `buffer[:length]` an SRTP packet; returns its length.

        Raises:
            ProtectError: it is too long, no RTP, or older than the window.
        """
        if length > buffer.limit:
            raise ProtectError("srtp-too-long")
        pointer = self._length
        pointer[0] = length
        code = self._protect_rtp(self._srtp, buffer.pointer, pointer)
        if code:
            raise ProtectError(_RTP_REASONS.get(code, "srtp-internal"))
        return pointer[0]  # type: ignore[no-any-return]  # cffi has no types; an `int *` holds an int

    def protect_rtcp(self, buffer: SrtpBuffer, length: int) -> int:
        """Make the compound RTCP packet in `buffer[:length]` an SRTCP packet; returns its length.

        Raises:
            ProtectError: it is too long or no RTCP.
        """
        if length > buffer.limit:
            raise ProtectError("srtcp-too-long")
        pointer = self._length
        pointer[0] = length
        code = self._protect_rtcp(self._srtp, buffer.pointer, pointer)
        if code:
            raise ProtectError(_RTCP_REASONS.get(code, "srtcp-internal"))
        return pointer[0]  # type: ignore[no-any-return]  # as above

    def remove_stream(self, ssrc: int) -> bool:
        """Forget an SSRC; False if there was none. Should it come back, its roll-over counter starts at 0."""
        return _remove(self._srtp, ssrc)


class SrtpReceiver:
    """Unprotects what the peer sends; a stream begins with the first authentic packet of its SSRC.

    After a refusal the bytes in the buffer are undefined: GCM decrypts in place before it knows the tag is wrong.

    Args:
        profile: the protection profile.
        key_salt: master key and master salt, one behind the other; `PROFILES` has their sizes.

    Raises:
        ValueError: `key_salt` has the wrong size.
    """

    __slots__ = ("_handle", "_held", "_key", "_length", "_loose", "_srtp", "_unprotect_rtcp", "_unprotect_rtp")

    def __init__(self, profile: SrtpProfile, key_salt: bytes) -> None:
        self._key = (profile, key_salt)
        self._held: set[int] = set()
        self._loose: dict[int, None] = {}  # in the order of being met
        self._handle = _create(profile, key_salt, lib.ssrc_any_inbound)
        self._srtp = self._handle[0]
        self._length = ffi.new("int *")
        self._unprotect_rtp = lib.srtp_unprotect
        self._unprotect_rtcp = lib.srtp_unprotect_rtcp

    def unprotect_rtp(self, buffer: SrtpBuffer, length: int) -> int:
        """Make the SRTP packet in `buffer[:length]` an RTP packet; returns its length.

        Raises:
            Malformed: `srtp-auth-failed`, `srtp-replay`, `srtp-too-old`, `srtp-too-short`, `srtp-header`, …
        """
        if length > buffer.size:
            raise Malformed("srtp-too-long")
        pointer = self._length
        pointer[0] = length
        code = self._unprotect_rtp(self._srtp, buffer.pointer, pointer)
        if code:
            raise Malformed(_RTP_REASONS.get(code, "srtp-internal"))
        return pointer[0]  # type: ignore[no-any-return]  # as above

    def unprotect_rtcp(self, buffer: SrtpBuffer, length: int) -> int:
        """Make the SRTCP packet in `buffer[:length]` an RTCP packet; returns its length.

        Raises:
            Malformed: `srtcp-…`, with the names of `unprotect_rtp`.
        """
        if length > buffer.size:
            raise Malformed("srtcp-too-long")
        pointer = self._length
        pointer[0] = length
        code = self._unprotect_rtcp(self._srtp, buffer.pointer, pointer)
        if code:
            raise Malformed(_RTCP_REASONS.get(code, "srtcp-internal"))
        self._meet(int.from_bytes(buffer.data[4:8], "big"))
        return pointer[0]  # type: ignore[no-any-return]  # as above

    def hold(self, ssrc: int) -> None:
        """Keep a stream's state until it is released."""
        self._loose.pop(ssrc, None)
        self._held.add(ssrc)

    def release(self, ssrc: int) -> None:
        """A stream's state need not be kept; it is for a while, should the stream come back."""
        self._held.discard(ssrc)
        self._meet(ssrc)

    def _meet(self, ssrc: int) -> None:
        """Remember an SSRC that libsrtp has made a stream for; forget the oldest that nobody holds."""
        if ssrc in self._held or ssrc in self._loose:
            return
        self._loose[ssrc] = None
        if len(self._loose) > LOOSE_STREAMS:
            self.remove_stream(next(iter(self._loose)))

    def unprotect_first_rtp(self, buffer: SrtpBuffer, length: int) -> int:
        """As `unprotect_rtp`, for an SSRC that the caller has not seen before.

        A stream may start just before sequence number 65535, as first numbers are random (RFC 3550 5.1), and lose
        all packets up to the roll-over. Then the sender's roll-over counter is 1 and ours 0, and nothing would ever
        decrypt (RFC 3711 3.3.1). So a small first number is tried with both. What fails both leaves no trace.
        """
        packet = bytes(buffer.view[:length])
        try:
            length = self.unprotect_rtp(buffer, length)
        except Malformed as refusal:
            sequence, ssrc = int.from_bytes(packet[2:4], "big"), int.from_bytes(packet[8:12], "big")
            if refusal.reason != "srtp-auth-failed" or sequence >= _HALF or self._knows(ssrc):
                raise
            self.prime(ssrc)
            buffer.load(packet)
            try:
                length = self.unprotect_rtp(buffer, length)
            except Malformed:
                self.remove_stream(ssrc)
                raise
        self._meet(int.from_bytes(packet[8:12], "big"))
        return length

    def _knows(self, ssrc: int) -> bool:
        return ssrc in self._held or ssrc in self._loose

    def prime(self, ssrc: int) -> None:
        """Begin a stream as if its packet 65535 had come, so that the next one counts as after the roll-over.

        That packet is made here, with the peer's key; it never leaves this method. Nothing happens to a stream that
        is past that number already.
        """
        sender, buffer = SrtpSender(*self._key), SrtpBuffer(512)
        header = b"\x80\x00\xff\xff" + bytes(4) + ssrc.to_bytes(4, "big")
        with suppress(Malformed):
            self.unprotect_rtp(buffer, sender.protect_rtp(buffer, buffer.load(header + b"\x00")))

    def remove_stream(self, ssrc: int) -> bool:
        """Forget an SSRC; False if there was none. Should it come back, its roll-over counter starts at 0."""
        self._held.discard(ssrc)
        self._loose.pop(ssrc, None)
        return _remove(self._srtp, ssrc)


def _create(profile: SrtpProfile, key_salt: bytes, ssrc_type: int) -> _Handle:
    """A libsrtp session that makes a stream for every SSRC; freed with the handle."""
    sizes = PROFILES[profile]
    if len(key_salt) != sizes.key_salt:
        raise ValueError(f"{profile} takes {sizes.key_salt} bytes of key and salt, not {len(key_salt)}")
    policy = ffi.new("srtp_policy_t *")
    _check(lib.srtp_crypto_policy_set_from_profile_for_rtp(ffi.addressof(policy.rtp), sizes.libsrtp))
    _check(lib.srtp_crypto_policy_set_from_profile_for_rtcp(ffi.addressof(policy.rtcp), sizes.libsrtp))
    key = ffi.new("unsigned char[]", key_salt)  # libsrtp copies it
    policy.key = key
    policy.ssrc.type = ssrc_type
    policy.window_size = REPLAY_WINDOW
    policy.allow_repeat_tx = 1
    srtp = ffi.new("srtp_t *")
    _check(lib.srtp_create(srtp, policy))
    return ffi.gc(srtp, _free)  # type: ignore[no-any-return]  # cffi has no types


def _free(handle: _Handle) -> None:
    lib.srtp_dealloc(handle[0])


def _check(code: int) -> None:
    if code:
        raise RuntimeError(f"libsrtp: {ERRORS[code]}")


def _remove(srtp: object, ssrc: int) -> bool:
    in_network_order = int.from_bytes(ssrc.to_bytes(4, "big"), sys.byteorder)
    code: int = lib.srtp_remove_stream(srtp, in_network_order)
    return code == 0
