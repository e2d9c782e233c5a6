"""The things that a server has, as a watcher knows them.

Two of them are equal when what events tell of them is: what only HTTP or samples tell does not count, since a watcher
who came later may know more or less of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from labsfu.wire.feed import Happened
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId, RoomId, RouterId, TransportId
from labsfu.wire.payloads import ParticipantType, RoomType, WorkerInfo
from labsfu.wire.rtp import ConsumerLayers, MediaKind
from labsfu.wire.sfu import ConsumerScore, ProducerScore
from labsfu.wire.stats import ConsumerSample, EncodingSample, TransportSample
from labsfu.wire.transport import DtlsState, IceState

HISTORY = 120
"""Samples of a thing that are kept: two minutes at one a second."""
LOG = 20
"""Events of a thing that are kept."""

Log: TypeAlias = "deque[Happened]"
ProducerKey: TypeAlias = tuple[RouterId, ProducerId]
"""A producer that is piped has the same id on several routers."""


def _log() -> Log:
    return deque(maxlen=LOG)


@dataclass(slots=True)
class Worker:
    """A worker: what it said, and when (epoch milliseconds)."""

    info: WorkerInfo
    history: deque[tuple[int, WorkerInfo]] = field(default_factory=lambda: deque(maxlen=HISTORY), compare=False)


@dataclass(slots=True)
class Person:
    """A participant of a room; `remote`: of another server, known by what comes over a pipe."""

    id: ParticipantId
    type: ParticipantType
    name: str
    share_screen: bool = False
    remote: bool = False
    connected: bool = False


@dataclass(slots=True)
class Room:
    """A room; its participants in the order of their coming."""

    id: RoomId
    type: RoomType
    size: int
    router_ids: tuple[RouterId, ...]
    people: dict[ParticipantId, Person] = field(default_factory=dict)
    speaker: ParticipantId | None = field(default=None, compare=False)


@dataclass(slots=True)
class Transport:
    """A transport; whose it is, if that was told; `remote` is "address:port".

    `pipe`: it leads to another router, is nobody's, and has neither ICE nor DTLS.
    """

    id: TransportId
    router_id: RouterId
    pipe: bool = False
    participant_id: ParticipantId | None = field(default=None, compare=False)
    ice: IceState = IceState.NEW
    dtls: DtlsState = DtlsState.NEW
    remote: str = field(default="", compare=False)
    history: deque[tuple[int, TransportSample]] = field(default_factory=lambda: deque(maxlen=HISTORY), compare=False)
    log: Log = field(default_factory=_log, compare=False)


@dataclass(slots=True)
class Producer:
    """What somebody sends; `volume` is dBov, of the last second in which it was loud.

    `piped`: it comes over a pipe, from the router (of this server or another) that its sender is connected to.
    """

    id: ProducerId
    router_id: RouterId
    transport_id: TransportId
    participant_id: ParticipantId
    kind: MediaKind
    paused: bool = False
    piped: bool = False
    score: tuple[ProducerScore, ...] = field(default=(), compare=False)
    codec: str = field(default="", compare=False)
    volume: int | None = field(default=None, compare=False)
    history: deque[tuple[int, tuple[EncodingSample, ...]]] = field(
        default_factory=lambda: deque(maxlen=HISTORY), compare=False
    )
    log: Log = field(default_factory=_log, compare=False)

    @property
    def key(self) -> ProducerKey:
        """What it is known by."""
        return self.router_id, self.id


@dataclass(slots=True)
class Consumer:
    """What somebody is sent of a producer; `piped`: it goes into a pipe, and `participant_id` is whose media it is."""

    id: ConsumerId
    producer_id: ProducerId
    router_id: RouterId
    transport_id: TransportId
    participant_id: ParticipantId
    paused: bool = False
    piped: bool = False
    score: ConsumerScore | None = field(default=None, compare=False)
    layers: ConsumerLayers | None = field(default=None, compare=False)
    target: ConsumerLayers | None = field(default=None, compare=False)
    codec: str = field(default="", compare=False)
    history: deque[tuple[int, ConsumerSample]] = field(default_factory=lambda: deque(maxlen=HISTORY), compare=False)
    log: Log = field(default_factory=_log, compare=False)


Thing: TypeAlias = Transport | Producer | Consumer


def each_once(producers: Iterable[Producer]) -> list[Producer]:
    """Without the copies of what is piped: of each id the one that its sender is connected to, if it is among them."""
    found: dict[ProducerId, Producer] = {}
    for producer in producers:
        if producer.id not in found or found[producer.id].piped:
            found[producer.id] = producer
    return list(found.values())
