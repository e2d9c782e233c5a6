"""Scenarios about people in one room."""

from __future__ import annotations

import time
from typing import Annotated

from labsfu.wire.payloads import RoomType
from scenarios.definition import AtLeast, scenario
from scenarios.lab import NOTHING, Lab
from scenarios.verdict import Limits

SETTLE = 0.6
"""Seconds at the end in which pictures still on their way are not expected any more."""

LEAST = 1.0
"""Seconds of talk of which enough is left before those to be judged."""


@scenario("rooms.conference")
async def conference(
    lab: Lab, people: Annotated[int, AtLeast(2)] = 3, seconds: Annotated[float, AtLeast(LEAST)] = 10.0
) -> None:
    """Everyone in a conference sees and hears everyone else, and nothing is left when they have gone."""
    before = await lab.leftovers(patience=0)
    async with lab.room(RoomType.CONFERENCE, size=people) as room, lab.join(room, people) as crowd:
        await lab.talk(crowd, seconds)
        until = time.monotonic() - SETTLE
        pairs = [person.report_on(other, until) for other in crowd for person in crowd if person is not other]
        lab.say("everyone leaves")
    for pair in pairs:
        lab.pairs.append(pair)
        lab.checks.append(Limits().check(pair))
    left = await lab.leftovers() if before == NOTHING else NOTHING
    lab.check("nothing is left on the server", left == NOTHING, "" if left == NOTHING else str(left))
