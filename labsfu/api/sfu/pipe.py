"""Pipes over HTTP: from router to router, on this server or another."""

from __future__ import annotations

from typing import Annotated

import msgspec

from labsfu.api.ask import ask
from labsfu.api.context import Api
from labsfu.api.query import NoQuery
from labsfu.api.routing import AnyRoute, Call, NoBody, Refusal, Reply, Route
from labsfu.api.sfu.producer import PRODUCER, OwnerQuery
from labsfu.api.sfu.refusals import (
    BAD_RTP,
    NO_PIPE_TRANSPORT,
    NO_PRODUCER,
    NO_ROUTER,
    NO_TRANSPORT_LEFT,
    TOO_MANY_STREAMS,
    UNSUPPORTED_MEDIA,
)
from labsfu.api.sfu.router import ROUTER
from labsfu.rooms.limits import check_app_data
from labsfu.wire import commands
from labsfu.wire.base import Wire
from labsfu.wire.payloads import Message
from labsfu.wire.pipe import (
    ConnectPipeTransportRequestPayload,
    CreatePipeConsumerForProducerPayload,
    CreatePipeTransportRequestPayload,
    CreateRemoteProducerOnPipeTransportPayload,
    PipeConsumerPayload,
    PipeProducerPayload,
    PipeProducerToLocalRouterPayload,
    PipeTransportList,
    PipeTransportPayload,
)
from labsfu.wire.stats import PipeTransportStatsPayload

PIPES = f"{ROUTER}/pipe-transports"
PIPE = f"{PIPES}/{{pipeTransportId}}"


class RemoteHostQuery(Wire):
    """Where the other end of a pipe listens."""

    remote_host_ip: str
    remote_host_port: Annotated[int, msgspec.Meta(ge=1, le=65535)]


async def create_pipe_transport_handler(api: Api, call: Call[NoQuery, CreatePipeTransportRequestPayload]) -> Reply:
    """Make one end of a pipe to another router, on a UDP port of its own.

    A pipe has two ends. Make the other one on the other router, then tell each where the other listens (`connect`).
    """
    body = call.body
    command = commands.CreatePipeTransport(
        router_id=call.router_id,
        listen_ip=body.listen_ip,
        port=body.port,
        enable_srtp=body.enable_srtp,
        enable_rtx=body.enable_rtx,
    )
    pipe = (await ask(api, command, commands.PipeTransportShown)).pipe_transport
    return Reply(pipe, f"/sfu/routers/{pipe.router_id}/pipe-transports/{pipe.id}")


async def list_pipe_transports_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:
    """Show all pipe transports of a router, those that the server made for itself too."""
    shown = await ask(api, commands.ListPipeTransports(router_id=call.router_id), commands.PipeTransportsShown)
    return Reply(PipeTransportList(pipe_transports=shown.pipe_transports))


async def get_pipe_transport_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:
    """Show one end of a pipe."""
    command = commands.GetPipeTransport(router_id=call.router_id, transport_id=call.pipe_transport_id)
    return Reply((await ask(api, command, commands.PipeTransportShown)).pipe_transport)


async def get_pipe_transport_stats_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:
    """Show what one end of a pipe carries, and each stream that comes and goes over it."""
    command = commands.GetPipeTransportStats(router_id=call.router_id, transport_id=call.pipe_transport_id)
    return Reply((await ask(api, command, commands.PipeTransportStatsShown)).stats)


async def connect_pipe_transport_to_remote_host_handler(
    api: Api, call: Call[RemoteHostQuery, ConnectPipeTransportRequestPayload]
) -> Reply:
    """Say where the other end of a pipe listens, once, and with which keys it sends if SRTP is on.

    From then on packets are taken from that address alone. `srtpParameters` are those that the other end shows; without
    SRTP there is no body.
    """
    command = commands.ConnectPipeTransport(
        router_id=call.router_id,
        transport_id=call.pipe_transport_id,
        ip=call.query.remote_host_ip,
        port=call.query.remote_host_port,
        srtp_parameters=call.body.srtp_parameters,
    )
    await ask(api, command, commands.Done)
    return Reply(Message(message=f"pipe transport {call.pipe_transport_id} is connected"))


async def create_pipe_consumer_for_producer_handler(
    api: Api, call: Call[NoQuery, CreatePipeConsumerForProducerPayload]
) -> Reply:
    """Send all streams of a producer into a pipe.

    `rtpCapabilities` are those of the router at the other end. Its `kind` and `rtpParameters` are what is to be given
    there, to make a producer of it. It is one of the router's consumers, to be paused, resumed and deleted as such.
    """
    command = commands.ConsumeForPipe(
        router_id=call.router_id,
        transport_id=call.pipe_transport_id,
        producer_id=call.producer_id,
        rtp_capabilities=call.body.rtp_capabilities,
        paused=call.body.paused,
        app_data=check_app_data(call.body.app_data),
    )
    consumer = (await ask(api, command, commands.PipeConsumed)).consumer
    return Reply(consumer, f"/sfu/routers/{call.router_id}/consumers/{consumer.id}")


