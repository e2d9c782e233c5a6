"""Who is loud and who speaks: who is told, when, and what is shown of it."""

from collections.abc import Callable

import pytest

from labsfu.errors import CommandError, NotFound
from labsfu.rooms.opening import RoomPlan
from labsfu.rooms.speaking import follow_speaker, on_speaker, present_speaker
from labsfu.rooms.wishes import ConnectionId
from labsfu.wire import commands, events
from labsfu.wire import socket as wire
from labsfu.wire.ids import ParticipantId, ProducerId, RoomId, RouterId
from labsfu.wire.observers import AudioLevel, RoomActiveSpeakerPayload, RoomAudioLevelPayload
from labsfu.wire.payloads import RoomType
from labsfu.wire.rtp import MediaKind
from tests.support.fake_worker import OPUS
from tests.support.room_world import ROOM, World, command_of

ANN, BEN = ParticipantId("ann"), ParticipantId("ben")
NOBODY = wire.ActiveSpeaker(participant_id=None, producer_id=None)


class Three:
    """Ann and ben send, cyd listens."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ann, self.ben, self.cyd = (world.join(name) for name in ("ann", "ben", "cyd"))
        self.anns, self.bens = world.produce(self.ann), world.produce(self.ben)
        (self.router,) = world.engine.routers
        world.hush()

    @property
    def all(self) -> tuple[ConnectionId, ...]:
        return self.ann, self.ben, self.cyd

    def floor(self, producer_id: ProducerId | None) -> None:
        self.world.engine.give_floor(self.router, producer_id)
        self.world.pump()

    def levels(self, **volumes: int) -> None:
        ids = {"ann": self.anns, "ben": self.bens}
        self.world.engine.measure_levels(self.router, {ids[name]: volume for name, volume in volumes.items()})
        self.world.pump()


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def three(world: World) -> Three:
    return Three(world)


def level(participant_id: str, producer_id: ProducerId, volume: int) -> AudioLevel:
    return AudioLevel(producer_id=producer_id, participant_id=ParticipantId(participant_id), volume=volume)


# ------------------------------------------------------------------ what is told


def test_everybody_is_told_who_speaks_the_speaker_too(world: World, three: Three) -> None:
    three.floor(three.anns)
    for connection in three.all:
        assert world.heard(connection) == [wire.ActiveSpeaker(participant_id=ANN, producer_id=three.anns)]
    three.floor(None)
    for connection in three.all:
        assert world.heard(connection) == [NOBODY]


def test_everybody_is_told_who_is_loud(world: World, three: Three) -> None:
    three.levels(ben=-20, ann=-30)
    told = wire.AudioLevels(levels=(level("ben", three.bens, -20), level("ann", three.anns, -30)))
    for connection in three.all:
        assert world.heard(connection) == [told]
    three.levels()
    assert world.heard(three.cyd) == [wire.AudioLevels(levels=())]


def test_a_room_does_not_hear_of_another(world: World, three: Three) -> None:
    plan = RoomPlan(RoomType.CALL, None, RoomId("elsewhere"))
    other = world.do(world.rooms.create_room(plan, world.now)).router_ids[0]
    world.engine.measure_levels(other, {})
    three.floor(three.anns)
    assert world.names(three.cyd) == ["ActiveSpeaker"]


def test_one_who_joins_learns_who_speaks_after_what_there_is(world: World, three: Three) -> None:
    three.floor(three.bens)
    world.join("dan")
    (dan,) = set(world.told) - set(three.all)
    assert world.names(dan) == ["Init", "ProducerAdded", "ProducerAdded", "ActiveSpeaker"]


def test_one_who_joins_while_nobody_speaks_is_told_nothing_of_it(world: World, three: Three) -> None:
    assert world.names(world.join("dan")) == ["Init", "ProducerAdded", "ProducerAdded"]


def test_one_who_comes_back_learns_who_speaks(world: World, three: Three) -> None:
    world.do(world.rooms.disconnected(three.cyd, world.now, clean=False))
    three.floor(three.anns)
    assert world.names(world.join("cyd"))[-1] == "ActiveSpeaker"


# ------------------------------------------------------------------ when a speaker goes


Going = Callable[[World, Three], None]


def close_the_producer(world: World, three: Three) -> None:
    world.say(three.ann, wire.ProducerClose(id=three.anns))


def leave(world: World, three: Three) -> None:
    world.say(three.ann, wire.Leave())


def be_removed(world: World, three: Three) -> None:
    world.do(world.rooms.delete_participant(ROOM, ANN, world.now))


def be_closed_by_the_engine(world: World, three: Three) -> None:
    world.engine.close_producer(three.anns, "asked")
    world.pump()


def pause(world: World, three: Three) -> None:
    world.say(three.ann, wire.ProducerPause(id=three.anns))


@pytest.mark.parametrize("go", [close_the_producer, leave, be_removed, be_closed_by_the_engine, pause])
def test_when_the_speaker_goes_everybody_is_told_once_that_nobody_speaks(world: World, three: Three, go: Going) -> None:
    three.floor(three.anns)
    world.hush()
    go(world, three)
    for connection in (three.ben, three.cyd):
        assert [signal for signal in world.heard(connection) if isinstance(signal, wire.ActiveSpeaker)] == [NOBODY]


def test_one_who_leaves_while_speaking_is_told_nothing_more(world: World, three: Three) -> None:
    three.floor(three.anns)
    world.hush()
    leave(world, three)
    assert world.names(three.ann) == ["Hangup"]


def test_a_room_that_closes_has_no_last_word_on_it(world: World, three: Three) -> None:
    three.floor(three.anns)
    world.hush()
    world.do(world.rooms.delete_room(ROOM))
    assert world.names(three.cyd) == ["RoomClosed", "Hangup"]


# ------------------------------------------------------------------ who is not of the room


def made_over_http(world: World, three: Three) -> ProducerId:
    """A producer on the room's router that is nobody's in the room, though it says so."""
    transport = world.engine.execute(commands.CreateWebRtcTransport(router_id=three.router))
    assert isinstance(transport, commands.TransportCreated)
    produced = world.engine.execute(
        commands.Produce(
            router_id=three.router,
            transport_id=transport.options.id,
            participant_id=ANN,
            kind=MediaKind.AUDIO,
            rtp_parameters=OPUS,
        )
    )
    assert isinstance(produced, commands.Produced)
    world.pump()
    return produced.producer_id


def test_a_stranger_on_the_rooms_router_is_nobody_to_it(world: World, three: Three) -> None:
    stranger = made_over_http(world, three)
    three.floor(stranger)
    assert world.heard(three.cyd) == []
    world.engine.measure_levels(three.router, {stranger: -10, three.bens: -40})
    world.pump()
    assert world.heard(three.cyd) == [wire.AudioLevels(levels=(level("ben", three.bens, -40),))]
    assert world.do(world.rooms.active_speaker(ROOM)) == RoomActiveSpeakerPayload(room_id=ROOM)
    assert [one.volume for one in world.do(world.rooms.audio_levels(ROOM)).levels] == [-40]


def test_when_a_stranger_takes_the_floor_nobody_of_the_room_has_it(world: World, three: Three) -> None:
    three.floor(three.anns)
    world.hush()
    three.floor(made_over_http(world, three))
    assert world.heard(three.cyd) == [NOBODY]


def test_one_who_is_heard_before_he_is_known_is_told_of_after_he_is(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    world.hush()
    flow = world.start(
        world.rooms.receive(ann, wire.ProduceRequest(kind=MediaKind.AUDIO, rtp_parameters=OPUS), world.now)
    )
    made = world.engine.execute(command_of(flow._wish))
    assert isinstance(made, commands.Produced)
    (router,) = world.engine.routers
    world.engine.give_floor(router, made.producer_id)
    world.pump()  # the event overtakes the answer
    assert world.heard(ben) == []
    flow._advance(lambda: flow._flow.send(made))
    assert world.names(ann) == ["Produced", "ActiveSpeaker"]
    assert world.names(ben) == ["ProducerAdded", "ActiveSpeaker"]


# ------------------------------------------------------------------ what is shown


def test_the_speaker_is_shown_with_the_time_since_when(world: World, three: Three) -> None:
    assert world.do(world.rooms.active_speaker(ROOM)) == RoomActiveSpeakerPayload(room_id=ROOM)
    three.floor(three.anns)
    assert world.do(world.rooms.active_speaker(ROOM)) == RoomActiveSpeakerPayload(
        room_id=ROOM, producer_id=three.anns, participant_id=ANN, since=5000
    )


def test_the_levels_are_shown_with_the_time_that_they_are_of(world: World, three: Three) -> None:
    silence = world.do(world.rooms.audio_levels(ROOM))
    assert (silence.levels, silence.silent) == ((), True)
    three.levels(ann=-30)
    assert world.do(world.rooms.audio_levels(ROOM)) == RoomAudioLevelPayload(
        room_id=ROOM, levels=(level("ann", three.anns, -30),), silent=False, at=6000
    )


@pytest.mark.parametrize("what", ["active_speaker", "audio_levels"])
def test_a_room_that_is_not_there_has_neither(world: World, what: str) -> None:
    with pytest.raises(NotFound):
        world.do(getattr(world.rooms, what)(ROOM))


@pytest.mark.parametrize("what", ["active_speaker", "audio_levels"])
def test_a_room_that_ends_while_it_is_asked_is_not_there(world: World, three: Three, what: str) -> None:
    asked = world.start(getattr(world.rooms, what)(ROOM))
    world.do(world.rooms.delete_room(ROOM))
    asked.step()
    assert isinstance(asked.error, NotFound)
    assert asked.error.slug == "room-not-found"


def test_another_refusal_of_the_worker_is_passed_on(world: World, three: Three) -> None:
    world.engine.refusals[commands.GetActiveSpeaker] = [CommandError("no", slug="no")]
    with pytest.raises(CommandError, match="no"):
        world.do(world.rooms.active_speaker(ROOM))


# ------------------------------------------------------------------ a room on several routers, as they will be


def speaks(router_id: RouterId, participant_id: ParticipantId, producer_id: ProducerId) -> events.ActiveSpeaker:
    return events.ActiveSpeaker(router_id=router_id, participant_id=participant_id, producer_id=producer_id)


def test_of_several_routers_the_speaker_is_who_was_found_last_and_speaks_still(world: World, three: Three) -> None:
    room, notices = world.rooms._directory.rooms[ROOM], world.rooms._notices
    one, two = RouterId("one"), RouterId("two")

    def speaker() -> ProducerId | None:
        now = present_speaker(room)
        return None if now is None else now.id

    on_speaker(room, notices, speaks(one, ANN, three.anns))
    on_speaker(room, notices, speaks(two, BEN, three.bens))
    assert speaker() == three.bens
    on_speaker(room, notices, events.ActiveSpeaker(router_id=two))
    assert speaker() == three.anns
    on_speaker(room, notices, speaks(two, BEN, three.bens))
    on_speaker(room, notices, speaks(one, ANN, three.anns))
    assert speaker() == three.anns
    follow_speaker(room, notices)
    world.pump()
    told = [signal.producer_id for signal in world.heard(three.cyd) if isinstance(signal, wire.ActiveSpeaker)]
    assert told == [three.anns, three.bens, three.anns, three.bens, three.anns]
