"""Rooms under random use, flows interleaved: nobody is told wrong, nothing is left, nothing is closed twice."""

from collections import Counter
from typing import Any, TypeAlias

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from labsfu.errors import CommandError
from labsfu.rooms.wishes import ConnectionId, Hangup
from labsfu.shell.whereabouts import Whereabouts
from labsfu.wire import commands, events
from labsfu.wire import socket as wire
from labsfu.wire.ids import ParticipantId, ProducerId, TransportId
from labsfu.wire.payloads import ParticipantType
from labsfu.wire.rtp import MediaKind
from tests.support.fake_worker import CAPABILITIES, OPUS
from tests.support.room_world import ROOM, Paused, World

NewsBook: TypeAlias = dict[tuple[str, str], object]
"""Layers or score, by the id that they are of and the name of the signal."""

NAMES = st.sampled_from(["ann", "ben", "cyd", "dan"])


class View:
    """What one client believes, from its signals alone."""

    def __init__(self) -> None:
        self.open = False
        self.name: ParticipantId | None = None
        self.people: set[str] = set()
        self.own: set[str] = set()
        self.producers: set[ProducerId] = set()
        self.screens: set[str] = set()
        self.consumers: set[str] = set()
        self.news: NewsBook = {}
        self.speaker: ProducerId | None = None

    def hear(self, item: wire.ServerMessage | Hangup) -> None:
        match item:
            case wire.Init():
                self.open, self.name = True, item.participant_id
                self.people = {other.id for other in item.participants}
                self.consumers = set(item.participant.consumer_ids)
                self.own = set(item.participant.producer_ids)
                self.speaker = None
            case wire.ParticipantJoined():
                add(self.people, item.participant.id)
            case wire.ParticipantLeft():
                self.people.remove(item.participant_id)
            case wire.ProducerAdded():
                add(self.producers, item.producer_id)
            case wire.ProducerRemoved() if item.participant_id != self.name:
                self.producers.remove(item.producer_id)
            case wire.ProducerRemoved():
                self.own.remove(item.producer_id)
            case wire.ShareScreenStarted():
                add(self.screens, item.participant_id)
            case wire.ShareScreenStopped():
                self.screens.remove(item.participant_id)
            case wire.Consumed():
                add(self.consumers, item.id)
            case wire.Produced():
                add(self.own, item.id)
            case wire.ConsumerClosed():
                self.consumers.remove(item.id)
            case wire.ConsumerLayersChanged() | wire.ConsumerScore():
                assert item.id in self.consumers, "news of what it does not know"
                self.news[item.id, type(item).__name__] = said(item)
            case wire.ProducerScore():
                assert item.id in self.own, "news of what it does not know"
                self.news[item.id, type(item).__name__] = said(item)
            case wire.ActiveSpeaker():
                assert item.producer_id is None or item.producer_id in self.producers | self.own
                assert item.producer_id != self.speaker, "told twice"
                self.speaker = item.producer_id
            case wire.AudioLevels():
                assert {level.producer_id for level in item.levels} <= self.producers | self.own
            case Hangup():
                assert self.open
                self.open = False


class Watch:
    """What a watcher believes, from the events alone: rooms, who is in them and who has a socket."""

    def __init__(self) -> None:
        self.rooms: set[str] = set()
        self.people: set[str] = set()
        self.sockets: set[str] = set()
        self.whereabouts = Whereabouts()
        self.news: NewsBook = {}

    def see(self, event: events.Event) -> None:
        self.whereabouts.place(event)
        match event:
            case events.RoomMade():
                add(self.rooms, event.room_id)
            case events.RoomClosed():
                self.rooms.remove(event.room_id)
            case events.ParticipantMade():
                add(self.people, event.participant_id)
            case events.ParticipantLeft():
                self.people.remove(event.participant_id)
            case events.SocketConnected():
                add(self.sockets, event.participant_id)
            case events.SocketClosed():
                self.sockets.remove(event.participant_id)
            case events.ConsumerLayersChanged():
                self.news[event.consumer_id, "ConsumerLayersChanged"] = said(event)
            case events.ConsumerScored():
                self.news[event.consumer_id, "ConsumerScore"] = said(event)
            case events.ProducerScored():
                self.news[event.producer_id, "ProducerScore"] = said(event)
            case events.ParticipantUpdated():
                assert event.connected == (event.participant_id in self.sockets)


