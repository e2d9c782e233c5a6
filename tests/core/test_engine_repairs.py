"""Lost packets are asked for at the sender and sent again to who misses them."""

from __future__ import annotations

import msgspec
import pytest

from labsfu.core.rtcp.bye import Bye
from labsfu.core.rtcp.nack import Nack
from labsfu.core.rtcp.ntp import delay_from_seconds, middle32, ntp_from_unix
from labsfu.core.rtcp.pli import PictureLossIndication
from labsfu.core.rtcp.reports import ReceiverReport, ReportBlock, SenderReport
from labsfu.core.rtcp.sdes import SourceDescription
from labsfu.core.rtcp.xr import Dlrr, DlrrItem, ExtendedReport, ReceiverReferenceTime
from labsfu.core.rtp.extensions import encode_extensions
from labsfu.core.rtp.packet import encode_packet
from labsfu.wire import commands
from labsfu.wire.rtp import RtpCapabilities, RtpCodecParameters, RtpEncodingParameters, RtpParameters
from tests.support.lab import START, UNIX_START, Lab, Peer
from tests.support.media import (
    DELTA_FRAME,
    KEY_FRAME,
    REPAIRED_VP8,
    consume,
    header_of,
    payload_of,
    produce,
    repaired_video_parameters,
    rtx_packet,
    rtx_ssrc_of,
    ssrc_of,
    video_packet,
    without_rtx,
)
from tests.support.seeded import SeededEntropy


class Call:
    """One sender and one receiver of repaired video."""

    def __init__(self, parameters: RtpParameters | None = None, *, rtx_down: bool = True) -> None:
        self.lab = Lab()
        self.sender, self.upstream = self.lab.connected_peer()
        self.producer = produce(self.lab, self.upstream, parameters or repaired_video_parameters())
        self.receiver, self.downstream = self.lab.connected_peer()
        capabilities = self.lab.capabilities if rtx_down else without_rtx(self.lab.capabilities)
        self.consumed = consume(self.lab, self.downstream, self.producer, capabilities=capabilities)
        self.ssrc = ssrc_of(self.consumed)

    def send(self, *numbers: int) -> None:
        """Packets of the sender: the first ever is a key frame, each payload names its number."""
        for number in numbers:
            frame = KEY_FRAME if number == numbers[0] and not self.receiver.rtp else DELTA_FRAME
            self.sender.send_rtp(video_packet(number & 0xFFFF, frame + number.to_bytes(4, "big")))
        self.lab.pump()

    def nacks_to_sender(self) -> list[tuple[int, ...]]:
        self.lab.pump()
        return [packet.sequence_numbers for packet in self.sender.rtcp if isinstance(packet, Nack)]

    def got(self, peer: Peer | None = None) -> list[int]:
        """The numbers that payloads of the media SSRC name, in the order of arrival."""
        packets = (self.receiver if peer is None else peer).rtp
        return [int.from_bytes(payload_of(packet)[-4:], "big") for packet in packets]

    def ask(self, *numbers: int) -> None:
        """The receiver says that it has not got these."""
        self.receiver.send_rtcp(Nack(1, self.ssrc, tuple(number & 0xFFFF for number in numbers)))
        self.lab.pump()


@pytest.mark.rfc("RFC 4585 6.2.1")
def test_a_gap_is_asked_for_after_ten_milliseconds_and_again_each_round_trip() -> None:
    call = Call()
    call.send(65534, 65535, 65539)
    assert call.nacks_to_sender() == []
    call.lab.advance(0.011)
    assert call.nacks_to_sender() == [(0, 1, 2)]
    call.lab.advance(0.25)
    assert call.nacks_to_sender() == [(0, 1, 2)] * 3  # 0.1 s until the round trip is measured


def test_what_is_only_reordered_is_not_asked_for() -> None:
    call = Call()
    call.send(10, 12, 11)
    call.lab.advance(1)
    assert call.nacks_to_sender() == []
    assert call.got() == [10, 12, 11]
    sequences = [header_of(packet).sequence_number for packet in call.receiver.rtp]
    assert [n - sequences[0] for n in sequences] == [0, 2, 1]


