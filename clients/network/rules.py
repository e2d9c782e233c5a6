"""Faults of exact packets by what they are: `drop the second packet of the third key frame`, `hold until NACK`.

A rule is a description, and may be part of many plans. What it has counted so far is kept by the `RuleBook` of one
client's network. All rules see all packets of their direction, whatever becomes of them; of those that choose a packet,
the first decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import isfinite
from typing import Protocol

from clients.network.key_frames import BEGINS_KEY_FRAME
from clients.network.packets import Content, Rtcp, Seen
from clients.network.records import Direction, Fault
from labsfu.errors import InvalidValue
from labsfu.wire.rtp import MediaKind

Predicate = Callable[[Seen], bool]

LAST = -1
"""The packet that ends a frame: the one with the marker."""


class Selector(Protocol):
    """Which packets of a direction."""

    def begin(self) -> Predicate:
        """What tells of each packet of one direction, each seen once and in order, whether it is meant."""


@dataclass(frozen=True, slots=True)
class Every:
    """Every packet for which a predicate holds."""

    predicate: Predicate

    def begin(self) -> Predicate:
        """See `Selector`."""
        return self.predicate


@dataclass(frozen=True, slots=True)
class Nth:
    """The `number`-th packet for which a predicate holds; the first has 1.

    Raises:
        InvalidValue: there is no such number.
    """

    number: int
    predicate: Predicate

    def __post_init__(self) -> None:
        if self.number < 1:
            raise InvalidValue(f"packets are counted from 1, there is no number {self.number}")

    def begin(self) -> Predicate:
        """See `Selector`."""
        count = 0

        def chosen(seen: Seen) -> bool:
            nonlocal count
            if count >= self.number or not self.predicate(seen):
                return False
            count += 1
            return count == self.number

        return chosen


@dataclass(frozen=True, slots=True)
class KeyFramePacket:
    """One packet of one key frame, the first time it is sent: what comes again, by whatever way, is spared.

    The place in the frame is told by the sequence number, seen from the packet that begins the frame: one that comes
    before that is not chosen. Nothing is chosen of a codec that is not in `BEGINS_KEY_FRAME`.

    Attributes:
        packet: from 1; or `LAST`, the one with the marker.
        frame: which key frame of its stream, from 1.
        ssrc: of the stream; None: the packet of each stream.

    Raises:
        InvalidValue: there is no such number.
    """

    packet: int
    frame: int = 1
    ssrc: int | None = None

    def __post_init__(self) -> None:
        if (self.packet < 1 and self.packet != LAST) or self.frame < 1:
            raise InvalidValue(f"there is no packet {self.packet} of key frame {self.frame}: both are counted from 1")

    def begin(self) -> Predicate:
        """See `Selector`."""
        streams: dict[int, _KeyFrames] = {}

        def chosen(seen: Seen) -> bool:
            if seen.payload is None or (self.ssrc is not None and seen.ssrc != self.ssrc):
                return False
            begins = BEGINS_KEY_FRAME.get(seen.mime_type)
            if begins is None:
                return False
            stream = streams.setdefault(seen.ssrc, _KeyFrames())
            return stream.chooses(seen, begins(seen.payload), self.packet, self.frame)

        return chosen


@dataclass(slots=True)
class _KeyFrames:
    """Of one stream, so far."""

    frames: int = 0
    timestamp: int = 0
    first: int = 0
    done: bool = False

    def chooses(self, seen: Seen, begins: bool, packet: int, frame: int) -> bool:
        if begins and (self.frames == 0 or 0 < (seen.timestamp - self.timestamp) & 0xFFFFFFFF < 1 << 31):
            self.frames, self.timestamp, self.first = self.frames + 1, seen.timestamp, seen.sequence
        if self.done or self.frames != frame or seen.timestamp != self.timestamp:
            return False
        place = ((seen.sequence - self.first) & 0xFFFF) + 1
        self.done = seen.marker if packet == LAST else place == packet
        return self.done


def rtp(*, kind: MediaKind | None = None, ssrc: int | None = None) -> Predicate:
    """RTP of media, of a kind or a stream; RTX is not meant, unless by its SSRC."""

    def holds(seen: Seen) -> bool:
        if seen.content is not Content.RTP or (ssrc is not None and seen.ssrc != ssrc):
            return False
        if ssrc is None and seen.mime_type.endswith("/rtx"):
            return False
        return kind is None or seen.mime_type.startswith(f"{kind.value}/")

    return holds


def rtx() -> Predicate:
    """RTP of retransmissions (RFC 4588)."""
    return lambda seen: seen.content is Content.RTP and seen.mime_type.endswith("/rtx")


def rtcp(what: Rtcp, *, ssrc: int | None = None) -> Predicate:
    """Compound RTCP with such a packet in it, for NACK, PLI and FIR about that media; all of it has the fault."""
    return lambda seen: any(part.what is what and (ssrc is None or ssrc in part.ssrcs) for part in seen.parts)


@dataclass(frozen=True, slots=True)
class FaultRule:
    """A fault, and of which packets.

    What is corrupted SRTP refuses: to the other end it is lost.

    Attributes:
        direction: as the client sees it.
        fault: what is done.
        which: to which packets.
        until_nack: of a hold: let the packet go when a NACK that names it passes the client's socket the other way.
        seconds: of a hold: let the packet go after so long in any case. Neither: it is held until it is released.
        name: for the log.

    Raises:
        InvalidValue: an end of a hold for another fault, or a time that is none.
    """

    direction: Direction
    fault: Fault
    which: Selector
    until_nack: bool = False
    seconds: float | None = None
    name: str = ""

    def __post_init__(self) -> None:
        if self.fault is not Fault.HOLD and (self.until_nack or self.seconds is not None):
            raise InvalidValue(f"only a hold has an end, {self.fault.value} has none")
        if self.seconds is not None and not (isfinite(self.seconds) and self.seconds >= 0):
            raise InvalidValue(f"a packet cannot be held for {self.seconds:g} s")


@dataclass(slots=True)
class _Held:
    seen: Seen
    until_nack: bool
    until: float | None


class RuleBook:
    """The rules of one client's network, what they have counted, and what they hold.

    Args:
        rules: in the order of their say.
    """

    def __init__(self, rules: Iterable[FaultRule] = ()) -> None:
        self._rules: list[tuple[FaultRule, Predicate]] = []
        self._held: dict[tuple[Direction, int], _Held] = {}
        for rule in rules:
            self.add(rule)

    def __len__(self) -> int:
        return len(self._rules)

    def add(self, rule: FaultRule) -> None:
        """Add a rule, with the last say; it counts from now on."""
        self._rules.append((rule, rule.which.begin()))

    def judge(self, seen: Seen, now: float) -> FaultRule | None:
        """The rule that decides about a packet, each to be asked about once, at `now` seconds; None: nobody does."""
        found: FaultRule | None = None
        for rule, chosen in self._rules:
            if rule.direction is seen.direction and chosen(seen) and found is None:
                found = rule
        if found is not None and found.fault is Fault.HOLD:
            until = None if found.seconds is None else now + found.seconds
            self._held[seen.direction, seen.number] = _Held(seen, found.until_nack, until)
        return found

    def named_by(self, seen: Seen) -> list[int]:
        """Numbers of the held packets of the other direction that this one's NACKs name; they are held no more."""
        named = {(ssrc, number) for part in seen.parts for ssrc in part.ssrcs for number in part.lost}
        if not named or not self._held:
            return []
        return self._let_go(
            lambda held: (
                held.until_nack
                and held.seen.direction is not seen.direction
                and (held.seen.ssrc, held.seen.sequence) in named
            )
        )

    def due(self, direction: Direction, now: float) -> list[int]:
        """Numbers of the packets of a direction that were held for long enough; they are held no more."""
        if not self._held:
            return []
        return self._let_go(
            lambda held: held.seen.direction is direction and held.until is not None and held.until <= now
        )

    def deadline(self) -> float | None:
        """When the next one will have been held for long enough, seconds."""
        return min((held.until for held in self._held.values() if held.until is not None), default=None)

    def _let_go(self, meant: Callable[[_Held], bool]) -> list[int]:
        found = [key for key, held in self._held.items() if meant(held)]
        for key in found:
            del self._held[key]
        return [number for _, number in found]
