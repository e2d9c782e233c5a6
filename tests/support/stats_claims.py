"""What a server says of its streams, claim by claim, beside what the taps saw."""

from __future__ import annotations

import time
from collections.abc import Iterator
from math import nan
from statistics import mean, median, quantiles
from typing import NamedTuple, TypeAlias

from clients.api import ApiClient
from clients.measure.stats import InboundRtp, OutboundRtp
from clients.network import Direction
from labsfu.wire.ids import RouterId
from labsfu.wire.stats import (
    ConsumerStatsPayload,
    InboundRtpStats,
    OutboundRtpStats,
    ProducerStatsPayload,
    RouterTotals,
    RtpStats,
    TransportStats,
)
from tests.support.stats_scene import Member
from tests.support.wire_tap import Arrived

UP, DOWN = Direction.UP, Direction.DOWN
CLOCKS = {"audio": 48_000, "video": 90_000}
Series: TypeAlias = list[tuple[float, RtpStats]]
"""What was said of a stream, and when (monotonic seconds)."""


class Claim(NamedTuple):
    """A number of the server's, and what it should be.

    Attributes:
        of: whose, e.g. "a video".
        name: as in the stats.
        said: by the server; saw: by the taps; NaN where somebody said or saw too little.
        most: how far they may be apart.
    """

    of: str
    name: str
    said: float
    saw: float
    most: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether they agree."""
        return abs(self.said - self.saw) <= self.most

    @property
    def timed(self) -> bool:
        """Whether it depends on when packets came, and the machine may be to blame."""
        return self.name in TIMES


TIMES = frozenset({"round_trip_time", "jitter", "bitrate"})
"""What cannot be compared on a machine that has no time for its processes."""
ONE_PERCENT = 0.01
TRIP = 2.0
"""Milliseconds."""
WINDOW = 2.5
"""Seconds over which a stream's bitrate is taken."""
RATE = 0.05
"""The server looks at its counters four times a second: its window may be a tenth shorter, and end within a frame."""
JITTER_SLACK = 0.0005
"""Seconds: a packet waits for the server's process on a busy machine, and nobody outside sees for how long."""


async def claims_of(api: ApiClient, router: RouterId, members: dict[str, Member]) -> list[Claim]:
    """Everything that can be compared of a room whose counters stand still."""
    found: list[Claim] = []
    dropped = 0
    for name, member in members.items():
        streams: dict[Direction, list[RtpStats]] = {UP: [], DOWN: []}
        transports: dict[str, TransportStats] = {}
        for producer in member.client.publisher.producer_ids:
            said = await api.producer_stats(router, producer)
            (stream,) = said.streams
            assert isinstance(said.transport, TransportStats)
            found += producer_claims(f"{name} {stream.kind} up", stream, member)
            streams[UP].append(stream)
            transports[said.transport.transport_id] = said.transport
        for consumer in member.client.tracks:
            heard = await api.consumer_stats(router, consumer)
            outbound, inbound = heard.streams
            assert isinstance(outbound, OutboundRtpStats)
            assert isinstance(inbound, InboundRtpStats)
            assert isinstance(heard.transport, TransportStats)
            of = f"{name} {outbound.kind} down"
            found += consumer_claims(of, outbound, inbound, member)
            streams[DOWN].append(outbound)
            transports[heard.transport.transport_id] = heard.transport
        found += running_claims(name, member)
        found += transport_claims(name, list(transports.values()), streams, member)
        carriers = (*transports.values(), *streams[UP], *streams[DOWN])
        dropped += sum(drop.packets for carrier in carriers for drop in carrier.drops)
    totals = (await api.router_stats(router)).totals
    found.append(Claim("router", "drops", sum(drop.packets for drop in totals.drops), dropped))
    return [*found, *router_claims(totals, members)]


