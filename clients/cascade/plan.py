"""What is to be done so that two servers have the same streams in a room. Pure: of two states, and no more."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from clients.cascade.state import Pipe, Sending, Side, Stream, meet
from clients.cascade.tags import Tag, Way
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId, RouterId, TransportId

Letter: TypeAlias = Literal["a", "b"]
Key: TypeAlias = tuple[str, ...]
"""Of actions with the same key one is carried out at a time."""

_LONGEST_ID = 64


@dataclass(frozen=True, slots=True)
class ClosePipe:
    """Close one end: its other end is gone, or it is not as it should be."""

    side: Letter
    router_id: RouterId
    pipe: TransportId
    patient: bool = False

    @property
    def key(self) -> Key:
        """The pipe."""
        return "pipe", self.pipe


@dataclass(frozen=True, slots=True)
class CloseCopy:
    """Its origin is gone, or is not sent here any more."""

    side: Letter
    stream: Stream
    patient: bool = False

    @property
    def key(self) -> Key:
        """The stream."""
        return "stream", self.stream.id


@dataclass(frozen=True, slots=True)
class CloseSending:
    """Nobody takes it at the other end."""

    side: Letter
    router_id: RouterId
    consumer_id: ConsumerId
    producer_id: ProducerId
    patient: bool = True

    @property
    def key(self) -> Key:
        """The stream."""
        return "stream", self.producer_id


@dataclass(frozen=True, slots=True)
class ResumeSending:
    """It was made paused, its copy is there, and who made it came no further."""

    side: Letter
    router_id: RouterId
    consumer_id: ConsumerId
    producer_id: ProducerId
    patient: bool = True

    @property
    def key(self) -> Key:
        """The stream."""
        return "stream", self.producer_id


@dataclass(frozen=True, slots=True)
class SetPaused:
    """A copy does as its origin does."""

    side: Letter
    stream: Stream
    paused: bool

    @property
    def key(self) -> Key:
        """The stream."""
        return "stream", self.stream.id


@dataclass(frozen=True, slots=True)
class JoinRouters:
    """Make a pipe between two routers."""

    a: RouterId
    b: RouterId

    @property
    def key(self) -> Key:
        """The routers."""
        return "routers", self.a, self.b


@dataclass(frozen=True, slots=True)
class Copy:
    """Bring a stream to the other side, over these ends of a pipe, as somebody's."""

    source: Letter
    stream: Stream
    near: Pipe
    far: Pipe
    participant_id: ParticipantId
    tag: Tag

    @property
    def key(self) -> Key:
        """The stream."""
        return "stream", self.stream.id


Action: TypeAlias = ClosePipe | CloseCopy | CloseSending | ResumeSending | SetPaused | JoinRouters | Copy
"""`patient` ones are about halves: they may be of somebody who is making the other half, or has just closed it. So they
are carried out only when they are still to be done after a moment."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How two servers are joined."""

    one_way: bool = False
    srtp: bool = False
    rtx: bool = True


