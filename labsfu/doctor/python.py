"""The interpreter and the packages: there, importable, and of the versions that were tested together."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from labsfu.doctor.finding import Finding, Patient, fail, ok, warn

OLDEST = (3, 11)
PINS = Path(__file__).parents[2] / "constraints.txt"
INSTALL = "`make demo` sets everything up; without it: pip install -c constraints.txt -e ."

# Packages whose modules have other names.
_MODULES = {"pyopenssl": "OpenSSL"}
_REQUIREMENT = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)\s*(?:>=\s*(?P<least>[0-9][0-9.]*))?[^;]*(?P<marker>;.*)?$")


def check(patient: Patient) -> Iterator[Finding]:  # noqa: ARG001 - every check takes the same
    """Interpreter, then packages."""
    yield check_interpreter(sys.version_info[:3])
    yield from check_packages(requires("labsfu") or (), read_pins(PINS))


def check_interpreter(found: tuple[int, ...]) -> Finding:
    """Whether a version of Python will do."""
    text = ".".join(map(str, found))
    if found[:2] < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        return fail(
            "Python", f"{text} is older than {wanted}", f"install Python {wanted} or newer, then `make clean demo`"
        )
    return ok("Python", text)


def check_packages(requirements: Sequence[str], pins: Mapping[str, str]) -> Iterator[Finding]:
    """One line for all that are as they should be, and one for each that is not.

    Args:
        requirements: as in a package's metadata, `trio>=0.35`; those of extras are left out.
        pins: exact versions by normalized name; may be empty.
    """
    good = 0
    for requirement in requirements:
        parts = _REQUIREMENT.match(requirement)
        if parts is None or "extra" in (parts["marker"] or ""):
            continue
        wrong = _check_package(parts["name"], parts["least"], pins.get(_normalized(parts["name"])))
        if wrong is None:
            good += 1
        else:
            yield wrong
    yield ok("packages", f"{good} can be imported{', in the versions of constraints.txt' if pins else ''}")


def read_pins(file: Path) -> dict[str, str]:
    """The versions of a file of constraints, by normalized name; none where it is not there (no checkout)."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    return {_normalized(name.strip()): pinned.strip() for name, pinned in pairs}


def _check_package(name: str, least: str | None, pinned: str | None) -> Finding | None:
    try:
        found = version(name)
    except PackageNotFoundError:
        return fail("packages", f"{name} is not installed", INSTALL)
    if least is not None and _numbers(found) < _numbers(least):
        return fail("packages", f"{name} {found} is older than {least}", INSTALL)
    module = _MODULES.get(_normalized(name), name.replace("-", "_"))
    try:
        import_module(module)
    except Exception as error:  # whatever a broken package raises is the finding
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        return fail("packages", f"{name} {found} cannot be imported: {reason}", INSTALL)
    if pinned is not None and found != pinned:
        return warn("packages", f"{name} is {found}, tested was {pinned}", "`make clean demo` installs what was tested")
    return None


def _normalized(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"[0-9]+", text.partition("+")[0])[:3])
