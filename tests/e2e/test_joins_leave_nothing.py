"""People who come and go leave no open file and nothing in any list; memory over 300 joins: `tests.bench.joins`."""

from __future__ import annotations

import pytest

from tests.bench.joins import run

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio]


@pytest.mark.timeout(120)
async def test_thirty_joins_leave_the_servers_files_and_counts_as_they_were() -> None:
    samples = await run(joins=30, every=10)
    assert {sample.transports for sample in samples} == {0}
    # The connection of the HTTP client that asks may be open or not.
    assert max(s.open_files for s in samples) - min(s.open_files for s in samples) <= 1
