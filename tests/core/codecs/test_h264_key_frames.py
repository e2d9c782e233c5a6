"""Key frames in H.264 payloads."""

import fractions

import numpy as np
import pytest
from aiortc.codecs.h264 import H264Encoder
from av import VideoFrame
from hypothesis import given
from hypothesis import strategies as st

from labsfu.core.codecs import h264


# The first two octets of most rows are those that aiortc 1.16 with x264 sends: 78 STAP-A, 7c FU-A of an IDR slice,
# 5c FU-A of another slice.
@pytest.mark.rfc("RFC 6184 5.6", "RFC 6184 5.7.1", "RFC 6184 5.8")
@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ("7800 156742c01fd902c4e840000003004000000f23c60c92 000468cb8cb2", True),
        ("7c85 888416fc58fa", False),  # first fragment of an IDR slice: its parameter sets came before
        ("7c05 888416fc58fa", False),  # a later one
        ("7c45 888416fc58fa", False),  # the last one
        ("5c81 889bc3180058", False),  # first fragment of another slice
        ("7c87 42c01f", True),  # first fragment of a parameter set
        ("67 42c01fd902c4e8", True),  # sequence parameter set alone
        ("65 888416fc", False),  # IDR slice alone
        ("41 9a24", False),  # another slice alone
        ("68 cb8cb2", False),  # picture parameter set alone
        ("78 0002 68cb 0002 0605 0002 6588", False),  # a picture parameter set and an IDR slice, but no sequence's
        ("78 0002 0910 0002 6742 0002 68cb 0002 6588", True),  # all of a key frame in one packet
        ("78 0002 68cb 0002 419a", False),
        ("78 0000 0002 6742", True),  # an empty unit before
        ("78 0000 6701 41", False),  # an empty unit before a size that looks like a parameter set
        ("78 0001 67", True),  # a unit that is its header only
    ],
)
def test_a_sequence_parameter_set_starts_a_key_frame(payload: str, expected: bool) -> None:
    data = bytes.fromhex(payload)
    padded = b"\x67" * 3 + data + b"\x67" * 3
    assert h264.is_key_frame(padded, 3, len(data)) is expected
    assert h264.is_key_frame(memoryview(padded), 3, len(data)) is expected


@pytest.mark.parametrize("payload", ["", "7c", "78", "7800", "780002", "78ffff", "78 0003 68cb", "78 0009 68 6742"])
def test_payloads_that_are_cut_off_start_none(payload: str) -> None:
    data = bytes.fromhex(payload)
    assert h264.is_key_frame(data, 0, len(data)) is False
    assert h264.is_key_frame(data + b"\x67\x85", 0, len(data)) is False
    assert h264.is_key_frame(data, len(data), 5) is False


@given(st.binary(max_size=30), st.integers(0, 40))
def test_any_bytes_give_an_answer(data: bytes, length: int) -> None:
    assert h264.is_key_frame(data, 0, length) in (True, False)
    assert h264.is_key_frame(b"\x78" + data, 0, length) in (True, False)


def test_the_frames_of_a_real_encoder_are_told_apart() -> None:
    encoder = H264Encoder()
    for number in range(4):
        noise = np.random.default_rng(number).integers(0, 255, (96 * 3 // 2, 64), dtype=np.uint8)
        frame = VideoFrame.from_ndarray(noise, format="yuv420p")
        frame.pts, frame.time_base = number * 3000, fractions.Fraction(1, 90000)
        payloads, _ = encoder.encode(frame, force_keyframe=number in (0, 2))
        started = [h264.is_key_frame(p, 0, len(p)) for p in payloads]
        assert started == [number in (0, 2)] + [False] * (len(payloads) - 1)
