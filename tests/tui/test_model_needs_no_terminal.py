"""What the dashboard knows and what is to be seen of it can be had without Textual, a loop or a socket."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["tui.model.snapshot", "tui.model.samples", "tui.model.frozen", "tui.look.pages"])
def test_model_and_look_load_no_terminal_no_loop_and_no_client(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not set(loaded) & {"textual", "rich", "asyncio", "clients", "scenarios", "httpx", "websockets", "aiortc"}
