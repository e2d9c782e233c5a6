"""Every route x every refusal that applies. Most cases follow from the route table.

A case is the request of its route's row, wrong in one point.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import inspect

from labsfu.api.app import ROUTES
from labsfu.api.guard import OPEN_PATHS
from labsfu.api.routing import PATH_PARAMETERS, AnyRoute, NoBody, Route, path_parameters
from labsfu.wire.base import to_json
from tests.api.refusal_case import GUARDED, SMALL, Case, accepted, path_of, refused
from tests.api.refusal_rows import APP_DATA_TOO_DEEP, ROWS, Row, name_of
from tests.api.refusal_specials import written_out
from tests.api.wrong_shapes import wrong_shapes


def all_cases() -> list[Case]:
    """The table."""
    cases = [
        case
        for route in ROUTES
        for make in (_path_cases, _query_cases, _body_cases, _caller_cases, _address_cases)
        for case in make(route, ROWS[name_of(route)], accepted(name_of(route)))
    ]
    return [*cases, *written_out()]


# ------------------------------------------------------------------ ids in the path

_BAD_UUIDS = ("7", "00000000-0000-4000-8000-00000000000G", "00000000000040008000000000000000", "A" * 100)
_BAD_TOKENS = ("a b", "é", "x" * 65, "a!b")
_CLOSED = {
    "routerId": "<closed_router>",
    "producerId": "<closed_producer>",
    "consumerId": "<closed_consumer>",
    "pipeTransportId": "<closed_pipe>",
    "destinationRouterId": "<closed_router>",
    "roomId": "closed-room",
    "participantId": "gone",
}
_ELSEWHERE = {
    "producerId": "<other_producer>",
    "consumerId": "<other_consumer>",
    "pipeTransportId": "<other_pipe>",
    "participantId": "ann",
}


def _path_cases(route: AnyRoute, row: Row, good: Case) -> Iterator[Case]:
    for name in path_parameters(route):
        parameter = PATH_PARAMETERS[name]
        for bad in _BAD_UUIDS if parameter.is_uuid else _BAD_TOKENS:
            path = path_of(route, {**row.path, name: bad})
            slug = f"invalid-{parameter.slug}-id"
            yield refused(good, "malformed id", f"{name} {bad[:9]}", 400, slug, f"'{bad}'", path=path)
        if name in row.makes:
            continue
        strangers = [("unknown id", "<nowhere>" if parameter.is_uuid else "nobody"), ("closed", _CLOSED[name])]
        if name in _ELSEWHERE:
            strangers.append(("id of another", _ELSEWHERE[name]))
        for column, stranger in strangers:
            path = path_of(route, {**row.path, name: stranger})
            slug = f"{parameter.slug}-not-found"
            yield refused(good, column, name, 404, slug, f"{parameter.kind} '{stranger}'", path=path)


# ------------------------------------------------------------------ query

_IDS_IN_QUERIES = {"roomId": "room", "participantId": "participant"}


def _query_cases(route: AnyRoute, row: Row, good: Case) -> Iterator[Case]:
    extra = (*good.query, ("colour", "blue"))
    yield refused(good, "unknown parameter", "", 400, "unknown-parameter", "'colour'", query=extra)
    for parameter in msgspec.structs.fields(route.query):
        name = parameter.encode_name
        twice = (*good.query, (name, row.query[name]))
        yield refused(good, "repeated parameter", name, 400, "repeated-parameter", f"'{name}'", query=twice)
        if parameter.required:
            less = tuple(item for item in good.query if item[0] != name)
            yield refused(good, "missing parameter", name, 400, "missing-parameter", f"'{name}'", query=less)
        for bad in _wrong_texts(inspect.type_info(parameter.type)):
            query = _query(row, **{name: bad})
            yield refused(
                good,
                "wrong parameter",
                f"{name} {bad[:9]}",
                400,
                "invalid-parameter",
                f"'{name}' is '{bad}'",
                query=query,
            )
        for bad in ("", *_BAD_TOKENS) if name in _IDS_IN_QUERIES else ():
            slug = f"invalid-{_IDS_IN_QUERIES[name]}-id"
            query = _query(row, **{name: bad})
            yield refused(good, "malformed id", f"query {name} {bad[:9]}", 400, slug, f"'{bad}'", query=query)


def _query(row: Row, **changes: str) -> tuple[tuple[str, str], ...]:
    return tuple({**row.query, **changes}.items())


def _wrong_texts(info: inspect.Type) -> Iterator[str]:
    match info:
        case inspect.UnionType():
            yield from _wrong_texts(info.types[0])
        case inspect.Metadata():
            yield from _wrong_texts(info.type)
        case inspect.IntType():
            yield from ("two", "", "1.5", "0x2", "null")
            yield from (str(bound) for bound in _beyond(info))
        case inspect.BoolType():
            yield from ("perhaps", "2", "")
        case inspect.EnumType():
            yield from ("nonsense", "")
        case inspect.StrType():
            yield from () if info.min_length is None else ("",)
            yield from () if info.max_length is None else ("x" * (info.max_length + 1),)


def _beyond(info: inspect.IntType) -> Iterator[int]:
    if info.ge is not None:
        yield info.ge - 1
    if info.le is not None:
        yield info.le + 1


# ------------------------------------------------------------------ bodies

_NO_JSON = (b"{", b"nonsense", b"\xff\xfe", b"{'a': 1}", b'{"ignored": ' + b"[" * 3000)
_NO_JSON_TYPES = (
    "text/plain",
    "application/xml",
    "application/json; charset=latin-1",
    "multipart/form-data",
    "json",
    "",
)


def _body_cases(route: AnyRoute, row: Row, good: Case) -> Iterator[Case]:
    if not isinstance(route, Route) or route.body is NoBody:
        return
    assert row.body is not None
    for data in (*_NO_JSON, to_json(row.body) + b"{}", *([b""] if route.body_required else [])):
        yield refused(good, "no JSON", repr(data[:9]), 400, "not-json", "body is", body=data)
    for type_ in _NO_JSON_TYPES:
        headers = {"Content-Type": type_}
        yield refused(good, "wrong content type", type_, 415, "unsupported-media-type", f"'{type_}'", headers=headers)
    for data in (b"[]", b"null", b'"text"', b"7"):
        yield refused(good, "wrong shape", data.decode(), 400, "wrong-shape", "got", body=data, errors=("$",))
    for number, wrong in enumerate(wrong_shapes(route.body, row.body)):
        column = "coercible" if wrong.coercible else "wrong shape"
        what, body = f"{wrong.path} ({number})", to_json(wrong.value)
        yield refused(good, column, what, 400, "wrong-shape", "", body=body, errors=(wrong.path,))
    padded = to_json(row.body | {"ignored": "x" * SMALL.body_bytes})
    yield refused(good, "body too large", "", 413, "body-too-large", f"{SMALL.body_bytes}", body=padded, config=SMALL)
    if "appData" in row.body:
        body = to_json(row.body | {"appData": {"x": "y" * 16 * 1024}})
        yield refused(good, "appData too large", "", 400, "app-data-too-large", "appData is 16392 bytes", body=body)
        deep = to_json(row.body | {"appData": APP_DATA_TOO_DEEP})
        yield refused(good, "appData too large", "deep", 400, "app-data-too-large", "nested deeper than 32", body=deep)


# ------------------------------------------------------------------ who calls, and where


def _caller_cases(route: AnyRoute, _: Row, good: Case) -> Iterator[Case]:
    for host in ("evil.example", "127.0.0.1.evil.example"):
        headers = {**good.headers, "Host": host}
        yield refused(good, "wrong Host", host, 403, "host-not-allowed", f"'{host}'", headers=headers)
    for origin in ("https://evil.example", "null"):
        headers = {**good.headers, "Origin": origin}
        yield refused(good, "foreign Origin", origin, 403, "origin-not-allowed", f"'{origin}'", headers=headers)
    if route.path in OPEN_PATHS:
        return
    for column, given in [("no token", ""), ("wrong token", "Bearer s3cre"), ("wrong token", "Basic s3cret")]:
        headers = {**good.headers, "Authorization": given}
        yield refused(good, column, given, 401, "token-required", "token", headers=headers, config=GUARDED)
    if good.is_socket:
        yield refused(
            good,
            "wrong token",
            "query",
            401,
            "token-required",
            "token",
            query=(*good.query, ("token", "wrong")),
            headers={"Authorization": ""},
            config=GUARDED,
        )


def _address_cases(route: AnyRoute, _: Row, good: Case) -> Iterator[Case]:
    if not good.path.endswith("/participants"):  # below these there are routes
        for column, path in [("unknown path", f"{good.path}/"), ("unknown path", f"/v1{good.path}")]:
            yield refused(good, column, path, 404, "route-not-found", f"'{path}'", path=path)
    if good.is_socket:
        what = "over plain HTTP"
        yield refused(good, "no socket", what, 400, "malformed-request", "takes WebSockets only", method="GET")
        return
    declared = {other.method for other in ROUTES if isinstance(other, Route) and other.path == route.path}
    allow = frozenset(declared | {"OPTIONS"} | ({"HEAD"} if "GET" in declared else set()))
    for method in sorted({"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"} - declared):
        yield refused(good, "wrong method", method, 405, "method-not-allowed", method, method=method, allow=allow)
