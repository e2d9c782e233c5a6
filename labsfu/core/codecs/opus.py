"""The table-of-contents octet of Opus packets (RFC 6716 3.1) and DTX (RFC 6716 2.1.9, RFC 7587 3.1.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Mode: TypeAlias = Literal["silk", "hybrid", "celt"]
Bandwidth: TypeAlias = Literal["narrowband", "mediumband", "wideband", "superwideband", "fullband"]

_SILK_DURATIONS = (10_000, 20_000, 40_000, 60_000)
_HYBRID_DURATIONS = (10_000, 20_000)
_CELT_DURATIONS = (2_500, 5_000, 10_000, 20_000)
_SILK_BANDWIDTHS: tuple[Bandwidth, ...] = ("narrowband", "mediumband", "wideband")
_HYBRID_BANDWIDTHS: tuple[Bandwidth, ...] = ("superwideband", "fullband")
_CELT_BANDWIDTHS: tuple[Bandwidth, ...] = ("narrowband", "wideband", "superwideband", "fullband")


@dataclass(frozen=True, slots=True)
class OpusToc:
    """What the first octet says (RFC 6716 3.1, table 2).

    Attributes:
        config: 0..31.
        mode: which coder made the frames.
        bandwidth: audio bandwidth.
        frame_duration: microseconds of one frame.
        stereo: two channels.
        code: 0 one frame, 1 two of equal size, 2 two of different sizes, 3 a number in the next octet.
    """

    config: int
    mode: Mode
    bandwidth: Bandwidth
    frame_duration: int
    stereo: bool
    code: int

    @classmethod
    def of_octet(cls, octet: int) -> OpusToc:
        """Read the octet; every value 0..255 is valid."""
        config = octet >> 3
        mode: Mode
        bandwidth: Bandwidth
        if config < 12:
            mode, bandwidth = "silk", _SILK_BANDWIDTHS[config >> 2]
            duration = _SILK_DURATIONS[config & 3]
        elif config < 16:
            mode, bandwidth = "hybrid", _HYBRID_BANDWIDTHS[config - 12 >> 1]
            duration = _HYBRID_DURATIONS[config & 1]
        else:
            mode, bandwidth = "celt", _CELT_BANDWIDTHS[config - 16 >> 2]
            duration = _CELT_DURATIONS[config & 3]
        return cls(config, mode, bandwidth, duration, bool(octet & 4), octet & 3)


def is_dtx(payload_length: int) -> bool:
    """Whether a payload of so many bytes tells the listener only that there is silence.

    In DTX a frame shrinks to at most one octet behind the TOC; an empty payload carries nothing either.
    """
    return payload_length <= 2
