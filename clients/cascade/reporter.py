"""Makes sentences of what a cascade does."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from clients.cascade.news import News, NewsKind
from clients.cascade.plan import (
    Action,
    CloseCopy,
    ClosePipe,
    CloseSending,
    Copy,
    JoinRouters,
    Key,
    Letter,
    ResumeSending,
    SetPaused,
    Terms,
)
from clients.cascade.state import Side, Stream
from clients.errors import Refused
from labsfu.wire.base import ABSENT
from labsfu.wire.ids import ParticipantId


class Reporter:
    """Tells each thing once.

    Args:
        sides: the two servers.
        terms: of their pipes.
        tell: who listens.
    """

    def __init__(self, sides: dict[Letter, Side], terms: Terms, tell: Callable[[News], None]) -> None:
        self._sides, self._terms, self._tell = sides, terms, tell
        self._rooms: dict[Letter, bool] = {}
        self._away: dict[Letter, bool] = {}
        self._ids: dict[Letter, str] = {}
        self._refused: set[tuple[Key, str]] = set()
        self._origins: dict[str, ParticipantId] = {}

    def server(self, letter: Letter, away: str | None) -> None:
        """A server went away, or came back."""
        side = self._sides[letter]
        if away is not None:
            if not self._away.get(letter):
                self._say("server-away", f"{_name(letter)} is away, tried again: {away}", letter)
            self._away[letter] = True
            return
        if letter not in self._ids:
            self._say("server-there", f"{_name(letter)} is {side.name}", letter)
        elif self._away.get(letter):
            another = "; it was restarted" if self._ids[letter] != side.server_id else ""
            self._say("server-back", f"{_name(letter)} is back{another}", letter)
        self._away[letter], self._ids[letter] = False, side.server_id

    def room(self, letter: Letter) -> None:
        """Whether the room is there."""
        side = self._sides[letter]
        if self._rooms.get(letter) == side.exists:
            return
        self._rooms[letter] = side.exists
        if side.exists:
            self._say("room-there", f"room '{side.room_id}' is on {_name(letter)}", letter)
        else:
            self._say("room-missing", f"room '{side.room_id}' is not on {_name(letter)}: waits for it", letter)

    def done(self, action: Action) -> None:
        """An action was carried out."""
        self._refused = {(key, text) for key, text in self._refused if key != action.key}
        match action:
            case Copy():
                self._copied(action)
            case SetPaused():
                kind: NewsKind = "stream-paused" if action.paused else "stream-resumed"
                self._of_copy(kind, action.side, action.stream, "is paused" if action.paused else "goes on")
            case CloseCopy():
                self._of_copy("stream-closed", action.side, action.stream, "has ended")
                self._origins.pop(action.stream.id, None)
            case JoinRouters():
                with_ = [word for word, on in (("SRTP", self._terms.srtp), ("RTX", self._terms.rtx)) if on]
                how = f" with {' and '.join(with_)}" if with_ else ""
                self._say("pipe-made", f"a pipe{how} joins A's router {action.a} and B's router {action.b}")
            case ClosePipe():
                self._say("pipe-closed", f"a pipe of {_name(action.side)} that leads nowhere is closed", action.side)
            case CloseSending() | ResumeSending():
                pass

    def failed(self, action: Action, error: Exception) -> None:
        """An action was not carried out: said once, until it works."""
        text = error.detail if isinstance(error, Refused) else str(error)
        # how long is to be waited is another each time
        what = error.slug if isinstance(error, Refused) and error.too_often else text
        if (action.key, what) in self._refused:
            return
        self._refused.add((action.key, what))
        self._say("refused", f"{_what(action)}: {text}; tried again")

    def forget(self, failing: Collection[Key]) -> None:
        """Keep what is known of streams that are there, and of what still fails."""
        there = {stream.id for side in self._sides.values() for stream in side.streams.values()}
        self._origins = {id_: owner for id_, owner in self._origins.items() if id_ in there}
        self._refused = {(key, text) for key, text in self._refused if key in failing}

    def left(self) -> None:
        """All is undone."""
        self._say("left", "the servers are joined no more; what was copied is gone")

    def _copied(self, action: Copy) -> None:
        stream, other = action.stream, action.participant_id
        self._origins[stream.id] = stream.participant_id
        name = "" if other == stream.participant_id else f" as {other}"
        to: Letter = "b" if action.source == "a" else "a"
        self._of_copy("stream-copied", to, stream, f"is copied{name}", other)

    def _of_copy(
        self, kind: NewsKind, to: Letter, stream: Stream, words: str, copy_of: ParticipantId | None = None
    ) -> None:
        source: Letter = "a" if to == "b" else "b"
        owner = self._origins.get(stream.id, stream.participant_id)
        self._tell(
            News(
                at=_now(),
                kind=kind,
                text=f"{_name(source)} -> {_name(to)}: the {stream.kind} of {owner} {words}",
                side=to,
                producer_id=stream.id,
                participant_id=owner,
                copy_participant_id=stream.participant_id if copy_of is None else copy_of,
                media=stream.kind,
            )
        )

    def _say(self, kind: NewsKind, text: str, side: Letter | None = None) -> None:
        self._tell(News(at=_now(), kind=kind, text=text, side=ABSENT if side is None else side))


def _name(letter: Letter) -> str:
    return letter.upper()


def _what(action: Action) -> str:
    match action:
        case Copy():
            return f"the {action.stream.kind} of {action.stream.participant_id} cannot be copied"
        case JoinRouters():
            return "no pipe can be made"
        case SetPaused() | CloseCopy():
            return f"the copied {action.stream.kind} of {action.stream.participant_id} cannot be changed"
        case _:
            return "a pipe cannot be changed"


def _now() -> int:
    return int(time.time() * 1000)
