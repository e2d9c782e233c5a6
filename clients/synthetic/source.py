"""What a synthetic encoder is to those who send it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from clients.synthetic.formats import PayloadFormat
from clients.synthetic.outgoing import OutgoingPacket, OutgoingStream
from labsfu.wire.rtp import MediaKind

Outgoing: TypeAlias = tuple[OutgoingStream, OutgoingPacket]


class SyntheticSource(Protocol):
    """An encoder whose frames cost nothing: `SyntheticVideo`, `SyntheticAudio`."""

    format: PayloadFormat
    streams: Sequence[OutgoingStream]
    enabled: bool
    next_at: float

    @property
    def kind(self) -> MediaKind:
        """Audio or video."""

    @property
    def rids(self) -> tuple[str, ...]:
        """Of its simulcast layers, the lowest first; none without simulcast."""

    @property
    def scalability_mode(self) -> str | None:
        """Of each layer, e.g. `L1T3`; None when there is nothing to say."""

    @property
    def wish(self) -> float:
        """bit/s that it would send at most."""

    def max_bitrates(self) -> tuple[int, ...]:
        """bit/s of each layer at most."""

    def begin(self, streams: Sequence[OutgoingStream], now: float) -> None:
        """Start encoding, the lowest layer's stream first."""

    def set_budget(self, budget: float, now: float) -> None:
        """Encode within this many bit/s from now on."""

    def request_key_frame(self, stream: OutgoingStream, now: float) -> None:
        """Somebody needs a key frame of a layer."""

    def encode(self, now: float) -> list[Outgoing]:
        """The packets of the frame that is due; nothing when none is."""
