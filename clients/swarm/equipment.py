"""What one client sends, and what it makes of what it receives: synthetic or real, with the same sums of both."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Protocol

from aiortc import MediaStreamTrack

from clients.media.sinks import PictureSink
from clients.media.tracks import DEFAULT_FPS, PatternTrack, ToneTrack
from clients.participant import LabClient
from clients.subscriber import RemoteTrack
from clients.swarm.histogram import Histogram
from clients.swarm.plan import Media
from clients.swarm.totals import Flow, Received, Sent
from clients.synthetic.audio import SyntheticAudio
from clients.synthetic.ends import SyntheticReception, SyntheticSender
from clients.synthetic.layers import Layer, simulcast_layers
from clients.synthetic.source import SyntheticSource
from clients.synthetic.video import SyntheticVideo
from clients.tap import RtpTap
from labsfu.wire.ids import ProducerId
from labsfu.wire.rtp import MediaKind

STANDS_AFTER = 1.0
"""Seconds without a frame after which a stream counts as standing."""
SYNTHETIC_FPS = 30.0
_SOURCES = 1 << 16


class Equipment(Protocol):
    """Of one stay of one client."""

    tap: RtpTap | None

    def sources(self) -> Sequence[MediaStreamTrack | SyntheticSource]:
        """What is to be published."""

    def publishing(self, client: LabClient, producer_id: ProducerId) -> None:
        """One of the sources is being sent."""

    def watch(self, remote: RemoteTrack) -> None:
        """Somebody's stream comes."""

    def flow(self, *, present: bool) -> Flow:
        """All that was sent and received in this stay; `present`: it has not ended."""

    async def rest(self) -> None:
        """The stay is over."""


def equipment(number: int, media: Media, *, synthetic: bool) -> Equipment:
    """For one stay of person `number`."""
    source = (number + 1) % _SOURCES
    return SyntheticEquipment(source, media) if synthetic else RealEquipment(source, media)


class SyntheticEquipment:
    """Without codecs."""

    def __init__(self, source: int, media: Media) -> None:
        self.tap: RtpTap | None = None
        self._sources: list[SyntheticAudio | SyntheticVideo] = []
        if media.audio:
            self._sources.append(SyntheticAudio(source, bitrate=media.audio_bitrate))
        if media.video:
            fps = SYNTHETIC_FPS if media.fps is None else media.fps
            self._sources.append(
                SyntheticVideo(source, fps, layers=video_layers(media), temporal_layers=media.temporal_layers)
            )
        self._senders: list[SyntheticSender] = []
        self._receptions: list[SyntheticReception] = []
        self._over = Flow()

    def sources(self) -> Sequence[MediaStreamTrack | SyntheticSource]:
        return self._sources

    def publishing(self, client: LabClient, producer_id: ProducerId) -> None:
        self._senders.append(client.publisher.synthetic_sender(producer_id))

    def watch(self, remote: RemoteTrack) -> None:
        assert remote.reception is not None, "the client receives synthetically"
        self._receptions.append(remote.reception)

    def flow(self, *, present: bool) -> Flow:
        self._forget_what_is_over()
        flow = Flow().add(self._over)
        for reception in self._receptions:
            _received(flow, reception.receiver.terms.format.kind).add(synthetic_received(reception, flows=present))
        for sender in self._senders:
            self._add_sent(flow, sender)
        for source in self._sources:
            sent = flow.audio_sent if source.kind is MediaKind.AUDIO else flow.video_sent
            sent.slots += source.frames + source.skipped
            sent.slots_skipped += source.skipped
        return flow

    async def rest(self) -> None:
        pass

    def _forget_what_is_over(self) -> None:
        """Receptions that have ended keep their sums, and nothing else."""
        for reception in [r for r in self._receptions if r.track.readyState == "ended"]:
            kind = reception.receiver.terms.format.kind
            _received(self._over, kind).add(synthetic_received(reception, flows=False))
            self._receptions.remove(reception)

    @staticmethod
    def _add_sent(flow: Flow, sender: SyntheticSender) -> None:
        for report in sender.reports():
            sent = flow.audio_sent if report.kind is MediaKind.AUDIO else flow.video_sent
            sent.streams += 1
            sent.frames_sent += report.frames_encoded
            sent.packets_sent += report.packets_sent + report.retransmitted_packets_sent
            sent.bytes_sent += report.bytes_sent + report.header_bytes_sent + report.retransmitted_bytes_sent


