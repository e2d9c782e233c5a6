"""A video encoder that encodes nothing: frames at a rate, in layers, within a budget, with key frames on request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clients.synthetic.formats import EncodedFrame, PayloadFormat
from clients.synthetic.layers import RETURN, TEMPORAL_PATTERNS, Layer, allocate, simulcast_layers
from clients.synthetic.outgoing import OutgoingStream
from clients.synthetic.source import Outgoing
from clients.synthetic.vp8 import Vp8
from labsfu.wire.rtp import MediaKind

KEY_FRAME_WEIGHT = 4.0
"""Size of a key frame, in mean frame sizes; the frames after it make up for it."""
KEY_FRAME_INTERVAL = 0.3
"""Seconds from one key frame of a layer to the next, however often it is asked for (as in libwebrtc)."""
PAYLOAD_LIMIT = 1120
"""Octets of a payload at most: with header, extensions and SRTP it stays below 1200."""


@dataclass(slots=True)
class _LayerState:
    """What one layer is at."""

    layer: Layer
    stream: OutgoingStream
    bitrate: float = 0.0
    key_wanted: bool = True
    key_at: float = float("-inf")
    position: int = 0
    pictures: int = 0
    base_pictures: int = 0
    debt: float = 0.0


class SyntheticVideo:
    """Frames of a camera that nobody looks through.

    A slot whose frame was not asked for in time is skipped (`skipped` counts them), as is its RTP time; frame numbers
    have no holes. Frames are as large as the budget allows, key frames larger.

    Args:
        source: number of the sender, told by every packet.
        fps: frames a second.
        rids: of the simulcast layers, the lowest first; none: one layer.
        temporal_layers: 1, 2 or 3 in each of them.
        layers: in place of those that go with `rids`.
        format: of the payloads.
        payload_limit: octets of a payload at most.

    Attributes:
        next_at: when the next frame is due, monotonic seconds.
        enabled: whether frames are sent; the slots go on.
        frames: how many have been encoded.
    """

    kind = MediaKind.VIDEO

    def __init__(
        self,
        source: int,
        fps: float = 30.0,
        *,
        rids: Sequence[str] = (),
        temporal_layers: int = 1,
        layers: Sequence[Layer] | None = None,
        format: PayloadFormat | None = None,  # noqa: A002 - the field's name for it
        payload_limit: int = PAYLOAD_LIMIT,
    ) -> None:
        self.source = source
        self.fps = fps
        self.layers = tuple(layers) if layers is not None else simulcast_layers(rids)
        self.format = Vp8() if format is None else format
        self.temporal_layers = temporal_layers
        self.streams: Sequence[OutgoingStream] = ()
        self.next_at = float("inf")
        self.frames = 0
        self.skipped = 0
        self._enabled = True
        self._payload_limit = payload_limit
        self._pattern = TEMPORAL_PATTERNS[temporal_layers]
        self._states: list[_LayerState] = []
        self._by_stream: dict[OutgoingStream, _LayerState] = {}
        self._began = 0.0
        self._slot = 0

    @property
    def rids(self) -> tuple[str, ...]:
        """Of its simulcast layers, the lowest first; none without simulcast."""
        return tuple(layer.rid for layer in self.layers if layer.rid is not None)

    @property
    def scalability_mode(self) -> str | None:
        """Of each layer; None for a single one of all frames."""
        return f"L1T{self.temporal_layers}" if self.temporal_layers > 1 or self.rids else None

    @property
    def wish(self) -> float:
        """bit/s of all layers, and what a layer that was given up needs beyond its minimum to come back."""
        return sum(layer.maximum for layer in self.layers) + max((RETURN - 1) * layer.minimum for layer in self.layers)

    def max_bitrates(self) -> tuple[int, ...]:
        """bit/s of each layer at most."""
        return tuple(layer.maximum for layer in self.layers)

    @property
    def bitrates(self) -> tuple[float, ...]:
        """bit/s that each layer is encoded at now; 0: it is not sent."""
        return tuple(state.bitrate for state in self._states)

    @property
    def enabled(self) -> bool:
        """Whether frames are sent; they begin again with key frames."""
        return self._enabled

    @enabled.setter
    def enabled(self, value: bool) -> None:
        if value and not self._enabled:
            for state in self._states:
                state.key_wanted, state.key_at = True, float("-inf")
        self._enabled = value

    def begin(self, streams: Sequence[OutgoingStream], now: float) -> None:
        """Start encoding at once."""
        self.streams = tuple(streams)
        self._states = [_LayerState(layer, stream) for layer, stream in zip(self.layers, streams, strict=True)]
        self._by_stream = {state.stream: state for state in self._states}
        self._began = self.next_at = now

    def set_budget(self, budget: float, now: float) -> None:  # noqa: ARG002 - the next frame is soon enough
        """Divide bit/s among the layers; one that comes back begins with a key frame."""
        shares = allocate(self.layers, budget, [state.bitrate > 0 for state in self._states])
        for state, share in zip(self._states, shares, strict=True):
            state.bitrate = share

    def request_key_frame(self, stream: OutgoingStream, now: float) -> None:  # noqa: ARG002 - comes with the next frame
        """The next frame of this layer that may be a key frame is one."""
        self._by_stream[stream].key_wanted = True

    def encode(self, now: float) -> list[Outgoing]:
        """The packets of the frame that is due, the lowest layer first; nothing when none is."""
        if now < self.next_at:
            return []
        captured_at = self.next_at
        if now - captured_at > 1 / self.fps:
            behind = int((now - captured_at) * self.fps)
            self.skipped += behind
            self._slot += behind
            captured_at = self._began + self._slot / self.fps
        self._slot += 1
        self.next_at = self._began + self._slot / self.fps
        if not self._enabled:
            return []
        packets: list[Outgoing] = []
        for index, state in enumerate(self._states):
            if state.bitrate:
                frame = self._frame(index, state, now)
                payloads = self.format.packetize(frame, self._payload_limit)
                timestamp = state.stream.timestamp_of(captured_at)
                packets += [(state.stream, packet) for packet in state.stream.add(timestamp, payloads)]
            else:
                # a frame after the hole cannot be predicted from one before it
                state.key_wanted, state.key_at = True, float("-inf")
        self.frames += 1
        return packets

    def _frame(self, index: int, state: _LayerState, now: float) -> EncodedFrame:
        key = state.key_wanted and now - state.key_at >= KEY_FRAME_INTERVAL
        counts = state.stream.counts
        counts.frames += 1
        if key:
            state.key_wanted, state.key_at, state.position = False, now, 0
            counts.key_frames += 1
        slot = self._pattern[state.position % len(self._pattern)]
        state.position += 1
        if not slot.temporal_id:
            state.base_pictures += 1
        frame = EncodedFrame(
            source=self.source,
            number=self.frames,
            size=self._size(state, slot.weight, key),
            captured=now,
            layer=index,
            temporal_id=slot.temporal_id,
            temporal_layers=self.temporal_layers,
            reference=0 if key else slot.reference,
            sync=slot.sync and slot.temporal_id > 0,
            picture=state.pictures,
            base_picture=state.base_pictures,
            width=state.layer.width,
            height=state.layer.height,
        )
        state.pictures += 1
        return frame

    def _size(self, state: _LayerState, weight: float, key: bool) -> int:
        """Octets of the next frame: what a key frame took beyond its share, the next eight or so pay back."""
        mean = state.bitrate / self.fps / 8
        wanted = mean * (KEY_FRAME_WEIGHT if key else weight)
        payback = 0.0 if key else min(state.debt, wanted / 2)
        state.debt += wanted - mean * weight - payback if key else -payback
        return max(20, int(wanted - payback))
