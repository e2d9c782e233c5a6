"""Stats of several things at one moment."""

from __future__ import annotations

from labsfu.core.forwarding.router import Router
from labsfu.core.stats.moment import Moment
from labsfu.core.stats.streams import consumer_stats, producer_stats
from labsfu.core.stats.transports import transport_stats
from labsfu.core.tables import Tables
from labsfu.core.transport.webrtc import WebRtcTransport
from labsfu.wire.commands import GetStats, StatsShown


def stats_of(router: Router, command: GetStats, tables: Tables, moment: Moment) -> StatsShown:
    """What the command asks for, as far as the router has it."""
    transports = [tables.transports.get(id_) for id_ in command.transport_ids]
    producers = [router.producers[id_] for id_ in command.producer_ids if id_ in router.producers]
    consumers = [router.consumers[id_][0] for id_ in command.consumer_ids if id_ in router.consumers]
    return StatsShown(
        transports=tuple(
            transport_stats(transport, moment)
            for transport in transports
            if isinstance(transport, WebRtcTransport) and transport.router_id == router.id
        ),
        producers=tuple(
            producer_stats(producer.terms.id, producer, tables.transports[transport_id], moment)
            for producer, _, transport_id in producers
        ),
        consumers=tuple(consumer_stats(router, consumer, tables, moment) for consumer in consumers),
    )