def said(news: object) -> object:
    return getattr(news, "score", None) or getattr(news, "layers", None)


def add(known: set[Any], id_: str) -> None:
    assert id_ not in known, f"{id_} was told twice"
    known.add(id_)


class RandomUse(RuleBasedStateMachine):
    def __init__(self, engines: int = 1, router_capacity: int = 100) -> None:
        super().__init__()
        self.world = World(engines, router_capacity)
        self.views: dict[ConnectionId, View] = {}
        self.flows: list[Paused[Any]] = []
        self.handmade: set[TransportId] = set()
        self.watch = Watch()

    @initialize(busy=st.booleans())
    def begin_in_the_middle(self, busy: bool) -> None:
        """Half of the time ann sends and ben receives already: alone, little would ever get so far."""
        if busy:
            self.make_busy()
        for engine in self.world.engines:
            engine.scores_at_once = True

    def make_busy(self) -> None:
        for name in ("ann", "ben"):
            connection, flow = self.world.joining(name)
            self.views[connection] = View()
            flow.finish()
            self.listen()
        ann, ben = self.views
        producer = self.world.produce(ann)
        self.listen()
        self.world.consume(ben, producer)
        self.listen()

    # ------------------------------------------------------------------ what people do

    @rule(name=NAMES, type_=st.sampled_from(["host", "viewer"]), share=st.booleans())
    def come(self, name: str, type_: str, share: bool) -> None:
        connection, flow = self.world.joining(name, ParticipantType(type_), share_screen=share)
        self.views[connection] = View()
        self.flows.append(flow)
        self.listen()

    @rule(data=st.data(), clean=st.booleans())
    def go(self, data: st.DataObject, clean: bool) -> None:
        if connection := self.someone(data):
            self.views[connection].open = False
            self.begin(self.world.rooms.disconnected(connection, self.world.now, clean=clean))

    @rule(data=st.data(), paused=st.booleans())
    def produce(self, data: st.DataObject, paused: bool) -> None:
        self.say(data, wire.ProduceRequest(kind=MediaKind.AUDIO, rtp_parameters=OPUS, paused=paused))

    @rule(data=st.data())
    def consume(self, data: st.DataObject) -> None:
        if (connection := self.someone(data)) and (known := sorted(self.views[connection].producers)):
            self.begin(self.receive(connection, wire.InitRequest(rtp_capabilities=CAPABILITIES)))
            request = wire.ConsumeRequest(producer_id=data.draw(st.sampled_from(known)))
            self.begin(self.receive(connection, request))

    @rule(data=st.data(), action=st.sampled_from([wire.ProducerClose, wire.ProducerPause, wire.ProducerResume]))
    def change_a_producer(self, data: st.DataObject, action: type[wire.ProducerClose]) -> None:
        if known := sorted({id_ for engine in self.world.engines for id_ in engine.producers}):
            self.say(data, action(id=data.draw(st.sampled_from(known))))

    @rule(data=st.data(), action=st.sampled_from([wire.ConsumerClose, wire.ConsumerPause, wire.ConsumerResume]))
    def change_a_consumer(self, data: st.DataObject, action: type[wire.ConsumerClose]) -> None:
        if known := sorted(id_ for engine in self.world.engines for id_ in engine.consumers):
            self.say(data, action(id=data.draw(st.sampled_from(known))))

    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        self.say(data, wire.Leave())

    # ------------------------------------------------------------------ what happens to them

    @rule(name=NAMES)
    def be_removed(self, name: str) -> None:
        self.begin(self.world.rooms.delete_participant(ROOM, ParticipantId(name), self.world.now))

    @rule()
    def delete_the_room(self) -> None:
        self.begin(self.world.rooms.delete_room(ROOM))

    @rule(data=st.data())
    def lose_a_transport(self, data: st.DataObject) -> None:
        if known := sorted(id_ for engine in self.world.engines for id_ in engine.transports):
            id_ = data.draw(st.sampled_from(known))
            engine = next(engine for engine in self.world.engines if id_ in engine.transports)
            engine.close_transport(id_, "dtls-closed")
            self.world.pump()
            self.listen()

    @rule(data=st.data(), score=st.integers(1, 10))
    def get_through_worse(self, data: st.DataObject, score: int) -> None:
        known: list[tuple[Any, Any]] = []
        for engine in self.world.engines:
            known += [(engine.score_consumer, id_) for id_ in sorted(engine.consumers)]
            known += [(engine.score_producer, id_) for id_ in sorted(engine.producers)]
        if known:
            tell, id_ = data.draw(st.sampled_from(known))
            tell(id_, score)
            self.world.pump()
            self.listen()

    @rule(data=st.data(), spatial=st.integers(0, 2))
    def be_sent_other_layers(self, data: st.DataObject, spatial: int) -> None:
        known = [(engine, id_) for engine in self.world.engines for id_ in sorted(engine.consumers)]
        if known:
            engine, id_ = data.draw(st.sampled_from(known))
            engine.change_layers(id_, spatial, "available")
            self.world.pump()
            self.listen()

    @rule(data=st.data())
    def speak(self, data: st.DataObject) -> None:
        """Also who is of no room: the engine knows more producers than the rooms do."""
        for engine in self.world.engines:
            for router_id in sorted(engine.routers):
                mine = sorted(id_ for id_, producer in engine.producers.items() if producer.router_id == router_id)
                mine += sorted(id_ for copied_to, id_ in engine.copies if copied_to == router_id)
                engine.measure_levels(router_id, dict.fromkeys(mine, -30))
                if mine:
                    engine.give_floor(router_id, data.draw(st.sampled_from(mine)))
        self.world.pump()
        self.listen()

    @rule(seconds=st.sampled_from([1.0, 10.0, 30.0]))
    def wait(self, seconds: float) -> None:
        self.world.now += seconds
        self.begin(self.world.rooms.tick(self.world.now))

    @precondition(lambda self: self.flows)
    @rule(data=st.data())
    def the_engine_answers(self, data: st.DataObject) -> None:
        flow = data.draw(st.sampled_from(self.flows))
        if not flow.done:
            flow.step()
        self.listen()

    @rule()
    def the_engine_answers_all(self) -> None:
        while any(not flow.done for flow in self.flows):
            self.world.carry_out_orders()
            assert any(not (flow.done or flow.waits) for flow in self.flows), "they wait for each other"
            for flow in self.flows:
                if not flow.done:
                    flow.step()
        self.world.carry_out_orders()
        self.listen()

    # ------------------------------------------------------------------ what must hold

    @invariant()
    def nothing_is_closed_twice(self) -> None:
        closed = [id_ for engine in (*self.world.engines, *self.world.dead) for id_ in engine.closed]
        assert max(Counter(closed).values(), default=1) == 1

    @invariant()
    def a_watcher_knows_what_is_true(self) -> None:
        self.look()
        people = [p for room in self.world.rooms.rooms() for p in room.participants]
        assert self.watch.rooms == {room.id for room in self.world.rooms.rooms()}
        assert self.watch.people == {p.id for p in people}
        assert self.watch.sockets == {p.id for p in people if p.connected and not p.remote}

    @invariant()
    def everyone_knows_what_is_true(self) -> None:
        self.look()
        people = {p.id: p for room in self.world.rooms.rooms() for p in room.participants}
        for view in self.views.values():
            if view.open:
                assert view.name is not None
                others = [p for p in people.values() if p.id != view.name]
                assert view.people <= {p.id for p in others}
                assert view.producers == {id_ for p in others for id_ in p.producer_ids}
                speaking = {s.producer_id for engine in self.world.engines for s in engine.speakers.values()}
                known = {id_ for p in people.values() for id_ in p.producer_ids}
                assert view.speaker in (speaking & known or {None})
                assert view.screens == {p.id for p in others if p.share_screen and p.id in view.people}
                own, consumers = set(people[view.name].producer_ids), set(people[view.name].consumer_ids)
                quiet = all(flow.done for flow in self.flows)  # else it may wait for the answer to a closing
                assert view.own == own if quiet else view.own >= own
                assert view.consumers == consumers if quiet else view.consumers >= consumers
                for key in self.watch.news.keys() | view.news.keys():
                    if key[0] in own | consumers:
                        assert view.news.get(key) == self.watch.news.get(key)

    @invariant()
    def books_and_engine_agree_when_all_is_quiet(self) -> None:
        self.flows = [flow for flow in self.flows if not flow.done]
        if self.flows or self.world.orders:
            return
        people = [p for room in self.world.rooms.rooms() for p in room.participants]
        engines = self.world.engines
        routers = {id_ for engine in engines for id_ in engine.routers}
        assert routers == {id_ for room in self.world.rooms.rooms() for id_ in room.router_ids}
        own = {id_ for p in people if not p.remote for id_ in p.producer_ids}
        assert {id_ for engine in engines for id_ in engine.producers} == own
        consumers = {id_ for engine in engines for id_, consumer in engine.consumers.items() if not consumer.piped}
        assert consumers == {id_ for p in people for id_ in p.consumer_ids}
        transports = [t for engine in engines for t in engine.transports.values() if not t.pipe]
        assert len(transports) <= 2 * len(people)
        self.pipes_and_engines_agree()

    def pipes_and_engines_agree(self) -> None:
        """All that goes over pipes is in the book, and both sides of it are in step."""
        book, engines = self.world.rooms._piping._book, self.world.engines
        remote = {key for key, producer in self.world.rooms._directory.producers.items() if producer.owner.remote}
        assert {key for engine in engines for key in engine.copies} == set(book.copies) | remote
        feeding = {id_: consumer for engine in engines for id_, consumer in engine.consumers.items() if consumer.piped}
        assert set(feeding) == set(book.consumers)
        pipes = {id_ for engine in engines for id_, transport in engine.transports.items() if transport.pipe}
        assert pipes - set(book.transports) <= self.handmade
        assert set(book.transports) <= pipes
        for id_, copy in book.consumers.items():
            source, there = self.world.engine_of(copy.source), self.world.engine_of(copy.destination)
            paused = source._producer(copy.source, copy.producer_id).paused
            assert (feeding[id_].paused, feeding[id_].held) == (copy.consumer_paused, copy.idle)
            made, shown = there.copies[copy.destination, copy.producer_id], copy.payload()
            assert made.held == (paused or copy.consumer_paused)
            assert (shown.pipe_consumer.paused, shown.pipe_producer.paused) == (feeding[id_].paused, made.paused)
            users = [c for c in there.consumers.values() if there is self.world.engine_of(c.router_id)]
            used = any((c.router_id, c.producer_id) == (copy.destination, copy.producer_id) for c in users)
            assert used or copy.idle, "it flows for nobody"

    def teardown(self) -> None:
        """In the end everything goes, and nothing may be left of it."""
        self.the_engine_answers_all()
        self.everyone_knows_what_is_true()
        self.books_and_engine_agree_when_all_is_quiet()
        self.world.do(self.world.rooms.reset())
        self.world.carry_out_orders()
        assert all(engine.empty for engine in self.world.engines)
        assert len(self.world.rooms._piping._book) == 0
        assert self.world.rooms.counts() == (0, 0)
        assert self.world.rooms.deadline() is None
        self.a_watcher_knows_what_is_true()
        assert len(self.watch.whereabouts) == 0

    # ------------------------------------------------------------------ means

    def someone(self, data: st.DataObject) -> ConnectionId | None:
        known = [connection for connection, view in self.views.items() if view.open]
        return data.draw(st.sampled_from(known)) if known else None

    def receive(self, connection: ConnectionId, message: wire.ClientMessage) -> Any:  # noqa: ANN401 - a flow of whatever
        return self.world.rooms.receive(connection, message, self.world.now)

    def say(self, data: st.DataObject, message: wire.ClientMessage) -> None:
        if connection := self.someone(data):
            self.begin(self.receive(connection, message))

    def begin(self, flow: Any) -> None:  # noqa: ANN401 - a flow of whatever
        self.flows.append(self.world.start(flow))
        self.listen()

    def look(self) -> None:
        while self.world.published:
            self.watch.see(self.world.published.pop(0))

    def listen(self) -> None:
        for connection, view in self.views.items():
            for item in self.world.heard(connection):
                view.hear(item)
        errors = [flow.error for flow in self.flows if flow.error is not None]
        assert all(isinstance(error, CommandError) for error in errors)


