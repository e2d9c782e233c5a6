"""Wrap-around arithmetic for 16-bit sequence numbers and 32-bit timestamps (RFC 3550 A.1, RFC 1982).

`a` is newer than `b` when it lies less than half the number space ahead of `b`. At exactly half the space neither is
newer and both distances are negative (RFC 1982 3.2 leaves this case undefined).
"""

from __future__ import annotations


def distance16(a: int, b: int) -> int:
    """Signed distance from `b` to `a` over 16 bits, in [-32768, 32767]; positive when `a` is newer."""
    return ((a - b + 0x8000) & 0xFFFF) - 0x8000


def is_newer16(a: int, b: int) -> bool:
    """Whether the 16-bit number `a` comes after `b`."""
    return 0 < ((a - b) & 0xFFFF) < 0x8000


def distance32(a: int, b: int) -> int:
    """Signed distance from `b` to `a` over 32 bits, in [-2**31, 2**31 - 1]; positive when `a` is newer."""
    return ((a - b + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000


def is_newer32(a: int, b: int) -> bool:
    """Whether the 32-bit number `a` comes after `b`."""
    return 0 < ((a - b) & 0xFFFF_FFFF) < 0x8000_0000


class Unwrapper16:
    """Extends 16-bit numbers to a line that never wraps.

    The first value `v` comes out as `v + 2**16`, so that numbers reordered before it are never negative. Each later
    value is placed at its signed 16-bit distance from `highest`.

    Attributes:
        highest: the greatest extended number returned so far, -1 before the first.
    """

    __slots__ = ("highest",)

    def __init__(self) -> None:
        self.highest = -1

    def unwrap(self, value: int) -> int:
        """Extended number of `value` (0..65535); late values come out below `highest` and do not move it."""
        highest = self.highest
        if highest < 0:
            self.highest = extended = value + 0x1_0000
            return extended
        extended = highest + ((value - highest + 0x8000) & 0xFFFF) - 0x8000
        if extended > highest:
            self.highest = extended
        return extended


class Unwrapper32:
    """Extends 32-bit numbers (RTP timestamps) as `Unwrapper16` does 16-bit ones; the first `v` is `v + 2**32`.

    Attributes:
        highest: the greatest extended number returned so far, -1 before the first.
    """

    __slots__ = ("highest",)

    def __init__(self) -> None:
        self.highest = -1

    def unwrap(self, value: int) -> int:
        """Extended number of `value` (0..2**32 - 1); late values come out below `highest` and do not move it."""
        highest = self.highest
        if highest < 0:
            self.highest = extended = value + 0x1_0000_0000
            return extended
        extended = highest + ((value - highest + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000
        if extended > highest:
            self.highest = extended
        return extended
