"""What the conductor and its workers say to each other: msgpack, after its length in 4 octets."""

from __future__ import annotations

import asyncio
from typing import Generic, TypeAlias, TypeVar

import msgspec

from clients.swarm.errors import SwarmFailed
from clients.swarm.health import HealthCounts
from clients.swarm.plan import Orders, Seat
from clients.swarm.totals import Flow, Joins

T = TypeVar("T")

_LONGEST = 64 * 1024 * 1024


class Begin(msgspec.Struct, tag=True):
    """First to a worker."""

    orders: Orders


class Join(msgspec.Struct, tag=True):
    """Have someone come."""

    seat: Seat


class Depart(msgspec.Struct, tag=True):
    """Have someone go."""

    number: int


class Measure(msgspec.Struct, tag=True):
    """Say what you have; `question` comes back with the answer."""

    question: int


class Stop(msgspec.Struct, tag=True):
    """Have everyone leave, and end."""


class Ready(msgspec.Struct, tag=True):
    """First from a worker."""

    pid: int


class Joined(msgspec.Struct, tag=True):
    """Someone is in, and sends."""

    number: int


class Gone(msgspec.Struct, tag=True):
    """Someone is not there any more; `error` says why, if it was not asked to go."""

    number: int
    error: str | None


class ClientCounts(msgspec.Struct):
    """What one client has so far, all its stays together."""

    seat: Seat
    present: bool
    stays: int
    flow: Flow


class Measured(msgspec.Struct, tag=True):
    """Readings of a worker and of its clients, since its start.

    Attributes:
        question: of the `Measure`.
        worker: number.
        pid: of its process.
        at: monotonic seconds.
        health: its own.
        sockets: its UDP sockets.
        joins: of all.
        clients: each.
    """

    question: int
    worker: int
    pid: int
    at: float
    health: HealthCounts
    sockets: int
    joins: Joins
    clients: list[ClientCounts]


ToWorker: TypeAlias = Begin | Join | Depart | Measure | Stop
FromWorker: TypeAlias = Ready | Joined | Gone | Measured


class Channel(Generic[T]):
    """One end of the way between two processes.

    Args:
        reader: of a stream socket.
        writer: the same socket's.
        decoder: of what comes.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, decoder: msgspec.msgpack.Decoder[T]
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._decoder = decoder

    def send(self, message: ToWorker | FromWorker) -> None:
        """Say something; what the other end, gone, does not take is lost."""
        data = msgspec.msgpack.encode(message)
        self._writer.write(len(data).to_bytes(4, "big") + data)

    async def receive(self) -> T | None:
        """The next message; None: the other end is gone.

        Raises:
            SwarmFailed: it does not speak our language.
        """
        try:
            length = int.from_bytes(await self._reader.readexactly(4), "big")
            if length > _LONGEST:
                raise SwarmFailed(f"a message of {length} octets")
            return self._decoder.decode(await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        except msgspec.MsgspecError as error:
            raise SwarmFailed(f"a message that is none: {error}") from error

    def close(self) -> None:
        """Hang up. Idempotent."""
        self._writer.close()


def from_worker_decoder() -> msgspec.msgpack.Decoder[FromWorker]:
    """For the conductor."""
    return msgspec.msgpack.Decoder(FromWorker)


def to_worker_decoder() -> msgspec.msgpack.Decoder[ToWorker]:
    """For a worker."""
    return msgspec.msgpack.Decoder(ToWorker)
