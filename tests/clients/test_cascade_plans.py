"""What a cascade decides: whatever happens on two, three servers, and in whatever order it learns of it."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from clients.cascade.plan import Terms
from labsfu.wire.ids import ParticipantId
from tests.support.cascade_world import CascadeWorld, InventedServer

ADA, BEN = ParticipantId("ada"), ParticipantId("ben")
PEOPLE = st.sampled_from([ADA, BEN])


def met(names: str, *joins: str, terms: Terms = Terms()) -> CascadeWorld:  # noqa: B008 - it is frozen
    """Servers on which the room is open."""
    world = CascadeWorld(names, joins, terms)
    for server in world.servers.values():
        server.open_room()
    return world


def sends(world: CascadeWorld, server: str, name: ParticipantId) -> None:
    world.servers[server].join(name)
    world.servers[server].publish(name, on_last_router=False)


def owners(world: CascadeWorld, server: str) -> list[str]:
    return sorted(stream.participant_id for stream in world.copies(server))


def check(world: CascadeWorld) -> None:
    """Each server has a copy of all that people send on those that it is joined to, and of nothing else."""
    origins = {name: world.origins(name) for name in world.servers}
    for name, server in world.servers.items():
        elsewhere = {id_: s for other in world.servers if other != name for id_, s in origins[other].items()}
        copies = world.copies(name)
        assert len({copy.id for copy in copies}) == len(copies), "twice"
        for copy in copies:
            assert copy.id in elsewhere, "its origin is gone"
            assert copy.paused == elsewhere[copy.id].paused
            assert server.participants[copy.participant_id], "it has the name of somebody who is here"
        if server.routers:
            assert {copy.id for copy in copies} == {id_ for other in joined_to(world, name) for id_ in origins[other]}
    check_pipes(world)


def joined_to(world: CascadeWorld, name: str) -> set[str]:
    """The servers that are reached from one, over such that have the room."""
    found, new = {name}, {name}
    while new:
        near = {end for join in world.joins for end in join if new & set(join) and world.servers[end].routers}
        new = near - found
        found |= new
    return found - {name}


def check_pipes(world: CascadeWorld) -> None:
    """No end is left whose other end is gone, but for unused ones of a cascade that crashed."""
    ends = {pipe.local: pipe for server in world.servers.values() for pipe in server.pipes.values()}
    made = {id_ for cascade in world.cascades for side in cascade.sides.values() for id_ in side.made}
    used = {each.pipe for server in world.servers.values() for each in server.streams.values()}
    used |= {each.pipe for server in world.servers.values() for each in server.sendings.values()}
    for pipe in ends.values():
        if pipe.id in made | used:
            assert pipe.remote in ends
            assert ends[pipe.remote].remote == pipe.local


def test_what_is_sent_on_one_server_is_there_on_the_other() -> None:
    world = met("AB", "AB")
    sends(world, "A", ADA)
    sends(world, "B", BEN)
    world.settle()
    assert (owners(world, "A"), owners(world, "B")) == (["ben"], ["ada"])
    assert [len(server.pipes) for server in world.servers.values()] == [1, 1]
    check(world)


def test_one_way_brings_nothing_back() -> None:
    world = met("AB", "AB", terms=Terms(one_way=True))
    sends(world, "A", ADA)
    sends(world, "B", BEN)
    world.settle()
    assert (owners(world, "A"), owners(world, "B")) == ([], ["ada"])


def test_a_copy_has_another_name_where_somebody_has_its_own() -> None:
    world = met("AB", "AB")
    sends(world, "A", ADA)
    sends(world, "A", ADA)
    sends(world, "B", ADA)
    world.settle()
    assert (owners(world, "A"), owners(world, "B")) == (["ada~2"], ["ada~2", "ada~2"])


def test_a_name_that_is_as_long_as_may_be_is_cut() -> None:
    world, long = met("AB", "AB"), ParticipantId("a" * 64)
    sends(world, "A", long)
    sends(world, "B", long)
    world.settle()
    assert owners(world, "B") == ["a" * 62 + "~2"]


def test_two_people_of_one_name_from_two_servers_stay_two() -> None:
    world = met("ABC", "AB", "CB")
    sends(world, "A", ADA)
    sends(world, "C", ADA)
    world.settle()
    assert owners(world, "B") == ["ada", "ada~2"]
    check(world)


def test_a_chain_carries_on_what_was_brought() -> None:
    world = met("ABC", "AB", "BC")
    sends(world, "A", ADA)
    world.settle()
    (there,) = world.copies("C")
    assert there.tag is not None
    assert there.tag.path == (world.servers["A"].id, world.servers["B"].id)
    world.servers["A"].leave(ADA)
    world.settle()
    assert owners(world, "C") == []


def test_in_a_ring_nothing_runs_round() -> None:
    world = met("ABC", "AB", "BC", "CA")
    sends(world, "A", ADA)
    world.settle()
    assert (owners(world, "A"), owners(world, "B"), owners(world, "C")) == ([], ["ada"], ["ada"])
    world.servers["A"].leave(ADA)
    # the far servers learn of it one after the other, and must not give each other what is gone
    for cascade in reversed(world.cascades):
        cascade.read("a")
        cascade.read("b")
        cascade.decide()
        cascade.carry_out()
    world.settle()
    check(world)


def test_after_a_crash_of_the_cascade_its_pipes_are_taken_over() -> None:
    world = met("AB", "AB")
    sends(world, "A", ADA)
    world.settle()
    before = {name: set(server.pipes) for name, server in world.servers.items()}
    (stream,) = world.origins("A").values()
    world.restart(0)
    world.servers["A"].set_paused(stream, True)
    world.settle()
    check(world)
    assert {name: set(server.pipes) for name, server in world.servers.items()} == before
    world.servers["A"].leave(ADA)
    world.settle()
    assert owners(world, "B") == []


@pytest.mark.parametrize("gone", ["A", "B"])
@pytest.mark.parametrize("crashed", [False, True])
def test_after_a_restart_of_a_server_nothing_old_is_left(gone: str, crashed: bool) -> None:
    world = met("AB", "AB")
    sends(world, "A", ADA)
    sends(world, "B", BEN)
    world.settle()
    world.servers[gone].start()
    world.servers[gone].open_room()
    if crashed:
        world.restart(0)
    world.settle()
    check(world)
    assert sum(len(world.copies(name)) for name in world.servers) == 1


def test_what_is_asked_for_otherwise_is_made_anew() -> None:
    world = met("AB", "AB")
    sends(world, "A", ADA)
    world.settle()
    before = set(world.servers["A"].pipes)
    world.terms = Terms(srtp=True)
    world.restart(0)
    cascade = world.cascades[0]
    cascade.read("a")
    cascade.read("b")
    cascade.decide()
    world.now = cascade.now = world.now + 1.0
    cascade.decide()
    while cascade.waiting:
        cascade.carry_out()
    assert not before & set(world.servers["A"].pipes)


STEPS = ["happen"] * 8 + ["turn"] * 6 + ["act"] * 8 + ["read", "read", "decide", "time", "seldom"]
THINGS = ["join", "publish", "publish", "publish", "pause", "pause", "close", "leave", "spread", "elsewhere"]


def happen(draw: st.DrawFn, server: InventedServer) -> None:
    """Something that people or the server itself do."""
    streams = sorted(server.streams.values(), key=lambda stream: stream.place)
    own = [stream for stream in streams if stream.pipe is None]
    match draw(st.sampled_from(THINGS)):
        case "join":
            server.open_room()
            server.join(draw(PEOPLE))
        case "publish":
            server.open_room()
            name = draw(PEOPLE)
            server.join(name)
            server.publish(name, on_last_router=draw(st.booleans()))
        case "pause" if own:
            server.set_paused(draw(st.sampled_from(own)), draw(st.booleans()))
        case "close" if own:
            server.close(draw(st.sampled_from(own)))
        case "leave":
            server.leave(draw(PEOPLE))
        case "spread":
            server.spread()
        case "elsewhere" if streams:
            server.consume_elsewhere(draw(st.sampled_from(streams)))
        case _:
            pass


def mishap(draw: st.DrawFn, server: InventedServer) -> None:
    """What happens seldom."""
    match draw(st.sampled_from(["room", "restart", "pipe", "sending"])):
        case "room":
            server.close_room()
        case "restart":
            server.start()
        case "pipe" if outer := sorted(pipe for pipe in server.pipes if not pipe.startswith("inner")):
            server.close_pipe(draw(st.sampled_from(outer)))
        case "sending" if server.sendings:
            server.stop(draw(st.sampled_from(sorted(server.sendings))))
        case _:
            pass


def live(draw: st.DrawFn, world: CascadeWorld) -> None:
    """Things happen, are learned of late, and are acted on later still."""
    for _ in range(draw(st.integers(0, 60))):
        index = draw(st.integers(0, len(world.cascades) - 1))
        cascade = world.cascades[index]
        match draw(st.sampled_from(STEPS)):
            case "happen":
                happen(draw, world.servers[draw(st.sampled_from(sorted(world.servers)))])
            case "turn":
                cascade.read("a")
                cascade.read("b")
                cascade.decide()
            case "read":
                cascade.read(draw(st.sampled_from(["a", "b"])), draw(st.integers(1, 5)))
            case "decide":
                cascade.decide()
            case "act":
                cascade.carry_out(draw(st.integers(0, 5)))
            case "time":
                world.now += 0.4
                for each in world.cascades:
                    each.now = world.now
            case "seldom":
                mishap(draw, world.servers[draw(st.sampled_from(sorted(world.servers)))])
                if draw(st.booleans()):
                    world.restart(index)


@st.composite
def worlds(draw: st.DrawFn, names: str, joins: tuple[str, ...]) -> CascadeWorld:
    world = met(names, *joins)
    live(draw, world)
    return world


LIMITS = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@LIMITS
@given(world=worlds("AB", ("AB",)))
def test_whatever_happens_the_copies_are_as_their_origins(world: CascadeWorld) -> None:
    world.settle()
    check(world)


@LIMITS
@given(world=worlds("ABC", ("AB", "BC")))
def test_whatever_happens_along_a_chain_the_copies_are_as_their_origins(world: CascadeWorld) -> None:
    world.settle()
    check(world)


@LIMITS
@given(world=worlds("ABC", ("AB", "BC", "CA")))
def test_whatever_happens_in_a_ring_there_are_no_ghosts(world: CascadeWorld) -> None:
    world.settle()
    check(world)
