"""Listeners to invented speech: the observer, and mediasoup's, each telling when it gave the floor to whom."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from labsfu.core.observers.active_speaker import ActiveSpeakerObserver
from labsfu.core.observers.speech_activity import LOUD, SpeechActivity
from labsfu.wire.ids import ProducerId
from tests.support.speech import Heard, Turn


@dataclass(frozen=True, slots=True)
class Change:
    """From when on who has the floor."""

    at: float
    name: str | None


class Listener:
    """The observer, ticked when it wants to be."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.observer = ActiveSpeakerObserver()
        self.changes: list[Change] = []
        self.ticks = 0
        self._activities: dict[str, SpeechActivity] = {}
        for name in names:
            self.add(name)

    @property
    def speaker(self) -> str | None:
        return self.observer.speaker

    def add(self, name: str) -> None:
        self._activities[name] = SpeechActivity()
        self.observer.add(ProducerId(name), self._activities[name])

    def remove(self, name: str, at: float) -> None:
        del self._activities[name]
        if self.observer.remove(ProducerId(name)):
            self.changes.append(Change(at, None))

    def listen(self, heard: Iterable[Heard]) -> list[Change]:
        """All changes so far."""
        for at, name, level in heard:
            self.pass_time(at)
            activity = self._activities.get(name)
            if activity is not None:
                activity.hear(127 - level, at)
                if 127 - level >= LOUD:
                    self.observer.wake(at)
        return self.changes

    def pass_time(self, until: float) -> None:
        while (at := self.observer.deadline()) is not None and at <= until:
            self.ticks += 1
            if self.observer.tick(at):
                self.changes.append(Change(at, self.speaker))


def lags(turns: Sequence[Turn], changes: Sequence[Change]) -> list[float]:
    """Seconds from when somebody had the floor alone until that was told; infinite where it never was in time."""
    found = []
    free = 0.0
    for index, turn in enumerate(turns):
        over = max(turn.ends, turns[index + 1].begins if index + 1 < len(turns) else math.inf)
        told = next((c.at for c in changes if c.name == turn.name and turn.begins <= c.at <= over), None)
        found.append(math.inf if told is None else told - max(turn.begins, free))
        free = turn.ends
    return found


def false_changes(turns: Sequence[Turn], changes: Sequence[Change]) -> list[Change]:
    """Those to somebody who did not have the floor then, and those that somebody got twice in one turn."""
    seen: set[Turn] = set()
    wrong = []
    for change in changes:
        turn = next((t for t in turns if t.name == change.name and t.begins <= change.at <= t.ends), None)
        if turn is None or turn in seen:
            wrong.append(change)
        else:
            seen.add(turn)
    return wrong


# ---------------------------------------------------------------- mediasoup's


def score(active: int, of: int, weight: float) -> float:
    """The activity score: log-likelihoods of speech and of none, with the reference's constants."""
    likelihood = math.log(math.comb(of, active)) + of * math.log(0.5)
    return max(likelihood - math.log(weight) + weight * active, 1e-10)


class MediasoupListener:
    """What mediasoup 3.14 finds (shared/reference/mediasoup-behaviour.md 3.9), a tick every 0.3 s."""

    def __init__(self, names: Sequence[str]) -> None:
        self._levels = {name: deque([0] * 50, maxlen=50) for name in names}
        self._least = dict.fromkeys(names, 0)
        self._dominant = names[0]

    def listen(self, heard: Iterable[Heard]) -> list[Change]:
        changes = []
        tick = 0.3
        for at, name, level in heard:
            while at >= tick:
                if self._look():
                    changes.append(Change(tick, self._dominant))
                tick += 0.3
            loudness = 127 - level
            self._levels[name].appendleft(loudness)
            # its window of 15 s lets this rise again; these scenes have no room that gets louder
            self._least[name] = min(self._least[name] or loudness, loudness)
        return changes

    def _look(self) -> bool:
        scores = {name: self._scores(name) for name in self._levels}
        best, found = 2.0, self._dominant
        for name, theirs in scores.items():
            if name != self._dominant:
                c1, c2, c3 = (math.log(a / b) for a, b in zip(theirs, scores[self._dominant], strict=True))
                if c1 > 3 and c2 > best and c3 > 0:
                    best, found = c2, name
        changed, self._dominant = found != self._dominant, found
        return changed

    def _scores(self, name: str) -> tuple[float, float, float]:
        floor = self._least[name] + 10
        immediates = [level // 10 if level >= floor else 0 for level in self._levels[name]]
        mediums = [sum(one > 7 for one in immediates[at : at + 5]) for at in range(0, 50, 5)]
        return score(immediates[0], 13, 0.78), score(mediums[0], 5, 24), score(sum(m > 4 for m in mediums), 10, 47)
