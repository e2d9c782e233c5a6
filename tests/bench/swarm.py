"""How large a crowd this machine can make and serve, and what a client of each kind costs.

`make swarm` writes the tables of docs/load.md: a server, two workers and all media on this machine, over loopback.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import pstats
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clients.server import ServerProcess
from clients.swarm.plan import Media
from clients.swarm.process import WORKER
from clients.swarm.report import MediaReport, SwarmReport
from clients.swarm.socket_drops import SocketDrops
from clients.swarm.swarm import Swarm
from labsfu.wire.base import to_json
from tests.bench import cpu_per_stream
from tests.support.cpu import cpu_seconds, machine_seconds
from tests.support.generated_section import write_section

DOCUMENT = Path(__file__).parents[2] / "docs" / "load.md"
CROWD, COST = "crowd", "cpu per stream"
ROOM = 5
SECONDS = 20.0
SETTLING = 3.0
COMPLETE, LATE = 0.99, 0.01
"""Share of the frames that must be complete, and may be late, for the server to have kept up."""
ATTEMPTS = 3
"""How often a crowd is tried before it counts as not good: the machine is not ours alone."""
PROFILED = 8.0
TOP = 12
ROOT = Path(__file__).parents[2]
WAITING, IMPORTING, OTHER = "waiting", "importing", "other"
BUILT_IN = {
    "poll": WAITING,
    "compile": IMPORTING,
    "marshal": IMPORTING,
    "_imp.": IMPORTING,
    "__build_class__": IMPORTING,
    "exec": IMPORTING,
    "socket": "system calls (sockets)",
    "srtp": "libsrtp",
    "SSL": "OpenSSL",
}
"""What functions without a Python file belong to, by a word in their names."""


@dataclass(frozen=True, slots=True)
class Load:
    """What everyone sends, and how many are tried.

    Attributes:
        name: in words.
        media: of each.
        people: at first; step: how many more each time; most: at last.
    """

    name: str
    media: Media
    people: int
    step: int
    most: int


LOADS = (
    Load("small: 60 + 120 + 240 kbit/s, 15 fps", Media(fps=15, bitrates=(60_000, 120_000, 240_000)), 30, 10, 80),
    Load("full: 150 + 500 + 1500 kbit/s, 30 fps", Media(), 10, 5, 60),
)


@dataclass(frozen=True, slots=True)
class Run:
    """One crowd.

    Attributes:
        people: how many were wanted.
        report: what the crowd found.
        server: CPU seconds a second of the server; workers: of the generator; others: of all else on the machine.
        server_drops: datagrams that the server's socket was too full for.
    """

    people: int
    report: SwarmReport
    server: float
    workers: float
    others: float
    server_drops: int

    @property
    def busy(self) -> float:
        """Cores of the machine that were in use."""
        return self.server + self.workers + self.others

    @property
    def stopped_by(self) -> str:
        """Why it is not good; empty: it is."""
        report = self.report
        if report.people < self.people:
            return f"{self.people - report.people} did not join: {'; '.join(report.errors[:1])}"
        if not report.verdict.valid:
            return str(report.verdict)
        for name, media in (("pictures", report.video), ("sound", report.audio)):
            flowing, due = media.streams_seen - media.standing, streams_due(self.people)
            if flowing < due:
                return f"{name}: {flowing} of {due} streams flow"
            if complete(media) < COMPLETE:
                return f"{name}: {complete(media):.1%} of the frames complete"
            if late(media) > LATE:
                return f"{name}: {late(media):.1%} of the frames late"
        return ""


async def crowd(people: int, media: Media, seconds: float, *, workers: int | None, seed: int) -> Run:
    """One crowd, measured for so long once everyone is there."""
    async with (
        ServerProcess("--log-level", "warning", "--workers", "0") as server,
        Swarm(server.url, people=people, room_size=ROOM, rate="10/s", media=media, workers=workers, seed=seed) as swarm,
    ):
        await swarm.play()
        await swarm.settled()
        await asyncio.sleep(SETTLING)
        drops = SocketDrops(str(server.pid))
        drops.look()
        dropped, cpu, machine = drops.dropped, cpu_seconds(server.pid), machine_seconds()
        before = await swarm.read()
        await asyncio.sleep(seconds)
        report = await swarm.report(before)
        drops.look()
        spent, busy = cpu_seconds(server.pid) - cpu, machine_seconds() - machine
        generator = sum(worker.cpu for worker in report.workers)
    return Run(
        people=people,
        report=report,
        server=spent / report.seconds,
        workers=generator,
        others=max(0.0, (busy - spent) / report.seconds - generator),
        server_drops=drops.dropped - dropped,
    )


async def climb(load: Load, seconds: float, *, workers: int | None, seed: int) -> list[Run]:
    """Larger and larger crowds, up to the first that is not good."""
    runs: list[Run] = []
    for people in range(load.people, load.most + 1, load.step):
        for _ in range(ATTEMPTS):
            found = await crowd(people, load.media, seconds, workers=workers, seed=seed)
            tell(f"{load.name}: {row(found)} {found.stopped_by}")
            if not found.stopped_by:
                break
        runs.append(found)
        if found.stopped_by:
            break
    return runs


def complete(media: MediaReport) -> float:
    """Share of the frames that are; of nothing, nothing is missing."""
    return media.frames_complete / media.frames_expected if media.frames_expected else 1.0


def late(media: MediaReport) -> float:
    """Share of the complete frames that are."""
    return media.frames_late / media.frames_complete if media.frames_complete else 0.0


def streams_due(people: int) -> int:
    """Streams of one kind that so many receive, in rooms filled one after the other."""
    rooms, rest = divmod(people, ROOM)
    return rooms * ROOM * (ROOM - 1) + rest * (rest - 1)


def row(run: Run) -> str:
    """As Markdown."""
    report = run.report
    audio, video = report.audio, report.video
    outward = (audio.packets_received + video.packets_received) / report.seconds
    inward = (audio.packets_sent + video.packets_sent) / report.seconds
    cells = (
        f"{run.people}",
        "VALID" if report.verdict.valid else "INVALID",
        f"{inward:.0f}",
        f"{outward:.0f}",
        f"{(audio.bitrate + video.bitrate) / 1e6:.1f}",
        f"{complete(video):.2%}",
        f"{late(video):.2%}",
        f"{video.freezes}",
        latency(video),
        latency(audio),
        f"{run.server:.0%}",
        f"{run.workers:.0%}",
        f"{run.others:.0%}",
    )
    return "| " + " | ".join(cells) + " |"


def latency(media: MediaReport) -> str:
    """p50 and p99 in milliseconds."""
    p50, p99 = media.latency.p50, media.latency.p99
    return "-" if p50 is None or p99 is None else f"{p50 * 1000:.0f} / {p99 * 1000:.0f}"


HEADS = (
    "people", "verdict", "packets/s in", "packets/s out", "Mbit/s out", "frames complete", "late", "freezes",
    "video p50 / p99 ms", "audio p50 / p99 ms", "server CPU", "generator CPU", "rest of the machine",
)  # fmt: skip


NOTE = """\
{seconds:.0f} s for each line, once everyone is there. One that is not good was tried {attempts} times; the last
try is shown."""


def crowd_table(climbs: dict[str, list[Run]], seconds: float) -> str:
    """As Markdown, with what stopped each climb."""
    parts = [NOTE.format(seconds=seconds, attempts=ATTEMPTS)]
    for name, runs in climbs.items():
        parts.append(f"### {name[0].upper()}{name[1:]}")
        lines = ["| " + " | ".join(HEADS) + " |", "|" + "---:|" * len(HEADS), *map(row, runs)]
        parts.append("\n".join(lines))
        good = [run.people for run in runs if not run.stopped_by]
        last = runs[-1]
        ending = f"{last.people} were stopped by: {last.stopped_by}" if last.stopped_by else "No more were tried"
        parts.append(
            f"Largest good crowd: {max(good, default=0)}. {ending}; {last.busy:.1f} of {os.cpu_count()} cores were"
            f" busy, the server's socket dropped {last.server_drops} datagrams."
        )
    return "\n\n".join(parts)


# ---------------------------------------------------------------------- profiles


async def profiled(people: int, media: Media, *, server: bool) -> list[tuple[str, float]]:
    """Where the server's, or one worker's, own time goes in such a crowd: (part, share), the largest first."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "profile"
        under = (sys.executable, "-m", "cProfile", "-o", str(file), "-m")
        serve = ("labsfu", "serve", "--port", "0", "--media-port", "0", "--workers", "0", "--log-level", "warning")
        command = (*under, *serve) if server else (sys.executable, "-m", *serve)
        worker = WORKER if server else (*under, "clients.swarm.worker")
        async with (
            ServerProcess(command=command) as process,
            Swarm(process.url, people=people, room_size=ROOM, media=media, workers=2, command=worker) as swarm,
        ):
            await swarm.play()
            await swarm.settled()
            await asyncio.sleep(PROFILED)
        return shares(pstats.Stats(str(file)))


