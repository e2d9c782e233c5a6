"""Every message of the participant socket x every refusal: an `Error`, the socket lives, nothing changed."""

from __future__ import annotations

import pytest
import trio
from structlog.testing import capture_logs
from wsproto.events import CloseConnection

from labsfu.wire import socket as wire
from tests.api.planted_messages import FAULTS, MessageFault
from tests.api.refusal_messages import ROWS, TYPES, Said, a_room, accept, all_messages, refuse, request_id_of

MESSAGES = all_messages()


def test_every_message_has_its_row() -> None:
    assert set(ROWS) == set(TYPES)


@pytest.mark.trio
@pytest.mark.parametrize("action", ROWS)
async def test_what_cases_differ_from_in_one_point_is_accepted(action: str) -> None:
    async with a_room() as room:
        answer = await accept(room, action)
        if action == "Leave":
            assert isinstance(answer, CloseConnection)
        else:
            assert not isinstance(answer, wire.Error), answer
            assert request_id_of(answer) == 1


@pytest.mark.trio
async def test_a_refused_message_names_what_was_wrong_and_changes_nothing() -> None:
    async with a_room() as room:
        for message in MESSAGES:
            try:
                await refuse(room, message)
            except AssertionError as error:
                raise AssertionError(f"{message}: {error}") from error


@pytest.mark.trio
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_a_fault_turns_all_cases_of_its_columns_red(fault: MessageFault) -> None:
    waiting = [message for message in MESSAGES if fault.applies(message)][:: fault.every]
    assert waiting
    green: list[Said] = []
    while waiting:
        async with a_room() as room:
            with pytest.MonkeyPatch.context() as patch, capture_logs():
                fault.plant(patch, room)
                message = waiting.pop()
                try:
                    with trio.fail_after(5):
                        await refuse(room, message)
                except AssertionError:
                    continue
                green.append(message)
    assert not green, "\n".join(map(str, green))


def test_there_is_a_fault_for_every_case() -> None:
    of_their_own = [fault for fault in FAULTS if not fault.everywhere]
    assert not [str(message) for message in MESSAGES if not any(fault.applies(message) for fault in of_their_own)]
