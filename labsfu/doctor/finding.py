"""What a check finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from labsfu.config import Config


class Level(StrEnum):
    """`ok`: as it should be; `warn`: the server runs, but something lacks or will be slow; `fail`: it will not do."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    Attributes:
        name: what was looked at.
        level: how it is.
        found: what was found.
        mend: what to do about it; empty where there is nothing to do.
    """

    name: str
    level: Level
    found: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """What is looked at.

    Attributes:
        config: the settings, or the default ones where they are wrong.
        wrong: what is wrong with the settings; None: nothing.
    """

    config: Config
    wrong: str | None = None


def ok(name: str, found: str) -> Finding:
    """All is well."""
    return Finding(name, Level.OK, found)


def warn(name: str, found: str, mend: str) -> Finding:
    """Something lacks."""
    return Finding(name, Level.WARN, found, mend)


def fail(name: str, found: str, mend: str) -> Finding:
    """It will not do."""
    return Finding(name, Level.FAIL, found, mend)