def shares(stats: pstats.Stats) -> list[tuple[str, float]]:
    """Own time by part of the program, without waiting and importing; what is built in belongs to who called it."""
    own: Counter[str] = Counter()
    for function, (_, _, seconds, _, callers) in stats.stats.items():  # type: ignore[attr-defined] # typeshed lacks it
        name = part_of(function)
        if name is not None:
            own[name] += seconds
            continue
        for caller, (_, _, part, _) in callers.items():
            own[part_of(caller) or OTHER] += part
    for name in (WAITING, IMPORTING):
        own.pop(name, None)
    total = sum(own.values())
    return [(name, seconds / total) for name, seconds in own.most_common(TOP)]


def part_of(function: tuple[str, int, str]) -> str | None:
    """What a function of a profile belongs to; None: to its callers."""
    file, _, name = function
    if file == "~":
        words = ((word, part) for word, part in BUILT_IN.items() if word in name)
        return next((part for _, part in words), None)
    path = Path(file)
    if "site-packages" in file:
        return path.parts[path.parts.index("site-packages") + 1]
    if path.is_relative_to(ROOT):
        inner = path.relative_to(ROOT).with_suffix("").parts
        return "/".join(inner[:3] if inner[:2] == ("labsfu", "core") else inner[:2])
    return IMPORTING if "importlib" in file else f"Python's {path.parent.name if 'asyncio' in file else path.stem}"


