"""Who is loud, on average of a second."""

from __future__ import annotations

from labsfu.core.observers.audio_level import INTERVAL, MAX_ENTRIES, THRESHOLD, AudioLevelObserver, LevelSum
from labsfu.wire.ids import ProducerId

ANN, BOB = ProducerId("ann"), ProducerId("bob")


class Room:
    """An observer of people who each have a level; one who is added is there."""

    def __init__(self, *ids: ProducerId) -> None:
        self.now = 100.0
        self.observer = AudioLevelObserver()
        self.sums: dict[ProducerId, LevelSum] = {}
        for id_ in ids:
            self.add(id_)

    def add(self, id_: ProducerId) -> None:
        self.sums[id_] = LevelSum()
        self.observer.add(id_, self.sums[id_])

    def second(self, packets: int = 50, **levels: int | list[int]) -> bool:
        """A second in which each sends packets of these levels (-dBov); whether there is something to tell."""
        for id_, told in levels.items():
            for place in range(packets):
                level = told if isinstance(told, int) else told[place % len(told)]
                if level <= -THRESHOLD:
                    self.observer.wake(self.now)
                self.sums[ProducerId(id_)].total += level
                self.sums[ProducerId(id_)].packets += 1
        self.now += INTERVAL
        return self.observer.tick(self.now)

    @property
    def levels(self) -> dict[str, int]:
        return dict(self.observer.levels)


def test_the_loudest_come_first_with_the_mean_of_what_they_said() -> None:
    room = Room(ANN, BOB)
    assert room.second(ann=[40, 50], bob=30)
    assert room.observer.levels == ((BOB, -30), (ANN, -45))
    assert room.observer.at == room.now


def test_each_second_counts_for_itself() -> None:
    room = Room(ANN)
    room.second(ann=20)
    assert room.second(ann=60)
    assert room.levels == {"ann": -60}


def test_who_is_below_the_threshold_is_left_out() -> None:
    room = Room(ANN, BOB)
    assert room.second(ann=80, bob=81)
    assert room.levels == {"ann": -80}


def test_fewer_than_ten_packets_say_nothing() -> None:
    room = Room(ANN)
    assert not room.second(packets=9, ann=20)
    assert room.second(packets=10, ann=20)


def test_silence_is_told_once_and_then_it_rests() -> None:
    room = Room(ANN)
    room.second(ann=20)
    assert room.second(ann=127)
    assert room.levels == {}
    assert not room.observer.awake
    assert room.observer.deadline() is None
    assert not room.second(ann=127)
    assert room.second(ann=20)


def test_before_anybody_was_loud_silence_is_no_news() -> None:
    room = Room(ANN)
    assert not room.second(packets=5, ann=20)
    assert not room.observer.awake


def test_what_was_said_while_it_rested_is_not_counted() -> None:
    room = Room(ANN)
    room.second(ann=127)
    room.second(ann=127)
    assert room.second(ann=30)
    assert room.levels == {"ann": -30}


def test_it_looks_only_when_the_second_is_over() -> None:
    room = Room(ANN)
    room.observer.wake(room.now)
    assert room.observer.deadline() == room.now + INTERVAL
    assert not room.observer.tick(room.now + INTERVAL - 0.01)
    assert room.observer.awake


def test_who_is_removed_is_told_of_no_more() -> None:
    room = Room(ANN, BOB)
    room.second(ann=20, bob=30)
    room.observer.remove(ANN)
    room.observer.remove(ANN)
    assert room.levels == {"bob": -30}
    room.second(bob=30)
    assert room.levels == {"bob": -30}


def test_when_the_only_one_who_was_loud_is_removed_that_is_told_as_silence() -> None:
    room = Room(ANN)
    room.second(ann=20)
    room.observer.remove(ANN)
    assert room.second()
    assert room.levels == {}


def test_no_more_than_the_loudest_sixteen_are_told() -> None:
    ids = [ProducerId(f"p{number}") for number in range(20)]
    room = Room(*ids)
    room.second(**{id_: 30 + place for place, id_ in enumerate(ids)})
    assert [id_ for id_, _ in room.observer.levels] == ids[:MAX_ENTRIES]
