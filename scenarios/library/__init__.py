"""The ready scenarios; importing this registers them all."""

from __future__ import annotations

from scenarios.library import rooms

__all__ = ["rooms"]
