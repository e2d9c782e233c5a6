"""Runs tests on several cores (pytest-xdist): most side by side, those that measure real time one by one.

A test that has a server, clients and perhaps a browser measures them; two of these at once on two cores would measure
each other. So every process takes files of the other sort, the largest first, and when none is left all but one end.
"""

from __future__ import annotations

from collections import Counter

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

ONE_BY_ONE = ("tests/bench/", "tests/browser/", "tests/e2e/", "tests/scenarios/")
"""Where tests measure real time."""

NOT_ALONE = tuple(
    f"tests/e2e/test_{name}.py"
    for name in (
        "cascade_command",
        "client_command",
        "clients_over_tls",
        "codecs_and_suites",
        "doctor_command",
        "joins_leave_nothing",
        "many_sockets",
        "media_over_http",
        "pipes_verdicts",
        "swarm",
        "two_clients",
    )
)
"""Among them those that wait for what comes, however long it takes, and measure nothing."""


def in_order(items: list[pytest.Item]) -> list[pytest.Item]:
    """Files that may run side by side first, the slow and the large ahead: the last ones overlap what follows."""
    sizes = Counter(_file(item.nodeid) for item in items)

    def place(item: pytest.Item) -> tuple[bool, bool, int, str]:
        file = _file(item.nodeid)
        return (True, True, 0, "") if _alone(file) else (False, file not in NOT_ALONE, -sizes[file], file)

    return sorted(items, key=place)


class SideBySide(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no types
    """Hands out files in the order of the collection; those that must run alone to one process."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return _file(nodeid)

    def _reschedule(self, node: WorkerController) -> None:
        following = next(iter(self.workqueue), None)
        if following is None or not _alone(following) or node is self.nodes[0]:
            super()._reschedule(node)
        elif not node.shutting_down:
            node.shutdown()


def _alone(file: str) -> bool:
    return file.startswith(ONE_BY_ONE) and file not in NOT_ALONE


def _file(node_id: str) -> str:
    return node_id.partition("::")[0]
