"""What a cascade keeps of servers, pipes and streams: no more than is there, and no less."""

from __future__ import annotations

from clients.cascade.errands import Errands
from clients.cascade.news import News
from clients.cascade.plan import ClosePipe, Copy, ResumeSending, Terms
from clients.cascade.reporter import Reporter
from clients.cascade.state import Pipe, Side
from clients.errors import Refused
from labsfu.wire import events
from labsfu.wire.ids import ParticipantId, RouterId, TransportId
from tests.support.cascade_world import ROOM, CascadeWorld, is_inner

ADA, BEN = ParticipantId("ada"), ParticipantId("ben")


def world_of(names: str, *joins: str) -> CascadeWorld:
    made = CascadeWorld(names, joins)
    for server in made.servers.values():
        server.open_room()
    return made


def sends(world: CascadeWorld, server: str, name: ParticipantId) -> None:
    world.servers[server].join(name)
    world.servers[server].publish(name, on_last_router=False)


def turn(world: CascadeWorld, *indexes: int) -> None:
    """They all read and decide before any of them acts."""
    for index in indexes:
        world.cascades[index].read("a")
        world.cascades[index].read("b")
        world.cascades[index].decide()


def act(world: CascadeWorld, index: int) -> None:
    while world.cascades[index].waiting:
        world.cascades[index].carry_out()


# ---------------------------------------------------------------------- two cascades


def test_who_ends_closes_nothing_of_another_cascade_of_the_same_servers() -> None:
    world = world_of("AB", "AB", "AB")
    sends(world, "A", ADA)
    turn(world, 0, 1)
    act(world, 0)
    act(world, 1)
    turn(world, 1, 0)  # the second is first to see its pipe, and brings the stream
    act(world, 1)
    act(world, 0)
    world.settle()
    copies, pipes = world.copies("B"), set(world.servers["B"].pipes)
    assert (len(copies), len(pipes)) == (1, 2)
    world.cascades.pop(0).end()
    assert world.copies("B") == copies
    assert len(world.servers["B"].pipes) == 1
    world.cascades.pop().end()
    assert not world.servers["A"].pipes
    assert not world.servers["B"].pipes


def test_what_was_taken_over_is_closed_at_the_end() -> None:
    world = world_of("AB", "AB")
    sends(world, "A", ADA)
    world.settle()
    world.restart(0)
    world.settle()
    world.cascades[0].end()
    assert not world.servers["A"].pipes
    assert not world.servers["B"].pipes


# ---------------------------------------------------------------------- a killed one


def test_what_a_killed_cascade_left_paused_flows_once_its_copy_is_there() -> None:
    world = world_of("AB", "AB")
    sends(world, "A", ADA)
    turn(world, 0)
    act(world, 0)
    turn(world, 0)
    world.cascades[0].die_copying(2)
    (sending,) = world.servers["A"].sendings.values()
    assert sending.paused
    world.restart(0)
    world.settle()
    assert [(each.id, each.paused) for each in world.servers["A"].sendings.values()] == [(sending.id, False)]


def test_what_a_killed_cascade_sent_and_nobody_takes_is_closed_and_sent_anew() -> None:
    world = world_of("AB", "AB")
    sends(world, "A", ADA)
    turn(world, 0)
    act(world, 0)
    turn(world, 0)
    world.cascades[0].die_copying(1)
    world.servers["A"].leave(BEN)
    world.restart(0)
    world.settle()
    sent = [each.producer_id for each in world.servers["A"].sendings.values()]
    assert sent == [copy.id for copy in world.copies("B")]
    assert len(sent) == 1


def test_what_is_sent_and_is_not_taken_any_more_is_stopped() -> None:
    world = world_of("AB", "AB")
    sends(world, "A", ADA)
    world.settle()
    world.servers["B"].close(world.copies("B")[0])
    (kept,) = world.servers["A"].sendings
    world.settle()
    assert kept not in world.servers["A"].sendings
    assert len(world.servers["A"].sendings) == len(world.copies("B")) == 1


def test_what_somebody_else_paused_is_left_so() -> None:
    world = world_of("AB", "AB")
    sends(world, "A", ADA)
    world.settle()
    (id_,) = world.servers["A"].sendings
    world.servers["A"].hold_back(id_)
    world.settle()
    world.cascades[0].sides["a"].stale = True  # and after it was read anew
    world.settle()
    assert world.servers["A"].sendings[id_].paused


