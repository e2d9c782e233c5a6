"""Which actions are under way, which were done and have not been seen yet, and which are to be tried again later."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from clients.cascade.plan import Action, Key, is_shown
from clients.cascade.state import Side

SHOWN_WITHIN = 2.0
"""Seconds in which what was done must be seen in the feeds; else the servers are looked at anew."""

HALF_FOR = 0.5
"""Seconds that something must have been half before it is closed."""

FIRST_DELAY, LONGEST_DELAY = 0.2, 10.0
"""Seconds until what failed is tried again: twice as long each time."""


@dataclass(slots=True)
class _Failed:
    times: int
    not_before: float


class Errands:
    """The book of actions. Time is an argument, in seconds.

    Attributes:
        look_at: when something is due here of itself; None: never.
        held_until: before this nothing is begun: a server wants to be asked less often.
    """

    def __init__(self) -> None:
        self._running: set[Key] = set()
        self._done: dict[Key, tuple[Action, float]] = {}
        self._failed: dict[Key, _Failed] = {}
        self._half: dict[Action, float] = {}
        self.look_at: float | None = None
        self.held_until = 0.0

    @property
    def idle(self) -> bool:
        """Nothing is under way, and all that was done has been seen."""
        return not self._running and not self._done

    @property
    def failing(self) -> set[Key]:
        """What was not carried out the last time."""
        return set(self._failed)

    def busy(self) -> set[Key]:
        """What is to be left alone."""
        return self._running | self._done.keys()

    def unseen(self, a: Side, b: Side, now: float) -> bool:
        """Strike out what is seen by now; whether something should have been, and is not."""
        late = False
        for key, (action, until) in list(self._done.items()):
            if is_shown(action, a, b):
                del self._done[key]
            elif now >= until:
                del self._done[key]
                late = True
        return late

    def due(self, planned: Collection[Action], now: float, *, complete: bool = True) -> list[Action]:
        """Which of the planned actions to begin now.

        Args:
            planned: what is to be done.
            now: seconds.
            complete: what is not planned is not to be done, and has failed for the last time.
        """
        chosen, half = [], {}
        self.look_at = None
        if complete:
            kept = self._running.union(action.key for action in planned)
            self._failed = {key: failed for key, failed in self._failed.items() if key in kept}
        for action in planned:
            if getattr(action, "patient", False):
                half[action] = since = self._half.get(action, now)
                if now < since + HALF_FOR:
                    self._wake(since + HALF_FOR)
                    continue
            failed = self._failed.get(action.key)
            not_before = self.held_until if failed is None else max(self.held_until, failed.not_before)
            if now < not_before:
                self._wake(not_before)
            else:
                chosen.append(action)
        self._half = half
        for _, until in self._done.values():
            self._wake(until)
        return chosen

    def begin(self, action: Action) -> None:
        """It is under way."""
        self._running.add(action.key)

    def done(self, action: Action, now: float) -> None:
        """It was carried out, and is to be seen soon."""
        self._running.discard(action.key)
        self._failed.pop(action.key, None)
        self._done[action.key] = action, now + SHOWN_WITHIN

    def put_off(self, action: Action) -> None:
        """It was begun, and not even tried."""
        self._running.discard(action.key)

    def hold(self, until: float) -> None:
        """Begin nothing before this."""
        self.held_until = max(self.held_until, until)

    def failed(self, action: Action, now: float) -> None:
        """It was not carried out; it is tried again later, if it still is to be."""
        self._running.discard(action.key)
        times = self._failed[action.key].times + 1 if action.key in self._failed else 1
        delay = min(FIRST_DELAY * 2 ** (times - 1), LONGEST_DELAY)
        self._failed[action.key] = _Failed(times, now + delay)

    def times_failed(self, action: Action) -> int:
        """How often in a row."""
        failed = self._failed.get(action.key)
        return 0 if failed is None else failed.times

    def _wake(self, at: float) -> None:
        self.look_at = at if self.look_at is None else min(self.look_at, at)
