"""Every route x every refusal that applies: each names what was wrong, and changes nothing."""

from __future__ import annotations

from collections import defaultdict
from itertools import groupby

import pytest

from labsfu.api.app import ROUTES
from labsfu.api.refusals import refusals_of
from labsfu.api.routing import Refusal
from tests.api.refusal_case import TOKEN, Case, accepted
from tests.api.refusal_check import check, send
from tests.api.refusal_rows import BY_NAME, ROWS
from tests.api.refusal_scene import make_scene, shown
from tests.api.refusal_table import all_cases

CASES: dict[str, list[Case]] = defaultdict(list)
for _case in all_cases():
    CASES[_case.route].append(_case)

RACES = {
    "POST /sfu/routers": {Refusal(404, "router-not-found")},
    "POST /rooms": set(),
    "WS /ws": {Refusal(404, "room-not-found"), Refusal(404, "participant-not-found")},
    "WS /rooms/{roomId}/participants/{participantId}/create-and-connect": {
        Refusal(404, "room-not-found"),
        Refusal(404, "participant-not-found"),
    },
    # A room that needs one more: test_limits_of_a_server.
    "WS /rooms/{roomId}/participants/{participantId}/connect": {Refusal(409, "too-many-routers")},
    "POST /sfu/routers/{routerId}/pipe-transports/{pipeTransportId}/producers/{producerId}": {
        Refusal(409, "producer-closed")
    },
    "POST /sfu/routers/{routerId}/producers/{producerId}/pipe/{destinationRouterId}": {
        Refusal(409, "producer-closed"),
        Refusal(409, "pipe-closed"),
        Refusal(409, "too-many-streams"),
        # The pipe is made, and undone: test_pipes_over_http.
        Refusal(409, "producer-exists"),
        Refusal(409, "participant-exists"),
    },
}
"""What a request meets only when something ends while it is carried out (test_abandoned_requests, tests/rooms)."""
MEANWHILE = {Refusal(409, "transport-closed")}
ELSEWHERE = {Refusal(429, "too-many-requests")}
"""Shown for every route in test_rate_limits."""
FOR_ALL_PATHS = {Refusal(404, "route-not-found"), Refusal(405, "method-not-allowed"), Refusal(400, "malformed-request")}


def test_every_route_has_its_row() -> None:
    assert set(ROWS) == set(BY_NAME)
    assert len(BY_NAME) == len(ROUTES)


@pytest.mark.parametrize("name", ROWS)
def test_a_route_declares_the_refusals_that_it_has_and_each_has_its_case(name: str) -> None:
    declared = {refusal for refusal in refusals_of(BY_NAME[name]) if refusal.status < 500 and refusal.status != 408}
    shown_here = {Refusal(case.status, case.slug) for case in CASES[name]} - FOR_ALL_PATHS
    if name.startswith("WS"):
        declared -= {Refusal(409, "too-many-transports")}  # test_limits_of_a_server: it is made, and given up
    assert declared - RACES.get(name, set()) - MEANWHILE - ELSEWHERE == shown_here


@pytest.mark.trio
@pytest.mark.parametrize("name", ROWS)
async def test_what_cases_differ_from_in_one_point_is_accepted(name: str) -> None:
    case = accepted(name)
    response = await send(await make_scene(case.config), case)
    assert response is None or response.status_code < 300, await response.get_data()


@pytest.mark.trio
@pytest.mark.parametrize("name", CASES)
async def test_a_refusal_names_what_was_wrong_and_changes_nothing(name: str) -> None:
    failed = []
    for config, cases in groupby(sorted(CASES[name], key=lambda case: repr(case.config)), key=lambda case: case.config):
        scene = await make_scene(config)
        before = await shown(scene, TOKEN)
        for case in cases:
            try:
                await check(scene, case)
            except AssertionError as error:
                failed.append(f"{case}: {error}")
                scene = await make_scene(config)
                before = await shown(scene, TOKEN)
        assert await shown(scene, TOKEN) == before
    assert not failed, "\n\n".join(failed)
