"""What a microphone hears of its surroundings."""

from __future__ import annotations

from collections.abc import Iterable

from labsfu.core.observers.noise_floor import HIGHEST, WINDOW, NoiseFloor


def floor_of(levels: Iterable[int]) -> int:
    floor = NoiseFloor()
    for level in levels:
        floor.hear(level)
    return floor.level


def test_before_anything_is_heard_there_is_none() -> None:
    assert floor_of(()) == 0


def test_it_sinks_at_once_to_the_least_level() -> None:
    assert floor_of((70, 80, 62, 90)) == 62


def test_it_stays_while_somebody_speaks_for_less_than_fifteen_seconds() -> None:
    assert floor_of((60, *[100] * (WINDOW - 1))) == 60


def test_it_rises_towards_a_louder_room_every_fifteen_seconds() -> None:
    assert floor_of((60, *[80] * WINDOW)) == 69  # the root of 60 * 80
    assert floor_of((60, *[80] * WINDOW * 5)) > 78


def test_what_is_quiet_for_a_moment_within_fifteen_seconds_keeps_it_low() -> None:
    assert floor_of([60, *[100] * 500, 61, *[100] * 249]) == 60


def test_digital_silence_says_nothing_of_the_surroundings() -> None:
    assert floor_of((70, *[0] * 100, 75)) == 70


def test_no_floor_is_as_loud_as_a_voice() -> None:
    assert floor_of([112] * WINDOW * 3) == HIGHEST
