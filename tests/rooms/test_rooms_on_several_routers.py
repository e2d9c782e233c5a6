"""A room larger than a router takes: it spreads, and its people notice nothing of that."""

import pytest

from labsfu.errors import CommandError, Conflict, Unavailable
from labsfu.rooms.opening import ParticipantPlan
from labsfu.rooms.wishes import Hangup
from labsfu.wire import commands, events
from labsfu.wire import socket as wire
from labsfu.wire.ids import ParticipantId, ProducerId, RouterId
from labsfu.wire.observers import AudioLevel
from labsfu.wire.payloads import ParticipantType
from labsfu.wire.rtp import MediaKind
from tests.support.fake_worker import CAPABILITIES, OPUS
from tests.support.room_world import ROOM, World


@pytest.fixture
def world() -> World:
    """Each router takes one participant, and lives on a worker of its own."""
    return World(engines=3, router_capacity=1)


def routers(world: World) -> tuple[RouterId, ...]:
    return world.rooms.room(ROOM).router_ids


def routers_of(world: World, kind: type[commands.RouterCommand]) -> list[RouterId]:
    return [command.router_id for engine in world.engines for command in engine.asked if isinstance(command, kind)]


def level(name: str, producer_id: ProducerId, volume: int) -> AudioLevel:
    return AudioLevel(producer_id=producer_id, participant_id=ParticipantId(name), volume=volume)


# ---------------------------------------------------------------------- who is where


def test_a_room_gets_a_further_router_when_all_that_it_has_are_full() -> None:
    world = World(engines=2, router_capacity=2)
    seen = []
    for name in ("ann", "ben", "cyd", "dan", "eve"):
        world.join(name)
        seen.append(len(routers(world)))
    assert seen == [1, 1, 2, 2, 3]
    spread = [event.router_ids for event in world.published if isinstance(event, events.RoomSpread)]
    assert spread == [routers(world)[:2], routers(world)]


@pytest.mark.parametrize(("size", "asked"), [(2, 2), (9, 3)])
def test_a_router_is_asked_for_no_more_than_it_will_have_to_take(size: int, asked: int) -> None:
    world = World(router_capacity=3)
    world.room(size=size)
    (created,) = (command for command in world.engine.asked if isinstance(command, commands.CreateRouter))
    assert created.participant_count == asked


def test_one_who_leaves_makes_room_on_the_same_router_and_it_is_kept_when_it_is_empty(world: World) -> None:
    ann = world.join("ann")
    world.join("ben")
    before = routers(world)
    world.say(ann, wire.Leave())
    assert routers(world) == before
    world.join("cyd")
    assert routers(world) == before
    assert routers_of(world, commands.CreateWebRtcTransport) == [before[0]] * 4 + [before[1]] * 2


def test_one_who_comes_back_is_on_the_router_that_it_had(world: World) -> None:
    ann = world.join("ann")
    ben = world.join("ben")
    for connection in (ann, ben):
        world.do(world.rooms.disconnected(connection, world.now, clean=False))
    world.join("ben")
    produced = world.produce(world.join("ann"))
    assert world.engine_of(routers(world)[0]).producers[produced].participant_id == "ann"
    assert len(routers(world)) == 2


def test_two_who_join_at_once_have_one_further_router_made_for_both() -> None:
    world = World(router_capacity=2)
    world.join("ann")
    world.join("ben")
    _, cyd = world.joining("cyd")
    _, dan = world.joining("dan")
    assert dan.waits
    cyd.finish()
    dan.finish()
    assert len(routers(world)) == len(world.engine.routers) == 2


def test_two_who_join_at_once_and_need_a_router_each_get_one_each(world: World) -> None:
    world.join("ann")
    _, ben = world.joining("ben")
    _, cyd = world.joining("cyd")
    ben.finish()
    cyd.finish()
    assert len(routers(world)) == 3


def test_a_router_that_there_cannot_be_refuses_all_who_need_it_and_nothing_is_left_of_them(world: World) -> None:
    world.join("ann")
    for engine in world.engines:
        engine.refusals[commands.CreateRouter] = [Conflict("planted", slug="too-many-routers")]
    _, ben = world.joining("ben")
    _, cyd = world.joining("cyd")
    for flow in (ben, cyd):
        with pytest.raises(Conflict) as refused:
            flow.finish()
        assert refused.value.slug == "too-many-routers"
    assert [person.id for person in world.rooms.participants(ROOM)] == ["ann"]
    assert len(routers(world)) == 1


