"""What a codec's mimeType says: its kind, and whether it is a retransmission codec."""

from __future__ import annotations

import re
from typing import TypeAlias

from labsfu.errors import InvalidValue
from labsfu.wire.rtp import MediaKind, RtpCodecCapability, RtpCodecParameters

AnyCodec: TypeAlias = RtpCodecCapability | RtpCodecParameters

_MIME_TYPE = re.compile(r"(audio|video)/[0-9a-z!#$&^_.+-]+", re.IGNORECASE)  # names: RFC 6838 4.2


def media_kind(mime_type: str, *, slug: str) -> MediaKind:
    """Kind of a codec, from its mimeType.

    Raises:
        InvalidValue: neither audio nor video, or not a media type; with the slug given.
    """
    found = _MIME_TYPE.fullmatch(mime_type)
    if found is None:
        raise InvalidValue(f"mimeType '{mime_type}' is neither audio/<name> nor video/<name>", slug=slug)
    return MediaKind(found[1].lower())


def is_rtx(codec: AnyCodec) -> bool:
    """Whether this codec only retransmits another (RFC 4588 8.6)."""
    return codec.mime_type.lower().endswith("/rtx")


def associated_payload_type(codec: AnyCodec) -> int | None:
    """The payload type that an RTX codec repairs: `apt` (RFC 4588 8.6); None if it has none that is an integer."""
    apt = codec.parameters.get("apt")
    return apt if isinstance(apt, int) else None
