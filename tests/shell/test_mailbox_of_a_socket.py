"""The bounded outbox."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from labsfu.shell.mailbox import Farewell, Mailbox
from labsfu.wire.base import to_json
from labsfu.wire.ids import ParticipantId
from labsfu.wire.socket import ParticipantLeft, RoomClosed

pytestmark = pytest.mark.trio


def left(name: str) -> ParticipantLeft:
    return ParticipantLeft(participant_id=ParticipantId(name))


async def test_signals_come_out_in_order_then_the_farewell_for_ever() -> None:
    mailbox = Mailbox(1000)
    mailbox.put(left("ann"))
    mailbox.put(left("ben"))
    mailbox.hang_up(1000, "left")
    mailbox.put(RoomClosed())
    mailbox.hang_up(4001, "replaced")
    assert await mailbox.take() == to_json(left("ann"))
    assert await mailbox.take() == to_json(left("ben"))
    assert await mailbox.take() == await mailbox.take() == Farewell(1000, "left")


async def test_a_taker_waits_for_the_next_signal() -> None:
    mailbox = Mailbox(1000)
    taken: list[bytes | Farewell] = []

    async def take() -> None:
        taken.append(await mailbox.take())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take)
        await wait_all_tasks_blocked()
        assert taken == []
        mailbox.put(RoomClosed())
    assert taken == [to_json(RoomClosed())]


async def test_one_signal_too_many_gives_the_client_up() -> None:
    size = len(to_json(RoomClosed()))
    mailbox = Mailbox(2 * size)
    mailbox.put(RoomClosed())
    mailbox.put(RoomClosed())
    assert not mailbox.overflowed.is_set()
    mailbox.put(RoomClosed())
    assert mailbox.overflowed.is_set()
    assert await mailbox.take() == Farewell(4008, "the client does not read")


async def test_what_was_taken_makes_room_again() -> None:
    mailbox = Mailbox(len(to_json(RoomClosed())))
    for _ in range(3):
        mailbox.put(RoomClosed())
        await mailbox.take()
    assert not mailbox.overflowed.is_set()
