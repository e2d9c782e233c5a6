"""Programs that nothing needs to serve, but that tests and reports use; and what lacks without each."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from labsfu.doctor.finding import Finding, Patient, ok, warn

PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Tool:
    """A program.

    Attributes:
        name: what it is called in the report.
        programs: the names that it goes by.
        without: what lacks when it is not there.
        install: Debian's package.
    """

    name: str
    programs: tuple[str, ...]
    without: str
    install: str


TOOLS = (
    Tool(
        "Chromium",
        ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome"),
        "no tests with a real browser",
        "chromium",
    ),
    Tool("npm", ("npm",), "no tests with a real browser: their page is bundled with it", "npm"),
    Tool("tshark", ("tshark",), "no look into what `labsfu client --pcap` writes, and its test is skipped", "tshark"),
    Tool("tmux", ("tmux",), "no tests of the dashboard in a terminal", "tmux"),
)
_NAMESPACE = ("unshare", "--map-root-user", "--net", "true")


def check(patient: Patient) -> Iterator[Finding]:  # noqa: ARG001 - every check takes the same
    """One line for each."""
    for tool in TOOLS:
        path = next(filter(None, map(shutil.which, tool.programs)), None)
        if path is None:
            yield warn(tool.name, f"not found: {tool.without}", f"apt install {tool.install}")
        else:
            yield ok(tool.name, path)
    yield _check_namespaces()


def _check_namespaces() -> Finding:
    """Whether a network of one's own can be made without being root."""
    name, without = "namespaces", "no networks of their own for tests"
    try:
        done = subprocess.run(_NAMESPACE, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except FileNotFoundError:
        return warn(name, f"`unshare` not found: {without}", "apt install util-linux")
    except (OSError, subprocess.TimeoutExpired) as error:
        return warn(name, f"{error}: {without}", "see `man unshare`")
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["it fails"])[-1]
        return warn(name, f"{reason}: {without}", "sudo sysctl -w kernel.unprivileged_userns_clone=1, or be root")
    return ok(name, "networks of their own can be made (unshare)")
