"""Randomness that a test can repeat."""

from __future__ import annotations

import random
import string
import uuid

_ALPHABET = string.ascii_lowercase + string.digits


class SeededEntropy:
    """Implements `labsfu.core.entropy.Entropy` from a seed."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)

    def uuid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def ice_token(self, length: int) -> str:
        return "".join(self._random.choice(_ALPHABET) for _ in range(length))

    def integer(self, low: int, high: int) -> int:
        return self._random.randint(low, high)

    def fraction(self) -> float:
        return self._random.random()
