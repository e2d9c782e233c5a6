"""What goes in at one peer comes out at the others: the engine on invented time."""

from __future__ import annotations

import pytest

from labsfu.core.dtls.state import DtlsRole as EndpointRole
from labsfu.core.rtcp.ntp import ntp_from_unix
from labsfu.core.rtcp.pli import PictureLossIndication
from labsfu.core.rtcp.remb import Remb
from labsfu.core.rtcp.reports import ReceiverReport, ReportBlock, SenderReport
from labsfu.core.rtcp.sdes import SourceDescription
from labsfu.core.rtp.extensions import find_extensions
from labsfu.wire import commands
from labsfu.wire.events import (
    ConsumerClosed,
    DtlsStateChanged,
    IceStateChanged,
    KeyFrameRequested,
    ProducerClosed,
    RouterClosed,
    TransportClosed,
)
from labsfu.wire.rtp import RtpCapabilities
from labsfu.wire.transport import DtlsState, IceState
from tests.support.lab import START, UNIX_START, Lab
from tests.support.media import (
    DELTA_FRAME,
    KEY_FRAME,
    audio_packet,
    audio_parameters,
    consume,
    header_of,
    payload_of,
    produce,
    ssrc_of,
    video_packet,
    video_parameters,
)


@pytest.mark.rfc("RFC 5764 5", "RFC 8445 2.5")
@pytest.mark.parametrize("role", list(EndpointRole))
def test_a_peer_connects_in_either_dtls_role(role: EndpointRole) -> None:
    lab = Lab()
    peer, _ = lab.connected_peer(role)
    states = [event.state for event in lab.events if isinstance(event, DtlsStateChanged)]
    assert peer.connected
    assert states == [DtlsState.CONNECTING, DtlsState.CONNECTED]
    assert [e.state for e in lab.events if isinstance(e, IceStateChanged)] == [IceState.COMPLETED]


@pytest.mark.rfc("RFC 8122 6.2")
def test_a_wrong_fingerprint_fails_the_transport_and_nothing_flows() -> None:
    lab = Lab()
    options = lab.transport()
    peer, stranger = lab.peer(), lab.peer()
    peer.check(options)
    lab.connect(options.id, stranger)
    peer.start_dtls()
    lab.pump()
    produce(lab, options.id, audio_parameters())
    peer.send_rtp(audio_packet(1))
    lab.pump()
    assert [e.state for e in lab.events if isinstance(e, DtlsStateChanged)][-1] is DtlsState.FAILED
    assert lab.drops()["srtp-before-dtls"] == 1


def test_audio_reaches_every_consumer_with_the_same_payload() -> None:
    lab = Lab()
    sender, upstream = lab.connected_peer()
    producer = produce(lab, upstream, audio_parameters())
    receivers = [lab.connected_peer() for _ in range(3)]
    consumed = [consume(lab, transport, producer) for _, transport in receivers]
    for number in range(65530, 65540):
        sender.send_rtp(audio_packet(number & 0xFFFF, b"\x78" + bytes([number & 0xFF]), timestamp=960 * number))
    lab.pump()
    for (peer, _), answer in zip(receivers, consumed, strict=True):
        headers = [header_of(packet) for packet in peer.rtp]
        assert [payload_of(packet) for packet in peer.rtp] == [b"\x78" + bytes([n & 0xFF]) for n in range(65530, 65540)]
        assert {header.ssrc for header in headers} == {ssrc_of(answer)}
        assert {header.payload_type for header in headers} == {answer.rtp_parameters.codecs[0].payload_type}
        first = headers[0].sequence_number
        assert [header.sequence_number for header in headers] == [first + n for n in range(10)]
        assert [header.timestamp for header in headers] == [960 * n for n in range(65530, 65540)]


