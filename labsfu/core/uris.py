"""The URIs that name RTP header extensions in negotiation (RFC 8285 5)."""

from __future__ import annotations

from typing import Final

MID: Final = "urn:ietf:params:rtp-hdrext:sdes:mid"  # RFC 9143 15
RTP_STREAM_ID: Final = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"  # RFC 8852 4.1
REPAIRED_RTP_STREAM_ID: Final = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"  # RFC 8852 4.2
ABS_SEND_TIME: Final = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
TRANSPORT_WIDE_CC: Final = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
FRAME_MARKING_07: Final = "http://tools.ietf.org/html/draft-ietf-avtext-framemarking-07"
FRAME_MARKING: Final = "urn:ietf:params:rtp-hdrext:framemarking"  # RFC 9626
AUDIO_LEVEL: Final = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"  # RFC 6464
VIDEO_ORIENTATION: Final = "urn:3gpp:video-orientation"  # 3GPP TS 26.114 7.4.5
TRANSMISSION_OFFSET: Final = "urn:ietf:params:rtp-hdrext:toffset"  # RFC 5450
ABS_CAPTURE_TIME: Final = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
PLAYOUT_DELAY: Final = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
DEPENDENCY_DESCRIPTOR: Final = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"

ALL: Final = frozenset(
    {
        MID,
        RTP_STREAM_ID,
        REPAIRED_RTP_STREAM_ID,
        ABS_SEND_TIME,
        TRANSPORT_WIDE_CC,
        FRAME_MARKING_07,
        FRAME_MARKING,
        AUDIO_LEVEL,
        VIDEO_ORIENTATION,
        TRANSMISSION_OFFSET,
        ABS_CAPTURE_TIME,
        PLAYOUT_DELAY,
        DEPENDENCY_DESCRIPTOR,
    }
)
