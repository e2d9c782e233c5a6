"""A sender, a receiver and what crosses the wire between them, counted apart from the engine, on invented time."""

from __future__ import annotations

from labsfu.core.outputs import Address
from labsfu.core.rtcp.fir import FirEntry, FullIntraRequest
from labsfu.core.rtcp.nack import Nack
from labsfu.core.rtcp.pli import PictureLossIndication
from labsfu.core.rtcp.reports import ReceiverReport, ReportBlock
from labsfu.wire import commands
from labsfu.wire.rtp import RtpParameters
from labsfu.wire.stats import (
    ConsumerStatsPayload,
    DropCount,
    EngineSample,
    InboundRtpStats,
    OutboundRtpStats,
    ProducerStatsPayload,
    RouterStatsPayload,
)
from tests.support.lab import SERVER, Lab
from tests.support.media import (
    DELTA_FRAME,
    KEY_FRAME,
    consume,
    header_of,
    produce,
    repaired_video_parameters,
    rtx_packet,
    ssrc_of,
    video_packet,
    without_rtx,
)


class TappedLab(Lab):
    """A lab that counts the datagrams between each peer and the engine: packets, bytes."""

    def __init__(self) -> None:
        self.to_engine: dict[Address, list[int]] = {}
        self.from_engine: dict[Address, list[int]] = {}
        super().__init__()

    def arrive(self, source: Address, target: Address, data: bytes) -> None:
        tap, peer = (self.to_engine, source) if target == SERVER else (self.from_engine, target)
        count = tap.setdefault(peer, [0, 0])
        if not self.lose(data, target) or target != SERVER:
            count[0] += 1
            count[1] += len(data)
        super().arrive(source, target, data)


class StatsCall:
    """One sender and one receiver of video whose losses are repaired, as RTX or as the packets were."""

    def __init__(self, parameters: RtpParameters | None = None, *, rtx_up: bool = True, rtx_down: bool = True) -> None:
        self.lab = TappedLab()
        self.sender, self.upstream = self.lab.connected_peer()
        if parameters is None:
            parameters = repaired_video_parameters() if rtx_up else repaired_video_parameters(rtx_ssrc=None)
        self.producer = produce(self.lab, self.upstream, parameters)
        self.receiver, self.downstream = self.lab.connected_peer()
        capabilities = self.lab.capabilities if rtx_down else without_rtx(self.lab.capabilities)
        self.consumed = consume(self.lab, self.downstream, self.producer, capabilities=capabilities)
        self.ssrc = ssrc_of(self.consumed)
        self.sent: list[bytes] = []

    # ------------------------------------------------------------------ what is done

    def send(self, *numbers: int, key: bool = False, size: int = 0) -> None:
        """Packets of the sender; the very first is a key frame."""
        for number in numbers:
            frame = KEY_FRAME if key or not self.sent else DELTA_FRAME
            self.sent.append(video_packet(number & 0xFFFF, frame + bytes(size)))
            self.sender.send_rtp(self.sent[-1])
        self.lab.pump()

    def lose_down(self, *numbers: int) -> None:
        """Packets of the sender that never reach the receiver."""
        self.lab.lose = lambda _data, to: to == self.receiver.address
        self.send(*numbers)
        self.lab.lose = lambda _data, _to: False

    def resend(self, *numbers: int, rtx: int = 700) -> list[bytes]:
        """The sender sends again as RTX; the packets."""
        packets = [rtx_packet(rtx + place, number & 0xFFFF) for place, number in enumerate(numbers)]
        for packet in packets:
            self.sender.send_rtp(packet)
        self.lab.pump()
        return packets

    def stream(self, first: int, seconds: float, *, rate: int = 50, size: int = 500) -> int:
        """A constant stream; the number that comes next."""
        for number in range(first, first + round(seconds * rate)):
            self.send(number, size=size)
            self.lab.advance(1 / rate)
        return first + round(seconds * rate)

    def numbers(self) -> list[int]:
        """The numbers of the media that the receiver has, as it knows them."""
        headers = map(header_of, self.receiver.rtp)
        return [header.sequence_number for header in headers if header.ssrc == self.ssrc]

    def ask(self, *numbers: int) -> None:
        """The receiver says that it has not got these."""
        self.receiver.send_rtcp(Nack(1, self.ssrc, tuple(number & 0xFFFF for number in numbers)))
        self.lab.pump()

    def ask_key_frame(self, *, fir: bool = False) -> None:
        request = FullIntraRequest(1, (FirEntry(self.ssrc, 1),)) if fir else PictureLossIndication(1, self.ssrc)
        self.receiver.send_rtcp(request)
        self.lab.pump()

    def report(self, lost: int, fraction: int = 0, last_sr: int = 0, delay: int = 0) -> None:
        """The receiver's report."""
        block = ReportBlock(
            ssrc=self.ssrc,
            fraction_lost=fraction,
            packets_lost=lost,
            highest_sequence=0,
            jitter=0,
            last_sr=last_sr,
            delay_since_last_sr=delay,
        )
        self.receiver.send_rtcp(ReceiverReport(1, (block,)))
        self.lab.pump()

    # ------------------------------------------------------------------ what the engine says

    def producer_stats(self) -> ProducerStatsPayload:
        command = commands.GetProducerStats(router_id=self.lab.router, producer_id=self.producer)
        return self.lab.do(command, commands.ProducerStatsShown).stats

    def consumer_stats(self) -> ConsumerStatsPayload:
        command = commands.GetConsumerStats(router_id=self.lab.router, consumer_id=self.consumed.consumer_id)
        return self.lab.do(command, commands.ConsumerStatsShown).stats

    def router_stats(self) -> RouterStatsPayload:
        return self.lab.do(commands.GetRouterStats(router_id=self.lab.router), commands.RouterStatsShown).stats

    def sample(self) -> EngineSample:
        return self.lab.do(commands.GetSamples(), commands.Sampled).sample

    def inbound(self) -> InboundRtpStats:
        (stream,) = self.producer_stats().streams
        return stream

    def outbound(self) -> OutboundRtpStats:
        stream = self.consumer_stats().streams[0]
        assert isinstance(stream, OutboundRtpStats)
        return stream


def as_dict(drops: tuple[DropCount, ...]) -> dict[str, int]:
    return {drop.reason: drop.packets for drop in drops}
