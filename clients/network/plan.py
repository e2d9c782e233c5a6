"""What a client's network shall be, from beginning to end: conditions, a schedule, faults."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from math import isfinite

from clients.network.conditions import PERFECT, Conditions
from clients.network.path import Path
from clients.network.presets import PRESETS
from clients.network.records import Direction
from clients.network.rules import FaultRule
from labsfu.errors import InvalidValue

LogEntry = Mapping[str, object]
"""A decision, or what led to it, ready to be JSON."""
LogTarget = pathlib.Path | Callable[[LogEntry], None]
"""A file to which lines of JSON are appended, or who is told each entry."""

NETWORKS = ("perfect", "blackout", *PRESETS)
"""Names that stand for conditions. `blackout` is what was there before, with all packets lost."""


def conditions_of(value: Conditions | str, direction: Direction, before: Conditions) -> Conditions:
    """What is meant by conditions or a name of them.

    Args:
        value: conditions, or one of `NETWORKS`.
        direction: presets have different ones.
        before: what was there.

    Raises:
        InvalidValue: nothing has that name.
    """
    if isinstance(value, Conditions):
        return value
    if value == "perfect":
        return PERFECT
    if value == "blackout":
        return replace(before, loss=1.0)
    if value not in PRESETS:
        raise InvalidValue(f"no network is called '{value}': there are {', '.join(NETWORKS)}")
    link = PRESETS[value]
    return link.up if direction is Direction.UP else link.down


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A change of conditions.

    Attributes:
        at: seconds after the network's start, or after the event.
        after: name of an event; its first time counts.
        up: new conditions or a name of them; None: as they are.
        down: likewise.
        seconds: how long; then what was there when it began comes back, whatever was set meanwhile. None: for good.

    Raises:
        InvalidValue: a time that is none, or a name of nothing.
    """

    at: float = 0.0
    after: str | None = None
    up: Conditions | str | None = None
    down: Conditions | str | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("at", self.at), ("seconds", self.seconds)):
            if value is not None and not (isfinite(value) and value >= 0):
                raise InvalidValue(f"{name} is {value:g}: it must be at least 0")
        for direction in Direction:
            self.conditions(direction, PERFECT)

    def conditions(self, direction: Direction, before: Conditions) -> Conditions | None:
        """The new conditions of a direction; None: as before."""
        value = self.up if direction is Direction.UP else self.down
        return None if value is None else conditions_of(value, direction, before)


def blackout(seconds: float, *, at: float = 0.0, after: str | None = None) -> Step:
    """Nothing passes for so long, in neither direction; what is on its way still arrives."""
    return Step(at=at, after=after, up="blackout", down="blackout", seconds=seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPlan:
    """What a client's network shall be. May serve many clients: each has draws of its own, by its name.

    Attributes:
        seed: of the whole run.
        client: in whose name the draws are made, unique in the run; None: the client's own name.
        up: at first, from the client to the server: conditions or a name of them.
        down: at first, from the server to the client.
        schedule: how that changes.
        faults: of exact packets.
        log: where decisions are told.

    Raises:
        InvalidValue: nothing has that name.
    """

    seed: int
    client: str | None = None
    up: Conditions | str = PERFECT
    down: Conditions | str = PERFECT
    schedule: tuple[Step, ...] = ()
    faults: tuple[FaultRule, ...] = ()
    log: LogTarget | None = None

    def __post_init__(self) -> None:
        for direction in Direction:
            self.conditions(direction)

    @classmethod
    def of(cls, network: str, *, seed: int, log: LogTarget | None = None) -> NetworkPlan:
        """The network of this name in both directions (see `NETWORKS`)."""
        return cls(seed=seed, up=network, down=network, log=log)

    def conditions(self, direction: Direction) -> Conditions:
        """Of a direction, at first."""
        return conditions_of(self.up if direction is Direction.UP else self.down, direction, PERFECT)


@dataclass(frozen=True, slots=True)
class _Return:
    direction: Direction
    conditions: Conditions


class Schedule:
    """The steps of a plan as time goes on; sans-IO.

    Args:
        steps: of the plan.
        now: seconds, when the network starts.
    """

    def __init__(self, steps: tuple[Step, ...], now: float) -> None:
        self._steps = steps
        self._seen: set[str] = set()
        self._coming: list[tuple[float, int, Step | _Return]] = []
        self._order = 0
        self._add(None, now)

    def event(self, name: str, now: float) -> None:
        """An event happened; only the first of a name counts."""
        if name not in self._seen:
            self._seen.add(name)
            self._add(name, now)

    def deadline(self) -> float | None:
        """When the next change is, seconds."""
        return self._coming[0][0] if self._coming else None

    def change(self, now: float, paths: Mapping[Direction, Path]) -> list[Direction]:
        """Make the changes that are due; the paths must have been brought up to now. The directions that changed."""
        changed: list[Direction] = []
        while self._coming and self._coming[0][0] <= now:
            at, _, what = heappop(self._coming)
            if isinstance(what, _Return):
                paths[what.direction].conditions = what.conditions
                changed.append(what.direction)
                continue
            for direction, path in paths.items():
                before = path.conditions
                after = what.conditions(direction, before)
                if after is not None:
                    path.conditions = after
                    changed.append(direction)
                    if what.seconds is not None:
                        self._push(at + what.seconds, _Return(direction, before))
        return changed

    def _add(self, event: str | None, now: float) -> None:
        for step in self._steps:
            if step.after == event:
                self._push(now + step.at, step)

    def _push(self, at: float, what: Step | _Return) -> None:
        self._order += 1
        heappush(self._coming, (at, self._order, what))
