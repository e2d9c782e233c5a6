"""What the server says of Chromium's streams, and what Chromium says (webrtc-stats), while packets are lost.

Each count is exact, once packets stand still and both have had the other's last report: a report on sound may take 5 s.
What the relay lost on purpose is known, and the server's and the page's counts differ by just that. To compare them:

- Chromium's `packetsSent`, `packetsReceived` and their bytes include RTX, and probes, which are padding sent as RTX;
  its bytes are payload, headers stand apart. `byte_count` is whole packets of media alone; transports tell of RTX.
- Sound has NACK without RTX: what is sent again is the same SRTP packet, and who came twice is a replay.
- `packetsLost` of who gets RTX is before the repair (RTX has an SSRC of its own); sound's is after it.

Round trips are the shortest ones, within 5 ms: page and server measure different packets, and wait for a core.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from clients.api import ApiClient
from clients.network import Conditions, Direction, Fault
from clients.relay import Relay
from clients.server import ServerProcess
from labsfu.wire.stats import ConsumerStatsPayload, DropCount, InboundRtpStats, OutboundRtpStats, ProducerStatsPayload
from tests.browser.conftest import NewTab
from tests.browser.tab import Tab
from tests.e2e.tap import media_address, read_head
from tests.support.stats_claims import Claim

pytestmark = [pytest.mark.asyncio, pytest.mark.e2e]

LOSS, DELAY = 0.05, 0.025
SECONDS = 5.0
LOOK = 0.5
REPORTED = 7.0
"""Seconds in which the last reports have come: those on sound go out every 5 s or so."""
TAG = 16
"""Bytes that AES-GCM adds to a packet (RFC 7714 13)."""
TRIP = 5.0
"""Milliseconds."""

NOTE_CONNECTIONS = """
    const Real = RTCPeerConnection;
    window.made = [];
    window.RTCPeerConnection = class extends Real { constructor(...options) { super(...options); made.push(this); } };
    window.connections = () => made.filter(({ connectionState }) => connectionState === "connected");
