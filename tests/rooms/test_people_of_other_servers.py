"""Remote people: known in a room by what comes of them over pipes, for as long as anything does."""

import msgspec
import pytest

from labsfu.errors import CommandError, Conflict, NotFound
from labsfu.rooms.limits import Limits
from labsfu.rooms.opening import ParticipantPlan
from labsfu.wire import commands, events
from labsfu.wire import socket as wire
from labsfu.wire.ids import ParticipantId, ProducerId, RouterId, TransportId
from labsfu.wire.payloads import ParticipantType
from labsfu.wire.pipe import PipeProducerPayload
from labsfu.wire.rtp import MediaKind
from tests.support.fake_worker import OPUS
from tests.support.room_world import EPOCH, ROOM, Paused, World

ZOE = ParticipantId("zoe")
VOICE, FACE = ProducerId("voice"), ProducerId("face")


class Cascade:
    """A room with ann in it, and a pipe that comes from elsewhere."""

    def __init__(self, router_capacity: int = 100) -> None:
        self.world = World(engines=2, router_capacity=router_capacity)
        self.ann = self.world.join("ann")
        self.router = self.world.rooms.room(ROOM).router_ids[0]
        self.pipe = self.make_pipe(self.router)

    def make_pipe(self, router_id: RouterId) -> TransportId:
        command = commands.CreatePipeTransport(router_id=router_id, listen_ip="127.0.0.1")
        return self.world.of_engine(command, commands.PipeTransportShown).pipe_transport.id

    def asking(
        self, id_: ProducerId = VOICE, name: ParticipantId = ZOE, *, paused: bool = False
    ) -> Paused[PipeProducerPayload]:
        command = commands.ProduceFromPipe(
            router_id=self.router,
            transport_id=self.pipe,
            producer_id=id_,
            participant_id=name,
            kind=MediaKind.AUDIO,
            rtp_parameters=OPUS,
            paused=paused,
        )
        return self.world.start(self.world.rooms.produce_from_pipe(command))

    def bring(self, id_: ProducerId = VOICE, name: ParticipantId = ZOE, *, paused: bool = False) -> PipeProducerPayload:
        return self.asking(id_, name, paused=paused).finish()

    def close(self, id_: ProducerId) -> None:
        self.world.tell(commands.CloseProducer(router_id=self.router, producer_id=id_))

    @property
    def people(self) -> list[ParticipantId]:
        return [person.id for person in self.world.rooms.participants(ROOM)]


@pytest.fixture
def cascade() -> Cascade:
    return Cascade()


def test_one_who_is_piped_in_is_there_as_a_remote_one(cascade: Cascade) -> None:
    cascade.world.hush()
    assert cascade.bring(paused=True).id == VOICE
    joined, added = cascade.world.heard(cascade.ann)
    assert isinstance(joined, wire.ParticipantJoined)
    assert joined.participant == msgspec.structs.replace(cascade.world.rooms.participant(ROOM, ZOE), producer_ids=())
    shown = cascade.world.rooms.participant(ROOM, ZOE)
    assert (shown.remote, shown.connected, shown.producer_ids, shown.consumer_ids) == (True, True, (VOICE,), ())
    assert shown.created_at == EPOCH + 100_000
    assert added == wire.ProducerAdded(
        participant_id=ZOE, producer_id=VOICE, kind=MediaKind.AUDIO, paused=True, share_screen=False
    )
    made = [event for event in cascade.world.published if isinstance(event, events.ParticipantMade)]
    assert [(event.participant_id, event.remote) for event in made] == [("ann", False), (ZOE, True)]


