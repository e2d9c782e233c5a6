"""Refusals as `application/problem+json` (RFC 9457): the only place that knows which error has which HTTP status."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

import structlog
from quart import Response, request, websocket
from quart.ctx import has_request_context
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import WebsocketMismatch

from labsfu.api.body import WrongShape
from labsfu.api.context import Api
from labsfu.api.rates import TooManyRequests
from labsfu.errors import (
    CommandError,
    Conflict,
    InvalidValue,
    NotAllowed,
    NotFound,
    Unavailable,
    Unsupported,
)
from labsfu.wire.base import ABSENT, Absent, to_json
from labsfu.wire.payloads import Problem, problem_type

CONTENT_TYPE = "application/problem+json"

_STATUS: Mapping[type[object], int] = MappingProxyType(
    {
        InvalidValue: 400,
        NotAllowed: 403,
        NotFound: 404,
        Conflict: 409,
        Unsupported: 422,
        TooManyRequests: 429,
        Unavailable: 503,
    }
)

# What the framework refuses before any handler runs.
_FRAMEWORK_SLUGS = MappingProxyType(
    {
        400: "malformed-request",
        404: "route-not-found",
        405: "method-not-allowed",
        408: "request-too-slow",
        413: "body-too-large",
        415: "unsupported-media-type",
    }
)

_log = structlog.get_logger()


def make_problem(
    status: int, slug: str, detail: str, instance: str, errors: tuple[str, ...] | Absent = ABSENT
) -> Problem:
    """A problem; its title says in words what its type says."""
    title = slug.replace("-", " ").capitalize()
    return Problem(type=problem_type(slug), title=title, status=status, detail=detail, instance=instance, errors=errors)


def status_of(error: CommandError) -> int:
    """The HTTP status of a refusal: that of its class, or of the nearest above it."""
    statuses = [_STATUS[class_] for class_ in type(error).__mro__ if class_ in _STATUS]
    return statuses[0] if statuses else HTTPStatus.INTERNAL_SERVER_ERROR


def respond(problem: Problem) -> Response:
    """A problem as an HTTP response; it also refuses a WebSocket that is not accepted yet."""
    return Response(to_json(problem), status=problem.status, content_type=CONTENT_TYPE)


async def on_command_error(error: CommandError) -> Response:
    """A refusal of ours."""
    errors = error.paths if isinstance(error, WrongShape) else ABSENT
    return respond(make_problem(status_of(error), error.slug, error.detail, _path(), errors))


async def on_http_exception(error: HTTPException) -> Response:
    """A refusal of the framework: no such route, wrong method, body too large."""
    status = error.code or 500
    slug = _FRAMEWORK_SLUGS.get(status, HTTPStatus(status).phrase.lower().replace(" ", "-"))
    response = respond(make_problem(status, slug, _framework_detail(error), _path()))
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response


def unexpected(api: Api, error: BaseException) -> str:
    """Log an error that nobody foresaw; answers the id under which it is in the log."""
    id_ = api.new_id()
    _log.error("unexpected error", id=id_, path=_path(), exc_info=error)
    return id_


def respond_unexpected(api: Api, error: BaseException) -> Response:
    """Answer 500 with the id of the log entry, and nothing of what happened inside."""
    id_ = unexpected(api, error)
    return respond(make_problem(500, "internal-error", f"unexpected error; the log has it as {id_}", f"urn:uuid:{id_}"))


def _framework_detail(error: HTTPException) -> str:
    if error.code == HTTPStatus.NOT_FOUND:
        return f"there is nothing at '{_path()}'"
    if error.code == HTTPStatus.METHOD_NOT_ALLOWED:
        return f"'{_path()}' does not take {request.method}"
    if isinstance(error, WebsocketMismatch):
        return f"'{_path()}' takes WebSockets only"
    return error.description or str(error)


def _path() -> str:
    return request.path if has_request_context() else websocket.path
