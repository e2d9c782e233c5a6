"""Faults, each of which must turn the cases of its columns red. No fault ships with the product."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import msgspec
from quart import websocket
from werkzeug.routing import Rule

from labsfu.api import app, body, guard, participant, problems, room
from labsfu.api.routing import PathParameter
from labsfu.api.sfu import consumer as sfu_consumer
from labsfu.api.sfu import pipe as sfu_pipe
from labsfu.api.sfu import producer as sfu_producer
from labsfu.core import executor, negotiation, standalone
from labsfu.core.forwarding import router as forwarding
from labsfu.core.ortc import consume, produce
from labsfu.core.tables import Tables
from labsfu.core.transport.base import Transport
from labsfu.core.transport.webrtc import WebRtcTransport
from labsfu.errors import CommandError, Conflict, InvalidValue, NotFound
from labsfu.rooms import directory, opening
from labsfu.rooms.room import Room
from labsfu.shell.event_hub import EventHub
from labsfu.shell.holdings import Holdings
from labsfu.wire import commands, events
from labsfu.wire.ids import RouterId
from labsfu.wire.rtp import ProducerType
from tests.api.planted_pipes import contradictory_pipes, pipes, pipes_in_any_state, pipes_of
from tests.api.planting import Patch, always, half_made_by, instead_of, wrap
from tests.api.refusal_case import Case
from tests.api.refusal_rows import BY_NAME, ROWS
from tests.api.refusal_scene import Scene

Plant: TypeAlias = Callable[[Patch, Scene], None]

GOOD_QUERY = {name: value for row in ROWS.values() for name, value in row.query.items()}
GOOD_BODIES = {getattr(BY_NAME[name], "body", None): row.body for name, row in ROWS.items() if row.body is not None}


@dataclass(frozen=True)
class Fault:
    """A fault, and which cases it must turn red."""

    name: str
    plant: Plant
    applies: Callable[[Case], bool]


# ------------------------------------------------------------------ ids


def ids_of_any_form(patch: Patch, _: Scene) -> None:
    """No id is checked for its form."""
    patch.setattr(PathParameter, "check", always(None))
    for module in (room, participant, sfu_producer):
        patch.setattr(module, "check_token", lambda _what, value: value)


def whatever_is_there(patch: Patch, _: Scene) -> None:
    """What does not exist is taken for the first that does."""

    def first(things: dict[Any, Any]) -> Any:  # noqa: ANN401 - whatever is in it
        return next(iter(things.values()))

    def some_transport(self: standalone.Standalone, *_: object) -> Transport:
        return self._tables.transports[next(iter(self._own.values()))]

    wrap(patch, Tables, "router", instead_of(NotFound, lambda self, _id: first(self.routers)))
    wrap(patch, forwarding.Router, "producer", instead_of(NotFound, lambda self, _id: first(self.producers)[0]))
    wrap(patch, forwarding.Router, "consumer", instead_of(NotFound, lambda self, _id: first(self.consumers)[0]))
    wrap(patch, standalone.Standalone, "_own_transport", instead_of(NotFound, some_transport))
    wrap(patch, Tables, "pipe", instead_of(NotFound, lambda self, _router, _id: pipes(self)[0]))
    wrap(patch, directory.Directory, "room", instead_of(NotFound, lambda self, _id: self.rooms["open"]))
    wrap(
        patch,
        directory.Directory,
        "participant",
        instead_of(NotFound, lambda self, *_: first(self.rooms["open"].participants)),
    )


def borders_ignored(patch: Patch, _: Scene) -> None:
    """What another router or room has is served."""

    def rightly_addressed(execute: Callable[..., Any]) -> Callable[..., Any]:
        def served(self: executor.Executor, command: commands.Command, now: float, *socket: object) -> object:
            for id_ in (getattr(command, name, None) for name in ("transport_id", "producer_id", "consumer_id")):
                for router in self._tables.routers.values():
                    if id_ in router.producers or id_ in router.consumers or id_ in pipes_of(self, router.id):
                        command = msgspec.structs.replace(command, router_id=router.id)
            if isinstance(command, commands.ConsumeForPipe):  # over whatever pipe its producer's router has
                command = msgspec.structs.replace(command, transport_id=pipes_of(self, command.router_id)[0])
            return execute(self, command, now, *socket)

        return served

    def anywhere(self: directory.Directory, _room: object, id_: Any) -> object:  # noqa: ANN401 - an id
        return next(room.participants[id_] for room in self.rooms.values() if id_ in room.participants)

    wrap(patch, executor.Executor, "_execute", rightly_addressed)
    wrap(patch, directory.Directory, "participant", instead_of(NotFound, anywhere))


# ------------------------------------------------------------------ query and body


def _query(change: Callable[[type[Any], list[tuple[str, str]]], list[tuple[str, str]]]) -> Plant:
    """Queries are changed before they are judged."""

    def plant(patch: Patch, _: Scene) -> None:
        def lenient(parse: Callable[..., Any]) -> Callable[..., Any]:
            return lambda type_, items: parse(type_, change(type_, list(items)))

        wrap(patch, app, "parse_query", lenient)

    return plant


def _names(type_: type[Any]) -> dict[str, Any]:
    return {field.encode_name: field for field in msgspec.structs.fields(type_)}


def _fits(type_: type[Any], name: str, value: str) -> bool:
    if name not in _names(type_):
        return True
    try:
        msgspec.convert(value, _names(type_)[name].type, strict=False)
    except msgspec.ValidationError:
        return False
    return True


any_parameter = _query(lambda type_, items: [item for item in items if item[0] in _names(type_)])
last_of_several = _query(lambda _type, items: list(dict(items).items()))
defaults_for_all = _query(lambda t, items: list(({name: GOOD_QUERY[name] for name in _names(t)} | dict(items)).items()))
any_value = _query(lambda t, items: [(name, v if _fits(t, name, v) else GOOD_QUERY[name]) for name, v in items])


def _decoding(slug: str) -> Plant:
    """A body that is wrong in this way is taken for a right one."""

    def plant(patch: Patch, _: Scene) -> None:
        def lenient(decode: Callable[..., Any]) -> Callable[..., Any]:
            def decoded(data: bytes, type_: type[Any]) -> object:
                try:
                    return decode(data, type_)
                except InvalidValue as error:
                    if error.slug != slug:
                        raise
                    return msgspec.convert(GOOD_BODIES[type_], type_)

            return decoded

        wrap(patch, body, "decode", lenient)

    return plant


def numbers_in_quotes(patch: Patch, _: Scene) -> None:
    """Bodies are not decoded strictly: "7" is 7."""
    patch.setattr(body, "from_json", lambda data, type_: msgspec.json.decode(data, type=type_, strict=False))


def any_content_type(patch: Patch, _: Scene) -> None:
    """Whatever it is said to be, it is JSON."""
    patch.setattr(body, "_is_json", always(True))


def any_size(_: Patch, scene: Scene) -> None:
    """Bodies may be as large as they like."""
    _settings(scene, body_bytes=1 << 30)


def any_app_data(patch: Patch, _: Scene) -> None:
    """So may `appData`."""
    for module in (sfu_producer, sfu_consumer, sfu_pipe):
        patch.setattr(module, "check_app_data", lambda data: data)


def errors_untold(patch: Patch, _: Scene) -> None:
    """The problem does not say where a body is wrong."""
    patch.setattr(problems, "WrongShape", _Never)


class _Never(Exception):
    """What no error is."""


def _settings(scene: Scene, **changes: Any) -> None:  # noqa: ANN401 - of any setting
    """The scene is thrown away afterwards, so nothing puts this back."""
    object.__setattr__(scene.world.api, "config", replace(scene.world.api.config, **changes))


# ------------------------------------------------------------------ who calls, and where


def _guard(check: str) -> Plant:
    """The guard lets everybody in."""
    return lambda patch, _scene: patch.setattr(guard.Guard, check, always(True))


def something_everywhere(_: Patch, scene: Scene) -> None:
    """There is something at every path."""
    quart = scene.world.app

    async def page(**_: str) -> str:
        return "something"

    async def socket(**_: str) -> None:
        await websocket.send("something")

    quart.view_functions["page"] = page
    quart.view_functions["socket"] = socket  # type: ignore[assignment]  # that of a socket answers nothing
    for path in ("/", "/<path:anything>"):
        quart.url_map.add(Rule(path, endpoint="page"))
        quart.url_map.add(Rule(path, endpoint="socket", websocket=True))


def any_method(_: Patch, scene: Scene) -> None:
    """A path takes whatever method."""
    for rule in scene.world.app.url_map.iter_rules():
        rule.methods = None


def methods_untold(patch: Patch, _: Scene) -> None:
    """A wrong method is not told the right ones."""
    patch.setattr(problems, "MethodNotAllowed", _Never)


def sockets_over_http(_: Patch, scene: Scene) -> None:
    """The paths of sockets take plain HTTP."""
    for rule in scene.world.app.url_map.iter_rules():
        rule.websocket = False


# ------------------------------------------------------------------ media, state, limits


def media_unchecked(patch: Patch, _: Scene) -> None:
    """Nobody looks whether what is sent can be forwarded, or received."""
    patch.setattr(negotiation, "get_producer_type", always(ProducerType.SIMPLE))
    patch.setattr(produce, "_router_codec", lambda _codec, capabilities: capabilities.codecs[0])
    patch.setattr(consume, "_common_codecs", lambda consumable, *_args, **_kwargs: consumable.codecs)
    patch.setattr(negotiation, "restrict_to_known", lambda consumable, _capabilities: consumable)


def contradictions_accepted(patch: Patch, _: Scene) -> None:
    """Nobody looks whether a body agrees with itself."""
    patch.setattr(negotiation, "validate_rtp_parameters", lambda parameters, _kind: parameters)
    patch.setattr(consume, "validate_rtp_capabilities", lambda capabilities: capabilities)
    patch.setattr(negotiation, "restrict_to_known", lambda consumable, _capabilities: consumable)
    patch.setattr(opening, "check_size", lambda _type, size: size)
    patch.setattr(standalone, "_with_encodings", lambda parameters, _updates: parameters)
    wrap(patch, standalone, "_media", instead_of(InvalidValue, always(None)))
    wrap(patch, WebRtcTransport, "connect", instead_of(InvalidValue, always(None)))
    contradictory_pipes(patch)


def any_state(patch: Patch, _: Scene) -> None:
    """What is in the wrong state for a request is left as it is, and all is said to be well."""
    own = standalone.Standalone
    wrap(patch, WebRtcTransport, "connect", instead_of(Conflict, always(None)))
    pipes_in_any_state(patch)
    wrap(patch, own, "create_consumer", instead_of(Conflict, lambda self, router, *_: self.consumers(router)[0]))
    wrap(patch, own, "update_producer", instead_of(Conflict, lambda self, router, *_: self.producers(router)[0]))
    wrap(
        patch,
        own,
        "_own_transport",
        instead_of(Conflict, lambda self, *_: next(iter(self._tables.transports.values()))),
    )
    wrap(
        patch,
        opening.Opening,
        "participant",
        instead_of(Conflict, lambda _self, at, plan, _now: at.participants[plan.id]),
    )
    wrap(patch, EventHub, "watch", lambda watch: lambda self, since, epoch: watch(self, min(since, self.seq), epoch))
    wrap(patch, opening.Opening, "room", _finding)
    wrap(patch, opening.Opening, "create_and_connect", _adapting)


def _finding(make: Callable[..., Any]) -> Callable[..., Any]:
    def found(self: opening.Opening, plan: opening.RoomPlan, now: float) -> Generator[Any, Any, object]:
        existing = self._existing(plan)
        return existing if existing is not None else (yield from make(self, plan, now))

    return found


def _adapting(join: Callable[..., Any]) -> Callable[..., Any]:
    def adapted(self: opening.Opening, connection: object, room: Any, plan: Any, now: float) -> object:  # noqa: ANN401 - plans
        found = self._directory.rooms.get(room.id)
        if found is not None:
            room = replace(room, type=found.type)
            known = found.participants.get(plan.id)
            plan = plan if known is None else replace(plan, type=known.type)
        return join(self, connection, room, plan, now)

    return adapted


def seats_without_end(patch: Patch, _: Scene) -> None:
    """No room is ever full."""
    patch.setattr(Room, "check_seat", always(None))


def no_limits(patch: Patch, scene: Scene) -> None:
    """There may be as many of everything as there like."""
    patch.setattr(directory.Directory, "check_room_for_room", always(None))
    patch.setattr(directory.Directory, "check_room_for_participant", always(None))
    _settings(scene, max_producers_per_participant=1000)
    patch.setattr(Holdings, "making", lambda _self, _command: nullcontext())
    patch.setattr(scene.world.events, "_max_watchers", 1000)


# ------------------------------------------------------------------ what is left behind, what is said


def half_made(patch: Patch, _: Scene) -> None:
    """A stream that is refused leaves its transport behind."""
    half_made_by(patch, commands.CreateProducer, commands.CreateConsumer)


def room_left_over(patch: Patch, _: Scene) -> None:
    """A room is made before anyone looks whether there may be one more participant."""
    looked = directory.Directory.check_room_for_participant

    def check(self: directory.Directory) -> None:
        if any(r.id not in ("room", "open", "phone") for r in self.rooms.values()):
            looked(self)

    patch.setattr(directory.Directory, "check_room_for_participant", check)


def refusals_published(patch: Patch, scene: Scene) -> None:
    """The feed is told of something that did not happen."""

    def telling(status_of: Callable[..., Any]) -> Callable[..., Any]:
        def told(error: CommandError) -> object:
            scene.world.events.publish(events.RouterMade(router_id=RouterId("r")))
            return status_of(error)

        return told

    wrap(patch, problems, "status_of", telling)


def _problem(**changes: object) -> Plant:
    """Problems lack something."""

    def plant(patch: Patch, _: Scene) -> None:
        def changed(make: Callable[..., Any]) -> Callable[..., Any]:
            return lambda *args, **kwargs: msgspec.structs.replace(make(*args, **kwargs), **changes)

        for module in (problems, guard):
            wrap(patch, module, "make_problem", changed)

    return plant


def plain_json(patch: Patch, _: Scene) -> None:
    """Problems are not said to be problems."""
    for module in (problems, guard):
        patch.setattr(module, "CONTENT_TYPE", "application/json")


def _in(*columns: str) -> Callable[[Case], bool]:
    return lambda case: case.column in columns


def _creating(case: Case) -> bool:
    creates = case.route.startswith("POST") and case.route.endswith(("/producers", "/consumers"))
    return creates and case.column in {"unsupported", "contradictory"}


def _by_us(case: Case) -> bool:
    """Refused by our own code behind the guard, and within the framework."""
    theirs = {"route-not-found", "method-not-allowed", "malformed-request", "unsupported-media-type", "body-too-large"}
    return case.status not in (401, 403) and case.slug not in theirs


def _new_room(case: Case) -> bool:
    return case.slug == "too-many-participants" and "fresh" in case.what


FAULTS: Iterable[Fault] = (
    Fault("ids of any form", ids_of_any_form, _in("malformed id")),
    Fault("whatever is there", whatever_is_there, _in("unknown id", "closed")),
    Fault("borders ignored", borders_ignored, _in("id of another")),
    Fault("any parameter", any_parameter, _in("unknown parameter")),
    Fault("last of several", last_of_several, _in("repeated parameter")),
    Fault("defaults for all", defaults_for_all, _in("missing parameter")),
    Fault("any value", any_value, _in("wrong parameter")),
    Fault("no JSON is JSON", _decoding("not-json"), _in("no JSON")),
    Fault("any shape", _decoding("wrong-shape"), _in("wrong shape", "coercible")),
    Fault("numbers in quotes", numbers_in_quotes, _in("coercible")),
    Fault("errors untold", errors_untold, _in("wrong shape", "coercible")),
    Fault("any content type", any_content_type, _in("wrong content type")),
    Fault("any size", any_size, _in("body too large")),
    Fault("any appData", any_app_data, _in("appData too large")),
    Fault("any Host", _guard("_host_allowed"), _in("wrong Host")),
    Fault("any Origin", _guard("_origin_allowed"), _in("foreign Origin")),
    Fault("any token", _guard("_token_right"), _in("no token", "wrong token")),
    Fault("something everywhere", something_everywhere, _in("unknown path")),
    Fault("any method", any_method, _in("wrong method")),
    Fault("methods untold", methods_untold, _in("wrong method")),
    Fault("sockets over HTTP", sockets_over_http, _in("no socket")),
    Fault("media unchecked", media_unchecked, _in("unsupported")),
    Fault("contradictions accepted", contradictions_accepted, _in("contradictory")),
    Fault("any state", any_state, _in("wrong state")),
    Fault("seats without end", seats_without_end, _in("full room")),
    Fault("no limits", no_limits, _in("limits")),
    Fault("half made", half_made, _creating),
    Fault("room left over", room_left_over, _new_room),
    Fault("refusals published", refusals_published, _by_us),
    Fault("vague details", _problem(detail="it is wrong"), lambda case: case.named not in ("", "wrong")),
    Fault("no instance", _problem(instance=msgspec.UNSET), lambda _: True),
    Fault("no title", _problem(title=""), lambda _: True),
    Fault("plain JSON", plain_json, lambda _: True),
)
