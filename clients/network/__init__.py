"""A bad network, sans-IO: what happens to each datagram of one path (client x direction) is decided by a seed.

A datagram first waits at a bottleneck (a token bucket before a queue of bounded bytes); behind it the link may lose,
corrupt, duplicate, delay and hold it back. What the link does to packet number n is drawn from a hash of (seed,
client, direction, n): neither time nor any other packet has a say in it. What the queue drops does depend on time,
and is counted and logged apart.

A `NetworkPlan` says what the network of a client shall be from beginning to end: conditions, how they change, and
faults of exact packets by what those are.

Nothing here knows a clock, a socket or a loop: `now` is monotonic seconds.
"""

from clients.network.conditions import PERFECT, Conditions, GilbertElliott
from clients.network.packets import Content, Rtcp, Seen
from clients.network.path import Path
from clients.network.plan import NETWORKS, LogEntry, NetworkPlan, Step, blackout
from clients.network.presets import PRESETS, Link
from clients.network.records import Arrival, Counts, Decision, Direction, Fault, Faults, Log, QueueDrop
from clients.network.rules import LAST, Every, FaultRule, KeyFramePacket, Nth, rtcp, rtp, rtx

__all__ = [
    "LAST",
    "NETWORKS",
    "PERFECT",
    "PRESETS",
    "Arrival",
    "Conditions",
    "Content",
    "Counts",
    "Decision",
    "Direction",
    "Every",
    "Fault",
    "FaultRule",
    "Faults",
    "GilbertElliott",
    "KeyFramePacket",
    "Link",
    "Log",
    "LogEntry",
    "NetworkPlan",
    "Nth",
    "Path",
    "QueueDrop",
    "Rtcp",
    "Seen",
    "Step",
    "blackout",
    "rtcp",
    "rtp",
    "rtx",
]
