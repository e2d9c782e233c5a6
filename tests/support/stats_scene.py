"""A room whose members are tapped twice: their own packets, decrypted, and what passes next to the server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

from clients.api import ApiClient
from clients.measure.packets import ReceiverReport, ReportBlock, SenderReport
from clients.network import Conditions, Direction, NetworkPlan
from clients.participant import LabClient
from clients.relay import Relay
from clients.server import ServerProcess
from clients.synthetic.audio import SyntheticAudio
from clients.synthetic.layers import Layer
from clients.synthetic.video import SyntheticVideo
from clients.tap import RtpTap, TappedPacket
from clients.transport import WebRtcTransport
from labsfu.wire.ids import RouterId
from labsfu.wire.socket import Stats, TransportSide
from tests.e2e.tap import media_address
from tests.support.reference_times import answer_reference_times, answers, reference_times
from tests.support.wire_tap import WireTap

UP, DOWN = Direction.UP, Direction.DOWN
CAMERA, SMALL_CAMERA = Layer(None, 640, 360, 30_000, 400_000), Layer(None, 320, 180, 30_000, 100_000)
"""Of the first member, of whom it is most interesting, and of the others: the machine has other things to do."""
PATIENCE = 15.0
INDEX = 4
"""Bytes of the SRTCP index (RFC 3711 3.4)."""
SETTLED = 1.2
"""Seconds after the last packet: what is asked for again has come, or never will; the last reports have come, too."""


class _Heard(NamedTuple):
    """A compound RTCP packet at the client: when, whose, its bytes before encryption."""

    at: float
    ssrc: int
    length: int


class _Answer(NamedTuple):
    """What tells the server a round trip: about which stream (None: of all that is sent), which time, kept how long."""

    heard: _Heard
    ssrc: int | None
    middle: int
    kept: float


class Member:
    """A member, its taps, and its sources, which are silent until `enable`.

    Attributes:
        wire: what passes between it and the server, behind its network: next to the server.
        tap: what it sends (before its network loses any) and receives.
        originals: by SSRC and number of an RTX packet that it sent, the number of the packet that this repeats.
        blocks: its last report on each stream that it receives.
        said: what the server said of its streams while packets flowed, from time to time.
    """

    def __init__(self, client: LabClient, relay: Relay, tap: RtpTap, video: SyntheticVideo, *, network: bool) -> None:
        self.client = client
        self.wire = WireTap(relay)
        self.tap = tap
        self.originals: dict[tuple[int, int], int] = {}
        self.blocks: dict[int, ReportBlock] = {}
        self.said: list[Stats] = []
        self.sources = (video, SyntheticAudio(1))
        self._network = network
        self._lengths: dict[tuple[Direction, int, int], int] = {}
        self._asked: dict[int, _Heard] = {}
        self._answered: list[_Answer] = []
        tap.hook = self._take

    def _take(self, packet: TappedPacket) -> None:
        head = packet.rtp
        if head is not None:
            key = packet.direction, head.ssrc, head.sequence
            self._lengths[key] = len(packet.data)
            if packet.direction is UP:
                first = packet.data[head.offset : head.offset + 2]
                self.originals[head.ssrc, head.sequence] = int.from_bytes(first, "big")
            return
        heard = _Heard(packet.at, int.from_bytes(packet.data[4:8], "big"), len(packet.data))
        if packet.direction is DOWN:
            middles = [part.ntp >> 16 & 0xFFFFFFFF for part in packet.rtcp if isinstance(part, SenderReport)]
            middles += [middle for _, middle in reference_times(packet.data)]
            self._asked.update((middle, heard) for middle in middles)
            return
        self._answered += [_Answer(heard, None, middle, 0.0) for middle in answers(packet.data)]
        for part in packet.rtcp:
            if isinstance(part, ReceiverReport):
                self.blocks.update((block.ssrc, block) for block in part.reports)
                self._answered += [_Answer(heard, b.ssrc, b.last_sr, b.delay / 65536) for b in part.reports]

    def enable(self, enabled: bool) -> None:
        """Let the sources send, or not."""
        for source in self.sources:
            source.enabled = enabled

    def transport(self, side: TransportSide) -> WebRtcTransport:
        """The transport of a direction, which is up."""
        found = self.client.transport(side)
        assert isinstance(found, WebRtcTransport)
        return found

    def lost_up(self) -> int:
        """Datagrams that its network lost on the way to the server."""
        return self.client.network.counts(UP).lost if self._network else 0

    def tag(self) -> int:
        """Bytes that SRTP adds to each packet: what is longer on the wire than the tap has it."""
        found = {
            passed.length - self._lengths[direction, ssrc, passed.sequence]
            for direction, ssrc, _ in tuple(self._lengths)
            for passed in self.wire.packets(direction, ssrc)[:5]
            if (direction, ssrc, passed.sequence) in self._lengths
        }
        (tag,) = found
        return tag

    def trips(self, ssrc: int | None) -> list[tuple[float, float]]:
        """Round trips from the server's door to the client and back, as the server could measure them.

        Args:
            ssrc: of a stream that the client receives; None: of those that it sends.

        Returns:
            When the answer was at the door (monotonic seconds), and how long it took, less what the client kept it.
        """
        found = []
        overhead = self.tag() + INDEX
        for answer in self._answered:
            asked = self._asked.get(answer.middle)
            if answer.ssrc != ssrc or asked is None:
                continue
            left = self.wire.control(DOWN, asked.ssrc, asked.length + overhead, asked.at)
            back = self.wire.control(UP, answer.heard.ssrc, answer.heard.length + overhead, answer.heard.at)
            if left is not None and back is not None:
                found.append((back, back - left - answer.kept))
        return found


async def until(condition: Callable[[], bool]) -> None:
    """Look again every 20 ms: what is waited for comes over the network."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - reports are asked, they tell nobody
            await asyncio.sleep(0.02)