def arrived(said: RtpStats, direction: Direction, member: Member) -> Arrived:
    """What the wire's tap saw of a stream."""
    return member.wire.arrived(
        direction,
        said.ssrc,
        said.rtx_ssrc if isinstance(said.rtx_ssrc, int) else None,
        tag=member.tag(),
        originals=member.originals,
    )


def producer_claims(of: str, said: InboundRtpStats, member: Member) -> Iterator[Claim]:
    """A stream that comes. All is exact but the jitter and the round trip."""
    saw = arrived(said, UP, member)
    sent: OutboundRtp = next(one for one in member.tap.report(0.0).outbound if one.ssrc == said.ssrc)
    yield Claim(of, "packet_count", said.packet_count, saw.packets)
    yield Claim(of, "byte_count", said.byte_count, saw.octets)
    yield Claim(of, "packets_lost_before_repair", said.packets_lost_before_repair, saw.lost)
    yield Claim(of, "packets_repaired", said.packets_repaired, saw.repaired)
    yield Claim(of, "packets_lost", said.packets_lost, saw.lost - saw.repaired)
    yield Claim(of, "packets_retransmitted", said.packets_retransmitted, saw.resent)
    yield Claim(of, "nack_count", said.nack_count, sent.nack_count)
    yield Claim(of, "nack_packet_count", said.nack_packet_count, sent.nacked_packets)
    yield Claim(of, "pli_count", said.pli_count, sent.pli_count)
    yield Claim(of, "fir_count", said.fir_count, sent.fir_count)
    yield Claim(of, "packets_discarded", said.packets_discarded, 0)
    yield Claim(of, "drops", sum(drop.packets for drop in said.drops), saw.resent - saw.repaired)


def consumer_claims(of: str, said: OutboundRtpStats, source: InboundRtpStats, member: Member) -> Iterator[Claim]:
    """A stream that goes out. All is exact but the round trip; losses are those that its receiver reports."""
    sent = arrived(said, DOWN, member)
    got: InboundRtp = next(one for one in member.tap.report(0.0).inbound if one.ssrc == said.ssrc)
    lost = max(0, member.blocks[said.ssrc].packets_lost)
    yield Claim(of, "packet_count", said.packet_count, sent.packets)
    yield Claim(of, "byte_count", said.byte_count, sent.octets)
    yield Claim(of, "packets_retransmitted", said.packets_retransmitted, sent.resent)
    yield Claim(of, "packets_lost_before_repair", said.packets_lost_before_repair, lost)
    yield Claim(of, "packets_lost", said.packets_lost + said.packets_repaired, lost)
    if not member.lost_up():  # else who knows which of its requests came through
        yield Claim(of, "nack_count", said.nack_count, got.nack_count)
        yield Claim(of, "nack_packet_count", said.nack_packet_count, got.nacked_packets)
        yield Claim(of, "pli_count", said.pli_count, got.pli_count)
        yield Claim(of, "fir_count", said.fir_count, got.fir_count)
    # it was there from the first packet: what came and was not sent was dropped, and counted
    came = source.packet_count + source.packets_repaired - source.packets_discarded
    yield Claim(of, "packets_discarded", said.packets_discarded, came - sent.packets)


def transport_claims(
    name: str, said: list[TransportStats], streams: dict[Direction, list[RtpStats]], member: Member
) -> Iterator[Claim]:
    """RTP bytes of a member's transports are exact; datagrams go on (STUN, reports), and are within 1 %."""
    tag = member.tag()
    for direction, verb in ((UP, "received"), (DOWN, "sent")):
        media = [stream.ssrc for stream in streams[direction]]
        again = [stream.rtx_ssrc for stream in streams[direction] if isinstance(stream.rtx_ssrc, int)]
        for prefix, ssrcs in (("rtp", media), ("rtx", again)):
            passed = [packet for ssrc in ssrcs for packet in member.wire.packets(direction, ssrc)]
            field = f"{prefix}_bytes_{verb}"
            yield Claim(name, field, _sum(said, field), sum(packet.length - tag for packet in passed))
        seen = member.wire.datagrams(direction).octets
        yield Claim(name, f"bytes_{verb}", _sum(said, f"bytes_{verb}"), seen, ONE_PERCENT * seen)