@pytest.mark.rfc("RFC 8285 6", "RFC 8843 15")
def test_header_extensions_are_rewritten_and_only_negotiated_ones_are_sent() -> None:
    lab = Lab()
    sender, upstream = lab.connected_peer()
    producer = produce(lab, upstream, audio_parameters())
    receiver, downstream = lab.connected_peer()
    consume(lab, downstream, produce(lab, upstream, video_parameters()))  # takes MID 0
    answer = consume(lab, downstream, producer)
    sender.send_rtp(audio_packet(1))
    lab.pump()
    packet = receiver.rtp[0]
    ids = {extension.uri.rsplit(":", 1)[-1]: extension.id for extension in answer.rtp_parameters.header_extensions}
    elements = {
        id_: packet[offset : offset + length]
        for id_, (offset, length) in find_extensions(packet, header_of(packet)).items()
    }
    assert set(elements) <= set(ids.values())
    assert elements[ids["mid"]] == b"1"
    assert elements[ids["ssrc-audio-level"]] == b"\x85"


def test_an_extension_that_the_client_does_not_know_is_not_sent() -> None:
    lab = Lab()
    sender, upstream = lab.connected_peer()
    producer = produce(lab, upstream, audio_parameters())
    receiver, downstream = lab.connected_peer()
    bare = RtpCapabilities(codecs=lab.capabilities.codecs)
    consume(lab, downstream, producer, capabilities=bare)
    sender.send_rtp(audio_packet(1))
    lab.pump()
    assert header_of(receiver.rtp[0]).extension_profile == 0


@pytest.mark.rfc("RFC 7741 4.3")
def test_video_starts_with_a_key_frame_which_is_asked_for_at_once() -> None:
    lab = Lab()
    sender, upstream = lab.connected_peer()
    producer = produce(lab, upstream, video_parameters())
    receiver, downstream = lab.connected_peer()
    sender.send_rtp(video_packet(1))
    lab.pump()
    consume(lab, downstream, producer)
    assert next(packet for packet in sender.rtcp if isinstance(packet, PictureLossIndication)).media_ssrc == 2222
    sender.send_rtp(video_packet(2))
    sender.send_rtp(video_packet(3, KEY_FRAME, marker=False))
    sender.send_rtp(video_packet(4))
    lab.pump()
    assert [payload_of(packet) for packet in receiver.rtp] == [KEY_FRAME, DELTA_FRAME]


def test_a_consumer_made_paused_gets_nothing_until_it_resumes_and_then_a_key_frame_is_asked_for() -> None:
    lab = Lab()
    sender, upstream = lab.connected_peer()
    producer = produce(lab, upstream, video_parameters())
    receiver, downstream = lab.connected_peer()
    answer = consume(lab, downstream, producer, paused=True)
    sender.send_rtp(video_packet(1, KEY_FRAME))
    lab.pump()
    assert not receiver.rtp
    assert not any(isinstance(packet, PictureLossIndication) for packet in sender.rtcp)
    lab.do(commands.ResumeConsumer(router_id=lab.router, consumer_id=answer.consumer_id), commands.Done)
    assert any(isinstance(packet, PictureLossIndication) for packet in sender.rtcp)
    sender.send_rtp(video_packet(2, KEY_FRAME))
    lab.pump()
    assert [payload_of(packet) for packet in receiver.rtp] == [KEY_FRAME]


@pytest.mark.rfc("RFC 4585 6.3.1")
def test_a_key_frame_request_is_repeated_soon_then_each_second_until_one_comes() -> None:
    lab = Lab()
    sender, upstream = lab.connected_peer()
    producer = produce(lab, upstream, video_parameters())
    _, downstream = lab.connected_peer()
    sender.send_rtp(video_packet(1))
    lab.pump()
    consume(lab, downstream, producer)
    asked = []
    for seconds in (0.4, 0.1, 0.9, 0.1, 0.9, 0.1):
        lab.advance(seconds)
        asked.append(len([event for event in lab.events if isinstance(event, KeyFrameRequested)]))
    assert asked == [1, 2, 2, 3, 3, 4]
    sender.send_rtp(video_packet(2, KEY_FRAME))
    lab.pump()
    lab.advance(5)
    assert len([event for event in lab.events if isinstance(event, KeyFrameRequested)]) == asked[-1]