def test_a_sending_that_is_being_made_is_not_resumed_at_once() -> None:
    errands, resume = Errands(), ResumeSending("a", RouterId("r"), "c", "p")  # type: ignore[arg-type]  # ids are words
    assert errands.due([resume], 1.0) == []


# ---------------------------------------------------------------------- routers of one server


def test_what_a_server_took_to_another_of_its_routers_is_never_brought_back() -> None:
    world = world_of("AB", "AB")
    world.servers["B"].spread()
    sends(world, "A", ADA)
    world.settle()
    world.servers["B"].consume_elsewhere(world.copies("B")[0])
    world.settle()
    assert any(is_inner(stream) for stream in world.servers["B"].streams.values())
    world.servers["A"].leave(ADA)
    cascade = world.cascades[0]
    cascade.read("a")
    cascade.decide()
    act(world, 0)
    seen = []
    for _ in range(10):
        cascade.read("b", 1)
        cascade.decide()
        seen += [action for action in cascade.waiting if isinstance(action, Copy)]
        cascade.waiting.clear()
    assert seen == []


def test_a_new_router_is_looked_at_for_what_came_before_it_was_told() -> None:
    world = world_of("AB", "AB")
    world.servers["A"].join(ADA)
    world.settle()
    server = world.servers["A"]
    server.spread()
    server.publish(ADA, on_last_router=True)
    server.log[-1], server.log[-2] = server.log[-2], server.log[-1]
    world.settle()
    assert [copy.participant_id for copy in world.copies("B")] == [ADA]


# ---------------------------------------------------------------------- what is forgotten


def test_of_rooms_that_come_and_go_no_pipe_is_kept() -> None:
    world = world_of("AB", "AB")
    for _ in range(3):
        world.servers["A"].open_room()
        sends(world, "A", ADA)
        world.settle()
        world.servers["A"].close_room()
        world.settle()
    assert [side.made for side in world.cascades[0].sides.values()] == [{}, {}]
    assert world.cascades[0].planner.ours() == []


def test_of_a_router_that_is_closed_no_pipe_is_kept() -> None:
    side, pipe = Side("http://a", ROOM), Pipe(TransportId("pipe"), RouterId("one"))
    side.routers = (RouterId("one"),)
    side.learn_pipe(pipe)
    side.apply(1, events.RouterClosed(router_id=RouterId("one"), reason="worker-died"))
    assert side.made == {}


def test_a_pipe_that_went_unseen_is_forgotten_and_one_that_is_being_made_is_not() -> None:
    world = world_of("AB", "AB")
    sends(world, "A", ADA)
    world.settle()
    side, server = world.cascades[0].sides["a"], world.servers["A"]
    (gone,) = side.made
    coming = Pipe(TransportId("coming"), server.routers[0], ("127.0.0.1", 9))
    server.close_pipe(gone)
    side.learn_pipe(coming)
    side.take(server.snapshot(), len(server.log))
    assert list(side.made) == [coming.id]


def test_what_is_not_to_be_done_any_more_has_not_failed() -> None:
    errands, close = Errands(), ClosePipe("a", RouterId("router"), TransportId("pipe"))
    errands.failed(close, 1.0)
    errands.due([], 1.0, complete=False)  # the servers are being read: nobody knows
    assert errands.failing == {close.key}
    errands.due([], 1.0)
    assert not errands.failing


def test_news_of_streams_that_are_gone_are_forgotten() -> None:
    world = world_of("AB", "AB")
    sends(world, "A", ADA)
    world.settle()
    sides, told = world.cascades[0].sides, list[News]()
    reporter = Reporter(sides, Terms(), told.append)
    (stream,) = world.copies("B")
    (pipe,) = world.servers["A"].pipes.values()
    assert stream.tag is not None
    copy = Copy("a", stream, pipe, pipe, ParticipantId("ada~2"), stream.tag)
    reporter.done(copy)
    reporter.failed(copy, Refused("/problems/x", "no"))
    reporter.forget({copy.key})
    assert (reporter._origins, len(reporter._refused)) == ({stream.id: ADA}, 1)
    world.servers["A"].leave(ADA)
    world.settle()
    reporter.forget(set())
    assert (reporter._origins, reporter._refused) == ({}, set())
