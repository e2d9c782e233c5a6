"""How much of the last second somebody was loud: what packets stand for, and what their absence means."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from labsfu.core.observers.speech_activity import LONG, MEDIUM, SpeechActivity

LOUD, QUIET = 100, 60


def heard(levels: Iterable[int], *, every: float = 0.02, start: float = 10.0) -> tuple[SpeechActivity, float]:
    """Who said that, and when the last packet came; the surroundings are known to be quiet."""
    activity = SpeechActivity()
    activity.hear(QUIET, start - every)
    now = start
    for place, level in enumerate(levels):
        now = start + place * every
        activity.hear(level, now)
    return activity, now


def test_who_is_loud_all_the_time_is_so_in_every_interval() -> None:
    activity, now = heard([LOUD] * 100)
    assert activity.measure(now) == (MEDIUM, LONG)


def test_who_is_not_heard_is_silent() -> None:
    assert SpeechActivity().measure(1000.0) == (0, 0)


def test_who_has_fallen_silent_is_so_at_once_and_forgotten_after_a_second() -> None:
    activity, now = heard([LOUD] * 50 + [QUIET] * 5)
    assert activity.measure(now) == (0, 45)
    activity, now = heard([LOUD] * 50 + [QUIET] * 50)
    assert activity.measure(now) == (0, 0)


@pytest.mark.parametrize("level", [79, 40, 0])
def test_below_47_dbov_nobody_is_loud(level: int) -> None:
    activity, now = heard([level] * 50)
    assert activity.measure(now) == (0, 0)


def test_who_is_hardly_above_his_surroundings_is_not_loud() -> None:
    activity = SpeechActivity()
    for place in range(50):
        activity.hear(85 if place % 2 else 80, 10 + place * 0.02)
    assert activity.measure(11.0) == (0, 0)


def test_strokes_of_a_keyboard_are_no_syllables() -> None:
    activity, now = heard([LOUD, LOUD, QUIET, QUIET, QUIET] * 10)
    assert activity.measure(now) == (2, 0)
    activity, now = heard([LOUD, LOUD, LOUD, QUIET, QUIET] * 10)
    assert activity.measure(now) == (3, 30)


@pytest.mark.parametrize("frames", [2, 3, 6])
def test_a_longer_packet_stands_for_all_its_time(frames: int) -> None:
    activity, now = heard([LOUD] * (60 // frames), every=frames * 0.02)
    assert activity.measure(now) == (MEDIUM, LONG)
    assert activity.measure(now + frames * 0.02) == (MEDIUM, LONG)  # the next one is only just due


def test_lost_packets_leave_no_hole_but_those_of_a_pause_do() -> None:
    activity, now = heard([LOUD] * 50)
    activity.hear(LOUD, now + 0.1)
    assert activity.measure(now + 0.1) == (MEDIUM, LONG)
    activity.hear(LOUD, now + 0.5)
    assert activity.measure(now + 0.5) == (1, 30)  # 19 silent ones, and one that is no syllable yet


def test_without_packets_it_is_silent_after_two_intervals() -> None:
    activity, now = heard([LOUD] * 50)
    assert activity.measure(now + 0.039) == (MEDIUM, LONG)
    assert activity.measure(now + 0.061)[0] < MEDIUM
    assert activity.measure(now + 0.12) == (0, LONG - MEDIUM - 1)
    assert activity.measure(now + 2.0) == (0, 0)


def test_jitter_neither_stretches_nor_shortens_what_was_said() -> None:
    """0.5 s of speech that come 0 to 30 ms late are that still, but for as much."""
    activity = SpeechActivity()
    for place in range(75):
        late = (0.0, 0.03, 0.02, 0.01, 0.025)[place % 5]
        activity.hear(LOUD if 25 <= place < 50 else QUIET, 10 + place * 0.02 + late)
    assert activity.measure(11.52)[1] in range(22, 29)


def test_after_a_loss_silence_is_seen_as_fast_as_before() -> None:
    activity, now = heard([LOUD] * 50)
    for at in (0.1, 0.12, 0.14):
        activity.hear(LOUD, now + at)
    assert activity.measure(now + 0.14 + 0.12)[0] == 0


def test_after_a_burst_silence_is_seen_as_fast_as_before() -> None:
    activity, now = heard([LOUD] * 50)
    for _ in range(10):
        activity.hear(LOUD, now + 0.3)
    assert activity.measure(now + 0.3 + 0.13)[0] == 0


def test_packets_that_come_all_at_once_are_taken_as_they_come() -> None:
    activity, now = heard([QUIET] * 50)
    for _ in range(10):
        activity.hear(LOUD, now + 0.3)
    assert activity.measure(now + 0.3) == (MEDIUM, 10)
    for place in range(1, 51):  # and what follows keeps its own time
        activity.hear(QUIET, now + 0.3 + place * 0.02)
    assert activity.measure(now + 1.3) == (0, 0)
