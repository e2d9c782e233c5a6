"""Telling what was dropped, at a rate that is bearable: per stream at most once a second, and nothing is left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from labsfu.core.drops import Drops
from labsfu.wire.base import ABSENT, Absent
from labsfu.wire.events import PacketsDropped
from labsfu.wire.ids import ConsumerId, ProducerId, RouterId, TransportId

INTERVAL = 1.0
"""Seconds between two reports."""

NOWHERE = RouterId("")


@dataclass(frozen=True, slots=True)
class Stream:
    """Whose drops they are: of a transport, a producer or a consumer, of which one is named; or of none."""

    router_id: RouterId = NOWHERE
    transport_id: TransportId | Absent = ABSENT
    producer_id: ProducerId | Absent = ABSENT
    consumer_id: ConsumerId | Absent = ABSENT


class DropReports:
    """One timer for all streams of an engine, set only while there is something to tell.

    Given: whom to tell. Owned: who is watched, which of them have news, when those may be told.
    """

    def __init__(self, tell: Callable[[PacketsDropped], None]) -> None:
        self._tell = tell
        self._streams: dict[Drops, Stream] = {}
        self._waiting: dict[Drops, None] = {}
        self._next = float("-inf")

    def watch(self, drops: Drops, stream: Stream) -> None:
        """Tell of these drops from now on, until another's `absorb` ends them."""
        self._streams[drops] = stream
        drops.watch(self)

    def dropped(self, drops: Drops) -> None:
        """One that is watched has news."""
        self._waiting[drops] = None

    def ended(self, drops: Drops) -> None:
        """Tell the rest at once, and watch it no more."""
        self._waiting.pop(drops, None)
        self._report(drops, self._streams.pop(drops))

    def tick(self, now: float) -> None:
        """Tell what is new, if it is time."""
        if not self._waiting or now < self._next:
            return
        self._next = now + INTERVAL
        waiting, self._waiting = self._waiting, {}
        for drops in waiting:
            self._report(drops, self._streams[drops])

    def deadline(self) -> float | None:
        """When `tick` has something to do; may be in the past."""
        return self._next if self._waiting else None

    def _report(self, drops: Drops, stream: Stream) -> None:
        news = drops.take_news()
        if news:
            self._tell(
                PacketsDropped(
                    router_id=stream.router_id,
                    transport_id=stream.transport_id,
                    producer_id=stream.producer_id,
                    consumer_id=stream.consumer_id,
                    drops=news,
                )
            )
