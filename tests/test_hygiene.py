"""What import contracts cannot see: what an import really loads, and what the sans-IO packages must not contain."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SANS_IO = ("labsfu/wire", "labsfu/core", "labsfu/rooms")


def modules(*packages: str) -> list[Path]:
    return [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]


@pytest.mark.parametrize(
    "module", ["labsfu.wire.socket", "labsfu.wire.worker", "labsfu.core.engine", "labsfu.rooms.registry"]
)
def test_a_sans_io_module_loads_no_loop_and_no_server(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert not loaded & {"trio", "asyncio", "quart", "hypercorn", "httpx", "aiortc", "textual", "clients", "scenarios"}


def test_the_vocabulary_loads_nothing_of_the_server() -> None:
    code = "import sys, labsfu.wire.socket, labsfu.wire.commands; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    ours = {name for name in loaded if name.startswith("labsfu")}
    assert {name for name in ours if not name.startswith("labsfu.wire")} == {"labsfu", "labsfu.errors"}


@pytest.mark.parametrize("path", modules(*SANS_IO), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_sans_io_module_has_no_coroutine(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef | ast.Await)]
    assert found == []


@pytest.mark.parametrize(
    "path",
    modules("labsfu", "clients", "scenarios", "tui"),
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_modules_and_functions_stay_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 660
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 65, node.name
