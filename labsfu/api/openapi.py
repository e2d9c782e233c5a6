"""The OpenAPI 3.1 document, made from the route table and the wire types that it names.

Sockets are no part of OpenAPI: they are under `x-websockets`, with the same parameters and schemas.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from inspect import cleandoc
from itertools import groupby
from typing import Any, TypeAlias

import msgspec

from labsfu.api.guard import OPEN_PATHS
from labsfu.api.problems import CONTENT_TYPE
from labsfu.api.query import TOKEN_PATTERN, UUID_PATTERN
from labsfu.api.refusals import refusals_of
from labsfu.api.routing import PATH_PARAMETERS, AnyRoute, NoBody, Route, SocketRoute, path_parameters
from labsfu.wire.payloads import Problem, problem_type

Json: TypeAlias = dict[str, Any]

_REF = "#/components/schemas/{name}"
_RETRY_AFTER: Json = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
_INTRODUCTION = """\
An SFU: routers forward what producers send to consumers; rooms put people on routers; pipes take producers from router
to router, of this server or of two.

Refusals are `application/problem+json` (RFC 9457); `type` is a stable slug, `detail` names the value that was wrong,
`errors` has the JSON paths of a body that does not fit. A path that is not here is refused with 404 `route-not-found`,
a method with 405 `method-not-allowed`. Unknown fields of a body are ignored, unknown query parameters are refused.
"""


def describe(routes: Sequence[AnyRoute], version: str) -> Json:
    """The document, as JSON."""
    schemas = _Schemas(routes)
    paths: Json = {}
    sockets: Json = {}
    for route in routes:
        if isinstance(route, Route):
            paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
        else:
            sockets[route.path] = _socket(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "labsfu", "version": version, "description": _INTRODUCTION},
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas.shared,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Wanted when the server has one; sockets may bring it as `?token=` too.",
                }
            },
        },
        "x-websockets": sockets,
    }


class _Schemas:
    """The JSON Schemas of all types that routes name."""

    def __init__(self, routes: Sequence[AnyRoute]) -> None:
        self._types = list(dict.fromkeys(type_ for route in routes for type_ in _types_of(route)))
        self._queries = list(dict.fromkeys(route.query for route in routes))
        found, shared = msgspec.json.schema_components(
            [*self._types, *self._queries], ref_template=_REF, schema_hook=_anything
        )
        found = tuple(found)
        self.shared: Json = dict(sorted(shared.items()))
        self._found: dict[object, Json] = dict(zip(self._types, found, strict=False))
        self._query: dict[type, Json] = {}
        for query, reference in zip(self._queries, found[len(self._types) :], strict=True):
            self._query[query] = self.shared.pop(_name(reference))

    def of(self, type_: object) -> Json:
        """The schema of a type: a reference, mostly."""
        return self._found[type_]

    def query(self, type_: type) -> Json:
        """The schema of a query's type, in full."""
        return self._query[type_]


def _anything(type_: type) -> Json:
    """The schema of a value of any kind, which is all that msgspec does not know by itself."""
    if type_ is object:
        return {"description": "Any JSON value."}
    raise TypeError(f"no JSON schema for {type_}")


def _types_of(route: AnyRoute) -> Iterable[Any]:
    yield Problem
    if isinstance(route, SocketRoute):
        yield from (type_ for type_ in (route.says, route.hears) if type_ is not None)
        return
    if route.reply is not None:
        yield route.reply
    if route.body is not NoBody:
        yield route.body


def _name(reference: Json) -> str:
    return str(reference["$ref"].rpartition("/")[2])


def _operation(route: Route[Any, Any], schemas: _Schemas) -> Json:
    operation: Json = {
        "operationId": f"{_module(route)}.{route.handler.__name__.removesuffix('_handler')}",
        "tags": [_module(route)],
        "summary": _summary(route),
        "parameters": _parameters(route, schemas),
        "responses": _responses(route, schemas),
    }
    if description := _description(route):
        operation["description"] = description
    if route.path in OPEN_PATHS:
        operation["security"] = []
    if route.body is not NoBody:
        operation["requestBody"] = {
            "required": route.body_required,
            "content": {"application/json": {"schema": schemas.of(route.body)}},
        }
    return operation


def _socket(route: SocketRoute[Any], schemas: _Schemas) -> Json:
    return {
        "summary": _summary(route),
        "tags": [_module(route)],
        "parameters": _parameters(route, schemas),
        "serverMessages": schemas.of(route.says),
        "clientMessages": None if route.hears is None else schemas.of(route.hears),
        "refusals": _refusals(route, schemas),
    }


def _module(route: AnyRoute) -> str:
    return route.handler.__module__.rpartition(".")[2]


def _summary(route: AnyRoute) -> str:
    return (route.handler.__doc__ or "").strip().partition("\n")[0]


def _description(route: AnyRoute) -> str:
    """What the handler's docstring says below its first line."""
    return cleandoc(route.handler.__doc__ or "").partition("\n")[2].strip()


def _parameters(route: AnyRoute, schemas: _Schemas) -> list[Json]:
    path = [
        {"name": name, "in": "path", "required": True, "schema": _path_schema(name)} for name in path_parameters(route)
    ]
    schema = schemas.query(route.query)
    required = schema.get("required", [])
    query = [
        {"name": name, "in": "query", "required": name in required, "schema": property_}
        for name, property_ in schema.get("properties", {}).items()
    ]
    return path + query


def _path_schema(name: str) -> Json:
    if PATH_PARAMETERS[name].is_uuid:
        return {"type": "string", "format": "uuid", "pattern": UUID_PATTERN}
    return {"type": "string", "pattern": TOKEN_PATTERN}


def _responses(route: Route[Any, Any], schemas: _Schemas) -> Json:
    schema = {"type": "string"} if route.reply is None else schemas.of(route.reply)
    success: Json = {
        "description": HTTPStatus(route.status).phrase,
        "content": {type_: {"schema": schema} for type_ in (route.content_type, *route.other_content_types)},
    }
    if route.status == HTTPStatus.CREATED:
        success["headers"] = {"Location": {"description": "Where it is.", "schema": {"type": "string"}}}
    return {str(route.status): success, **_refusals(route, schemas)}


def _refusals(route: AnyRoute, schemas: _Schemas) -> Json:
    """Each status once, with the problem types that it may have."""
    return {
        str(status): {
            "description": ", ".join(f"`{refusal.slug}`" for refusal in refusals),
            **({"headers": _RETRY_AFTER} if status == HTTPStatus.TOO_MANY_REQUESTS else {}),
            "content": {CONTENT_TYPE: {"schema": schemas.of(Problem)}},
            "x-problems": [problem_type(refusal.slug) for refusal in refusals],
        }
        for status, grouped in groupby(refusals_of(route), key=lambda refusal: refusal.status)
        for refusals in [list(grouped)]
    }
