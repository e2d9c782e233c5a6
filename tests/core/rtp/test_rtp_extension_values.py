"""Values of the small RTP header extensions."""

from collections.abc import Callable

import pytest
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import HeaderExtensions, HeaderExtensionsMap
from hypothesis import given
from hypothesis import strategies as st

from labsfu.core import uris
from labsfu.core.rtp import values
from labsfu.core.rtp.extensions import encode_extensions
from labsfu.core.rtp.values import VideoOrientation
from labsfu.errors import Malformed


@pytest.mark.rfc("RFC 6464 3")
@pytest.mark.parametrize(
    ("octet", "voice", "level"), [(0x00, False, 0), (0x7F, False, 127), (0x80, True, 0), (0xFF, True, 127)]
)
def test_audio_level_has_a_voice_bit_and_minus_dbov(octet: int, voice: bool, level: int) -> None:
    assert values.decode_audio_level(bytes((9, octet)), 1, 1) == (voice, level)
    assert values.encode_audio_level(voice, level) == bytes((octet,))


def test_audio_levels_out_of_range_are_clamped() -> None:
    assert values.encode_audio_level(False, 200) == b"\x7f"
    assert values.encode_audio_level(True, -1) == b"\x80"


@pytest.mark.parametrize(
    ("seconds", "value"),
    [(0.0, 0), (1.0, 1 << 18), (63.5, 0xFE0000), (64.0, 0), (65.0, 1 << 18), (1 / 262144, 1), (63.999999, 0)],
)
def test_abs_send_time_is_six_bits_of_seconds_and_eighteen_of_fraction(seconds: float, value: int) -> None:
    assert values.abs_send_time_from_seconds(seconds) == value


def test_abs_send_time_of_an_ntp_timestamp_is_its_middle() -> None:
    # The timestamp of the example in RFC 3550 6.4.1 ends in 5 + 0.125 s of a 64 s period.
    assert values.abs_send_time_from_ntp(0xB44DB70520000000) == (5 << 18) + (1 << 15)
    assert values.abs_send_time_to_seconds((5 << 18) + (1 << 15)) == 5.125


def test_abs_send_time_and_transport_sequence_wrap_when_encoded() -> None:
    assert values.encode_abs_send_time(0x1000001) == b"\x00\x00\x01"
    assert values.encode_transport_sequence(65536) == b"\x00\x00"


@pytest.mark.parametrize(
    ("octet", "orientation"),
    [
        (0x00, VideoOrientation(camera=False, flip=False, rotation=0)),
        (0x01, VideoOrientation(camera=False, flip=False, rotation=90)),
        (0x06, VideoOrientation(camera=False, flip=True, rotation=180)),
        (0x0B, VideoOrientation(camera=True, flip=False, rotation=270)),
    ],
)
def test_video_orientation_names_camera_flip_and_rotation(octet: int, orientation: VideoOrientation) -> None:
    assert values.decode_video_orientation(bytes((octet,)), 0, 1) == orientation
    assert values.encode_video_orientation(orientation) == bytes((octet,))


@pytest.mark.parametrize(
    ("decode", "data", "reason"),
    [
        (values.decode_audio_level, b"", "rtp-bad-audio-level"),
        (values.decode_audio_level, b"\0\0", "rtp-bad-audio-level"),
        (values.decode_abs_send_time, b"\0\0", "rtp-bad-abs-send-time"),
        (values.decode_transport_sequence, b"\0\0\0", "rtp-bad-transport-sequence"),
        (values.decode_video_orientation, b"", "rtp-bad-video-orientation"),
        (values.decode_mid, b"", "rtp-bad-mid"),
        (values.decode_mid, b"\xff", "rtp-bad-mid"),
        (values.decode_rid, b"", "rtp-bad-rid"),
        (values.decode_rid, b"\xc3\xa9", "rtp-bad-rid"),
    ],
)
def test_values_of_another_length_or_encoding_are_malformed(
    decode: Callable[[bytes, int, int], object], data: bytes, reason: str
) -> None:
    with pytest.raises(Malformed) as refused:
        decode(data, 0, len(data))
    assert refused.value.reason == reason


def test_text_is_read_from_any_kind_of_buffer() -> None:
    for buffer in (b"xr1", bytearray(b"xr1"), memoryview(b"xr1")):
        assert values.decode_rid(buffer, 1, 2) == "r1"
        assert values.decode_mid(buffer, 0, 1) == "x"


@given(
    voice=st.booleans(),
    level=st.integers(0, 127),
    send_time=st.integers(0, 2**24 - 1),
    sequence=st.integers(0, 65535),
    mid=st.text("abcdefghijklmnop0123456789", min_size=1, max_size=8),
    rid=st.text("abcdefghijklmnop0123456789", min_size=1, max_size=8),
)
def test_values_are_those_that_aiortc_reads(
    voice: bool, level: int, send_time: int, sequence: int, mid: str, rid: str
) -> None:
    used = [uris.AUDIO_LEVEL, uris.ABS_SEND_TIME, uris.TRANSPORT_WIDE_CC, uris.MID, uris.RTP_STREAM_ID]
    extensions_map = HeaderExtensionsMap()
    extensions_map.configure(
        RTCRtpParameters(
            headerExtensions=[RTCRtpHeaderExtensionParameters(id=id_, uri=uri) for id_, uri in enumerate(used, 1)]
        )
    )
    encoded = [
        values.encode_audio_level(voice, level),
        values.encode_abs_send_time(send_time),
        values.encode_transport_sequence(sequence),
        values.encode_mid(mid),
        values.encode_rid(rid),
    ]
    block = encode_extensions(list(enumerate(encoded, 1)))
    assert extensions_map.get(int.from_bytes(block[:2], "big"), block[4:]) == HeaderExtensions(
        audio_level=(voice, level),
        abs_send_time=send_time,
        transport_sequence_number=sequence,
        mid=mid,
        rtp_stream_id=rid,
    )
    assert values.decode_abs_send_time(encoded[1], 0, 3) == send_time
    assert values.decode_transport_sequence(encoded[2], 0, 2) == sequence


def test_every_extension_that_chromium_names_has_its_constant() -> None:
    assert len(uris.ALL) == 13
    assert {
        "urn:ietf:params:rtp-hdrext:sdes:mid",
        "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
        "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
        "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
        "urn:3gpp:video-orientation",
        "urn:ietf:params:rtp-hdrext:toffset",
        "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
        "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
        "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    } <= uris.ALL
