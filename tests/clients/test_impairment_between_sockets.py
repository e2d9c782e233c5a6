"""A client's network in its own sockets: two ICE connections on loopback, one of them behind an impairment."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aioice import Connection
from aiortc import RTCCertificate, RTCDtlsTransport, RTCIceGatherer, RTCIceTransport

from clients.impairment import LINGER, Attachment, Impairment
from clients.network import (
    PERFECT,
    Conditions,
    Direction,
    Every,
    Fault,
    FaultRule,
    LogEntry,
    NetworkPlan,
    Nth,
    Seen,
    Step,
    blackout,
)
from labsfu.wire.rtp import MediaKind, RtpCapabilities, RtpCodecCapability

pytestmark = pytest.mark.asyncio

UP, DOWN = Direction.UP, Direction.DOWN


class Pair:
    """A client behind an impairment, and its peer."""

    def __init__(self, client: Connection, peer: Connection, attachment: Attachment) -> None:
        self.client = client
        self.peer = peer
        self.attachment = attachment

    async def take(self, count: int = 1, *, at: Connection | None = None) -> list[bytes]:
        async with asyncio.timeout(5):
            return [await (self.peer if at is None else at).recv() for _ in range(count)]


async def gathered(controlling: bool) -> Connection:
    found = Connection(ice_controlling=controlling)
    found._local_candidates_start = found._local_candidates_end = True
    found._local_candidates = await found.get_component_candidates(1, ["127.0.0.1"])
    return found


@asynccontextmanager
async def pair(network: Impairment) -> AsyncIterator[Pair]:
    client, peer = await gathered(controlling=True), await gathered(controlling=False)
    dtls = RTCDtlsTransport(RTCIceTransport(RTCIceGatherer()), [RTCCertificate.generateCertificate()])
    attachment = network.attach(client, dtls)
    for one, other in ((client, peer), (peer, client)):
        one.remote_username, one.remote_password = other.local_username, other.local_password
        await one.add_remote_candidate(other.local_candidates[0])
        await one.add_remote_candidate(None)
    try:
        async with asyncio.timeout(10):
            await asyncio.gather(client.connect(), peer.connect())
        yield Pair(client, peer, attachment)
    finally:
        await peer.close()
        await client.close()
        network.close()


def rule(fault: Fault, which: int, *, direction: Direction = UP, seconds: float | None = None) -> FaultRule:
    """Of the n-th datagram that is none of ICE's."""
    return FaultRule(direction, fault, Nth(which, lambda seen: seen.content.value == "other"), seconds=seconds)


def texts(count: int) -> list[bytes]:
    return [b"text %03d" % number for number in range(count)]


async def test_a_perfect_network_hands_everything_on() -> None:
    async with pair(Impairment(NetworkPlan(seed=1))) as two:
        for text in texts(20):
            await two.client.send(text)
            await two.peer.send(text)
        assert await two.take(20) == texts(20)
        assert await two.take(20, at=two.client) == texts(20)


async def test_each_direction_has_its_delay() -> None:
    loop = asyncio.get_running_loop()
    network = Impairment(NetworkPlan(seed=1))
    async with pair(network) as two:
        network.change(up=Conditions(delay=0.06), down=Conditions(delay=0.12))
        begin = loop.time()
        await two.client.send(b"up")
        await two.take()
        assert loop.time() - begin >= 0.06
        begin = loop.time()
        await two.peer.send(b"down")
        await two.take(at=two.client)
        assert loop.time() - begin >= 0.12
        assert network.health.worst_slip < 0.1


async def decisions(pause: float, *, seed: int = 3) -> dict[tuple[object, object], dict[str, object]]:
    """What is decided about each of the first packets, when they come at some pace."""
    found: list[LogEntry] = []
    conditions = Conditions(delay=0.001, jitter=0.002, loss=0.2, duplicate=0.2, corrupt=0.1)
    network = Impairment(NetworkPlan(seed=seed, up=conditions, down=conditions, log=found.append), client="al")
    async with pair(network) as two:
        for text in texts(60):
            await two.client.send(text)
            await two.peer.send(text)
            await asyncio.sleep(pause)
    leave_out = {"at", "size", "content"}
    return {
        (entry["direction"], entry["number"]): {key: value for key, value in entry.items() if key not in leave_out}
        for entry in found
        if entry["type"] == "decision"
    }


