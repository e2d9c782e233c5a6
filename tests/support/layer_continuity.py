"""What a receiver of simulcast must have, whatever happened: one continuous stream made of pieces of several.

`assert_layers_continuous` is the property. It judges by what the sender knows that it sent, and by the receiver's own
reading of what came out; nothing of the engine is asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from tests.support.rough_simulcast_call import RoughSimulcastCall, Wish
from tests.support.shown_frames import ShownFrame, frames_of, signed
from tests.support.simulcast_encoding import PATTERNS, Encoding, SentFrame
from tests.support.simulcast_source import FRAME_RATE
from tests.support.synthetic_vp8 import CLOCK_RATE

FRAME = 1 / FRAME_RATE
ROUNDING = 2
"""Units of the RTP clock: what two instants brought to another stream's clock are off by."""

STEP = 0.001
"""Seconds from what is shown to a picture that is not newer."""

BLACK = 1.0
"""Seconds without a complete frame that nobody may see."""

REPAIRED = 0.35
"""Seconds within which, about, of a burst of losses something comes."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is allowed; seconds.

    Attributes:
        clock: by how much a switch may be out of step with the true time of capture.
        late: how long after a wish frames are captured that are judged by the wish before.
        early: how long before a wish frames were captured that are judged by it.
        black: how long no complete frame may be seen, in time of capture.
        whole: no frame is cut off by a switch.
    """

    clock: float
    late: float
    early: float
    black: float
    whole: bool

    @classmethod
    def of(cls, call: RoughSimulcastCall, *, lossy: bool = True, whole: bool = False, black: float = BLACK) -> Bounds:
        """With sender reports exact; without them, packets tell the time by when they came."""
        clock = 0.0 if call.options.reports else call.upstream_delay
        late = FRAME + call.upstream_delay + REPAIRED * lossy
        return cls(clock + ROUNDING / CLOCK_RATE, late, call.upstream_delay, black, whole)


@dataclass(frozen=True, slots=True)
class Findings:
    """What was seen besides. Seconds, of capture but for `standstill`, which is of arrival."""

    frames: int
    switches: list[tuple[int, int]]
    cut_off: int
    filled: int
    longest_gap: float
    standstill: float
    drift: tuple[float, float]
    back: float
    """How far a switch went back in what it shows, at most."""


def assert_layers_continuous(call: RoughSimulcastCall, index: int, bounds: Bounds | None = None) -> Findings:
    """A receiver, after the call has settled, has:

    each number once from the first to the last; each packet as it was sent, but for its SSRC, number, timestamp,
    PictureID and TL0PICIDX; only frames that are complete (the last before a switch may be cut off: its end was lost,
    or came later than the key frame), each of which refers to frames that are there; of each encoding a frame at most
    once; no frame missing but of temporal layers that were not wanted, and none above these; other encodings only from
    a key frame on; PictureID and TL0PICIDX one up with each frame; timestamps that go on as time of capture did; and in
    the end what was wished for last.
    """
    limits = bounds or Bounds.of(call)
    _check_nonces(call, index)
    frames = frames_of(call.receivers[index], call.source.encodings)
    wishes = call.wishes[index]
    _check_pieces(frames, limits)
    _check_references(frames)
    _check_picture_numbers(frames)
    _check_timestamps(frames, limits)
    _check_temporal_layers(frames, call.source.encodings, wishes, limits)
    _check_end(frames, call.source.encodings, wishes[-1])
    findings = _findings(frames)
    assert findings.longest_gap < limits.black, f"black for {findings.longest_gap:.2f} s"
    return findings


def _check_nonces(call: RoughSimulcastCall, index: int) -> None:
    """No two packets of an SSRC have one number: it is the nonce (RFC 7714 8.1)."""
    address, seen = call.receivers[index].peer.address, dict[tuple[bytes, bytes], bytes]()
    for to, data in call.lab.sent:
        if to == address and 128 <= data[0] <= 191 and not 192 <= data[1] <= 223:
            number = int.from_bytes(data[2:4], "big")
            assert seen.setdefault((data[8:12], data[2:4]), data) == data, f"two packets have the number {number}"


def _check_pieces(frames: list[ShownFrame], limits: Bounds) -> None:
    """Encodings follow one another at key frames only, no frame comes twice, and all are whole but the last."""
    assert frames[0].sent.key, "it does not begin with a key frame"
    newest = {frames[0].sent.layer: frames[0].sent.number}
    for before, after in pairwise(frames):
        switched = before.sent.layer != after.sent.layer
        assert after.sent.key or not switched, f"goes over without a key frame at {after}"
        assert before.whole or (switched and not limits.whole), f"incomplete: {before}, then {after}"
        assert after.sent.number > newest.get(after.sent.layer, -1), f"back to {after} after {before}"
        newest[after.sent.layer] = after.sent.number
    assert frames[-1].whole


def _check_references(frames: list[ShownFrame]) -> None:
    """Every frame can be decoded by what came since the last key frame."""
    decoded: set[tuple[int, int]] = set()
    for frame in frames:
        sent = frame.sent
        if sent.key:
            decoded.clear()
        missing = [number for number in sent.references if (sent.layer, number) not in decoded]
        assert not missing, f"{frame} refers to {missing}"
        if frame.whole:
            decoded.add((sent.layer, sent.number))


