"""A worker process: `python -m clients.swarm.worker --socket FD --parent PID`; started by the conductor only."""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import os
import signal
import socket
import sys
import time

from clients.swarm.errors import SwarmFailed
from clients.swarm.health import HealthProbe
from clients.swarm.loop import DrainingLoop
from clients.swarm.member import Member
from clients.swarm.messages import (
    Begin,
    Channel,
    Depart,
    Gone,
    Join,
    Joined,
    Measure,
    Measured,
    Ready,
    ToWorker,
    to_worker_decoder,
)
from clients.swarm.plan import Orders, Seat
from clients.swarm.totals import Joins

_PR_SET_PDEATHSIG = 1


class Worker:
    """Its members, as the conductor wants them.

    Args:
        orders: what everyone does.
        channel: to the conductor.
    """

    def __init__(self, orders: Orders, channel: Channel[ToWorker]) -> None:
        self._orders = orders
        self._channel = channel
        self._joins = Joins()
        self._members: dict[int, Member] = {}
        self._stays: set[asyncio.Task[str | None]] = set()
        self._health = HealthProbe()

    async def run(self) -> None:
        """Obey until told to stop, or until the conductor is gone; then everyone leaves."""
        gc.collect()
        gc.freeze()  # what was imported is here to stay: collections need not look at it
        self._health.start()
        self._channel.send(Ready(os.getpid()))
        try:
            while await self._obey():
                pass
        finally:
            for member in self._members.values():
                member.go()
            if self._stays:
                await asyncio.wait(self._stays)
            self._health.stop()

    async def _obey(self) -> bool:
        """One message; False: it was the last."""
        match await self._channel.receive():
            case Join(seat):
                self._join(seat)
            case Depart(number) if number in self._members:
                self._members[number].go()
            case Depart():
                pass
            case Measure(question):
                self._channel.send(self._measured(question))
            case _:
                return False
        return True

    def _join(self, seat: Seat) -> None:
        number = seat.number
        if number not in self._members:
            self._members[number] = Member(seat, self._orders, self._joins)
        stay = self._members[number].come(
            lambda: self._channel.send(Joined(number)), lambda error: self._channel.send(Gone(number, error))
        )
        self._stays.add(stay)
        stay.add_done_callback(self._stays.discard)

    def _measured(self, question: int) -> Measured:
        return Measured(
            question=question,
            worker=self._orders.worker,
            pid=os.getpid(),
            at=time.monotonic(),
            health=self._health.counts(),
            sockets=self._health.sockets,
            joins=Joins().add(self._joins),
            clients=[member.counts() for member in self._members.values()],
        )


async def serve(end: socket.socket) -> None:
    """Work for whoever has the other end.

    Raises:
        SwarmFailed: it does not begin with orders.
    """
    reader, writer = await asyncio.open_connection(sock=end)
    channel = Channel(reader, writer, to_worker_decoder())
    try:
        match await channel.receive():
            case Begin(orders):
                await Worker(orders, channel).run()
            case None:
                pass
            case other:
                raise SwarmFailed(f"the first message was {other!r}")
    finally:
        channel.close()


def die_with(parent: int) -> None:
    """Have the kernel end this process when its parent is gone (Linux); elsewhere the channel's end has to do."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit(1)


def main() -> None:
    """Serve the socket that was inherited."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--socket", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the conductor says when it is over
    die_with(options.parent)
    with asyncio.Runner(loop_factory=DrainingLoop) as runner:
        runner.run(serve(socket.socket(fileno=options.socket)))


if __name__ == "__main__":
    main()
