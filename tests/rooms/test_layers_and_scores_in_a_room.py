"""Preferred layers, priority, and what the engine tells of layers and scores: who may ask, who is told, and when."""

import msgspec
import pytest

from labsfu.errors import Unavailable
from labsfu.rooms.wishes import ConnectionId
from labsfu.wire import commands, events
from labsfu.wire import socket as wire
from labsfu.wire.base import ABSENT
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId
from labsfu.wire.rtp import ConsumerLayers, MediaKind
from labsfu.wire.sfu import ConsumerScore, ProducerScore
from tests.support.fake_worker import CAPABILITIES, OPUS
from tests.support.room_world import ROOM, World, command_of

NOBODYS = ConsumerId("00000000-0000-0000-0000-00000000ffff")
LOWEST = ConsumerLayers(spatial_layer=0, temporal_layer=0)
HIGHEST = ConsumerLayers(spatial_layer=2, temporal_layer=1)


@pytest.fixture
def world() -> World:
    world = World()
    world.engine.highest = HIGHEST
    return world


class Three:
    """Ann sends, ben receives her, cyd receives her too."""

    def __init__(self, world: World) -> None:
        self.ann, self.ben, self.cyd = (world.join(name) for name in ("ann", "ben", "cyd"))
        self.producer = world.produce(self.ann)
        self.consumer = world.consume(self.ben, self.producer).id
        self.other = world.consume(self.cyd, self.producer).id
        world.hush()


@pytest.fixture
def three(world: World) -> Three:
    return Three(world)


def layers_changed(consumer: ConsumerId, spatial: int, reason: events.LayersReason) -> wire.ConsumerLayersChanged:
    layers = ConsumerLayers(spatial_layer=spatial, temporal_layer=0)
    return wire.ConsumerLayersChanged(id=consumer, layers=layers, reason=reason)


def consumer_score(consumer: ConsumerId, score: int) -> wire.ConsumerScore:
    return wire.ConsumerScore(id=consumer, score=ConsumerScore(score=score, producer_score=10, producer_scores=(10,)))


def producer_score(producer: ProducerId, score: int) -> wire.ProducerScore:
    return wire.ProducerScore(id=producer, score=(ProducerScore(encoding_idx=0, ssrc=7, score=score),))


# ------------------------------------------------------------------ what is asked


def test_preferred_layers_are_answered_as_they_were_cut_to_the_one_who_asked(world: World, three: Three) -> None:
    request = wire.SetPreferredLayers(id=three.consumer, layers=ConsumerLayers(spatial_layer=9), request_id=4)
    world.say(three.ben, request)
    assert world.told == {three.ben: [wire.PreferredLayersSet(id=three.consumer, layers=HIGHEST, request_id=4)]}
    world.say(three.ben, wire.SetPreferredLayers(id=three.consumer, layers=LOWEST))
    assert world.last(three.ben, wire.PreferredLayersSet).layers == LOWEST
    assert world.engine.consumers[three.consumer].preferred == LOWEST
    assert world.engine.consumers[three.other].preferred == HIGHEST


def test_where_there_are_no_layers_a_preference_is_taken_and_comes_to_nothing(world: World, three: Three) -> None:
    world.engine.highest = None
    world.say(three.ben, wire.SetPreferredLayers(id=three.consumer, layers=LOWEST))
    assert world.heard(three.ben) == [wire.PreferredLayersSet(id=three.consumer, layers=ABSENT)]


def test_a_priority_is_answered_and_leaves_the_layers_alone(world: World, three: Three) -> None:
    world.say(three.ben, wire.SetPreferredLayers(id=three.consumer, layers=LOWEST))
    world.hush()
    world.say(three.ben, wire.SetPriority(id=three.consumer, priority=200, request_id="p"))
    assert world.told == {three.ben: [wire.PrioritySet(id=three.consumer, priority=200, request_id="p")]}
    kept = world.engine.consumers[three.consumer]
    assert (kept.priority, kept.preferred) == (200, LOWEST)


