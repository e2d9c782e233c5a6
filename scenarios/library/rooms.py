"""Scenarios about people in one room."""

from __future__ import annotations

import time

from labsfu.wire.payloads import RoomType
from scenarios.definition import scenario
from scenarios.errors import UsageError
from scenarios.lab import NOTHING, Lab
from scenarios.verdict import Limits

SETTLE = 0.6
"""Seconds at the end in which pictures still on their way are not expected any more."""


@scenario("rooms.conference")
async def conference(lab: Lab, people: int = 3, seconds: float = 10.0) -> None:
    """Everyone in a conference sees and hears everyone else, and nothing is left when they have gone."""
    if people < 2:
        raise UsageError(f"people={people}: a conference takes two or more")
    before = await lab.leftovers(patience=0)
    async with lab.room(RoomType.CONFERENCE, size=max(people, 2)) as room, lab.join(room, people) as crowd:
        await lab.talk(crowd, seconds)
        until = time.monotonic() - SETTLE
        pairs = [person.report_on(other, until) for other in crowd for person in crowd if person is not other]
        lab.say("everyone leaves")
    for pair in pairs:
        lab.pairs.append(pair)
        lab.checks.append(Limits().check(pair))
    left = await lab.leftovers() if before == NOTHING else NOTHING
    lab.check("nothing is left on the server", left == NOTHING, "" if left == NOTHING else str(left))
