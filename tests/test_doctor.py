"""What each check of `labsfu doctor` finds; what is wrong is really wrong here, wherever a test can make it so."""

from __future__ import annotations

import json
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import pytest

from labsfu.config import Config, MediaListen
from labsfu.doctor import addresses, certificate, kernel, machine, network, ports, python, settings, tools
from labsfu.doctor.examine import CHECKS, examine
from labsfu.doctor.finding import Finding, Level, Patient, fail, ok, warn
from labsfu.doctor.report import as_json, as_text
from labsfu.shell.open_files import RESERVE
from tests.support.certificates import make_files

NOT_OURS = "198.51.100.7"
"""An address for documentation (RFC 5737): no machine has it."""
NOW = datetime.now(UTC)


def only(findings: Iterator[Finding], name: str) -> Finding:
    (found,) = [finding for finding in findings if finding.name == name]
    return found


@contextmanager
def held(kind: socket.SocketKind, address: str = "127.0.0.1") -> Iterator[int]:
    """A port that somebody else has."""
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind((address, 0))
        if kind is socket.SOCK_STREAM:
            sock.listen()
        yield sock.getsockname()[1]


def free_port(kind: socket.SocketKind) -> int:
    with held(kind) as port:
        return port


# ------------------------------------------------------------------ Python


def test_this_python_will_do_and_an_older_one_will_not() -> None:
    assert next(python.check(Patient(Config()))).level is Level.OK
    old = python.check_interpreter((3, 10, 4))
    assert (old.level, "3.10.4" in old.found, "Python 3.11" in old.mend) == (Level.FAIL, True, True)


def test_packages_that_are_there_are_one_line() -> None:
    requirements = [f"trio>={version('trio')}", "quart-trio>=0.1", "pyOpenSSL", "pytest>=1; extra == 'dev'"]
    (found,) = python.check_packages(requirements, {})
    assert (found.level, found.found) == (Level.OK, "3 can be imported")


def test_each_package_that_is_not_as_it_should_be_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_package.py").write_text("raise ImportError('libnothing.so: cannot open')")
    info = tmp_path / "broken_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-package\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    requirements = ["no-such-package>=1", "trio>=999.0", "broken-package", "click>=8"]
    missing, old, broken, moved, rest = python.check_packages(requirements, {"click": "0.0.1"})
    assert [each.level for each in (missing, old, broken)] == [Level.FAIL] * 3
    assert missing.found == "no-such-package is not installed"
    assert old.found == f"trio {version('trio')} is older than 999.0"
    assert broken.found == "broken-package 1.0 cannot be imported: libnothing.so: cannot open"
    assert (moved.level, moved.found) == (Level.WARN, f"click is {version('click')}, tested was 0.0.1")
    assert rest.found.startswith("0 can be imported")


def test_pins_are_read_by_whatever_name_a_package_goes(tmp_path: Path) -> None:
    file = tmp_path / "constraints.txt"
    file.write_text("# pinned\nPyYAML==6.0.3\nprometheus_client==0.26.0\n")
    assert python.read_pins(file) == {"pyyaml": "6.0.3", "prometheus-client": "0.26.0"}
    assert python.read_pins(tmp_path / "none.txt") == {}
    assert python.read_pins(python.PINS)["trio"]


# ------------------------------------------------------------------ settings, ports, addresses


def test_wrong_settings_are_told() -> None:
    (found,) = settings.check(Patient(Config(), "lab.toml: there is no setting 'prot'"))
    assert (found.level, found.found) == (Level.FAIL, "lab.toml: there is no setting 'prot'")
    (good,) = settings.check(Patient(Config(port=0)))
    assert (good.level, "any free port" in good.found) == (Level.OK, True)


def test_free_ports_are_free() -> None:
    config = Config(port=free_port(socket.SOCK_STREAM), media=MediaListen(("127.0.0.1",), 0))
    assert {finding.level for finding in ports.check(Patient(config))} == {Level.OK}


def test_ports_that_other_programs_hold_are_named_with_the_way_to_find_those() -> None:
    with held(socket.SOCK_STREAM) as port, held(socket.SOCK_DGRAM) as media_port:
        config = Config(port=port, media=MediaListen(("127.0.0.1",), media_port), workers=0)
        http, media = ports.check(Patient(config))
    assert http.level is media.level is Level.FAIL
    assert http.found == f"tcp 127.0.0.1:{port} is held by another program"
    assert media.found == f"udp 127.0.0.1:{media_port} is held by another program"
    assert f"ss -ltnp 'sport = :{port}'" in http.mend
    assert f"ss -lunp 'sport = :{media_port}'" in media.mend


