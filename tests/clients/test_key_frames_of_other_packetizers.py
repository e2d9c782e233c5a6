"""Key frames are found in what other implementations packetized: aiortc (VP8, H264) and FFmpeg (VP8, H264, AV1)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from aiortc.codecs.vpx import VpxPayloadDescriptor

from clients.network.key_frames import (
    BEGINS_KEY_FRAME,
    av1_begins_key_frame,
    h264_begins_key_frame,
    vp8_begins_key_frame,
)

H264 = Path(__file__).parents[1] / "data" / "h264" / "aiortc-payloads.json"
KEY, DELTA = b"\x70\x07\x00\x9d\x01\x2a", b"\x11\x20\x00\x0f"
"""How a VP8 frame of each sort begins (RFC 6386 9.1)."""


def begins(codec: str, *payloads: str) -> list[bool]:
    return [BEGINS_KEY_FRAME[codec](bytes.fromhex(payload)) for payload in payloads]


@pytest.mark.rfc("RFC 7741 4.2", "RFC 7741 4.3")
def test_vp8() -> None:
    # libvpx in aiortc 1.16, 176 x 144: first and second packet of a key frame, first packet of a delta frame
    aiortc = (
        "9080d6a45070009d012ab00090003903",
        "8080d6a4256563d5ac0ec9e89cc2bb80",
        "9080d6a5f14c00e40a581812a9a06d19",
    )
    assert begins("video/vp8", *aiortc) == [True, False, False]
    # libvpx in FFmpeg 8: two packets of a key frame, two of a delta frame, a key frame again
    ffmpeg = (
        "908080007075009d012ab00090000047",
        "80808000ff41bf88ff27fec9fa97fbb7",
        "908080011120000f11e8001baa37ffef",
        "808080017a0763057523c97673945a70",
        "908080035049009d012ab00090000647",
    )
    assert begins("video/vp8", *ffmpeg) == [True, False, False, False, True]


@pytest.mark.rfc("RFC 7741 4.2")
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"picture_id": 17},
        {"tl0picidx": 9, "keyidx": 1},
        {"tid": (2, 1)},
        {"picture_id": 32767, "tl0picidx": 255, "tid": (2, 1), "keyidx": 31},
    ],
)
def test_vp8_with_every_form_of_descriptor(more: dict[str, int]) -> None:
    first, second = (bytes(VpxPayloadDescriptor(start, 0, **more)) for start in (1, 0))  # type: ignore[arg-type]  # tid
    assert vp8_begins_key_frame(first + KEY)
    assert not vp8_begins_key_frame(first + DELTA)
    assert not vp8_begins_key_frame(second + KEY)
    assert not vp8_begins_key_frame(bytes(VpxPayloadDescriptor(1, 3, **more)) + KEY)  # type: ignore[arg-type]  # tid
    for cut in range(len(first) + 1):
        assert not vp8_begins_key_frame(first[:cut])


@pytest.mark.rfc("RFC 7741 4.2")
def test_vp8_with_a_picture_id_of_seven_bits() -> None:
    assert vp8_begins_key_frame(b"\x90\x80\x11" + KEY)  # as the VP8 tests of mediasoup have it
    assert not vp8_begins_key_frame(b"\x90\x80\x11" + DELTA)


@pytest.mark.rfc("RFC 6184 5.2")
def test_h264() -> None:
    pictures = json.loads(H264.read_text(encoding="utf-8"))
    assert [h264_begins_key_frame(bytes.fromhex(payloads[0])) for payloads in pictures] == [
        number in (0, 3) for number in range(6)
    ]
    # x264 in FFmpeg 8: SPS and PPS in STAP-A, first and middle packet of an IDR slice in FU-A
    ffmpeg = (
        "1800166764000bacb20589d080000003",
        "7c8588820103ffd5098e0b5be5a6fd82",
        "7c05a8daed84c25b41531f34aef827cb",
    )
    assert begins("video/h264", *ffmpeg) == [True, True, False]
    # then of another slice; slices that stand alone; and what is cut off
    assert begins("video/h264", "5c818888113fd8d9", "6588", "6188", "", "18", "180016", "7c") == [
        False, True, False, False, False, False, False,
    ]  # fmt: skip


def test_av1() -> None:
    # SVT-AV1 in FFmpeg 8: first and second packet of a key frame, first of a delta frame, a small frame, a key frame
    ffmpeg = (
        "680c0800000003bd7c78d5f300803010",
        "d0d35029fbdeb994ce696bb1342aeb34",
        "50302802002492491d22c01c70c30800",
        "101888",
        "680c0800000003bd7c78d5f300803010",
    )
    assert begins("video/av1", *ffmpeg) == [True, False, False, False, True]
    assert not av1_begins_key_frame(b"")