def _sum(said: list[TransportStats], field: str) -> int:
    return sum(getattr(one, field) for one in said)


def router_claims(totals: RouterTotals, members: dict[str, Member]) -> Iterator[Claim]:
    """Datagrams of all, within 1 %."""
    for direction, verb in ((UP, "received"), (DOWN, "sent")):
        seen = [member.wire.datagrams(direction) for member in members.values()]
        packets, octets = sum(one.packets for one in seen), sum(one.octets for one in seen)
        yield Claim("router", f"packets_{verb}", getattr(totals, f"packets_{verb}"), packets, ONE_PERCENT * packets)
        yield Claim("router", f"bytes_{verb}", getattr(totals, f"bytes_{verb}"), octets, ONE_PERCENT * octets)


def running_claims(name: str, member: Member) -> Iterator[Claim]:
    """What changes while packets flow, said again and again: means over what the taps saw at the same moments."""
    offset = time.time() - time.monotonic()
    series: dict[str, list[tuple[float, RtpStats]]] = {}
    for stats in member.said:
        everything: list[ProducerStatsPayload | ConsumerStatsPayload] = [*stats.producers, *stats.consumers]
        for one in everything:
            series.setdefault(one.id, []).append((one.at / 1000 - offset, one.streams[0]))
    for said in series.values():
        stream = said[0][1]
        direction = UP if isinstance(stream, InboundRtpStats) else DOWN
        of = f"{name} {stream.kind} {direction}"
        yield bitrate_claim(of, said, direction, member)
        if isinstance(stream, InboundRtpStats):
            yield jitter_claim(of, said, member)
        yield trip_claim(of, said, member.trips(None if direction is UP else stream.ssrc))


def bitrate_claim(of: str, said: Series, direction: Direction, member: Member) -> Claim:
    """The mean of bitrates over 2.5 s."""
    begin = member.wire.packets(direction, said[0][1].ssrc)[0].at + WINDOW
    full = [(at, stream) for at, stream in said if at > begin]
    if not full:
        return Claim(of, "bitrate", nan, nan)
    tag, wire = member.tag(), member.wire
    saw = mean(wire.bitrate(direction, stream.ssrc, tag, (at - WINDOW, at)) for at, stream in full)
    return Claim(of, "bitrate", mean(stream.bitrate for _, stream in full), saw, RATE * saw)


def jitter_claim(of: str, said: Series, member: Member) -> Claim:
    """The mean of jitters, seconds."""
    told = [(at, stream) for at, stream in said if isinstance(stream, InboundRtpStats)]
    clock = CLOCKS[told[0][1].kind]
    saw = mean(member.wire.jitter(UP, stream.ssrc, clock, at) for at, stream in told)
    most = max(JITTER_SLACK, ONE_PERCENT * saw)
    return Claim(of, "jitter", mean(stream.jitter for _, stream in told) / clock, saw, most)


def trip_claim(of: str, said: Series, trips: list[tuple[float, float]]) -> Claim:
    """Each round trip against the one that the taps saw, milliseconds.

    The server's is longer by what packets wait for its process, on a busy machine often for more than the limit: the
    quarter of them that waited least decides.
    """
    pairs = []
    for at, stream in said:
        known = [trip for back, trip in trips if back <= at]
        if known and isinstance(stream.round_trip_time, float):
            pairs.append((stream.round_trip_time, 1000 * known[-1]))
    if len(pairs) < 2:
        return Claim(of, "round_trip_time", nan, nan)
    saw = median(trip for _, trip in pairs)
    longer, *_ = quantiles([told - trip for told, trip in pairs], n=4, method="inclusive")
    return Claim(of, "round_trip_time", saw + longer, saw, TRIP)
