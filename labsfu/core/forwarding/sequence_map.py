"""One continuous sequence of numbers towards a consumer, whatever is left out of what comes in."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from copy import copy

# How far back a late packet may still be mapped; older ones are dropped (RFC 3550 A.1 has MAX_MISORDER 100;
# mediasoup 1500).
HISTORY = 1500

DROPPED = -1

# Less than any output: the first one is 0 at least, and what follows is higher.
_NONE = -2


class SequenceMap:
    """Maps extended input sequence numbers to 16-bit output ones, closing the gaps that were made on purpose.

    `sync(first)` says that `first` follows on the highest number sent so far. What came before `first` is not mapped.
    `drop(number)` leaves a number out: later ones move down by one. A number that was lost stays a gap, for the
    receiver must learn of it.
    """

    __slots__ = ("_base", "_dropped", "_floor", "_highest_in", "_highest_out", "_synced")

    def __init__(self, first_output: int) -> None:
        self._highest_out = first_output - 1
        self._highest_in = -1
        self._base = 0
        self._floor = 0
        self._dropped: list[int] = []
        self._synced = False

    @property
    def synced(self) -> bool:
        """Whether input numbers have a meaning now."""
        return self._synced

    @property
    def highest(self) -> int:
        """The highest input number that was mapped or dropped; negative before the first."""
        return self._highest_in

    def unsync(self) -> None:
        """Forget the input: what comes next must `sync` first."""
        self._synced = False

    def is_new(self, number: int) -> bool:
        """Whether the input number is ahead of all that were mapped or dropped."""
        return number > self._highest_in

    def renumber(self) -> None:
        """The input begins its numbers anew, or is another one: none of its numbers was seen."""
        self._synced = False
        self._highest_in = -1

    def sync(self, first: int) -> None:
        """Let the input number `first` (extended) follow on the highest output number."""
        self._base = self._highest_out + 1 - first
        self._floor = first
        self._highest_in = first - 1
        self._dropped.clear()
        self._synced = True

    def drop(self, number: int) -> bool:
        """Leave `number` out, if nothing after it was sent yet; else its gap stays, and this gives False."""
        dropped = self._dropped
        if number > self._highest_in:
            dropped.append(number)
            self._highest_in = number
            self._forget_old()
            return True
        # Behind a number that was dropped or never sent there may still be room.
        output = self._late_output(number)
        if output <= self._highest_out:
            return False
        insort(dropped, number)
        return True

    def map(self, number: int) -> int:
        """The output number (16 bits) of an input number, or DROPPED."""
        if number > self._highest_in:
            self._highest_in = number
            output = number + self._base - len(self._dropped)
            self._highest_out = output
            return output & 0xFFFF
        return self._map_late(number)

    def find(self, number: int) -> int:
        """The output number (16 bits) that an input number has among those sent so far, or DROPPED; nothing changes."""
        if number > self._highest_in or not self._synced:
            return DROPPED
        output = self._late_output(number)
        return DROPPED if output == _NONE or output > self._highest_out else output & 0xFFFF

    def copy(self) -> SequenceMap:
        """One that goes on from here by itself."""
        twin = copy(self)
        twin._dropped = self._dropped.copy()  # noqa: SLF001 - of our own class
        return twin

    def unmap(self, output: int) -> int:
        """The extended input number that was, or if it comes late would be, sent as the 16-bit number `output`.

        DROPPED when there is none: never reached, older than HISTORY, or from before the last `sync`.
        """
        if not self._synced:
            return DROPPED
        highest_out = self._highest_out
        place = highest_out - ((highest_out - output) & 0xFFFF) - self._base
        # The n-th dropped number moves all later ones down by one: the places that come after it are those from
        # dropped[n] - n on.
        dropped = self._dropped
        number = place + bisect_right(range(len(dropped)), place, key=lambda n: dropped[n] - n)
        return number if self._remembered(number) else DROPPED

    def _remembered(self, number: int) -> bool:
        return number >= self._floor and number > self._highest_in - HISTORY

    def _map_late(self, number: int) -> int:
        output = self._late_output(number)
        if output == _NONE:
            return DROPPED
        if output > self._highest_out:
            # What came after it was left out.
            self._highest_out = output
        return output & 0xFFFF

    def _late_output(self, number: int) -> int:
        """The output (not cut to 16 bits) of a number that is not ahead of all others, or _NONE."""
        if not self._remembered(number):
            return _NONE
        dropped = self._dropped
        before = bisect_left(dropped, number)
        if before < len(dropped) and dropped[before] == number:
            return _NONE
        return number + self._base - before

    def _forget_old(self) -> None:
        """Fold what no late packet can ask for any more into the base."""
        oldest = self._highest_in - HISTORY
        count = bisect_left(self._dropped, oldest)
        if count:
            del self._dropped[:count]
            self._base -= count
