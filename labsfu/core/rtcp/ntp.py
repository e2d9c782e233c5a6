"""NTP timestamps and round-trip times as RTCP uses them (RFC 3550 4, 6.4.1)."""

from __future__ import annotations

UNIX_EPOCH = 2_208_988_800  # 1970-01-01 in seconds since 1900-01-01
MAX_DELAY = 0xFFFF_FFFF  # greatest delay a report can carry, in 1/65536 s

_FRACTION = 1 << 32
_DELAY_UNITS = 65536


def ntp_from_unix(seconds: float) -> int:
    """64-bit NTP timestamp (32.32 fixed point since 1900) of Unix seconds, wrapped at the end of the NTP era."""
    whole = int(seconds // 1)
    return ((whole + UNIX_EPOCH) * _FRACTION + round((seconds - whole) * _FRACTION)) & 0xFFFF_FFFF_FFFF_FFFF


def unix_from_ntp(ntp: int) -> float:
    """Unix seconds of a 64-bit NTP timestamp; one without the top bit is of the era from 2036 on (RFC 4330 3)."""
    whole, fraction = divmod(ntp, _FRACTION)
    if whole < 0x8000_0000:
        whole += _FRACTION
    return whole - UNIX_EPOCH + fraction / _FRACTION


def middle32(ntp: int) -> int:
    """The middle 32 bits of an NTP timestamp: what LSR and the last RR carry, in 1/65536 s."""
    return (ntp >> 16) & 0xFFFF_FFFF


def delay_from_seconds(seconds: float) -> int:
    """A delay (DLSR, DLRR) in 1/65536 s, clamped to what 32 bits hold."""
    return max(0, min(round(seconds * _DELAY_UNITS), MAX_DELAY))


def delay_to_seconds(delay: int) -> float:
    """Seconds of a delay in 1/65536 s."""
    return delay / _DELAY_UNITS


def round_trip_seconds(now: int, last: int, delay: int) -> float | None:
    """Round-trip time `now - last - delay`, all in 1/65536 s over 32 bits (RFC 3550 6.4.1, RFC 3611 4.5).

    Args:
        now: `middle32` of the instant the report arrived.
        last: LSR or last RR of the report; 0 says that the peer has seen none.
        delay: DLSR or DLRR of the report.

    Returns:
        Seconds, 0.0 when clock grain makes it slightly negative, None when `last` is 0.
    """
    if last == 0:
        return None
    elapsed = (now - last - delay) & 0xFFFF_FFFF
    return 0.0 if elapsed >= 0x8000_0000 else elapsed / _DELAY_UNITS
