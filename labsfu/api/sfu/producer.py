"""Producers over HTTP: made at once, or as a transport that is completed by a PUT."""

from __future__ import annotations

from labsfu.api.ask import ask
from labsfu.api.context import Api
from labsfu.api.query import NoQuery, Token
from labsfu.api.routing import AnyRoute, Call, NoBody, Refusal, Reply, Route
from labsfu.api.sfu.refusals import (
    BAD_DTLS,
    BAD_RTP,
    NO_PRODUCER,
    NO_ROUTER,
    NO_TRANSPORT_LEFT,
    SHARED,
    UNSUPPORTED_MEDIA,
)
from labsfu.api.sfu.router import ROUTER
from labsfu.errors import Conflict
from labsfu.rooms import wishes
from labsfu.rooms.limits import check_app_data
from labsfu.rooms.wishes import Flow
from labsfu.wire import commands
from labsfu.wire.base import Wire
from labsfu.wire.ids import ParticipantId, check_token
from labsfu.wire.payloads import Message
from labsfu.wire.sfu import (
    ConnectProducerTransportRequestPayload,
    CreateProducerRequestPayload,
    IceRestartedPayload,
    ProducerList,
    ProducerPayload,
    UpdateProducerRequestPayload,
)

PRODUCERS = f"{ROUTER}/producers"
PRODUCER = f"{PRODUCERS}/{{producerId}}"


class OwnerQuery(Wire):
    """Whose it is to be."""

    participant_id: Token

    def owner(self) -> ParticipantId:
        """The participant. Raises InvalidValue."""
        return ParticipantId(check_token("participant", self.participant_id))


async def create_producer_handler(api: Api, call: Call[OwnerQuery, CreateProducerRequestPayload]) -> Reply:
    """Make a producer with a transport of its own; without `kind` and `rtpParameters` the transport alone."""
    body = call.body
    command = commands.CreateProducer(
        router_id=call.router_id,
        participant_id=call.query.owner(),
        kind=body.kind,
        rtp_parameters=body.rtp_parameters,
        paused=body.paused,
        app_data=check_app_data(body.app_data),
    )
    producer = await api.rooms.run(_create(api, command))
    return Reply(producer, f"/sfu/routers/{producer.router_id}/producers/{producer.id}")


async def list_producers_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:
    """Show all producers of a router, those of a room too."""
    shown = await ask(api, commands.ListProducers(router_id=call.router_id), commands.ProducersShown)
    return Reply(ProducerList(producers=shown.producers))


async def get_producer_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:
    """Show a producer."""
    command = commands.GetProducer(router_id=call.router_id, producer_id=call.producer_id)
    return Reply((await ask(api, command, commands.ProducerShown)).producer)


async def put_producer_handler(api: Api, call: Call[NoQuery, UpdateProducerRequestPayload]) -> Reply:
    """Complete a producer that is only a transport, or change one that is complete."""
    body = call.body
    command = commands.UpdateProducer(
        router_id=call.router_id,
        producer_id=call.producer_id,
        kind=body.kind,
        rtp_parameters=body.rtp_parameters,
        paused=body.paused,
        encodings=body.encodings,
        app_data=check_app_data(body.app_data),
    )
    return Reply((await ask(api, command, commands.ProducerShown)).producer)


async def connect_producer_handler(api: Api, call: Call[NoQuery, ConnectProducerTransportRequestPayload]) -> Reply:
    """Give the client's DTLS parameters of a producer's own transport, once."""
    command = commands.ConnectProducer(
        router_id=call.router_id, producer_id=call.producer_id, dtls_parameters=call.body.dtls_parameters
    )
    await ask(api, command, commands.Done)
    return Reply(Message(message=f"the transport of producer {call.producer_id} connects"))


async def pause_producer_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:
    """Forward a producer no more; what is paused stays so."""
    command = commands.PauseProducer(router_id=call.router_id, producer_id=call.producer_id)
    await ask(api, command, commands.Done)
    return Reply(Message(message=f"producer {call.producer_id} is paused"))