async def test_two_runs_of_one_seed_decide_the_same_though_their_timing_differs() -> None:
    fast, slow, other = await decisions(0.0), await decisions(0.004), await decisions(0.0, seed=4)
    common = fast.keys() & slow.keys()
    assert len(common) >= 100
    assert all(fast[key] == slow[key] for key in common)
    assert sum("lost" in fast[key] for key in common) >= 10
    assert any(fast[key] != other[key] for key in fast.keys() & other.keys())


async def test_connections_of_one_client_share_its_link() -> None:
    network = Impairment(NetworkPlan(seed=1))
    async with pair(network) as one, pair(network) as two:
        before = network.counts(UP).sent
        network.change(up=Conditions(rate=80_000, burst_bytes=1000))
        begin = asyncio.get_running_loop().time()
        for _ in range(2):
            await one.client.send(bytes(b"\xff" * 1000))
            await two.client.send(bytes(b"\xff" * 1000))
        await one.take(2)
        await two.take(2)
        assert asyncio.get_running_loop().time() - begin >= 0.3, "three of the four waited for their turn, 0.1 s each"
        assert network.counts(UP).sent - before >= 4


async def test_faults_of_exact_packets() -> None:
    faults = (rule(Fault.DROP, 2), rule(Fault.SWAP, 4), rule(Fault.DUPLICATE, 6), rule(Fault.DROP, 1, direction=DOWN))
    network = Impairment(NetworkPlan(seed=1, faults=faults))
    async with pair(network) as two:
        for text in texts(7):
            await two.client.send(text)
            await two.peer.send(text)
        got = [int(text[5:]) for text in await two.take(7)]
        assert got == [0, 2, 4, 3, 5, 5, 6]
        assert [int(text[5:]) for text in await two.take(6, at=two.client)] == [1, 2, 3, 4, 5, 6]
        assert [(hit.rule, hit.seen.size) for hit in network.hits if hit.rule.direction is UP] == [
            (fault, 8) for fault in faults[:3]
        ]


async def test_a_held_packet_comes_after_its_time_or_when_it_is_let_go() -> None:
    loop = asyncio.get_running_loop()
    network = Impairment(NetworkPlan(seed=1, faults=(rule(Fault.HOLD, 1, seconds=0.1), rule(Fault.HOLD, 2))))
    async with pair(network) as two:
        begin = loop.time()
        for text in texts(3):
            await two.client.send(text)
        assert await two.take(2) == [b"text 002", b"text 000"]
        assert loop.time() - begin >= 0.1
        assert len(network.held(UP)) == 1
        assert network.release(UP, 999) == 0
        assert network.release(UP) == 1
        assert await two.take() == [b"text 001"]


async def test_what_comes_of_a_packet_does_not_overtake_those_that_came_with_it() -> None:
    network = Impairment(NetworkPlan(seed=1, faults=tuple(rule(Fault.HOLD, n, direction=DOWN) for n in (1, 2, 3))))
    async with pair(network) as two:
        for text in texts(4):
            await two.peer.send(text)
        assert await two.take(at=two.client) == [b"text 003"]
        first, second, third = network.held(DOWN)
        got: list[bytes] = []

        def receive(data: bytes, component: int) -> None:
            got.append(data)
            network.release(DOWN, third)

        two.client.data_received = receive  # type: ignore[method-assign]  # what aioice calls for each datagram
        network.release(DOWN, first, second)
        assert got == texts(3)


async def test_the_schedule_goes_by_time_and_by_event() -> None:
    loop = asyncio.get_running_loop()
    entries: list[LogEntry] = []
    changes = asyncio.Queue[LogEntry]()

    def log(entry: LogEntry) -> None:
        entries.append(entry)
        if entry["type"] == "conditions":
            changes.put_nowait(entry)

    steps = (blackout(0.15, after="now"), Step(at=0.3, after="now", down=Conditions(delay=0.01)))
    network = Impairment(NetworkPlan(seed=1, schedule=steps, log=log))
    async with pair(network) as two:
        network.event("now")
        begin = loop.time()
        await two.client.send(b"lost")
        await two.peer.send(b"lost")
        assert (network.conditions(UP).loss, network.conditions(DOWN).loss) == (1.0, 1.0)
        told = [(entry["direction"], entry["conditions"]) for entry in [await changes.get() for _ in range(6)]]
        assert [direction for direction, _ in told] == ["up", "down"] * 3, "at first, dark, light again"
        assert (network.conditions(UP), network.conditions(DOWN)) == (PERFECT, PERFECT)
        assert loop.time() - begin >= 0.15
        await two.client.send(b"again")
        assert await two.take() == [b"again"]
        assert (await changes.get())["direction"] == "down"
        assert network.conditions(DOWN) == Conditions(delay=0.01)
        assert loop.time() - begin >= 0.3
    assert [e["name"] for e in entries if e["type"] == "event"] == ["now"]