@pytest.mark.rfc("RFC 4588 4")
def test_a_retransmission_is_restored_and_sent_on_in_its_place() -> None:
    call = Call()
    call.send(10, 12)
    call.lab.advance(0.02)
    call.sender.send_rtp(rtx_packet(700, 11, DELTA_FRAME + (11).to_bytes(4, "big")))
    call.lab.advance(1)
    assert call.got() == [10, 12, 11]
    assert {header_of(packet).ssrc for packet in call.receiver.rtp} == {call.ssrc}
    assert call.nacks_to_sender() == [(11,)]


@pytest.mark.rfc("RFC 4588 4")
def test_a_retransmission_that_nobody_misses_goes_no_further() -> None:
    call = Call()
    call.send(10, 11)
    call.sender.send_rtp(rtx_packet(700, 11, DELTA_FRAME))
    call.sender.send_rtp(rtx_packet(701, 900, DELTA_FRAME))
    call.sender.send_rtp(rtx_packet(702, 11, b""))
    call.lab.pump()
    assert call.got() == [10, 11]
    assert call.lab.drops()["rtx-not-missing"] == 3


def test_padding_of_the_retransmission_stream_is_counted_and_dropped() -> None:
    call = Call()
    call.send(10, 11)
    call.sender.send_rtp(b"\xa0\xe1\x00\x01" + bytes(4) + (3333).to_bytes(4, "big") + b"\x00\x00\x00\x04")
    call.lab.pump()
    assert call.got() == [10, 11]
    assert call.lab.drops()["rtx-padding-only"] == 1


def test_an_rtx_packet_without_room_for_its_number_is_malformed() -> None:
    call = Call()
    call.send(10, 11)
    call.sender.send_rtp(rtx_packet(700, 11, b"")[:-1])
    call.lab.pump()
    assert call.lab.drops()["rtx-too-short"] == 1


def test_a_retransmission_with_padding_is_restored_without_it() -> None:
    call = Call()
    call.send(10, 12)
    call.lab.advance(0.02)
    packet = bytearray(rtx_packet(700, 11, DELTA_FRAME + (11).to_bytes(4, "big")) + b"\x00\x00\x03")
    packet[0] |= 0x20
    call.sender.send_rtp(bytes(packet))
    call.lab.pump()
    assert call.got() == [10, 12, 11]


def test_of_a_peer_that_changes_its_retransmission_ssrc_only_the_last_one_is_remembered() -> None:
    call = Call(msgspec.structs.replace(repaired_video_parameters(), encodings=(RtpEncodingParameters(),)))
    call.send(10, 11)
    before = _streams_held(call)
    for ssrc in range(5000, 5020):
        call.sender.send_rtp(measured_rtx(ssrc))
    call.lab.pump()
    assert _streams_held(call) == before | {5019}
    call.lab.do(commands.CloseProducer(router_id=call.lab.router, producer_id=call.producer), commands.Done)
    assert _streams_held(call) == set()


def measured_rtx(ssrc: int) -> bytes:
    """RTX of a stream that only its MID names."""
    return encode_packet(
        (11).to_bytes(2, "big") + DELTA_FRAME,
        payload_type=97,
        sequence_number=1,
        timestamp=1,
        ssrc=ssrc,
        extensions=encode_extensions([(4, b"v")]),
    )


def _streams_held(call: Call) -> set[int]:
    """SSRCs of the sender whose SRTP state is kept."""
    gate = call.lab.engine._tables.transports[call.upstream]._srtp_in
    assert gate is not None
    return set(gate._held)


def test_a_retransmission_before_its_stream_makes_no_stream() -> None:
    call = Call()
    call.sender.send_rtp(rtx_packet(700, 11, KEY_FRAME))
    call.lab.pump()
    assert call.receiver.rtp == []
    assert call.lab.drops()["rtx-before-media"] == 1


def test_without_rtx_the_sender_repeats_the_packet_itself() -> None:
    call = Call(repaired_video_parameters(rtx_ssrc=None))
    call.send(10, 12)
    call.lab.advance(0.02)
    call.send(11)
    call.lab.advance(1)
    assert call.got() == [10, 12, 11]
    assert call.nacks_to_sender() == [(11,)]


