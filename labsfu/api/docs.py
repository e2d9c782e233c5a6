"""The documentation of the API: as an OpenAPI document, and as one page made from it, which loads nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from labsfu.api.context import Api
from labsfu.api.docs_page import render_page
from labsfu.api.openapi import Json, describe
from labsfu.api.query import NoQuery
from labsfu.api.routing import AnyRoute, Call, NoBody, Reply, Route


def make_routes(routes: Callable[[], Sequence[AnyRoute]]) -> tuple[AnyRoute, ...]:
    """The two routes that document `routes`, which may well contain these two."""

    def document(api: Api) -> Json:
        return describe(routes(), api.identity.version)

    async def openapi_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:  # noqa: ARG001 - every handler takes the same
        """Describe the API for programs: OpenAPI 3.1."""
        return Reply(msgspec.json.format(msgspec.json.encode(document(api)), indent=2))

    async def docs_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:  # noqa: ARG001 - every handler takes the same
        """Describe the API for people: this page."""
        return Reply(render_page(document(api)).encode())

    return (
        Route("GET", "/openapi.json", openapi_handler, NoQuery, None),
        Route("GET", "/docs", docs_handler, NoQuery, None, content_type="text/html; charset=utf-8"),
    )
