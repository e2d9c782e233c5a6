"""Stats over HTTP, in mediasoup's shapes (`labsfu.wire.stats`)."""

from __future__ import annotations

from labsfu.api.ask import ask
from labsfu.api.context import Api
from labsfu.api.query import NoQuery
from labsfu.api.routing import AnyRoute, Call, NoBody, Reply, Route
from labsfu.api.sfu.consumer import CONSUMER
from labsfu.api.sfu.producer import PRODUCER
from labsfu.api.sfu.refusals import NO_CONSUMER, NO_PRODUCER, NO_ROUTER
from labsfu.api.sfu.router import ROUTER
from labsfu.wire import commands
from labsfu.wire.stats import ConsumerStatsPayload, ProducerStatsPayload, RouterStatsPayload


async def get_router_stats_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:
    """Show what a router's transports carry, each and together."""
    command = commands.GetRouterStats(router_id=call.router_id)
    return Reply((await ask(api, command, commands.RouterStatsShown)).stats)


async def get_producer_stats_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:
    """Show how a producer's streams arrive, and what its transport carries."""
    command = commands.GetProducerStats(router_id=call.router_id, producer_id=call.producer_id)
    return Reply((await ask(api, command, commands.ProducerStatsShown)).stats)


async def get_consumer_stats_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:
    """Show how a consumer's stream gets through, and what its transport carries."""
    command = commands.GetConsumerStats(router_id=call.router_id, consumer_id=call.consumer_id)
    return Reply((await ask(api, command, commands.ConsumerStatsShown)).stats)


ROUTES: tuple[AnyRoute, ...] = (
    Route("GET", f"{ROUTER}/stats", get_router_stats_handler, NoQuery, RouterStatsPayload, refusals=(NO_ROUTER,)),
    Route(
        "GET",
        f"{PRODUCER}/stats",
        get_producer_stats_handler,
        NoQuery,
        ProducerStatsPayload,
        refusals=(NO_ROUTER, NO_PRODUCER),
    ),
    Route(
        "GET",
        f"{CONSUMER}/stats",
        get_consumer_stats_handler,
        NoQuery,
        ConsumerStatsPayload,
        refusals=(NO_ROUTER, NO_CONSUMER),
    ),
)