@pytest.mark.rfc("RFC 4588 4", "RFC 4585 6.2.1")
def test_a_receiver_is_sent_again_what_it_asks_for_as_rtx() -> None:
    call = Call()
    call.send(10, 11, 12)
    first = call.receiver.rtp[:]
    call.ask(header_of(first[1]).sequence_number)
    (again,) = call.receiver.rtp[3:]
    header, original = header_of(again), header_of(first[1])
    assert header.ssrc == rtx_ssrc_of(call.consumed)
    assert header.payload_type == call.consumed.rtp_parameters.codecs[1].payload_type
    assert (header.timestamp, header.marker) == (original.timestamp, original.marker)
    assert payload_of(again) == original.sequence_number.to_bytes(2, "big") + payload_of(first[1])
    call.lab.advance(0.2)
    call.ask(header_of(first[2]).sequence_number, header_of(first[0]).sequence_number)
    sequences = [header_of(packet).sequence_number for packet in call.receiver.rtp[3:]]
    assert sequences == [sequences[0] + n for n in range(3)]


@pytest.mark.rfc("RFC 4588 8.6")
def test_of_two_codecs_each_is_sent_again_as_its_own_rtx() -> None:
    h264 = RtpCodecParameters(
        mime_type="video/H264",
        payload_type=98,
        clock_rate=90000,
        parameters={"packetization-mode": 1, "profile-level-id": "42e01f"},
        rtcp_feedback=REPAIRED_VP8.rtcp_feedback,
    )
    rtx = RtpCodecParameters(mime_type="video/rtx", payload_type=99, clock_rate=90000, parameters={"apt": 98})
    plain = repaired_video_parameters()
    call = Call(msgspec.structs.replace(plain, codecs=(*plain.codecs, h264, rtx)))
    expected = {codec.mime_type: codec.payload_type for codec in call.consumed.rtp_parameters.codecs}
    repairing = {codec.parameters.get("apt"): codec.payload_type for codec in call.consumed.rtp_parameters.codecs}
    for number, payload_type, payload in ((10, 96, KEY_FRAME), (11, 98, bytes.fromhex("67 42e01f"))):
        call.sender.send_rtp(
            encode_packet(payload, payload_type=payload_type, sequence_number=number, timestamp=1, ssrc=2222)
        )
        call.lab.pump()
        call.ask(header_of(call.receiver.rtp[-1]).sequence_number)
        mime_type = "video/VP8" if payload_type == 96 else "video/H264"
        first, again = (header_of(packet).payload_type for packet in call.receiver.rtp[-2:])
        assert (first, again) == (expected[mime_type], repairing[expected[mime_type]])


def test_what_was_asked_for_before_numbers_began_anew_holds_nothing_up_after_it() -> None:
    call = Call()
    call.send(10, 11, 12)
    call.ask(header_of(call.receiver.rtp[1]).sequence_number)
    call.send(40_000, 40_001)
    call.send(9, 10)
    call.sender.send_rtp(video_packet(11, KEY_FRAME + (11).to_bytes(4, "big")))
    call.lab.pump()
    resent = len(call.receiver.rtp)
    call.ask(header_of(call.receiver.rtp[-1]).sequence_number)
    assert len(call.receiver.rtp) == resent + 1


def test_ssrcs_of_a_transport_differ_whatever_is_drawn() -> None:
    class Stubborn(SeededEntropy):
        """Draws each SSRC several times."""

        def __init__(self) -> None:
            super().__init__()
            self.drawn = 0

        def integer(self, low: int, high: int) -> int:
            if high != 0xFFFFFFFF:
                return super().integer(low, high)
            self.drawn += 1
            return 1000 + self.drawn // 4

    lab = Lab(Stubborn())
    _, upstream = lab.connected_peer()
    producer = produce(lab, upstream, repaired_video_parameters())
    _, downstream = lab.connected_peer()
    consumed = [consume(lab, downstream, producer) for _ in range(5)]
    ssrcs = [ssrc for answer in consumed for ssrc in (ssrc_of(answer), rtx_ssrc_of(answer))]
    assert len(set(ssrcs)) == 10


def test_a_receiver_without_rtx_gets_the_packet_itself_again() -> None:
    call = Call(rtx_down=False)
    call.send(10)
    call.lab.lose = lambda _data, to: to == call.receiver.address
    call.send(11)
    call.lab.lose = lambda _data, _to: False
    call.send(12)
    first = header_of(call.receiver.rtp[0]).sequence_number
    call.ask(first + 1)
    again = call.receiver.rtp[2]
    assert (header_of(again).ssrc, header_of(again).sequence_number) == (call.ssrc, first + 1)
    assert call.got() == [10, 12, 11]


