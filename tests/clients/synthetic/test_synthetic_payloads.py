"""Synthetic payloads, read by others."""

from __future__ import annotations

import fractions

import pytest
from aiortc.codecs.opus import OpusDecoder
from aiortc.codecs.vpx import VpxPayloadDescriptor
from aiortc.jitterbuffer import JitterFrame
from av import AudioFrame
from hypothesis import given
from hypothesis import strategies as st

from clients.synthetic.formats import EncodedFrame, PayloadHead
from clients.synthetic.opus import Opus
from clients.synthetic.stamp import LENGTH, Stamp, read_stamp
from clients.synthetic.vp8 import Vp8
from labsfu.core.codecs.vp8 import Vp8PayloadDescriptor
from labsfu.errors import Malformed

LIMIT = 1100


def frame(**changes: int | bool | float) -> EncodedFrame:
    values: dict[str, int | bool | float] = {"source": 5, "number": 70_000, "size": 3000, "captured": 12.5}
    return EncodedFrame(**(values | changes))  # type: ignore[arg-type] # names and types are those of the tests below


@pytest.mark.rfc("RFC 7741 4.2", "RFC 7741 4.3")
def test_a_key_frame_says_so_and_how_large_the_picture_is() -> None:
    payloads = Vp8().packetize(frame(width=1280, height=720, picture=32_769), LIMIT)
    descriptor = Vp8PayloadDescriptor()
    descriptor.read(payloads[0], 0, len(payloads[0]))
    key = descriptor.is_key_frame
    assert key
    assert (descriptor.width, descriptor.height) == (1280, 720)
    assert descriptor.picture_id == 1
    assert descriptor.long_picture_id
    for payload in payloads[1:]:
        descriptor.read(payload, 0, len(payload))
        assert not descriptor.start_of_partition
        assert not descriptor.is_key_frame
        assert descriptor.picture_id == 1


@pytest.mark.rfc("RFC 7741 4.2")
def test_temporal_layers_are_read_by_aiortc_and_by_us() -> None:
    encoded = frame(temporal_layers=3, temporal_id=2, reference=1, picture=300, base_picture=260, sync=True, size=500)
    (payload,) = Vp8().packetize(encoded, LIMIT)
    descriptor, rest = VpxPayloadDescriptor.parse(payload)
    assert descriptor.picture_id == 300
    assert descriptor.tl0picidx == 4
    assert descriptor.tid == (2, 1)
    assert descriptor.partition_start == 1
    assert rest[0] & 1
    assert Vp8().read(payload, 0, len(payload)) == PayloadHead(True, False, 300, 4, 2, True)


@pytest.mark.rfc("RFC 7741 4.2")
@given(
    st.booleans(),
    st.one_of(st.none(), st.integers(0, 32_767)),
    st.one_of(st.none(), st.integers(0, 255)),
    st.one_of(st.none(), st.tuples(st.integers(0, 3), st.integers(0, 1))),
    st.one_of(st.none(), st.integers(0, 31)),
    st.binary(min_size=1, max_size=4),
)
def test_descriptors_of_aiortc_are_read(
    start: bool, picture: int | None, base: int | None, tid: tuple[int, int] | None, key: int | None, rest: bytes
) -> None:
    descriptor = VpxPayloadDescriptor(
        partition_start=int(start), partition_id=0, picture_id=picture, tl0picidx=base, tid=tid, keyidx=key
    )
    payload = bytes(descriptor) + rest
    head = Vp8().read(b"xx" + payload + b"\x90\x80", 2, 2 + len(payload))
    assert head.starts == start
    assert head.key == (start and not rest[0] & 1)
    assert head.picture_id == (-1 if picture is None else picture)
    assert head.base_index == (-1 if base is None else base)
    assert head.temporal_id == (-1 if tid is None else tid[0])


def test_a_descriptor_that_is_cut_is_refused() -> None:
    for length in range(1, 6):
        with pytest.raises(Malformed, match="vp8-truncated"):
            Vp8().read(bytes.fromhex("90e0812c0520")[:length] + b"\0" * 9, 0, length)


@given(st.integers(1, 60_000), st.sampled_from([200, 1100]), st.booleans())
def test_a_frame_has_its_size_and_no_payload_is_too_long(size: int, limit: int, key: bool) -> None:
    payloads = Vp8().packetize(frame(size=size, reference=0 if key else 1), limit)
    assert max(map(len, payloads)) <= limit
    content = sum(len(payload) - LENGTH - 4 for payload in payloads)
    assert max(0, content - size) <= 12
    for index, payload in enumerate(payloads):
        stamp = read_stamp(payload, len(payload))
        assert stamp == Stamp(5, 70_000, 12.5, reference=0 if key else 1, index=index, count=len(payloads))
    heads = [Vp8().read(payload, 0, len(payload)) for payload in payloads]
    assert [head.starts for head in heads] == [True] + [False] * (len(payloads) - 1)
    assert heads[0].key == key


def test_what_is_not_synthetic_has_no_stamp() -> None:
    assert read_stamp(bytes(100), 100) is None
    assert read_stamp(b"short", 5) is None
    stamp = Stamp(1, (1 << 32) + 2, 3.0).encode()
    assert read_stamp(stamp + b"padding", len(stamp)) == Stamp(1, 2, 3.0)


@pytest.mark.rfc("RFC 7587 4.2", "RFC 6716 3.1")
def test_libopus_decodes_synthetic_sound_to_silence() -> None:
    (payload,) = Opus().packetize(frame(size=80), 1200)
    assert len(payload) == 80
    assert read_stamp(payload, len(payload)) is not None
    decoder = OpusDecoder()
    frames = [decoder.decode(JitterFrame(data=payload, timestamp=960 * index))[0] for index in range(5)]
    for decoded in frames:
        assert isinstance(decoded, AudioFrame)
        assert decoded.samples == 960
        assert decoded.time_base == fractions.Fraction(1, 48_000)
        assert not decoded.to_ndarray().any()
