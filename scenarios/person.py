"""One person of a crowd: a client with a camera, a microphone, and eyes and ears for everyone else."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from clients.media.sinks import PictureSink, ToneSink
from clients.media.tone import tone_number
from clients.media.tracks import DEFAULT_SIZE, PatternTrack, ToneTrack
from clients.participant import LabClient
from clients.subscriber import RemoteTrack
from labsfu.wire.ids import ParticipantId
from labsfu.wire.rtp import MediaKind
from scenarios.verdict import Latency, PairReport


@dataclass(slots=True)
class Reception:
    """What one person gets of another."""

    pictures: PictureSink
    tones: ToneSink = field(default_factory=ToneSink)


class Person:
    """A client that shows its number and sounds its tone, and watches the others.

    Args:
        client: joins by itself; entered and left by the crowd.
        source: number of this person, shown by its pictures and told by its tone.
        sources: numbers of everyone, by participant id.
        size: width and height of its pictures.
    """

    def __init__(
        self, client: LabClient, source: int, sources: dict[ParticipantId, int], size: tuple[int, int] = DEFAULT_SIZE
    ) -> None:
        self.client = client
        self.source = source
        self.camera = PatternTrack(source, size=size)
        self.microphone = ToneTrack(source)
        self.joined_at = 0.0
        self.sending_since = 0.0
        self.receptions: dict[ParticipantId, Reception] = {}
        self._sources = sources
        self._watchers: set[asyncio.Task[None]] = set()
        client.on_track = self._watch

    @property
    def name(self) -> str:
        """Its name, which is its id as well."""
        return self.client.name

    async def publish(self) -> None:
        """Send sound and pictures."""
        await self.client.publish(self.microphone)
        await self.client.publish(self.camera)
        self.sending_since = time.monotonic()

    async def rest(self) -> None:
        """Stop camera and microphone, and let what watches the others end; to be called when the client has left."""
        self.camera.stop()
        self.microphone.stop()
        if self._watchers:
            await asyncio.wait(self._watchers)
            for watcher in self._watchers:
                watcher.result()

    def sees(self, other: Person) -> bool:
        """Whether pictures of the other have come."""
        reception = self.receptions.get(other.client.id)
        return reception is not None and reception.pictures.frames_seen > 0

    def report_on(self, other: Person, until: float) -> PairReport:
        """How the other was received, of what it sent until `until` (monotonic seconds)."""
        reception = self.receptions.get(other.client.id) or Reception(PictureSink(other.source))
        pictures = reception.pictures.report(until)
        tones = reception.tones.report()
        expected = seen = 0
        first_frame_ms = None
        if pictures.first_frame is not None and pictures.first_seen_at_s is not None:
            began = next(sent.sent_at_s for sent in other.camera.sent if sent.frame == pictures.first_frame)
            expected = sum(began <= at <= until for at in other.camera.handed_out)
            last = max(sent.frame for sent in other.camera.sent if sent.sent_at_s <= until)
            seen = reception.pictures.seen_up_to(last)
            first_frame_ms = (pictures.first_seen_at_s - max(self.joined_at, other.sending_since)) * 1000
        return PairReport(
            sender=other.name,
            receiver=self.name,
            first_frame_ms=_rounded(first_frame_ms),
            frames_expected=expected,
            frames_seen=seen,
            frames_lost=max(0, expected - seen),
            latency_ms=Latency(_rounded(pictures.latency_p50_ms), _rounded(pictures.latency_p99_ms)),
            heard=tones.heard == {tone_number(other.source)},
        )

    def _watch(self, remote: RemoteTrack) -> None:
        reception = self.receptions.get(remote.participant_id)
        if reception is None:
            reception = Reception(PictureSink(self._sources[remote.participant_id]))
            self.receptions[remote.participant_id] = reception
        sink = reception.pictures if remote.kind is MediaKind.VIDEO else reception.tones
        task = asyncio.create_task(sink.run(remote.track), name=f"{self.name} watches {remote.participant_id}")
        self._watchers.add(task)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
