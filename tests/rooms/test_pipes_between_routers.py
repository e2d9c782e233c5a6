"""A producer on another router of the same server: made once, in step with its origin, and nothing left in the end."""

from collections.abc import Callable

import pytest

from labsfu.errors import CommandError, Conflict, NotFound, Unavailable
from labsfu.wire import commands, events
from labsfu.wire.ids import ParticipantId, ProducerId, RouterId
from labsfu.wire.pipe import PipeProducerToLocalRouterPayload
from labsfu.wire.rtp import MediaKind
from tests.support.fake_worker import CAPABILITIES, OPUS, FakeEngine
from tests.support.room_world import Paused, World

Shown = PipeProducerToLocalRouterPayload


class Pair:
    """A producer on one router, and another router: on the same worker, or on another one."""

    def __init__(self, engines: int = 2) -> None:
        self.world = World(engines=engines)
        self.here, self.there = self.world.router(), self.world.router()
        self.id = self.world.origin(self.here)
        self.engine = self.world.engine_of(self.here)
        self.far = self.world.engine_of(self.there)

    def asking(self, source: RouterId | None = None, destination: RouterId | None = None) -> Paused[Shown]:
        return self.asking_for(self.id, source, destination)

    def asking_for(
        self, id_: ProducerId, source: RouterId | None = None, destination: RouterId | None = None
    ) -> Paused[Shown]:
        return self.world.start(self.world.rooms.pipe_producer(source or self.here, id_, destination or self.there))

    def pipe(self, source: RouterId | None = None, destination: RouterId | None = None) -> Shown:
        return self.asking(source, destination).finish()

    @property
    def copy_paused(self) -> bool:
        return self.far.copies[self.there, self.id].paused

    def flows(self, piped: Shown) -> bool:
        """Into the pipe."""
        return self.engine.consumers[piped.pipe_consumer.id].flows

    def is_clean(self) -> bool:
        """Nothing is there but the producer and its transport."""
        engines = {id(engine): engine for engine in (self.engine, self.far)}.values()
        transports = sum(len(engine.transports) for engine in engines)
        left = any(engine.copies or engine.consumers for engine in engines)
        return transports == 1 and not left and len(self.world.rooms._piping._book) == 0


@pytest.fixture(params=[1, 2], ids=["same-worker", "other-worker"])
def pair(request: pytest.FixtureRequest) -> Pair:
    return Pair(request.param)


def test_a_piped_producer_has_its_id_its_participant_and_the_streams_of_the_pipe_consumer(pair: Pair) -> None:
    piped = pair.pipe()
    assert (piped.producer_id, piped.source_router_id, piped.destination_router_id) == (pair.id, pair.here, pair.there)
    assert piped.pipe_producer.id == piped.pipe_consumer.producer_id == pair.id
    assert piped.pipe_producer.rtp_parameters == piped.pipe_consumer.rtp_parameters
    copy = pair.far.copies[pair.there, pair.id]
    assert (copy.participant_id, copy.app_data, copy.paused) == ("ann", {"of": "ann"}, False)


def test_the_two_ends_lead_to_each_other_on_this_machine_without_srtp_and_rtx(pair: Pair) -> None:
    pair.pipe()
    ends = [t.pipe for engine in {id(e): e for e in pair.world.engines}.values() for t in engine.transports.values()]
    one, other = (end for end in ends if end is not None)
    assert (one.remote_ip, one.remote_port) == (other.local_ip, other.local_port)
    assert (other.remote_ip, other.remote_port) == (one.local_ip, one.local_port)
    made = [c for e in pair.world.engines for c in e.asked if isinstance(c, commands.CreatePipeTransport)]
    assert [(c.listen_ip, c.enable_srtp, c.enable_rtx) for c in made] == [("127.0.0.1", False, False)] * 2


def test_asking_again_is_answered_with_the_same_pipe_as_it_is_now(pair: Pair) -> None:
    first = pair.pipe()
    pair.world.tell(commands.PauseProducer(router_id=pair.here, producer_id=pair.id))
    again = pair.pipe()
    assert (again.pipe_consumer.id, again.pipe_producer.id) == (first.pipe_consumer.id, first.pipe_producer.id)
    assert (again.pipe_consumer.producer_paused, again.pipe_producer.paused) == (True, True)


