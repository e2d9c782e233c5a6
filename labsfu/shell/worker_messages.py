"""What a server and a worker process say to each other. The end of the stream is the word to end, in both directions.

What a command, a result and the like are made of travels packed inside, so that one that is wrong spoils no other.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Union

from labsfu import errors
from labsfu.config import MediaListen
from labsfu.errors import CommandError, Unavailable
from labsfu.shell.frames import Unpacker
from labsfu.wire.base import Wire
from labsfu.wire.commands import Command, Result
from labsfu.wire.events import EngineEvent
from labsfu.wire.ids import WorkerId
from labsfu.wire.payloads import WorkerInfo
from labsfu.wire.rtp import RtpCapabilities, RtpCodecCapability

PROGRAM = f"labsfu {version('labsfu')} at {Path(errors.__file__).resolve().parent}"
"""Which program it is that speaks: two that differ do not understand each other."""

# ------------------------------------------------------------ to a worker


class Begin(Wire, tag="begin"):
    """The first message: who it is, and all that it must know.

    Attributes:
        program: the server's `PROGRAM`; a worker of another one cannot start.
        media: where media comes in.
        boot: as in `labsfu.shell.clock.Clock`.
        sockets: descriptors that it inherited, bound to `media` address by address; empty: it binds its own.
    """

    program: str
    worker_id: WorkerId
    media: MediaListen
    media_codecs: tuple[RtpCodecCapability, ...]
    boot: float
    log_level: str
    log_format: str
    sockets: tuple[int, ...] = ()


class Ask(Wire, tag="ask"):
    """Carry a command out. Answered by Answer, Refused or Broken with the same number."""

    number: int
    command: bytes


class AskInfo(Wire, tag="ask-info"):
    """Say how it goes. Answered by Told."""

    number: int


class Ping(Wire, tag="ping"):
    """Answered by Pong."""


ToWorker: TypeAlias = Begin | Ask | AskInfo | Ping

# ------------------------------------------------------------ from a worker


class Ready(Wire, tag="ready"):
    """It runs, its media port bound."""

    listen: tuple[str, ...]
    rtp_capabilities: RtpCapabilities


class CannotStart(Wire, tag="cannot-start"):
    """It cannot run, and ends."""

    slug: str
    detail: str


class Answer(Wire, tag="answer"):
    """The command is carried out."""

    number: int
    result: bytes


class Refused(Wire, tag="refused"):
    """The command is not carried out: a CommandError, by the name of its class."""

    number: int
    error: str
    slug: str
    detail: str


class Broken(Wire, tag="broken"):
    """A bug came to light with a command; nobody knows how far it was carried out. `detail` is a traceback."""

    number: int
    detail: str


class Told(Wire, tag="told"):
    """How it goes."""

    number: int
    info: WorkerInfo


class Pong(Wire, tag="pong"):
    """It runs, and reads what it is sent; `load` is the share of a core that it used in the last second."""

    load: float


class Happened(Wire, tag="happened"):
    """The engine's events, before the answer to the command that they come of."""

    events: tuple[EngineEvent, ...]


FromWorker: TypeAlias = Ready | CannotStart | Answer | Refused | Broken | Told | Pong | Happened

# ------------------------------------------------------------ readers

if TYPE_CHECKING:
    AnyCommand: TypeAlias = Command
else:

    def _leaves(type_):  # noqa: ANN001, ANN202 - the type checker sees the other branch
        """The commands that are no base of others."""
        return [leaf for sub in type_.__subclasses__() for leaf in _leaves(sub)] or [type_]

    AnyCommand = Union[tuple(_leaves(Command))]  # noqa: UP007 - of types that are known when it runs

to_worker: Unpacker[ToWorker] = Unpacker(ToWorker)
from_worker: Unpacker[FromWorker] = Unpacker(FromWorker)
command_unpacker: Unpacker[Command] = Unpacker(AnyCommand)
result_unpacker: Unpacker[Result] = Unpacker(Result)

# ------------------------------------------------------------ refusals

_REFUSALS: dict[str, type[CommandError]] = {
    class_.__name__: class_
    for class_ in vars(errors).values()
    if isinstance(class_, type) and issubclass(class_, CommandError)
}


def refused_by(number: int, error: CommandError) -> Refused:
    """A refusal on its way: of the nearest class that `labsfu.errors` has."""
    name = next(class_.__name__ for class_ in type(error).__mro__ if class_.__name__ in _REFUSALS)
    return Refused(number=number, error=name, slug=error.slug, detail=error.detail)


def refusal_of(refused: Refused) -> CommandError:
    """The refusal that came."""
    return _REFUSALS.get(refused.error, Unavailable)(refused.detail, slug=refused.slug)