def test_the_ports_of_all_workers_are_tried() -> None:
    with held(socket.SOCK_DGRAM) as second:
        config = Config(port=0, media=MediaListen(("127.0.0.1",), second - 1), workers=3)
        found = [finding for finding in ports.check(Patient(config)) if finding.name == "media port"]
        assert len(found) == 3
        assert f"udp 127.0.0.1:{second} is held by another program" in [finding.found for finding in found]
        one = Config(port=0, media=MediaListen(("127.0.0.1",), 0), workers=3)
        assert only(ports.check(Patient(one)), "media port").found == "any free one is taken"
    (told,) = settings.check(Patient(config))
    assert f"port {second - 1} to {second + 1}" in told.found


def test_a_host_that_nobody_knows_is_told() -> None:
    name = "x" * 70  # longer than DNS allows, so that nobody is asked
    http = only(ports.check(Patient(Config(host=name, token="t"))), "HTTP port")
    assert (http.level, name in http.found) == (Level.FAIL, True)


def test_addresses_of_other_machines_are_told_with_those_of_this_one() -> None:
    config = Config(host=NOT_OURS, token="t", media=MediaListen((NOT_OURS, "127.0.0.1"), 0))
    elsewhere, here = addresses.check(Patient(config))
    assert (elsewhere.level, here.level) == (Level.FAIL, Level.OK)
    assert elsewhere.found.startswith(f"{NOT_OURS} is not this machine's")
    assert "127.0.0.1" in elsewhere.mend
    assert {finding.level for finding in ports.check(Patient(config)) if NOT_OURS in finding.found} == {Level.FAIL}


def test_what_clients_are_told_may_be_a_router_s() -> None:
    config = Config(media=MediaListen(("0.0.0.0",), 0, (NOT_OURS,)))
    everywhere, _, told = addresses.check(Patient(config))
    assert (everywhere.level, told.level) == (Level.OK, Level.WARN)
    assert "forwards the media port" in told.mend


def test_media_on_loopback_is_of_no_use_to_those_who_call_from_elsewhere() -> None:
    *_, found = addresses.check(Patient(Config(host="0.0.0.0", token="t")))
    assert (found.level, "nobody else gets there" in found.found) == (Level.WARN, True)
    assert found.mend.startswith("--media-address")


# ------------------------------------------------------------------ certificate


def test_a_certificate_for_the_host_will_do(tmp_path: Path) -> None:
    files = make_files(tmp_path / "lab")
    found = certificate.check_certificate(Config(cert=files.cert, key=files.key), NOW)
    assert (found.level, found.found.startswith("for localhost, 127.0.0.1, ::1, until")) == (Level.OK, True)


def test_a_certificate_that_will_not_do_is_told_and_why(tmp_path: Path) -> None:
    files, others = make_files(tmp_path / "lab"), make_files(tmp_path / "others")
    config = Config(cert=files.cert, key=files.key)
    after, before = NOW + timedelta(days=900), NOW - timedelta(days=2)
    cases = {
        "ended on": (config, after, Level.FAIL),
        "begins on": (config, before, Level.FAIL),
        "is not that of cert": (Config(cert=files.cert, key=others.key), NOW, Level.FAIL),
        "ends on": (config, NOW + timedelta(days=823), Level.WARN),
        "not for 192.0.2.1": (Config(host="192.0.2.1", token="t", cert=files.cert, key=files.key), NOW, Level.WARN),
        "cannot connect": (Config(host="192.0.2.1", token="t"), NOW, Level.WARN),
        "none is needed": (Config(), NOW, Level.OK),
        "for localhost": (Config(host="0.0.0.0", token="t", cert=files.cert, key=files.key), NOW, Level.OK),
    }
    for said, (given, now, level) in cases.items():
        found = certificate.check_certificate(given, now)
        assert (said in found.found, found.level) == (True, level), found
        assert bool(found.mend) == (level is not Level.OK)


# ------------------------------------------------------------------ kernel, machine, tools


def test_datagrams_come_back_on_this_machine() -> None:
    assert only(network.check(Patient(Config())), "loopback").level is Level.OK


def test_a_buffer_that_the_kernel_does_not_give_is_told_with_the_setting() -> None:
    wanted = 1 << 30
    found = kernel.check_buffer(socket.SO_RCVBUF, wanted)
    assert (found.level, "1048576 KiB" in found.found) == (Level.WARN, True)
    assert found.mend == f"sudo sysctl -w net.core.rmem_max={wanted}"
    assert "wmem_max" in kernel.check_buffer(socket.SO_SNDBUF, wanted).mend
    assert kernel.check_buffer(socket.SO_RCVBUF, 4096).level is Level.OK