async def create_remote_producer_on_pipe_transport_handler(
    api: Api, call: Call[OwnerQuery, CreateRemoteProducerOnPipeTransportPayload]
) -> Reply:
    """Make a producer of what comes over a pipe, with the id that it has in the router that it comes from.

    On a router of a room its participant, unless the room knows it, is there as a remote one for as long as it has a
    producer.
    """
    body = call.body
    command = commands.ProduceFromPipe(
        router_id=call.router_id,
        transport_id=call.pipe_transport_id,
        producer_id=call.producer_id,
        participant_id=call.query.owner(),
        kind=body.kind,
        rtp_parameters=body.rtp_parameters,
        paused=body.paused,
        display_name=body.display_name,
        share_screen=body.share_screen,
        app_data=check_app_data(body.app_data),
    )
    producer = await api.rooms.run(api.rooms.rooms.produce_from_pipe(command))
    return Reply(producer, f"/sfu/routers/{call.router_id}/producers/{producer.id}")


async def delete_pipe_transport_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:
    """Close one end of a pipe with its consumers and producers; the other end is not told."""
    command = commands.ClosePipeTransport(router_id=call.router_id, transport_id=call.pipe_transport_id)
    await ask(api, command, commands.Done)
    return Reply(Message(message=f"pipe transport {call.pipe_transport_id} is closed"))


async def create_pipe_from_producer_router_to_destination_router_handler(
    api: Api, call: Call[NoQuery, NoBody]
) -> Reply:
    """Have a producer be one of another router of this server too.

    The server makes the pipe and keeps both sides in step: pause, resume and close cross it. Asking again for the same
    pair is answered with the same pipe.
    """
    rooms = api.rooms.rooms
    piped = await api.rooms.run(rooms.pipe_producer(call.router_id, call.producer_id, call.destination_router_id))
    return Reply(piped)


_FOUND = (NO_ROUTER, NO_PIPE_TRANSPORT)
_REMOTE = (Refusal(409, "producer-exists"), Refusal(409, "participant-exists"), Refusal(409, "producer-closed"))

ROUTES: tuple[AnyRoute, ...] = (
    Route(
        "POST",
        PIPES,
        create_pipe_transport_handler,
        NoQuery,
        PipeTransportPayload,
        body=CreatePipeTransportRequestPayload,
        body_required=False,
        status=201,
        refusals=(
            NO_ROUTER,
            Refusal(400, "invalid-listen-ip"),
            Refusal(409, "port-in-use"),
            NO_TRANSPORT_LEFT,
            Refusal(503, "address-unavailable"),
        ),
    ),
    Route("GET", PIPES, list_pipe_transports_handler, NoQuery, PipeTransportList, refusals=(NO_ROUTER,)),
    Route("GET", PIPE, get_pipe_transport_handler, NoQuery, PipeTransportPayload, refusals=_FOUND),
    Route(
        "GET", f"{PIPE}/stats", get_pipe_transport_stats_handler, NoQuery, PipeTransportStatsPayload, refusals=_FOUND
    ),
    Route(
        "POST",
        f"{PIPE}/connect",
        connect_pipe_transport_to_remote_host_handler,
        RemoteHostQuery,
        Message,
        body=ConnectPipeTransportRequestPayload,
        body_required=False,
        refusals=(
            *_FOUND,
            Refusal(400, "invalid-remote-address"),
            Refusal(400, "srtp-parameters-required"),
            Refusal(400, "srtp-parameters-not-enabled"),
            Refusal(400, "invalid-srtp-parameters"),
            Refusal(409, "transport-already-connected"),
        ),
    ),
    Route(
        "POST",
        f"{PIPE}/consumers/{{producerId}}",
        create_pipe_consumer_for_producer_handler,
        NoQuery,
        PipeConsumerPayload,
        body=CreatePipeConsumerForProducerPayload,
        status=201,
        refusals=(
            *_FOUND,
            NO_PRODUCER,
            Refusal(400, "invalid-rtp-capabilities"),
            Refusal(400, "app-data-too-large"),
            Refusal(409, "producer-incomplete"),
            TOO_MANY_STREAMS,
            Refusal(422, "no-common-codec"),
        ),
    ),
    Route(
        "POST",
        f"{PIPE}/producers/{{producerId}}",
        create_remote_producer_on_pipe_transport_handler,
        OwnerQuery,
        PipeProducerPayload,
        body=CreateRemoteProducerOnPipeTransportPayload,
        status=201,
        refusals=(
            *_FOUND,
            Refusal(400, "invalid-participant-id"),
            Refusal(400, "app-data-too-large"),
            *BAD_RTP,
            *UNSUPPORTED_MEDIA,
            *_REMOTE,
            TOO_MANY_STREAMS,
            Refusal(409, "mid-in-use"),
            Refusal(409, "rid-in-use"),
            Refusal(409, "ssrc-in-use"),
        ),
    ),
    Route("DELETE", PIPE, delete_pipe_transport_handler, NoQuery, Message, refusals=_FOUND),
    Route(
        "POST",
        f"{PRODUCER}/pipe/{{destinationRouterId}}",
        create_pipe_from_producer_router_to_destination_router_handler,
        NoQuery,
        PipeProducerToLocalRouterPayload,
        refusals=(
            NO_ROUTER,
            NO_PRODUCER,
            Refusal(409, "pipe-to-itself"),
            TOO_MANY_STREAMS,
            Refusal(409, "producer-incomplete"),
            *_REMOTE,
            Refusal(409, "pipe-closed"),
            NO_TRANSPORT_LEFT,
            Refusal(503, "address-unavailable"),
        ),
    ),
)
