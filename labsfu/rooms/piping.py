"""How a producer of one router comes to be on another router of this server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from labsfu.errors import CommandError, Conflict
from labsfu.rooms.directory import Directory
from labsfu.rooms.notices import Notices
from labsfu.rooms.pipe_book import Copy, Pipe, PipeBook
from labsfu.rooms.pipe_upkeep import PipeUpkeep, closings_of
from labsfu.rooms.remote import RemotePeople
from labsfu.rooms.together import Together
from labsfu.rooms.unadopted import Watch
from labsfu.rooms.wishes import Flow, WaitFor, ask, ask_to_close
from labsfu.wire import commands
from labsfu.wire.base import ABSENT
from labsfu.wire.ids import ProducerId, RouterId, TransportId
from labsfu.wire.pipe import PipeConsumerPayload, PipeProducerPayload, PipeTransportPayload
from labsfu.wire.sfu import ProducerPayload

LOOPBACK = "127.0.0.1"
"""All routers of a server are on one machine."""


class Piping:
    """Joins routers and brings producers over: each pipe and each copy is made once, whoever asks meanwhile waits.

    Between two routers there is one pair of transports, as long as both live: made for the first producer, kept after
    the last, without SRTP and RTX, since nobody else is between them and nothing is lost.

    Args:
        directory: what the engine said of what is being made; which room lives where.
        notices: where orders go.
        book: the pipes.
        remote: makes a producer of another room's one of its people.
    """

    def __init__(self, directory: Directory, notices: Notices, book: PipeBook, remote: RemotePeople) -> None:
        self._directory = directory
        self._book = book
        self._remote = remote
        self.upkeep = PipeUpkeep(book, notices)
        self._pipes_in_making: Together[Pipe] = Together()
        self._copies_in_making: Together[Copy] = Together()

    def pipe(self, source: RouterId, producer_id: ProducerId, destination: RouterId) -> Flow[Copy]:
        """Have a producer be on another router; asking again is answered with what there is.

        Raises:
            NotFound: no such router or producer.
            Conflict: the two routers are one (`pipe-to-itself`), the destination has the producer by other means
                (`producer-exists`), the producer sends nothing yet, or one side closed meanwhile (`pipe-closed`).
            CommandError: any other refusal; nothing is left of what was made for this.
        """
        if source == destination:
            raise Conflict(f"router '{source}' cannot be piped to itself", slug="pipe-to-itself")
        copy = yield from self._copy(source, producer_id, destination)
        if copy.source != source:
            raise Conflict(f"router '{destination}' has a producer '{producer_id}' already", slug="producer-exists")
        return copy

    def bring(self, source: RouterId, producer_id: ProducerId, destination: RouterId) -> Flow[Copy | None]:
        """Have a producer be on the router of somebody who wants to consume it, whichever way it comes there.

        Answers the copy, or None where it is at home. Raises CommandError, as `pipe` does.
        """
        if source == destination:
            return None
        return (yield from self._copy(source, producer_id, destination))

    @contextmanager
    def using(self, copy: Copy | None) -> Iterator[None]:
        """While a flow makes a consumer of a copy: it flows."""
        if copy is None:
            yield
            return
        user = object()
        self.upkeep.use(copy, user)
        try:
            yield
        finally:
            self.upkeep.release(copy, user)

    # ------------------------------------------------------------------ copies

    def _copy(self, source: RouterId, producer_id: ProducerId, destination: RouterId) -> Flow[Copy]:
        name = destination, producer_id
        while True:
            copy = self._book.copies.get(name)
            if copy is None or not copy.made:
                copy = yield from self._copies_in_making.make(name, lambda: self._make(*name, source), terms=source)
            if copy is not None and not copy.ended:
                return copy

    def _make(self, destination: RouterId, producer_id: ProducerId, source: RouterId) -> Flow[Copy]:
        while (over := self._book.settling.get((destination, producer_id))) is not None:
            yield WaitFor(over)  # what is still ordered of the copy before is not to hit this one
        copy = Copy(producer_id, source, destination)
        self._book.add_copy(copy)
        try:
            yield from self._join(copy)
        except CommandError:
            self._book.strike_copy(copy)
            yield from self._undo(copy)
            raise
        copy.made = True
        self.upkeep.follow(copy)
        return copy

    def _join(self, copy: Copy) -> Flow[None]:
        origin = yield from self._sending(copy)
        there = yield from ask(commands.GetRouter(router_id=copy.destination), commands.RouterShown)
        pipe = copy.pipe = yield from self._pipe_between(copy.source, copy.destination)
        pipe.copies[copy] = None
        consume = commands.ConsumeForPipe(
            router_id=copy.source,
            transport_id=pipe.ends[copy.source],
            producer_id=copy.producer_id,
            rtp_capabilities=there.router.rtp_capabilities,
            held=True,
            app_data=origin.app_data,
        )
        consumer = yield from self._consume(copy, consume)
        copy.held = copy.should_hold
        produce = commands.ProduceFromPipe(
            router_id=copy.destination,
            transport_id=pipe.ends[copy.destination],
            producer_id=copy.producer_id,
            participant_id=origin.participant_id,
            kind=consumer.kind,
            rtp_parameters=consumer.rtp_parameters,
            held=copy.held,
            app_data=origin.app_data,
        )
        copy.producer = yield from self._produce(copy, produce)
        _check_open(copy)
        let_flow = commands.HoldConsumer(router_id=copy.source, consumer_id=consumer.id, held=False)
        yield from ask(let_flow, commands.Done)  # now, that nothing comes before there is somebody to take it
        _check_open(copy)

    def _sending(self, copy: Copy) -> Flow[ProducerPayload]:
        """What is to be copied."""
        command = commands.GetProducer(router_id=copy.source, producer_id=copy.producer_id)
        shown = (yield from ask(command, commands.ProducerShown)).producer
        if shown.kind is ABSENT:
            raise Conflict(f"producer '{copy.producer_id}' sends nothing yet", slug="producer-incomplete")
        return shown

    def _consume(self, copy: Copy, command: commands.ConsumeForPipe) -> Flow[PipeConsumerPayload]:
        """Make what sends it into the pipe."""
        with self._directory.unadopted.watch() as said:
            consumer = (yield from ask(command, commands.PipeConsumed)).consumer
            if said.has_ended(consumer.id):
                self._book.strike_copy(copy)
            else:
                self._book.add_consumer(copy, consumer)
            copy.consumer_paused = said.is_paused(consumer.id, consumer.paused)
        if copy.source_paused is None:
            copy.source_paused = consumer.producer_paused
        _check_open(copy)
        return consumer

    def _produce(self, copy: Copy, command: commands.ProduceFromPipe) -> Flow[PipeProducerPayload]:
        """Make it on the other router: in another room somebody of that room sends it, in the same room nobody new."""
        rooms = self._directory.routers
        if rooms.get(copy.source) is rooms.get(copy.destination):
            return (yield from ask(command, commands.PipeProduced)).producer
        return (yield from self._remote.produce(command))

    def _undo(self, copy: Copy) -> Flow[None]:
        """Close what was made of a copy, and its pipe, unless something else goes over that."""
        closings: list[commands.Command] = []
        if copy.producer is not None:
            closings.append(commands.CloseProducer(router_id=copy.destination, producer_id=copy.producer_id))
        if copy.consumer is not None:
            closings.append(commands.CloseConsumer(router_id=copy.source, consumer_id=copy.consumer.id))
        pipe = copy.pipe
        if pipe is not None and not pipe.copies and not pipe.ended:
            self._book.strike_pipe(pipe)
            closings += closings_of(pipe)
        yield from ask_to_close(closings)

    # ------------------------------------------------------------------ pipes

    def _pipe_between(self, one: RouterId, other: RouterId) -> Flow[Pipe]:
        pair = frozenset((one, other))
        while True:
            pipe = self._book.pipes.get(pair)
            if pipe is None:
                pipe = yield from self._pipes_in_making.make(pair, lambda: self._make_pipe(one, other))
            if pipe is not None and not pipe.ended:
                return pipe

    def _make_pipe(self, one: RouterId, other: RouterId) -> Flow[Pipe]:
        made: dict[RouterId, PipeTransportPayload] = {}
        with self._directory.unadopted.watch() as said:
            try:
                for router_id in (one, other):
                    create = commands.CreatePipeTransport(router_id=router_id, listen_ip=LOOPBACK)
                    made[router_id] = (yield from ask(create, commands.PipeTransportShown)).pipe_transport
                for router_id, peer in ((one, made[other]), (other, made[one])):
                    yield from ask(_connect(router_id, made[router_id].id, peer), commands.Done)
                _check_both_open(made, said)
            except CommandError:
                ends = {router_id: shown.id for router_id, shown in made.items()}
                yield from ask_to_close(closings_of(Pipe(ends)))
                raise
        pipe = Pipe({router_id: shown.id for router_id, shown in made.items()})
        self._book.add_pipe(pipe)
        return pipe


def _check_both_open(made: dict[RouterId, PipeTransportPayload], said: Watch) -> None:
    for shown in made.values():
        if said.has_ended(shown.id):
            raise Conflict(f"pipe transport '{shown.id}' closed while it was made", slug="pipe-closed")


def _connect(router_id: RouterId, transport_id: TransportId, peer: PipeTransportPayload) -> commands.Command:
    return commands.ConnectPipeTransport(
        router_id=router_id, transport_id=transport_id, ip=peer.addresses.local_ip, port=peer.addresses.local_port
    )


def _check_open(copy: Copy) -> None:
    if copy.ended:
        raise Conflict(f"the pipe of producer '{copy.producer_id}' closed while it was made", slug="pipe-closed")