def test_one_pair_of_transports_carries_all_that_goes_between_two_routers_both_ways(pair: Pair) -> None:
    world = pair.world
    pair.pipe()
    other, back = world.origin(pair.here, "ben"), world.origin(pair.there, "cyd")
    world.do(world.rooms.pipe_producer(pair.here, other, pair.there))
    world.do(world.rooms.pipe_producer(pair.there, back, pair.here))
    pipes = [t for engine in set(map(id, world.engines)) for t in find(world, engine).transports.values() if t.pipe]
    assert len(pipes) == 2


def find(world: World, id_: int) -> FakeEngine:
    return next(engine for engine in world.engines if id(engine) == id_)


def test_whoever_asks_meanwhile_waits_and_gets_the_same(pair: Pair) -> None:
    first = pair.asking().until(commands.ConsumeForPipe)
    second = pair.asking()
    assert second.waits
    made = first.finish()
    assert second.finish().pipe_consumer.id == made.pipe_consumer.id
    assert len(pair.far.copies) == 1


def test_two_producers_at_once_share_the_pipe_that_the_first_one_makes(pair: Pair) -> None:
    world = pair.world
    ben = world.origin(pair.here, "ben")
    first = pair.asking().until(commands.ConnectPipeTransport)
    second = world.start(world.rooms.pipe_producer(pair.here, ben, pair.there))
    while not second.waits:
        second.step()
    first.finish()
    second.finish()
    assert len(pair.far.copies) == 2
    assert sum(isinstance(c, commands.CreatePipeTransport) for e in world.engines for c in e.asked) == 2


@pytest.mark.parametrize(
    "refused",
    [
        commands.GetProducer,
        commands.GetRouter,
        commands.CreatePipeTransport,
        commands.ConnectPipeTransport,
        commands.ConsumeForPipe,
        commands.ProduceFromPipe,
        commands.HoldConsumer,
    ],
)
def test_what_is_refused_half_way_leaves_nothing_and_all_who_waited_learn_why(
    pair: Pair, refused: type[commands.Command]
) -> None:
    first = pair.asking().until(refused)
    second = pair.asking()
    for engine in pair.world.engines:
        engine.refusals[refused] = [Unavailable("planted", slug="planted")]
    for flow in (first, second):
        with pytest.raises(Unavailable, match="planted"):
            flow.finish()
    assert pair.is_clean()
    for engine in pair.world.engines:
        engine.refusals.clear()
    assert pair.pipe().producer_id == pair.id


def test_a_refusal_of_one_producer_leaves_the_pipe_to_others(pair: Pair) -> None:
    pair.pipe()
    ben = pair.world.origin(pair.here, "ben")
    pair.engine.refusals[commands.ConsumeForPipe] = [Unavailable("planted")]
    with pytest.raises(Unavailable):
        pair.world.do(pair.world.rooms.pipe_producer(pair.here, ben, pair.there))
    assert (pair.there, pair.id) in pair.far.copies
    assert pair.pipe().producer_id == pair.id


def test_one_who_waited_for_a_pipe_that_its_maker_gave_back_makes_it_anew(pair: Pair) -> None:
    world = pair.world
    ben = world.origin(pair.here, "ben")
    first = pair.asking().until(commands.ConnectPipeTransport)
    second = world.start(world.rooms.pipe_producer(pair.here, ben, pair.there))
    while not second.waits:
        second.step()
    pair.engine.refusals[commands.ConsumeForPipe] = [Unavailable("planted")]
    with pytest.raises(Unavailable):
        first.finish()
    second.finish()
    assert list(pair.far.copies) == [(pair.there, ben)]


UNKNOWN = RouterId("f" * 8)


@pytest.mark.parametrize(
    ("change", "slug"),
    [
        (lambda pair: pair.asking(destination=pair.here), "pipe-to-itself"),
        (lambda pair: pair.asking(source=UNKNOWN), "router-not-found"),
        (lambda pair: pair.asking(destination=UNKNOWN), "router-not-found"),
        (lambda pair: pair.asking(source=pair.there, destination=pair.here), "producer-not-found"),
        (lambda pair: pair.asking_for(ProducerId("none")), "producer-not-found"),
    ],
)
def test_what_cannot_be_piped_is_refused_and_leaves_nothing(change: Callable[[Pair], Paused[Shown]], slug: str) -> None:
    pair = Pair()
    with pytest.raises(CommandError) as refused:
        change(pair).finish()
    assert refused.value.slug == slug
    assert pair.is_clean()


