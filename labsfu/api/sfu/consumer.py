"""Consumers over HTTP."""

from __future__ import annotations

from labsfu.api.ask import ask
from labsfu.api.context import Api
from labsfu.api.query import NoQuery
from labsfu.api.routing import AnyRoute, Call, NoBody, Refusal, Reply, Route
from labsfu.api.sfu.producer import PRODUCER, OwnerQuery
from labsfu.api.sfu.refusals import BAD_DTLS, NO_CONSUMER, NO_PRODUCER, NO_ROUTER, NO_TRANSPORT_LEFT, SHARED
from labsfu.api.sfu.router import ROUTER
from labsfu.rooms.limits import check_app_data
from labsfu.wire import commands
from labsfu.wire.base import ABSENT
from labsfu.wire.payloads import Message
from labsfu.wire.sfu import (
    ConnectConsumerTransportRequestPayload,
    ConsumerList,
    ConsumerPayload,
    CreateConsumerRequestPayload,
    IceRestartedPayload,
    UpdateConsumerRequestPayload,
)

CONSUMERS = f"{ROUTER}/consumers"
CONSUMER = f"{CONSUMERS}/{{consumerId}}"


async def create_consumer_handler(api: Api, call: Call[OwnerQuery, CreateConsumerRequestPayload]) -> Reply:
    """Make a consumer of a producer, with a transport of its own."""
    body = call.body
    command = commands.CreateConsumer(
        router_id=call.router_id,
        producer_id=call.producer_id,
        participant_id=call.query.owner(),
        rtp_capabilities=body.rtp_capabilities,
        paused=body.paused,
        preferred_layers=body.preferred_layers,
        priority=1 if body.priority is ABSENT else body.priority,
        app_data=check_app_data(body.app_data),
    )
    consumer = (await ask(api, command, commands.ConsumerShown)).consumer
    return Reply(consumer, f"/sfu/routers/{consumer.router_id}/consumers/{consumer.id}")


async def list_consumers_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:
    """Show all consumers of a router, those of a room too."""
    shown = await ask(api, commands.ListConsumers(router_id=call.router_id), commands.ConsumersShown)
    return Reply(ConsumerList(consumers=shown.consumers))


async def get_consumer_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:
    """Show a consumer."""
    command = commands.GetConsumer(router_id=call.router_id, consumer_id=call.consumer_id)
    return Reply((await ask(api, command, commands.ConsumerShown)).consumer)


async def put_consumer_handler(api: Api, call: Call[NoQuery, UpdateConsumerRequestPayload]) -> Reply:
    """Change what a consumer is sent."""
    body = call.body
    command = commands.UpdateConsumer(
        router_id=call.router_id,
        consumer_id=call.consumer_id,
        preferred_layers=body.preferred_layers,
        priority=body.priority,
        paused=body.paused,
        max_bitrate=body.max_bitrate,
    )
    return Reply((await ask(api, command, commands.ConsumerShown)).consumer)


async def connect_consumer_handler(api: Api, call: Call[NoQuery, ConnectConsumerTransportRequestPayload]) -> Reply:
    """Give the client's DTLS parameters of a consumer's own transport, once."""
    command = commands.ConnectConsumer(
        router_id=call.router_id, consumer_id=call.consumer_id, dtls_parameters=call.body.dtls_parameters
    )
    await ask(api, command, commands.Done)
    return Reply(Message(message=f"the transport of consumer {call.consumer_id} connects"))


async def pause_consumer_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:
    """Send to a consumer no more; what is paused stays so."""
    command = commands.PauseConsumer(router_id=call.router_id, consumer_id=call.consumer_id)
    await ask(api, command, commands.Done)
    return Reply(Message(message=f"consumer {call.consumer_id} is paused"))


async def resume_consumer_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:
    """Send to a consumer, video from the next key frame on, which is asked for."""
    command = commands.ResumeConsumer(router_id=call.router_id, consumer_id=call.consumer_id)
    await ask(api, command, commands.Done)
    return Reply(Message(message=f"consumer {call.consumer_id} flows"))


async def restart_ice_consumer_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:
    """Make new ICE credentials for a consumer's own transport."""
    command = commands.RestartConsumerIce(router_id=call.router_id, consumer_id=call.consumer_id)
    restarted = await ask(api, command, commands.IceRestarted)
    message = f"ICE of consumer {call.consumer_id} restarts"
    return Reply(IceRestartedPayload(message=message, ice_parameters=restarted.ice_parameters))


async def request_key_frame_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:
    """Ask a consumer's producer for a key frame, unless it was just asked."""
    command = commands.RequestKeyFrame(router_id=call.router_id, consumer_id=call.consumer_id)
    await ask(api, command, commands.Done)
    return Reply(Message(message=f"a key frame is asked for, for consumer {call.consumer_id}"))


async def delete_consumer_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:
    """Close a consumer and its own transport; a room's participant is told."""
    command = commands.CloseConsumer(router_id=call.router_id, consumer_id=call.consumer_id)
    await ask(api, command, commands.Done)
    return Reply(Message(message=f"consumer {call.consumer_id} is closed"))


_FOUND = (NO_ROUTER, NO_CONSUMER)

ROUTES: tuple[AnyRoute, ...] = (
    Route(
        "POST",
        f"{PRODUCER}/consumers",
        create_consumer_handler,
        OwnerQuery,
        ConsumerPayload,
        body=CreateConsumerRequestPayload,
        status=201,
        refusals=(
            NO_ROUTER,
            NO_PRODUCER,
            Refusal(400, "invalid-participant-id"),
            Refusal(400, "invalid-rtp-capabilities"),
            Refusal(400, "app-data-too-large"),
            Refusal(409, "producer-incomplete"),
            Refusal(409, "too-many-consumers"),
            NO_TRANSPORT_LEFT,
            Refusal(422, "no-common-codec"),
        ),
    ),
    Route("GET", CONSUMERS, list_consumers_handler, NoQuery, ConsumerList, refusals=(NO_ROUTER,)),
    Route("GET", CONSUMER, get_consumer_handler, NoQuery, ConsumerPayload, refusals=_FOUND),
    Route(
        "PUT",
        CONSUMER,
        put_consumer_handler,
        NoQuery,
        ConsumerPayload,
        body=UpdateConsumerRequestPayload,
        refusals=_FOUND,
    ),
    Route(
        "POST",
        f"{CONSUMER}/connect",
        connect_consumer_handler,
        NoQuery,
        Message,
        body=ConnectConsumerTransportRequestPayload,
        refusals=(*_FOUND, *BAD_DTLS, SHARED),
    ),
    Route("POST", f"{CONSUMER}/pause", pause_consumer_handler, NoQuery, Message, refusals=_FOUND),
    Route("POST", f"{CONSUMER}/resume", resume_consumer_handler, NoQuery, Message, refusals=_FOUND),
    Route(
        "POST",
        f"{CONSUMER}/restart-ice",
        restart_ice_consumer_handler,
        NoQuery,
        IceRestartedPayload,
        refusals=(*_FOUND, SHARED),
    ),
    Route("POST", f"{CONSUMER}/request-key-frame", request_key_frame_handler, NoQuery, Message, refusals=_FOUND),
    Route("DELETE", CONSUMER, delete_consumer_handler, NoQuery, Message, refusals=_FOUND),
)
