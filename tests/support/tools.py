"""What a test needs of the machine: where it is missing the test is skipped, in CI it fails."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

NAMES = {"chromium": ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")}
"""Programs that go by several names, the preferred one first."""


def need(tool: str) -> str:
    """The path of a program.

    Args:
        tool: its name, e.g. `chromium` or `tshark`.

    Raises:
        pytest.skip.Exception: it is not installed.
        pytest.fail.Exception: the same, in CI.
    """
    path = next(filter(None, map(shutil.which, NAMES.get(tool, (tool,)))), None)
    if path is None:
        lacking(f"'{tool}' is not installed")
    return path


def lacking(reason: str) -> NoReturn:
    """Skip the test that finds something of the machine missing, or fail it in CI, where nothing may be missing.

    Raises:
        pytest.skip.Exception: with the reason.
        pytest.fail.Exception: the same, in CI.
    """
    if os.environ.get("CI"):
        pytest.fail(f"{reason} (CI must have all that the tests need)", pytrace=False)
    pytest.skip(reason)
