"""A worker's loop takes all that has come to a socket in one turn."""

from __future__ import annotations

import asyncio
import socket

import pytest

from clients.swarm.loop import LARGEST, MOST, DrainingLoop

SENT = 10


class Box(asyncio.DatagramProtocol):
    """Keeps what comes; `poison` is refused."""

    def __init__(self) -> None:
        self.got: list[bytes] = []

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if data == b"poison":
            raise RuntimeError("poisoned")
        self.got.append(data)


async def received_in_one_turn(datagrams: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    """What has come after one turn with them all in the socket, and in the end."""
    loop = asyncio.get_running_loop()
    transport, box = await loop.create_datagram_endpoint(Box, local_addr=("127.0.0.1", 0))
    turn = asyncio.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for data in datagrams:
            sender.sendto(data, transport.get_extra_info("sockname"))
    while not box.got:
        loop.call_soon(turn.set)
        await turn.wait()
        turn.clear()
    first = list(box.got)
    while not transport.is_closing() and len(box.got) < len(datagrams):  # noqa: ASYNC110 - turns are what is counted
        await asyncio.sleep(0)
    transport.close()
    await asyncio.sleep(0)
    return first, box.got


def run(datagrams: list[bytes], loop: type[asyncio.SelectorEventLoop]) -> tuple[list[bytes], list[bytes]]:
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(asyncio.wait_for(received_in_one_turn(datagrams), 10))


def test_all_that_has_come_is_there_after_one_turn() -> None:
    datagrams = [bytes([number]) * LARGEST for number in range(SENT)]
    assert run(datagrams, DrainingLoop) == (datagrams, datagrams)
    assert run(datagrams, asyncio.SelectorEventLoop)[0] == datagrams[:1], "or there would be no need for it"


def test_a_flood_on_one_socket_lets_the_others_have_their_turn() -> None:
    datagrams = [number.to_bytes(2, "big") for number in range(MOST + SENT)]
    first, everything = run(datagrams, DrainingLoop)
    assert (first, everything) == (datagrams[:MOST], datagrams)


def test_a_protocol_that_raises_loses_its_socket_as_with_asyncio(caplog: pytest.LogCaptureFixture) -> None:
    assert run([b"fine", b"poison", b"never seen"], DrainingLoop)[1] == [b"fine"]
    assert "a protocol raised" in caplog.text