@asynccontextmanager
async def room(
    server: ServerProcess, names: str, networks: Mapping[str, NetworkPlan]
) -> AsyncIterator[dict[str, Member]]:
    """Members who send video and sound to each other, from the first packet on received by all.

    Args:
        server: is up.
        names: of the members, a letter each.
        networks: of members; the others have none.
    """
    async with AsyncExitStack() as stack:
        members: dict[str, Member] = {}
        for name in names:
            relay = await stack.enter_async_context(Relay(media_address(server), seed=1, name=name))
            tap = RtpTap()
            client = LabClient(
                server.url,
                room="r",
                name=name,
                reach_at=relay.address,
                network=networks.get(name),
                tap=tap,
                synthetic=True,
            )
            video = SyntheticVideo(1, layers=(SMALL_CAMERA if members else CAMERA,))
            members[name] = Member(client, relay, tap, video, network=name in networks)
        await asyncio.gather(*(stack.enter_async_context(member.client) for member in members.values()))
        await asyncio.gather(*(publish(member) for member in members.values()))
        async with ApiClient(server.url) as api:
            (router,) = (await api.room("r")).router_ids
            while not await all_flow(api, router, 2 * len(members) * (len(members) - 1)):  # noqa: ASYNC110 - over HTTP
                await asyncio.sleep(0.05)
        yield members


async def all_flow(api: ApiClient, router: RouterId, consumers: int) -> bool:
    """Whether there are so many consumers, none of them paused."""
    found = await api.consumers(router)
    return len(found) == consumers and not any(one.paused for one in found)


async def publish(member: Member) -> None:
    """Publish the sources, silent still."""
    for source in member.sources:
        producer = await member.client.publish(source)
        source.enabled = False  # before anything was sent: nothing has waited since it was turned on
        if source is member.sources[0]:
            (stream,) = member.client.publisher.synthetic_sender(producer).reports()
            answer_reference_times(member.transport("producer"), stream.ssrc)


async def converse(members: dict[str, Member], seconds: float, rough: Callable[[], None]) -> None:
    """Send for so long, then nothing until all is settled; `rough` is called when everybody sees everybody."""
    for member in members.values():
        member.enable(True)
    await until(lambda: all(seen(member) for member in members.values()))
    rough()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        await asyncio.sleep(0.5)
        for member, stats in zip(members.values(), await asyncio.gather(*map(ask, members.values())), strict=True):
            member.said.append(stats)
    for member in members.values():
        member.enable(False)
    await asyncio.sleep(SETTLED)


async def ask(member: Member) -> Stats:
    """What the server says of a member's streams."""
    return await member.client.get_stats()


def seen(member: Member) -> bool:
    """Whether it decodes all that comes."""
    reports = [remote.reception.report() for remote in member.client.tracks.values() if remote.reception is not None]
    return all(report.frames.frames_decoded >= 10 for report in reports)


def link(loss: float = 0.0, delay: float = 0.0, jitter: float = 0.0) -> Conditions:
    """Conditions of a path."""
    return Conditions(loss=loss, delay=delay, jitter=jitter)