class Planner:
    """The two sides and how they are to be joined; see `plan`.

    Args:
        a: one server.
        b: the other.
        terms: as asked for.
    """

    def __init__(self, a: Side, b: Side, terms: Terms) -> None:
        self._terms = terms
        self._ways = [_Way("a", a, "b", b)]
        if not terms.one_way:
            self._ways.append(_Way("b", b, "a", a))
        self._own_ways = {way.way for way in self._ways}
        self._a, self._b = a, b
        self._taken_over: set[TransportId] | None = None

    def plan(self, busy: Collection[Key] = ()) -> list[Action]:
        """What is to be done, each apart from the others; nothing when all is as it should be.

        Args:
            busy: what is being done, or was and has not been seen yet: it is left alone.
        """
        if not (self._a.settled and self._b.settled):
            return []
        found = pairs_of(self._a, self._b)
        if self._taken_over is None:
            self._taken_over = {pipe.id for pair in found if self._is_free(pair) for pipe in pair}
        pairs = [pair for pair in found if self._fits(pair)]
        actions: list[Action] = list(self._useless_pipes(pairs, busy))
        for way in self._ways:
            seen_from_there = pairs if way.near_letter == "a" else [(far, near) for near, far in pairs]
            actions += way.mend([pair for pair in seen_from_there if self._is_ours(pair)])
            actions += way.bring(seen_from_there, [pair for pair in seen_from_there if self._is_held(pair)], busy)
        seen = set(busy)
        return [action for action in actions if action.key not in seen and not seen.add(action.key)]  # type: ignore[func-returns-value]  # add() is for its effect

    def ours(self) -> list[ClosePipe]:
        """Both ends of all pipes that this cascade made, or took over from one that ran before it.

        Those that another one made meanwhile are its own, and what goes over them goes on.
        """
        ends: dict[TransportId, ClosePipe] = {}
        for near, far in pairs_of(self._a, self._b):
            if self._is_held((near, far)) and self._is_ours((near, far)):
                ends |= {near.id: _end("a", near), far.id: _end("b", far)}
        ends |= {pipe.id: _end("a", pipe) for pipe in self._a.made.values()}
        ends |= {pipe.id: _end("b", pipe) for pipe in self._b.made.values()}
        return list(ends.values())

    def _fits(self, pair: tuple[Pipe, Pipe]) -> bool:
        """As asked for."""
        return all(pipe.srtp == self._terms.srtp and pipe.rtx == self._terms.rtx for pipe in pair)

    def _is_held(self, pair: tuple[Pipe, Pipe]) -> bool:
        """Made by this cascade, or there and free when it began."""
        held = self._a.made.keys() | self._b.made.keys() | (self._taken_over or set())
        return any(pipe.id in held for pipe in pair)

    def _is_free(self, pair: tuple[Pipe, Pipe]) -> bool:
        """With streams of one that joined the same servers, or with none at all: nobody else's."""
        used = (side.copies_over(pipe.id) or side.sends_over(pipe.id) for pipe in pair for side in (self._a, self._b))
        return self._is_ours(pair) or not any(used)

    def _is_ours(self, pipes: tuple[Pipe, ...]) -> bool:
        """Made by this cascade, or with streams of one that joined the same servers."""
        return any(
            pipe.id in side.made or self._has_our_tag(side, pipe) for pipe in pipes for side in (self._a, self._b)
        )

    def _has_our_tag(self, side: Side, pipe: Pipe) -> bool:
        tags = [copy.tag for copy in side.copies_over(pipe.id)]
        tags += [sending.tag for sending in side.sends_over(pipe.id)]
        return any(tag is not None and tag.way in self._own_ways for tag in tags)

    def _useless_pipes(self, pairs: list[tuple[Pipe, Pipe]], busy: Collection[Key]) -> Iterator[ClosePipe]:
        """What this cascade made, or one before it, and leads nowhere."""
        paired = {pipe.id for pair in pairs for pipe in pair}
        making = {router for key in busy if key[0] == "routers" for router in key[1:]}
        sides: tuple[tuple[Letter, Side], ...] = (("a", self._a), ("b", self._b))
        for letter, side in sides:
            for pipe in side.pipes.values():
                if pipe.id in paired or pipe.id in side.inner or pipe.router_id in making:
                    continue
                if pipe.id in side.made:
                    yield _end(letter, pipe)
                elif self._has_our_tag(side, pipe):
                    yield ClosePipe(letter, pipe.router_id, pipe.id, patient=True)


