"""What a sender is told of what arrived, and what a receiver learns of when its packets were sent."""

from __future__ import annotations

import msgspec
import pytest

from labsfu.core.rtcp.nack import Nack
from labsfu.core.rtcp.remb import Remb
from labsfu.core.rtcp.reports import ReceiverReport, ReportBlock
from labsfu.core.rtcp.transport_cc import TransportFeedback
from labsfu.core.rtp.extensions import encode_extensions, find_extensions
from labsfu.core.rtp.packet import encode_packet
from labsfu.wire.commands import Consumed
from labsfu.wire.rtp import RtpParameters
from tests.support.lab import START, UNIX_START, Lab, Peer
from tests.support.media import (
    ABS_SEND_TIME_URI,
    DELTA_FRAME,
    KEY_FRAME,
    TRANSPORT_CC_URI,
    audio_packet,
    audio_parameters,
    consume,
    header_of,
    produce,
    repaired_video_parameters,
    rtx_ssrc_of,
    ssrc_of,
)

MEASURED = repaired_video_parameters(transport_cc=True)


def measured_packet(sequence: int, transport_sequence: int | None, payload: bytes = DELTA_FRAME, **names: int) -> bytes:
    """Video with a transport-wide sequence number; `names` may change `ssrc` and `payload_type`."""
    elements = [(4, b"v"), (2, b"\x01\x02\x03")]
    if transport_sequence is not None:
        elements.append((3, (transport_sequence & 0xFFFF).to_bytes(2, "big")))
    return encode_packet(
        payload,
        payload_type=names.get("payload_type", 96),
        sequence_number=sequence & 0xFFFF,
        timestamp=90_000,
        ssrc=names.get("ssrc", 2222),
        extensions=encode_extensions(elements),
    )


def feedbacks(peer: Peer) -> list[TransportFeedback]:
    return [packet for packet in peer.rtcp if isinstance(packet, TransportFeedback)]


@pytest.mark.rfc("draft-holmer-rmcat-transport-wide-cc-extensions-01 3.1")
def test_a_sender_is_told_every_100_ms_what_arrived_and_when() -> None:
    lab = Lab()
    sender, upstream = lab.connected_peer()
    produce(lab, upstream, MEASURED)
    began = lab.now
    for number in range(65_534, 65_534 + 40):
        if number != 65_540:
            sender.send_rtp(measured_packet(number, number, KEY_FRAME if number == 65_534 else DELTA_FRAME))
        lab.advance(0.010)
    lab.advance(0.2)
    told = feedbacks(sender)
    assert [feedback.feedback_count for feedback in told] == list(range(len(told)))
    assert 4 <= len(told) <= 5
    reported = [item for feedback in told for item in feedback.arrivals()]
    assert [sequence for sequence, _ in reported] == [n & 0xFFFF for n in range(65_534, 65_534 + 40)]
    assert [sequence for sequence, at in reported if at is None] == [65_540 & 0xFFFF]
    arrivals = [at for _, at in reported if at is not None]
    expected = [began + 0.010 * (n - 65_534) for n in range(65_534, 65_574) if n != 65_540]
    assert [a - arrivals[0] for a in arrivals] == pytest.approx([e - began for e in expected], abs=0.000251)
    count = len(told)
    lab.advance(5)
    assert len(feedbacks(sender)) == count  # nothing came, nothing is told


@pytest.mark.rfc("draft-holmer-rmcat-transport-wide-cc-extensions-01 3.1")
def test_every_packet_of_the_transport_counts_whatever_becomes_of_it() -> None:
    lab = Lab()
    sender, upstream = lab.connected_peer()
    produce(lab, upstream, MEASURED)
    sender.send_rtp(measured_packet(1, 100, KEY_FRAME))
    sender.send_rtp(measured_packet(1, 101, b"\x00\x01x", ssrc=3333, payload_type=97))  # RTX that nobody asked for
    sender.send_rtp(measured_packet(2, 102, b""))  # without payload
    sender.send_rtp(measured_packet(1, 103, ssrc=987654))  # of nobody
    sender.send_rtp(measured_packet(3, None))  # without a number: it cannot be told of
    lab.advance(0.2)
    (told,) = feedbacks(sender)
    assert [sequence for sequence, at in told.arrivals() if at is not None] == [100, 101, 102, 103]