class SpreadUse(RandomUse):
    """Each router takes one participant only, there are several workers, which die, and people of other servers."""

    def __init__(self) -> None:
        super().__init__(engines=3, router_capacity=1)

    @rule(held=st.booleans())
    def be_slow_with_orders(self, held: bool) -> None:
        self.world.hold_orders = held

    @rule()
    def carry_out_orders(self) -> None:
        self.world.carry_out_orders()
        self.listen()

    @rule(which=st.integers(0, 2))
    def lose_a_worker(self, which: int) -> None:
        self.world.kill(self.world.engines[which])
        self.listen()

    @rule(data=st.data(), name=st.sampled_from(["ann", "yan", "zoe"]), number=st.integers(1, 3), paused=st.booleans())
    def be_piped_in(self, data: st.DataObject, name: str, number: int, paused: bool) -> None:
        known = [id_ for room in self.world.rooms.rooms() for id_ in room.router_ids]
        if not known:
            return
        router_id = data.draw(st.sampled_from(known))
        create = commands.CreatePipeTransport(router_id=router_id, listen_ip="127.0.0.1")
        pipe = self.world.of_engine(create, commands.PipeTransportShown).pipe_transport.id
        self.handmade.add(pipe)
        command = commands.ProduceFromPipe(
            router_id=router_id,
            transport_id=pipe,
            producer_id=ProducerId(f"far-{number}"),
            participant_id=ParticipantId(name),
            kind=MediaKind.AUDIO,
            rtp_parameters=OPUS,
            paused=paused,
        )
        self.begin(self.world.rooms.produce_from_pipe(command))

    @rule(data=st.data(), paused=st.booleans(), feeding=st.booleans())
    def stop_over_http(self, data: st.DataObject, paused: bool, feeding: bool) -> None:
        """What goes into pipes, or what comes out of them."""
        engines = self.world.engines
        consumers = [(c.router_id, id_) for e in engines for id_, c in e.consumers.items() if c.piped]
        copies = sorted(key for engine in engines for key in engine.copies)
        command: commands.RouterCommand
        if feeding and consumers:
            router_id, consumer_id = data.draw(st.sampled_from(sorted(consumers)))
            command = commands.ResumeConsumer(router_id=router_id, consumer_id=consumer_id)
            if paused:
                command = commands.PauseConsumer(router_id=router_id, consumer_id=consumer_id)
        elif copies and not feeding:
            router_id, producer_id = data.draw(st.sampled_from(copies))
            command = commands.ResumeProducer(router_id=router_id, producer_id=producer_id)
            if paused:
                command = commands.PauseProducer(router_id=router_id, producer_id=producer_id)
        else:
            return
        self.world.tell(command)
        self.listen()

    @rule(data=st.data(), feeding=st.booleans())
    def close_over_http(self, data: st.DataObject, feeding: bool) -> None:
        """The same."""
        engines = self.world.engines
        consumers = [(c.router_id, id_) for e in engines for id_, c in e.consumers.items() if c.piped]
        copies = sorted(key for engine in engines for key in engine.copies)
        command: commands.RouterCommand
        if feeding and consumers:
            router_id, consumer_id = data.draw(st.sampled_from(sorted(consumers)))
            command = commands.CloseConsumer(router_id=router_id, consumer_id=consumer_id)
        elif copies and not feeding:
            router_id, producer_id = data.draw(st.sampled_from(copies))
            command = commands.CloseProducer(router_id=router_id, producer_id=producer_id)
        else:
            return
        self.world.tell(command)
        self.listen()


TestRandomUse = RandomUse.TestCase
TestRandomUse.settings = settings(max_examples=100, stateful_step_count=40, derandomize=True, deadline=None)
TestSpreadUse = SpreadUse.TestCase
TestSpreadUse.settings = settings(max_examples=100, stateful_step_count=50, derandomize=True, deadline=None)
