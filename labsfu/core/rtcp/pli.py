"""Picture loss indication (RFC 4585 6.3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from labsfu.core.rtcp.feedback import PayloadFormat, encode_feedback, parse_ssrcs
from labsfu.core.rtcp.header import PacketType


@dataclass(frozen=True, slots=True)
class PictureLossIndication:
    """The receiver of `media_ssrc` asks for a key frame."""

    sender_ssrc: int
    media_ssrc: int

    def encode(self) -> bytes:
        """The whole packet."""
        return encode_feedback(PacketType.PSFB, PayloadFormat.PLI, self.sender_ssrc, self.media_ssrc)

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read the body; feedback control information, of which PLI has none, is ignored.

        Raises:
            Malformed: `rtcp-bad-feedback`.
        """
        return cls(*parse_ssrcs(body))