def test_few_open_files_are_told_with_the_command() -> None:
    assert kernel.check_open_files(resource.RLIM_INFINITY, 12_000).level is Level.OK
    assert kernel.check_open_files(12_000 + RESERVE, 12_000).level is Level.OK
    few = kernel.check_open_files(1024, 12_000)
    assert (few.level, few.found) == (Level.WARN, "1024, enough for 960 of 12000 connections")
    assert "ulimit -n 12064" in few.mend
    assert kernel.check_open_files(100, 12_000).level is Level.FAIL


def test_a_coarse_clock_is_told() -> None:
    assert kernel.check_clock(time.perf_counter).level is Level.OK
    coarse = kernel.check_clock(lambda: round(time.perf_counter(), 2))
    assert (coarse.level, "10 ms" in coarse.found) == (Level.WARN, True)
    assert kernel.check_clock(lambda: 7.0).found == "stands still"


def test_memory_is_judged_by_what_is_available(tmp_path: Path) -> None:
    file = tmp_path / "meminfo"
    for available, level in ((8 << 20, Level.OK), (512 << 10, Level.WARN), (64 << 10, Level.FAIL)):
        file.write_text(f"MemTotal: 99 kB\nMemAvailable:   {available} kB\n")
        found = machine.check_memory(file)
        assert (found.level, f"{available >> 10} MiB" in found.found) == (level, True)
    assert machine.check_memory(tmp_path / "none").level is Level.OK
    assert machine.check_processors(1).level is Level.WARN


def test_workers_are_counted_against_processors_and_memory(tmp_path: Path) -> None:
    assert machine.check_processors(4, 3).level is Level.OK
    assert "3 workers use 4" in machine.check_processors(4, 3).found
    many = machine.check_processors(4, 4)
    assert (many.level, "--workers 3" in many.mend) == (Level.WARN, True)
    assert machine.check_processors(1, 1).level is Level.WARN
    file = tmp_path / "meminfo"
    file.write_text(f"MemAvailable:   {1500 << 10} kB\n")
    for workers, level in ((2, Level.OK), (10, Level.WARN), (30, Level.FAIL)):
        found = machine.check_memory(file, workers)
        assert (found.level, f"{workers} workers take {60 * workers} MiB" in found.found) == (level, True)
    config = Config(workers=64)
    assert [found.name for found in machine.check(Patient(config)) if "64 workers" in found.found] == [
        "processors",
        "memory",
    ]


def test_tools_that_are_not_there_are_told_with_what_lacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = list(tools.check(Patient(Config())))
    assert {finding.level for finding in found} == {Level.WARN}
    assert [finding.name for finding in found] == ["Chromium", "npm", "tshark", "tmux", "namespaces"]
    assert only(iter(found), "tshark").mend == "apt install tshark"
    assert all("no " in finding.found for finding in found)


def test_namespaces_that_are_forbidden_are_told_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    unshare = tmp_path / "unshare"
    unshare.write_text("#!/bin/sh\necho unshare: unshare failed: Operation not permitted >&2\nexit 1\n")
    unshare.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = only(tools.check(Patient(Config())), "namespaces")
    assert "Operation not permitted" in found.found
    assert "unprivileged_userns_clone" in found.mend


# ------------------------------------------------------------------ the report


def test_every_check_is_run_and_what_needs_mending_says_how() -> None:
    found = list(examine(Patient(Config(port=0, media=MediaListen(("127.0.0.1",), 0)))))
    assert {"Python", "packages", "settings", "HTTP port", "media port", "address", "certificate", "loopback"} <= {
        finding.name for finding in found
    }
    assert all(bool(finding.mend) == (finding.level is not Level.OK) for finding in found)
    folder = Path(python.__file__).parent
    assert {path.stem for path in folder.glob("*.py")} - {"__init__", "examine", "finding", "report"} == set(CHECKS)


def test_the_report_has_a_line_for_each_and_a_sum() -> None:
    findings = [ok("one", "fine"), warn("two", "slow", "hurry"), fail("three", "gone", "look"), ok("four", "fine")]
    assert list(as_text(findings, colour=False)) == [
        "ok    one             fine",
        "warn  two             slow",
        "                      -> hurry",
        "fail  three           gone",
        "                      -> look",
        "ok    four            fine",
        "2 ok, 1 warning, 1 failure",
    ]
    assert "\x1b[31mfail\x1b[0m" in "\n".join(as_text(findings, colour=True))
    whole = json.loads(as_json(findings))
    assert (whole["ok"], len(whole["checks"])) == (False, 4)
    assert whole["checks"][1] == {"name": "two", "level": "warn", "found": "slow", "mend": "hurry"}
