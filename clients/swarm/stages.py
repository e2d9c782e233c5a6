"""How many people there shall be when: stages and arrival rates, as text and as single changes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from labsfu.errors import InvalidValue

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = r"(?P<amount>\d+(?:\.\d+)?)\s*(?P<unit>ms|s|m|h)"
_STAGE = re.compile(rf"(?:(?P<begin>\d+)\s*(?:→|->)\s*)?(?P<people>\d+)\s+in\s+{_DURATION}")
_HOLD = re.compile(rf"hold\s+{_DURATION}")
_RATE = re.compile(r"(?P<amount>\d+(?:\.\d+)?)\s*/\s*(?P<unit>ms|s|m|h)")


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of time at whose end there are `people`; on the way there their number changes evenly.

    Attributes:
        people: how many in the end.
        seconds: how long; 0: at once.
    """

    people: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Change:
    """One person more, or one less.

    Attributes:
        at: seconds after the start.
        joins: more; else less.
    """

    at: float
    joins: bool


def stages_of(text: str) -> tuple[Stage, ...]:
    """Read stages, e.g. `0→50 in 30s, hold 1m, 10 in 5s`; `->` is as good as the arrow.

    Raises:
        InvalidValue: not that form, or a stage begins where the one before did not end.
    """
    stages: list[Stage] = []
    people = 0
    for part in text.split(","):
        words = part.strip()
        if (match := _HOLD.fullmatch(words)) is not None:
            stages.append(Stage(people, _seconds(match)))
            continue
        match = _STAGE.fullmatch(words)
        if match is None:
            raise InvalidValue(f"'{words}' is no stage: say '0→50 in 30s' or 'hold 1m'", slug="invalid-stages")
        begin = people if match["begin"] is None else int(match["begin"])
        if begin != people and stages:
            raise InvalidValue(f"'{words}' begins with {begin} people when there are {people}", slug="invalid-stages")
        if begin != people:
            stages.append(Stage(begin, 0.0))
        people = int(match["people"])
        stages.append(Stage(people, _seconds(match)))
    return tuple(stages)


def rate_of(text: str | float) -> float:
    """Read a rate, e.g. `10/s` or `30/m`; a number is one a second.

    Raises:
        InvalidValue: not that form, or not above 0.
    """
    if isinstance(text, str):
        match = _RATE.fullmatch(text.strip())
        if match is None:
            raise InvalidValue(f"'{text}' is no rate: say '10/s' or '30/m'", slug="invalid-rate")
        rate = float(match["amount"]) / _UNITS[match["unit"]]
    else:
        rate = float(text)
    if not 0 < rate < float("inf"):
        raise InvalidValue(f"a rate of {text} is not above 0", slug="invalid-rate")
    return rate


def changes(stages: Iterable[Stage], *, rate: float) -> list[Change]:
    """When each one joins and leaves, in order.

    Of a ramp by n in s seconds the k-th change, counted from 0, is at k/n of it.

    Args:
        stages: from nobody.
        rate: joins a second at most; who would come too early comes later, and what follows is not moved.
    """
    found: list[Change] = []
    begin, people, free_at = 0.0, 0, 0.0
    for stage in stages:
        steps = abs(stage.people - people)
        for step in range(steps):
            at = begin + stage.seconds * step / steps
            joins = stage.people > people
            if joins:
                at = max(at, free_at)
                free_at = at + 1 / rate
            found.append(Change(at, joins))
        begin, people = begin + stage.seconds, stage.people
    return sorted(found, key=lambda change: change.at)


def duration(stages: Sequence[Stage], coming: Sequence[Change]) -> float:
    """Seconds until all stages are over and everyone has been asked to come or go."""
    return max(sum(stage.seconds for stage in stages), coming[-1].at if coming else 0.0)


def _seconds(match: re.Match[str]) -> float:
    return float(match["amount"]) * _UNITS[match["unit"]]
