"""Equipment with encoders and decoders."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from aiortc import MediaStreamTrack

from clients.media.sinks import PictureSink
from clients.media.tracks import DEFAULT_FPS, PatternTrack, ToneTrack
from clients.participant import LabClient
from clients.subscriber import RemoteTrack
from clients.swarm.equipment import STANDS_AFTER, received_of
from clients.swarm.histogram import Histogram
from clients.swarm.plan import Media
from clients.swarm.totals import Flow, Received
from clients.synthetic.source import SyntheticSource
from clients.tap import RtpTap
from labsfu.wire.ids import ProducerId
from labsfu.wire.rtp import MediaKind


class EncodedEquipment:
    """Encoders and decoders; what is a packet is counted by a tap, what is a picture by a sink."""

    def __init__(self, source: int, media: Media) -> None:
        self.tap: RtpTap | None = RtpTap()
        self._microphone = ToneTrack(source) if media.audio else None
        fps = DEFAULT_FPS if media.fps is None else media.fps
        self._camera = PatternTrack(source, fps, media.size) if media.video else None
        self._sinks: list[PictureSink] = []
        self._tasks: list[asyncio.Task[None]] = []

    def sources(self) -> Sequence[MediaStreamTrack | SyntheticSource]:
        """See `Equipment`."""
        return [track for track in (self._microphone, self._camera) if track is not None]

    def publishing(self, client: LabClient, producer_id: ProducerId) -> None:
        """See `Equipment`."""

    def watch(self, remote: RemoteTrack) -> None:
        """See `Equipment`."""
        if remote.kind is MediaKind.VIDEO:
            sink = PictureSink()
            self._sinks.append(sink)
            self._tasks.append(asyncio.create_task(sink.run(remote.track)))

    def flow(self, *, present: bool) -> Flow:
        """See `Equipment`."""
        flow = Flow()
        assert self.tap is not None, "made with one"
        now = time.monotonic()
        report = self.tap.report(now)
        for stream in report.inbound:
            received = received_of(flow, MediaKind(stream.kind or "video"))
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
        """See `Equipment`."""
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
