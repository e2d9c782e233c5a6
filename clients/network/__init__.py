"""A bad network, sans-IO: what happens to each datagram of one path (client x direction) is decided by a seed.

A datagram first waits at a bottleneck (a token bucket before a queue of bounded bytes); behind it the link may lose,
corrupt, duplicate, delay and hold it back. What the link does to packet number n is drawn from a hash of (seed,
client, direction, n): neither time nor any other packet has a say in it. What the queue drops does depend on time,
and is counted and logged apart.

Nothing here knows a clock, a socket or a loop: `now` is monotonic seconds.
"""

from clients.network.conditions import PERFECT, Conditions, GilbertElliott
from clients.network.path import Path
from clients.network.presets import PRESETS, Link
from clients.network.records import Arrival, Counts, Decision, Direction, Fault, Faults, Log, QueueDrop

__all__ = [
    "PERFECT",
    "PRESETS",
    "Arrival",
    "Conditions",
    "Counts",
    "Decision",
    "Direction",
    "Fault",
    "Faults",
    "GilbertElliott",
    "Link",
    "Log",
    "Path",
    "QueueDrop",
]
