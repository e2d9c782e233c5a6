"""What the commands of the clients end with."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process ends with."""

    ASKED = 0
    """It was asked to end: by a signal, by `--seconds`, or because nobody reads its output any more."""
    USAGE = 2
    """The command line is wrong, or a file that it names."""
    CLIENT_ERROR = 3
    """A server refused it, or something of its own failed."""
    SERVER_GONE = 4
    """Nobody answers there, or the server or the room has ended."""
    INTERRUPTED = 130
    """A second Ctrl-C, while it was ending."""
