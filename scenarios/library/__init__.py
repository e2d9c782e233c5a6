"""The ready scenarios; importing this registers them all."""

from __future__ import annotations

from scenarios.library import pipes, rooms

__all__ = ["pipes", "rooms"]
