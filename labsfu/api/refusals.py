"""Every refusal that a route may answer: those that it declares, and those that follow from what it takes."""

from __future__ import annotations

import msgspec

from labsfu.api.guard import OPEN_PATHS
from labsfu.api.routing import PATH_PARAMETERS, AnyRoute, NoBody, Refusal, Route, path_parameters

_CALLER = (Refusal(403, "host-not-allowed"), Refusal(403, "origin-not-allowed"))
_TOKEN = Refusal(401, "token-required")
_TOO_OFTEN = Refusal(429, "too-many-requests")
_SERVER = (
    Refusal(500, "internal-error"),
    Refusal(503, "answer-too-large"),
    Refusal(503, "server-stopping"),
    Refusal(503, "too-many-connections"),
    Refusal(503, "worker-unavailable"),
)
_QUERY = (Refusal(400, "unknown-parameter"),)
_REPEATED = Refusal(400, "repeated-parameter")
_INVALID = Refusal(400, "invalid-parameter")
_REQUIRED = Refusal(400, "missing-parameter")
_BODY = (
    Refusal(400, "not-json"),
    Refusal(400, "wrong-shape"),
    Refusal(408, "request-too-slow"),
    Refusal(413, "body-too-large"),
    Refusal(415, "unsupported-media-type"),
)


def refusals_of(route: AnyRoute) -> tuple[Refusal, ...]:
    """All refusals of a route, by status and slug."""
    found = {*route.refusals, *_CALLER, *_SERVER, *_QUERY}
    if route.path not in OPEN_PATHS:
        found.update((_TOKEN, _TOO_OFTEN))
    fields = msgspec.structs.fields(route.query)
    if fields:
        found.add(_REPEATED)
    if any(not _takes_any_text(field.type) for field in fields):
        found.add(_INVALID)
    if any(field.required for field in fields):
        found.add(_REQUIRED)
    found.update(Refusal(400, f"invalid-{PATH_PARAMETERS[name].slug}-id") for name in path_parameters(route))
    if isinstance(route, Route) and route.body is not NoBody:
        found.update(_BODY)
    return tuple(sorted(found))


def _takes_any_text(type_: object) -> bool:
    """No text is wrong for a query parameter of this type."""
    try:
        msgspec.convert("", type_, strict=False)
        msgspec.convert("\0" * 1000, type_, strict=False)
    except msgspec.ValidationError:
        return False
    return True
