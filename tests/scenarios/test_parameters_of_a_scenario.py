"""A scenario's options: read from text, kept in bounds, refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import pytest

from scenarios.definition import REGISTRY, AtLeast, Scenario, find, scenario
from scenarios.errors import UsageError
from scenarios.lab import Lab
from scenarios.library import rooms
from scenarios.runner import run


@pytest.fixture
def stroll() -> Iterator[Scenario]:
    @scenario("test.stroll")
    async def story(
        lab: Lab,
        people: Annotated[int, AtLeast(2)] = 3,
        hours: Annotated[float, AtLeast(0.5)] = 1.0,
        way: str = "home",
        rain: bool = False,
    ) -> None:
        """Nobody gets lost."""

    yield story
    del REGISTRY["test.stroll"]


def test_options_are_those_of_the_function_and_keep_their_types(stroll: Scenario) -> None:
    assert stroll.bind({}) == {"people": 3, "hours": 1.0, "way": "home", "rain": False}
    told = {"people": "2", "hours": "0.5", "way": "out", "rain": "Yes"}
    assert stroll.bind(told) == {"people": 2, "hours": 0.5, "way": "out", "rain": True}
    assert stroll.purpose == "Nobody gets lost."
    assert find("test.stroll") is stroll


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("people", "1", "people=1: must be at least 2"),
        ("people", "-7", "people=-7: must be at least 2"),
        ("people", "2.5", "people=2.5: not a whole number"),
        ("hours", "0.49", "hours=0.49: must be at least 0.5"),
        ("hours", "long", "hours=long: not a number"),
        ("hours", "nan", "hours=nan: not a finite number"),
        ("hours", "inf", "hours=inf: not a finite number"),
        ("rain", "perhaps", "rain=perhaps: not yes or no"),
        ("wind", "1", "test.stroll has no parameter 'wind'; it has people, hours, way, rain"),
    ],
)
def test_what_an_option_does_not_take_is_refused_by_name(stroll: Scenario, name: str, text: str, reason: str) -> None:
    with pytest.raises(UsageError) as refusal:
        stroll.bind({name: text})
    assert str(refusal.value) == reason


def test_every_default_is_in_bounds() -> None:
    assert rooms.conference is find("rooms.conference")
    for each in REGISTRY.values():
        assert each.bind({name: str(value) for name, value in each.bind({}).items()}) == each.bind({})


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("settings", "against"),
    [
        ({"people": "0"}, None),
        ({"seconds": "-1"}, None),
        ({}, "notaurl"),
        ({}, "http://"),
        ({}, "ftp://127.0.0.1/"),
        ({}, "http://[::1"),
        ({}, "http://127.0.0.1:65536"),
    ],
)
async def test_nothing_is_started_for_what_is_refused(settings: dict[str, str], against: str | None) -> None:
    said: list[str] = []
    with pytest.raises(UsageError):
        await run(rooms.conference, settings, against=against, progress=said.append)
    assert said == []