def test_many_requests_for_a_key_frame_become_one() -> None:
    lab = Lab()
    sender, upstream = lab.connected_peer()
    producer = produce(lab, upstream, video_parameters())
    sender.send_rtp(video_packet(1))
    lab.pump()
    for _ in range(5):
        _, downstream = lab.connected_peer()
        consume(lab, downstream, producer)
    assert sum(isinstance(packet, PictureLossIndication) for packet in sender.rtcp) == 1


def test_a_pli_of_a_receiver_reaches_the_sender() -> None:
    lab = Lab()
    sender, upstream = lab.connected_peer()
    producer = produce(lab, upstream, video_parameters())
    receiver, downstream = lab.connected_peer()
    sender.send_rtp(video_packet(1, KEY_FRAME))
    lab.pump()
    answer = consume(lab, downstream, producer)
    sender.send_rtp(video_packet(2, KEY_FRAME))
    lab.pump()
    before = sum(isinstance(packet, PictureLossIndication) for packet in sender.rtcp)
    receiver.send_rtcp(PictureLossIndication(1, ssrc_of(answer)))
    lab.pump()
    assert sum(isinstance(packet, PictureLossIndication) for packet in sender.rtcp) == before + 1


def test_after_a_pause_the_sequence_goes_on_without_a_gap() -> None:
    lab = Lab()
    sender, upstream = lab.connected_peer()
    producer = produce(lab, upstream, audio_parameters())
    receiver, downstream = lab.connected_peer()
    answer = consume(lab, downstream, producer)
    for number in range(1, 4):
        sender.send_rtp(audio_packet(number))
    lab.pump()
    lab.do(commands.PauseConsumer(router_id=lab.router, consumer_id=answer.consumer_id), commands.Done)
    for number in range(4, 50):
        sender.send_rtp(audio_packet(number))
    lab.pump()
    lab.do(commands.ResumeConsumer(router_id=lab.router, consumer_id=answer.consumer_id), commands.Done)
    for number in range(50, 53):
        sender.send_rtp(audio_packet(number))
    lab.pump()
    numbers = [header_of(packet).sequence_number for packet in receiver.rtp]
    assert numbers == [numbers[0] + n for n in range(6)]


def test_a_paused_producer_sends_nothing_and_resumes_with_a_key_frame() -> None:
    lab = Lab()
    sender, upstream = lab.connected_peer()
    producer = produce(lab, upstream, video_parameters())
    receiver, downstream = lab.connected_peer()
    consume(lab, downstream, producer)
    sender.send_rtp(video_packet(1, KEY_FRAME))
    lab.pump()
    lab.do(commands.PauseProducer(router_id=lab.router, producer_id=producer), commands.Done)
    sender.send_rtp(video_packet(2))
    lab.pump()
    assert len(receiver.rtp) == 1
    lab.do(commands.ResumeProducer(router_id=lab.router, producer_id=producer), commands.Done)
    sender.send_rtp(video_packet(3))
    sender.send_rtp(video_packet(4, KEY_FRAME))
    lab.pump()
    assert [payload_of(packet) for packet in receiver.rtp] == [KEY_FRAME, KEY_FRAME]


def test_padding_only_packets_leave_no_hole() -> None:
    lab = Lab()
    sender, upstream = lab.connected_peer()
    producer = produce(lab, upstream, audio_parameters())
    receiver, downstream = lab.connected_peer()
    consume(lab, downstream, producer)
    for number in range(1, 6):
        payload = b"" if number == 3 else b"\x78x"
        sender.send_rtp(audio_packet(number, payload))
    lab.pump()
    numbers = [header_of(packet).sequence_number for packet in receiver.rtp]
    assert numbers == [numbers[0] + n for n in range(4)]


@pytest.mark.rfc("RFC 8843 9.2")
def test_a_stream_without_announced_ssrc_is_found_by_its_mid() -> None:
    lab = Lab()
    sender, upstream = lab.connected_peer()
    producer = produce(lab, upstream, video_parameters(ssrc=None))
    receiver, downstream = lab.connected_peer()
    consume(lab, downstream, producer)
    sender.send_rtp(video_packet(1, KEY_FRAME, ssrc=777))
    sender.send_rtp(video_packet(1, KEY_FRAME, ssrc=778, mid="other"))
    lab.pump()
    assert len(receiver.rtp) == 1
    assert lab.drops()["unknown-ssrc"] == 1