def test_what_was_restored_can_be_sent_again_like_any_other() -> None:
    call = Call()
    call.send(10, 12)
    missing = header_of(call.receiver.rtp[0]).sequence_number + 1
    call.ask(missing)
    assert call.lab.drops()["nack-not-kept"] == 1
    call.lab.advance(0.02)
    call.sender.send_rtp(rtx_packet(700, 11, DELTA_FRAME + (11).to_bytes(4, "big")))
    call.lab.advance(0.2)
    call.ask(missing)
    assert call.got()[-1] == 11
    assert header_of(call.receiver.rtp[-1]).ssrc == rtx_ssrc_of(call.consumed)


def test_what_was_never_sent_or_is_too_old_is_not_sent_again() -> None:
    call = Call()
    call.send(10, 11)
    first = header_of(call.receiver.rtp[0]).sequence_number
    call.ask(first - 1, first + 2, first + 30_000)
    call.lab.advance(3)
    call.ask(first)
    assert len(call.receiver.rtp) == 2
    assert call.lab.drops()["nack-not-kept"] == 4


def test_nacks_for_a_stream_without_them_or_for_nobody_are_counted() -> None:
    call = Call(rtx_down=False)
    call.receiver.send_rtcp(Nack(1, 424242, (1,)))
    plain = consume(call.lab, call.downstream, call.producer, capabilities=_without_nack(call))
    call.receiver.send_rtcp(Nack(1, ssrc_of(plain), (1,)))
    call.lab.pump()
    drops = call.lab.drops()
    assert (drops["rtcp-unknown-ssrc"], drops["rtcp-nack-not-negotiated"]) == (1, 1)


def _without_nack(call: Call) -> RtpCapabilities:
    capabilities = without_rtx(call.lab.capabilities)
    codecs = tuple(
        msgspec.structs.replace(c, rtcp_feedback=tuple(f for f in c.rtcp_feedback if f.parameter or f.type != "nack"))
        for c in capabilities.codecs
    )
    return msgspec.structs.replace(capabilities, codecs=codecs)


def test_an_original_that_comes_after_its_retransmission_is_sent_on_once() -> None:
    call = Call()
    call.send(10, 12)
    call.lab.advance(0.02)
    call.sender.send_rtp(rtx_packet(700, 11, DELTA_FRAME + (11).to_bytes(4, "big")))
    call.send(11, 13)
    assert call.got() == [10, 12, 11, 13]
    assert call.lab.drops()["duplicate"] == 1


def test_nobody_watching_nobody_asks() -> None:
    call = Call()
    call.send(10, 11)
    call.lab.do(commands.PauseConsumer(router_id=call.lab.router, consumer_id=call.consumed.consumer_id), commands.Done)
    call.send(13)
    call.lab.advance(1)
    assert call.nacks_to_sender() == []


def test_a_sender_that_begins_its_numbers_anew_is_asked_for_nothing_old_and_repaired_from_there() -> None:
    call = Call()
    call.send(40_000, 40_001)
    call.lab.advance(5)
    asked = sum(isinstance(packet, PictureLossIndication) for packet in call.sender.rtcp)
    call.send(12, 13)  # two in a row, far away: the numbers begin anew
    assert sum(isinstance(packet, PictureLossIndication) for packet in call.sender.rtcp) == asked + 1
    call.sender.send_rtp(video_packet(14, KEY_FRAME + (14).to_bytes(4, "big")))
    call.send(16)
    call.lab.advance(0.02)
    assert call.nacks_to_sender() == [(15,)]
    assert call.got() == [40_000, 40_001, 14, 16]


def test_what_came_before_numbers_began_anew_is_never_replayed_after_it() -> None:
    call = Call()
    call.send(10, 11, 12)
    call.send(40_000, 40_001)
    call.send(12, 13)
    call.sender.send_rtp(video_packet(11, KEY_FRAME + b"newly"))  # overtaken by 13; the 12 that is kept is an old one
    call.lab.pump()
    assert [payload_of(packet)[-5:] for packet in call.receiver.rtp[3:]] == [b"newly", payload_13()]


def payload_13() -> bytes:
    return (DELTA_FRAME + (13).to_bytes(4, "big"))[-5:]


