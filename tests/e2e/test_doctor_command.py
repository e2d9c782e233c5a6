"""`labsfu doctor` and `labsfu make-cert` as their users meet them: processes, what they say, their exit codes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from clients.server import ServerProcess
from tests.support.certificates import make_files
from tests.support.tools import lacking, need

pytestmark = pytest.mark.e2e

FREE = ("--port", "0", "--media-port", "0")


def run(*words: str, before: tuple[str, ...] = (), **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LABSFU_")}
    command = [*before, sys.executable, "-m", "labsfu", *words]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=clean | {"LABSFU_WORKERS": "0"} | environment,
        timeout=60,
        check=False,
    )


def levels(done: subprocess.CompletedProcess[str]) -> dict[str, set[str]]:
    """The levels by name of the check."""
    found: dict[str, set[str]] = {}
    for check in json.loads(done.stdout)["checks"]:
        found.setdefault(check["name"], set()).add(check["level"])
    return found


def test_it_says_line_by_line_how_it_is() -> None:
    done = run("doctor", *FREE)
    *lines, last = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert all(line.startswith(("ok    ", "warn  ", "fail  ", "      ")) for line in lines)
    assert last.endswith(" 0 failures")
    assert "\x1b" not in done.stdout


def test_something_that_fails_is_its_exit_code() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        done = run("doctor", "--json", "--port", "0", LABSFU_MEDIA_PORT=str(other.getsockname()[1]))
    assert done.returncode == 1
    assert json.loads(done.stdout)["ok"] is False
    assert levels(done)["media port"] == {"fail"}
    assert levels(done)["HTTP port"] == {"ok"}


def test_it_works_with_a_file_that_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "lab.toml"
    file.write_text("prot = 1\n")
    done = run("doctor", "--json", "--config", str(file))
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert done.returncode == 1
    assert (checks["settings"]["level"], checks["settings"]["found"]) == ("fail", f"{file}: there is no setting 'prot'")
    assert checks["loopback"]["level"] == "ok"


def test_a_package_that_cannot_be_imported_is_told_and_the_rest_is_checked(tmp_path: Path) -> None:
    (tmp_path / "ifaddr.py").write_text("raise ImportError('planted')\n")
    done = run("doctor", "--json", *FREE, PYTHONPATH=str(tmp_path))
    found = json.loads(done.stdout)["checks"]
    assert done.returncode == 1
    assert ("addresses", "fail", "cannot be checked: planted", "see the packages") in [
        (check["name"], check["level"], check["found"], check["mend"]) for check in found
    ]
    assert levels(done)["loopback"] == {"ok"}


@pytest.mark.asyncio
async def test_a_labsfu_that_runs_already_is_no_fault(tmp_path: Path) -> None:
    files = make_files(tmp_path / "lab")
    for flags in ((), files.flags, ("--token", "s3cret")):
        async with ServerProcess(*flags) as server:
            port, media = server.url.rpartition(":")[2], server.media[0].rpartition(":")[2]
            done = run("doctor", "--json", "--port", port, "--media-port", media, *flags)
        assert (levels(done)["HTTP port"], levels(done)["media port"]) == ({"ok"}, {"ok"})
        assert done.returncode == 0


def test_few_open_files_are_seen() -> None:
    done = run("doctor", "--json", *FREE, before=("bash", "-c", 'ulimit -n 200 && exec "$@"', "bash"))
    assert (levels(done)["open files"], done.returncode) == ({"warn"}, 0)


def test_one_processor_is_seen() -> None:
    done = run("doctor", "--json", *FREE, before=(need("taskset"), "-c", "0"))
    assert levels(done)["processors"] == {"warn"}


def test_a_network_that_is_down_is_seen() -> None:
    before = (need("unshare"), "--map-root-user", "--net")
    if subprocess.run([*before, "true"], capture_output=True, check=False).returncode != 0:
        lacking("networks of their own are not allowed here")
    done = run("doctor", "--json", *FREE, "--media-address", "127.0.0.1,192.0.2.77", before=before)
    found = levels(done)
    assert done.returncode == 1
    assert (found["loopback"], found["IPv6"]) == ({"fail"}, {"warn"})
    assert found["address"] == {"ok", "fail"}, "without interfaces Linux lets every address be bound"


def test_a_port_for_root_only_is_seen_by_others() -> None:
    before = (need("setpriv"), "--bounding-set", "-net_bind_service")
    started = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    if not started.exists() or int(started.read_text()) <= 1:
        lacking("here everybody may have every port")
    if os.geteuid() == 0 and subprocess.run([*before, "true"], capture_output=True, check=False).returncode != 0:
        lacking("capabilities cannot be given up here")
    done = run("doctor", "--json", "--port", "1", "--media-port", "0", before=before if os.geteuid() == 0 else ())
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert (checks["HTTP port"]["level"], checks["HTTP port"]["found"]) == ("fail", "tcp 127.0.0.1:1 is for root only")


def test_a_certificate_is_made_and_told_how_to_use(tmp_path: Path) -> None:
    done = run("make-cert", str(tmp_path / "lab"), "--address", "192.0.2.9,lab.example")
    assert (done.returncode, done.stderr) == (0, "")
    assert "192.0.2.9, lab.example, 127.0.0.1, ::1, localhost" in done.stdout
    again = run("make-cert", str(tmp_path / "lab"))
    assert (again.returncode, again.stdout, again.stderr.count("\n")) == (2, "", 1)
    assert "is there already" in again.stderr
