"""One run of PictureID and TL0PICIDX towards a consumer, whatever is left out and switched to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from aiortc.codecs.vpx import VpxPayloadDescriptor
from hypothesis import given
from hypothesis import strategies as st

from labsfu.core.codecs.vp8 import Vp8PayloadDescriptor
from labsfu.core.forwarding.sequence_map import HISTORY
from labsfu.core.forwarding.vp8_rewriter import MAX_LATE, Vp8Rewriter

pytestmark = pytest.mark.rfc("RFC 7741 4.2")

L1T1 = "0"
L1T2 = "0 1y 0 1"
L1T3 = "0 2y 1y 2 0 2 1 2"
"""TIDs of successive frames, y for those that depend on T0 only: as libvpx has them in Chromium."""

SHIFT = 24
"""Bytes by which a packet grew between being read and being written."""


@dataclass(frozen=True)
class Frame:
    """One frame of a stream; `bits` is the length of its PictureID, negative numbers are absent."""

    picture_id: int
    tl0: int = -1
    tid: int = -1
    sync: bool = False
    key: bool = False
    bits: int = 15

    def payload(self, part: int = 0) -> bytes:
        """The `part`-th packet, octet by octet after RFC 7741 4.2."""
        present = (
            (0x80 if self.picture_id >= 0 else 0) | (0x40 if self.tl0 >= 0 else 0) | (0x20 if self.tid >= 0 else 0)
        )
        octets = [0x80 | (0x10 if part == 0 else 0), present]
        if self.picture_id >= 0:
            octets += [0x80 | self.picture_id >> 8] if self.bits == 15 else []
            octets.append(self.picture_id & 0xFF)
        if self.tl0 >= 0:
            octets.append(self.tl0)
        if self.tid >= 0:
            octets.append(self.tid << 6 | (0x20 if self.sync else 0))
        return bytes([*octets, 0 if self.key else 1, part, 0xEE])

    def read(self, part: int = 0) -> Vp8PayloadDescriptor:
        descriptor = Vp8PayloadDescriptor()
        payload = self.payload(part)
        descriptor.read(payload, 0, len(payload))
        return descriptor


def stream(pattern: str, count: int, picture_id: int = 1000, tl0: int = 50, bits: int = 15) -> list[Frame]:
    """`count` frames that begin with a key frame and repeat the pattern."""
    steps = pattern.split()
    frames = []
    for n in range(count):
        step = steps[n % len(steps)]
        tid = int(step[0])
        tl0 += tid == 0 and n > 0
        frames.append(Frame(picture_id + n & (1 << bits) - 1, tl0 & 0xFF, tid, "y" in step, n == 0, bits))
    return frames


def send(rewriter: Vp8Rewriter, frame: Frame, part: int = 0) -> tuple[int, int] | None:
    """PictureID and TL0PICIDX with which a packet is sent, as aiortc reads them; None if it is left out."""
    if not rewriter.admits(frame.read(part)):
        return None
    output = resend(rewriter, frame, part)
    assert output is not None
    return output


def resend(rewriter: Vp8Rewriter, frame: Frame, part: int = 0) -> tuple[int, int] | None:
    original = frame.payload(part)
    packet = bytearray(SHIFT) + original
    if not rewriter.rewrite(frame.read(part), packet, SHIFT):
        assert packet[SHIFT:] == original
        return None
    written, data = VpxPayloadDescriptor.parse(bytes(packet[SHIFT:]))
    assert not any(packet[:SHIFT])
    assert data == original[-3:]
    assert packet[SHIFT : SHIFT + 2] == original[:2]
    assert len(packet) == SHIFT + len(original)
    assert written.tid == ((frame.tid, int(frame.sync)) if frame.tid >= 0 else None)
    return (
        -1 if written.picture_id is None else written.picture_id,
        -1 if written.tl0picidx is None else written.tl0picidx,
    )


def begin(frame: Frame, target: int, picture_id: int = 0, tl0: int = 0) -> Vp8Rewriter:
    rewriter = Vp8Rewriter(target, first_picture_id=picture_id, first_tl0_picture_index=tl0)
    rewriter.switch(frame.read())
    return rewriter


def picture_ids(outputs: Sequence[tuple[int, int] | None]) -> list[int | None]:
    return [None if output is None else output[0] for output in outputs]


@pytest.mark.parametrize(
    ("bits", "first", "first_tl0"),
    [(15, 0, 0), (15, 127, 255), (15, 32766, 254), (15, 32767, 255), (7, 0, 254), (7, 126, 0), (7, 127, 255)],
)
@pytest.mark.parametrize("own", [(0, 0), (32766, 254), (32767, 255)])
@pytest.mark.parametrize("target", [0, 1, 2])
@pytest.mark.parametrize("pattern", [L1T1, L1T2, L1T3])
def test_what_is_sent_of_one_stream_has_consecutive_numbers(
    pattern: str, target: int, own: tuple[int, int], bits: int, first: int, first_tl0: int
) -> None:
    frames = stream(pattern, 300, first, first_tl0, bits)
    rewriter = begin(frames[0], target, *own)
    sent = [(frame, output) for frame in frames if (output := send(rewriter, frame)) is not None]
    assert [frame for frame, _ in sent] == [frame for frame in frames if frame.tid <= target]
    mask = (1 << bits) - 1
    assert [output[0] for _, output in sent] == [own[0] + n & mask for n in range(len(sent))]
    tl0 = own[1] - 1
    for frame, output in sent:
        tl0 += frame.tid == 0
        assert output[1] == tl0 & 0xFF


def test_all_packets_of_a_frame_have_its_answer_and_its_numbers() -> None:
    frames = stream(L1T2, 8)
    rewriter = begin(frames[0], 0)
    outputs = [[send(rewriter, frame, part) for part in range(3)] for frame in frames]
    answers = [(0, 0), None, (1, 1), None, (2, 2), None, (3, 3), None]
    assert outputs == [[answer] * 3 for answer in answers]


# ---------------------------------------------------------------- temporal layers up and down

SWITCHES = [
    # (pattern; target at the start; the frames before which it is set; TIDs of the frames sent, . for those left out)
    ("down at once", L1T2, 1, {3: 0}, "0 1 0 . 0 . 0 . 0 ."),
    ("up with Y", L1T2, 0, {3: 1}, "0 . 0 . 0 1 0 1 0 1"),
    ("not up without Y", "0 1", 0, {2: 1}, "0 . 0 . 0 . 0 . 0 ."),
    ("down and up", L1T2, 1, {2: 0, 4: 1}, "0 1 0 . 0 1 0 1 0 1"),
    ("two down at once", L1T3, 2, {5: 0}, "0 2 1 2 0 . . . 0 . . . 0 . . ."),
    ("one down", L1T3, 2, {5: 1}, "0 2 1 2 0 . 1 . 0 . 1 . 0 . 1 ."),
    ("two up, one after the other", L1T3, 0, {4: 2}, "0 . . . 0 . . . 0 . 1 . 0 . 1 . 0 2 1 2"),
    ("two up, T1 first", "0 2 1y 2y", 0, {1: 2}, "0 . 1 2 0 2 1 2"),
    ("the upper of two up", L1T3, 1, {4: 2}, "0 . 1 . 0 . 1 . 0 2 1 2 0 2 1 2"),
    ("one of two up", L1T3, 0, {4: 1}, "0 . . . 0 . . . 0 . 1 . 0 . 1 ."),
    ("taken back before it was done", L1T2, 0, {1: 1, 4: 0}, "0 1 0 1 0 . 0 ."),
    ("taken back before a Y came", L1T2, 0, {2: 1, 4: 0}, "0 . 0 . 0 . 0 ."),
]


@pytest.mark.parametrize(
    ("pattern", "target", "targets", "expected"), [case[1:] for case in SWITCHES], ids=[case[0] for case in SWITCHES]
)
@pytest.mark.parametrize(("bits", "first", "tl0"), [(15, 100, 7), (15, 32764, 254), (7, 124, 255)])
def test_the_target_is_reached_where_it_may_be(
    pattern: str, target: int, targets: dict[int, int], expected: str, bits: int, first: int, tl0: int
) -> None:
    frames = stream(pattern, len(expected.split()), first, tl0, bits)
    rewriter = begin(frames[0], target)
    outputs = []
    for n, frame in enumerate(frames):
        rewriter.target_temporal = targets.get(n, rewriter.target_temporal)
        outputs.append(send(rewriter, frame))
    kept = [str(f.tid) if output is not None else "." for f, output in zip(frames, outputs, strict=True)]
    assert " ".join(kept) == expected
    sent = [output for output in outputs if output is not None]
    assert picture_ids(sent) == list(range(len(sent)))


def test_a_key_frame_goes_up_to_the_target_at_once() -> None:
    frames = stream("0 2 1 2", 4)
    later = stream("0 2 1 2", 4, picture_id=1004, tl0=51)
    rewriter = begin(frames[0], 0)
    assert picture_ids([send(rewriter, frame) for frame in frames]) == [0, None, None, None]
    rewriter.target_temporal = 2
    assert rewriter.temporal == 0
    assert picture_ids([send(rewriter, frame) for frame in later]) == [1, 2, 3, 4]
    assert rewriter.temporal == 2


def test_temporal_tells_what_is_sent() -> None:
    frames = stream(L1T3, 24)
    rewriter = begin(frames[0], 0)
    rewriter.target_temporal = 2
    seen = []
    for n, frame in enumerate(frames):
        rewriter.target_temporal = 1 if n >= 20 else 2
        send(rewriter, frame)
        seen.append(rewriter.temporal)
    assert seen == [0, 0] + [1] * 7 + [2] * 11 + [1] * 4


def test_a_frame_that_has_begun_is_finished_when_the_target_changes() -> None:
    frames = stream(L1T2, 6)
    rewriter = begin(frames[0], 1)
    assert send(rewriter, frames[0]) == (0, 0)
    assert send(rewriter, frames[1], 0) == (1, 0)
    rewriter.target_temporal = 0
    assert send(rewriter, frames[1], 1) == (1, 0)
    assert send(rewriter, frames[2]) == (2, 1)
    assert send(rewriter, frames[1], 2) == (1, 0)  # late, of a layer that was still sent
    assert send(rewriter, frames[3], 0) is None
    rewriter.target_temporal = 1
    assert send(rewriter, frames[3], 1) is None  # not even were it a Y frame's
    assert send(rewriter, frames[4]) == (3, 2)
    assert send(rewriter, frames[5]) == (4, 2)
    assert send(rewriter, frames[3], 2) is None


# ---------------------------------------------------------------- loss and order

ORDERS = [
    # (pattern; target; frames in the order of their coming; PictureIDs out, . for those left out)
    ("a lost frame stays a gap", L1T2, 1, "0 1 3 4", "0 1 3 4"),
    ("a lost frame of a layer left out stays a gap too", L1T2, 0, "0 2 3 4", "0 2 . 3"),
    ("late", L1T2, 1, "0 1 3 2 4", "0 1 3 2 4"),
    ("late, among those left out", L1T2, 0, "0 1 3 2 4", "0 . . 1 2"),
    ("left out late: no later one was sent", L1T3, 0, "0 2 3 1 4", "0 . . . 1"),
    ("left out late: a later one was sent", L1T3, 0, "0 2 4 1 3 5 6 7 8", "0 . 3 . . . . . 4"),
    ("left out and late again", L1T2, 0, "0 1 2 1 3 4 3 1", "0 . 1 . . 2 . ."),
    ("sent and late again", L1T2, 1, "0 1 2 1 2 0 3", "0 1 2 1 2 0 3"),
    ("before the switch", L1T2, 1, "0 -1 1 -2 2", "0 . 1 . 2"),
    ("two swapped, left out around them", L1T3, 1, "0 1 2 3 5 6 4 7 8", "0 . 1 . . 3 2 . 4"),
]


@pytest.mark.parametrize(
    ("pattern", "target", "order", "expected"), [case[1:] for case in ORDERS], ids=[case[0] for case in ORDERS]
)
@pytest.mark.parametrize(("bits", "first", "tl0"), [(15, 0, 0), (15, 100, 7), (15, 32766, 254), (7, 126, 255)])
@pytest.mark.parametrize("own", [0, 32766])
def test_loss_and_reorder(
    pattern: str, target: int, order: str, expected: str, bits: int, first: int, tl0: int, own: int
) -> None:
    mask = (1 << bits) - 1
    frames = stream(pattern, 12, first, tl0, bits)
    before = [Frame(first + n & mask, tl0 - 1 & 0xFF, 0, bits=bits) for n in (-2, -1)]
    rewriter = begin(frames[0], target, own)
    outputs = [send(rewriter, [*frames, *before][int(n)]) for n in order.split()]
    wanted = [None if e == "." else own + int(e) & mask for e in expected.split()]
    assert picture_ids(outputs) == wanted
    # of several packets each, all of a frame are answered as the first
    rewriter = begin(frames[0], target, own)
    again = [[send(rewriter, [*frames, *before][int(n)], part) for part in range(2)] for n in order.split()]
    assert again == [[output, output] for output in outputs]


def test_a_lost_base_frame_stays_a_gap_in_tl0_too() -> None:
    frames = stream(L1T2, 8)
    rewriter = begin(frames[0], 1)
    assert [send(rewriter, frames[n]) for n in (0, 1, 3, 4, 2)] == [(0, 0), (1, 0), (3, 1), (4, 2), (2, 1)]


def test_a_late_frame_is_judged_by_the_layer_of_its_time() -> None:
    frames = stream(L1T2, 16)
    rewriter = begin(frames[0], 0)
    for n in (0, 1, 2):
        send(rewriter, frames[n])
    rewriter.target_temporal = 1
    assert send(rewriter, frames[4]) is not None
    assert send(rewriter, frames[5]) is not None
    assert send(rewriter, frames[3]) is None  # needs frame 1, which was left out
    rewriter.target_temporal = 0
    assert send(rewriter, frames[8]) is not None
    assert send(rewriter, frames[9]) is None
    assert send(rewriter, frames[7]) is not None  # T1 of before it went down


def test_a_late_key_frame_does_not_begin_anew() -> None:
    frames = [*stream(L1T2, 4), *stream(L1T2, 200, picture_id=1004, tl0=52)]
    rewriter = begin(frames[4], 1)
    for frame in frames[4 : 4 + MAX_LATE - 4]:
        send(rewriter, frame)
    assert send(rewriter, frames[0]) is None
    assert send(rewriter, frames[4 + MAX_LATE - 4]) == (MAX_LATE - 4, (MAX_LATE - 4) // 2)


def test_a_sender_that_begins_its_numbers_anew_is_followed_from_its_key_frame() -> None:
    before, after = stream(L1T2, 5, picture_id=9000), stream(L1T2, 5, picture_id=300, tl0=9)
    rewriter = begin(before[0], 1)
    assert [send(rewriter, frame) for frame in before] == [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2)]
    assert [send(rewriter, frame) for frame in after[1:]] == [None] * 4
    assert [send(rewriter, frame) for frame in after] == [(5, 3), (6, 3), (7, 4), (8, 4), (9, 5)]


def test_nothing_is_admitted_or_written_before_the_first_key_frame() -> None:
    rewriter = Vp8Rewriter(1)
    for frame in (Frame(5, 5, 0), Frame(-1)):
        assert not rewriter.admits(frame.read())
        assert resend(rewriter, frame) is None


# ---------------------------------------------------------------- switches between streams


def test_unrelated_streams_follow_one_another() -> None:
    low, middle, high = stream(L1T3, 40, 32765, 254), stream(L1T3, 40, 7, 3), stream(L1T3, 40, 20_000, 200)
    rewriter = Vp8Rewriter(2, first_picture_id=32760, first_tl0_picture_index=250)
    outputs = []
    for frames in (low[:7], high[:9], middle[:1], low[:4], middle[:11]):
        rewriter.switch(frames[0].read())
        outputs += [send(rewriter, frame) for frame in frames]
    assert picture_ids(outputs) == [32760 + n & 0x7FFF for n in range(32)]
    assert [output[1] for output in outputs if output] == (
        [250] * 4 + [251] * 3 + [252] * 4 + [253] * 4 + [254] + [255] + [0] * 4 + [1] * 4 + [2] * 4 + [3] * 3
    )


def test_a_switch_leaves_no_gap_whatever_was_left_out_or_lost_before() -> None:
    low, high = stream(L1T3, 8), stream(L1T3, 8, 9000, 9)
    for last in range(8):
        rewriter = begin(low[0], 0)
        for frame in low[: last + 1]:
            send(rewriter, frame)
        rewriter.switch(high[0].read())
        assert send(rewriter, high[0]) == ((2, 2) if last >= 4 else (1, 1))
    rewriter = begin(low[0], 0)
    assert [send(rewriter, low[n]) for n in (0, 7)] == [(0, 0), None]
    rewriter.switch(high[0].read())
    assert send(rewriter, high[0]) == (1, 1)


def test_a_switch_takes_the_target_at_once() -> None:
    low, high = stream("0 1", 4), stream("0 1", 4, 9000, 9)
    rewriter = begin(low[0], 0)
    rewriter.target_temporal = 1
    assert picture_ids([send(rewriter, frame) for frame in low]) == [0, None, 1, None]
    rewriter.switch(high[0].read())
    assert rewriter.temporal == 1
    assert picture_ids([send(rewriter, frame) for frame in high]) == [2, 3, 4, 5]


def test_streams_with_picture_ids_of_both_lengths_follow_one_another() -> None:
    long, short = stream(L1T2, 4, 300), stream(L1T2, 4, 126, 9, bits=7)
    rewriter = begin(long[0], 1, picture_id=1000)
    outputs = [send(rewriter, frame) for frame in long]
    rewriter.switch(short[0].read())
    outputs += [send(rewriter, frame) for frame in short]
    rewriter.switch(long[0].read())
    outputs += [send(rewriter, frame) for frame in long]
    assert picture_ids(outputs) == [1000, 1001, 1002, 1003, *(n & 0x7F for n in range(1004, 1008)), *range(1008, 1012)]


def test_a_stream_whose_picture_ids_grow_goes_on() -> None:
    frames = [*stream(L1T1, 256, 0, 0, bits=7), *stream(L1T1, 4, 128, 0)[1:]]  # 0..127, 0..127, then 129 of 15 bits
    rewriter = begin(frames[0], 0)
    outputs = picture_ids([send(rewriter, frame) for frame in frames])
    assert outputs == [*range(128), *range(128), 257, 258, 259]  # one lost in between
    assert picture_ids([resend(rewriter, frames[n]) for n in (255, 257)]) == [127, 258]
    rewriter = begin(frames[0], 0)
    longer = [frames[10], *stream(L1T1, 2, 11 + 3 * 128)]  # not after 127: only the seven bits tell how far it is
    assert picture_ids([send(rewriter, frame) for frame in longer]) == [10, 11, 12]


# ---------------------------------------------------------------- what streams may lack


@pytest.mark.parametrize("target", [0, 2])
def test_without_picture_id_everything_is_sent_and_tl0_goes_on(target: int) -> None:
    first = [Frame(-1, (254 + n // 2) & 0xFF, n % 2, key=n == 0) for n in range(8)]
    second = [Frame(-1, 7 + n // 2, n % 2, key=n == 0) for n in range(4)]
    rewriter = begin(first[0], target)
    outputs = [send(rewriter, first[n]) for n in (0, 1, 2, 3, 4, 5, 6, 7, 2)]
    assert outputs == [(-1, tl0) for tl0 in (0, 0, 1, 1, 2, 2, 3, 3, 1)]
    rewriter.switch(second[0].read())
    assert [send(rewriter, frame) for frame in second] == [(-1, 4), (-1, 4), (-1, 5), (-1, 5)]
    assert rewriter.temporal == target


def test_without_tid_everything_is_sent() -> None:
    frames = [Frame(32766 + n & 0x7FFF, 254 + n & 0xFF, key=n == 0) for n in range(4)]
    rewriter = begin(frames[0], 2)
    rewriter.target_temporal = 0
    assert [send(rewriter, frame) for frame in frames] == [(0, 0), (1, 1), (2, 2), (3, 3)]


def test_without_tl0_everything_is_sent_and_the_target_is_taken() -> None:
    frames = [Frame(32766 + n & 0x7FFF, -1, n % 2, key=n == 0) for n in range(6)]
    rewriter = begin(frames[0], 0)
    assert [send(rewriter, frame) for frame in frames[:3]] == [(0, -1), (1, -1), (2, -1)]
    rewriter.target_temporal = 1
    assert [send(rewriter, frames[n]) for n in (3, 5, 4)] == [(3, -1), (5, -1), (4, -1)]
    assert rewriter.temporal == 1


def test_without_anything_everything_is_sent_as_it_is() -> None:
    payload = b"\x10\x00\x00\xee"
    descriptor = Vp8PayloadDescriptor()
    descriptor.read(payload, 0, len(payload))
    rewriter = Vp8Rewriter(0)
    rewriter.switch(descriptor)
    packet = bytearray(payload)
    assert rewriter.admits(descriptor)
    assert rewriter.rewrite(descriptor, packet, 0)
    assert packet == payload


def test_a_switch_over_a_stream_without_numbers_keeps_them() -> None:
    rewriter = begin(Frame(500, 60, 0, key=True), 1)
    assert send(rewriter, Frame(500, 60, 0, key=True)) == (0, 0)
    rewriter.switch(Frame(-1, key=True).read())
    rewriter.target_temporal = 0
    assert send(rewriter, Frame(-1)) == (-1, -1)
    assert rewriter.temporal == 0
    rewriter.switch(Frame(900, 200, 0, key=True).read())
    assert send(rewriter, Frame(900, 200, 0, key=True)) == (1, 1)


# ---------------------------------------------------------------- sending again


@pytest.mark.parametrize("target", [0, 1, 2])
def test_what_is_sent_again_is_the_same(target: int) -> None:
    frames = stream(L1T3, HISTORY, 32000, 100)
    rewriter = begin(frames[0], target)
    sent = [(frame, output) for frame in frames if (output := send(rewriter, frame)) is not None]
    assert [resend(rewriter, frame) for frame, _ in sent] == [output for _, output in sent]
    assert [resend(rewriter, frame, 1) for frame, _ in reversed(sent)] == [output for _, output in reversed(sent)]


def test_what_is_sent_again_is_the_same_with_short_picture_ids() -> None:
    frames = stream(L1T3, 400, 100, 100, bits=7)
    rewriter = begin(frames[0], 1)
    outputs = [send(rewriter, frame) for frame in frames]
    kept = [n for n in range(400 - 128, 400) if outputs[n] is not None]
    assert [resend(rewriter, frames[n]) for n in kept] == [outputs[n] for n in kept]


def test_what_is_forgotten_or_from_before_the_switch_is_not_sent_again() -> None:
    frames = stream(L1T2, HISTORY + 2)
    rewriter = begin(frames[10], 1)
    assert resend(rewriter, frames[9]) is None
    for frame in frames[10:]:
        send(rewriter, frame)
    assert resend(rewriter, frames[10]) == (0, 0)
    send(rewriter, stream(L1T2, 30, frames[-1].picture_id)[20])
    assert resend(rewriter, frames[10]) is None
    assert resend(rewriter, frames[9]) is None
    rewriter.switch(Frame(20_000, 0, 0, key=True).read())
    assert resend(rewriter, frames[-1]) is None


def test_what_was_left_out_is_not_sent_again_even_where_its_gap_stayed() -> None:
    frames = stream(L1T2, 6)
    rewriter = begin(frames[0], 0)
    assert picture_ids([send(rewriter, frames[n]) for n in (0, 2, 1, 3)]) == [0, 2, None, None]
    assert picture_ids([resend(rewriter, frames[n]) for n in range(4)]) == [0, None, 2, None]


def test_what_is_remembered_of_changes_is_bounded() -> None:
    rewriter = begin(Frame(0, 0, 0, key=True), 0)
    for n in range(1, 4 * HISTORY):
        rewriter.target_temporal = n // 2 & 1
        send(rewriter, Frame(n, n // 2 & 0xFF, n & 1, sync=True))
    assert HISTORY // 2 < len(rewriter._changes) < HISTORY


def test_sending_again_disturbs_nothing() -> None:
    frames = stream(L1T3, 40)
    plain, disturbed = begin(frames[0], 1), begin(frames[0], 1)
    for n, frame in enumerate(frames):
        wanted = [send(plain, frame, part) for part in range(2)]
        assert send(disturbed, frame, 0) == wanted[0]
        resend(disturbed, frames[n // 4 * 2])
        assert send(disturbed, frame, 1) == wanted[1]


# ---------------------------------------------------------------- whatever happens


@dataclass(frozen=True)
class Packet:
    """A packet on its way: the stream's number, the frame's place in it, which part of the frame."""

    stream: int
    place: int
    frame: Frame
    part: int
    target: int


@st.composite
def journeys(draw: st.DrawFn, *, ordered: bool) -> list[Packet]:
    """Packets of up to five streams, one after the other, with losses, and with late ones unless `ordered`."""
    packets: list[Packet] = []
    for number in range(draw(st.integers(1, 5))):
        bits = draw(st.sampled_from([15, 15, 7]))
        pattern = draw(st.sampled_from([L1T1, L1T2, L1T3, "0 1y", "0 2y 1y 2y", "0 2 1 2"]))
        count = draw(st.integers(1, 60))
        first = draw(st.sampled_from([0, 5, 60, 126, 32766])) & (1 << bits) - 1
        frames = stream(pattern, count, first, draw(st.sampled_from([0, 200, 254])), bits)
        lost = draw(st.sets(st.integers(1, count)))
        changes = draw(st.dictionaries(st.integers(0, count), st.integers(0, 2), max_size=6))
        target = 2
        parts: list[tuple[int, Packet]] = []
        for place, frame in enumerate(frames):
            target = changes.get(place, target)
            for part in range(1 + place % 2):
                late = 0 if ordered or place == 0 else draw(st.sampled_from([0, 0, 0, 3, 9, 30]))
                if place not in lost:
                    parts.append((2 * place + part + late, Packet(number, place, frame, part, target)))
        packets += [packet for _, packet in sorted(parts, key=lambda p: p[0])]
    return packets


def drive(packets: list[Packet]) -> Iterator[tuple[Packet, tuple[int, int] | None, Vp8Rewriter]]:
    """Send the packets, and switch where a stream begins."""
    rewriter = Vp8Rewriter(2, first_picture_id=32700, first_tl0_picture_index=240)
    current = -1
    for packet in packets:
        rewriter.target_temporal = packet.target
        if packet.stream != current:
            current = packet.stream
            assert packet.frame.key
            rewriter.switch(packet.frame.read())
        yield packet, send(rewriter, packet.frame, packet.part), rewriter


@given(journeys(ordered=True))
def test_in_order_only_what_was_lost_before_us_leaves_a_gap(packets: list[Packet]) -> None:
    last: Packet | None = None
    output = (32699, 239)
    seen: set[tuple[int, int]] = set()
    for packet, sent, _ in drive(packets):
        seen.add((packet.stream, packet.place))
        if sent is None or (last is not None and (packet.stream, packet.place) == (last.stream, last.place)):
            assert sent in (None, output)
            continue
        mask = 0x7FFF if packet.frame.bits == 15 and (last is None or last.frame.bits == 15) else 0x7F
        same = last is not None and packet.stream == last.stream
        lost = [n for n in range(last.place, packet.place) if (packet.stream, n) not in seen] if last and same else []
        assert (sent[0] - output[0] - 1 - len(lost)) & mask == 0
        step = (packet.frame.tl0 - last.frame.tl0) if last and same else 1
        assert (sent[1] - output[1] - step) & 0xFF == 0
        last, output = packet, sent


@given(journeys(ordered=False))
def test_each_frame_has_one_answer_and_numbers_of_its_own(packets: list[Packet]) -> None:
    answers: dict[tuple[int, int], tuple[int, int] | None] = {}
    frames: dict[tuple[int, int], Frame] = {}
    for packet, sent, rewriter in drive(packets):
        assert answers.setdefault((packet.stream, packet.place), sent) == sent
        frames[packet.stream, packet.place] = packet.frame
        for key in list(frames)[-5::2] + list(frames)[-60::20]:
            if key[0] == packet.stream:
                assert resend(rewriter, frames[key]) == answers[key]
    outputs = [(key, output[0]) for key, output in answers.items() if output is not None]
    if all(packet.frame.bits == 15 for packet in packets):
        unwrapped = [(picture_id - 32700) & 0x7FFF for _, picture_id in sorted(outputs)]
        assert unwrapped == sorted(set(unwrapped))


@given(journeys(ordered=False))
def test_no_frame_is_sent_that_needs_one_that_was_left_out(packets: list[Packet]) -> None:
    frames: dict[int, dict[int, tuple[Frame, bool]]] = {}
    for packet, sent, _ in drive(packets):
        frames.setdefault(packet.stream, {})[packet.place] = (packet.frame, sent is not None)
    for places in frames.values():
        sent_last: dict[int, bool] = {}  # of each layer, whether its last frame that came was sent
        for _, (frame, was_sent) in sorted(places.items()):
            needed = () if frame.key else range(1) if frame.sync else range(frame.tid + 1)
            if was_sent:
                assert all(sent_last.get(tid, True) for tid in needed), frame
            sent_last[frame.tid] = was_sent
