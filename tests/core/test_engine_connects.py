"""How peers get connected, in whatever order things happen and whatever the network loses: invented time."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import pytest

from labsfu.core.dtls.state import DtlsRole as EndpointRole
from labsfu.core.outputs import Address
from labsfu.core.transport.demux import PacketKind, kind_of
from labsfu.errors import Conflict
from labsfu.wire import commands
from labsfu.wire.events import DtlsStateChanged, IceStateChanged
from labsfu.wire.ids import ProducerId
from labsfu.wire.transport import DtlsState, IceState, TransportOptions
from tests.support.lab import Lab, Peer
from tests.support.media import (
    KEY_FRAME,
    audio_packet,
    audio_parameters,
    consume,
    header_of,
    payload_of,
    produce,
    video_packet,
    video_parameters,
)
from tests.support.seeded import SeededEntropy

CHROMIUM_HELLO = Path(__file__).parents[1] / "data/dtls/chromium-dtls-in-simple.hex"


def lossy(seed: int, rate: float) -> Callable[[bytes, Address], bool]:
    """Loses that share of the DTLS datagrams, both ways."""
    dice = random.Random(seed)
    return lambda data, _to: kind_of(data, len(data)) is PacketKind.DTLS and dice.random() < rate


@pytest.mark.rfc("RFC 6347 4.2.4")
@pytest.mark.parametrize("role", list(EndpointRole))
@pytest.mark.parametrize("seed", range(20))
def test_a_handshake_survives_thirty_percent_loss(role: EndpointRole, seed: int) -> None:
    lab = Lab()
    lab.lose = lossy(seed, 0.3)
    options = lab.transport()
    peer = lab.peer(role)
    peer.check(options)
    peer.start_dtls()
    lab.connect(options.id, peer)
    lab.advance(20)
    assert peer.connected
    assert [e.state for e in lab.events if isinstance(e, DtlsStateChanged)][-1] is DtlsState.CONNECTED


@pytest.mark.parametrize("role", list(EndpointRole))
@pytest.mark.parametrize("order", list(permutations(["ice", "connect", "produce"])), ids="-".join)
def test_media_flows_in_whatever_order_ice_connect_and_produce_come(role: EndpointRole, order: tuple[str, ...]) -> None:
    lab = Lab()
    options = lab.transport()
    sender = lab.peer(role)
    producers: list[ProducerId] = []
    steps: dict[str, Callable[[], None]] = {
        "ice": lambda: sender.check(options),
        "connect": lambda: lab.connect(options.id, sender),
        "produce": lambda: producers.append(produce(lab, options.id, video_parameters())),
    }
    sender.start_dtls()
    for step in order:
        steps[step]()
        lab.pump()
        lab.advance(1.5)
    assert sender.connected
    receiver, downstream = lab.connected_peer()
    consume(lab, downstream, producers[0])
    sender.send_rtp(video_packet(1, KEY_FRAME))
    lab.pump()
    assert [payload_of(packet) for packet in receiver.rtp] == [KEY_FRAME]


@pytest.mark.parametrize("role", list(EndpointRole))
def test_rtp_that_comes_first_of_all_is_only_dropped(role: EndpointRole) -> None:
    lab = Lab()
    sender, upstream = lab.connected_peer(role)
    for number in range(1, 4):
        sender.send_rtp(audio_packet(number))
    lab.pump()
    assert lab.drops()["unknown-ssrc"] == 3
    receiver, downstream = lab.connected_peer()
    consume(lab, downstream, produce(lab, upstream, audio_parameters()))
    sender.send_rtp(audio_packet(4))
    lab.pump()
    assert len(receiver.rtp) == 1


def test_nothing_is_forwarded_before_the_fingerprint_is_known() -> None:
    lab = Lab()
    options = lab.transport()
    sender = lab.peer()
    sender.check(options)
    sender.start_dtls()
    lab.pump()
    assert sender.connected
    receiver, downstream = lab.connected_peer()
    consume(lab, downstream, produce(lab, options.id, audio_parameters()))
    sender.send_rtp(audio_packet(1))
    lab.pump()
    assert receiver.rtp == []
    lab.connect(options.id, sender)
    sender.send_rtp(audio_packet(2))
    lab.pump()
    assert len(receiver.rtp) == 1


@pytest.mark.rfc("RFC 6347 4.2.3")
def test_chromiums_client_hello_in_two_datagrams_is_put_together() -> None:
    first, second = [bytes.fromhex(line) for line in CHROMIUM_HELLO.read_text(encoding="ascii").split()[:2]]
    lab = Lab()
    options = lab.transport()
    peer = lab.peer()
    answers: list[bytes] = []
    peer.deliver = answers.append  # type: ignore[method-assign,assignment]  # it is Chromium, and not there to go on
    peer.check(options)
    lab.pump()
    answers.clear()
    lab.send(peer.address, first)
    lab.pump()
    assert answers == []
    lab.send(peer.address, second)
    lab.pump()
    assert answers[0][0] == 22  # a handshake record: ServerHello
    assert max(map(len, answers)) <= 1200


def test_connecting_twice_is_refused_and_changes_nothing() -> None:
    lab = Lab()
    peer, transport = lab.connected_peer()
    with pytest.raises(Conflict, match=transport):
        lab.connect(transport, peer)
    assert lab.engine._tables.transports[transport].up


# ------------------------------------------------------------------------ ICE


def restarted(lab: Lab, options: TransportOptions) -> TransportOptions:
    command = commands.RestartIce(router_id=lab.router, transport_id=options.id)
    parameters = lab.do(command, commands.IceRestarted).ice_parameters
    return TransportOptions(
        id=options.id,
        ice_parameters=parameters,
        ice_candidates=options.ice_candidates,
        dtls_parameters=options.dtls_parameters,
    )


def media_pair(lab: Lab) -> tuple[Peer, Peer]:
    """A sender of audio, and a receiver of it."""
    sender, upstream = lab.connected_peer()
    producer = produce(lab, upstream, audio_parameters())
    receiver, downstream = lab.connected_peer()
    consume(lab, downstream, producer)
    return sender, receiver


@pytest.mark.rfc("RFC 8445 9")
def test_after_a_restart_old_and_new_credentials_hold_until_the_first_check_with_the_new() -> None:
    lab = Lab()
    sender, receiver = media_pair(lab)
    assert sender.options is not None
    old, new = sender.options, restarted(lab, sender.options)
    sender.check(old)
    lab.pump()
    assert lab.drops() == {}
    sender.send_rtp(audio_packet(1))
    sender.check(new)
    sender.check(old)
    sender.send_rtp(audio_packet(2))
    lab.pump()
    assert lab.drops() == {"stun-unknown-ufrag": 1}
    assert len(receiver.rtp) == 2
    assert len(lab.engine._tables.by_ufrag) == 2


@pytest.mark.rfc("RFC 8445 8.1.1")
def test_a_nominated_new_address_takes_the_media_over() -> None:
    lab = Lab()
    sender, receiver = media_pair(lab)
    assert receiver.options is not None
    moved = lab.alias(receiver, port=6000)
    lab.check_from(moved, receiver.options, nominate=False)
    sender.send_rtp(audio_packet(1))
    lab.pump()
    assert lab.sent[-1][0] == receiver.address
    lab.check_from(moved, receiver.options, nominate=True)
    sender.send_rtp(audio_packet(2))
    lab.pump()
    assert lab.sent[-1][0] == moved
    assert len(receiver.rtp) == 2


@pytest.mark.rfc("RFC 8445 7.3.1.1")
def test_a_peer_that_thinks_it_is_controlled_is_told_of_the_conflict() -> None:
    lab = Lab()
    options = lab.transport()
    peer = lab.peer()
    peer.check(options, controlled=True)
    lab.pump()
    assert lab.drops() == {"ice-role-conflict": 1}
    assert b"\x00\x00\x04\x57" in peer.stun[0]  # ERROR-CODE 487
    assert not any(isinstance(event, IceStateChanged) for event in lab.events)


@pytest.mark.rfc("RFC 7675 5.1")
def test_consent_expires_after_thirty_seconds_and_not_before() -> None:
    lab = Lab()
    lab.connected_peer()
    lab.advance(29.9)
    assert [e.state for e in lab.events if isinstance(e, IceStateChanged)] == [IceState.COMPLETED]
    lab.advance(0.2)
    assert [e.state for e in lab.events if isinstance(e, IceStateChanged)][-1] is IceState.DISCONNECTED
    assert not lab.engine._tables.by_address


# ------------------------------------------------------------------------ SRTP roll-over


@pytest.mark.rfc("RFC 3711 3.3.1")
@pytest.mark.parametrize("lost", [(), (65535,), (65534, 65535), (65534, 65535, 0, 1), (65535, 0)])
def test_the_roll_over_survives_whatever_is_lost_around_it(lost: tuple[int, ...]) -> None:
    lab = Lab()
    sender, receiver = media_pair(lab)
    sent = [number & 0xFFFF for number in range(65534, 65536 + 20)]
    for number in sent:
        packet = sender.protect(audio_packet(number, bytes([number & 0xFF]) + b"x"))
        if number not in lost:
            lab.send(sender.address, packet)
    lab.pump()
    assert [payload_of(p)[0] for p in receiver.rtp] == [n & 0xFF for n in sent if n not in lost]
    assert lab.drops() == {}


class NearTheEnd(SeededEntropy):
    """Lets consumers begin just before their numbers wrap."""

    def integer(self, low: int, high: int) -> int:
        return 65530 if (low, high) == (1000, 32767) else super().integer(low, high)


def test_a_consumers_numbers_roll_over_too() -> None:
    lab = Lab(NearTheEnd())
    sender, receiver = media_pair(lab)
    for number in range(20):
        sender.send_rtp(audio_packet(number))
    lab.pump()
    numbers = [header_of(packet).sequence_number for packet in receiver.rtp]
    assert numbers == [(65530 + n) & 0xFFFF for n in range(20)]


def test_a_link_that_is_down_leaves_no_deadline_behind() -> None:
    lab = Lab()
    sender, upstream = lab.connected_peer()
    producer = produce(lab, upstream, video_parameters())
    sender.send_rtp(video_packet(1))
    lab.pump()
    _, downstream = lab.connected_peer()
    consume(lab, downstream, producer)  # a key frame is asked for, and never comes
    lab.advance(40)
    assert lab.engine.deadline() is None
