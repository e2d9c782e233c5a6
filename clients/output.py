"""Where the words of a command go: what was asked for to stdout, what happened to stderr."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import TextIO


class OutputClosed(Exception):
    """Nobody reads what is measured any more: the other end of the pipe is closed."""


def measured(text: str) -> None:
    """Write to stdout.

    Raises:
        OutputClosed: nobody reads it.
        OSError: it cannot be written, e.g. because the disk is full.
    """
    try:
        _write(sys.stdout, text)
    except BrokenPipeError as error:
        raise OutputClosed from error


def news(text: str) -> None:
    """Say on stderr that something happened, with the time of day."""
    with suppress(OSError):  # who does not want to know does not need to
        _write(sys.stderr, f"{clock_time()} {printable(text)}\n")


def give_up(reason: str) -> None:
    """Say on stderr, in one line, why it ends."""
    with suppress(OSError):  # the exit code says it, too
        _write(sys.stderr, f"labsfu: {reason}\n")


def clock_time() -> str:
    """The time of day here, e.g. 12:03:07."""
    return time.strftime("%H:%M:%S")


def printable(text: str) -> str:
    """The text without what would move a terminal's cursor: names are chosen by strangers."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:
        return
    try:
        # a terminal that lacks a letter of somebody's name gets a question mark
        stream.write(text.encode(stream.encoding, "replace").decode(stream.encoding))
        stream.flush()
    except OSError:
        # what is still buffered would fail again when the interpreter ends
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        raise
