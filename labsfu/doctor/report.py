"""Findings as text for people and as JSON for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict

from labsfu.doctor.finding import Finding, Level

_COLOURS = {Level.OK: "32", Level.WARN: "33", Level.FAIL: "31"}
_NAME_WIDTH = 15


def as_text(findings: Iterable[Finding], *, colour: bool) -> Iterator[str]:
    """A line for each finding as it is found, a second one for what to do about it, and a sum."""
    counts: Counter[Level] = Counter()
    for finding in findings:
        counts[finding.level] += 1
        level = f"{finding.level.value:4}"
        if colour:
            level = f"\x1b[{_COLOURS[finding.level]}m{level}\x1b[0m"
        yield f"{level}  {finding.name:{_NAME_WIDTH}} {finding.found}"
        if finding.mend:
            yield f"      {'':{_NAME_WIDTH}} -> {finding.mend}"
    yield ", ".join(
        f"{counts[level]} {word}{'s' if word != 'ok' and counts[level] != 1 else ''}"
        for level, word in ((Level.OK, "ok"), (Level.WARN, "warning"), (Level.FAIL, "failure"))
    )


def as_json(findings: Sequence[Finding]) -> str:
    """One object: `ok`, whether nothing failed, and `checks` with `name`, `level`, `found` and `mend`."""
    whole = {
        "ok": all(finding.level is not Level.FAIL for finding in findings),
        "checks": [asdict(finding) for finding in findings],
    }
    return json.dumps(whole, indent=2, ensure_ascii=False)
