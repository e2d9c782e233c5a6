"""A bot that cannot even begin says why in one line and ends with the code that says whose fault it is."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from clients.bot.command import run_client
from clients.bot.options import Words

NOBODY = "http://127.0.0.1:1"


def run(capsys: pytest.CaptureFixture[str], url: str = NOBODY, **words: str) -> tuple[int, str]:
    """Exit code, and what was said on stderr: one line, and nothing on stdout."""
    code = run_client(Words(**{"url": url, "room": "tea", "name": "ada", **words}))  # type: ignore[arg-type]  # what a command line gives
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), err[:8]) == ("", 1, "labsfu: ")
    return code, err[8:-1]


class Other(BaseHTTPRequestHandler):
    """Knows no method, and logs nothing."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def other_server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_files_are_opened_before_anybody_is_asked(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(capsys, video="/nowhere.mp4") == (2, "/nowhere.mp4: No such file or directory")
    assert run(capsys, pcap="/nowhere/at/all") == (2, "--pcap /nowhere/at/all: No such file or directory")
    text = tmp_path / "text"
    text.write_text("no media")
    code, said = run(capsys, audio=str(text))
    assert (code, said.startswith(f"{text}: ")) == (2, True)


def test_nobody_at_the_url_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = run(capsys)
    assert (code, said.startswith(f"no server answers: GET {NOBODY}")) == (4, True)


def test_something_else_at_the_url_is_told(capsys: pytest.CaptureFixture[str], other_server: str) -> None:
    code, said = run(capsys, other_server)
    assert (code, said.startswith(f"{other_server} is no labsfu server: it answers 501 Unsupported method")) == (
        3,
        True,
    )
