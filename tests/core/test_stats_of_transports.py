"""What a transport carried is what crossed the wire."""

from __future__ import annotations

import pytest

from labsfu.core.rtcp.nack import Nack
from labsfu.core.rtp.extensions import encode_extensions
from labsfu.core.rtp.packet import encode_packet
from labsfu.wire import commands
from labsfu.wire.base import ABSENT
from labsfu.wire.ids import TransportId
from labsfu.wire.stats import TransportStats, TransportTuple
from labsfu.wire.transport import DtlsState, IceState
from tests.support.lab import SERVER, Lab, check
from tests.support.media import (
    DELTA_FRAME,
    KEY_FRAME,
    consume,
    produce,
    repaired_video_parameters,
    video_packet,
    video_parameters,
)
from tests.support.stats_call import StatsCall, TappedLab, as_dict


def stats_of(lab: Lab, transport_id: TransportId) -> TransportStats:
    command = commands.GetStats(router_id=lab.router, transport_ids=(transport_id,), producer_ids=(), consumer_ids=())
    (stats,) = lab.do(command, commands.StatsShown).transports
    return stats


def test_a_transport_that_nobody_has_reached_is_all_zeros() -> None:
    lab = Lab()
    stats = stats_of(lab, lab.transport().id)
    assert (stats.ice_state, stats.dtls_state) == (IceState.NEW, DtlsState.NEW)
    assert (stats.ice_selected_tuple, stats.rtp_packet_loss_received) == (ABSENT, ABSENT)
    assert not any(value for value in _numbers(stats))


def _numbers(stats: TransportStats) -> list[int]:
    fields = [name for name in stats.__struct_fields__ if "bytes" in name or "bitrate" in name]
    assert len(fields) == 12
    return [getattr(stats, name) for name in fields]


def test_every_datagram_between_a_peer_and_us_is_counted() -> None:
    call = StatsCall()
    call.send(10, 11, 13)
    call.lab.advance(3)  # NACKs, reports, checks
    call.resend(12)
    call.ask(call.numbers()[1])
    lab = call.lab
    for peer, transport_id in ((call.sender, call.upstream), (call.receiver, call.downstream)):
        stats, transport = stats_of(lab, transport_id), lab.engine._tables.transports[transport_id]
        assert [transport.packets_received, stats.bytes_received] == lab.to_engine[peer.address]
        assert [transport.packets_sent, stats.bytes_sent] == lab.from_engine[peer.address]


def test_what_is_refused_came_all_the_same() -> None:
    call = StatsCall()
    before = stats_of(call.lab, call.upstream).bytes_received
    call.lab.send(call.sender.address, b"\x80\x60" + bytes(100))  # RTP that does not decrypt
    call.lab.send(call.sender.address, b"\xff" * 30)  # nothing that we know
    call.lab.pump()
    after = stats_of(call.lab, call.upstream)
    assert after.bytes_received - before == 132
    assert (after.rtp_bytes_received, sum(as_dict(after.drops).values())) == (0, 2)


def test_a_check_from_a_new_address_counts_where_it_is_for_and_one_that_is_refused_for_nobody() -> None:
    lab = TappedLab()
    options = lab.transport()
    peer = lab.peer()
    lab.send(peer.address, check(options, password="x" * 32))
    lab.pump()
    assert stats_of(lab, options.id).bytes_received == 0
    for _ in range(2):
        peer.check(options)
        lab.pump()
    stats = stats_of(lab, options.id)
    assert stats.bytes_received == 2 * len(check(options))
    assert stats.bytes_sent == sum(map(len, peer.stun))  # the refusal among them


@pytest.mark.parametrize("profile", [b"SRTP_AEAD_AES_256_GCM", b"SRTP_AES128_CM_SHA1_80"])
def test_rtp_is_counted_as_it_is_before_encryption_in_every_suite(profile: bytes) -> None:
    lab = TappedLab()
    sender, upstream = lab.connected_peer(profile=profile)
    producer = produce(lab, upstream, video_parameters())
    receiver, downstream = lab.connected_peer(profile=profile)
    consume(lab, downstream, producer)
    packets = [video_packet(number, KEY_FRAME + bytes(number)) for number in range(10)]
    for packet in packets:
        sender.send_rtp(packet)
    lab.advance(2)
    up, down = stats_of(lab, upstream), stats_of(lab, downstream)
    assert up.rtp_bytes_received == sum(map(len, packets))
    assert down.rtp_bytes_sent == sum(map(len, receiver.rtp))
    assert len(receiver.rtp) == 10


