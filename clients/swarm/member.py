"""One person of a worker: comes, sends, watches, goes, and may come again."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

from clients.network import NetworkPlan
from clients.participant import LabClient
from clients.swarm.encoded_media import EncodedEquipment
from clients.swarm.equipment import Equipment
from clients.swarm.messages import ClientCounts
from clients.swarm.plan import Orders, Seat
from clients.swarm.synthetic_media import SyntheticEquipment
from clients.swarm.totals import Flow, Joins
from labsfu.wire.payloads import ParticipantType

PHASE = 0.1
"""Seconds by which an arrival is late at most; drawn. A few frames' worth."""
_SOURCES = 1 << 16


class Member:
    """A person.

    Args:
        seat: its place.
        orders: what everyone does.
        joins: where its comings and goings are counted.

    Attributes:
        seat: as given.
    """

    def __init__(self, seat: Seat, orders: Orders, joins: Joins) -> None:
        # given
        self.seat = seat
        self._orders = orders
        self._joins = joins
        # owned
        self._leave = asyncio.Event()
        self._equipment: Equipment | None = None
        self._past = Flow()
        self._stays = 0
        self._last: asyncio.Task[str | None] | None = None

    def come(self, joined: Callable[[], None], gone: Callable[[str | None], None]) -> asyncio.Task[str | None]:
        """Begin a stay, after the one before; its task gives the error that ended it, and never raises one.

        Args:
            joined: called when it is in the room and sends.
            gone: called when it is not there any more; an error, if it did not leave as it was asked to.
        """
        self._leave = leave = asyncio.Event()
        self._last = asyncio.create_task(self._come(self._last, leave, joined, gone), name=self.seat.name)
        return self._last

    def go(self) -> None:
        """End the stay, if there is one. Idempotent."""
        self._leave.set()

    def counts(self) -> ClientCounts:
        """What it has so far."""
        flow = Flow().add(self._past)
        if self._equipment is not None:
            flow.add(self._equipment.flow(present=True))
        return ClientCounts(seat=self.seat, present=self._equipment is not None, stays=self._stays, flow=flow)

    async def _come(
        self,
        before: asyncio.Task[str | None] | None,
        leave: asyncio.Event,
        joined: Callable[[], None],
        gone: Callable[[str | None], None],
    ) -> str | None:
        if before is not None:
            await before
        self._joins.asked += 1
        error: str | None = None
        try:
            await self._stay(leave, joined)
            self._joins.left += 1
        except Exception as reason:
            self._joins.failed += 1
            error = f"{self.seat.name}: {type(reason).__name__}: {reason}"
        gone(error)
        return error

    async def _stay(self, leave: asyncio.Event, joined: Callable[[], None]) -> None:
        orders, seat = self._orders, self.seat
        make = SyntheticEquipment if orders.synthetic else EncodedEquipment
        gear: Equipment = make((seat.number + 1) % _SOURCES, orders.media)
        self._equipment = gear
        try:
            rng = random.Random(f"{orders.seed}/{seat.number}/{self._stays}")
            # arrivals on the beat of the frames would have all cameras of the crowd fire at once
            await asyncio.sleep(rng.random() * PHASE)
            began = time.monotonic()
            client = self._client(gear, rng)
            async with client:
                for source in gear.sources():
                    gear.publishing(client, await client.publish(source))
                self._joins.joined += 1
                self._stays += 1
                self._joins.seconds.note(time.monotonic() - began)
                joined()
                await leave.wait()
                # while the sockets are open and the streams are known
                self._past.add(gear.flow(present=False))
                self._equipment = None
        finally:
            if self._equipment is not None:
                self._past.add(gear.flow(present=False))
                self._equipment = None
            await gear.rest()

    def _client(self, gear: Equipment, rng: random.Random) -> LabClient:
        orders, seat = self._orders, self.seat
        network = None
        if orders.network is not None:
            network = NetworkPlan(seed=orders.seed, client=str(seat.number), up=orders.network, down=orders.network)
        return LabClient(
            orders.url,
            room=seat.room,
            name=seat.name,
            room_type=orders.layout.room_type,
            participant_type=ParticipantType.HOST,
            size=orders.layout.room_size,
            token=orders.token,
            network=network,
            tap=gear.tap,
            on_track=gear.watch,
            synthetic=orders.synthetic,
            timeout=orders.timeout,
            rng=rng,
        )