def test_a_producer_that_is_there_by_other_means_is_not_piped_over_it(pair: Pair) -> None:
    world = pair.world
    pair.pipe()
    third = world.router()
    world.do(world.rooms.pipe_producer(pair.there, pair.id, third))
    for source, destination in ((pair.here, third), (pair.there, pair.here)):
        with pytest.raises(Conflict) as refused:
            pair.pipe(source, destination)
        assert refused.value.slug == "producer-exists"
    assert (third, pair.id) in world.engine_of(third).copies


# ---------------------------------------------------------------------- in step


def test_pause_and_resume_of_the_origin_cross(pair: Pair) -> None:
    pair.pipe()
    for command, paused in ((commands.PauseProducer, True), (commands.ResumeProducer, False)):
        pair.world.tell(command(router_id=pair.here, producer_id=pair.id))
        assert pair.copy_paused is paused


def test_pause_and_resume_of_the_pipe_consumer_cross(pair: Pair) -> None:
    piped = pair.pipe()
    for command, paused in ((commands.PauseConsumer, True), (commands.ResumeConsumer, False)):
        pair.world.tell(command(router_id=pair.here, consumer_id=piped.pipe_consumer.id))
        assert pair.copy_paused is paused


def test_what_was_stopped_on_both_counts_flows_when_neither_stops_it(pair: Pair) -> None:
    piped, world = pair.pipe(), pair.world
    consumer = piped.pipe_consumer.id
    world.tell(commands.PauseConsumer(router_id=pair.here, consumer_id=consumer))
    world.tell(commands.PauseProducer(router_id=pair.here, producer_id=pair.id))
    world.tell(commands.ResumeConsumer(router_id=pair.here, consumer_id=consumer))
    assert pair.copy_paused
    world.tell(commands.ResumeProducer(router_id=pair.here, producer_id=pair.id))
    assert not pair.copy_paused


@pytest.mark.parametrize("what", ["origin", "consumer", "copy"])
def test_the_end_of_one_side_is_that_of_the_other(pair: Pair, what: str) -> None:
    piped, world = pair.pipe(), pair.world
    closings: dict[str, commands.Command] = {
        "origin": commands.CloseProducer(router_id=pair.here, producer_id=pair.id),
        "consumer": commands.CloseConsumer(router_id=pair.here, consumer_id=piped.pipe_consumer.id),
        "copy": commands.CloseProducer(router_id=pair.there, producer_id=pair.id),
    }
    world.tell(closings[what])
    assert pair.far.copies == {}
    assert pair.engine.consumers == {}
    assert (pair.id in pair.engine.producers) == (what != "origin")
    if what != "origin":
        assert pair.pipe().pipe_consumer.id != piped.pipe_consumer.id


@pytest.mark.parametrize("what", ["near end", "far end", "near router", "far router", "near worker", "far worker"])
def test_an_end_of_a_pipe_that_closes_takes_the_other_and_all_that_went_over_it(what: str) -> None:
    pair = Pair()
    pair.pipe()
    world, near = pair.world, what.startswith("near")
    engine, router = (pair.engine, pair.here) if near else (pair.far, pair.there)
    if what.endswith("end"):
        (end,) = (id_ for id_, transport in engine.transports.items() if transport.pipe)
        world.tell(commands.ClosePipeTransport(router_id=router, transport_id=end))
    elif what.endswith("router"):
        world.tell(commands.CloseRouter(router_id=router))
    else:
        world.kill(engine)
    assert len(world.rooms._piping._book) == 0
    left = [t for e in (pair.engine, pair.far) for t in e.transports.values() if t.pipe]
    assert (left, pair.far.copies, pair.engine.consumers) == ([], {}, {})


# ---------------------------------------------------------------------- races


