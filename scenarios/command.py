"""`labsfu run` and `labsfu demo`: progress on stderr, the result on stdout, an exit code."""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import TextIO

import scenarios.library  # noqa: F401 - registers the scenarios
from clients.errors import ClientError, ServerFailed, UnusableFile
from clients.trust import hint_of
from scenarios.definition import find
from scenarios.errors import UsageError
from scenarios.lost_server import leaves
from scenarios.render import as_json, table
from scenarios.runner import run
from scenarios.verdict import ExitCode


def run_and_report(
    name: str,
    settings: Mapping[str, str],
    *,
    against: str | None,
    token: str | None = None,
    ca: str | None = None,
    server_flags: Sequence[str],
    mode: str,
) -> ExitCode:
    """Run a scenario and print what it found, as `plain` text or `json`."""
    try:
        if against is not None and server_flags:
            raise UsageError(f"{server_flags[0]} is for a server that is started here; --against names one that runs")
        if against is None and token is not None:
            server_flags = [*server_flags, "--token", token]
        story = run(
            find(name), settings, against=against, token=token, ca=ca, server_flags=server_flags, progress=_progress
        )
        outcome = asyncio.run(story)
    except (UsageError, UnusableFile) as error:
        return _give_up(str(error), ExitCode.USAGE)
    except ServerFailed as error:
        return _give_up(f"{error}{hint_of(error)}", ExitCode.SERVER_DIED)
    except KeyboardInterrupt:
        return _give_up("interrupted", ExitCode.INTERRUPTED)
    except Exception as error:
        return _give_up(_told(error), ExitCode.SCRIPT_RAISED)
    try:
        _write(sys.stdout, (as_json(outcome) if mode == "json" else table(outcome)) + "\n")
    except OSError as error:
        return _give_up(f"the result could not be written: {error}", ExitCode.SCRIPT_RAISED)
    return outcome.exit_code


def _told(error: Exception) -> str:
    """In one line what the clients raised; with its traceback what is an error of the script itself."""
    each = list(dict.fromkeys(leaves(error)))
    if all(isinstance(leaf, ClientError) for leaf in each):
        return "; ".join(f"{type(leaf).__name__}: {leaf}" for leaf in each)
    return "the scenario raised\n" + "".join(traceback.format_exception(error)).rstrip("\n")


def _progress(line: str) -> None:
    _write(sys.stderr, f"  {line}\n")


def _give_up(reason: str, code: ExitCode) -> ExitCode:
    _write(sys.stderr, f"labsfu: {reason}\n")
    return code


def _write(stream: TextIO | None, text: str) -> None:
    """Write for whoever reads it; that nobody does (a pipe closed at its other end, no stream) changes no verdict."""
    if stream is None:
        return
    try:
        # a terminal that has no ✓ gets a question mark
        stream.write(text.encode(stream.encoding, "replace").decode(stream.encoding))
        stream.flush()
    except OSError as error:
        # what is still buffered would fail again when the interpreter ends
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        if not isinstance(error, BrokenPipeError):
            raise
