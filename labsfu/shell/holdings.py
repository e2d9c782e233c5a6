"""How much of what an engine holds there may be: learned from its events, asked before each command.

What is being made counts, too: between the asking and the event there is a wait. An engine itself has no such limits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from labsfu.errors import Conflict
from labsfu.wire import commands, events
from labsfu.wire.commands import Command
from labsfu.wire.events import EngineEvent
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId, RouterId, TransportId

Owner: TypeAlias = tuple[RouterId, ParticipantId] | TransportId
"""A participant on a router, or a pipe."""

Stream: TypeAlias = ConsumerId | tuple[RouterId, ProducerId]
"""A producer that is piped is in several routers."""


@dataclass(frozen=True, slots=True)
class HoldingLimits:
    """The most of each at one time.

    Attributes:
        routers: those of rooms too.
        transports: two of each participant, one of each producer and consumer made over HTTP, each end of a pipe.
        consumers: of one participant on one router; what goes into pipes is nobody's.
        streams: producers and consumers of one end of a pipe.
    """

    routers: int = 2000
    transports: int = 25_000
    consumers: int = 1000
    streams: int = 4000


class Holdings:
    """What there is, and what is being made."""

    def __init__(self, limits: HoldingLimits) -> None:
        self._limits = limits
        self._routers: set[RouterId] = set()
        self._transports: set[TransportId] = set()
        self._owners: dict[Stream, Owner] = {}
        self._streams: Counter[Owner] = Counter()
        self._in_making: Counter[str | Owner] = Counter()

    @contextmanager
    def making(self, command: Command) -> Iterator[None]:
        """While a command is carried out.

        Raises:
            Conflict: there is as much already as there may be; slugs `too-many-routers`, `-transports`, `-consumers`,
                `-streams`.
        """
        makes = self._check(command)
        self._in_making.update(makes)
        try:
            yield
        finally:
            self._in_making.subtract(makes)
            for what in makes:
                if not self._in_making[what]:
                    del self._in_making[what]

    def follow(self, event: EngineEvent) -> None:
        """Something was made or closed."""
        match event:
            case events.RouterMade():
                self._routers.add(event.router_id)
            case events.RouterClosed():
                self._routers.discard(event.router_id)
            case events.TransportMade():
                self._transports.add(event.transport_id)
            case events.TransportClosed():
                self._transports.discard(event.transport_id)
            case events.ConsumerMade():
                owner = event.transport_id if event.piped else (event.router_id, event.participant_id)
                self._add(event.consumer_id, owner)
            case events.ConsumerClosed():
                self._forget(event.consumer_id)
            case events.ProducerMade(piped=True):
                self._add((event.router_id, event.producer_id), event.transport_id)
            case events.ProducerClosed():
                self._forget((event.router_id, event.producer_id))

    def _add(self, stream: Stream, owner: Owner) -> None:
        self._owners[stream] = owner
        self._streams[owner] += 1

    def _forget(self, stream: Stream) -> None:
        owner = self._owners.pop(stream, None)
        if owner is not None:
            self._streams[owner] -= 1
            if not self._streams[owner]:
                del self._streams[owner]

    def _check(self, command: Command) -> tuple[str | Owner, ...]:
        """What a command makes, unless there is enough of it."""
        limits, makes = self._limits, self._in_making
        match command:
            case commands.CreateRouter():
                _refuse_beyond(limits.routers, len(self._routers) + makes["routers"], "routers")
                return ("routers",)
            case commands.CreateWebRtcTransport() | commands.CreateProducer() | commands.CreatePipeTransport():
                _refuse_beyond(limits.transports, len(self._transports) + makes["transports"], "transports")
                return ("transports",)
            case commands.CreateConsumer() | commands.Consume():
                owner = command.router_id, command.participant_id
                whose = f"participant '{command.participant_id}' has"
                _refuse_beyond(limits.consumers, self._streams[owner] + makes[owner], "consumers", whose)
                if isinstance(command, commands.Consume):
                    return (owner,)
                _refuse_beyond(limits.transports, len(self._transports) + makes["transports"], "transports")
                return (owner, "transports")
            case commands.ConsumeForPipe() | commands.ProduceFromPipe():
                pipe = command.transport_id
                whose = f"pipe transport '{pipe}' has"
                _refuse_beyond(limits.streams, self._streams[pipe] + makes[pipe], "streams", whose)
                return (pipe,)
        return ()


def _refuse_beyond(limit: int, count: int, what: str, who: str = "the server has") -> None:
    if count >= limit:
        raise Conflict(f"{who} {limit} {what}, and may have no more", slug=f"too-many-{what}")
