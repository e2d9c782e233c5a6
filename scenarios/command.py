"""`labsfu run` and `labsfu demo`: progress on stderr, the result on stdout, an exit code."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping

import scenarios.library  # noqa: F401 - registers the scenarios
from clients.errors import ClientError, ServerFailed
from scenarios.definition import find
from scenarios.errors import UsageError
from scenarios.render import as_json, table
from scenarios.runner import run
from scenarios.verdict import ExitCode


def run_and_report(name: str, settings: Mapping[str, str], *, against: str | None, mode: str) -> ExitCode:
    """Run a scenario and print what it found, as `plain` text or `json`."""
    try:
        outcome = asyncio.run(run(find(name), settings, against=against, progress=_progress))
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
