"""Routers over HTTP."""

from __future__ import annotations

from labsfu.api.ask import ask
from labsfu.api.context import Api
from labsfu.api.query import NoQuery, Size
from labsfu.api.routing import AnyRoute, Call, NoBody, Refusal, Reply, Route
from labsfu.api.sfu.refusals import NO_ROUTER
from labsfu.rooms import wishes
from labsfu.rooms.wishes import Flow
from labsfu.wire import commands
from labsfu.wire.base import Wire
from labsfu.wire.observers import RouterActiveSpeakerPayload, RouterAudioLevelPayload
from labsfu.wire.payloads import Message
from labsfu.wire.sfu import RouterList, RouterPayload

ROUTER = "/sfu/routers/{routerId}"


class CreateRouterQuery(Wire):
    """What a new router is for: how many participants are expected decides on its worker."""

    participant_count: Size


async def create_router_handler(api: Api, call: Call[CreateRouterQuery, NoBody]) -> Reply:
    """Make a router."""
    router = await api.rooms.run(_create(call.query.participant_count))
    return Reply(router, f"/sfu/routers/{router.id}")


async def list_routers_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:  # noqa: ARG001 - every handler takes the same
    """Show all routers, those of rooms too, oldest first."""
    shown = await ask(api, commands.ListRouters(), commands.RoutersShown)
    return Reply(RouterList(routers=shown.routers))


async def get_router_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:
    """Show a router."""
    return Reply((await ask(api, commands.GetRouter(router_id=call.router_id), commands.RouterShown)).router)


async def get_router_active_speaker_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:
    """Show who speaks in a router."""
    command = commands.GetActiveSpeaker(router_id=call.router_id)
    return Reply((await ask(api, command, commands.ActiveSpeakerShown)).active_speaker)


async def get_router_audio_level_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:
    """Show who is loud in a router."""
    command = commands.GetAudioLevels(router_id=call.router_id)
    return Reply((await ask(api, command, commands.AudioLevelsShown)).audio_levels)


async def delete_router_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:
    """Close a router and all it holds; a room that lives on it closes too."""
    await ask(api, commands.CloseRouter(router_id=call.router_id), commands.Done)
    return Reply(Message(message=f"router {call.router_id} is closed"))


def _create(participant_count: int) -> Flow[RouterPayload]:
    created = yield from wishes.ask(commands.CreateRouter(participant_count=participant_count), commands.RouterCreated)
    shown = yield from wishes.ask(commands.GetRouter(router_id=created.router_id), commands.RouterShown)
    return shown.router


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        "POST",
        "/sfu/routers",
        create_router_handler,
        CreateRouterQuery,
        RouterPayload,
        status=201,
        refusals=(Refusal(409, "too-many-routers"), NO_ROUTER),  # a reset came between making and showing it
    ),
    Route("GET", "/sfu/routers", list_routers_handler, NoQuery, RouterList),
    Route("GET", ROUTER, get_router_handler, NoQuery, RouterPayload, refusals=(NO_ROUTER,)),
    Route(
        "GET",
        f"{ROUTER}/active-speaker",
        get_router_active_speaker_handler,
        NoQuery,
        RouterActiveSpeakerPayload,
        refusals=(NO_ROUTER,),
    ),
    Route(
        "GET",
        f"{ROUTER}/audio-level",
        get_router_audio_level_handler,
        NoQuery,
        RouterAudioLevelPayload,
        refusals=(NO_ROUTER,),
    ),
    Route("DELETE", ROUTER, delete_router_handler, NoQuery, Message, refusals=(NO_ROUTER,)),
)
