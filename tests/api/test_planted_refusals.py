"""The table of refusals can fail: each kind of fault turns every case of its columns red."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import pytest
import trio
from structlog.testing import capture_logs

from labsfu.config import Config
from tests.api.planted_refusals import FAULTS, Fault
from tests.api.refusal_case import Case
from tests.api.refusal_check import check
from tests.api.refusal_scene import Scene, make_scene
from tests.api.refusal_table import all_cases

CASES = all_cases()
FAULTS_IN_ALL_COLUMNS = 4
MOST_OF_ONE_CELL = 10


def special(fault: Fault) -> bool:
    """It is a fault of some columns, not of all."""
    return len({case.column for case in CASES if fault.applies(case)}) <= FAULTS_IN_ALL_COLUMNS


def cases_of(fault: Fault) -> list[Case]:
    """The cases that the fault must turn red, or many of them; of one that shows everywhere, one of each column."""
    found = [case for case in CASES if fault.applies(case)]
    if not special(fault):
        found = list({case.column: case for case in found}.values())
    by_row: dict[tuple[str, str], list[Case]] = defaultdict(list)
    for case in found:
        by_row[case.column, case.route].append(case)
    kept = [case for cases in by_row.values() for case in cases[:: 1 + len(cases) // MOST_OF_ONE_CELL]]
    return sorted(kept, key=lambda case: repr(case.config))


class Planted:
    """Scenes with a fault in them; a new one when a case changed the last."""

    def __init__(self, fault: Fault) -> None:
        self._fault = fault
        self._patch = pytest.MonkeyPatch()
        self._scene: tuple[Config, Scene, object] | None = None

    async def scene(self, config: Config) -> Scene:
        if self._scene is not None:
            built_for, scene, before = self._scene
            if built_for == config and scene.snapshot() == before:
                return scene
        self.undo()
        scene = await make_scene(config)
        self._scene = config, scene, scene.snapshot()
        self._fault.plant(self._patch, scene)
        return scene

    def undo(self) -> None:
        self._patch.undo()


@pytest.mark.trio
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_a_fault_turns_all_cases_of_its_columns_red(fault: Fault) -> None:
    green, cases = [], cases_of(fault)
    planted = Planted(fault)
    try:
        for case in cases:
            scene = await planted.scene(case.config)
            try:
                with trio.fail_after(5), capture_logs():
                    await check(scene, case)
            except AssertionError:
                continue
            green.append(str(case))
    finally:
        planted.undo()
    assert cases
    assert not green, "\n".join(green)


def without_fault() -> Iterator[Case]:
    of_their_own = [fault for fault in FAULTS if special(fault)]
    return (case for case in CASES if not any(fault.applies(case) for fault in of_their_own))


def test_there_is_a_fault_for_every_case() -> None:
    assert not [str(case) for case in without_fault()]
