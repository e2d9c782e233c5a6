"""A real terminal: a program in a window of tmux, its keys and its screen."""

from __future__ import annotations

import asyncio
import os
import shlex
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.cpu import command_line, descendants
from tests.support.tools import need

PATIENCE = 20.0
_LOOK = 0.05


class Terminal:
    """A window with a shell in it, on a tmux server of its own."""

    def __init__(self, program: str, socket: Path) -> None:
        self._program = program
        self._socket = socket

    async def tmux(self, *words: str) -> str:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("LABSFU_", "TMUX"))}
        process = await asyncio.create_subprocess_exec(
            self._program,
            *("-S", str(self._socket), "-f", os.devnull, *words),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=clean | {"LC_ALL": "C.UTF-8", "LABSFU_WORKERS": "0"},
        )
        out, _ = await process.communicate()
        assert process.returncode == 0, out.decode()
        return out.decode()

    async def screen(self, *, colours: bool = False) -> str:
        return await self.tmux("capture-pane", "-p", *(["-eN"] if colours else []))

    async def shows(self, *texts: str, without: Sequence[str] = ()) -> str:
        """Wait until all that is to be seen, and nothing of what is not."""
        screen = ""
        try:
            async with asyncio.timeout(PATIENCE):
                while not all(text in screen for text in texts) or any(text in screen for text in without):
                    await asyncio.sleep(_LOOK)
                    screen = await self.screen()
        except TimeoutError:
            raise AssertionError(f"{texts} without {tuple(without)} is not to be seen:\n{screen}") from None
        return screen

    async def press(self, *keys: str) -> None:
        await self.tmux("send-keys", *keys)

    async def run(self, *command: str, **environment: str) -> None:
        """Type a command; when it has ended, its exit code is told, and whether the terminal is as it was."""
        words = shlex.join([*(f"{name}={value}" for name, value in environment.items()), *command])
        script = f'b=$(stty -g); env {words}; c=$?; [ "$b" = "$(stty -g)" ] && echo "ended $c, tty as before"'
        await self.tmux("send-keys", "-l", script)
        await self.press("Enter")

    async def process(self, words: str) -> int:
        """The id of what runs in the window with these words in its command line."""
        shell = int(await self.tmux("display-message", "-p", "#{pane_pid}"))
        return next(pid for pid in descendants(shell) if words in command_line(pid))

    async def modes(self) -> str:
        """Alternate screen, cursor, mouse: 0, 1, 0 in a shell."""
        return (await self.tmux("display-message", "-p", "#{alternate_on},#{cursor_flag},#{mouse_any_flag}")).strip()


@asynccontextmanager
async def terminal(width: int, height: int) -> AsyncIterator[Terminal]:
    """A window of that size; the test is skipped where tmux is not installed."""
    program = need("tmux")
    with tempfile.TemporaryDirectory() as directory:
        found = Terminal(program, Path(directory) / "tmux")
        size = ("-x", str(width), "-y", str(height))
        await found.tmux("new-session", "-d", *size, "env PS1='$ ' TERM=tmux-256color sh")
        try:
            yield found
        finally:
            await found.tmux("kill-server")
