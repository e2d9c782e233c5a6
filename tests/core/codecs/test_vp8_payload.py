"""VP8 payload descriptors and key frames."""

import fractions

import numpy as np
import pytest
from aiortc.codecs.vpx import Vp8Encoder, VpxPayloadDescriptor
from av import VideoFrame
from hypothesis import given
from hypothesis import strategies as st

from labsfu.core.codecs import vp8
from labsfu.core.codecs.vp8 import Vp8PayloadDescriptor
from labsfu.errors import Malformed

# aiortc 1.16 with libvpx, 176 x 144: first and second packet of a key frame, first packet of a delta frame
KEY_FRAME = bytes.fromhex("9080d6a4 5070009d012ab00090003903")
KEY_FRAME_SECOND = bytes.fromhex("8080d6a4 256563d5ac0ec9e89cc2bb80")
DELTA_FRAME = bytes.fromhex("9080d6a5 f14c00e40a581812a9a06d19")


def read(data: bytes) -> Vp8PayloadDescriptor:
    descriptor = Vp8PayloadDescriptor()
    descriptor.read(data, 0, len(data))
    return descriptor


# aiortc 1.16: bytes(VpxPayloadDescriptor(...)) with the values that follow
@pytest.mark.rfc("RFC 7741 4.2")
@pytest.mark.parametrize(
    ("data", "start", "partition", "picture_id", "tl0", "temporal", "sync", "key_index"),
    [
        ("10", True, 0, -1, -1, -1, False, -1),
        ("90808011", True, 0, 17, -1, -1, False, -1),
        ("90f0ffffffbf", True, 0, 32767, 255, 2, True, 31),
        ("8720c0", False, 7, -1, -1, 3, False, -1),
        ("90500901", True, 0, -1, 9, -1, False, 1),
        # the form with seven bits, from the VP8 tests of mediasoup
        ("d08011", True, 0, 17, -1, -1, False, -1),
        ("d0c01103", True, 0, 17, 3, -1, False, -1),
        ("883ee4", False, 0, -1, -1, 3, True, 4),
    ],
)
def test_every_field_of_the_descriptor_is_read(
    data: str, start: bool, partition: int, picture_id: int, tl0: int, temporal: int, sync: bool, key_index: int
) -> None:
    raw = bytes.fromhex(data)
    descriptor = read(raw + b"\x01")
    assert (descriptor.start_of_partition, descriptor.partition_index) == (start, partition)
    assert (descriptor.picture_id, descriptor.tl0_picture_index) == (picture_id, tl0)
    assert (descriptor.temporal_id, descriptor.layer_sync) == (temporal, sync)
    assert descriptor.key_index == key_index
    assert descriptor.payload_offset == len(raw)


@pytest.mark.rfc("RFC 7741 4.2")
def test_the_n_bit_marks_a_frame_that_no_other_needs() -> None:
    assert read(b"\x30\x01").non_reference is True
    assert read(b"\x10\x01").non_reference is False


@pytest.mark.rfc("RFC 7741 4.3", "RFC 6386 9.1")
def test_the_first_packet_of_a_key_frame_gives_its_size() -> None:
    descriptor = read(KEY_FRAME)
    assert descriptor.is_key_frame
    assert (descriptor.width, descriptor.height) == (176, 144)
    assert descriptor.picture_id == 0x56A4


@pytest.mark.rfc("RFC 6386 9.1")
def test_the_scaling_bits_are_no_part_of_the_size() -> None:
    descriptor = read(bytes.fromhex("10 507000 9d012a b040 9080"))
    assert (descriptor.width, descriptor.height) == (176, 144)


@pytest.mark.parametrize("data", [KEY_FRAME_SECOND, DELTA_FRAME])
def test_other_packets_are_no_key_frames_and_give_no_size(data: bytes) -> None:
    descriptor = read(data)
    assert not descriptor.is_key_frame
    assert not vp8.is_key_frame(data, 0, len(data))
    assert (descriptor.width, descriptor.height) == (0, 0)


@pytest.mark.parametrize("payload", ["10 50", "10 507000 9d012ab0009000"[:-2], "10 507000 000000 b0009000"])
def test_a_key_frame_without_its_whole_header_is_one_but_gives_no_size(payload: str) -> None:
    descriptor = read(bytes.fromhex(payload))
    assert descriptor.is_key_frame
    assert (descriptor.width, descriptor.height) == (0, 0)


@pytest.mark.rfc("RFC 7741 4.3")
@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ("10 00", True),
        ("10 01", False),  # P bit: an inter frame
        ("00 00", False),  # S not set
        ("11 00", False),  # another partition
        ("17 00", False),
        ("30 00", True),  # N does not matter
        ("50 00", True),  # nor the reserved bit
        ("90 80 11 00", True),
        ("90 80 80 11 00", True),
        ("90 80 80 11 01", False),
        ("90 f0 80 00 00 00 00", True),
        ("90 e0 7f 00 00 00", True),
        ("90 30 00 00", True),  # T and K share an octet
        ("90 00 00", True),
    ],
)
def test_a_key_frame_starts_where_s_is_set_pid_and_p_are_zero(payload: str, expected: bool) -> None:
    data = bytes.fromhex(payload)
    padded = b"\xff" * 5 + data + b"\x00" * 5
    assert vp8.is_key_frame(padded, 5, len(data)) is expected
    assert vp8.is_key_frame(memoryview(padded), 5, len(data)) is expected
    assert read(data).is_key_frame is expected