def test_rtp_before_produce_is_dropped_and_counted_and_the_key_frame_is_asked_for_afterwards() -> None:
    lab = Lab()
    sender, upstream = lab.connected_peer()
    sender.send_rtp(video_packet(1, KEY_FRAME))
    lab.pump()
    assert lab.drops()["unknown-ssrc"] == 1
    producer = produce(lab, upstream, video_parameters())
    receiver, downstream = lab.connected_peer()
    consume(lab, downstream, producer)
    sender.send_rtp(video_packet(2))
    lab.pump()
    assert any(isinstance(packet, PictureLossIndication) for packet in sender.rtcp)
    sender.send_rtp(video_packet(3, KEY_FRAME))
    lab.pump()
    assert [payload_of(packet) for packet in receiver.rtp] == [KEY_FRAME]


@pytest.mark.rfc("RFC 3550 6.4.1", "RFC 3550 6.5")
def test_reports_carry_real_wall_time_and_the_senders_clock() -> None:
    lab = Lab()
    sender, upstream = lab.connected_peer()
    producer = produce(lab, upstream, audio_parameters())
    receiver, downstream = lab.connected_peer()
    answer = consume(lab, downstream, producer)
    sender.send_rtp(audio_packet(1, timestamp=48_000))
    # The sender's clock is 100 s behind ours; at the time of the report its RTP clock shows 50 000.
    sender_unix = UNIX_START + (lab.now - START) - 100
    sender.send_rtcp(SenderReport(1111, ntp_from_unix(sender_unix), 50_000, 1, 5))
    lab.pump()
    began = lab.now
    lab.advance(1.0)
    reports = [packet for packet in receiver.rtcp if isinstance(packet, SenderReport)]
    assert reports[0].ssrc == ssrc_of(answer)
    elapsed = reports[0].ntp_timestamp / 2**32 - ntp_from_unix(UNIX_START + began - START) / 2**32
    assert 0.4 < elapsed < 1.0
    assert reports[0].rtp_timestamp == pytest.approx(50_000 + elapsed * 48_000, abs=2)
    assert (reports[0].packet_count, reports[0].octet_count) == (1, 5)
    descriptions = [packet for packet in receiver.rtcp if isinstance(packet, SourceDescription)]
    assert descriptions[0].cname(ssrc_of(answer)) == "sender"


@pytest.mark.rfc("RFC 3550 6.4.2", "RFC 3550 A.3")
def test_a_receiver_report_tells_the_sender_of_its_losses() -> None:
    lab = Lab()
    sender, upstream = lab.connected_peer()
    produce(lab, upstream, audio_parameters())
    for number in range(65500, 65600):
        if number % 10:
            sender.send_rtp(audio_packet(number & 0xFFFF))
    lab.pump()
    lab.advance(1.0)
    block = next(packet for packet in sender.rtcp if isinstance(packet, ReceiverReport)).blocks[0]
    # 65500 was lost before anything was seen: 9 of the 99 expected ones.
    assert (block.ssrc, block.packets_lost) == (1111, 9)
    assert block.fraction_lost == 9 * 256 // 99
    assert block.highest_sequence == 1 << 16 | 65599 & 0xFFFF


def test_a_video_sender_is_told_a_generous_bitrate_for_its_ssrc() -> None:
    lab = Lab()
    sender, upstream = lab.connected_peer()
    produce(lab, upstream, video_parameters())
    sender.send_rtp(video_packet(1, KEY_FRAME))
    lab.pump()
    lab.advance(1.0)
    remb = next(packet for packet in sender.rtcp if isinstance(packet, Remb))
    assert remb.ssrcs == (2222,)
    assert remb.bitrate >= 5_000_000


