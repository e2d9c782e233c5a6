"""What the machine has: processors and memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from labsfu.doctor.finding import Finding, Patient, fail, ok, warn

MEMORY_INFO = Path("/proc/meminfo")
MIB = 1 << 20

# The server takes about 80 MiB, each worker about 60 MiB, and 30 KiB for each stream; a headless client that decodes
# about 150 MiB.
LITTLE, TOO_LITTLE = 1024 * MIB, 128 * MIB
OF_A_WORKER = 60 * MIB


def check(patient: Patient) -> Iterator[Finding]:
    """One line for each."""
    workers = patient.config.worker_count
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield check_processors(cores, workers)
    yield check_memory(MEMORY_INFO, workers)


def check_processors(count: int, workers: int = 0) -> Finding:
    """Whether server, workers and clients get in each other's way: each worker, and the server, may need one."""
    users = "the server uses one of them"
    if workers:
        users = f"the server and {workers} worker{'s' if workers > 1 else ''} use {workers + 1} of them"
    if count > 1 and workers + 1 <= count:
        return ok("processors", f"{count}; {users}")
    if count > 1:
        found = f"{count}, which the server and {workers} workers share: each may need one"
        return warn("processors", found, f"give `--workers {count - 1}`, or more processors")
    mend = "run clients (`labsfu demo`, `labsfu client`) elsewhere, or few of them"
    if workers:
        mend += "; with `--workers 0` the server is its own only worker"
    return warn("processors", "1, which server and clients share: what is measured is each other", mend)


def check_memory(file: Path, workers: int = 0) -> Finding:
    """Whether there is enough memory left, by a file like /proc/meminfo."""
    try:
        lines = file.read_text(encoding="ascii").splitlines()
        kib = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError, IndexError):
        return ok("memory", "this system does not tell")
    found = f"{kib >> 10} MiB available"
    needed = workers * OF_A_WORKER
    if workers:
        found += f"; {workers} worker{'s' if workers > 1 else ''} take{'' if workers > 1 else 's'} {needed // MIB} MiB"
    if kib << 10 < TOO_LITTLE + needed:
        mend = "the server takes 100 MiB to begin with: end something"
        return fail("memory", found, f"{mend}, or give fewer `--workers`" if workers > 1 else mend)
    if kib << 10 < LITTLE + needed:
        return warn(
            "memory", found, "each headless client that decodes takes some 150 MiB: `--synthetic` ones take less"
        )
    return ok("memory", found)
