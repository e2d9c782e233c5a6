"""When a cascade does what it has decided to do."""

from __future__ import annotations

from clients.cascade.errands import FIRST_DELAY, HALF_FOR, SHOWN_WITHIN, Errands
from clients.cascade.plan import CloseCopy, ClosePipe, CloseSending
from clients.cascade.state import Pipe, Side, Stream
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId, RoomId, RouterId, TransportId
from labsfu.wire.rtp import MediaKind

ROUTER, PIPE = RouterId("router"), TransportId("pipe")
CLOSE = ClosePipe("a", ROUTER, PIPE)
HALF = CloseSending("a", ROUTER, ConsumerId("sending"), ProducerId("stream"))
STREAM = Stream(ProducerId("stream"), ROUTER, ParticipantId("ada"), MediaKind.AUDIO)


def side(*pipes: TransportId) -> Side:
    made = Side("http://a", RoomId("tea"))
    made.pipes = {id_: Pipe(id_, ROUTER) for id_ in pipes}
    return made


def test_what_was_done_is_left_alone_until_it_is_seen() -> None:
    errands = Errands()
    errands.begin(CLOSE)
    assert errands.busy() == {CLOSE.key}
    errands.done(CLOSE, 1.0)
    assert not errands.unseen(side(PIPE), side(), 1.1)
    assert errands.busy() == {CLOSE.key}
    assert not errands.unseen(side(), side(), 1.2)
    assert errands.idle


def test_what_is_never_seen_makes_it_look_anew() -> None:
    errands = Errands()
    errands.done(CLOSE, 1.0)
    assert errands.unseen(side(PIPE), side(), 1.0 + SHOWN_WITHIN)
    assert errands.idle


def test_what_fails_is_tried_again_later_and_later() -> None:
    errands, now = Errands(), 1.0
    for times in range(3):
        assert errands.due([CLOSE], now) == [CLOSE]
        errands.failed(CLOSE, now)
        assert errands.times_failed(CLOSE) == times + 1
        assert errands.due([CLOSE], now) == []
        assert errands.look_at is not None
        assert errands.look_at == now + FIRST_DELAY * 2**times
        now = errands.look_at
    errands.done(CLOSE, now)
    assert errands.times_failed(CLOSE) == 0


def test_a_server_that_is_asked_too_often_is_left_alone_for_as_long_as_it_wants() -> None:
    errands = Errands()
    errands.begin(CLOSE)
    errands.hold(4.0)
    errands.put_off(CLOSE)
    assert errands.due([CLOSE], 1.0) == []
    assert (errands.look_at, errands.times_failed(CLOSE), errands.idle) == (4.0, 0, True)
    assert errands.due([CLOSE], 4.0) == [CLOSE]


def test_a_half_is_closed_only_when_it_stays_one() -> None:
    errands = Errands()
    assert errands.due([HALF], 1.0) == []
    assert errands.look_at == 1.0 + HALF_FOR
    assert errands.due([], 1.2) == []  # the other half came
    assert errands.due([HALF], 1.3) == []
    assert errands.due([HALF], 1.3 + HALF_FOR) == [HALF]


def test_a_copy_whose_origin_is_gone_is_closed_at_once() -> None:
    close = CloseCopy("b", STREAM)
    assert Errands().due([close], 1.0) == [close]
