"""Logs: structlog to stderr, one line for each thing to say; what libraries log goes the same way."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import MutableMapping, Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

import structlog
from structlog.dev import Column, ConsoleRenderer, KeyValueColumnFormatter
from structlog.typing import Processor, WrappedLogger

Entry = MutableMapping[str, Any]

_RESET, _BRIGHT, _DIM, _CYAN = "\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[36m"
_LEVEL_COLOURS = {"debug": "\x1b[34m", "info": "\x1b[32m", "warning": "\x1b[33m", "error": "\x1b[31m"}
_LEVEL_WIDTH = max(map(len, _LEVEL_COLOURS))
_MESSAGE_WIDTH = 20
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def set_up_logs(level: str, format_: str = "text") -> None:
    """Send logs of at least this level to stderr; stdout stays free for results.

    Args:
        level: one of `labsfu.config.LOG_LEVELS`.
        format_: `text` to be read: on a terminal coloured (unless NO_COLOR is set) and with ids shortened;
            `json`: one object on each line.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [structlog.stdlib.add_log_level, _add_timestamp]
    renderers = _json_renderers() if format_ == "json" else [_text_renderer(sys.stderr)]
    stream = _Stream(sys.stderr)
    structlog.configure(
        processors=[*shared, *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(stream),  # type: ignore[arg-type]  # it only writes and flushes
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=[meta, *renderers], foreign_pre_chain=shared))
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler], force=True)


class _Stream:
    """A stream whose reader may go away: then nothing more is said, and the server goes on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except (OSError, ValueError):  # its reader is gone; it is closed
            return 0

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError):
            return


def _wants_colours(stream: TextIO) -> bool:
    """Whether it is a terminal, and nothing speaks against colours (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _add_timestamp(_logger: WrappedLogger, _name: str, entry: Entry) -> Entry:
    """UTC to the millisecond: `2030-01-31T12:00:00.123Z`."""
    entry["timestamp"] = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return entry


def _json_renderers() -> Sequence[Processor]:
    return (structlog.processors.format_exc_info, _put_first, structlog.processors.JSONRenderer())


def _put_first(_logger: WrappedLogger, _name: str, entry: Entry) -> Entry:
    """When, how grave and what; then the rest."""
    return {name: entry[name] for name in ("timestamp", "level", "event")} | dict(entry)


def _text_renderer(stream: TextIO) -> ConsoleRenderer:
    colours = _wants_colours(stream)
    reset, bright, dim, cyan = (_RESET, _BRIGHT, _DIM, _CYAN) if colours else ("", "", "", "")
    levels = {name: colour if colours else "" for name, colour in _LEVEL_COLOURS.items()}

    def value(style: str, width: int = 0) -> KeyValueColumnFormatter:
        return KeyValueColumnFormatter(None, style, reset, _printable, width=width)

    return ConsoleRenderer(
        columns=[
            Column("timestamp", value(dim)),
            Column("level", _LevelFormatter(levels, reset)),
            Column("event", value(bright, _MESSAGE_WIDTH)),
            Column("", _PairFormatter(cyan, reset, short=stream.isatty())),
        ],
        sort_keys=False,
        # The pretty one shows variables, secrets included.
        exception_formatter=structlog.dev.plain_traceback,
    )


class _LevelFormatter:
    """A level, padded, in its colour."""

    def __init__(self, colours: dict[str, str], reset: str) -> None:
        self._colours = colours
        self._reset = reset

    def __call__(self, key: str, value: object) -> str:  # noqa: ARG002 - structlog calls it so
        return f"{self._colours.get(str(value), '')}{value!s:{_LEVEL_WIDTH}}{self._reset}"


class _PairFormatter:
    """`key=value`; with `short` the first group of a UUID stands for it, but for `id`, which somebody will look for."""

    def __init__(self, colour: str, reset: str, *, short: bool) -> None:
        self._colour = colour
        self._reset = reset
        self._short = short

    def __call__(self, key: str, value: object) -> str:
        text = _show(value)
        if self._short and key != "id" and _UUID.fullmatch(text):
            text = text[:8]
        return f"{self._colour}{key}{self._reset}={text}"


def _show(value: object) -> str:
    """A value as one word; what others made up cannot break the line, nor speak to the terminal."""
    if isinstance(value, tuple):
        return ",".join(map(_show, value))
    if not isinstance(value, str):
        return repr(value)
    return repr(str(value)) if not value or set(value) & set(" =\"'") else _printable(value)


def _printable(value: object) -> str:
    text = str(value)
    return text if text.isprintable() else repr(text)