def test_what_is_sent_again_is_counted_apart_on_both_sides() -> None:
    call = StatsCall()
    call.send(10, 11, 13)
    call.lab.advance(0.02)
    again = call.resend(12, 900)
    call.ask(*call.numbers()[:2])
    up, down = stats_of(call.lab, call.upstream), stats_of(call.lab, call.downstream)
    assert up.rtx_bytes_received == sum(map(len, again))
    assert up.rtp_bytes_received == sum(map(len, call.sent))
    sent_again = call.receiver.rtp[-2:]
    assert down.rtx_bytes_sent == sum(map(len, sent_again))
    assert down.rtp_bytes_sent == sum(map(len, call.receiver.rtp[:-2]))


def test_a_packet_sent_again_as_it_was_counts_as_sent_again() -> None:
    call = StatsCall(rtx_down=False)
    call.send(10)
    call.lose_down(11)
    call.ask(call.numbers()[0] + 1)
    assert len(call.numbers()) == 2
    assert stats_of(call.lab, call.downstream).rtx_bytes_sent == len(call.receiver.rtp[-1])


def test_a_repeat_that_is_too_old_for_srtp_was_not_sent() -> None:
    call = StatsCall(rtx_down=False)
    call.send(*range(10, 1200))
    first = call.numbers()[0]
    call.ask(first)
    call.report(lost=1)
    stream = call.outbound()
    assert (len(call.receiver.rtp), stream.packets_retransmitted, stream.packets_repaired) == (1190, 0, 0)
    assert stats_of(call.lab, call.downstream).rtx_bytes_sent == 0


def test_the_selected_pair_is_shown() -> None:
    call = StatsCall()
    stats = stats_of(call.lab, call.upstream)
    address = call.sender.address
    expected = TransportTuple(
        local_ip=SERVER[0], local_port=SERVER[1], remote_ip=address[0], remote_port=address[1], protocol="udp"
    )
    assert stats.ice_selected_tuple == expected
    assert (stats.ice_state, stats.dtls_state, stats.ice_role) == (
        IceState.COMPLETED,
        DtlsState.CONNECTED,
        "controlled",
    )
    call.lab.advance(60)  # without consent
    assert stats_of(call.lab, call.upstream).ice_selected_tuple is ABSENT


def test_loss_by_transport_wide_numbers_is_shown_where_there_are_some() -> None:
    lab = Lab()
    sender, upstream = lab.connected_peer()
    produce(lab, upstream, repaired_video_parameters(transport_cc=True))
    for number in (1, 2, 3, 5):
        element = (3, number.to_bytes(2, "big"))
        sender.send_rtp(
            encode_packet(
                DELTA_FRAME,
                payload_type=96,
                sequence_number=number,
                timestamp=1,
                ssrc=2222,
                extensions=encode_extensions([(4, b"v"), element]),
            )
        )
    lab.advance(0.2)
    assert stats_of(lab, upstream).rtp_packet_loss_received == pytest.approx(0.2)


def test_strangers_are_left_out_and_no_error() -> None:
    call = StatsCall()
    other = call.lab.do(commands.CreateRouter(), commands.RouterCreated).router_id
    command = commands.GetStats(
        router_id=other,
        transport_ids=(call.upstream,),
        producer_ids=(call.producer,),
        consumer_ids=(call.consumed.consumer_id,),
    )
    assert call.lab.do(command, commands.StatsShown) == commands.StatsShown(transports=(), producers=(), consumers=())


def test_a_nack_for_nobody_is_a_drop_of_its_transport() -> None:
    call = StatsCall()
    call.receiver.send_rtcp(Nack(1, 424242, (1,)))
    call.lab.pump()
    assert as_dict(stats_of(call.lab, call.downstream).drops) == {"rtcp-unknown-ssrc": 1}
