"""How often somebody may ask: budgets that fill up with time.

The generic cell rate algorithm (ITU-T I.371, appendix A): of each caller one number is kept, the time at which its
budget will be full again; whoever has none, or one that has passed, has a full budget.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from math import ceil

from labsfu.errors import CommandError

# Addresses that are remembered; one that is forgotten for others has a full budget again.
MOST_ADDRESSES = 10_000
_IPV6_NETWORK = 64

# Seconds that a sum of many intervals may be off.
_ROUNDING = 1e-6


class TooManyRequests(CommandError):
    """The caller asks too often.

    Attributes:
        wait: seconds until it may ask again.
    """

    slug = "too-many-requests"

    def __init__(self, detail: str, wait: float) -> None:
        super().__init__(detail)
        self.wait = wait

    @property
    def retry_after(self) -> str:
        """Value of `Retry-After` (RFC 9110 10.2.3): whole seconds."""
        return str(max(1, ceil(self.wait)))


@dataclass(frozen=True, slots=True)
class Rate:
    """A budget: `per_second`, and `burst` at once."""

    per_second: float
    burst: float

    def spend(self, full_at: float, now: float) -> tuple[float, float]:
        """Spend one of a budget that will be full again at `full_at`.

        Returns:
            When it will be full again, and how many seconds are to be waited for there to be one: 0 if it was spent.
        """
        start = max(full_at, now)
        wait = start - now - (self.burst - 1) / self.per_second
        return (start + 1 / self.per_second, 0.0) if wait <= _ROUNDING else (full_at, wait)


class Budget:
    """The budget of one; it begins full."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._full_at = 0.0

    def spend(self, now: float) -> float:
        """Spend one; else how many seconds there is none."""
        self._full_at, wait = self._rate.spend(self._full_at, now)
        return wait


class AddressBudgets:
    """The budgets of all client addresses; an IPv6 network of 64 bits (one customer's) is one address.

    Args:
        rate: of each address.
        most: how many addresses are remembered.
    """

    def __init__(self, rate: Rate, most: int = MOST_ADDRESSES) -> None:
        self._rate = rate
        self._most = most
        self._full_at: dict[str, float] = {}  # who asked last is last

    def __len__(self) -> int:
        return len(self._full_at)

    def spend(self, address: str, now: float) -> float:
        """Spend one of an address; else how many seconds there is none."""
        key = _network(address)
        full_at, wait = self._rate.spend(self._full_at.pop(key, 0.0), now)
        self._full_at[key] = full_at
        self._forget(now)
        return wait

    def _forget(self, now: float) -> None:
        """Forget who has a full budget, as far as they asked longest ago; and who asked longest ago if need be."""
        while len(self._full_at) > 1:
            oldest = next(iter(self._full_at))
            if self._full_at[oldest] > now and len(self._full_at) <= self._most:
                return
            del self._full_at[oldest]


def _network(address: str) -> str:
    if ":" not in address:
        return address
    try:
        ip = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.IPv6Network((ip.packed[:8] + bytes(8), _IPV6_NETWORK)))
