"""A speaker who says nothing, at a level."""

from __future__ import annotations

from collections.abc import Sequence

from clients.synthetic.formats import EncodedFrame, PayloadFormat
from clients.synthetic.opus import Opus
from clients.synthetic.outgoing import OutgoingStream
from clients.synthetic.source import Outgoing
from labsfu.wire.rtp import MediaKind

FRAME = 0.02
PATIENCE = 0.5
"""Seconds of sound that are made up for after a stall; a longer one leaves a hole in the RTP times."""


class SyntheticAudio:
    """Sound of 20 ms a packet, silent to who decodes it.

    Args:
        source: number of the sender, told by every packet.
        bitrate: bit/s.
        level: what the audio level extension says, dBov, -127 to 0; may be set at any time.
        format: of the payloads.

    Attributes:
        next_at: when the next frame is due, monotonic seconds.
        enabled: whether frames are sent; the slots go on.
        frames: how many have been encoded.
    """

    kind = MediaKind.AUDIO
    rids: tuple[str, ...] = ()
    scalability_mode: str | None = None

    def __init__(
        self,
        source: int,
        *,
        bitrate: int = 32_000,
        level: int = -30,
        format: PayloadFormat | None = None,  # noqa: A002 - the field's name for it
    ) -> None:
        self.source = source
        self.bitrate = bitrate
        self.level = level
        self.format = Opus() if format is None else format
        self.streams: Sequence[OutgoingStream] = ()
        self.enabled = True
        self.next_at = float("inf")
        self.frames = 0
        self.skipped = 0
        self._began = 0.0
        self._slot = 0
        self._pause = True

    @property
    def wish(self) -> float:
        """bit/s."""
        return self.bitrate

    def max_bitrates(self) -> tuple[int, ...]:
        """bit/s."""
        return (self.bitrate,)

    def begin(self, streams: Sequence[OutgoingStream], now: float) -> None:
        """Start at once."""
        self.streams = tuple(streams)
        self._began = self.next_at = now

    def set_budget(self, budget: float, now: float) -> None:
        """Sound takes what it needs."""

    def request_key_frame(self, stream: OutgoingStream, now: float) -> None:
        """Every packet of sound is one."""

    def encode(self, now: float) -> list[Outgoing]:
        """The packets that are due: several after a stall."""
        packets: list[Outgoing] = []
        if now - self.next_at > PATIENCE:
            behind = int((now - self.next_at) / FRAME)
            self.skipped += behind
            self._slot += behind
            self.next_at = self._began + self._slot * FRAME
        while self.next_at <= now:
            if self.enabled:
                packets += self._encode_one(now)
            self._pause = not self.enabled
            self._slot += 1
            self.next_at = self._began + self._slot * FRAME
        return packets

    def _encode_one(self, now: float) -> list[Outgoing]:
        frame = EncodedFrame(self.source, self.frames, int(self.bitrate * FRAME / 8), now)
        self.frames += 1
        (stream,) = self.streams
        stream.counts.frames += 1
        loudness = min(127, -self.level)
        voice = 0x80 if loudness < 127 else 0
        # the marker begins a talkspurt (RFC 7587 4.2, RFC 3551 4.1)
        added = stream.add(
            stream.timestamp_of(self.next_at),
            self.format.packetize(frame, 1275),
            marker=self._pause,
            level=voice | loudness,
        )
        return [(stream, packet) for packet in added]