def profile_table(title: str, found: Sequence[tuple[str, float]]) -> str:
    """As Markdown."""
    lines = [f"| {title} | own time |", "|---|---:|", *(f"| {name} | {part:.0%} |" for name, part in found)]
    return "\n".join(lines)


async def profiles(load: Load, people: int) -> str:
    """Of both sides, so that whichever is the bottleneck is there."""
    parts = []
    for server, title in ((True, "server"), (False, "one of the two workers")):
        parts.append(
            profile_table(f"{title}, {people} people, {load.name}", await profiled(people, load.media, server=server))
        )
    note = f"Under cProfile, {PROFILED:.0f} s; it makes calls dearer than they are. Waiting and importing left out."
    return "\n\n".join((f"### Where the time goes\n\n{note}", *parts))


# ---------------------------------------------------------------------- the program


def tell(line: str) -> None:
    """For who waits."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


async def run(options: argparse.Namespace) -> dict[str, str]:
    """The sections that are asked for, by name."""
    sections: dict[str, str] = {}
    if "crowd" in options.only:
        climbs = {}
        for load in LOADS:
            climbs[load.name] = await climb(load, options.seconds, workers=options.workers, seed=options.seed)
        text = crowd_table(climbs, options.seconds)
        sections[CROWD] = f"{text}\n\n{await profiles(LOADS[0], LOADS[0].people)}"
    if "cost" in options.only:
        sections[COST] = cpu_per_stream.table(await cpu_per_stream.measure(options.seconds / 2, tell))
    return sections


async def run_one(options: argparse.Namespace) -> int:
    """One crowd of a size, and its report as JSON; 5 when it is INVALID."""
    found = await crowd(options.people, LOADS[0].media, options.seconds, workers=options.workers, seed=options.seed)
    sys.stdout.write(to_json(found.report).decode() + "\n")
    tell(row(found))
    tell(found.stopped_by or "good")
    return 0 if not found.stopped_by else 1 if found.report.verdict.valid else 5


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--workers", type=int, help="processes; one for each core")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=("crowd", "cost"), default=("crowd", "cost"))
    parser.add_argument("--people", type=int, help="one crowd of this size with small media, and nothing else")
    parser.add_argument("--write", action="store_true", help="write docs/load.md")
    options = parser.parse_args()
    if options.people is not None:
        raise SystemExit(asyncio.run(run_one(options)))
    for name, text in asyncio.run(run(options)).items():
        sys.stdout.write(f"## {name}\n\n{text}\n\n")
        if options.write:
            write_section(DOCUMENT, name, text)


if __name__ == "__main__":
    main()