def test_a_sender_with_transport_wide_feedback_gets_no_remb_and_one_without_gets_one() -> None:
    lab = Lab()
    for parameters, told in ((MEASURED, False), (repaired_video_parameters(), True)):
        sender, upstream = lab.connected_peer()
        produce(lab, upstream, parameters)
        sender.send_rtp(measured_packet(1, 1, KEY_FRAME))
        lab.advance(2)
        assert any(isinstance(packet, Remb) for packet in sender.rtcp) is told
        assert bool(feedbacks(sender)) is not told


def _consumers(lab: Lab) -> tuple[Peer, Peer, tuple[Consumed, Consumed]]:
    sender, upstream = lab.connected_peer()
    producers = [
        produce(lab, upstream, parameters)
        for parameters in (MEASURED, msgspec.structs.replace(repaired_video_parameters(4444, 5555), mid="w"))
    ]
    receiver, downstream = lab.connected_peer()
    first, second = (consume(lab, downstream, producer) for producer in producers)
    return sender, receiver, (first, second)


def _extension(packet: bytes, parameters: RtpParameters, uri: str) -> int:
    id_ = next(extension.id for extension in parameters.header_extensions if extension.uri == uri)
    offset, length = find_extensions(packet, header_of(packet))[id_]
    return int.from_bytes(packet[offset : offset + length], "big")


@pytest.mark.rfc("draft-holmer-rmcat-transport-wide-cc-extensions-01 2")
def test_packets_to_a_receiver_are_numbered_across_its_streams_retransmissions_too() -> None:
    lab = Lab()
    sender, receiver, (first, second) = _consumers(lab)
    sender.send_rtp(measured_packet(1, 1, KEY_FRAME))
    sender.send_rtp(measured_packet(1, 2, KEY_FRAME, ssrc=4444))
    sender.send_rtp(measured_packet(2, 3))
    lab.pump()
    missing = header_of(receiver.rtp[0]).sequence_number
    receiver.send_rtcp(Nack(1, ssrc_of(first), (missing,)))
    sender.send_rtp(measured_packet(2, 4, ssrc=4444))
    lab.pump()
    ssrcs = [ssrc_of(first), ssrc_of(second), ssrc_of(first), rtx_ssrc_of(first), ssrc_of(second)]
    assert [header_of(packet).ssrc for packet in receiver.rtp] == ssrcs
    numbers = [_extension(packet, first.rtp_parameters, TRANSPORT_CC_URI) for packet in receiver.rtp]
    assert numbers == [numbers[0] + n for n in range(5)]


@pytest.mark.rfc("RFC 8285 6")
def test_abs_send_time_says_when_a_packet_left_us_also_when_it_leaves_again() -> None:
    lab = Lab()
    sender, receiver, (first, _) = _consumers(lab)
    sender.send_rtp(measured_packet(1, 1, KEY_FRAME))
    lab.pump()
    sent = lab.now
    lab.advance(0.5)
    receiver.send_rtcp(Nack(1, ssrc_of(first), (header_of(receiver.rtp[0]).sequence_number,)))
    lab.pump()
    once, again = (_extension(packet, first.rtp_parameters, ABS_SEND_TIME_URI) for packet in receiver.rtp)
    assert once / 2**18 == pytest.approx((UNIX_START + sent - START) % 64, abs=1e-4)
    assert (again - once) % 2**24 / 2**18 == pytest.approx(0.5, abs=1e-4)


@pytest.mark.rfc("RFC 7587 3.3")
def test_an_encoder_that_adds_redundancy_is_told_the_loss_of_the_worst_receiver() -> None:
    fractions = {}
    for fec in (True, False):
        lab = Lab()
        sender, upstream = lab.connected_peer()
        parameters = audio_parameters()
        opus = msgspec.structs.replace(parameters.codecs[0], parameters={"useinbandfec": 1} if fec else {})
        producer = produce(lab, upstream, msgspec.structs.replace(parameters, codecs=(opus,)))
        for loss in (20, 64, 7):
            receiver, downstream = lab.connected_peer()
            consumed = consume(lab, downstream, producer)
            sender.send_rtp(audio_packet(loss))
            lab.pump()
            receiver.send_rtcp(ReceiverReport(1, (ReportBlock(ssrc_of(consumed), loss, 0, 0, 0, 0, 0),)))
        lab.advance(6)
        blocks = [b for packet in sender.rtcp if isinstance(packet, ReceiverReport) for b in packet.blocks]
        fractions[fec] = blocks[0].fraction_lost
    assert fractions[True] == max(64, fractions[False])
    assert fractions[False] != 64