async def resume_producer_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:
    """Forward a producer again; what flows goes on."""
    command = commands.ResumeProducer(router_id=call.router_id, producer_id=call.producer_id)
    await ask(api, command, commands.Done)
    return Reply(Message(message=f"producer {call.producer_id} flows"))


async def restart_ice_producer_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:
    """Make new ICE credentials for a producer's own transport."""
    command = commands.RestartProducerIce(router_id=call.router_id, producer_id=call.producer_id)
    restarted = await ask(api, command, commands.IceRestarted)
    message = f"ICE of producer {call.producer_id} restarts"
    return Reply(IceRestartedPayload(message=message, ice_parameters=restarted.ice_parameters))


async def delete_producer_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:
    """Close a producer, its consumers and its own transport; a room's participants are told."""
    command = commands.CloseProducer(router_id=call.router_id, producer_id=call.producer_id)
    await ask(api, command, commands.Done)
    return Reply(Message(message=f"producer {call.producer_id} is closed"))


def _create(api: Api, command: commands.CreateProducer) -> Flow[ProducerPayload]:
    """Make it, unless its participant has enough; those that are being made count too."""
    shown = yield from wishes.ask(commands.ListProducers(router_id=command.router_id), commands.ProducersShown)
    owner, limit = (command.router_id, command.participant_id), api.config.max_producers_per_participant
    count = sum(producer.participant_id == command.participant_id for producer in shown.producers)
    if count + api.producers_in_making[owner] >= limit:
        detail = f"participant '{command.participant_id}' has {limit} producers, and may have no more"
        raise Conflict(detail, slug="too-many-producers")
    api.producers_in_making[owner] += 1
    try:
        return (yield from wishes.ask(command, commands.ProducerShown)).producer
    finally:
        api.producers_in_making[owner] -= 1
        if not api.producers_in_making[owner]:
            del api.producers_in_making[owner]


_FOUND = (NO_ROUTER, NO_PRODUCER)
_MEDIA = (*BAD_RTP, *UNSUPPORTED_MEDIA, Refusal(400, "incomplete-producer"), Refusal(400, "app-data-too-large"))

ROUTES: tuple[AnyRoute, ...] = (
    Route(
        "POST",
        PRODUCERS,
        create_producer_handler,
        OwnerQuery,
        ProducerPayload,
        body=CreateProducerRequestPayload,
        body_required=False,
        status=201,
        refusals=(
            NO_ROUTER,
            Refusal(400, "invalid-participant-id"),
            Refusal(409, "too-many-producers"),
            NO_TRANSPORT_LEFT,
            *_MEDIA,
        ),
    ),
    Route("GET", PRODUCERS, list_producers_handler, NoQuery, ProducerList, refusals=(NO_ROUTER,)),
    Route("GET", PRODUCER, get_producer_handler, NoQuery, ProducerPayload, refusals=_FOUND),
    Route(
        "PUT",
        PRODUCER,
        put_producer_handler,
        NoQuery,
        ProducerPayload,
        body=UpdateProducerRequestPayload,
        refusals=(
            *_FOUND,
            *_MEDIA,
            Refusal(400, "invalid-encodings"),
            Refusal(409, "producer-incomplete"),
            Refusal(409, "producer-complete"),
        ),
    ),
    Route(
        "POST",
        f"{PRODUCER}/connect",
        connect_producer_handler,
        NoQuery,
        Message,
        body=ConnectProducerTransportRequestPayload,
        refusals=(*_FOUND, *BAD_DTLS, SHARED),
    ),
    Route("POST", f"{PRODUCER}/pause", pause_producer_handler, NoQuery, Message, refusals=_FOUND),
    Route("POST", f"{PRODUCER}/resume", resume_producer_handler, NoQuery, Message, refusals=_FOUND),
    Route(
        "POST",
        f"{PRODUCER}/restart-ice",
        restart_ice_producer_handler,
        NoQuery,
        IceRestartedPayload,
        refusals=(*_FOUND, SHARED),
    ),
    Route("DELETE", PRODUCER, delete_producer_handler, NoQuery, Message, refusals=_FOUND),
)
