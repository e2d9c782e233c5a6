"""Where the core gets its randomness from: whoever makes an engine brings it."""

from __future__ import annotations

from typing import Protocol


class Entropy(Protocol):
    """A source of random values; the shell's is the operating system's, a test's is seeded."""

    def uuid(self) -> str:
        """A new UUID (version 4) in canonical form."""

    def ice_token(self, length: int) -> str:
        """`length` characters of `a-z 0-9`, for credentials (RFC 8445 5.3)."""

    def integer(self, low: int, high: int) -> int:
        """An integer with low <= result <= high."""

    def fraction(self) -> float:
        """A float with 0 <= result < 1."""