class _Way:
    """One direction: from the near side to the far one."""

    def __init__(self, near_letter: Letter, near: Side, far_letter: Letter, far: Side) -> None:
        self.near_letter: Letter = near_letter
        self._far_letter: Letter = far_letter
        self._near, self._far = near, far
        self.way: Way = (near.name, far.name, near.room_id)

    def mend(self, pairs: list[tuple[Pipe, Pipe]]) -> Iterator[Action]:
        """Close what has no origin or no copy, and have copies do as their origins."""
        for near, far in pairs:
            sent = {sending.producer_id: sending for sending in self._near.sends_over(near.id)}
            copies = {copy.id: copy for copy in self._far.copies_over(far.id)}
            kept = self._first_places()
            for id_, copy in copies.items():
                origin = self._near.streams.get((near.router_id, id_))
                if origin is None or id_ not in sent:
                    yield CloseCopy(self._far_letter, copy, patient=origin is not None)
                elif kept.get(id_, copy.router_id) != copy.router_id:
                    yield CloseCopy(self._far_letter, copy, patient=True)
                elif origin.paused != copy.paused:
                    yield SetPaused(self._far_letter, copy, origin.paused)
                elif sent[id_].paused:
                    yield ResumeSending(self.near_letter, near.router_id, sent[id_].id, id_)
            yield from (self._stop(sending) for id_, sending in sent.items() if id_ not in copies)

    def _first_places(self) -> dict[ProducerId, RouterId]:
        """On which router each stream of the far side stays, should two cascades have brought it at the same time."""
        found: dict[ProducerId, RouterId] = {}
        for stream in self._far.streams.values():
            if not stream.inner:
                found[stream.id] = min(found.get(stream.id, stream.router_id), stream.router_id)
        return found

    def _stop(self, sending: Sending) -> CloseSending:
        return CloseSending(self.near_letter, sending.router_id, sending.id, sending.producer_id)

    def bring(
        self, pairs: list[tuple[Pipe, Pipe]], held: list[tuple[Pipe, Pipe]], busy: Collection[Key]
    ) -> Iterator[Action]:
        """Bring over what the far side has not, over one of the pairs that are held: they go when this cascade ends."""
        if not self._far.routers:
            return
        names = _Names(self._near, self._far, pairs)
        for stream in self._wanted(pairs):
            if ("stream", stream.id) in busy:
                continue
            pair = next((pair for pair in held if pair[0].router_id == stream.router_id), None)
            if pair is None:
                here, there = stream.router_id, self._far.routers[0]
                yield JoinRouters(here, there) if self.near_letter == "a" else JoinRouters(there, here)
                continue
            path = (*(stream.tag.path if stream.tag is not None else ()), self._near.server_id)
            tag = Tag(source=self._near.name, destination=self._far.name, room=self._near.room_id, path=path)
            name = names.choose(stream.participant_id)
            yield Copy(self.near_letter, stream, *pair, participant_id=name, tag=tag)

    def _wanted(self, pairs: list[tuple[Pipe, Pipe]]) -> list[Stream]:
        """What the far side has not, and did not give us: each stream once, where it comes in here."""
        from_there = {near.id for near, _ in pairs}
        back = (self._far.name, self._near.name, self._near.room_id)
        found: dict[ProducerId, Stream] = {}
        there = {stream.id for stream in self._far.streams.values()}
        for stream in sorted(self._near.streams.values(), key=lambda stream: stream.pipe is not None):
            if stream.inner or stream.pipe in from_there or stream.id in there:
                continue
            if stream.tag is not None and (stream.tag.way == back or self._far.server_id in stream.tag.path):
                continue
            found.setdefault(stream.id, stream)
        return list(found.values())


class _Names:
    """Whose the copies are: the origin's participants, under another name where somebody has theirs."""

    def __init__(self, near: Side, far: Side, pairs: list[tuple[Pipe, Pipe]]) -> None:
        self._known: dict[ParticipantId, ParticipantId] = {}
        self._taken = {id_ for id_, remote in far.participants.items() if not remote}
        ends = {far_end.id: near_end.router_id for near_end, far_end in pairs}
        for copy in far.streams.values():
            if copy.pipe in ends:
                origin = near.streams.get((ends[copy.pipe], copy.id))
                if origin is not None:
                    self._known[origin.participant_id] = copy.participant_id
            elif not copy.inner:
                self._taken.add(copy.participant_id)  # somebody else's, even if it is the name of one of ours
        self._taken.update(self._known.values())

    def choose(self, participant_id: ParticipantId) -> ParticipantId:
        """The name of a participant on the far side."""
        if participant_id not in self._known:
            name, number = participant_id, 1
            while name in self._taken:
                number += 1
                ending = f"~{number}"
                name = ParticipantId(participant_id[: _LONGEST_ID - len(ending)] + ending)
            self._taken.add(name)
            self._known[participant_id] = name
        return self._known[participant_id]


def pairs_of(a: Side, b: Side) -> list[tuple[Pipe, Pipe]]:
    """Each pipe between the two: its end on a, its end on b."""
    return [(near, far) for near in a.pipes.values() for far in b.pipes.values() if meet(near, far)]


def _end(letter: Letter, pipe: Pipe) -> ClosePipe:
    return ClosePipe(letter, pipe.router_id, pipe.id)


def is_shown(action: Action, a: Side, b: Side) -> bool:
    """Whether the two states show that an action was carried out."""
    sides = {"a": a, "b": b}
    match action:
        case ClosePipe():
            return action.pipe not in sides[action.side].pipes
        case CloseCopy():
            return action.stream.place not in sides[action.side].streams
        case CloseSending():
            return action.consumer_id not in sides[action.side].sendings
        case ResumeSending():
            sending = sides[action.side].sendings.get(action.consumer_id)
            return sending is None or not sending.paused
        case SetPaused():
            copy = sides[action.side].streams.get(action.stream.place)
            return copy is None or copy.paused == action.paused
        case JoinRouters():
            # the pair that another cascade made is not the one
            made = [(near, far) for near, far in pairs_of(a, b) if near.id in a.made]
            return any((near.router_id, far.router_id) == (action.a, action.b) for near, far in made)
        case Copy():
            near, far = (a, b) if action.source == "a" else (b, a)
            sent = any(
                sending.producer_id == action.stream.id and sending.pipe == action.near.id
                for sending in near.sendings.values()
            )
            return sent and (action.far.router_id, action.stream.id) in far.streams