def test_one_who_is_piped_in_is_shown_by_name_and_as_a_screen(cascade: Cascade) -> None:
    cascade.world.hush()
    plain = cascade.asking().command
    assert isinstance(plain, commands.ProduceFromPipe)
    command = msgspec.structs.replace(plain, display_name="Zoë (B)", share_screen=True)
    cascade.world.start(cascade.world.rooms.produce_from_pipe(command)).finish()
    assert cascade.world.names(cascade.ann) == ["ParticipantJoined", "ShareScreenStarted", "ProducerAdded"]
    shown = cascade.world.rooms.participant(ROOM, ZOE)
    assert (shown.display_name, shown.share_screen) == ("Zoë (B)", True)
    cascade.world.hush()
    cascade.close(VOICE)
    assert cascade.world.names(cascade.ann) == ["ProducerRemoved", "ShareScreenStopped", "ParticipantLeft"]


def test_a_second_producer_is_of_the_same_person(cascade: Cascade) -> None:
    cascade.bring(VOICE)
    cascade.world.hush()
    cascade.bring(FACE)
    assert cascade.world.names(cascade.ann) == ["ProducerAdded"]
    assert cascade.world.rooms.participant(ROOM, ZOE).producer_ids == (VOICE, FACE)


def test_one_who_comes_late_learns_of_remote_people_too(cascade: Cascade) -> None:
    cascade.bring(VOICE)
    ben = cascade.world.join("ben")
    init, *added = cascade.world.heard(ben)
    assert isinstance(init, wire.Init)
    assert [(person.id, person.remote) for person in init.participants] == [("ann", False), ("zoe", True)]
    assert [signal.producer_id for signal in added if isinstance(signal, wire.ProducerAdded)] == [VOICE]


def test_what_it_does_with_its_producers_is_told(cascade: Cascade) -> None:
    cascade.bring(VOICE)
    cascade.bring(FACE)
    world, router = cascade.world, cascade.router
    world.hush()
    world.tell(commands.PauseProducer(router_id=router, producer_id=VOICE))
    world.tell(commands.ResumeProducer(router_id=router, producer_id=VOICE))
    cascade.close(VOICE)
    told = world.heard(cascade.ann)
    assert told == [
        wire.ProducerPaused(participant_id=ZOE, producer_id=VOICE),
        wire.ProducerResumed(participant_id=ZOE, producer_id=VOICE),
        wire.ProducerRemoved(participant_id=ZOE, producer_id=VOICE),
    ]


def test_one_who_is_heard_before_it_is_known_is_told_of_after_it_is(cascade: Cascade) -> None:
    flow = cascade.asking()
    made = cascade.world.of_engine(flow.command, commands.PipeProduced)
    cascade.world.engine.give_floor(cascade.router, VOICE)
    cascade.world.pump()
    cascade.world.hush()
    flow.answer(made)
    assert cascade.world.names(cascade.ann) == ["ParticipantJoined", "ProducerAdded", "ActiveSpeaker"]


@pytest.mark.parametrize("how", ["producers", "pipe"])
def test_it_leaves_with_its_last_producer(cascade: Cascade, how: str) -> None:
    cascade.bring(VOICE)
    cascade.bring(FACE)
    cascade.world.hush()
    if how == "pipe":
        cascade.world.tell(commands.ClosePipeTransport(router_id=cascade.router, transport_id=cascade.pipe))
    else:
        cascade.close(VOICE)
        assert cascade.people == ["ann", ZOE]
        cascade.close(FACE)
    assert cascade.world.names(cascade.ann) == ["ProducerRemoved", "ProducerRemoved", "ParticipantLeft"]
    assert cascade.people == ["ann"]
    left = [event for event in cascade.world.published if isinstance(event, events.ParticipantLeft)]
    assert [(event.participant_id, event.reason) for event in left] == [(ZOE, "pipe-closed")]


def test_everyone_can_consume_it_on_other_routers_of_the_room_too() -> None:
    cascade = Cascade(router_capacity=1)
    ben = cascade.world.join("ben")
    cascade.bring(VOICE)
    for connection in (cascade.ann, ben):
        assert cascade.world.consume(connection, VOICE).participant_id == ZOE
    cascade.world.hush()
    cascade.close(VOICE)
    for connection in (cascade.ann, ben):
        assert sorted(cascade.world.names(connection)) == ["ConsumerClosed", "ParticipantLeft", "ProducerRemoved"]
    assert not any(engine.copies for engine in cascade.world.engines)