def test_a_report_of_a_receiver_gives_the_round_trip_time() -> None:
    lab = Lab()
    sender, upstream = lab.connected_peer()
    producer = produce(lab, upstream, audio_parameters())
    receiver, downstream = lab.connected_peer()
    answer = consume(lab, downstream, producer)
    sender.send_rtp(audio_packet(1))
    lab.pump()
    lab.advance(1.0)
    report = next(packet for packet in receiver.rtcp if isinstance(packet, SenderReport))
    last = report.ntp_timestamp >> 16 & 0xFFFFFFFF
    sent_at = report.ntp_timestamp / 2**32 - ntp_from_unix(UNIX_START - START) / 2**32
    lab.advance(0.25)
    held = round((lab.now - sent_at - 0.1) * 65536)
    receiver.send_rtcp(ReceiverReport(9, (ReportBlock(ssrc_of(answer), 12, 3, 1, 0, last, held),)))
    lab.pump()
    consumer = lab.engine._tables.routers[lab.router].consumer(answer.consumer_id)
    assert consumer.round_trip == pytest.approx(0.1, abs=0.001)
    assert consumer.fraction_lost == 12


def test_garbage_is_counted_by_reason_and_dropped() -> None:
    lab = Lab()
    peer, _ = lab.connected_peer()
    for data in (
        b"",
        b"\x50garbage",
        b"\x80\x60" + bytes(20),
        b"\x00\x01\x00\x00",
        b"\x16\xfe\xfd" + bytes(20),
        bytes(4000),
    ):
        lab.send(("203.0.113.9", 1), data)
    lab.send(peer.address, b"\x80\x60" + bytes(30))
    lab.pump()
    drops = lab.drops()
    assert drops["unknown-packet"] == 2
    assert drops["rtp-unknown-source"] == 1
    assert drops["dtls-unknown-source"] == 1
    assert drops["too-long"] == 1
    assert drops["srtp-auth-failed"] == 1
    assert sum(drops.values()) == 7


def test_a_wrong_password_gets_no_path() -> None:
    lab = Lab()
    options = lab.transport()
    peer = lab.peer()
    peer.check(options, password="wrong")
    lab.pump()
    assert lab.drops() == {"ice-integrity": 1}
    assert not any(isinstance(event, IceStateChanged) for event in lab.events)


@pytest.mark.rfc("RFC 7675 5.1")
def test_a_peer_that_stops_checking_is_disconnected_and_comes_back() -> None:
    lab = Lab()
    sender, upstream = lab.connected_peer()
    producer = produce(lab, upstream, audio_parameters())
    receiver, downstream = lab.connected_peer()
    consume(lab, downstream, producer)
    lab.advance(20)
    assert sender.options is not None
    sender.check(sender.options)
    lab.advance(15)
    states = [(e.transport_id, e.state) for e in lab.events if isinstance(e, IceStateChanged)]
    assert states[-1] == (downstream, IceState.DISCONNECTED)
    sender.send_rtp(audio_packet(1))
    lab.pump()
    assert not receiver.rtp
    assert receiver.options is not None
    receiver.check(receiver.options)
    sender.send_rtp(audio_packet(2))
    lab.pump()
    assert len(receiver.rtp) == 1


def test_closing_a_router_closes_everything_in_it_once_and_leaves_no_table_filled() -> None:
    lab = Lab()
    _, upstream = lab.connected_peer()
    producer = produce(lab, upstream, audio_parameters())
    for _ in range(2):
        _, downstream = lab.connected_peer()
        consume(lab, downstream, producer)
    lab.events.clear()
    lab.do(commands.CloseRouter(router_id=lab.router), commands.Done)
    kinds = [type(event) for event in lab.events if not isinstance(event, DtlsStateChanged | IceStateChanged)]
    assert kinds.count(ConsumerClosed) == 2
    assert kinds.count(ProducerClosed) == 1
    assert kinds.count(TransportClosed) == 3
    assert kinds[-1] is RouterClosed
    tables = lab.engine._tables
    assert [len(t) for t in (tables.routers, tables.transports, tables.by_ufrag, tables.by_address)] == [0, 0, 0, 0]
    assert lab.engine.deadline() is None