@pytest.mark.parametrize("payload", ["", "10", "90", "9080", "908080", "90808011", "90f080110000", "9040", "9020"])
def test_a_payload_that_ends_before_the_frame_starts_none(payload: str) -> None:
    data = bytes.fromhex(payload)
    assert vp8.is_key_frame(data + b"\0" * 9, 0, len(data)) is False
    assert vp8.is_key_frame(data, 0, len(data) + 9) is False


@pytest.mark.parametrize("payload", ["", "90", "9080", "908080", "90c011", "9040", "9020", "9010", "90e0801100"])
def test_a_descriptor_that_is_cut_off_is_malformed(payload: str) -> None:
    with pytest.raises(Malformed) as refused:
        read(bytes.fromhex(payload))
    assert refused.value.reason == "vp8-truncated"


@pytest.mark.parametrize(
    ("payload", "picture_id", "tl0", "patched"),
    [
        ("90f0ffffffbf", 0x1234, 7, "90f0923407bf"),
        ("90f0ffffffbf", 32768 + 5, 256, "90f0800500bf"),
        ("d0c01103", 127, 255, "d0c07fff"),
        ("d0c01103", 129, 0, "d0c00100"),
        ("883ee4", 1, 2, "883ee4"),
    ],
)
def test_picture_id_and_tl0picidx_are_patched_in_place(payload: str, picture_id: int, tl0: int, patched: str) -> None:
    buffer = bytearray(b"head" + bytes.fromhex(payload) + b"tail")
    descriptor = Vp8PayloadDescriptor()
    descriptor.read(buffer, 4, len(buffer) - 4)
    descriptor.write_picture_id(buffer, picture_id)
    descriptor.write_tl0_picture_index(memoryview(buffer), tl0)
    assert buffer == b"head" + bytes.fromhex(patched) + b"tail"


def test_a_reused_descriptor_keeps_nothing_of_the_payload_before() -> None:
    descriptor = read(KEY_FRAME)
    descriptor.read(b"\x00\x00", 0, 2)
    fresh = read(b"\x00\x00")
    names = Vp8PayloadDescriptor.__slots__
    assert [getattr(descriptor, name) for name in names] == [getattr(fresh, name) for name in names]


@pytest.mark.parametrize("start", [0, 1, 126, 127, 128, 32766, 32767])
def test_picture_ids_at_the_edges_are_those_that_aiortc_reads(start: int) -> None:
    data = bytes(VpxPayloadDescriptor(1, 0, picture_id=start, tl0picidx=start & 0xFF)) + b"\x01"
    descriptor = read(data)
    assert (descriptor.picture_id, descriptor.tl0_picture_index) == (start, start & 0xFF)


@given(st.binary(max_size=24))
def test_any_bytes_are_read_as_aiortc_reads_them_or_malformed(data: bytes) -> None:
    key_frame = vp8.is_key_frame(data, 0, len(data))
    try:
        descriptor = read(data)
    except Malformed:
        assert not key_frame
        with pytest.raises(ValueError, match="VPX"):
            VpxPayloadDescriptor.parse(data)
        return
    other, rest = VpxPayloadDescriptor.parse(data)
    assert descriptor.is_key_frame == key_frame
    assert (descriptor.picture_id, descriptor.tl0_picture_index) == (
        -1 if other.picture_id is None else other.picture_id,
        -1 if other.tl0picidx is None else other.tl0picidx,
    )
    tid, sync = other.tid or (-1, 0)
    assert (descriptor.temporal_id, descriptor.layer_sync) == (tid, bool(sync))
    assert descriptor.key_index == (-1 if other.keyidx is None else other.keyidx)
    assert data[descriptor.payload_offset :] == rest


def test_the_frames_of_a_real_encoder_are_told_apart() -> None:
    encoder = Vp8Encoder()
    for number in range(4):
        noise = np.random.default_rng(number).integers(0, 255, (96 * 3 // 2, 64), dtype=np.uint8)
        frame = VideoFrame.from_ndarray(noise, format="yuv420p")
        frame.pts, frame.time_base = number * 3000, fractions.Fraction(1, 90000)
        payloads, _ = encoder.encode(frame, force_keyframe=number == 2)
        assert [vp8.is_key_frame(p, 0, len(p)) for p in payloads] == [
            index == 0 and number in (0, 2) for index in range(len(payloads))
        ]
        if number in (0, 2):
            assert (read(payloads[0]).width, read(payloads[0]).height) == (64, 96)