def test_an_origin_that_is_paused_while_it_is_piped_is_paused_there(pair: Pair) -> None:
    flow = pair.asking().until(commands.ProduceFromPipe)
    pair.world.tell(commands.PauseProducer(router_id=pair.here, producer_id=pair.id))
    assert flow.finish().pipe_producer.paused
    assert pair.copy_paused


def test_an_origin_that_pauses_and_resumes_while_it_is_piped_flows(pair: Pair) -> None:
    pair.world.tell(commands.PauseProducer(router_id=pair.here, producer_id=pair.id))
    flow = pair.asking().until(commands.ProduceFromPipe)
    flow.step()  # it is made, paused, and the flow has its answer
    pair.world.tell(commands.ResumeProducer(router_id=pair.here, producer_id=pair.id))
    flow.finish()
    assert not pair.copy_paused


def test_a_pause_that_overtakes_the_answer_counts(pair: Pair) -> None:
    flow = pair.asking().until(commands.ConsumeForPipe)
    answer = pair.world.of_engine(flow.command, commands.PipeConsumed)
    pair.world.tell(commands.PauseProducer(router_id=pair.here, producer_id=pair.id))
    flow.answer(answer)
    assert flow.finish().pipe_producer.paused
    assert pair.copy_paused


def test_an_end_that_overtakes_the_answer_counts(pair: Pair) -> None:
    flow = pair.asking().until(commands.ConsumeForPipe)
    answer = pair.world.of_engine(flow.command, commands.PipeConsumed)
    pair.world.tell(commands.CloseConsumer(router_id=pair.here, consumer_id=answer.consumer.id))
    flow.answer(answer)
    with pytest.raises(Conflict) as refused:
        flow.finish()
    assert refused.value.slug == "pipe-closed"
    assert pair.is_clean()


def test_an_end_of_the_pipe_that_closes_before_it_is_used_takes_the_other(pair: Pair) -> None:
    flow = pair.asking().until(commands.ConnectPipeTransport)
    flow.step()
    (end,) = (id_ for id_, transport in pair.engine.transports.items() if transport.pipe and transport.connected)
    pair.world.tell(commands.ClosePipeTransport(router_id=pair.here, transport_id=end))
    with pytest.raises(Conflict) as refused:
        flow.finish()
    assert refused.value.slug == "pipe-closed"
    assert pair.is_clean()


def test_one_who_waited_for_what_is_gone_again_makes_it_anew(pair: Pair) -> None:
    first, second = pair.asking(), pair.asking()
    old = first.finish()
    pair.world.tell(commands.CloseProducer(router_id=pair.there, producer_id=pair.id))
    assert second.finish().pipe_consumer.id != old.pipe_consumer.id
    assert (pair.there, pair.id) in pair.far.copies


def test_what_is_there_by_other_means_outlives_the_attempt_to_pipe_over_it(pair: Pair) -> None:
    create = commands.CreatePipeTransport(router_id=pair.there, listen_ip="127.0.0.1")
    pipe = pair.world.of_engine(create, commands.PipeTransportShown).pipe_transport
    by_hand = commands.ProduceFromPipe(
        router_id=pair.there,
        transport_id=pipe.id,
        producer_id=pair.id,
        participant_id=ParticipantId("ann"),
        kind=MediaKind.AUDIO,
        rtp_parameters=OPUS,
    )
    pair.world.of_engine(by_hand, commands.PipeProduced)
    flow = pair.asking().until(commands.ProduceFromPipe)
    (feeding,) = pair.engine.consumers
    pair.world.tell(commands.CloseConsumer(router_id=pair.here, consumer_id=feeding))
    with pytest.raises(Conflict) as refused:
        flow.finish()
    assert refused.value.slug == "producer-exists"
    assert (pair.there, pair.id) in pair.far.copies


def test_a_transport_that_closed_is_not_ordered_to_close(pair: Pair) -> None:
    pair.pipe()
    pair.world.hold_orders = True
    (end, _) = (t for engine in pair.world.engines for t in engine.transports if engine.transports[t].pipe)
    pair.world.tell(commands.ClosePipeTransport(router_id=pair.here, transport_id=end))
    ordered = [order.command for order in pair.world.orders]
    assert [(type(order), order.router_id) for order in ordered] == [(commands.ClosePipeTransport, pair.there)]


