"""Hosts with networks of their own, on this machine: network namespaces, joined by virtual cables (Linux, root)."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

import pytest

HERE = ""
"""The name of the host that the test itself runs on."""

Link: TypeAlias = tuple[str, str]

_PREFIX = "labsfu-"


class Network:
    """Hosts and the cables between them; each end of a cable has an address of a net that has but these two.

    Args:
        links: the cables, each between two hosts.
    """

    def __init__(self, links: Sequence[Link]) -> None:
        self._names = {name: f"{_PREFIX}{os.getpid()}-{name}" for link in links for name in link if name != HERE}
        self._links = list(links)
        self._net = 64 + os.getpid() % 64
        """So that two runs at the same time, here at least, do not meet."""

    def address(self, host: str, towards: str) -> str:
        """The address of a host at its end of the cable to another one."""
        number, end = self._find(host, towards)
        return f"10.{self._net}.{number}.{end + 1}"

    def command(self, host: str, *words: str) -> tuple[str, ...]:
        """The words that run a program on a host."""
        return ("ip", "netns", "exec", self._names[host], *words)

    def plug(self, host: str, towards: str, *, connected: bool) -> None:
        """Pull the plug of a cable at a host's end, or put it in again."""
        number, end = self._find(host, towards)
        _ip("-n", self._names[host], "link", "set", self._device(number, end), "up" if connected else "down")

    def build(self) -> None:
        """Make it.

        Raises:
            subprocess.CalledProcessError: it cannot be made here; `stderr` says why.
        """
        for name in self._names.values():
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        for number, link in enumerate(self._links):
            ends = [self._device(number, end) for end in (0, 1)]
            _ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
            for end, host in enumerate(link):
                where = () if host == HERE else ("-n", self._names[host])
                if host != HERE:
                    _ip("link", "set", ends[end], "netns", self._names[host])
                _ip(*where, "address", "add", f"{self.address(host, link[1 - end])}/30", "dev", ends[end])
                _ip(*where, "link", "set", ends[end], "up")

    def clear(self) -> None:
        """Take it away, as far as it was made; a cable goes with one of its ends."""
        for name in self._names.values():
            with suppress(subprocess.CalledProcessError):
                _ip("netns", "delete", name)
        for number, link in enumerate(self._links):
            if HERE in link:
                with suppress(subprocess.CalledProcessError):
                    _ip("link", "delete", self._device(number, link.index(HERE)))

    def _find(self, host: str, towards: str) -> tuple[int, int]:
        for number, link in enumerate(self._links):
            if set(link) == {host, towards}:
                return number, link.index(host)
        raise AssertionError(f"no cable between '{host}' and '{towards}'")

    @staticmethod
    def _device(number: int, end: int) -> str:
        """At most 15 letters."""
        return f"lab{os.getpid() % 1_000_000}n{number}{'ab'[end]}"


@contextmanager
def network(*links: Link) -> Iterator[Network]:
    """Hosts and cables for as long as the context lasts; the test is skipped where there can be none."""
    if shutil.which("ip") is None:
        pytest.skip("no network namespaces: the program `ip` (iproute2) is not installed")
    built = Network(links)
    try:
        try:
            _sweep()
            built.build()
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces: {error.stderr.decode().strip()}")
        yield built
    finally:
        built.clear()


def _sweep() -> None:
    """Take away what a run has left that was killed; the cables go with the hosts."""
    for name in _ip("netns", "list").split():
        pid = name.removeprefix(_PREFIX).partition("-")[0]
        if name.startswith(_PREFIX) and pid.isdigit() and not Path(f"/proc/{pid}").exists():
            with suppress(subprocess.CalledProcessError):
                _ip("netns", "delete", name)


def _ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True).stdout.decode()
