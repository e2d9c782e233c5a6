"""What `/openapi.json` says is so: a small run of what `python -m tests.api.schemathesis_run` does at length."""

import pytest

from tests.api.schemathesis_run import SEED, run

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio]


async def test_generated_requests_are_answered_as_documented() -> None:
    outcome = await run(8, SEED, "--phases", "fuzzing")
    assert outcome.clean, outcome.output
    assert outcome.requests >= 250
