"""Equipment without codecs."""

from __future__ import annotations

import time
from collections.abc import Sequence

from aiortc import MediaStreamTrack

from clients.participant import LabClient
from clients.subscriber import RemoteTrack
from clients.swarm.equipment import STANDS_AFTER, received_of
from clients.swarm.histogram import Histogram
from clients.swarm.plan import Media
from clients.swarm.totals import Flow, Received
from clients.synthetic.audio import SyntheticAudio
from clients.synthetic.ends import SyntheticReception, SyntheticSender
from clients.synthetic.layers import Layer, simulcast_layers
from clients.synthetic.source import SyntheticSource
from clients.synthetic.video import SyntheticVideo
from clients.tap import RtpTap
from labsfu.wire.ids import ProducerId
from labsfu.wire.rtp import MediaKind

SYNTHETIC_FPS = 30.0


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
        """See `Equipment`."""
        return self._sources

    def publishing(self, client: LabClient, producer_id: ProducerId) -> None:
        """See `Equipment`."""
        self._senders.append(client.publisher.synthetic_sender(producer_id))

    def watch(self, remote: RemoteTrack) -> None:
        """See `Equipment`."""
        assert remote.reception is not None, "the client receives synthetically"
        self._receptions.append(remote.reception)

    def flow(self, *, present: bool) -> Flow:
        """See `Equipment`."""
        self._forget_what_is_over()
        flow = Flow().add(self._over)
        for reception in self._receptions:
            received_of(flow, reception.receiver.terms.format.kind).add(synthetic_received(reception, flows=present))
        for sender in self._senders:
            self._add_sent(flow, sender)
        for source in self._sources:
            sent = flow.audio_sent if source.kind is MediaKind.AUDIO else flow.video_sent
            sent.slots += source.frames + source.skipped
            sent.slots_skipped += source.skipped
        return flow

    async def rest(self) -> None:
        """See `Equipment`."""

    def _forget_what_is_over(self) -> None:
        """Receptions that have ended keep their sums, and nothing else."""
        for reception in [r for r in self._receptions if r.track.readyState == "ended"]:
            kind = reception.receiver.terms.format.kind
            received_of(self._over, kind).add(synthetic_received(reception, flows=False))
            self._receptions.remove(reception)

    @staticmethod
    def _add_sent(flow: Flow, sender: SyntheticSender) -> None:
        for report in sender.reports():
            sent = flow.audio_sent if report.kind is MediaKind.AUDIO else flow.video_sent
            sent.streams += 1
            sent.frames_sent += report.frames_encoded
            sent.packets_sent += report.packets_sent + report.retransmitted_packets_sent
            sent.bytes_sent += report.bytes_sent + report.header_bytes_sent + report.retransmitted_bytes_sent


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
    expected = frames.last_stamped - frames.first_stamped + 1 if seen_any else 0
    return Received(
        streams=1,
        streams_seen=int(seen_any),
        standing=int(flows and time.monotonic() - book.last_at > STANDS_AFTER),
        frames_expected=expected,
        # a frame on which the server changes the layer comes twice
        frames_complete=min(frames.stamped_frames, expected),
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
