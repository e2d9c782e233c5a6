"""Checks, what was measured between people, and the verdict over both."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import msgspec


class ExitCode(IntEnum):
    """What a run tells the shell."""

    PASSED = 0
    FAILED = 1
    USAGE = 2
    SCRIPT_RAISED = 3
    SERVER_DIED = 4
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Check:
    """Something that must hold; `detail` says what was found instead."""

    name: str
    passed: bool
    detail: str = ""


class Latency(msgspec.Struct, frozen=True):
    """One-way latency from capture to decode, in milliseconds; None when nothing was seen."""

    p50: float | None
    p99: float | None


class PairReport(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """How one person received another.

    Attributes:
        sender: who was received; `from` in JSON.
        receiver: who received; `to` in JSON.
        first_frame_ms: from the moment when both were there and the sender sent, to the first picture decoded.
        frames_expected: pictures sent after the first one seen.
        frames_seen: how many of these were seen.
        frames_lost: how many were not.
        latency_ms: of the pictures seen.
        heard: whether the sender's tone was heard, and no other on that track.
    """

    sender: str = msgspec.field(name="from")
    receiver: str = msgspec.field(name="to")
    first_frame_ms: float | None
    frames_expected: int
    frames_seen: int
    frames_lost: int
    latency_ms: Latency
    heard: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """What a pair must keep."""

    seen: float = 0.95
    latency_p99_ms: float = 300.0

    def judge(self, pair: PairReport) -> list[str]:
        """What is wrong with a pair, in words; nothing when all is well."""
        wrong = []
        if pair.first_frame_ms is None:
            wrong.append("was never seen")
        elif pair.frames_expected == 0:
            wrong.append("sent no picture that could be expected")
        elif pair.frames_seen < self.seen * pair.frames_expected:
            wrong.append(f"{pair.frames_seen} of {pair.frames_expected} pictures seen")
        p99 = pair.latency_ms.p99
        if p99 is not None and p99 >= self.latency_p99_ms:
            wrong.append(f"latency p99 {p99:.0f} ms")
        if not pair.heard:
            wrong.append("was not heard")
        return wrong

    def check(self, pair: PairReport) -> Check:
        """The same as a check."""
        wrong = self.judge(pair)
        return Check(f"{pair.receiver} sees and hears {pair.sender}", not wrong, "; ".join(wrong))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run found."""

    scenario: str
    parameters: dict[str, object]
    seconds: float
    checks: tuple[Check, ...]
    pairs: tuple[PairReport, ...]

    @property
    def passed(self) -> bool:
        """Whether every check holds, and there was at least one."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    @property
    def exit_code(self) -> ExitCode:
        """What to tell the shell."""
        return ExitCode.PASSED if self.passed else ExitCode.FAILED
