"""Logs as a process writes them: text and JSON, terminals and files, and what callers made up."""

import json
import os
import pty
import re
import subprocess
import sys

import pytest

NAUGHTY = "a\\nb \\x1b[31mred"
ID = "6e1b0718-495e-4f6c-986b-1109fae6e37b"
PROGRAM = f"""
import logging, sys, structlog
from labsfu.shell.logs import set_up_logs
set_up_logs(sys.argv[1], sys.argv[2])
log = structlog.get_logger()
log.debug("ICE state", state="new")
log.info("room made", room="tea", router="{ID}", size=2)
log.warning("said", name="{NAUGHTY}", bare="\\x1b[31m", empty="", where=("here", "there"))
logging.getLogger("hypercorn").warning("library %s", "{NAUGHTY}")
try:
    secret = "hunter2"
    raise ValueError("boom")
except ValueError as error:
    log.error("unexpected error", id="{ID}", exc_info=error)
"""
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def run(level: str, format_: str) -> list[str]:
    command = [sys.executable, "-c", PROGRAM, level, format_]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == ""
    return done.stderr.splitlines()


def run_on_a_terminal(**environment: str) -> str:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", PROGRAM, "info", "text"]
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM")}
    with subprocess.Popen(
        command, stderr=theirs, env=clean | {"TERM": "xterm", "LABSFU_WORKERS": "0"} | environment
    ) as process:
        os.close(theirs)
        said = b""
        try:
            while data := os.read(ours, 4096):
                said += data
        except OSError:  # Linux's way to say that the other end is closed
            pass
        finally:
            os.close(ours)
    assert process.returncode == 0
    return said.decode()


def test_text_is_one_line_each_with_ids_in_full_and_no_colour_in_a_file() -> None:
    room, said, library, error, *traceback = run("info", "text")
    assert TIME.match(room)
    assert room[25:] == f"info    room made            room=tea router={ID} size=2"
    assert (
        said[25:] == r"warning said                 name='a\nb \x1b[31mred' bare='\x1b[31m' empty='' where=here,there"
    )
    assert library[25:].startswith("warning ")
    assert r"'library a\nb \x1b[31mred'" in library
    assert error[25:] == f"error   unexpected error     id={ID}"
    assert traceback[-1] == "ValueError: boom"
    assert "\x1b" not in "".join([room, said, library, error, *traceback])


def test_json_is_one_object_each_and_the_traceback_inside() -> None:
    debug, room, said, library, error = (json.loads(line) for line in run("debug", "json"))
    assert TIME.fullmatch(room.pop("timestamp"))
    assert (debug["level"], debug["event"], debug["state"]) == ("debug", "ICE state", "new")
    assert room == {"level": "info", "event": "room made", "room": "tea", "router": ID, "size": 2}
    assert said["name"] == "a\nb \x1b[31mred"
    assert library["event"] == "library a\nb \x1b[31mred"
    assert error["exception"].endswith("ValueError: boom")


@pytest.mark.parametrize("format_", ["text", "json"])
def test_variables_of_a_traceback_are_not_shown(format_: str) -> None:
    assert "hunter2" not in "".join(run("info", format_))


def test_a_terminal_gets_colours_and_short_ids_but_for_the_id_of_an_error() -> None:
    said = run_on_a_terminal()
    assert "\x1b[32minfo" in said
    assert f"router\x1b[0m={ID[:8]} " in said
    assert f"id\x1b[0m={ID}" in said
    assert "\x1b[31mred" not in said


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_that_wants_no_colours_gets_none(environment: dict[str, str]) -> None:
    assert "\x1b" not in run_on_a_terminal(**environment)


def test_a_log_that_nobody_reads_any_more_ends_nothing() -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    process = subprocess.run([sys.executable, "-c", PROGRAM, "info", "text"], stderr=theirs, check=False, timeout=30)
    os.close(theirs)
    assert process.returncode == 0