@pytest.mark.parametrize(
    "when", [commands.GetRouter, commands.ConnectPipeTransport, commands.ProduceFromPipe, commands.HoldConsumer]
)
@pytest.mark.parametrize("what", ["origin", "router"])
def test_what_ends_while_it_is_piped_is_refused_and_leaves_nothing(
    pair: Pair, when: type[commands.Command], what: str
) -> None:
    flow = pair.asking().until(when)
    if what == "origin":
        pair.world.tell(commands.CloseProducer(router_id=pair.here, producer_id=pair.id))
    else:
        pair.world.tell(commands.CloseRouter(router_id=pair.there))
    with pytest.raises((NotFound, Conflict)):
        flow.finish()
    assert pair.is_clean()


def test_orders_that_come_late_still_bring_both_sides_in_step(pair: Pair) -> None:
    world = pair.world
    pair.pipe()
    world.hold_orders = True
    for command in (commands.PauseProducer, commands.ResumeProducer, commands.PauseProducer):
        world.tell(command(router_id=pair.here, producer_id=pair.id))
    seen = [pair.copy_paused]
    world.carry_out_orders()
    assert [*seen, pair.copy_paused] == [False, True]
    world.tell(commands.CloseProducer(router_id=pair.here, producer_id=pair.id))
    world.carry_out_orders()
    assert pair.far.copies == {}


# ---------------------------------------------------------------------- nothing for nobody


def test_what_nobody_has_used_yet_flows_once_there_is_somebody_to_take_it(pair: Pair) -> None:
    flow = pair.asking().until(commands.ProduceFromPipe)
    assert [consumer.flows for consumer in pair.engine.consumers.values()] == [False]
    piped = flow.finish()
    assert (piped.pipe_consumer.paused, pair.flows(piped)) == (False, True)


def test_nothing_is_sent_over_once_the_last_consumer_went_and_flows_again_for_the_next(pair: Pair) -> None:
    piped, world = pair.pipe(), pair.world
    one, two = world.user(pair.there, pair.id), world.user(pair.there, pair.id)
    world.tell(commands.CloseConsumer(router_id=pair.there, consumer_id=one))
    assert pair.flows(piped)
    world.tell(commands.CloseConsumer(router_id=pair.there, consumer_id=two))
    assert (pair.flows(piped), pair.copy_paused) == (False, False)
    world.user(pair.there, pair.id)
    assert (pair.flows(piped), pair.copy_paused) == (True, False)


def test_that_nobody_uses_it_is_no_pause_and_told_to_nobody(pair: Pair) -> None:
    piped, world = pair.pipe(), pair.world
    world.published.clear()
    one = world.user(pair.there, pair.id)
    world.tell(commands.CloseConsumer(router_id=pair.there, consumer_id=one))
    assert not pair.flows(piped)
    assert not pair.pipe().pipe_consumer.paused
    told = events.ConsumerPaused | events.ConsumerResumed | events.ProducerPaused | events.ProducerResumed
    assert not any(isinstance(event, told) for event in world.published)


def test_consumers_that_come_and_go_faster_than_orders_leave_it_as_it_should_be(pair: Pair) -> None:
    piped, world = pair.pipe(), pair.world
    one = world.user(pair.there, pair.id)
    world.hold_orders = True
    world.tell(commands.CloseConsumer(router_id=pair.there, consumer_id=one))
    world.user(pair.there, pair.id)
    world.carry_out_orders()
    assert (pair.flows(piped), pair.copy_paused) == (True, False)


def test_one_that_somebody_stopped_stays_stopped_whoever_comes_and_goes(pair: Pair) -> None:
    piped, world = pair.pipe(), pair.world
    one = world.user(pair.there, pair.id)
    world.tell(commands.PauseConsumer(router_id=pair.here, consumer_id=piped.pipe_consumer.id))
    world.tell(commands.CloseConsumer(router_id=pair.there, consumer_id=one))
    world.user(pair.there, pair.id)
    assert (pair.flows(piped), pair.copy_paused) == (False, True)
    world.tell(commands.ResumeConsumer(router_id=pair.here, consumer_id=piped.pipe_consumer.id))
    assert (pair.flows(piped), pair.copy_paused) == (True, False)


