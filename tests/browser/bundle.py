"""The test page, bundled: npm's packages and the page's own sources, made again only when they have changed."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.tools import lacking, need

PAGE = Path(__file__).with_name("page")
CACHE = Path(__file__).resolve().parents[2] / "build" / "browser-page"
"""Below `build/`, which git does not see and `make clean` removes."""

PACKAGES = ("package.json", "package-lock.json", ".npmrc")
PATIENCE = 90.0
"""Seconds that npm may take: the first time it fetches 3 MB or so."""


def built_page() -> Path:
    """The folder with `index.html` and its bundle, to be served as it is.

    Raises:
        pytest.skip.Exception: npm is missing, or cannot get the packages.
        pytest.fail.Exception: the same, in CI.
        subprocess.CalledProcessError: the sources cannot be bundled.
    """
    npm = need("npm")
    need("node")
    CACHE.mkdir(parents=True, exist_ok=True)
    with _locked(CACHE / "lock"):
        _copy(PACKAGES)
        with _unless_made("node_modules", PACKAGES) as stale:
            if stale:
                _install(npm)
        sources = ("index.html", *sorted(str(path.relative_to(PAGE)) for path in PAGE.glob("src/*.js")))
        with _unless_made("dist", (*PACKAGES, *sources)) as stale:
            if stale:
                shutil.rmtree(CACHE / "src", ignore_errors=True)
                _copy(sources)
                subprocess.run([npm, "run", "build"], cwd=CACHE, check=True, timeout=PATIENCE)
    return CACHE


def _install(npm: str) -> None:
    # with NODE_ENV=production npm would leave out esbuild
    command = [npm, "ci", "--include=dev"]
    try:
        subprocess.run(command, cwd=CACHE, capture_output=True, text=True, check=True, timeout=PATIENCE)
    except subprocess.CalledProcessError as failure:
        lacking(f"npm cannot get the packages of the test page: {failure.stderr.strip()[-500:]}")
    except subprocess.TimeoutExpired:
        lacking(f"npm cannot get the packages of the test page in {PATIENCE:g} s")


def _copy(names: tuple[str, ...]) -> None:
    for name in names:
        target = CACHE / name
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(PAGE / name, target)


@contextmanager
def _unless_made(what: str, names: tuple[str, ...]) -> Iterator[bool]:
    """Whether `what` has to be made from the named sources; once the body has done it, that is noted."""
    digest = hashlib.sha256()
    for name in names:
        digest.update(name.encode() + b"\0" + (PAGE / name).read_bytes() + b"\0")
    note = CACHE / f"{what}.sha256"
    made = (CACHE / what).is_dir() and note.is_file() and note.read_text() == digest.hexdigest()
    if not made:
        note.unlink(missing_ok=True)
    yield not made
    note.write_text(digest.hexdigest())


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One test run at a time."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
