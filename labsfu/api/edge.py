"""What is around the application: everything that comes is counted, and may be refused before it gets there."""

from __future__ import annotations

from hypercorn.typing import ASGIFramework

from labsfu.api.context import Api
from labsfu.api.guard import Guard
from labsfu.api.tally import Tallied


def put_edge(app: ASGIFramework, api: Api) -> Tallied:
    """The application as callers meet it."""
    return Tallied(Guard(app, api.config), api.tally)