def test_one_that_nobody_uses_does_not_flow_though_somebody_resumes_it(pair: Pair) -> None:
    piped, world = pair.pipe(), pair.world
    one = world.user(pair.there, pair.id)
    world.tell(commands.CloseConsumer(router_id=pair.there, consumer_id=one))
    for command in (commands.PauseConsumer, commands.ResumeConsumer):
        world.tell(command(router_id=pair.here, consumer_id=piped.pipe_consumer.id))
    assert (pair.flows(piped), pair.copy_paused) == (False, False)
    world.user(pair.there, pair.id)
    assert pair.flows(piped)


@pytest.mark.parametrize("last", [commands.PauseConsumer, commands.ResumeConsumer])
def test_what_somebody_asks_while_the_last_user_goes_is_what_holds_for_the_next(
    last: type[commands.PauseConsumer | commands.ResumeConsumer],
) -> None:
    """The two cross: neither engine has heard of the other's."""
    world = World(engines=2)
    there, here = world.router(), world.router()  # the engine of the copy is heard first
    producer = world.origin(here)
    feeding = world.do(world.rooms.pipe_producer(here, producer, there)).pipe_consumer.id
    user = world.user(there, producer)
    near, far = world.engine_of(here), world.engine_of(there)
    near.execute(commands.PauseConsumer(router_id=here, consumer_id=feeding))
    near.execute(last(router_id=here, consumer_id=feeding))
    far.execute(commands.CloseConsumer(router_id=there, consumer_id=user))
    world.pump()
    assert not near.consumers[feeding].flows
    world.user(there, producer)
    stopped = last is commands.PauseConsumer
    assert (near.consumers[feeding].flows, far.copies[there, producer].paused) == (not stopped, stopped)


@pytest.mark.parametrize("early", [True, False], ids=["before-the-answer", "after-it"])
def test_what_somebody_stopped_while_it_was_piped_stays_stopped(pair: Pair, early: bool) -> None:
    flow = pair.asking().until(commands.ConsumeForPipe)
    answer = pair.world.of_engine(flow.command, commands.PipeConsumed)
    pause = commands.PauseConsumer(router_id=pair.here, consumer_id=answer.consumer.id)
    if early:
        pair.world.tell(pause)
    flow.answer(answer)
    if not early:
        pair.world.tell(pause)
    piped = flow.finish()
    assert (piped.pipe_consumer.paused, piped.pipe_producer.paused) == (True, True)
    assert (pair.flows(piped), pair.copy_paused) == (False, True)


def test_a_copy_that_somebody_stopped_is_shown_as_that_and_stays_stopped_when_its_origin_goes_on(pair: Pair) -> None:
    pair.pipe()
    world = pair.world
    world.tell(commands.PauseProducer(router_id=pair.there, producer_id=pair.id))
    assert pair.pipe().pipe_producer.paused
    for command in (commands.PauseProducer, commands.ResumeProducer):
        world.tell(command(router_id=pair.here, producer_id=pair.id))
    assert pair.pipe().pipe_producer.paused
    assert pair.copy_paused
    world.tell(commands.ResumeProducer(router_id=pair.there, producer_id=pair.id))
    assert not pair.pipe().pipe_producer.paused
    assert not pair.copy_paused


def test_a_copy_that_somebody_resumes_is_stopped_for_as_long_as_its_origin(pair: Pair) -> None:
    pair.pipe()
    pair.world.tell(commands.PauseProducer(router_id=pair.here, producer_id=pair.id))
    pair.world.tell(commands.ResumeProducer(router_id=pair.there, producer_id=pair.id))
    assert pair.copy_paused
    pair.world.tell(commands.ResumeProducer(router_id=pair.here, producer_id=pair.id))
    assert not pair.copy_paused


# ---------------------------------------------------------------------- what comes after one that is gone


