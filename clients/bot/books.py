"""What a bot knows of its streams, second by second."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from clients.bot.media import Source
from clients.bot.options import BotOptions
from clients.bot.report import BotReport, NetworkReport, Other, ReceivedStream, SentStream, WayReport
from clients.bot.watching import PictureWatch, SoundWatch
from clients.measure.stats import InboundRtp, OutboundRtp, TapReport
from clients.network import Direction
from clients.participant import LabClient
from clients.subscriber import RemoteTrack
from clients.tap import RtpTap
from labsfu.wire.ids import ConsumerId


@dataclass(frozen=True, slots=True)
class Incoming:
    """A stream that is, or was, received.

    Attributes:
        remote: the stream.
        ssrc: of its packets.
        name: of who sends it.
        watch: who looks or listens; None where nothing is decoded.
    """

    remote: RemoteTrack
    ssrc: int
    name: str
    watch: PictureWatch | SoundWatch | None


@dataclass(frozen=True, slots=True)
class _Decoded:
    frames: int | None = None
    width: int | None = None
    height: int | None = None
    level: float | None = None
    latency: float | None = None


class Books:
    """Puts together what the tap, the watchers and the client know.

    Args:
        options: of the bot.
        tap: of the client.
        sources: what is sent.
        unix_offset: seconds from monotonic to wall-clock time.

    Attributes:
        began: when the bot began to send, monotonic seconds.
    """

    def __init__(self, options: BotOptions, tap: RtpTap, sources: Sequence[Source], unix_offset: float) -> None:
        # given
        self._options = options
        self._tap = tap
        self._sources = {source.kind: source for source in sources}
        self._unix_offset = unix_offset
        # owned
        self.began = time.monotonic()
        self._incoming: dict[ConsumerId, Incoming] = {}

    def add(self, incoming: Incoming) -> None:
        """A stream comes from now on."""
        self._incoming[incoming.remote.consumer_id] = incoming

    def second(self, client: LabClient, now: float) -> BotReport:
        """What there is to say about the streams of now, and the second before."""
        return self._report(client, now, [self._incoming[id_] for id_ in client.tracks if id_ in self._incoming])

    def whole(self, client: LabClient, now: float) -> BotReport:
        """What there is to say about all streams that ever were; latencies are those of all the time."""
        return self._report(client, now, self._incoming.values(), whole=True)

    def _report(self, client: LabClient, now: float, incoming: Iterable[Incoming], *, whole: bool = False) -> BotReport:
        tapped: TapReport = self._tap.report(now)
        measured = {stream.ssrc: stream for stream in tapped.inbound}
        others = client.participants.values()
        return BotReport(
            timestamp=self._milliseconds(now),
            seconds=round(now - self.began, 3),
            room_id=client.room_id,
            participant_id=client.id,
            display_name=self._options.name,
            participants=tuple(Other(id=p.id, display_name=p.display_name, connected=p.connected) for p in others),
            inbound=tuple(
                self._received(one, measured[one.ssrc], whole=whole) for one in incoming if one.ssrc in measured
            ),
            outbound=tuple(self._sent(stream) for stream in tapped.outbound),
            network=self._network(client),
        )

    def _received(self, incoming: Incoming, measured: InboundRtp, *, whole: bool) -> ReceivedStream:
        remote, decoded = incoming.remote, _decoded(incoming, whole=whole)
        fields = msgspec.structs.asdict(measured)
        for name in ("first_packet_received_timestamp", "last_packet_received_timestamp"):
            if fields[name] is not None:
                fields[name] = self._milliseconds(fields[name])
        return ReceivedStream(
            **fields,
            participant_id=remote.participant_id,
            display_name=incoming.name,
            producer_id=remote.producer_id,
            consumer_id=remote.consumer_id,
            frames_decoded=decoded.frames,
            frame_width=decoded.width,
            frame_height=decoded.height,
            audio_level=decoded.level,
            latency=decoded.latency,
        )

    def _sent(self, measured: OutboundRtp) -> SentStream:
        source = self._sources.get(measured.kind or "")
        width, height = (None, None) if source is None or source.size is None else source.size
        return SentStream(
            **msgspec.structs.asdict(measured),
            frame_width=width,
            frame_height=height,
            frames_skipped=0 if source is None else source.skipped,
        )

    def _network(self, client: LabClient) -> NetworkReport | None:
        if self._options.network is None:
            return None
        name, plan = self._options.network
        return NetworkReport(
            name=name, seed=plan.seed, up=_way(client, Direction.UP), down=_way(client, Direction.DOWN)
        )

    def _milliseconds(self, at: float) -> float:
        return round((at + self._unix_offset) * 1000, 1)


def _way(client: LabClient, direction: Direction) -> WayReport:
    counts = client.network.counts(direction)
    return WayReport(packets=counts.sent, lost=counts.lost, queue_dropped=counts.queue_dropped, bytes=counts.sent_bytes)


def _decoded(incoming: Incoming, *, whole: bool) -> _Decoded:
    match incoming.watch:
        case PictureWatch() as watch:
            recent = watch.latencies.median() if whole else watch.latencies.take()
            return _Decoded(watch.frames, watch.width or None, watch.height or None, latency=recent)
        case SoundWatch() as watch:
            return _Decoded(level=watch.take())
        case None:
            if incoming.remote.reception is None:
                return _Decoded()
            frames = incoming.remote.reception.report().frames
            pictures = frames.frames_decoded if incoming.remote.track.kind == "video" else None
            return _Decoded(pictures, latency=frames.latency_p50)
