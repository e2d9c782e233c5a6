"""pylibsrtp's own door to libsrtp, opened in one place; importing pylibsrtp has initialised the library."""

from __future__ import annotations

from pylibsrtp import ERRORS
from pylibsrtp._binding import ffi, lib  # type: ignore[import-not-found]  # a C extension without stubs

__all__ = ["ERRORS", "ffi", "lib"]