def test_a_new_copy_is_made_when_all_that_was_ordered_of_the_one_before_is_over(pair: Pair) -> None:
    piped, world = pair.pipe(), pair.world
    world.hold_orders = True
    pair.engine.execute(commands.CloseConsumer(router_id=pair.here, consumer_id=piped.pipe_consumer.id))
    world.pump()  # the copy is ordered to close, and is closed by somebody else, too
    pair.far.execute(commands.CloseProducer(router_id=pair.there, producer_id=pair.id))
    world.pump()
    again = pair.asking()
    assert again.waits
    world.carry_out_orders()
    made = again.finish()
    assert made.pipe_consumer.id in pair.engine.consumers
    assert (pair.there, pair.id) in pair.far.copies


def test_a_late_stop_of_the_copy_before_does_not_stop_the_new_one(pair: Pair) -> None:
    pair.pipe()
    world = pair.world
    world.hold_orders = True
    world.tell(commands.PauseProducer(router_id=pair.here, producer_id=pair.id))
    world.tell(commands.CloseProducer(router_id=pair.there, producer_id=pair.id))
    world.tell(commands.ResumeProducer(router_id=pair.here, producer_id=pair.id))
    again = pair.asking()
    assert again.waits
    world.carry_out_orders()
    assert not again.finish().pipe_producer.paused
    assert not pair.copy_paused


def test_one_who_asks_for_what_went_over_a_pipe_that_closed_gets_it_over_a_new_one(pair: Pair) -> None:
    piped, world = pair.pipe(), pair.world
    world.hold_orders = True
    pair.engine.close_transport(pair.engine.consumers[piped.pipe_consumer.id].transport_id, "internal-error")
    world.pump()
    again = pair.asking()
    assert again.waits
    world.carry_out_orders()
    assert again.finish().pipe_consumer.id in pair.engine.consumers
    assert (pair.there, pair.id) in pair.far.copies


def test_one_who_waited_for_one_who_brought_it_from_elsewhere_in_vain_brings_it_on_its_own() -> None:
    pair = Pair()
    world, third = pair.world, pair.world.router()
    pair.pipe(destination=third)
    in_vain = pair.asking(source=third).until(commands.ConsumeForPipe)
    own = pair.asking()
    assert own.waits
    world.engine_of(third).refusals[commands.ConsumeForPipe] = [Unavailable("planted")]
    with pytest.raises(Unavailable):
        in_vain.finish()
    assert own.finish().source_router_id == pair.here


def test_the_pipe_consumer_of_somebody_else_is_not_taken_for_that_of_a_copy_in_making(pair: Pair) -> None:
    world = pair.world
    create = commands.CreatePipeTransport(router_id=pair.here, listen_ip="127.0.0.1")
    elsewhere = world.of_engine(create, commands.PipeTransportShown).pipe_transport.id
    copying = pair.asking().until(commands.CreatePipeTransport)
    consume = commands.ConsumeForPipe(
        router_id=pair.here, transport_id=elsewhere, producer_id=pair.id, rtp_capabilities=CAPABILITIES
    )
    foreign = world.of_engine(consume, commands.PipeConsumed).consumer.id
    world.tell(commands.PauseConsumer(router_id=pair.here, consumer_id=foreign))
    world.tell(commands.CloseConsumer(router_id=pair.here, consumer_id=foreign))
    assert not copying.finish().pipe_producer.paused
    assert not pair.copy_paused


# ---------------------------------------------------------------------- chains


@pytest.fixture
def chain(pair: Pair) -> tuple[Pair, RouterId]:
    third = pair.world.router()
    pair.pipe()
    pair.pipe(pair.there, third)
    return pair, third


def test_pause_and_close_run_through_a_chain(chain: tuple[Pair, RouterId]) -> None:
    pair, third = chain
    copies = pair.world.engine_of(third).copies
    pair.world.tell(commands.PauseProducer(router_id=pair.here, producer_id=pair.id))
    assert copies[third, pair.id].paused
    pair.world.tell(commands.CloseProducer(router_id=pair.here, producer_id=pair.id))
    assert (third, pair.id) not in copies
    assert (pair.there, pair.id) not in pair.far.copies


def test_a_chain_that_is_cut_in_the_middle_lives_on_before_it(chain: tuple[Pair, RouterId]) -> None:
    pair, third = chain
    pair.world.tell(commands.CloseProducer(router_id=third, producer_id=pair.id))
    assert (pair.there, pair.id) in pair.far.copies
    assert not pair.flows(pair.pipe())  # nobody is left who wants it there