def test_a_router_that_comes_when_the_room_is_gone_is_closed_again(world: World) -> None:
    world.join("ann")
    _, ben = world.joining("ben")
    world.do(world.rooms.delete_room(ROOM))
    with pytest.raises(CommandError) as refused:
        ben.finish()
    assert refused.value.slug == "room-not-found"
    assert all(engine.empty for engine in world.engines)


def test_a_router_that_closed_while_it_was_made_is_none(world: World) -> None:
    world.join("ann")
    _, ben = world.joining("ben")
    made = world.engines[1].execute(commands.CreateRouter())
    assert isinstance(made, commands.RouterCreated)
    world.engines[1].close_router(made.router_id)
    world.pump()
    ben.answer(made)
    with pytest.raises(Unavailable):
        ben.finish()
    assert len(routers(world)) == 1


def test_a_closed_room_closes_all_of_its_routers_and_orders_nothing_of_its_pipes(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    world.consume(ben, world.produce(ann))
    world.hold_orders = True
    world.do(world.rooms.delete_room(ROOM))
    assert world.orders == []
    assert all(engine.empty for engine in world.engines)
    assert len(world.rooms._piping._book) == 0


# ---------------------------------------------------------------------- who sees whom


def test_everyone_sees_everyone_and_is_told_the_same_as_on_one_router() -> None:
    told: list[list[list[str]]] = []
    for capacity in (1, 100):
        world = World(engines=3, router_capacity=capacity)
        people = [world.join(name) for name in ("ann", "ben", "cyd")]
        produced = [world.produce(connection) for connection in people]
        for connection in people:
            for producer_id in produced:
                world.say(connection, wire.InitRequest(rtp_capabilities=CAPABILITIES))
                world.say(connection, wire.ConsumeRequest(producer_id=producer_id))
        world.say(people[0], wire.ProducerPause(id=produced[0]))
        world.say(people[0], wire.ProducerResume(id=produced[0]))
        world.say(people[1], wire.ProducerClose(id=produced[1]))
        world.say(people[0], wire.Leave())
        told.append([world.names(connection) for connection in people])
    assert told[0] == told[1]
    assert told[0][2].count("Consumed") == 2


def test_commands_go_to_the_router_of_who_asks(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    produced = world.produce(ann)
    consumed = world.consume(ben, produced)
    one, two = routers(world)
    for message in (
        wire.ConsumerResume(id=consumed.id),
        wire.ConsumerPause(id=consumed.id),
        wire.RequestKeyFrameRequest(id=consumed.id),
        wire.GetStats(),
        wire.RestartIceRequest(transport="consumer"),
    ):
        world.say(ben, message)
    assert world.engine_of(two).consumers[consumed.id].router_id == two
    for kind in (commands.Consume, commands.PauseConsumer, commands.RequestKeyFrame, commands.GetStats):
        assert routers_of(world, kind) == [two]
    assert routers_of(world, commands.Produce) == [one]


def test_several_who_want_the_same_at_once_have_it_piped_once(world: World) -> None:
    world = World(engines=2, router_capacity=2)
    ann, _ben, cyd, dan = (world.join(name) for name in ("ann", "ben", "cyd", "dan"))
    produced = world.produce(ann)
    flows = []
    for connection in (cyd, dan):
        world.say(connection, wire.InitRequest(rtp_capabilities=CAPABILITIES))
        request = wire.ConsumeRequest(producer_id=produced)
        flows.append(world.start(world.rooms.receive(connection, request, world.now)))
    assert flows[1].waits
    for flow in flows:
        flow.finish()
    assert all(isinstance(world.told[connection][-1], wire.Consumed) for connection in (cyd, dan))
    assert len(routers_of(world, commands.ConsumeForPipe)) == 1


def test_a_producer_that_was_piped_by_hand_the_long_way_is_taken_as_it_is(world: World) -> None:
    ann, _ben, cyd = world.join("ann"), world.join("ben"), world.join("cyd")
    produced, (one, two, three) = world.produce(ann), routers(world)
    world.do(world.rooms.pipe_producer(one, produced, two))
    world.do(world.rooms.pipe_producer(two, produced, three))
    world.consume(cyd, produced)
    assert routers_of(world, commands.ConsumeForPipe) == [one, two]


def test_a_consumer_says_what_the_origin_does_though_its_copy_lags_behind(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    produced = world.produce(ann)
    world.say(ben, wire.ConsumerClose(id=world.consume(ben, produced).id))
    world.hold_orders = True
    world.say(ann, wire.ProducerPause(id=produced))
    assert world.consume(ben, produced).producer_paused


def test_an_origin_that_is_gone_before_its_copy_came_is_not_found(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    produced = world.produce(ann)
    world.say(ben, wire.InitRequest(rtp_capabilities=CAPABILITIES))
    flow = world.start(world.rooms.receive(ben, wire.ConsumeRequest(producer_id=produced), world.now))
    flow.until(commands.ProduceFromPipe)
    world.say(ann, wire.ProducerClose(id=produced))
    flow.finish()
    assert world.last(ben, wire.Error).type == "/problems/producer-not-found"
    assert not any(engine.copies or engine.consumers for engine in world.engines)


@pytest.mark.parametrize("when", [commands.ProduceFromPipe, commands.HoldConsumer, commands.Consume])
def test_one_who_left_while_the_copy_was_made_leaves_it_to_nobody(world: World, when: type[commands.Command]) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    produced = world.produce(ann)
    world.say(ben, wire.InitRequest(rtp_capabilities=CAPABILITIES))
    flow = world.start(world.rooms.receive(ben, wire.ConsumeRequest(producer_id=produced), world.now))
    flow.until(when)
    world.say(ben, wire.Leave())
    flow.finish()
    (feeding,) = (c for engine in world.engines for c in engine.consumers.values())
    assert (feeding.piped, feeding.flows) == (True, False)


def test_one_who_consumes_while_the_copy_before_is_being_closed_gets_it(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    produced = world.produce(ann)
    world.consume(ben, produced)
    (feeding,) = (id_ for e in world.engines for id_, c in e.consumers.items() if c.piped)
    near = next(e for e in world.engines if feeding in e.consumers)
    world.hold_orders = True
    near.close_transport(near.consumers[feeding].transport_id, "internal-error")
    world.pump()
    (consumer_id,) = world.rooms.participant(ROOM, ParticipantId("ben")).consumer_ids
    world.say(ben, wire.ConsumerClose(id=consumer_id))
    flow = world.start(world.rooms.receive(ben, wire.ConsumeRequest(producer_id=produced), world.now))
    world.carry_out_orders()
    flow.finish()
    assert world.last(ben, wire.Consumed).producer_id == produced


def test_one_who_consumes_is_not_refused_for_another_who_piped_it_there_from_elsewhere_in_vain(world: World) -> None:
    outside = world.router()
    voice = world.origin(outside, "zoe")
    world.join("ann")
    ben = world.join("ben")
    first, second = routers(world)
    world.do(world.rooms.pipe_producer(outside, voice, first))
    in_vain = world.start(world.rooms.pipe_producer(outside, voice, second)).until(commands.ConsumeForPipe)
    world.say(ben, wire.InitRequest(rtp_capabilities=CAPABILITIES))
    asking = world.start(world.rooms.receive(ben, wire.ConsumeRequest(producer_id=voice), world.now))
    with pytest.raises(Conflict):
        in_vain.finish()
    asking.finish()
    assert world.last(ben, wire.Consumed).producer_id == voice


def test_a_client_that_asks_twice_while_the_copy_is_made_gets_one_consumer(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    produced = world.produce(ann)
    world.say(ben, wire.InitRequest(rtp_capabilities=CAPABILITIES))
    request = wire.ConsumeRequest(producer_id=produced)
    one, two = (world.start(world.rooms.receive(ben, request, world.now)) for _ in range(2))
    one.finish()
    two.finish()
    assert world.last(ben, wire.Error).type == "/problems/already-consumed"
    assert sum(not c.piped for engine in world.engines for c in engine.consumers.values()) == 1


@pytest.mark.parametrize("what", ["pause", "close", "score"])
def test_what_becomes_of_a_copy_is_not_taken_for_the_origins_doing(world: World, what: str) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    produced = world.produce(ann)
    world.consume(ben, produced)
    two = routers(world)[1]
    world.hush()
    if what == "score":
        world.rooms.on_event(events.ProducerScored(router_id=two, producer_id=produced, score=()), world.now)
    else:
        kind = commands.PauseProducer if what == "pause" else commands.CloseProducer
        world.tell(kind(router_id=two, producer_id=produced))
    assert world.heard(ann) == []
    assert world.rooms.participant(ROOM, ParticipantId("ann")).producer_ids == (produced,)
    if what == "close":  # who consumed it may do so again
        assert world.names(ben) == ["ConsumerClosed"]
        assert world.consume(ben, produced).producer_id == produced


# ---------------------------------------------------------------------- who speaks


def test_how_loud_one_is_that_its_own_router_says_and_nobody_comes_twice(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    anns, bens = world.produce(ann), world.produce(ben)
    world.consume(ben, anns)
    one, two = routers(world)
    world.hush()
    world.engine_of(one).measure_levels(one, {anns: -30})
    world.pump()
    world.engine_of(two).measure_levels(two, {anns: -10, bens: -40})
    world.pump()
    levels = (level("ann", anns, -30), level("ben", bens, -40))
    assert world.heard(ann) == [wire.AudioLevels(levels=levels[:1]), wire.AudioLevels(levels=levels)]
    assert world.do(world.rooms.audio_levels(ROOM)).levels == levels


def test_a_router_that_hears_others_people_only_adds_nothing_to_what_is_told(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    anns = world.produce(ann)
    world.consume(ben, anns)
    two = routers(world)[1]
    world.hush()
    for volumes in ({anns: -10}, {}):
        world.engine_of(two).measure_levels(two, volumes)
        world.pump()
    assert world.heard(ben) == []


def test_a_router_takes_the_floor_for_its_own_people_only(world: World) -> None:
    ann, ben, cyd = world.join("ann"), world.join("ben"), world.join("cyd")
    anns, bens = world.produce(ann), world.produce(ben)
    world.consume(cyd, anns)
    one, two, three = routers(world)
    world.hush()
    world.engine_of(two).give_floor(two, bens, since=1)
    world.pump()
    world.engine_of(three).give_floor(three, anns, since=2)  # where ben is not heard
    world.pump()
    assert [signal.producer_id for signal in world.heard(cyd) if isinstance(signal, wire.ActiveSpeaker)] == [bens]
    assert world.do(world.rooms.active_speaker(ROOM)).producer_id == bens
    world.engine_of(one).give_floor(one, anns, since=3)
    world.pump()
    assert world.last(cyd, wire.ActiveSpeaker).producer_id == anns
    assert world.do(world.rooms.active_speaker(ROOM)).participant_id == "ann"


def test_where_no_router_hears_its_own_what_is_said_of_others_counts(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    anns = world.produce(ann)
    world.consume(ben, anns)
    two = routers(world)[1]
    world.engine_of(two).give_floor(two, anns)
    world.pump()
    assert world.last(ben, wire.ActiveSpeaker).producer_id == anns
    assert world.do(world.rooms.active_speaker(ROOM)).producer_id == anns


# ---------------------------------------------------------------------- dead workers


def test_a_dead_worker_takes_its_people_and_the_others_go_on(world: World) -> None:
    ann, ben, cyd = world.join("ann"), world.join("ben"), world.join("cyd")
    anns, bens = world.produce(ann), world.produce(ben)
    world.consume(ben, anns)
    world.consume(cyd, anns)
    world.consume(cyd, bens)
    left = (routers(world)[0], routers(world)[2])
    world.hush()
    world.kill(world.engine_of(routers(world)[1]))
    assert [item for item in world.heard(ben) if not isinstance(item, wire.ConsumerClosed | wire.ProducerRemoved)] == [
        Hangup(ben, 4010, "worker died")
    ]
    assert world.names(ann) == ["ProducerRemoved", "ParticipantLeft"]
    assert world.names(cyd) == ["ConsumerClosed", "ProducerRemoved", "ParticipantLeft"]
    assert routers(world) == left
    (went,) = (event for event in world.published if isinstance(event, events.ParticipantLeft))
    assert (went.participant_id, went.reason) == ("ben", "worker-died")
    assert last_spread(world) == left
    world.produce(world.join("ben"))
    assert len(routers(world)) == 3


def last_spread(world: World) -> tuple[RouterId, ...]:
    return [event for event in world.published if isinstance(event, events.RoomSpread)][-1].router_ids


def test_what_a_dead_worker_said_of_who_speaks_counts_no_more(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    anns = world.produce(ann)
    world.consume(ben, anns)
    two = routers(world)[1]
    world.engine_of(two).give_floor(two, anns)
    world.pump()
    assert world.last(ann, wire.ActiveSpeaker).producer_id == anns
    world.engine_of(two).speakers.clear()  # a dead worker says nothing of it
    world.kill(world.engine_of(two))
    assert world.last(ann, wire.ActiveSpeaker).producer_id is None


def test_a_room_on_dead_workers_only_is_closed_and_its_people_learn_why() -> None:
    world = World()
    ann = world.join("ann")
    world.hush()
    world.kill(world.engine)
    told = world.heard(ann)
    assert told == [wire.RoomClosed(reason="worker-died"), Hangup(ann, 1000, "room closed")]
    closed = [event for event in world.published if isinstance(event, events.RoomClosed)]
    assert [event.reason for event in closed] == ["worker-died"]
    assert world.rooms.counts() == (0, 0)
    world.join("ann")
    assert world.rooms.counts() == (1, 1)


def test_a_room_of_two_routers_on_one_dead_worker_is_closed_as_well() -> None:
    world = World(router_capacity=1)
    world.join("ann")
    ben = world.join("ben")
    world.kill(world.engine)
    assert world.rooms.counts() == (0, 0)
    assert world.names(ben)[-1] == "Hangup"


def test_one_of_several_routers_that_is_closed_by_hand_removes_its_people(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    world.hush()
    world.tell(commands.CloseRouter(router_id=routers(world)[1]))
    assert world.heard(ben)[-1] == Hangup(ben, 1000, "removed")
    assert world.names(ann) == ["ParticipantLeft"]
    assert len(routers(world)) == 1


def test_one_who_has_no_router_yet_outlives_them_all_but_the_last(world: World) -> None:
    world.join("ann")
    world.join("ben")
    world.rooms.create_participant(ROOM, ParticipantPlan(ParticipantId("cyd"), ParticipantType.HOST, "Cyd"), world.now)
    world.kill(world.engine_of(routers(world)[0]))
    assert [person.id for person in world.rooms.participants(ROOM)] == ["ben", "cyd"]


def test_a_room_that_a_dead_worker_left_empty_ends_after_its_grace_time(world: World) -> None:
    world.join("ann")
    ben = world.join("ben")
    world.say(ben, wire.Leave())
    world.kill(world.engine_of(routers(world)[0]))
    assert world.rooms.counts() == (1, 0)
    world.pass_time(30)
    assert world.rooms.counts() == (0, 0)
    assert all(engine.empty for engine in world.engines)


@pytest.mark.parametrize("has_router", [False, True])
def test_one_whose_worker_dies_while_it_joins_is_refused_and_gone(world: World, has_router: bool) -> None:
    world.join("ann")
    _, ben = world.joining("ben")
    if has_router:
        ben.until(commands.CreateWebRtcTransport)
        world.engine_of(routers(world)[1]).die()
    for engine in world.engines:
        engine.dead = True
    with pytest.raises(CommandError):
        ben.finish()
    world.pump()
    assert [person.id for person in world.rooms.participants(ROOM)] == ["ann"]


def test_what_is_asked_of_a_room_while_one_of_its_workers_dies_is_answered_by_the_others(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    anns = world.produce(ann)
    world.consume(ben, anns)
    one, two = routers(world)
    world.engine_of(one).give_floor(one, anns)
    world.engine_of(one).measure_levels(one, {anns: -10})
    asked = world.start(world.rooms.active_speaker(ROOM)), world.start(world.rooms.audio_levels(ROOM))
    for flow in asked:
        flow.step()
    world.kill(world.engine_of(two))
    assert asked[0].finish().producer_id == anns
    assert asked[1].finish().levels == (level("ann", anns, -10),)


def test_a_new_producer_of_one_who_dies_with_its_worker_is_nobodys(world: World) -> None:
    world.join("ann")
    ben = world.join("ben")
    request = wire.ProduceRequest(kind=MediaKind.AUDIO, rtp_parameters=OPUS)
    flow = world.start(world.rooms.receive(ben, request, world.now))
    world.kill(world.engine_of(routers(world)[1]))
    flow.finish()
    assert not any(person.producer_ids for person in world.rooms.participants(ROOM))
