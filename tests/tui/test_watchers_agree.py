"""A watcher's state: whenever it came, and however often it is told the same, it knows what the server has."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from labsfu.wire.feed import Happened
from labsfu.wire.ids import TransportId
from tests.tui.invented_server import InventedServer
from tui.model.frozen import frozen
from tui.model.snapshot import Snapshot, state_of
from tui.model.state import State
from tui.model.things import Transport

ORDERS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 30)), max_size=40)


def told(events: list[Happened], state: State | None = None) -> State:
    state = State() if state is None else state
    for happened in events:
        state.apply(happened)
    return state


def carrying(state: State) -> dict[TransportId, Transport]:
    """The transports that HTTP shows: those of producers and consumers."""
    used = {one.transport_id for one in state.producers.values()}
    used |= {one.transport_id for one in state.consumers.values()}
    return {id_: transport for id_, transport in state.transports.items() if id_ in used}


def held(state: State) -> tuple[object, ...]:
    return state.rooms, state.routers, state.producers, state.consumers, carrying(state)


def history(orders: list[tuple[int, int]], cut: int) -> tuple[InventedServer, Snapshot]:
    """A server that has done all that, and a snapshot that was taken on the way."""
    server = InventedServer()
    snapshot = server.snapshot()
    for number, (order, choice) in enumerate(orders):
        server.do(order, choice)
        if number == cut:
            snapshot = server.snapshot()
    return server, snapshot


@settings(deadline=None)
@given(ORDERS)
def test_the_events_alone_make_what_http_shows(orders: list[tuple[int, int]]) -> None:
    server, _ = history(orders, 0)
    assert held(told(server.told)) == held(state_of(server.snapshot()))
    assert told(server.told).transports.keys() == server.gates.keys() | server.pipes.keys()


@settings(deadline=None, max_examples=300)
@given(ORDERS, st.integers(0, 40), st.integers(0, 400))
def test_a_replay_from_anywhere_before_a_snapshot_ends_in_the_same_state(
    orders: list[tuple[int, int]], cut: int, back: int
) -> None:
    server, snapshot = history(orders, cut)
    since = max(0, snapshot.info.event_seq - back)
    late = told(server.told[since:], state_of(snapshot))
    assert held(late) == held(told(server.told))
    if since < len(server.told):
        assert late.seq == len(server.told)


@settings(deadline=None)
@given(ORDERS, st.integers(0, 400), st.integers(0, 400))
def test_what_is_told_twice_changes_nothing_in_the_end(orders: list[tuple[int, int]], begin: int, back: int) -> None:
    server, _ = history(orders, 0)
    events = server.told
    state = told(events[max(0, begin - back) :], told(events[:begin]))
    once = told(events)
    assert state == once
    assert [one.seq for one in state.tail] == [one.seq for one in once.tail]
    for id_, producer in once.producers.items():
        assert [one.seq for one in producer.log] == [one.seq for one in state.producers[id_].log]


@settings(deadline=None)
@given(ORDERS, st.integers(0, 400))
def test_a_frozen_state_stays_as_it_is(orders: list[tuple[int, int]], cut: int) -> None:
    server, _ = history(orders, 0)
    live = told(server.told[:cut])
    still = frozen(live)
    told(server.told[cut:], live)
    then = told(server.told[:cut])
    assert still == then
    assert list(still.tail) == list(then.tail)


@settings(deadline=None)
@given(ORDERS)
def test_a_replay_does_not_undo_what_only_http_told(orders: list[tuple[int, int]]) -> None:
    server, _ = history(orders, 0)
    state = told(server.told, state_of(server.snapshot()))
    assert all(one.codec for one in state.producers.values())
    assert all(one.codec for one in state.consumers.values())
