"""What the machine has: processors and memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from labsfu.doctor.finding import Finding, Patient, fail, ok, warn

MEMORY_INFO = Path("/proc/meminfo")
MIB = 1 << 20

# The server takes about 80 MiB and 30 KiB for each stream; a headless client that decodes about 150 MiB.
LITTLE, TOO_LITTLE = 1024 * MIB, 128 * MIB


def check(patient: Patient) -> Iterator[Finding]:  # noqa: ARG001 - every check takes the same
    """One line for each."""
    yield check_processors(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    yield check_memory(MEMORY_INFO)


def check_processors(count: int) -> Finding:
    """Whether server and clients get in each other's way."""
    if count > 1:
        return ok("processors", f"{count}; the server uses one of them")
    mend = "run clients (`labsfu demo`, `labsfu client`) elsewhere, or few of them"
    return warn("processors", "1, which server and clients share: what is measured is each other", mend)


def check_memory(file: Path) -> Finding:
    """Whether there is enough memory left, by a file like /proc/meminfo."""
    try:
        lines = file.read_text(encoding="ascii").splitlines()
        kib = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError, IndexError):
        return ok("memory", "this system does not tell")
    found = f"{kib >> 10} MiB available"
    if kib << 10 < TOO_LITTLE:
        return fail("memory", found, "the server takes 100 MiB to begin with: end something")
    if kib << 10 < LITTLE:
        return warn(
            "memory", found, "each headless client that decodes takes some 150 MiB: `--synthetic` ones take less"
        )
    return ok("memory", found)
