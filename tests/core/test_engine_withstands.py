"""What one participant does, on purpose or not, that must not harm the others: the engine on invented time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from OpenSSL import SSL, crypto

from labsfu.core.dtls import endpoint
from labsfu.core.dtls.certificate import DtlsCertificate
from labsfu.core.dtls.context import context_for
from labsfu.core.rtcp.feedback import TransportFormat
from labsfu.core.rtcp.header import PacketType, encode_packet
from labsfu.core.rtcp.pli import PictureLossIndication
from labsfu.core.rtcp.reports import ReceiverReport, SenderReport
from labsfu.core.rtcp.sdes import SourceDescription
from labsfu.core.rtcp.unknown import Unknown
from labsfu.core.srtp.session import LOOSE_STREAMS
from labsfu.core.transport.webrtc import WebRtcTransport
from labsfu.wire import commands
from labsfu.wire.events import EngineFault, TransportClosed
from labsfu.wire.rtp import RtcpParameters, RtpCapabilities, RtpCodecParameters, RtpEncodingParameters, RtpParameters
from tests.support.lab import Lab, Peer
from tests.support.media import (
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


def plis(peer: Peer) -> int:
    return sum(isinstance(packet, PictureLossIndication) for packet in peer.rtcp)


def watched_video(lab: Lab) -> tuple[Peer, Peer, commands.Consumed]:
    """A sender of video and a viewer who sees it."""
    sender, upstream = lab.connected_peer()
    producer = produce(lab, upstream, video_parameters())
    viewer, downstream = lab.connected_peer()
    consumed = consume(lab, downstream, producer)
    sender.send_rtp(video_packet(1, KEY_FRAME))
    lab.pump()
    assert len(viewer.rtp) == 1
    return sender, viewer, consumed


# ------------------------------------------------------------------------ what could end the server


# pyOpenSSL's old interface is deprecated, and the only one that makes such certificates.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version", [0, 1, 3])
def test_a_certificate_of_whatever_version_is_judged_by_its_fingerprint_alone(
    version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab()
    options = lab.transport()
    peer = lab.peer()

    def odd_context(certificate: DtlsCertificate) -> SSL.Context:
        if certificate is not peer.certificate:
            return context_for(certificate)
        context: SSL.Context = context_for.__wrapped__(certificate)
        key = crypto.PKey.from_cryptography_key(certificate.private_key)
        odd = crypto.X509()
        odd.set_version(version)
        odd.set_serial_number(5)
        odd.get_subject().CN = "odd"
        odd.set_issuer(odd.get_subject())
        odd.gmtime_adj_notBefore(0)
        odd.gmtime_adj_notAfter(3600)
        odd.set_pubkey(key)
        odd.sign(key, "sha256")
        context.use_certificate(odd)
        context.use_privatekey(key)
        return context

    monkeypatch.setattr(endpoint, "context_for", odd_context)
    peer.check(options)
    peer.start_dtls()
    lab.connect(options.id, peer)
    lab.pump()
    assert (
        lab.engine._tables.transport(lab.router, options.id).dtls_state == "failed"
    )  # the fingerprint is the usual one's


@pytest.mark.parametrize(("consumers", "length"), [(8, 255), (31, 64), (60, 36)])
def test_long_cnames_fill_several_packets_none_too_large(consumers: int, length: int) -> None:
    lab = Lab()
    viewer, downstream = lab.connected_peer()
    senders = []
    for number in range(consumers):
        sender, upstream = lab.connected_peer()
        parameters = audio_parameters()
        cname = RtcpParameters(cname=f"{number:03}".ljust(length, "x"))
        named = RtpParameters(mid=parameters.mid, codecs=parameters.codecs, encodings=parameters.encodings, rtcp=cname)
        consume(lab, downstream, produce(lab, upstream, named))
        sender.send_rtp(audio_packet(1))
        senders.append(sender)
    lab.pump()
    lab.advance(2)
    names = {c.ssrc for p in viewer.rtcp if isinstance(p, SourceDescription) for c in p.chunks}
    reports = {p.ssrc for p in viewer.rtcp if isinstance(p, SenderReport)}
    assert len(names) == len(reports) == consumers
    assert max(len(data) for _, data in lab.sent) < 1300


@pytest.mark.parametrize("bitrate", [0, 1, 100_000, 0xFFFFFFFF])
def test_whatever_maximum_a_producer_states_reports_go_on(bitrate: int) -> None:
    lab = Lab()
    sender, upstream = lab.connected_peer()
    parameters = video_parameters()
    encoding = RtpEncodingParameters(ssrc=2222, max_bitrate=bitrate)
    produce(lab, upstream, RtpParameters(mid="v", codecs=parameters.codecs, encodings=(encoding,)))
    sender.send_rtp(video_packet(1, KEY_FRAME))
    lab.pump()
    lab.advance(2)
    assert any(isinstance(packet, ReceiverReport) for packet in sender.rtcp)


@pytest.mark.parametrize("where", ["receive_rtp", "tick"])
def test_a_bug_in_one_transport_closes_that_one_and_is_told(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab()
    lab.faults_allowed = True
    sender, upstream = lab.connected_peer()
    producer = produce(lab, upstream, audio_parameters())
    victim, broken = lab.connected_peer()
    viewer, downstream = lab.connected_peer()
    consume(lab, downstream, producer)
    original: Callable[..., object] = getattr(WebRtcTransport, where)

    def buggy(self: WebRtcTransport, *arguments: object) -> object:
        if self.id == broken:
            raise ZeroDivisionError
        return original(self, *arguments)

    monkeypatch.setattr(WebRtcTransport, where, buggy)
    victim.send_rtp(audio_packet(1))
    lab.pump()
    lab.advance(2)
    sender.send_rtp(audio_packet(1))
    lab.pump()
    lab.advance(2)
    assert len(viewer.rtp) == 1
    assert any(isinstance(packet, SenderReport) for packet in viewer.rtcp)
    faults = [event for event in lab.events if isinstance(event, EngineFault)]
    assert [fault.transport_id for fault in faults] == [broken]
    assert "ZeroDivisionError" in faults[0].detail
    closed = [event for event in lab.events if isinstance(event, TransportClosed)]
    assert [(event.transport_id, event.reason) for event in closed] == [(broken, "internal-error")]


# ------------------------------------------------------------------------ what froze pictures


@pytest.mark.rfc("RFC 4585 6.3.1")
def test_a_lost_pli_is_repeated_while_a_viewer_asks() -> None:
    lab = Lab()
    sender, viewer, consumed = watched_video(lab)
    lost: list[bytes] = []

    def lose_the_first(data: bytes, to: object) -> bool:
        if to == sender.address and not lost:
            lost.append(data)
            return True
        return False

    lab.advance(2)
    lab.lose = lose_the_first
    before = plis(sender)
    for _ in range(30):
        viewer.send_rtcp(PictureLossIndication(1, ssrc_of(consumed)))
        lab.advance(0.1)
    assert lost
    assert plis(sender) - before >= 2


def test_after_a_jump_of_the_senders_numbers_a_key_frame_is_asked_for() -> None:
    lab = Lab()
    sender, viewer, _ = watched_video(lab)
    lab.advance(5)
    before = plis(sender)
    for number in range(20_000, 20_010):
        sender.send_rtp(video_packet(number))
    lab.pump()
    assert plis(sender) == before + 1
    sender.send_rtp(video_packet(20_010, KEY_FRAME))
    lab.pump()
    assert payload_of(viewer.rtp[-1]) == KEY_FRAME
    assert header_of(viewer.rtp[-1]).sequence_number == header_of(viewer.rtp[-2]).sequence_number + 1


def test_a_sender_that_was_silent_for_long_is_asked_again_when_it_speaks() -> None:
    lab = Lab()
    sender, upstream = lab.connected_peer()
    producer = produce(lab, upstream, video_parameters())
    sender.send_rtp(video_packet(1, KEY_FRAME))
    lab.pump()
    viewer, downstream = lab.connected_peer()
    consume(lab, downstream, producer)
    lab.advance(14)
    before = plis(sender)
    sender.send_rtp(video_packet(2))
    lab.pump()
    assert plis(sender) == before + 1
    sender.send_rtp(video_packet(3, KEY_FRAME))
    lab.pump()
    assert len(viewer.rtp) == 1


def test_a_viewer_cannot_make_a_sender_code_only_key_frames() -> None:
    lab = Lab()
    sender, viewer, consumed = watched_video(lab)
    number = 1
    for _ in range(500):
        seen = plis(sender)
        viewer.send_rtcp(PictureLossIndication(1, ssrc_of(consumed)))
        lab.advance(0.02)
        if plis(sender) > seen:
            number += 1
            sender.send_rtp(video_packet(number, KEY_FRAME))
            lab.pump()
    assert 8 <= number <= 16  # ten seconds


def test_the_timer_of_a_request_that_a_packet_caused_is_set_at_once() -> None:
    lab = Lab()
    sender, upstream = lab.connected_peer()
    producer = produce(lab, upstream, video_parameters())
    _, downstream = lab.connected_peer()
    consume(lab, downstream, producer)
    lab.advance(1.1)
    asked = lab.now
    sender.send_rtp(video_packet(1))
    lab.pump()
    deadline = lab.engine.deadline()
    assert deadline is not None
    assert deadline <= asked + 1.0


# ------------------------------------------------------------------------ what could be taken or filled up


def test_nobody_can_take_another_ones_address() -> None:
    lab = Lab()
    sender, viewer, _ = watched_video(lab)
    thief, transport = lab.connected_peer()
    assert thief.options is not None
    lab.check_from(sender.address, thief.options, nominate=True)
    sender.send_rtp(video_packet(2))
    lab.pump()
    assert len(viewer.rtp) == 2
    assert lab.drops()["stun-address-in-use"] == 1
    lab.do(commands.CloseTransport(router_id=lab.router, transport_id=transport), commands.Done)
    sender.send_rtp(video_packet(3))
    lab.pump()
    assert len(viewer.rtp) == 3


def test_an_address_is_free_again_when_its_owner_stops_asking_for_it() -> None:
    lab = Lab()
    first, _ = lab.connected_peer()
    lab.advance(31)
    options = lab.transport()
    lab.check_from(first.address, options, nominate=True)
    assert lab.engine._tables.by_address[first.address].id == options.id


def test_invented_ssrcs_do_not_pile_up() -> None:
    lab = Lab()
    peer, transport = lab.connected_peer()
    for ssrc in range(10_000, 10_000 + 2 * LOOSE_STREAMS):
        peer.send_rtp(audio_packet(1, ssrc=ssrc))
        peer.send_rtcp(ReceiverReport(ssrc + 1_000_000))
    lab.pump()
    gate = lab.engine._tables.transports[transport]._srtp_in
    assert gate is not None
    assert len(gate._loose) <= LOOSE_STREAMS
    producer = produce(lab, transport, audio_parameters())
    viewer, downstream = lab.connected_peer()
    consume(lab, downstream, producer)
    peer.send_rtp(audio_packet(1))
    for ssrc in range(90_000, 90_000 + 2 * LOOSE_STREAMS):
        peer.send_rtp(audio_packet(1, ssrc=ssrc))
    peer.send_rtp(audio_packet(1))  # a replay: its stream was kept, so it is known
    peer.send_rtp(audio_packet(2))
    lab.pump()
    assert lab.drops()["srtp-replay"] == 1
    assert len(viewer.rtp) == 2


def test_transport_wide_feedback_that_was_not_negotiated_is_not_expanded() -> None:
    lab = Lab()
    peer, _ = lab.connected_peer()
    run_length = b"\x1f\xff" * 8  # eight chunks of 8191 packets "not received" each
    body = bytes(8) + b"\x00\x00" + b"\xff\xf8" + bytes(4) + run_length
    packet = encode_packet(PacketType.RTPFB, TransportFormat.TRANSPORT_CC, body)
    peer.send_rtcp(Unknown(PacketType.RTPFB, packet[4:], TransportFormat.TRANSPORT_CC))
    lab.pump()
    assert lab.drops() == {"rtcp-unknown-type": 1}


def test_a_payload_type_that_was_not_negotiated_is_left_out_without_a_gap() -> None:
    lab = Lab()
    sender, upstream = lab.connected_peer()
    parameters = audio_parameters()
    pcmu = next(codec for codec in lab.capabilities.codecs if codec.mime_type == "audio/PCMU")
    both = (
        *parameters.codecs,
        RtpCodecParameters(mime_type=pcmu.mime_type, payload_type=0, clock_rate=8000, channels=1),
    )
    producer = produce(
        lab,
        upstream,
        RtpParameters(
            mid="a", codecs=both, header_extensions=parameters.header_extensions, encodings=parameters.encodings
        ),
    )
    viewer, downstream = lab.connected_peer()
    opus_only = RtpCapabilities(codecs=tuple(c for c in lab.capabilities.codecs if c.mime_type == "audio/opus"))
    consume(lab, downstream, producer, capabilities=opus_only)
    for number in range(1, 7):
        packet = bytearray(audio_packet(number))
        if number in (3, 4):
            packet[1] = packet[1] & 0x80  # payload type 0
        sender.send_rtp(bytes(packet))
    lab.pump()
    headers = [header_of(packet) for packet in viewer.rtp]
    assert {header.payload_type for header in headers} == {100}
    assert [h.sequence_number - headers[0].sequence_number for h in headers] == [0, 1, 2, 3]
    assert lab.drops()["payload-type-not-negotiated"] == 2


def test_drops_of_a_stream_are_seen_also_when_it_is_gone() -> None:
    lab = Lab()
    sender, upstream = lab.connected_peer()
    producer = produce(lab, upstream, video_parameters())
    _, downstream = lab.connected_peer()
    consume(lab, downstream, producer)
    sender.send_rtp(video_packet(1))
    lab.pump()
    assert lab.drops() == {"awaiting-key-frame": 1}
    lab.do(commands.CloseProducer(router_id=lab.router, producer_id=producer), commands.Done)
    assert lab.drops() == {"awaiting-key-frame": 1}