@pytest.mark.parametrize("with_key_frame", [True, False])
def test_too_much_missing_is_given_up_to_the_last_key_frame_or_ended_by_a_new_one(with_key_frame: bool) -> None:
    call = Call()
    call.send(10)
    asked = sum(isinstance(packet, PictureLossIndication) for packet in call.sender.rtcp)
    frame = KEY_FRAME if with_key_frame else DELTA_FRAME
    call.sender.send_rtp(video_packet(701, frame))
    call.send(1100)
    call.lab.advance(0.02)
    missing = sum(len(numbers) for numbers in call.nacks_to_sender())
    requests = sum(isinstance(packet, PictureLossIndication) for packet in call.sender.rtcp) - asked
    assert (missing, requests) == ((1100 - 702, 0) if with_key_frame else (0, 1))


# ---------------------------------------------------------------- round trips


@pytest.mark.rfc("RFC 3611 4.4", "RFC 3611 4.5")
def test_the_round_trip_to_a_sender_is_measured_by_extended_reports_and_times_the_nacks() -> None:
    call = Call()
    call.send(10, 11)
    call.lab.advance(1.1)
    reference = next(
        block
        for packet in call.sender.rtcp
        if isinstance(packet, ExtendedReport)
        for block in packet.blocks
        if isinstance(block, ReceiverReferenceTime)
    )
    own = next(packet.ssrc for packet in call.sender.rtcp if isinstance(packet, ExtendedReport))
    last = middle32(reference.ntp_timestamp)
    # It was sent within the last 1.1 s; the peer says it kept it for all of that but 0.3 s.
    sent_ago = _seconds_since(call, last)
    call.sender.send_rtcp(ExtendedReport(2222, (Dlrr((DlrrItem(own, last, delay_from_seconds(sent_ago - 0.3)),)),)))
    call.send(13)
    start = len(call.nacks_to_sender())
    call.lab.advance(0.011)
    assert len(call.nacks_to_sender()) == start + 1
    call.lab.advance(0.28)
    assert len(call.nacks_to_sender()) == start + 1
    call.lab.advance(0.04)
    assert len(call.nacks_to_sender()) == start + 2


def _seconds_since(call: Call, middle: int) -> float:
    now = middle32(ntp_from_unix(call.lab.now + UNIX_START - START))
    return ((now - middle) & 0xFFFFFFFF) / 65536


@pytest.mark.rfc("RFC 3611 4.5")
def test_an_answer_to_somebody_else_measures_nothing() -> None:
    call = Call()
    call.send(10, 11)
    call.lab.advance(1.1)
    blocks = [b for packet in call.sender.rtcp if isinstance(packet, ExtendedReport) for b in packet.blocks]
    assert isinstance(blocks[0], ReceiverReferenceTime)
    call.sender.send_rtcp(ExtendedReport(2222, (Dlrr((DlrrItem(4711, middle32(blocks[0].ntp_timestamp), 0),)),)))
    call.lab.pump()
    assert call.lab.engine._tables.transports[call.upstream].session.round_trips.value is None


@pytest.mark.rfc("RFC 3550 6.4.1")
def test_a_report_that_has_seen_no_report_of_ours_leaves_the_round_trip_as_it_was() -> None:
    call = Call()
    call.send(10, 11)
    call.lab.advance(1.6)
    report = next(packet for packet in call.receiver.rtcp if isinstance(packet, SenderReport))
    last = middle32(report.ntp_timestamp)
    kept = delay_from_seconds(_seconds_since(call, last) - 0.25)
    for block in (ReportBlock(call.ssrc, 0, 0, 0, 0, last, kept), ReportBlock(call.ssrc, 0, 0, 0, 0, 0, 0)):
        call.receiver.send_rtcp(ReceiverReport(1, (block,)))
        call.lab.pump()
        measured = call.lab.engine._tables.routers[call.lab.router].consumer(call.consumed.consumer_id).round_trip
        assert measured == pytest.approx(0.25, abs=0.001)


@pytest.mark.rfc("RFC 3611 4.5")
def test_a_receiver_that_sends_nothing_learns_its_round_trip_from_us() -> None:
    call = Call()
    call.send(10, 11)
    call.receiver.send_rtcp(ExtendedReport(77, (ReceiverReferenceTime(0x1122_3344_5566_7788),)))
    call.lab.advance(2)
    items = [
        item
        for packet in call.receiver.rtcp
        if isinstance(packet, ExtendedReport)
        for block in packet.blocks
        if isinstance(block, Dlrr)
        for item in block.items
    ]
    assert [(item.ssrc, item.last_rr) for item in items] == [(77, 0x3344_5566)]
    assert 0.1 < items[0].delay / 65536 < 2