def test_its_producers_may_come_in_on_different_routers_of_the_room() -> None:
    cascade = Cascade(router_capacity=1)
    cascade.world.join("ben")
    cascade.bring(VOICE)
    cascade.router = cascade.world.rooms.room(ROOM).router_ids[1]
    cascade.pipe = cascade.make_pipe(cascade.router)
    cascade.bring(FACE)
    assert cascade.world.consume(cascade.ann, FACE).producer_id == FACE
    cascade.close(FACE)
    assert cascade.world.rooms.participant(ROOM, ZOE).producer_ids == (VOICE,)


def test_it_takes_no_seat_and_no_place_on_a_router() -> None:
    cascade = Cascade(router_capacity=2)
    world = cascade.world
    cascade.bring()
    world.join("ben")
    assert len(world.rooms.room(ROOM).router_ids) == 1
    call = World()
    call.room(size=1)
    router_id = call.rooms.room(ROOM).router_ids[0]
    made = call.of_engine(
        commands.CreatePipeTransport(router_id=router_id, listen_ip="127.0.0.1"), commands.PipeTransportShown
    )
    command = commands.ProduceFromPipe(
        router_id=router_id,
        transport_id=made.pipe_transport.id,
        producer_id=VOICE,
        participant_id=ZOE,
        kind=MediaKind.AUDIO,
        rtp_parameters=OPUS,
    )
    call.do(call.rooms.produce_from_pipe(command))
    call.join("ann")
    assert len(call.rooms.participants(ROOM)) == 2


def test_it_is_none_of_the_participants_that_there_may_be(cascade: Cascade) -> None:
    cascade.world.rooms._directory.limits = Limits(participants=2)
    cascade.bring()
    cascade.world.join("ben")
    with pytest.raises(Conflict) as refused:
        cascade.world.join("cyd")
    assert refused.value.slug == "too-many-participants"


def test_a_room_with_remote_people_only_is_not_empty_until_they_left(cascade: Cascade) -> None:
    cascade.world.say(cascade.ann, wire.Leave())
    cascade.world.pass_time(10)
    cascade.bring()
    cascade.world.pass_time(60)
    assert cascade.people == [ZOE]
    cascade.close(VOICE)
    cascade.world.pass_time(30)
    assert cascade.world.rooms.counts() == (0, 0)


def test_one_who_is_removed_by_hand_takes_its_producers_along(cascade: Cascade) -> None:
    cascade.bring()
    cascade.world.do(cascade.world.rooms.delete_participant(ROOM, ZOE, cascade.world.now))
    assert not any(engine.copies for engine in cascade.world.engines)
    assert cascade.people == ["ann"]


def test_on_a_router_that_is_no_rooms_it_is_just_made(cascade: Cascade) -> None:
    cascade.router = cascade.world.router()
    cascade.pipe = cascade.make_pipe(cascade.router)
    assert cascade.bring().participant_id == ZOE
    assert cascade.people == ["ann"]


def test_a_producer_that_is_piped_from_one_room_to_another_brings_its_person_along(cascade: Cascade) -> None:
    world = cascade.world
    other = world.rooms.room(world.room(id_=type(ROOM)("other")).id)
    produced = world.produce(cascade.ann)
    world.do(world.rooms.pipe_producer(cascade.router, produced, other.router_ids[0]))
    (guest,) = world.rooms.participants(other.id)
    assert (guest.id, guest.remote, guest.producer_ids) == ("ann", True, (produced,))
    world.say(cascade.ann, wire.ProducerClose(id=produced))
    assert world.rooms.participants(other.id) == ()
    assert cascade.people == ["ann"]


def test_one_whose_producer_ended_and_came_again_is_there_though_others_still_wait(cascade: Cascade) -> None:
    world = cascade.world
    cascade.bring()
    _, slow = world.joining("ben")
    slow.until(commands.CreateWebRtcTransport)
    world.do(world.rooms.delete_participant(ROOM, ZOE, world.now))
    cascade.bring()
    assert world.rooms.participant(ROOM, ZOE).producer_ids == (VOICE,)
    slow.finish()


