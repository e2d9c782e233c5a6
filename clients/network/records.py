"""What a path is asked and what it tells: faults, decisions, arrivals, counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import NamedTuple


class Direction(StrEnum):
    """Of a path, as the client sees it."""

    UP = "up"
    DOWN = "down"


class Fault(Enum):
    """What a hook wants done to one packet. Such a packet is exempt from the draws; delay and queue still apply."""

    PASS = "pass"
    """Nothing: it is neither lost nor changed nor late."""
    DROP = "drop"
    HOLD = "hold"
    """Keep it until `Path.release`."""
    SWAP = "swap"
    """Keep it until the next packet has gone."""
    DUPLICATE = "duplicate"
    CORRUPT = "corrupt"


Faults = Callable[[int, bytes], Fault | None]
"""Given the number of a packet (the first has 0) and its bytes; None leaves it to the draws."""


class Decision(NamedTuple):
    """What the link does to one packet: of the seed, the conditions and the fault alone, never of time.

    Attributes:
        number: of the packet on its path, from 0.
        fault: what the hook wanted.
        lost: it does not arrive (by the draws; a `Fault.DROP` is told by `fault`).
        delay: seconds from the bottleneck to the other end, at least.
        reordered: held back by `reorder_delay`, which `delay` includes.
        duplicated: it arrives twice.
        copy_delay: seconds, of the second copy, if there is one.
        corrupted: one bit is turned over.
        where: which one, 0..1 of the packet's length.
    """

    number: int
    fault: Fault | None
    lost: bool
    delay: float
    reordered: bool
    duplicated: bool
    copy_delay: float
    corrupted: bool
    where: float


class QueueDrop(NamedTuple):
    """A packet that the link would not have lost, for which the queue had no room.

    Attributes:
        number: of the packet on its path, from 0.
        now: seconds.
        size: bytes.
    """

    number: int
    now: float
    size: int


Log = Callable[[Decision | QueueDrop], None]


class Arrival(NamedTuple):
    """A packet at the other end.

    Attributes:
        number: on its path, from 0.
        data: its bytes, corrupted if it was decided so.
        sent: seconds, when it was given to `send`.
        at: seconds, when it arrived.
        copy: the second one of a duplicate.
        tag: what was given to `send` with it.
    """

    number: int
    data: bytes
    sent: float
    at: float
    copy: bool
    tag: object


@dataclass(slots=True)
class Counts:
    """What became of the packets of a path.

    Always: sent + duplicated = delivered + lost + fault_dropped + queue_dropped + those on their way (`Path.waiting`).

    Attributes:
        sent: packets given to `send`.
        sent_bytes: their bytes.
        delivered: packets that arrived, second copies too.
        delivered_bytes: their bytes.
        lost: by the draws.
        fault_dropped: by the hook.
        queue_dropped: for want of room in the queue; depends on time.
        duplicated: second copies.
        corrupted: packets with a bit turned over (none is in an empty packet).
        reordered: packets held back.
        overtaken: packets that arrived after one with a higher number; depends on time.
    """

    sent: int = 0
    sent_bytes: int = 0
    delivered: int = 0
    delivered_bytes: int = 0
    lost: int = 0
    fault_dropped: int = 0
    queue_dropped: int = 0
    duplicated: int = 0
    corrupted: int = 0
    reordered: int = 0
    overtaken: int = 0
