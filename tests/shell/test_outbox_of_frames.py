"""Frames on their way over a stream: in order, in few writes, with a mark that whoever can wait waits at."""

from __future__ import annotations

import pytest
import trio
from trio.testing import memory_stream_pair, wait_all_tasks_blocked

from labsfu.shell.outbox import WRITE_BYTES, Outbox

pytestmark = pytest.mark.trio


class Stream(trio.abc.SendStream):
    """Takes a write whenever `takes` is released, and keeps it."""

    def __init__(self) -> None:
        self.takes = trio.Semaphore(0)
        self.writes: list[bytes] = []

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.takes.acquire()
        self.writes.append(bytes(data))


def outbox_of(*frames: bytes, mark: int = 10) -> Outbox:
    outbox = Outbox(mark)
    for frame in frames:
        outbox.put(frame)
    return outbox


async def test_what_waits_goes_in_order_and_in_one_write() -> None:
    outbox, stream = outbox_of(b"one", b"two"), Stream()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outbox.write_forever, stream)
        stream.takes.release()
        stream.takes.release()
        await wait_all_tasks_blocked()
        outbox.put(b"three")
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert stream.writes == [b"onetwo", b"three"]


async def test_no_write_is_longer_than_a_limit_but_for_a_frame_that_is() -> None:
    half = bytes(WRITE_BYTES // 2)
    outbox, stream = outbox_of(half, half, half, bytes(WRITE_BYTES + 1), b"x"), Stream()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outbox.write_forever, stream)
        for _ in range(9):
            stream.takes.release()
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert [len(write) for write in stream.writes] == [WRITE_BYTES, WRITE_BYTES // 2, WRITE_BYTES + 1, 1]
    assert outbox.size == 0


async def test_all_who_wait_for_room_go_on_when_there_is_some() -> None:
    outbox, stream = outbox_of(b"0123456789"), Stream()
    gone_on: list[int] = []

    async def wait(name: int) -> None:
        await outbox.wait_room()
        gone_on.append(name)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(outbox.write_forever, stream)
        await wait_all_tasks_blocked()
        outbox.put(b"0123456789")  # while the first one is being written
        for name in range(3):
            nursery.start_soon(wait, name)
        await wait_all_tasks_blocked()
        assert gone_on == []
        stream.takes.release()
        await wait_all_tasks_blocked()
        assert sorted(gone_on) == [0, 1, 2]
        nursery.cancel_scope.cancel()


async def test_when_nobody_reads_any_more_nobody_waits_and_nothing_is_kept() -> None:
    outbox = outbox_of(b"0123456789", b"more")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outbox.wait_room)
        await wait_all_tasks_blocked()
        outbox.close()
    outbox.put(b"late")
    assert (outbox.size, outbox.full) == (0, False)


async def test_writing_ends_when_the_other_side_is_gone() -> None:
    outbox, (ours, theirs) = outbox_of(b"frame"), memory_stream_pair()
    await theirs.aclose()
    await outbox.write_forever(ours)