def _check_picture_numbers(frames: list[ShownFrame]) -> None:
    """PictureID goes on by one with each frame, more where one was left out too late; TL0PICIDX with each T0 frame."""
    for before, after in pairwise(frames):
        wrap = 1 << after.sent.picture_id_bits
        step = (after.picture_id - before.picture_id) % wrap
        assert 1 <= step <= 1 + after.filled_before, f"PictureID goes on {step}: {before}, then {after}"
        if after.sent.has_tl0:
            moved = (after.tl0 - before.tl0) % 256
            assert moved == (after.sent.tid == 0), f"TL0PICIDX: {before}, then {after}"


def _check_timestamps(frames: list[ShownFrame], limits: Bounds) -> None:
    """They rise: in an encoding as they were sent; at a switch as the time of capture does.

    A switch to what was captured no later than what is shown already goes on by a `STEP` at most, which makes
    timestamps run ahead; a later switch may make up for that.
    """
    allowed = limits.clock * CLOCK_RATE
    elapsed, first = 0, frames[0].sent.captured
    for before, after in pairwise(frames):
        step = signed(after.timestamp - before.timestamp)
        true = (after.sent.captured - before.sent.captured) * CLOCK_RATE
        what = f"timestamp goes on {step}, not {true:.0f}: {before}, then {after}"
        if before.sent.layer == after.sent.layer:
            assert step == signed(after.sent.timestamp - before.sent.timestamp), what
        else:
            due = true - max(elapsed - (before.sent.captured - first) * CLOCK_RATE, 0)
            forced = due <= allowed and step <= STEP * CLOCK_RATE + allowed
            assert step > 0, what
            assert forced or min(abs(step - true), abs(step - due)) <= allowed, what
        elapsed += step


def _check_temporal_layers(
    frames: list[ShownFrame], encodings: tuple[Encoding, ...], wishes: list[Wish], limits: Bounds
) -> None:
    """No layer above those wanted, and nothing is left out but what is above them, or above what can be entered yet."""
    entering = 2 * len(PATTERNS[3]) * FRAME
    before, switched_at = frames[0], 0.0
    for after in frames:
        if after.sent.layer != before.sent.layer:
            before, switched_at = after, after.begun
        highest = max(_wanted(after.sent, wishes, limits.late, max(limits.early, switched_at - after.sent.captured)))
        assert after.sent.tid <= highest, f"above T{highest}: {after}"
        for number in range(before.sent.number + 1, after.sent.number):
            missing = encodings[after.sent.layer].frames.get(number)
            if missing is not None:
                early = max(limits.early, switched_at - missing.captured)
                lowest = min(_wanted(missing, wishes, limits.late + entering, early))
                assert missing.tid > lowest, f"missing: {number} of T{missing.tid} before {after}"
        before = after


def _wanted(frame: SentFrame, wishes: list[Wish], late: float, early: float) -> set[int]:
    """The temporal layers up to which a frame's encoding was wanted from `late` before until `early` behind it."""
    of_layer = [wish for wish in wishes if wish.spatial == frame.layer]
    begins = [float("-inf"), *(wish.at for wish in of_layer[1:])]
    ends = [*(wish.at for wish in of_layer[1:]), float("inf")]
    found = {
        wish.temporal
        for wish, begin, end in zip(of_layer, begins, ends, strict=False)
        if begin <= frame.captured + early and end >= frame.captured - late
    }
    return found or {2}  # never wanted: what there was at first, with all that it has


def _check_end(frames: list[ShownFrame], encodings: tuple[Encoding, ...], wish: Wish) -> None:
    """What is wished for is what comes."""
    last = frames[-8:]
    assert {frame.sent.layer for frame in last} == {wish.spatial}, f"ends with {last[-1]}"
    pattern = {slot.tid for slot in PATTERNS[encodings[wish.spatial].temporal_layers]}
    assert {frame.sent.tid for frame in last} == {tid for tid in pattern if tid <= wish.temporal}
    newest = max(n for n, frame in encodings[wish.spatial].frames.items() if frame.tid <= wish.temporal)
    assert last[-1].sent.number == newest, f"ends with {last[-1]}"


def _findings(frames: list[ShownFrame]) -> Findings:
    whole = [frame for frame in frames if frame.whole]
    steps = [(a.sent.layer, b.sent.layer) for a, b in pairwise(frames)]
    first, drifts, at = frames[0], [0.0], 0
    for before, after in pairwise(frames):
        at += signed(after.timestamp - before.timestamp)
        drifts.append(at / CLOCK_RATE - (after.sent.captured - first.sent.captured))
    shown, standstill = whole[0].complete, 0.0
    for frame in whole:
        standstill = max(standstill, frame.complete - shown)
        shown = max(shown, frame.complete)
    return Findings(
        frames=len(frames),
        switches=[step for step in steps if step[0] != step[1]],
        cut_off=len(frames) - len(whole),
        filled=sum(frame.filled_before for frame in frames),
        longest_gap=max(b.sent.captured - a.sent.captured for a, b in pairwise(whole)),
        standstill=standstill,
        drift=(min(drifts), max(drifts)),
        back=max(a.sent.captured - b.sent.captured for a, b in pairwise(frames)),
    )
