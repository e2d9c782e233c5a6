"""Floods and broken packets, from strangers and from peers: what is kept and what is answered stays bounded, each
packet that goes no further has a reason, and nobody else notices."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import pytest

from labsfu.core.engine import STUN_REFUSALS, STUN_REFUSALS_BURST
from labsfu.core.forwarding.key_frames import BURST, WAIT
from labsfu.core.ice.lite import MAX_PATHS
from labsfu.core.outputs import Address
from labsfu.core.rtcp.compound import RtcpPacket
from labsfu.core.rtcp.fir import FirEntry, FullIntraRequest
from labsfu.core.rtcp.pli import PictureLossIndication
from labsfu.core.rtcp.reports import ReceiverReport, ReportBlock, SenderReport
from labsfu.core.srtp.session import LOOSE_STREAMS, SrtpReceiver
from labsfu.core.stun.encode import encode_request, encode_success
from labsfu.core.stun.integrity import append_fingerprint
from labsfu.core.stun.message import StunClass, parse
from labsfu.core.transport.demux import PacketKind, kind_of
from labsfu.wire.ids import TransportId
from tests.support.lab import SERVER, Lab, Peer, check
from tests.support.media import (
    KEY_FRAME,
    audio_packet,
    audio_parameters,
    consume,
    payload_of,
    produce,
    ssrc_of,
    video_packet,
    video_parameters,
)

FLOOD = 10_000
STRANGER: Address = ("203.0.113.9", 9)


def kept(root: object) -> int:
    """How many items there are in all containers of an object of the media path and of what belongs to it."""
    seen: set[int] = set()
    total = 0
    waiting = [root]
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, dict):
            total += len(thing)
            waiting += [*thing.keys(), *thing.values()]
        elif isinstance(thing, list | tuple | set | frozenset | deque):
            total += len(thing)
            waiting += thing
        elif type(thing).__module__.startswith(("labsfu.core.forwarding", "labsfu.core.srtp")):
            slots = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
            waiting += [getattr(thing, name) for name in slots if hasattr(thing, name)]
            waiting += vars(thing).values() if hasattr(thing, "__dict__") else ()
    return total


def drops_of(lab: Lab, send: Callable[[], None]) -> dict[str, int]:
    """What is dropped, by reason, while this is sent and delivered."""
    before = lab.drops()
    send()
    lab.pump()
    return {
        reason: count - before.get(reason, 0) for reason, count in lab.drops().items() if count != before.get(reason)
    }


def gate_of(lab: Lab, transport: TransportId) -> SrtpReceiver:
    gate = lab.engine._tables.transports[transport]._srtp_in
    assert gate is not None
    return gate


def answers(lab: Lab, address: Address) -> list[bytes]:
    return [data for to, data in lab.sent if to == address]


# ------------------------------------------------------------------------ streams that do not end


@pytest.mark.parametrize("announced", [True, False])
def test_ten_thousand_ssrcs_of_a_peer_leave_no_more_than_a_few(announced: bool) -> None:
    lab = Lab()
    peer, transport = lab.connected_peer()
    producer = produce(lab, transport, audio_parameters(1111 if announced else None))
    viewer, downstream = lab.connected_peer()
    consume(lab, downstream, producer)
    peer.send_rtp(audio_packet(1))
    lab.pump()
    session = lab.engine._tables.transports[transport].session
    gate = gate_of(lab, transport)
    before = kept(session), kept(gate)
    invented = range(1_000_000, 1_000_000 + FLOOD)

    def flood() -> None:
        for ssrc in invented:
            peer.send_rtp(audio_packet(1, ssrc=ssrc))  # its MID is the producer's

    dropped = drops_of(lab, flood)
    if announced:
        assert sum(dropped.values()) == FLOOD
    assert kept(session) <= before[0] + 50
    assert kept(gate) <= before[1] + LOOSE_STREAMS
    alive = sum(gate.remove_stream(ssrc) for ssrc in invented)  # what libsrtp itself keeps
    assert 0 < alive <= LOOSE_STREAMS + 1
    if announced:
        seen = len(viewer.rtp)
        peer.send_rtp(audio_packet(2))
        lab.pump()
        assert len(viewer.rtp) == seen + 1


def test_ten_thousand_senders_of_rtcp_leave_no_more_than_a_few() -> None:
    lab = Lab()
    peer, transport = lab.connected_peer()
    produce(lab, transport, audio_parameters())
    session = lab.engine._tables.transports[transport].session
    gate = gate_of(lab, transport)
    before = kept(session), kept(gate)
    block = ReportBlock(
        ssrc=5, fraction_lost=0, packets_lost=0, highest_sequence=0, jitter=0, last_sr=0, delay_since_last_sr=0
    )
    for ssrc in range(FLOOD):
        peer.send_rtcp(SenderReport(ssrc, 1, 1, 1, 1, (block,)), ReceiverReport(ssrc + FLOOD, (block,)))
        if ssrc % 1000 == 0:
            lab.advance(0.1)
    lab.pump()
    assert kept(session) <= before[0] + 50
    assert kept(gate) <= before[1] + LOOSE_STREAMS


def test_forged_packets_of_ten_thousand_ssrcs_leave_nothing() -> None:
    lab = Lab()
    peer, transport = lab.connected_peer()
    produce(lab, transport, audio_parameters())
    session, gate = lab.engine._tables.transports[transport].session, gate_of(lab, transport)
    before = kept(session), kept(gate)

    def flood() -> None:
        for ssrc in range(FLOOD):
            lab.send(
                peer.address, b"\x80\x6f" + bytes([ssrc & 0x7F, 1]) + bytes(4) + ssrc.to_bytes(4, "big") + bytes(60)
            )

    assert drops_of(lab, flood) == {"srtp-auth-failed": FLOOD}
    assert (kept(session), kept(gate)) == before
    assert not any(gate.remove_stream(ssrc) for ssrc in range(FLOOD))


# ------------------------------------------------------------------------ requests for key frames


@pytest.mark.rfc("RFC 4585 6.3.1", "RFC 5104 4.3.1")
@pytest.mark.parametrize("answered", [True, False])
def test_however_many_viewers_ask_the_sender_is_asked_on_average_once_a_second(answered: bool) -> None:
    lab = Lab()
    sender, upstream = lab.connected_peer()
    producer = produce(lab, upstream, video_parameters())
    viewers: list[tuple[Peer, int]] = []
    for _ in range(3):
        viewer, downstream = lab.connected_peer()
        viewers.append((viewer, ssrc_of(consume(lab, downstream, producer))))
    sender.send_rtp(video_packet(1, KEY_FRAME))
    lab.advance(10)
    asked: list[float] = []
    number, seen = 1, len(sender.rtcp)
    for step in range(500):
        for viewer, ssrc in viewers:
            fir = FullIntraRequest(1, tuple(FirEntry(ssrc, (step + i) & 0xFF) for i in range(50)))
            requests: list[RtcpPacket] = [PictureLossIndication(1, ssrc)] * 20
            viewer.send_rtcp(*requests, fir)
        lab.advance(0.02)
        fresh = [
            packet for packet in sender.rtcp[seen:] if isinstance(packet, PictureLossIndication | FullIntraRequest)
        ]
        seen = len(sender.rtcp)
        asked += [lab.now] * len(fresh)
        if fresh and answered:
            number += 1
            sender.send_rtp(video_packet(number, KEY_FRAME))
            lab.pump()
    assert 4 <= len(asked) <= BURST + 10 / WAIT
    for start in asked:
        assert sum(start <= at < start + BURST * WAIT - 0.05 for at in asked) <= BURST


def test_requests_for_what_nobody_is_sent_are_counted_and_go_nowhere() -> None:
    lab = Lab()
    sender, upstream = lab.connected_peer()
    produce(lab, upstream, video_parameters())
    viewer, downstream = lab.connected_peer()
    sent = len(answers(lab, sender.address))

    def flood() -> None:
        for ssrc in range(1000):
            viewer.send_rtcp(PictureLossIndication(1, ssrc), FullIntraRequest(1, (FirEntry(ssrc, 1),)))

    assert drops_of(lab, flood) == {"rtcp-unknown-ssrc": 2000}
    (counted,) = lab.engine._tables.transports[downstream].drops.snapshot()  # whose peer it was
    assert counted.packets == 2000
    assert len(answers(lab, sender.address)) == sent


# ------------------------------------------------------------------------ checks of strangers


def bad_check(peer: Peer) -> bytes:
    """A check that knows the ufrag, as anyone does who saw one, and not the password."""
    assert peer.options is not None
    return check(peer.options, password="x" * 32)


def test_refusals_of_checks_are_few_however_many_strangers_ask() -> None:
    lab = Lab()
    peer, _ = lab.connected_peer()
    data = bad_check(peer)
    strangers: list[Address] = [(f"203.0.113.{n % 250}", 1000 + n) for n in range(2000)]
    lab.sent.clear()

    def flood() -> None:
        for stranger in strangers:
            lab.send(stranger, data)

    refused = STUN_REFUSALS_BURST
    assert drops_of(lab, flood) == {"ice-integrity": refused, "stun-refusals-limited": 2000 - refused}
    to_strangers = [data for to, data in lab.sent if to in set(strangers)]
    assert len(to_strangers) == refused
    assert {parse(answer).error_code for answer in to_strangers} == {401}
    assert max(map(len, to_strangers)) <= len(data)
    lab.advance(1.0)
    lab.sent.clear()
    flood()
    lab.pump()
    assert STUN_REFUSALS - 1 <= len(lab.sent) <= STUN_REFUSALS


def test_who_knows_the_password_is_answered_in_the_middle_of_a_flood() -> None:
    lab = Lab()
    peer, _ = lab.connected_peer()
    data = bad_check(peer)
    for _ in range(2 * STUN_REFUSALS_BURST):
        lab.send(STRANGER, data)
    lab.pump()
    peer.stun.clear()
    assert peer.options is not None
    peer.check(peer.options)
    lab.pump()
    assert [parse(answer).kind for answer in peer.stun] == [StunClass.SUCCESS]


INDICATION = append_fingerprint(b"\x00\x11\x00\x00\x21\x12\xa4\x42" + bytes(12))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (encode_request(bytes(12), "nobody:peer", "password", priority=1, controlling=1), "stun-unknown-ufrag"),
        (encode_success(bytes(12), "192.0.2.1", 5, "password"), "stun-not-a-request"),
        (INDICATION, "stun-not-a-request"),
    ],
)
def test_stun_that_is_for_nobody_is_never_answered(data: bytes, reason: str) -> None:
    lab = Lab()
    lab.connected_peer()
    lab.sent.clear()

    def flood() -> None:
        for _ in range(500):
            lab.send(STRANGER, data)

    assert drops_of(lab, flood) == {reason: 500}
    assert lab.sent == []


def test_a_peer_with_ten_thousand_addresses_has_a_few_of_them() -> None:
    lab = Lab()
    peer, transport = lab.connected_peer()
    assert peer.options is not None
    data = check(peer.options, nominate=False)
    for number in range(FLOOD):
        lab.send((f"203.0.{number // 250}.{number % 250}", 5000), data)
    lab.pump()
    assert len(lab.engine._tables.transport(lab.router, transport).addresses) <= MAX_PATHS
    assert len(lab.engine._tables.by_address) <= MAX_PATHS
    dropped = drops_of(lab, lambda: peer.send_rtp(audio_packet(1)))
    assert "rtp-unknown-source" not in dropped  # the one in use stayed


# ------------------------------------------------------------------------ cut off


class Stage:
    """A sender of video with a viewer of it, for packets that must change nothing."""

    def __init__(self) -> None:
        self.lab = Lab()
        self.sender, self.upstream = self.lab.connected_peer()
        producer = produce(self.lab, self.upstream, video_parameters())
        self.viewer, self.downstream = self.lab.connected_peer()
        self.ssrc = ssrc_of(consume(self.lab, self.downstream, producer))
        self.sender.send_rtp(video_packet(1, KEY_FRAME))
        self.lab.advance(10)

    def capture(self, send: Callable[[], None]) -> bytes:
        """The one datagram that this sends, which does not arrive."""
        taken: list[bytes] = []

        def take(data: bytes, to: Address) -> bool:
            taken.append(data)
            return to == SERVER

        self.lab.lose = take
        send()
        self.lab.pump()
        self.lab.lose = lambda _data, _to: False
        (datagram,) = taken
        return datagram

    def drop_of(self, source: Address, data: bytes) -> dict[str, int]:
        sent = len(self.lab.sent)
        dropped = drops_of(self.lab, lambda: self.lab.send(source, data))
        assert len(self.lab.sent) == sent, "it was answered"
        return dropped


def check_of(stage: Stage) -> bytes:
    assert stage.sender.options is not None
    return check(stage.sender.options)


WHOLE: dict[str, Callable[[Stage], bytes]] = {
    "stun": check_of,
    "rtp": lambda stage: stage.sender.protect(video_packet(2)),
    "rtcp": lambda stage: stage.capture(lambda: stage.viewer.send_rtcp(PictureLossIndication(1, stage.ssrc))),
}


@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize("stranger", [True, False])
def test_each_prefix_of_a_packet_is_dropped_with_a_reason_and_the_whole_is_taken_after_them_all(
    kind: str, stranger: bool
) -> None:
    stage = Stage()
    lab = stage.lab
    whole = WHOLE[kind](stage)
    assert kind_of(whole, len(whole)) is PacketKind(kind)
    owner = stage.viewer if kind == "rtcp" else stage.sender
    source = STRANGER if stranger else owner.address
    for length in range(len(whole)):
        dropped = stage.drop_of(source, whole[:length])
        assert list(dropped.values()) == [1], (length, dropped)
    pictures, requests = len(stage.viewer.rtp), len(stage.sender.rtcp)
    owner.stun.clear()
    assert drops_of(lab, lambda: lab.send(owner.address, whole)) == {}
    assert len(stage.viewer.rtp) - pictures == (kind == "rtp")
    assert sum(isinstance(p, PictureLossIndication) for p in stage.sender.rtcp[requests:]) == (kind == "rtcp")
    assert len(owner.stun) == (kind == "stun")


@pytest.mark.rfc("RFC 6347 4.1.2.7")
def test_a_handshake_succeeds_though_each_of_its_flights_came_cut_off_first() -> None:
    lab = Lab()
    options = lab.transport()
    peer = lab.peer()
    peer.check(options)
    lab.pump()
    lab.connect(options.id, peer)
    cut: list[int] = []

    def cut_first(data: bytes, to: Address) -> bool:
        if to == SERVER and kind_of(data, len(data)) is PacketKind.DTLS and data not in flights:
            flights.append(data)
            ends = record_ends(data)
            for length in range(len(data)):
                if length in ends:
                    continue  # whole records are a packet of their own
                before = sum(drop.packets for drop in transport.drops.snapshot())
                sent = len(lab.sent)
                lab.engine.receive(data[:length], peer.address, 0, lab.now)
                lab.drain()
                after = sum(drop.packets for drop in transport.drops.snapshot())
                assert after == before + 1, length
                assert len(lab.sent) == sent
                cut.append(length)
        return False

    flights: list[bytes] = []
    transport = lab.engine._tables.transport(lab.router, options.id)
    lab.lose = cut_first
    peer.start_dtls()
    lab.advance(1)
    assert len(flights) >= 2
    assert len(cut) > 500
    assert peer.connected
    assert transport.dtls_state == "connected"
    assert {drop.reason for drop in transport.drops.snapshot()} <= {
        "unknown-packet",
        "dtls-too-short",
        "dtls-record-length",
    }


def record_ends(data: bytes) -> set[int]:
    """Where the records of a DTLS datagram end (RFC 6347 4.1)."""
    ends, at = set(), 0
    while at < len(data):
        at += 13 + int.from_bytes(data[at + 11 : at + 13], "big")
        ends.add(at)
    return ends


# ------------------------------------------------------------------------ too long


@pytest.mark.parametrize("length", [2048, 2049, 3000, 65_507])
@pytest.mark.parametrize("first", [b"\x00\x01", b"\x16\xfe", b"\x80\x60", b"\x80\xc8", b"\xff\xff"])
def test_a_datagram_that_may_have_been_cut_off_is_not_looked_at(length: int, first: bytes) -> None:
    stage = Stage()
    data = first.ljust(length, b"\x01")
    assert stage.drop_of(STRANGER, data) == {"too-long": 1}
    assert stage.drop_of(stage.sender.address, data) == {"too-long": 1}
    assert {d.reason for d in stage.lab.engine._tables.transports[stage.upstream].drops.snapshot()} >= {"too-long"}


@pytest.mark.parametrize("payload", [1600, 1800, 1870])
def test_a_packet_too_long_to_be_forwarded_is_dropped_and_the_next_ones_flow(payload: int) -> None:
    stage = Stage()
    lab, seen = stage.lab, len(stage.viewer.rtp)
    long = video_packet(2, KEY_FRAME.ljust(payload, b"x"))
    dropped = drops_of(lab, lambda: stage.sender.send_rtp(long))
    assert dropped == {"rtp-too-long": 1}
    stage.sender.send_rtp(video_packet(3, b"\x10\x01\x00\x00next"))
    lab.pump()
    assert [payload_of(packet) for packet in stage.viewer.rtp[seen:]] == [b"\x10\x01\x00\x00next"]
