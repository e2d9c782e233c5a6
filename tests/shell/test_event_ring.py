"""The ring of the last events."""

import pytest

from labsfu.shell.event_ring import EventRing


def ring_of(count: int, size: int) -> EventRing:
    ring = EventRing(size)
    for number in range(1, count + 1):
        ring.append(str(number).encode())
    return ring


def test_an_empty_ring_begins_with_what_comes_next() -> None:
    ring = EventRing(3)
    assert (ring.next_seq, ring.oldest, ring.after(0)) == (1, 1, [])


@pytest.mark.parametrize(
    ("count", "since", "after"),
    [
        (2, 0, [b"1", b"2"]),
        (2, 1, [b"2"]),
        (2, 2, []),
        (5, 2, [b"3", b"4", b"5"]),
        (5, 4, [b"5"]),
        (5, 0, [b"3", b"4", b"5"]),
        (5, 9, []),
    ],
)
def test_it_tells_what_came_after_as_far_as_it_is_there(count: int, since: int, after: list[bytes]) -> None:
    assert ring_of(count, 3).after(since) == after


def test_the_oldest_makes_room() -> None:
    ring = ring_of(10, 3)
    assert (ring.oldest, ring.next_seq) == (8, 11)
