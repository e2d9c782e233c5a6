"""The application: every route of every module, every refusal as a problem."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from quart import Response, request, websocket
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException

from labsfu.api import docs, health, metrics, participant, problems, room
from labsfu.api.body import read_body
from labsfu.api.context import Api
from labsfu.api.query import parse_query
from labsfu.api.routing import PATH_PARAMETERS, AnyRoute, Call, NoBody, Reply, Route, SocketRoute
from labsfu.api.sfu import consumer, events, info, pipe, producer, router, stats
from labsfu.api.tally import mark_route
from labsfu.errors import CommandError
from labsfu.wire.base import to_json

ROUTES: tuple[AnyRoute, ...] = (
    *health.ROUTES,
    *metrics.ROUTES,
    *info.ROUTES,
    *events.ROUTES,
    *router.ROUTES,
    *producer.ROUTES,
    *consumer.ROUTES,
    *pipe.ROUTES,
    *stats.ROUTES,
    *room.ROUTES,
    *participant.ROUTES,
    *docs.make_routes(lambda: ROUTES),
)


def create_app(api: Api) -> QuartTrio:
    """Build the ASGI application (without the guard, which is wrapped around it)."""
    app = QuartTrio("labsfu", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = api.config.body_bytes
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.url_map.merge_slashes = False
    setup_routes(app, api)
    setup_refusals(app, api)
    return app


def setup_routes(app: QuartTrio, api: Api) -> None:
    """Register the route table."""
    for route in ROUTES:
        path = route.path.replace("{", "<").replace("}", ">")
        if isinstance(route, SocketRoute):
            app.add_websocket(path, endpoint=f"WS {route.path}", view_func=_socket_view(api, route))
        else:
            endpoint = f"{route.method} {route.path}"
            app.add_url_rule(path, endpoint=endpoint, view_func=_view(api, route), methods=[route.method])


def setup_refusals(app: QuartTrio, api: Api) -> None:
    """Have every error answered as a problem."""

    async def on_exception(error: Exception) -> Response:
        return problems.respond_unexpected(api, error)

    app.register_error_handler(CommandError, problems.on_command_error)
    app.register_error_handler(HTTPException, problems.on_http_exception)
    app.register_error_handler(Exception, on_exception)


def _view(api: Api, route: Route) -> Callable[..., Awaitable[Response]]:  # type: ignore[type-arg]  # of whatever types
    async def view(**path: str) -> Response:
        mark_route(request.scope, route.path)
        _check_path(path)
        query = parse_query(route.query, request.args.items(multi=True))
        body = await read_body(api, route.body, required=route.body_required)
        return _render(route, await route.handler(api, Call(path, query, body)))

    return view


def _socket_view(api: Api, route: SocketRoute) -> Callable[..., Awaitable[None]]:  # type: ignore[type-arg]  # of whatever query
    async def view(**path: str) -> None:
        mark_route(websocket.scope, route.path)
        _check_path(path)
        query = parse_query(route.query, websocket.args.items(multi=True))
        await route.handler(api, Call(path, query, NoBody()))

    return view


def _check_path(path: dict[str, str]) -> None:
    for name, value in path.items():
        PATH_PARAMETERS[name].check(value)


def _render(route: Route, reply: Reply) -> Response:  # type: ignore[type-arg]  # of whatever types
    body = reply.body if isinstance(reply.body, bytes) else to_json(reply.body)
    response = Response(body, status=route.status, content_type=reply.content_type or route.content_type)
    if reply.location is not None:
        response.headers["Location"] = reply.location
    return response
