"""Looks at all counters of bytes four times a second, so that rates cost nothing per packet."""

from __future__ import annotations

from labsfu.core.forwarding.layered_producer import LayeredProducer
from labsfu.core.forwarding.producer import Producer
from labsfu.core.forwarding.rate_window import INTERVAL
from labsfu.core.forwarding.router import Router
from labsfu.core.tables import Tables


class Sampler:
    """Fills the `RateWindow`s of an engine. It has a timer only while some transport is up: nothing flows else.

    Args:
        tables: of the engine.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._next: float | None = None

    def wake(self, now: float) -> None:
        """Some transport is up: begin to look. No effect when it has begun."""
        if self._next is None:
            self._sample(now)

    def tick(self, now: float) -> None:
        """Look at everything, if it is time."""
        if self._next is not None and now >= self._next:
            self._sample(now)

    def deadline(self) -> float | None:
        """When `tick` has something to do."""
        return self._next if self._tables.transports else None

    def _sample(self, now: float) -> None:
        tables = self._tables
        self._next = now + INTERVAL if any(transport.up for transport in tables.transports.values()) else None
        sums = {r.id: [r.traffic.bytes_received, r.traffic.bytes_sent] for r in tables.routers.values()}
        for transport in tables.transports.values():
            counts = transport.byte_counts()
            transport.rates.keep(now, *counts)
            total = sums[transport.router_id]
            total[0] += counts[0]
            total[1] += counts[1]
        for router in tables.routers.values():
            router.rates.keep(now, *sums[router.id])
            _sample_streams(router, now)


def _sample_streams(router: Router, now: float) -> None:
    for producer, _, _ in router.producers.values():
        _sample_producer(producer, now)
    for consumer, _, _ in router.consumers.values():
        for part in consumer.parts:
            if part.packets:  # else its window has not begun
                part.rate.keep(now, part.bytes)


def _sample_producer(producer: Producer, now: float) -> None:
    layered = isinstance(producer, LayeredProducer)
    for stream in producer.streams.values():
        stream.rate.keep(now, stream.bytes)
        if layered:
            stream.layer_rates.keep(now, *stream.layer_bytes)
