"""What holds for all tests."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from xdist.remote import Producer

    from tests.support.side_by_side import SideBySide

# A server that a test starts forwards media in its own process: to have a child for it would cost each of them half a
# second. What is about workers says how many it wants.
os.environ["LABSFU_WORKERS"] = "0"


@pytest.hookimpl(optionalhook=True)  # known only where pytest-xdist is
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> SideBySide:
    """How tests are put on several cores: see `tests.support.side_by_side`."""
    from tests.support.side_by_side import SideBySide  # noqa: PLC0415 - only where there are several processes

    return SideBySide(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In every process of several the same order."""
    if hasattr(config, "workerinput"):
        from tests.support.side_by_side import in_order  # noqa: PLC0415 - as above

        items[:] = in_order(items)