def test_layers_can_be_preferred_from_the_beginning(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    producer = world.produce(ann)
    world.say(ben, wire.InitRequest(rtp_capabilities=CAPABILITIES))
    world.say(ben, wire.ConsumeRequest(producer_id=producer, preferred_layers=LOWEST))
    assert world.engine.consumers[world.last(ben, wire.Consumed).id].preferred == LOWEST


@pytest.mark.parametrize(
    "request_",
    [
        wire.SetPreferredLayers(id=NOBODYS, layers=LOWEST, request_id=1),
        wire.SetPriority(id=NOBODYS, priority=2, request_id=1),
    ],
)
def test_what_is_not_ones_own_is_not_found_and_the_engine_is_not_asked(
    world: World, three: Three, request_: wire.SetPreferredLayers | wire.SetPriority
) -> None:
    asked = len(world.engine.asked)
    for id_ in (NOBODYS, three.other):
        world.say(three.ben, msgspec.structs.replace(request_, id=id_))
        error = world.last(three.ben, wire.Error)
        assert (error.type, error.request_id) == ("/problems/consumer-not-found", 1)
        assert id_ in error.detail
    assert len(world.engine.asked) == asked
    assert set(world.told) == {three.ben}


def test_a_refusal_of_the_engine_is_the_answer(world: World, three: Three) -> None:
    world.engine.refusals[commands.UpdateConsumer] = [Unavailable("gone")]
    world.say(three.ben, wire.SetPriority(id=three.consumer, priority=2))
    error = world.last(three.ben, wire.Error)
    assert (error.request_action, error.detail) == ("SetPriority", "gone")


def test_a_consumer_that_ends_while_it_is_being_changed_is_not_found(world: World, three: Three) -> None:
    request = wire.SetPreferredLayers(id=three.consumer, layers=LOWEST)
    flow = world.rooms.receive(three.ben, request, world.now)
    shown = world.engine.execute(command_of(next(flow)))
    world.engine.close_producer(three.producer, "dtls-closed")
    world.pump()
    with pytest.raises(StopIteration):
        flow.send(shown)
    world.pump()
    assert world.names(three.ben) == ["ConsumerClosed", "ProducerRemoved", "Error"]


# ------------------------------------------------------------------ what happens


def test_other_layers_are_told_to_the_one_who_receives_them_and_to_nobody_else(world: World, three: Three) -> None:
    world.engine.change_layers(three.consumer, 1, "available")
    world.engine.change_layers(three.consumer, None, "stopped")
    world.pump()
    stopped = wire.ConsumerLayersChanged(id=three.consumer, reason="stopped")
    assert world.told == {three.ben: [layers_changed(three.consumer, 1, "available"), stopped]}


def test_a_score_is_told_to_the_owner_of_the_stream_and_to_nobody_else(world: World, three: Three) -> None:
    world.engine.score_producer(three.producer, 7)
    world.engine.score_consumer(three.other, 3)
    world.pump()
    assert world.told == {
        three.ann: [producer_score(three.producer, 7)],
        three.cyd: [consumer_score(three.other, 3)],
    }


def test_of_streams_that_are_no_participants_nobody_is_told(world: World, three: Three) -> None:
    consumer = events.ConsumerScored(
        router_id=world.rooms.room(ROOM).router_ids[0],
        consumer_id=NOBODYS,
        score=ConsumerScore(score=1, producer_score=1, producer_scores=(1,)),
    )
    world.rooms.on_event(consumer, world.now)
    world.pump()
    assert world.told == {}


# ------------------------------------------------------------------ before it is adopted, and after it was lost


def test_what_is_said_of_a_stream_while_it_is_made_is_told_after_the_answer_that_names_it(world: World) -> None:
    world.engine.scores_at_once = True
    ann, ben = world.join("ann"), world.join("ben")
    world.hush()
    world.say(ann, wire.ProduceRequest(kind=MediaKind.AUDIO, rtp_parameters=OPUS))
    produced, score = world.heard(ann)
    assert isinstance(produced, wire.Produced)
    assert score == producer_score(produced.id, 10)
    world.say(ben, wire.InitRequest(rtp_capabilities=CAPABILITIES))
    world.hush()
    world.say(ben, wire.ConsumeRequest(producer_id=produced.id))
    consumed, score = world.heard(ben)
    assert isinstance(consumed, wire.Consumed)
    assert score == consumer_score(consumed.id, 10)
    assert world.heard(ann) == []


def test_of_several_words_on_a_stream_that_is_made_the_last_of_each_kind_is_told(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    producer = world.produce(ann)
    world.say(ben, wire.InitRequest(rtp_capabilities=CAPABILITIES))
    world.hush()
    flow = world.rooms.receive(ben, wire.ConsumeRequest(producer_id=producer), world.now)
    made = world.engine.execute(command_of(next(flow)))
    assert isinstance(made, commands.Consumed)
    world.engine.score_consumer(made.consumer_id, 10)
    world.engine.change_layers(made.consumer_id, 0, "begun")
    world.engine.score_consumer(made.consumer_id, 4)
    world.pump()
    assert world.heard(ben) == []
    with pytest.raises(StopIteration):
        flow.send(made)
    world.pump()
    _, *news = world.heard(ben)
    assert news == [consumer_score(made.consumer_id, 4), layers_changed(made.consumer_id, 0, "begun")]


@pytest.mark.parametrize("paused", [True, False])
def test_a_producer_that_is_stopped_or_resumed_while_it_is_made_is_known_as_it_is(world: World, paused: bool) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    world.hush()
    request = wire.ProduceRequest(kind=MediaKind.AUDIO, rtp_parameters=OPUS, paused=not paused)
    flow = world.start(world.rooms.receive(ann, request, world.now))
    made = world.of_engine(flow.command, commands.Produced)
    kind = commands.PauseProducer if paused else commands.ResumeProducer
    world.tell(kind(router_id=world.rooms.room(ROOM).router_ids[0], producer_id=made.producer_id))
    flow.answer(made)
    assert world.names(ann) == ["Produced", "ProducerPaused" if paused else "ProducerResumed"]
    (added,) = world.heard(ben)
    assert isinstance(added, wire.ProducerAdded)
    assert added.paused is paused


def test_a_consumer_that_is_resumed_while_it_is_made_is_known_as_it_is(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    producer = world.produce(ann)
    world.say(ben, wire.InitRequest(rtp_capabilities=CAPABILITIES))
    world.hush()
    flow = world.start(world.rooms.receive(ben, wire.ConsumeRequest(producer_id=producer), world.now))
    made = world.of_engine(flow.command, commands.Consumed)
    router_id = world.rooms.room(ROOM).router_ids[0]
    world.tell(commands.ResumeConsumer(router_id=router_id, consumer_id=made.consumer_id))
    flow.answer(made)
    assert world.names(ben) == ["Consumed", "ConsumerResumed"]
    world.tell(commands.PauseConsumer(router_id=router_id, consumer_id=made.consumer_id))
    assert world.names(ben) == ["ConsumerPaused"]


def test_a_stream_that_ends_while_it_is_made_leaves_no_word(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    producer = world.produce(ann)
    world.say(ben, wire.InitRequest(rtp_capabilities=CAPABILITIES))
    world.hush()
    flow = world.start(world.rooms.receive(ben, wire.ConsumeRequest(producer_id=producer), world.now))
    world.engine.scores_at_once = True
    closing = world.start(world.rooms.receive(ann, wire.ProducerClose(id=producer), world.now))
    flow.finish()
    closing.finish()
    assert world.names(ben) == ["ProducerRemoved", "Error"]


def come_back(world: World, connection: ConnectionId, name: str) -> ConnectionId:
    again = world.connection()
    world.do(world.rooms.disconnected(connection, world.now, clean=False))
    world.hush()
    world.do(world.rooms.connect(again, ROOM, ParticipantId(name)))
    return again


def test_who_comes_back_is_told_how_things_stand(world: World, three: Three) -> None:
    world.engine.change_layers(three.consumer, 2, "begun")
    world.pump()
    world.do(world.rooms.disconnected(three.ben, world.now, clean=False))
    world.engine.change_layers(three.consumer, 0, "available")
    world.engine.score_consumer(three.consumer, 5)
    world.pump()
    again = world.connection()
    world.do(world.rooms.connect(again, ROOM, ParticipantId("ben")))
    assert world.heard(again)[-2:] == [
        layers_changed(three.consumer, 0, "available"),
        consumer_score(three.consumer, 5),
    ]
    world.engine.score_producer(three.producer, 6)
    world.pump()
    assert world.heard(come_back(world, three.ann, "ann"))[-1] == producer_score(three.producer, 6)


def test_who_comes_back_is_told_nothing_of_what_ended_meanwhile(world: World, three: Three) -> None:
    world.engine.score_consumer(three.consumer, 5)
    world.engine.close_consumer(three.consumer, "transport-closed")
    world.pump()
    assert not {"ConsumerScore"} & set(world.names(come_back(world, three.ben, "ben")))
