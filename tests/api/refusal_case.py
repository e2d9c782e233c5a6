"""One request that is refused, and how one is made from a request that is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from labsfu.api.routing import AnyRoute, Route
from labsfu.config import Config
from labsfu.wire.base import to_json
from tests.api.refusal_rows import BY_NAME, ROWS

OPEN = Config(hosts=("lab.example",), origins=("https://lab.example",))
GUARDED = Config(token="s3cret")
SMALL = Config(body_bytes=8192)
FULL_OF_ROOMS = Config(max_rooms=3)
FULL_OF_PEOPLE = Config(max_participants=3)
ONE_PRODUCER = Config(max_producers_per_participant=1)
ONE_CONSUMER = Config(max_consumers_per_participant=1)
ONE_STREAM = Config(max_streams_per_pipe=1)
FULL_OF_ROUTERS = Config(max_routers=5)
FULL_OF_TRANSPORTS = Config(max_transports=16)
FULL_OF_WATCHERS = Config(max_watchers=0)

JSON = {"Content-Type": "application/json"}
TOKEN = {"Authorization": "Bearer s3cret"}


@dataclass(frozen=True)
class Case:
    """One request and its refusal.

    Attributes:
        column: the kind of refusal.
        route: the route's name, or what stands for it where there is none.
        what: what is wrong.
        path: with `<name>` for ids of the scene.
        named: what the detail must name.
        errors: the JSON paths that the problem must have.
        allow: what the `Allow` header must have, and nothing else.
    """

    column: str
    route: str
    what: str
    method: str
    path: str
    status: int
    slug: str
    named: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    errors: tuple[str, ...] = ()
    allow: frozenset[str] = frozenset()
    config: Config = OPEN

    @property
    def is_socket(self) -> bool:
        """It asks for a WebSocket."""
        return self.method == "WS"

    def __str__(self) -> str:
        return f"{self.column}: {self.route}: {self.what}"


def accepted(name: str) -> Case:
    """The request of a route's row, as it is accepted; cases are made from it."""
    row, route = ROWS[name], BY_NAME[name]
    method = route.method if isinstance(route, Route) else "WS"
    body = None if row.body is None else to_json(row.body)
    path = path_of(route, row.path)
    headers = {} if body is None else JSON
    return Case("", name, "", method, path, 0, "", "", tuple(row.query.items()), headers, body)


def path_of(route: AnyRoute, values: Mapping[str, str]) -> str:
    path = route.path
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", quote(value, safe="<>~"))
    return path


def refused(good: Case, column: str, what: str, status: int, slug: str, named: str, **changes: Any) -> Case:  # noqa: ANN401 - fields of a case
    return replace(good, column=column, what=what, status=status, slug=slug, named=named, **changes)


def change(name: str, column: str, what: str, status: int, slug: str, named: str, **changes: Any) -> Case:  # noqa: ANN401 - of every type
    """A case of a route: `path` and `query` change parameters, `body` replaces it."""
    good, row, route = accepted(name), ROWS[name], BY_NAME[name]
    config = changes.get("config", OPEN)
    path = path_of(route, {**row.path, **changes.get("path", {})})
    query = tuple((key, value) for key, value in {**row.query, **changes.get("query", {})}.items() if value is not None)
    body = to_json(changes["body"]) if "body" in changes else good.body
    return refused(good, column, what, status, slug, named, path=path, query=query, body=body, config=config)
