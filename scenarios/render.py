"""An outcome as a person or a program reads it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from scenarios.verdict import Outcome, PairReport

_COLUMNS = ("from", "to", "first frame", "frames", "lost", "p50", "p99", "heard")


def table(outcome: Outcome) -> str:
    """A row a pair, then the checks that failed, then one line with the verdict; fits 80 columns."""
    lines = _table_lines(outcome.pairs) if outcome.pairs else []
    failed = [check for check in outcome.checks if not check.passed]
    lines += ["", *(f"✗ {check.name}: {check.detail}" for check in failed)] if failed else [""]
    return "\n".join([*lines, verdict_line(outcome)])


def _table_lines(pairs: Sequence[PairReport]) -> list[str]:
    rows = [_row(pair) for pair in pairs]
    widths = [max(map(len, column)) for column in zip(_COLUMNS, *rows, strict=True)]
    rule = tuple("-" * width for width in widths)
    return [_aligned(row, widths) for row in (_COLUMNS, rule, *rows)]


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    """Names to the left, numbers to the right."""
    names = [cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True)]
    numbers = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
    return "  ".join(names + numbers)


def verdict_line(outcome: Outcome) -> str:
    """The verdict in one line."""
    kept = sum(check.passed for check in outcome.checks)
    mark, word = ("✓", "PASSED") if outcome.passed else ("✗", "FAILED")
    return f"{mark} {outcome.scenario} {word}: {kept} of {len(outcome.checks)} checks hold, {outcome.seconds:.1f} s"


def as_json(outcome: Outcome) -> str:
    """One JSON object."""
    document = {
        "scenario": outcome.scenario,
        "verdict": "passed" if outcome.passed else "failed",
        "parameters": outcome.parameters,
        "seconds": round(outcome.seconds, 2),
        "pairs": outcome.pairs,
        "checks": outcome.checks,
    }
    return msgspec.json.format(msgspec.json.encode(document)).decode()


def _row(pair: PairReport) -> tuple[str, ...]:
    return (
        pair.sender,
        pair.receiver,
        _ms(pair.first_frame_ms),
        f"{pair.frames_seen}/{pair.frames_expected}",
        str(pair.frames_lost),
        _ms(pair.latency_ms.p50),
        _ms(pair.latency_ms.p99),
        "yes" if pair.heard else "NO",
    )


def _ms(value: float | None) -> str:
    return "never" if value is None else f"{value:.0f} ms"
