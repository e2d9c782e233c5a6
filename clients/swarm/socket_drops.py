"""Datagrams that the kernel dropped because a socket of a process was not read in time (Linux)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_INODE, _DROPS = 9, 12
"""Columns of the tables, counted from 0 (proc(5))."""


def inodes_of(process: str) -> set[int]:
    """Inodes of all sockets of a process: its id, or `self`."""
    found = set()
    with suppress(OSError), os.scandir(f"/proc/{process}/fd") as entries:
        for entry in entries:
            with suppress(OSError):
                target = os.readlink(entry.path)  # noqa: PTH115 - hundreds each second: Path costs more
                if target.startswith("socket:["):
                    found.add(int(target[8:-1]))
    return found


def drops_by_inode(table: Iterable[str]) -> dict[int, int]:
    """The column `drops` of each socket of such a table, by inode; lines of another form are left out."""
    found = {}
    for line in table:
        columns = line.split()
        if len(columns) > _DROPS and columns[_INODE].isdigit():
            found[int(columns[_INODE])] = int(columns[_DROPS])
    return found


class SocketDrops:
    """Adds up over sockets that come and go; what one drops between the last look and its end is not known.

    Args:
        process: its id, or `self`.

    Attributes:
        dropped: datagrams so far.
        sockets: UDP sockets at the last look.
    """

    def __init__(self, process: str = "self") -> None:
        self._process = process
        self.dropped = 0
        self.sockets = 0
        self._known: dict[int, int] = {}

    def look(self) -> None:
        """Take the counts as they are now; where there is no such table, nothing is counted."""
        drops: dict[int, int] = {}
        for name in ("udp", "udp6"):
            table = Path(f"/proc/{self._process}/net/{name}")
            with suppress(OSError), table.open(encoding="ascii") as lines:
                drops.update(drops_by_inode(lines))
        mine = {inode: drops[inode] for inode in inodes_of(self._process) if inode in drops}
        for inode, count in mine.items():
            self.dropped += max(0, count - self._known.get(inode, 0))
        self._known, self.sockets = mine, len(mine)
