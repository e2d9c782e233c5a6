"""Runs all checks, one after the other; one that cannot be run is a finding, too."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib import import_module

from labsfu.config import Config
from labsfu.doctor.finding import Finding, Level, Patient, fail
from labsfu.doctor.report import as_json, as_text

# Each has a function `check(patient)` that yields findings. They are imported one by one, when their turn comes: the
# library that one of them needs may be just what is missing.
CHECKS = ("python", "settings", "ports", "addresses", "certificate", "network", "kernel", "machine", "tools")


def examine(patient: Patient) -> Iterator[Finding]:
    """All findings, as they are found."""
    for name in CHECKS:
        try:
            yield from import_module(f"labsfu.doctor.{name}").check(patient)
        except ImportError as error:
            yield fail(name, f"cannot be checked: {error}", "see the packages")


def run_doctor(config: Config, wrong: str | None, *, json: bool) -> int:
    """Examine, and print what is found.

    Args:
        config: the settings; the default ones if they are wrong.
        wrong: what is wrong with them.
        json: print JSON.

    Returns:
        The exit code: 0 nothing fails, 1 something does.
    """
    findings: list[Finding] = []

    def noting() -> Iterator[Finding]:
        for finding in examine(Patient(config, wrong)):
            findings.append(finding)
            yield finding

    if json:
        lines: Iterator[str] = iter([as_json(list(noting()))])
    else:
        lines = as_text(noting(), colour=sys.stdout.isatty() and "NO_COLOR" not in os.environ)
    for line in lines:
        sys.stdout.write(line.encode(sys.stdout.encoding, "replace").decode(sys.stdout.encoding) + "\n")
        sys.stdout.flush()
    return int(any(finding.level is Level.FAIL for finding in findings))
