"""Randomness from the operating system."""

from __future__ import annotations

import secrets
import string
from uuid import uuid4

_ALPHABET = string.ascii_lowercase + string.digits


class SystemEntropy:
    """Implements `labsfu.core.entropy.Entropy`."""

    def uuid(self) -> str:
        """A new UUID (version 4)."""
        return str(uuid4())

    def ice_token(self, length: int) -> str:
        """`length` characters of `a-z 0-9`."""
        return "".join(secrets.choice(_ALPHABET) for _ in range(length))

    def integer(self, low: int, high: int) -> int:
        """An integer with low <= result <= high."""
        return low + secrets.randbelow(high - low + 1)

    def fraction(self) -> float:
        """A float with 0 <= result < 1."""
        return secrets.randbits(53) / (1 << 53)
