"""Which numbers of one incoming stream are missing, and when to ask for them (RFC 4585 6.2.1).

A gap may be mere reordering, so it is asked for only after `FIRST_WAIT`; then again once per round trip, until it is
found or was asked for `ATTEMPTS` times (mediasoup's figures). Numbers are extended ones: they never wrap.
"""

from __future__ import annotations

from bisect import bisect_left

FIRST_WAIT = 0.010
"""Seconds from seeing a gap to asking for it."""

MIN_WAIT = 0.040
"""Seconds between two requests for one number, however short the round trip."""

ATTEMPTS = 10
"""How often a number is asked for before it is given up."""

CAPACITY = 1000
"""How many numbers may be missing at once."""

MAX_AGE = 10_000
"""How far behind the newest number a missing one is given up."""

# Where older ones are forgotten, only the choice of what to give up gets coarser.
_KEY_FRAMES = 64


class _Missing:
    """One missing number: when it is asked for next, how often it was."""

    __slots__ = ("asked", "due")

    def __init__(self, due: float) -> None:
        self.due = due
        self.asked = 0


class NackGenerator:
    """The missing numbers of one stream; it has no clock of its own.

    For packets in order the caller spares itself the call:
    `if number == nack.next_number: nack.next_number += 1`, else `nack.receive(number, now)`.

    Attributes:
        next_number: what comes next if nothing is missing; 0 before the first packet.
    """

    __slots__ = ("_deadline", "_key_frames", "_missing", "_overflowed", "_reset_at", "next_number")

    def __init__(self) -> None:
        self.next_number = 0
        # Ascending, for numbers are only ever added at its end.
        self._missing: dict[int, _Missing] = {}
        self._key_frames: list[int] = []
        self._deadline: float | None = None
        self._overflowed = False
        self._reset_at = -1

    def begin(self, number: int) -> None:
        """Let `number` be the first of the stream, or the first after the numbers began anew."""
        self.reset()
        self._key_frames.clear()
        self._reset_at = -1
        self.next_number = number + 1

    def reset(self, wanted_to: int = -1) -> None:
        """Miss nothing after `wanted_to`, nor what is skipped between now and the next packet."""
        missing = self._missing
        while missing and next(reversed(missing)) > wanted_to:
            missing.popitem()
        if not missing:
            self._deadline = None
        self._overflowed = False
        self._reset_at = self.next_number

    def receive(self, number: int, now: float) -> bool:
        """Take in a number that is not `next_number`; True when it repairs a loss: it was missing and asked for.

        One ahead makes what lies between missing. One behind is found; if nobody had asked for it, it was reordered.
        """
        first = self.next_number
        if number < first:
            found = self._missing.pop(number, None)
            if not self._missing:
                self._deadline = None
            return found is not None and found.asked > 0
        self.next_number = number + 1
        # 0: the very first packet. `_reset_at`: no packet since `reset`.
        if first not in (0, self._reset_at):
            self._miss(first, number, now)
        return False

    def key_frame(self, number: int) -> None:
        """A key frame starts at `number` (received before or after this call).

        What is missing before it may be given up when the list is full; a request for a key frame is answered by it.
        """
        if number >= self.next_number - 1:
            self._overflowed = False
        starts = self._key_frames
        at = bisect_left(starts, number)
        if at == len(starts) or starts[at] != number:
            starts.insert(at, number)
            del starts[:-_KEY_FRAMES]

    def misses(self, number: int) -> bool:
        """Whether `number` is missing now, so that a retransmission of it is welcome."""
        return number in self._missing

    def due(self, now: float, round_trip: float) -> tuple[int, ...]:
        """The numbers to ask for now, ascending; they count as asked for. `round_trip` is in seconds."""
        if self._deadline is None or now < self._deadline:
            return ()
        asked: list[int] = []
        given_up: list[int] = []
        again = now + max(round_trip, MIN_WAIT)
        deadline = again
        for number, missing in self._missing.items():
            if missing.due <= now:
                if missing.asked == ATTEMPTS:
                    given_up.append(number)
                    continue
                missing.asked += 1
                missing.due = again
                asked.append(number)
            elif missing.due < deadline:
                deadline = missing.due
        for number in given_up:
            del self._missing[number]
        self._deadline = deadline if self._missing else None
        return tuple(asked)

    def deadline(self) -> float | None:
        """When `due` is to be called; never too late, but early when what it was set for has been found since."""
        return self._deadline

    def take_overflow(self) -> bool:
        """True once after more was missing than the list holds, so that only a new key frame helps."""
        overflowed, self._overflowed = self._overflowed, False
        return overflowed

    def _miss(self, first: int, end: int, now: float) -> None:
        """Let the numbers from `first` up to, without, `end` be missing."""
        missing = self._missing
        self._give_up_before(end - MAX_AGE)
        while len(missing) + end - first > CAPACITY:
            if not self._key_frames:
                missing.clear()
                self._deadline = None
                self._overflowed = True
                return
            start = self._key_frames.pop(0)
            self._give_up_before(start)
            first = max(first, start)
        if first < end:
            due = now + FIRST_WAIT
            for number in range(first, end):
                missing[number] = _Missing(due)
            if self._deadline is None or due < self._deadline:
                self._deadline = due

    def _give_up_before(self, start: int) -> None:
        missing = self._missing
        old = []
        for number in missing:
            if number >= start:
                break
            old.append(number)
        for number in old:
            del missing[number]
