"""The table of contents of Opus packets, and which codec has which key-frame test."""

import fractions

import pytest
from aiortc.codecs.opus import OpusEncoder
from av import AudioFrame

from labsfu.core.codecs import h264, vp8
from labsfu.core.codecs.opus import OpusToc, is_dtx
from labsfu.core.codecs.registry import is_key_frame_for


# RFC 6716 3.1, table 2: the first and last configuration of each row
@pytest.mark.rfc("RFC 6716 3.1")
@pytest.mark.parametrize(
    ("config", "mode", "bandwidth", "duration"),
    [
        (0, "silk", "narrowband", 10_000),
        (3, "silk", "narrowband", 60_000),
        (4, "silk", "mediumband", 10_000),
        (7, "silk", "mediumband", 60_000),
        (8, "silk", "wideband", 10_000),
        (11, "silk", "wideband", 60_000),
        (12, "hybrid", "superwideband", 10_000),
        (13, "hybrid", "superwideband", 20_000),
        (14, "hybrid", "fullband", 10_000),
        (15, "hybrid", "fullband", 20_000),
        (16, "celt", "narrowband", 2_500),
        (19, "celt", "narrowband", 20_000),
        (20, "celt", "wideband", 2_500),
        (23, "celt", "wideband", 20_000),
        (24, "celt", "superwideband", 2_500),
        (27, "celt", "superwideband", 20_000),
        (28, "celt", "fullband", 2_500),
        (29, "celt", "fullband", 5_000),
        (31, "celt", "fullband", 20_000),
    ],
)
def test_the_configuration_names_mode_bandwidth_and_duration(
    config: int, mode: str, bandwidth: str, duration: int
) -> None:
    toc = OpusToc.of_octet(config << 3)
    assert (toc.config, toc.mode, toc.bandwidth, toc.frame_duration) == (config, mode, bandwidth, duration)


@pytest.mark.rfc("RFC 6716 3.1")
def test_the_low_bits_are_channels_and_the_number_of_frames() -> None:
    assert [(OpusToc.of_octet(o).stereo, OpusToc.of_octet(o).code) for o in (0xF8, 0xFC, 0xF9, 0xFF)] == [
        (False, 0),
        (True, 0),
        (False, 1),
        (True, 3),
    ]


def test_every_octet_has_a_meaning() -> None:
    assert len({OpusToc.of_octet(octet) for octet in range(256)}) == 256


def test_a_packet_of_a_real_encoder_is_fullband_stereo_of_20_ms() -> None:
    frame = AudioFrame(format="s16", layout="stereo", samples=960)
    frame.sample_rate, frame.pts, frame.time_base = 48000, 0, fractions.Fraction(1, 48000)
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    (packet,), _ = OpusEncoder().encode(frame)
    toc = OpusToc.of_octet(packet[0])
    assert (toc.bandwidth, toc.frame_duration, toc.stereo) == ("fullband", 20_000, True)
    assert not is_dtx(len(packet))


@pytest.mark.rfc("RFC 7587 3.1.3")
@pytest.mark.parametrize(("length", "silent"), [(0, True), (1, True), (2, True), (3, False), (200, False)])
def test_two_octets_or_less_are_silence(length: int, silent: bool) -> None:
    assert is_dtx(length) is silent


def test_codecs_are_looked_up_in_any_case_of_letters() -> None:
    assert is_key_frame_for("video/VP8") is vp8.is_key_frame
    assert is_key_frame_for("video/h264") is h264.is_key_frame


@pytest.mark.parametrize("mime_type", ["audio/opus", "audio/PCMU", "video/H265", "video/rtx", ""])
def test_codecs_without_key_frames_may_start_with_any_packet(mime_type: str) -> None:
    assert is_key_frame_for(mime_type) is None