def test_one_who_comes_again_while_what_it_sent_is_still_being_closed_is_there(cascade: Cascade) -> None:
    world = cascade.world
    cascade.bring()
    leaving = world.start(world.rooms.delete_participant(ROOM, ZOE, world.now))
    coming = cascade.asking()
    leaving.finish()
    coming.finish()
    assert world.rooms.participant(ROOM, ZOE).producer_ids == (VOICE,)


def test_one_that_is_stopped_before_it_is_known_is_known_as_stopped(cascade: Cascade) -> None:
    """Its id is known to the one who brings it before it is made, so that a pause may overtake the answer."""
    flow = cascade.asking()
    made = cascade.world.of_engine(flow.command, commands.PipeProduced)
    cascade.world.tell(commands.PauseProducer(router_id=cascade.router, producer_id=VOICE))
    cascade.world.hush()
    flow.answer(made)
    (added,) = (item for item in cascade.world.heard(cascade.ann) if isinstance(item, wire.ProducerAdded))
    assert added.paused
    ben = cascade.world.join("ben")
    (added,) = (item for item in cascade.world.heard(ben) if isinstance(item, wire.ProducerAdded))
    assert added.paused


# ---------------------------------------------------------------------- refusals


def test_one_who_is_here_already_is_not_remote(cascade: Cascade) -> None:
    with pytest.raises(Conflict) as refused:
        cascade.bring(name=ParticipantId("ann"))
    assert refused.value.slug == "participant-exists"
    assert not cascade.world.engine.copies


def test_a_producer_of_the_room_is_not_brought_again(cascade: Cascade) -> None:
    cascade.bring()
    own = cascade.world.produce(cascade.ann)
    for id_ in (VOICE, own):
        with pytest.raises(Conflict) as refused:
            cascade.bring(id_, ParticipantId("yan"))
        assert refused.value.slug == "producer-exists"


def test_nobody_connects_as_a_remote_one(cascade: Cascade) -> None:
    cascade.bring()
    world = cascade.world
    _, joining = world.joining("zoe")
    with pytest.raises(Conflict) as refused:
        joining.finish()
    assert refused.value.slug == "participant-type-differs"
    with pytest.raises(NotFound):
        world.do(world.rooms.connect(world.connection(), ROOM, ZOE))
    with pytest.raises(Conflict):
        world.rooms.create_participant(ROOM, ParticipantPlan(ZOE, ParticipantType.HOST, "Zoe"), world.now)
    assert world.rooms.participant(ROOM, ZOE).producer_ids == (VOICE,)


def test_one_who_joins_here_while_it_is_brought_wins(cascade: Cascade) -> None:
    flow = cascade.asking()
    cascade.world.join("zoe")
    with pytest.raises(Conflict) as refused:
        flow.finish()
    assert refused.value.slug == "participant-exists"
    assert not cascade.world.rooms.participant(ROOM, ZOE).remote
    assert not any(engine.copies for engine in cascade.world.engines)


def test_what_is_over_when_it_comes_makes_nobody(cascade: Cascade) -> None:
    flow = cascade.asking()
    made = cascade.world.execute(flow.command)
    cascade.close(VOICE)
    flow.answer(made)
    with pytest.raises(Conflict) as refused:
        flow.finish()
    assert refused.value.slug == "producer-closed"
    assert cascade.people == ["ann"]


def test_a_room_that_closes_meanwhile_takes_no_guests(cascade: Cascade) -> None:
    flow = cascade.asking()
    made = cascade.world.execute(flow.command)
    cascade.world.do(cascade.world.rooms.delete_room(ROOM))
    flow.answer(made)
    with pytest.raises(CommandError):
        flow.finish()
    assert cascade.world.rooms.counts() == (0, 0)
    assert all(engine.empty for engine in cascade.world.engines)
