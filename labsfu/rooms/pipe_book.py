"""The book of pipes: which routers of this server are joined, and what goes over."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import msgspec

from labsfu.rooms.wishes import Gate
from labsfu.wire.ids import ConsumerId, ProducerId, RouterId, TransportId
from labsfu.wire.pipe import PipeConsumerPayload, PipeProducerPayload, PipeProducerToLocalRouterPayload


@dataclass(slots=True, eq=False)
class Pipe:
    """Two transports that lead to each other; one pipe carries all that goes between two routers, both ways.

    Attributes:
        ends: the transport on each of the two routers.
        copies: what goes over it, in making too.
        ended: it is closed.
    """

    ends: dict[RouterId, TransportId]
    copies: dict[Copy, None] = field(default_factory=dict)
    ended: bool = False


@dataclass(slots=True, eq=False)
class Copy:
    """A producer on a router that it came to over a pipe.

    Attributes:
        source: the router that it came from, which need not be its origin.
        consumer: what sends it into the pipe, as it was when it was made.
        producer: what comes out of it, likewise.
        source_paused: as the source told last; None: nothing yet.
        consumer_paused: as the pipe consumer told last: somebody stopped it.
        paused: as it told last itself; None: nothing since it was made.
        held: whether it was ordered to stop, for what it is a copy of does not flow.
        users: its consumers, and flows that are about to make one.
        idle: whether the pipe consumer was ordered to stop, for nobody uses it any more; it is not paused for that.
        made: it is there.
        ended: it is gone, or must not come.
    """

    producer_id: ProducerId
    source: RouterId
    destination: RouterId
    pipe: Pipe | None = None
    consumer: PipeConsumerPayload | None = None
    producer: PipeProducerPayload | None = None
    source_paused: bool | None = None
    consumer_paused: bool = False
    paused: bool | None = None
    held: bool = False
    users: dict[object, None] = field(default_factory=dict)
    idle: bool = False
    made: bool = False
    ended: bool = False

    @property
    def should_hold(self) -> bool:
        """Whether it must not flow: what it is a copy of does not, or the pipe consumer was stopped."""
        return bool(self.source_paused) or self.consumer_paused

    def payload(self) -> PipeProducerToLocalRouterPayload:
        """Both ends, as they are now; it must have been made."""
        assert self.consumer is not None, "only what was made is shown"
        assert self.producer is not None, "only what was made is shown"
        paused = self.held or (self.producer.paused if self.paused is None else self.paused)
        consumer = msgspec.structs.replace(
            self.consumer, paused=self.consumer_paused, producer_paused=bool(self.source_paused)
        )
        return PipeProducerToLocalRouterPayload(
            message=f"producer {self.producer_id} is on router {self.destination} too",
            producer_id=self.producer_id,
            source_router_id=self.source,
            destination_router_id=self.destination,
            pipe_consumer=consumer,
            pipe_producer=msgspec.structs.replace(self.producer, paused=paused),
        )


class PipeBook:
    """All pipes and copies.

    Attributes:
        pipes: by the pair of routers.
        transports: the pipe of each transport.
        copies: by the router that they came to, and the producer's id.
        consumers: the copy that each pipe consumer feeds.
        users: the copy that each consumer is of.
        settling: where something is still ordered of a copy, which may be gone: what opens when that is over.
    """

    def __init__(self) -> None:
        self.pipes: dict[frozenset[RouterId], Pipe] = {}
        self.transports: dict[TransportId, Pipe] = {}
        self.copies: dict[tuple[RouterId, ProducerId], Copy] = {}
        self.consumers: dict[ConsumerId, Copy] = {}
        self.users: dict[ConsumerId, Copy] = {}
        self.settling: dict[tuple[RouterId, ProducerId], Gate] = {}
        self._leaving: dict[tuple[RouterId, ProducerId], dict[Copy, None]] = {}

    def __len__(self) -> int:
        copies = (self.copies, self.consumers, self.users, self.settling, self._leaving)
        books = (self.pipes, self.transports, *copies)
        return sum(len(book) for book in books)

    def copies_from(self, router_id: RouterId, producer_id: ProducerId) -> tuple[Copy, ...]:
        """All copies that are made of this producer on this router."""
        return tuple(self._leaving.get((router_id, producer_id), ()))

    def add_copy(self, copy: Copy) -> None:
        """One is on its way."""
        self.copies[copy.destination, copy.producer_id] = copy
        self._leaving.setdefault((copy.source, copy.producer_id), {})[copy] = None

    def add_consumer(self, copy: Copy, consumer: PipeConsumerPayload) -> None:
        """This sends a copy into its pipe."""
        copy.consumer = consumer
        self.consumers[consumer.id] = copy

    def settle(self, copy: Copy, over: Gate) -> None:
        """Something is ordered of it: another copy of its name is not to be made before that is over."""
        name = copy.destination, copy.producer_id
        self.settling[name] = over

        def forget() -> None:
            if self.settling.get(name) is over:
                del self.settling[name]

        over.when_open(forget)

    def strike_copy(self, copy: Copy) -> None:
        """It is gone."""
        copy.ended = True
        if self.copies.get((copy.destination, copy.producer_id)) is copy:
            del self.copies[copy.destination, copy.producer_id]
        source = copy.source, copy.producer_id
        leaving = self._leaving.get(source, {})
        leaving.pop(copy, None)
        if not leaving:
            self._leaving.pop(source, None)
        if copy.consumer is not None:
            self.consumers.pop(copy.consumer.id, None)
        if copy.pipe is not None:
            copy.pipe.copies.pop(copy, None)

    def add_pipe(self, pipe: Pipe) -> None:
        """Two routers are joined."""
        self.pipes[frozenset(pipe.ends)] = pipe
        self.transports.update(dict.fromkeys(pipe.ends.values(), pipe))

    def strike_pipe(self, pipe: Pipe) -> None:
        """They are joined no more, and what went over the pipe is gone."""
        pipe.ended = True
        self.pipes.pop(frozenset(pipe.ends), None)
        for transport_id in pipe.ends.values():
            self.transports.pop(transport_id, None)
        for copy in tuple(pipe.copies):
            self.strike_copy(copy)

    def strike_between(self, routers: Collection[RouterId]) -> None:
        """Routers are about to be closed all together: what joins them needs no closing of its own."""
        for ends, pipe in tuple(self.pipes.items()):
            if ends <= set(routers):
                self.strike_pipe(pipe)
