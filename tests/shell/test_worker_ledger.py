"""What is told for a dead worker is what its engine would have told, had it closed all its routers."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from labsfu.core.outputs import BoundSocket
from labsfu.errors import CommandError
from labsfu.shell.worker_ledger import Ledger
from labsfu.wire import commands, events
from labsfu.wire.events import EngineEvent, RouterClosed
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId, RouterId, TransportId
from labsfu.wire.rtp import MediaKind
from tests.support.lab import Lab
from tests.support.media import audio_parameters, video_parameters

CLOSED = (events.ConsumerClosed, events.ProducerClosed, events.TransportClosed, events.RouterClosed)
ANN = ParticipantId("ann")


class Book:
    """A lab whose events a ledger follows."""

    def __init__(self, seed: int = 1) -> None:
        self.lab = Lab()
        self.ledger = Ledger()
        self.random = random.Random(seed)
        self.routers = [self.lab.router]
        self.sockets = 10
        self._seen = 0
        self.follow()

    def follow(self) -> list[EngineEvent]:
        """Have the ledger know what happened since, and give it."""
        fresh: Sequence[EngineEvent] = self.lab.events[self._seen :]  # type: ignore[assignment]  # a lab has an engine only
        for event in fresh:
            self.ledger.follow(event)
        self._seen += len(fresh)
        return list(fresh)

    def do(self, command: commands.Command) -> commands.Result | None:
        """Carry out, unless it is refused."""
        socket = None
        if isinstance(command, commands.CreatePipeTransport):
            self.sockets += 1
            socket = BoundSocket(self.sockets, "192.0.2.1", 40000 + self.sockets)
        try:
            return self.lab.do(command, commands.Result, socket)  # type: ignore[arg-type]  # of any type
        except CommandError:
            return None
        finally:
            self.follow()

    def ids(self, router: RouterId) -> tuple[list[TransportId], list[ProducerId], list[ConsumerId]]:
        """What lives on a router, as its events say."""
        made: list[list[str]] = [[], [], []]
        for event in self.lab.events:
            if getattr(event, "router_id", None) != router:
                continue
            match event:
                case events.TransportMade():
                    made[0].append(event.transport_id)
                case events.ProducerMade():
                    made[1].append(event.producer_id)
                case events.ConsumerMade():
                    made[2].append(event.consumer_id)
                case events.TransportClosed():
                    made[0].remove(event.transport_id)
                case events.ProducerClosed():
                    made[1].remove(event.producer_id)
                case events.ConsumerClosed():
                    made[2].remove(event.consumer_id)
        transports, producers, consumers = made
        return [*map(TransportId, transports)], [*map(ProducerId, producers)], [*map(ConsumerId, consumers)]

    def anything(self) -> None:
        """Something that a router may be asked."""
        router = self.random.choice(self.routers)
        transports, producers, consumers = self.ids(router)
        video = self.random.random() < 0.5
        kind = MediaKind.VIDEO if video else MediaKind.AUDIO
        parameters = video_parameters() if video else audio_parameters()
        wishes: list[commands.Command] = [commands.CreateWebRtcTransport(router_id=router)]
        wishes.append(
            commands.CreateProducer(router_id=router, participant_id=ANN, kind=kind, rtp_parameters=parameters)
        )
        if transports:
            where = self.random.choice(transports)
            wishes += [
                commands.Produce(
                    router_id=router, transport_id=where, participant_id=ANN, kind=kind, rtp_parameters=parameters
                ),
                commands.CloseTransport(router_id=router, transport_id=where),
            ]
        if transports and producers:
            where, what = self.random.choice(transports), self.random.choice(producers)
            capabilities = self.lab.capabilities
            wishes += 3 * [
                commands.Consume(
                    router_id=router,
                    transport_id=where,
                    producer_id=what,
                    participant_id=ANN,
                    rtp_capabilities=capabilities,
                ),
                commands.CreateConsumer(
                    router_id=router, producer_id=what, participant_id=ANN, rtp_capabilities=capabilities
                ),
            ]
            wishes.append(commands.CloseProducer(router_id=router, producer_id=what))
        if consumers:
            wishes.append(commands.CloseConsumer(router_id=router, consumer_id=self.random.choice(consumers)))
        self.do(self.random.choice(wishes))


@pytest.mark.parametrize("seed", range(5))
def test_the_same_is_told_in_the_same_order(seed: int) -> None:
    book = Book(seed)
    for _ in range(2):
        made = book.do(commands.CreateRouter())
        assert isinstance(made, commands.RouterCreated)
        book.routers.append(made.router_id)
    for _ in range(150):
        book.anything()
    told = Ledger()
    for event in book.lab.events:
        told.follow(event)  # type: ignore[arg-type]  # a lab has an engine only
    seen = len(book.lab.events)
    for router in book.routers:
        book.do(commands.CloseRouter(router_id=router))
    wanted = [event for event in book.lab.events[seen:] if isinstance(event, CLOSED)]
    assert len(wanted) > 10
    assert {type(event) for event in wanted} == set(CLOSED)
    assert told.close() == [replace(event, reason="worker-died") for event in wanted]
    assert len(book.ledger) == 0


def test_both_ends_of_a_pipe_have_a_producer_of_the_same_id_and_both_are_told() -> None:
    ledger = Ledger()
    for name in ("a", "b"):
        router, transport, producer = RouterId(name), TransportId(f"{name}-pipe"), ProducerId("p")
        ledger.follow(events.RouterMade(router_id=router))
        ledger.follow(events.TransportMade(router_id=router, transport_id=transport, pipe=True))
        ledger.follow(
            events.ProducerMade(
                router_id=router,
                transport_id=transport,
                producer_id=producer,
                participant_id=ANN,
                media=MediaKind.AUDIO,
                piped=name == "b",
            )
        )
    ledger.follow(events.ProducerClosed(router_id=RouterId("a"), producer_id=ProducerId("p"), reason="asked"))
    closed = [(event.router_id, type(event)) for event in ledger.close()]
    assert closed == [
        ("a", events.TransportClosed),
        ("a", events.RouterClosed),
        ("b", events.ProducerClosed),
        ("b", events.TransportClosed),
        ("b", events.RouterClosed),
    ]


def test_what_is_told_once_is_not_told_again_and_what_is_of_no_router_is_nothing() -> None:
    ledger = Ledger()
    ledger.follow(events.PacketsDropped(router_id=RouterId(""), drops=()))
    ledger.follow(events.RouterMade(router_id=RouterId("a")))
    assert ledger.close() == [RouterClosed(router_id=RouterId("a"), reason="worker-died")]
    assert ledger.close() == []
