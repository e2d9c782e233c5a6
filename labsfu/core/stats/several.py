"""Stats of several things at one moment."""

from __future__ import annotations

from labsfu.core.forwarding.router import Router
from labsfu.core.stats.moment import Moment
from labsfu.core.stats.streams import consumer_stats, producer_stats
from labsfu.core.stats.transports import transport_stats
from labsfu.core.tables import Tables
from labsfu.wire.commands import GetStats, StatsShown


def stats_of(router: Router, command: GetStats, tables: Tables, moment: Moment) -> StatsShown:
    """What the command asks for, as far as the router has it."""
    transports = [tables.transports[id_] for id_ in command.transport_ids if id_ in tables.transports]
    producers = [router.producers[id_] for id_ in command.producer_ids if id_ in router.producers]
    consumers = [router.consumers[id_][0] for id_ in command.consumer_ids if id_ in router.consumers]
    return StatsShown(
        transports=tuple(transport_stats(t, moment) for t in transports if t.router_id == router.id),
        producers=tuple(
            producer_stats(producer.terms.id, producer, tables.transports[transport_id], moment)
            for producer, _, transport_id in producers
        ),
        consumers=tuple(consumer_stats(router, consumer, tables, moment) for consumer in consumers),
    )
