"""What a machine lacks is told: tests skip, and in CI they fail."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support.tools import lacking, need


def test_a_tool_that_is_there_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    python = Path(sys.executable)
    monkeypatch.setenv("PATH", str(python.parent))
    assert need(python.name) == str(python)


def test_a_tool_goes_by_any_of_its_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = tmp_path / "chromium-browser"
    other.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert need("chromium") == str(other)


def test_a_missing_tool_skips_with_its_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="'chromium' is not installed"):
        need("chromium")


def test_a_missing_tool_fails_in_ci(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="'npm' is not installed"):
        need("npm")


def test_anything_else_that_is_lacking_is_told_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no namespaces"):
        lacking("no namespaces")
    monkeypatch.setenv("CI", "1")
    with pytest.raises(pytest.fail.Exception, match="no namespaces"):
        lacking("no namespaces")