class RealEquipment:
    """Encoders and decoders; what is a packet is counted by a tap, what is a picture by a sink."""

    def __init__(self, source: int, media: Media) -> None:
        self.tap: RtpTap | None = RtpTap()
        self._microphone = ToneTrack(source) if media.audio else None
        fps = DEFAULT_FPS if media.fps is None else media.fps
        self._camera = PatternTrack(source, fps, media.size) if media.video else None
        self._sinks: list[PictureSink] = []
        self._tasks: list[asyncio.Task[None]] = []

    def sources(self) -> Sequence[MediaStreamTrack | SyntheticSource]:
        return [track for track in (self._microphone, self._camera) if track is not None]

    def publishing(self, client: LabClient, producer_id: ProducerId) -> None:
        pass

    def watch(self, remote: RemoteTrack) -> None:
        if remote.kind is MediaKind.VIDEO:
            sink = PictureSink()
            self._sinks.append(sink)
            self._tasks.append(asyncio.create_task(sink.run(remote.track)))

    def flow(self, *, present: bool) -> Flow:
        flow = Flow()
        assert self.tap is not None, "made with one"
        now = time.monotonic()
        report = self.tap.report(now)
        for stream in report.inbound:
            received = _received(flow, MediaKind(stream.kind or "video"))
            received.packets_received += stream.packets_received - stream.packets_duplicated
            received.packets_lost += stream.packets_missing
            received.retransmitted_packets += stream.retransmitted_packets_received
            received.bytes_received += stream.bytes_received + stream.header_bytes_received
            received.nacks += stream.nack_count
            received.plis += stream.pli_count
        for out in report.outbound:
            sent = flow.audio_sent if out.kind == "audio" else flow.video_sent
            sent.streams += 1
            sent.packets_sent += out.packets_sent
            sent.bytes_sent += out.bytes_sent + out.header_bytes_sent
        heard = flow.audio_received
        heard.streams = heard.streams_seen = sum(s.kind == "audio" for s in report.inbound)
        heard.frames_complete = heard.packets_received
        heard.frames_expected = heard.packets_received + heard.packets_lost
        for sink in self._sinks:
            flow.video_received.add(seen(sink, flows=present, now=now))
        self._add_slots(flow)
        return flow

    async def rest(self) -> None:
        for track in (self._microphone, self._camera):
            if track is not None:
                track.stop()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _add_slots(self, flow: Flow) -> None:
        if self._camera is not None:
            flow.video_sent.frames_sent += len(self._camera.sent)
            flow.video_sent.slots += len(self._camera.sent) + self._camera.skipped
            flow.video_sent.slots_skipped += self._camera.skipped
        if self._microphone is not None:
            flow.audio_sent.frames_sent += flow.audio_sent.packets_sent
            flow.audio_sent.slots += flow.audio_sent.packets_sent + self._microphone.skipped
            flow.audio_sent.slots_skipped += self._microphone.skipped


def video_layers(media: Media) -> tuple[Layer, ...]:
    """The layers of synthetic video, at the bitrates asked for."""
    layers = simulcast_layers(media.rids)
    if not media.bitrates:
        return layers
    return tuple(
        Layer(layer.rid, layer.width, layer.height, min(layer.minimum, maximum), maximum)
        for layer, maximum in zip(layers, media.bitrates, strict=True)
    )


def synthetic_received(reception: SyntheticReception, *, flows: bool) -> Received:
    """The sums of one synthetic stream; `flows`: it should."""
    report, book = reception.report(), reception.receiver.book
    frames = report.frames
    seen_any = frames.stamped_frames > 0
    return Received(
        streams=1,
        streams_seen=int(seen_any),
        standing=int(flows and time.monotonic() - book.last_at > STANDS_AFTER),
        frames_expected=frames.last_stamped - frames.first_stamped + 1 if seen_any else 0,
        frames_complete=frames.stamped_frames,
        freezes=frames.freeze_count,
        frozen_seconds=frames.total_freezes_duration,
        mixed=int(len(frames.stamped_sources) > 1),
        untrue=frames.untrue,
        packets_received=report.packets_received,
        packets_lost=report.packets_lost,
        retransmitted_packets=report.retransmitted_packets_received,
        bytes_received=report.bytes_received + report.header_bytes_received,
        nacks=report.nack_count,
        plis=report.pli_count,
        latency=Histogram(dict(book._latencies)),  # noqa: SLF001 - the book tells percentiles only: they do not add up
    )


def seen(sink: PictureSink, *, flows: bool, now: float) -> Received:
    """The sums of one decoded stream of pictures, without its packets."""
    report = sink.report()
    latency = Histogram()
    for _, milliseconds in sink.latencies:
        latency.note(milliseconds / 1000)
    # the sink tells when its last gap began only by the difference that the open one makes
    open_gap = sink.report(now).longest_gap_ms / 1000
    return Received(
        streams=1,
        streams_seen=int(report.frames_seen > 0),
        standing=int(flows and (not report.frames_seen or open_gap > max(STANDS_AFTER, report.longest_gap_ms / 1000))),
        frames_expected=report.frames_seen + report.frames_lost,
        frames_complete=report.frames_seen,
        freezes=report.freezes,
        frozen_seconds=report.frozen_ms / 1000,
        mixed=int(len(report.frames_by_source) > 1),
        latency=latency,
    )


def _received(flow: Flow, kind: MediaKind) -> Received:
    return flow.audio_received if kind is MediaKind.AUDIO else flow.video_received
