"""Transport-wide congestion control feedback."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labsfu.core.rtcp.chunks import decode_chunk, encode_chunks
from labsfu.core.rtcp.compound import parse_compound
from labsfu.core.rtcp.transport_cc import REFERENCE_WRAP, TransportFeedback
from labsfu.errors import Malformed

DRAFT = "draft-holmer-rmcat-transport-wide-cc-extensions-01"

# The examples of the draft, 3.1.3 and 3.1.4
CHUNKS = [
    (0x00DD, [0] * 221),
    (0x6018, [3] * 24),
    (0x9F1C, [0, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0]),
    (0xCD50, [0, 3, 1, 1, 1, 0, 0]),
]

# Packets published in the tests of pion/rtcp and, the last, in those of olivermichel/webrtc-analysis (read there by
# Wireshark); deltas are in units of 250 us
PUBLISHED = [
    (
        "afcd0005 fa17fa17 43032fa0 00990001 3de80217 20019401",
        TransportFeedback(0xFA17FA17, 0x43032FA0, 153, 23, 4057090, (148,)),
    ),
    (
        "afcd0007 fa17fa17 193dd8bb 00040007 10636e01 20074c24 24100c0c 10000003",
        TransportFeedback(0xFA17FA17, 0x193DD8BB, 4, 1, 1074030, (76, 36, 36, 16, 12, 12, 16)),
    ),
    (
        "afcd0007 fa17fa17 43032fa0 9c14000c 75842000 bec0c13f 3b3f5390 3b000003",
        TransportFeedback(
            0xFA17FA17,
            0x43032FA0,
            39956,
            0,
            7701536,
            (193, 63, 59, 63, 83, None, 144, 59, None, None, None, None),
        ),
    ),
    (
        "afcd0007 00000001 dd586eb6 00010009 5e911000 20091c0c 2c380004 00081801",
        TransportFeedback(1, 0xDD586EB6, 1, 0, 6197520, (28, 12, 44, 56, 0, 4, 0, 8, 24)),
    ),
    (
        "8fcd0004 9acb0442 00000000 00000000 00000000",
        TransportFeedback(0x9ACB0442, 0, 0, 0, 0, ()),
    ),
]


@pytest.mark.rfc(f"{DRAFT} 3.1.3", f"{DRAFT} 3.1.4")
@pytest.mark.parametrize(("chunk", "symbols"), CHUNKS)
def test_chunks_are_runs_or_vectors_as_in_the_examples_of_the_draft(chunk: int, symbols: list[int]) -> None:
    assert list(decode_chunk(chunk)) == symbols
    assert encode_chunks(bytes(symbols)) == chunk.to_bytes(2, "big")


@pytest.mark.rfc(f"{DRAFT} 3.1")
@pytest.mark.parametrize(("data", "feedback"), PUBLISHED)
def test_published_packets_are_read_and_written(data: str, feedback: TransportFeedback) -> None:
    assert parse_compound(bytes.fromhex(data)) == [feedback]
    assert feedback.encode() == bytes.fromhex(data)


# From the same tests: chunks that another encoder chose otherwise than ours does
@pytest.mark.rfc(f"{DRAFT} 3.1.5")
@pytest.mark.parametrize(
    ("data", "sequence", "deltas"),
    [
        (
            "afcd0007 fa17fa17 193dd8bb 01740006 45b15a40 40022004 1ffe1f9a d000d000",
            372,
            (8190, 8090, 208, 0, 208, 0),
        ),
        (  # the run of 48 missing packets goes far beyond the nine that are reported on
            "afcd0007 9b74f61f 9371dcbc 853c0009 63f916b3 d5520030 9baa6aaa 7b010901",
            34108,
            (155, 170, 106, 170, 123, None, 265, None, None),
        ),
    ],
)
def test_published_packets_with_other_chunks_are_read(data: str, sequence: int, deltas: tuple[int | None, ...]) -> None:
    # The first is published without room for its padding count: without the P bit it holds exactly its deltas.
    raw = bytearray.fromhex(data)
    if raw[-1] == 0:
        raw[0] &= ~0x20
    (feedback,) = parse_compound(raw)
    assert isinstance(feedback, TransportFeedback)
    assert (feedback.base_sequence, feedback.deltas) == (sequence, deltas)
    assert parse_compound(feedback.encode()) == [feedback]


def test_zero_padding_without_the_p_bit_is_taken_as_well() -> None:
    (feedback,) = parse_compound(bytes.fromhex("8fcd0005 00000001 00000002 00990001 3de80217 20019400"))
    assert isinstance(feedback, TransportFeedback)
    assert feedback.deltas == (148,)


@pytest.mark.rfc(f"{DRAFT} 3.1")
@pytest.mark.parametrize("base", [0, 1, 32767, 32768, 65534, 65535])
def test_sequence_numbers_go_on_over_the_wrap(base: int) -> None:
    feedback, covered = TransportFeedback.of_arrivals(1, 2, base + 65536, 300, [0.064, None, 0.0655])
    assert covered == 3
    assert (feedback.base_sequence, feedback.feedback_count) == (base, 44)
    assert feedback.arrivals() == [(base, 0.064), ((base + 1) & 0xFFFF, None), ((base + 2) & 0xFFFF, 0.0655)]


def test_arrivals_are_counted_from_the_reference_before_the_first() -> None:
    feedback, _ = TransportFeedback.of_arrivals(1, 2, 7, 0, [None, 10.001, 10.0, 10.1])
    assert feedback.reference_time == 156  # 9.984 s
    assert feedback.deltas == (None, 68, -4, 400)
    assert feedback.arrivals() == [(7, None), (8, 10.001), (9, 10.0), (10, 10.1)]


def test_rounding_does_not_add_up_over_many_packets() -> None:
    times = [n * 0.0001 for n in range(5000)]
    feedback, covered = TransportFeedback.of_arrivals(1, 2, 0, 0, times)
    assert covered == 5000
    for (_, arrival), sent in zip(feedback.arrivals(), times, strict=True):
        assert arrival is not None
        assert abs(arrival - sent) <= 0.000125 + 1e-9


@pytest.mark.parametrize(("ticks", "covered"), [(32767, 2), (32768, 1), (-32768, 2), (-32769, 1)])
def test_a_delta_holds_sixteen_signed_bits(ticks: int, covered: int) -> None:
    feedback, count = TransportFeedback.of_arrivals(1, 2, 0, 0, [100.0, 100.0 + ticks / 4000])
    assert count == covered
    assert parse_compound(feedback.encode()) == [feedback]


@pytest.mark.parametrize("gap", [8.3, -8.3])
def test_a_feedback_ends_before_a_gap_that_no_delta_can_hold(gap: float) -> None:
    arrivals = [100.0, None, 100.0 + gap, 100.0 + gap]
    first, covered = TransportFeedback.of_arrivals(1, 2, 65535, 0, arrivals)
    assert (first.deltas, covered) == ((128, None), 2)
    second, rest = TransportFeedback.of_arrivals(1, 2, 65535 + covered, 1, arrivals[covered:])
    assert (second.base_sequence, rest) == (1, 2)


@pytest.mark.rfc(f"{DRAFT} 3.1")
@pytest.mark.parametrize(
    ("units", "octets"), [(-1, "ffffff"), (2**23 - 1, "7fffff"), (2**23, "800000"), (2**24, "000000")]
)
def test_the_reference_time_is_signed_and_wraps(units: int, octets: str) -> None:
    feedback, _ = TransportFeedback.of_arrivals(1, 2, 0, 0, [units * 0.064])
    assert feedback.encode()[16:19].hex() == octets
    assert parse_compound(feedback.encode()) == [feedback]
    ((_, arrival),) = feedback.arrivals()
    assert arrival is not None
    assert (units * 0.064 - arrival) % REFERENCE_WRAP == pytest.approx(0, abs=1e-3)


def test_nothing_received_is_still_a_report() -> None:
    feedback, covered = TransportFeedback.of_arrivals(1, 2, 0, 0, [None] * 70000)
    assert covered == 65535
    assert parse_compound(feedback.encode()) == [feedback]
    assert len(feedback.encode()) == 40


@pytest.mark.parametrize("deltas", [(40000,), (-40000,), (None,) * 65536])
def test_what_one_feedback_cannot_hold_is_refused(deltas: tuple[int | None, ...]) -> None:
    with pytest.raises(ValueError, match="fit"):
        TransportFeedback(1, 2, 0, 0, 0, deltas).encode()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("8fcd0003 00000001 00000002 00990001", "rtcp-bad-transport-cc"),
        ("8fcd0004 00000001 00000002 00990001 3de80217", "rtcp-bad-transport-cc"),
        ("afcd0005 fa17fa17 43032fa0 00990003 3de80217 20039401", "rtcp-bad-transport-cc"),
        ("afcd0005 fa17fa17 43032fa0 00990002 3de80217 40029401", "rtcp-bad-transport-cc"),
        ("8fcd0005 00000001 00000002 00990001 3de80217 60010000", "rtcp-reserved-status"),
        ("8fcd0005 00000001 00000002 0099ffff 3de80217 00000000", "rtcp-bad-transport-cc"),
    ],
)
def test_feedback_that_does_not_hold_is_malformed(data: str, reason: str) -> None:
    with pytest.raises(Malformed) as refused:
        parse_compound(bytes.fromhex(data))
    assert refused.value.reason == reason


@given(st.lists(st.sampled_from([0, 0, 0, 1, 1, 2]), max_size=200).map(bytes), st.integers(0, 20))
def test_chunks_come_back_as_the_symbols_they_were_made_from(symbols: bytes, run: int) -> None:
    symbols += symbols[:1] * run
    data = encode_chunks(symbols)
    decoded = b"".join(decode_chunk(int.from_bytes(data[n : n + 2], "big")) for n in range(0, len(data), 2))
    assert decoded[: len(symbols)] == symbols
    assert not any(decoded[len(symbols) :])
    assert len(data) // 2 <= -(-len(symbols) // 7), "never worse than two-bit vectors alone"
