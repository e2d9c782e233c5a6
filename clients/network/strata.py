"""Draws that are spread evenly: over each thousand packets they fall once into each thousandth of [0, 1).

A share of 1 % of 10,000 packets, each drawn for itself, is as likely as not to be off by more than 7 %: what was
configured would not be what happened. Here each thousand loses its share, and any of its packets may be the ones: which
thousandth a packet's draw lies in is a permutation, made from the seed for each thousand.
"""

from __future__ import annotations

from hashlib import blake2b

SIZE = 1000
"""Packets, and strata."""

_BITS = 5
_HALF = 1 << _BITS
_ROUNDS = 6


class Strata:
    """Spreads the draws of one path, each by its packet's number alone.

    Args:
        key: of the path.
    """

    __slots__ = ("_block", "_key", "_tables")

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._block = -1
        self._tables = b""

    def spread(self, number: int, draw: float) -> float:
        """A draw of [0, 1) moved into the stratum of its packet."""
        block, place = divmod(number, SIZE)
        if block != self._block:
            self._block, self._tables = block, self._make(block)
        stratum = self._permuted(place)
        while stratum >= SIZE:  # a permutation of 1024, walked until it is one of 1000
            stratum = self._permuted(stratum)
        return (stratum + draw) / SIZE

    def _make(self, block: int) -> bytes:
        """A table for each round: the random functions of the network."""
        key, person = self._key, b"strata"
        return b"".join(
            blake2b(b"%d %d" % (block, part), digest_size=64, key=key, person=person).digest()
            for part in range(_ROUNDS * _HALF // 64)
        )

    def _permuted(self, value: int) -> int:
        """A Feistel network of two halves of five bits (Luby and Rackoff 1988)."""
        tables = self._tables
        left, right = value >> _BITS, value & (_HALF - 1)
        for offset in range(0, _ROUNDS * _HALF, _HALF):
            left, right = right, left ^ (tables[offset + right] & (_HALF - 1))
        return left << _BITS | right
