"""`labsfu serve` as its users meet it: a process, its ready line, its signals, its exit code."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import msgspec
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from labsfu.wire import socket as wire
from tests.support.fake_worker import SPEEX

pytestmark = pytest.mark.e2e

READY = re.compile(r"labsfu: ready at http://(127\.0\.0\.1:\d+) media (udp:127\.0\.0\.1:\d+)\n")
JOIN = "/rooms/r/participants/{0}/create-and-connect?roomType=conference&participantType=host&displayName={0}"


def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LABSFU_")}
    command = [sys.executable, "-m", "labsfu", "serve", *arguments]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean | {"LABSFU_WORKERS": "0"} | environment,
    )


def refused(*arguments: str, **environment: str) -> str:
    """What a server that cannot start says; it must be one line, and the exit code 2."""
    with start(*arguments, **environment) as process:
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (2, "")
    assert err.count("\n") == 1
    return err


class Running:
    """A server that said it is ready."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stderr is not None
        line = process.stderr.readline()
        found = READY.fullmatch(line)
        assert found is not None, line + process.stderr.read()
        self.address, self.media = found.groups()

    def join(self, name: str) -> ClientConnection:
        return connect(f"ws://{self.address}{JOIN.format(name)}")

    def get(self, path: str) -> dict[str, object]:
        answer: dict[str, object] = httpx.get(f"http://{self.address}{path}", trust_env=False).json()
        return answer

    def end(self, number: signal.Signals) -> tuple[float, str, str]:
        """Seconds that it took to end after a signal, and what it said."""
        began = time.monotonic()
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=10)
        return time.monotonic() - began, out, err


@pytest.fixture
def server() -> Iterator[Running]:
    with start("--port", "0", "--media-port", "0", "--log-level", "warning") as process:
        try:
            yield Running(process)
        finally:
            process.kill()


def hear(peer: ClientConnection) -> wire.ServerMessage:
    message: wire.ServerMessage = msgspec.json.decode(peer.recv(timeout=10), type=wire.ServerMessage)
    return message


def close_code(peer: ClientConnection) -> int | None:
    try:
        while True:
            peer.recv(timeout=10)
    except ConnectionClosed as closed:
        return None if closed.rcvd is None else closed.rcvd.code


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_soon_and_quietly_though_sockets_are_open(server: Running, number: signal.Signals) -> None:
    with server.join("ann") as ann, server.join("ben"):
        assert isinstance(hear(ann), wire.Init)
        seconds, out, err = server.end(number)
        assert isinstance(hear(ann), wire.ParticipantJoined)
        assert close_code(ann) == 1001
    assert (server.process.returncode, out, err) == (0, "", "")
    assert seconds < 2


def test_what_was_bound_is_what_it_says(server: Running) -> None:
    assert server.get("/sfu")["listen"] == {"http": server.address, "media": [server.media]}


def test_a_room_on_the_real_engine_leaves_nothing(server: Running) -> None:
    with server.join("ann") as ann:
        init = hear(ann)
        assert isinstance(init, wire.Init)
        assert [c.port for c in init.producer_transport_options.ice_candidates] == [int(server.media.rsplit(":")[-1])]
        ann.send(msgspec.json.encode(wire.ProduceRequest(kind="audio", rtp_parameters=SPEEX)).decode())  # type: ignore[arg-type]  # as a client writes it
        error = hear(ann)
        assert isinstance(error, wire.Error)
        assert (error.request_action, error.type) == ("Produce", "/problems/invalid-rtp-parameters")
    httpx.delete(f"http://{server.address}/rooms/r", trust_env=False)
    assert set(msgspec.to_builtins(server.get("/sfu")["counts"]).values()) == {0}


def test_its_log_says_who_came_and_its_own_end_is_no_news() -> None:
    with start("--port", "0", "--media-port", "0", "--token", "s3cret", LABSFU_LOG_FORMAT="json") as process:
        server = Running(process)
        url = f"ws://{server.address}{JOIN.format('ann')}&token=s3cret"
        with connect(url) as ann:
            assert isinstance(hear(ann), wire.Init)
            _, _, err = server.end(signal.SIGTERM)
    entries = [msgspec.json.decode(line) for line in err.splitlines()]
    assert [(entry["event"], entry["room"]) for entry in entries] == [("room made", "r"), ("participant joined", "r")]
    assert entries[1]["participant"] == "ann"
    assert "s3cret" not in err


def test_ports_in_use_are_named_in_one_line(server: Running) -> None:
    port, media_port = server.address.split(":")[1], server.media.split(":")[2]
    assert f"port {port}" in refused("--port", port, "--media-port", "0")
    assert f"port {media_port}" in refused("--port", "0", "--media-port", media_port)


def test_wrong_settings_are_named_in_one_line() -> None:
    assert "--port: 'http'" in refused("--port", "http")
    assert "LABSFU_MEDIA_PORT: 'x'" in refused(LABSFU_MEDIA_PORT="x")
    assert "--token" in refused("--host", "0.0.0.0")
    assert "none.toml" in refused("--config", "none.toml")
