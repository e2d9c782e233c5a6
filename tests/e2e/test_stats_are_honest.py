"""What a real server says of real streams, number by number against taps that counted for themselves.

Exact, once packets stand still: packets and bytes (whole RTP packets before encryption), what was lost, repaired and
lost for good, RTX, NACKs and the numbers in them, PLIs, FIRs, drops, RTP bytes of transports. Within 1 %: datagrams of
transports and of the router, for STUN and reports go on meanwhile; jitter (or half a millisecond, if that is more: the
server's packets wait for its process). Within 2 ms: round trips, each against the same packets' at the server's door.
Within 5 %: bitrates, whose window the server chooses to a tenth.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from clients.api import ApiClient
from clients.network import Direction, NetworkPlan
from clients.server import ServerProcess
from tests.e2e.planted_lies import LIES
from tests.support.stats_claims import Claim, claims_of
from tests.support.stats_scene import Member, converse, link, room

pytestmark = [pytest.mark.asyncio, pytest.mark.e2e]

PLANTED = (sys.executable, str(Path(__file__).with_name("planted_lies.py")))
LOSS, DELAY = 0.05, 0.025
SLOW, TREMBLING = link(delay=DELAY), link(delay=0.04, jitter=0.03)
LOSSY = NetworkPlan(seed=8, up=SLOW, down=SLOW)
"""Loses nothing until all see all."""
LATE = 0.01
"""Seconds by which a relay and timers may lengthen the way."""
ATTEMPTS = 3
"""Where other processes hold the cores, packets wait for milliseconds, and nobody knows how long. Else one will do."""
LIED = {"packets_lost", "packets_lost_before_repair", "byte_count", "round_trip_time", "jitter"}


Outcome = tuple[dict[str, Member], list[Claim]]


async def converse_and_compare(server: ServerProcess, names: str, seconds: float) -> Outcome:
    """A room in which the first loses on its way up, and the last one's packets come at irregular times."""
    networks = {names[0]: LOSSY, names[-1]: NetworkPlan(seed=8, up=TREMBLING)}
    async with ApiClient(server.url) as api, room(server, names, networks) as members:
        lossy = members[names[0]].client
        await converse(members, seconds, lambda: lossy.network.change(up=link(LOSS, DELAY)))
        (router,) = (await api.room("r")).router_ids
        return members, await claims_of(api, router, members)


def of(claims: list[Claim], whose: str, name: str) -> Claim:
    (found,) = (claim for claim in claims if (claim.of, claim.name) == (whose, name))
    return found


def had_time(claims: list[Claim]) -> bool:
    """Whether the network took as long as it was told to: else the machine is too busy to measure times on."""
    trips = [claim.saw for claim in claims if claim.name == "round_trip_time" and claim.of.startswith("a ")]
    return all(2000 * DELAY <= trip <= 2000 * (DELAY + LATE) for trip in trips)


@pytest.mark.rfc("RFC 3550 6.4.1", "RFC 3550 A.8", "RFC 3611 4.4", "RFC 3611 4.5")
async def test_in_a_room_of_four_the_server_says_what_the_taps_saw() -> None:
    for _ in range(ATTEMPTS):
        async with ServerProcess("--log-level", "warning") as server:
            members, claims = await converse_and_compare(server, "abcd", 8.0)
        assert server.exit_code == 0, "\n".join(server.stderr_tail)
        wrong = [claim for claim in claims if not claim.holds]
        assert [claim for claim in wrong if not claim.timed] == []
        if not wrong and had_time(claims):
            break
    assert wrong == []
    assert had_time(claims)

    # and there was something to be honest about
    assert len([claim for claim in claims if claim.name == "byte_count"]) == 4 * 2 + 4 * 6
    counts = members["a"].client.network.counts(Direction.UP)
    assert counts.lost / counts.sent == pytest.approx(LOSS, abs=0.01)
    video, audio = (of(claims, f"a {kind} up", "packets_lost_before_repair").saw for kind in ("video", "audio"))
    assert min(video, audio) >= 5
    assert of(claims, "a video up", "packets_repaired").saw >= 0.9 * video, "video is asked for again"
    assert of(claims, "a audio up", "packets_lost").saw == audio, "sound is not"
    assert of(claims, "a video up", "nack_packet_count").saw >= video
    for kind in ("video", "audio"):
        assert of(claims, f"d {kind} up", "jitter").saw > 0.01


async def test_lies_are_found_and_nothing_else() -> None:
    command = (*PLANTED, ",".join(LIES), "serve", "--port", "0", "--media-port", "0")
    for _ in range(ATTEMPTS):
        async with ServerProcess("--log-level", "warning", command=command) as server:
            _, claims = await converse_and_compare(server, "ab", 3.5)
        found = {claim.name for claim in claims if not claim.holds}
        assert found >= LIED
        if found == LIED and had_time(claims):
            break
    assert found == LIED
    assert all(not of(claims, f"a {kind} up", "byte_count").holds for kind in ("video", "audio"))