"""
SEND_NOTHING = "() => Promise.all(connections().flatMap((c) => c.getSenders()).map((s) => s.replaceTrack(null)))"
GET_STATS = "async () => (await Promise.all(connections().map((c) => c.getStats()))).flatMap((r) => [...r.values()])"


class LossyTap:
    """A relay's hook that loses RTP from when it is told to, and knows what it lost.

    Attributes:
        lossy: whether it does.
        arrived: bytes of each packet that passed, without SRTP's, by SSRC; lost: of those that did not.
        missed: by SSRC, how many numbers did not come at first, while later ones came.
    """

    def __init__(self, seed: int) -> None:
        self.lossy = False
        self.arrived: dict[int, list[int]] = defaultdict(list)
        self.lost: dict[int, list[int]] = defaultdict(list)
        self.missed: Counter[int] = Counter()
        self._seen: set[tuple[int, int]] = set()
        self._missing: Counter[int] = Counter()
        self._rng = random.Random(seed)

    def __call__(self, _number: int, data: bytes) -> Fault | None:
        head = read_head(data)
        if head is None:
            return None
        loses = self.lossy and self._rng.random() < LOSS
        (self.lost if loses else self.arrived)[head.ssrc].append(len(data) - TAG)
        if (head.ssrc, head.sequence) not in self._seen:
            self._seen.add((head.ssrc, head.sequence))
            self._missing[head.ssrc] += loses
            if not loses:
                self.missed[head.ssrc] += self._missing.pop(head.ssrc, 0)
        return Fault.DROP if loses else None


@dataclass(slots=True)
class Page:
    """A page, what is lost on its way, and what it said last, by type and kind; `trips` in milliseconds."""

    tab: Tab
    tap: LossyTap
    said: dict[tuple[str, str], dict[str, Any]]
    trips: list[float]

    async def look(self, trips_of: str, field: str) -> None:
        """Ask for its stats; round trips are told by entries of one type."""
        entries = await self.tab.ask(GET_STATS)
        self.said = {(entry["type"], entry.get("kind", "")): entry for entry in entries}
        self.trips += [
            1000 * e[field] for e in entries if e["type"] == trips_of and e.get("nominated", True) and field in e
        ]

    def of(self, type_: str, kind: str) -> dict[str, Any]:
        return self.said[type_, kind]


@asynccontextmanager
async def joined(
    server: ServerProcess, socket: str, new_tab: NewTab, name: str, lossy: Direction
) -> AsyncIterator[Page]:
    slow, tap = Conditions(delay=DELAY), LossyTap(seed=len(name))
    async with Relay(media_address(server), seed=1, name=name, up=slow, down=slow) as relay:
        relay.set_faults(lossy, tap)
        tab = await new_tab()
        await tab.page.add_init_script(NOTE_CONNECTIONS)
        await tab.page.reload()
        await tab.join(socket, reach_at=relay.address)
        yield Page(tab, tap, {}, [])
        await tab.page.close()


class Call:
    """A page that sends, a page that receives, and what the server says of both."""

    def __init__(self, api: ApiClient, sender: Page, receiver: Page, producers: dict[str, str]) -> None:
        self.sender = sender
        self.receiver = receiver
        self._api = api
        self._producers = producers
        self.up: dict[str, ProducerStatsPayload] = {}
        self.down: dict[str, ConsumerStatsPayload] = {}
        self.trips: dict[Direction, list[float]] = {direction: [] for direction in Direction}

    async def look(self) -> None:
        """Ask everybody."""
        (router,) = await self._api.routers()
        self.up = {kind: await self._api.producer_stats(router.id, id_) for kind, id_ in self._producers.items()}
        heard = [await self._api.consumer_stats(router.id, one.id) for one in await self._api.consumers(router.id)]
        self.down = {one.streams[0].kind.value: one for one in heard}
        for direction, said in ((Direction.UP, self.up["video"]), (Direction.DOWN, self.down["video"])):
            trip = said.streams[0].round_trip_time if said.streams else None
            self.trips[direction] += [trip] if isinstance(trip, float) else []
        await self.sender.look("remote-inbound-rtp", "roundTripTime")
        await self.receiver.look("candidate-pair", "currentRoundTripTime")

    def claims(self) -> list[Claim]:
        """The server's numbers beside the browser's."""
        found = []
        for kind in ("video", "audio"):
            (stream,) = self.up[kind].streams
            found += sent_claims(kind, self.up[kind], stream, self.sender)
            outbound = self.down[kind].streams[0]
            assert isinstance(outbound, OutboundRtpStats)
            found += received_claims(kind, self.down[kind], outbound, self.receiver)
        for name, direction, page in (
            ("sender", Direction.UP, self.sender),
            ("receiver", Direction.DOWN, self.receiver),
        ):
            found.append(Claim(name, "round_trip_time", min(self.trips[direction]), min(page.trips), TRIP))
        return found


def drops(counts: tuple[DropCount, ...], *reasons: str) -> int:
    return sum(drop.packets for drop in counts if drop.reason in reasons)


def sent_claims(kind: str, payload: ProducerStatsPayload, said: InboundRtpStats, page: Page) -> list[Claim]:
    """A stream that the page sends: what it sent and the relay did not lose has come, each packet for something."""
    outbound, remote, of = page.of("outbound-rtp", kind), page.of("remote-inbound-rtp", kind), f"{kind} up"
    ssrcs = [said.ssrc] if kind == "audio" else [said.ssrc, outbound["rtxSsrc"]]
    lost = [size for ssrc in ssrcs for size in page.tap.lost[ssrc]]
    # who comes again as it was (sound), and RTX that only probes or is the very first packet
    beside = drops(payload.transport.drops, "srtp-replay" if kind == "audio" else "rtx-before-media")
    probes = drops(said.drops, "rtx-padding-only")
    packets = said.packet_count + said.packets_retransmitted + beside + probes
    again = sum(page.tap.arrived[ssrcs[-1]]) if kind == "video" else 0
    octets = outbound["bytesSent"] + outbound["headerBytesSent"] - sum(lost)
    claims = [
        Claim(of, "packets", packets, outbound["packetsSent"] - len(lost)),
        Claim(of, "nack_count", said.nack_count, outbound["nackCount"]),
        Claim(of, "reported loss", _reported(kind, said), remote["packetsLost"]),
        Claim(of, "packets_lost_before_repair", said.packets_lost_before_repair, page.tap.missed[said.ssrc]),
    ]
    if kind == "video":
        claims += [
            Claim(of, "byte_count", said.byte_count + again, octets),
            Claim(of, "pli_count", said.pli_count, outbound["pliCount"]),
            Claim(of, "fir_count", said.fir_count, outbound["firCount"]),
            Claim(of, "packets_lost", said.packets_lost, 0),
        ]
    return claims


def _reported(kind: str, said: InboundRtpStats) -> int:
    return said.packets_lost_before_repair if kind == "video" else said.packets_lost


def received_claims(kind: str, payload: ConsumerStatsPayload, said: OutboundRtpStats, page: Page) -> list[Claim]:
    """A stream that the page receives: what was sent and the relay did not lose."""
    inbound, remote, of = page.of("inbound-rtp", kind), page.of("remote-outbound-rtp", kind), f"{kind} down"
    again = inbound.get("retransmittedPacketsReceived", 0)
    lost = page.tap.lost[said.ssrc]
    octets = inbound["bytesReceived"] + inbound["headerBytesReceived"]
    lost_again = page.tap.lost[inbound["rtxSsrc"]] if kind == "video" else []
    resent = payload.transport.rtx_bytes_sent if kind == "video" else 0
    claims = [
        Claim(of, "packet_count", said.packet_count, inbound["packetsReceived"] - again + len(lost)),
        Claim(of, "packet_count reported", said.packet_count, remote["packetsSent"]),
        Claim(of, "packets_lost_before_repair", said.packets_lost_before_repair, inbound["packetsLost"]),
        Claim(of, "byte_count", said.byte_count + resent, octets + sum(lost) + sum(lost_again)),
    ]
    if kind == "video":
        claims += [
            Claim(of, "packets_retransmitted", said.packets_retransmitted, again + len(lost_again)),
            Claim(of, "packets_lost", said.packets_lost, 0),
            Claim(of, "nack_count", said.nack_count, inbound["nackCount"]),
            Claim(of, "pli_count", said.pli_count, inbound["pliCount"]),
            Claim(of, "fir_count", said.fir_count, inbound["firCount"]),
        ]
    return claims


async def test_server_and_browser_say_the_same_of_a_lossy_call(
    server: ServerProcess, socket: str, new_tab: NewTab
) -> None:
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(ApiClient(server.url))
        receiver = await stack.enter_async_context(joined(server, socket, new_tab, "receiver", Direction.DOWN))
        sender = await stack.enter_async_context(joined(server, socket, new_tab, "sender", Direction.UP))
        call = Call(api, sender, receiver, await sender.tab.publish())
        await receiver.tab.perceives(sender.tab.id)
        sender.tap.lossy = receiver.tap.lossy = True
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            await asyncio.sleep(LOOK)
            await call.look()
        await sender.tab.ask(SEND_NOTHING)
        claims = await last_claims(call)
    assert [claim for claim in claims if not claim.holds] == []
    video, audio = call.up["video"].streams[0], call.up["audio"].streams[0]
    assert min(video.packets_lost_before_repair, audio.packets_lost_before_repair) >= 3
    assert min(video.packets_repaired, audio.packets_repaired) >= 3
    outbound = call.down["video"].streams[0]
    assert outbound.packets_repaired == outbound.packets_lost_before_repair >= 3
    assert min(map(min, call.trips.values())) >= 2000 * DELAY


async def last_claims(call: Call) -> list[Claim]:
    """The claims once they hold, or after the last reports have come."""
    end = time.monotonic() + REPORTED
    while True:
        await asyncio.sleep(LOOK)
        await call.look()
        claims = call.claims()
        if all(claim.holds for claim in claims) or time.monotonic() > end:
            return claims