async def test_what_was_sent_before_closing_still_arrives() -> None:
    network = Impairment(NetworkPlan(seed=1))
    async with pair(network) as two:
        network.change(up=Conditions(delay=0.15))
        await two.client.send(b"farewell")
        begin = asyncio.get_running_loop().time()
        await two.client.close()
        assert 0.14 <= asyncio.get_running_loop().time() - begin < LINGER
        assert await two.take() == [b"farewell"]
        assert network.health.strays == 0


async def test_who_abandons_leaves_nothing_behind() -> None:
    network = Impairment(NetworkPlan(seed=1))
    async with pair(network) as two:
        network.change(up=Conditions(delay=0.1))
        await two.client.send(b"never seen")
        two.attachment.abandon()
        await two.client.close()
        network.change(up=PERFECT)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.15):
                await two.peer.recv()
        assert network.health.strays == 1


async def test_a_closed_socket_does_not_wait_for_ever() -> None:
    network = Impairment(NetworkPlan(seed=1))
    async with pair(network) as two:
        network.change(up=Conditions(delay=60.0))
        await two.client.send(b"never")
        begin = asyncio.get_running_loop().time()
        await two.client.close()
        assert LINGER <= asyncio.get_running_loop().time() - begin < LINGER + 1.0


async def test_after_its_end_nothing_passes_and_no_timer_is_left() -> None:
    network = Impairment(NetworkPlan(seed=1))
    async with pair(network) as two:
        network.change(up=Conditions(delay=5.0))
        await two.client.send(b"never")
        network.close()
        network.close()
        assert network._timer is None
        await two.client.send(b"nor this")
        network.event("late")
        assert network.release(UP) == 0
        assert network.counts(UP).sent - network.counts(UP).delivered == 1
        assert network.health.strays >= 1


async def test_two_clients_write_lines_of_json_into_one_file(tmp_path: Path) -> None:
    plan = NetworkPlan(seed=1, log=tmp_path / "network.jsonl", faults=(FaultRule(UP, Fault.DROP, Nth(1, _text)),))
    async with pair(Impairment(plan, client="al")) as one, pair(Impairment(plan, client="bob")) as two:
        for client in (one.client, two.client):
            await client.send(b"dropped")
            await client.send(b"passed")
        await one.take()
        await two.take()
    entries = [json.loads(line) for line in (tmp_path / "network.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(entry["client"], entry["seed"]) for entry in entries if entry["type"] == "start"] == [
        ("bob", 1),
        ("al", 1),
    ]
    for name in ("al", "bob"):
        mine = [entry for entry in entries if entry["client"] == name and entry.get("direction") == "up"]
        assert mine[0]["type"] == "conditions"
        assert mine[0]["conditions"]["loss"] == 0.0
        numbers = [entry["number"] for entry in mine if entry["type"] == "decision"]
        assert numbers == list(range(len(numbers)))
        assert [(entry["size"], entry["fault"]) for entry in mine if "fault" in entry] == [(7, "drop")]


async def test_payload_types_are_learnt_of_the_router() -> None:
    seen: list[Seen] = []

    def note(one: Seen) -> bool:
        seen.append(one)
        return False

    network = Impairment(NetworkPlan(seed=1, faults=(FaultRule(UP, Fault.DROP, Every(note)),)))
    codec = RtpCodecCapability(
        kind=MediaKind.VIDEO, mime_type="video/VP8", clock_rate=90000, preferred_payload_type=101
    )
    network.learn(RtpCapabilities(codecs=(codec,)))
    async with pair(network) as two:
        for packet in _rtp(101), _rtp(102):
            await two.client.send(packet)
        assert await two.take(2) == [_rtp(101), _rtp(102)]
        media = [one for one in seen if one.content.value == "rtp"]
        assert [one.mime_type for one in media] == ["video/vp8", ""]
        assert [one.payload for one in media] == [None, None], "there are no keys"
        assert two.attachment.peek.unread == 2


def _text(seen: Seen) -> bool:
    return seen.content.value == "other"


def _rtp(payload_type: int) -> bytes:
    return bytes([128, payload_type]) + bytes(20)
