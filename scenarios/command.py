"""`labsfu run` and `labsfu demo`: progress on stderr, the result on stdout, an exit code."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence

import scenarios.library  # noqa: F401 - registers the scenarios
from clients.errors import ClientError, ServerFailed
from scenarios.definition import find
from scenarios.errors import UsageError
from scenarios.render import as_json, table
from scenarios.runner import run
from scenarios.verdict import ExitCode


def run_and_report(
    name: str, settings: Mapping[str, str], *, against: str | None, server_flags: Sequence[str], mode: str
) -> ExitCode:
    """Run a scenario and print what it found, as `plain` text or `json`."""
    try:
        if against is not None and server_flags:
            raise UsageError(f"{server_flags[0]} is for a server that is started here; --against names one that runs")
        story = run(find(name), settings, against=against, server_flags=server_flags, progress=_progress)
        outcome = asyncio.run(story)
    except UsageError as error:
        return _give_up(str(error), ExitCode.USAGE)
    except ServerFailed as error:
        return _give_up(str(error), ExitCode.SERVER_DIED)
    except ClientError as error:
        return _give_up(f"{type(error).__name__}: {error}", ExitCode.SCRIPT_RAISED)
    except KeyboardInterrupt:
        return _give_up("interrupted", ExitCode.INTERRUPTED)
    sys.stdout.write((as_json(outcome) if mode == "json" else table(outcome)) + "\n")
    return outcome.exit_code


def _progress(line: str) -> None:
    sys.stderr.write(f"  {line}\n")


def _give_up(reason: str, code: ExitCode) -> ExitCode:
    sys.stderr.write(f"labsfu: {reason}\n")
    return code