# ---------------------------------------------------------------- reports and goodbyes


@pytest.mark.rfc("RFC 3550 6.4.2", "RFC 4588 4")
def test_the_retransmission_stream_has_a_report_block_of_its_own() -> None:
    call = Call()
    call.send(10, 12)
    call.lab.advance(0.02)
    call.sender.send_rtp(rtx_packet(700, 11, DELTA_FRAME))
    call.lab.advance(2.5)
    blocks = [block for packet in call.sender.rtcp if isinstance(packet, ReceiverReport) for block in packet.blocks]
    assert {block.ssrc for block in blocks} == {2222, 3333}
    lost = {block.ssrc: block.packets_lost for block in blocks}
    assert lost == {2222: 1, 3333: 0}  # a repair does not make the loss undone (RFC 4588 4 and 3)


@pytest.mark.rfc("RFC 3550 6.6")
def test_who_closes_a_consumer_says_goodbye_for_its_streams() -> None:
    call = Call()
    call.send(10, 11)
    call.lab.do(commands.CloseConsumer(router_id=call.lab.router, consumer_id=call.consumed.consumer_id), commands.Done)
    ssrcs = (call.ssrc, rtx_ssrc_of(call.consumed))
    assert [p.ssrcs for p in call.receiver.rtcp if isinstance(p, Bye)] == [ssrcs]


def test_a_closed_consumer_leaves_no_keys_behind_for_what_it_sent() -> None:
    call = Call()
    call.send(10, 11)
    call.ask(header_of(call.receiver.rtp[0]).sequence_number)
    call.lab.do(commands.CloseConsumer(router_id=call.lab.router, consumer_id=call.consumed.consumer_id), commands.Done)
    gate = call.lab.engine._tables.transports[call.downstream]._srtp_out
    assert gate is not None
    assert [gate.remove_stream(ssrc) for ssrc in (call.ssrc, rtx_ssrc_of(call.consumed))] == [False, False]


@pytest.mark.rfc("RFC 3550 6.5.1", "RFC 4588 5.2")
def test_the_description_of_a_stream_names_its_retransmissions_too() -> None:
    call = Call()
    call.send(10, 11)
    call.lab.advance(2)
    descriptions = [packet for packet in call.receiver.rtcp if isinstance(packet, SourceDescription)]
    described = [chunk for (chunk,) in (packet.chunks for packet in descriptions)]  # aiortc reads no second one
    assert {chunk.ssrc for chunk in described} == {call.ssrc, rtx_ssrc_of(call.consumed)}
    assert {item.value for chunk in described for item in chunk.items} == {b"sender"}


@pytest.mark.rfc("RFC 3550 6.4.1")
def test_a_senders_report_on_its_retransmissions_is_answered_in_their_block() -> None:
    call = Call()
    call.send(10, 12)
    call.lab.advance(0.02)
    call.sender.send_rtp(rtx_packet(700, 11, DELTA_FRAME))
    call.sender.send_rtcp(SenderReport(3333, 0x1111_2222_3333_4444, 5, 1, 10))
    call.lab.advance(2.5)
    blocks = [block for packet in call.sender.rtcp if isinstance(packet, ReceiverReport) for block in packet.blocks]
    assert {block.last_sr for block in blocks if block.ssrc == 3333} == {0x2222_3333}
    assert {block.last_sr for block in blocks if block.ssrc == 2222} == {0}


@pytest.mark.rfc("RFC 3550 6.6")
def test_after_a_goodbye_nothing_is_asked_of_a_stream_until_it_goes_on() -> None:
    call = Call()
    call.send(10, 12)
    call.sender.send_rtcp(Bye((2222,)))
    call.lab.advance(1)
    assert call.nacks_to_sender() == []
    asked = sum(isinstance(packet, PictureLossIndication) for packet in call.sender.rtcp)
    call.receiver.send_rtcp(PictureLossIndication(1, call.ssrc))
    call.lab.advance(3)
    assert sum(isinstance(packet, PictureLossIndication) for packet in call.sender.rtcp) == asked
    call.send(13, 15)
    call.lab.advance(0.02)
    assert call.nacks_to_sender() == [(14,)]
    call.receiver.send_rtcp(PictureLossIndication(1, call.ssrc))
    call.lab.advance(1)
    assert sum(isinstance(packet, PictureLossIndication) for packet in call.sender.rtcp) > asked
