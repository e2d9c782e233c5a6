"""When a sender is asked for a key frame."""

from __future__ import annotations

from labsfu.core.forwarding.key_frames import BURST, FIRST_WAIT, REPEATS, WAIT, KeyFrameRequests


def test_the_first_is_sent_at_once_and_others_wait() -> None:
    requests = KeyFrameRequests()
    assert requests.want(10.0)
    assert not requests.want(10.1)
    assert requests.deadline() == 10.0 + FIRST_WAIT


def test_it_is_repeated_when_no_key_frame_comes() -> None:
    requests = KeyFrameRequests()
    requests.round_trip = 0.1
    requests.want(10.0)
    assert not requests.tick(10.44)
    assert requests.tick(10.46)
    assert not requests.tick(11.4)
    assert requests.tick(11.5)
    assert not requests.tick(12.4)
    assert requests.tick(12.5)


def test_a_long_round_trip_is_waited_for_but_no_longer_than_for_any_repetition() -> None:
    requests = KeyFrameRequests()
    requests.round_trip = 5.0
    requests.want(10.0)
    assert requests.deadline() == 10.0 + WAIT


def test_it_is_repeated_though_others_ask_all_the_time() -> None:
    requests = KeyFrameRequests()
    assert requests.want(10.0)
    sent = 0
    for step in range(1, 51):
        now = 10.0 + step / 10
        assert not requests.want(now)
        sent += requests.tick(now)
    assert sent == 5


def test_a_key_frame_ends_it_and_the_next_wish_is_sent_at_once() -> None:
    requests = KeyFrameRequests()
    requests.want(10.0)
    requests.received()
    assert requests.deadline() is None
    assert not requests.tick(11.0)
    assert requests.want(11.1)


def test_a_viewer_that_asks_all_the_time_gets_one_a_second_from_a_willing_sender() -> None:
    requests = KeyFrameRequests()
    times = []
    for step in range(2000):
        now = step / 100
        if requests.want(now) or requests.tick(now):
            times.append(now)
            requests.received()
    assert times[:BURST] == [0.0, 0.01, 0.02, 0.03], "a few go out at once"
    assert len(times) <= 20 * WAIT + BURST
    assert len(times) >= 20 * WAIT - BURST


def test_a_sender_that_never_answers_is_left_alone_until_somebody_asks_again() -> None:
    requests = KeyFrameRequests()
    requests.want(0.0)
    sent = sum(requests.tick(second * WAIT) for second in range(1, 100))
    assert sent == REPEATS
    assert requests.deadline() is None
    assert requests.want(200.0)


def test_what_nobody_waits_for_is_not_repeated() -> None:
    requests = KeyFrameRequests()
    requests.want(0.0)
    requests.forget()
    assert requests.deadline() is None
