"""A stream with known loss, order, repair, jitter, freeze, delay and skew is measured as such, on invented time."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

import pytest
from aiortc.rtp import (
    RtcpByePacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSenderInfo,
    RtcpSrPacket,
    RtpPacket,
    pack_remb_fci,
    wrap_rtx,
)

from clients.measure.stats import InboundRtp, OutboundRtp
from clients.network import Conditions, Direction, Fault, Path
from clients.tap import RtpTap, TappedPacket
from labsfu.wire.base import to_json
from labsfu.wire.rtp import (
    MediaKind,
    RtpCodecParameters,
    RtpEncodingParameters,
    RtpParameters,
    RtxParameters,
)

VIDEO, RTX, AUDIO = 1000, 1001, 2000
VP8 = RtpCodecParameters(mime_type="video/VP8", payload_type=96, clock_rate=90000)
RTX_CODEC = RtpCodecParameters(mime_type="video/rtx", payload_type=97, clock_rate=90000, parameters={"apt": 96})
OPUS = RtpCodecParameters(mime_type="audio/opus", payload_type=100, clock_rate=48000, channels=2)
VIDEO_PARAMETERS = RtpParameters(
    codecs=(VP8, RTX_CODEC), encodings=(RtpEncodingParameters(ssrc=VIDEO, rtx=RtxParameters(ssrc=RTX)),)
)
AUDIO_PARAMETERS = RtpParameters(codecs=(OPUS,), encodings=(RtpEncodingParameters(ssrc=AUDIO),))

START = 5000.0
UNIX_OFFSET = 1_700_000_000.0
NTP_TO_UNIX = 2_208_988_800
PER_FRAME = 3
FRAME = 1 / 30
PAYLOAD = 100
HEADER = 12


def tap() -> RtpTap:
    found = RtpTap(unix_offset=UNIX_OFFSET)
    for direction in Direction:
        found.announce(direction, MediaKind.VIDEO, VIDEO_PARAMETERS)
        found.announce(direction, MediaKind.AUDIO, AUDIO_PARAMETERS)
    return found


def packet(number: int, *, first_sequence: int = 65000, first_timestamp: int = 0xFFFFFF00) -> RtpPacket:
    """Packet of a video stream of three packets a frame, 30 frames a second; both numbers wrap."""
    frame, part = divmod(number, PER_FRAME)
    return RtpPacket(
        payload_type=96,
        marker=int(part == PER_FRAME - 1),
        ssrc=VIDEO,
        sequence_number=(first_sequence + number) & 0xFFFF,
        timestamp=(first_timestamp + 3000 * frame) & 0xFFFFFFFF,
        payload=bytes(PAYLOAD),
    )


def sent_at(number: int) -> float:
    return START + number // PER_FRAME * FRAME


def rtx_of(number: int, rtx_sequence: int) -> bytes:
    return wrap_rtx(packet(number), payload_type=97, sequence_number=rtx_sequence, ssrc=RTX).serialize()


def feed(one: RtpTap, numbers: Iterable[int], *, late: float = 0.0, direction: Direction = Direction.DOWN) -> None:
    for number in numbers:
        one(direction, packet(number).serialize(), sent_at(number) + late)


def inbound(one: RtpTap, ssrc: int = VIDEO, now: float = START) -> InboundRtp:
    return next(stream for stream in one.report(now).inbound if stream.ssrc == ssrc)


def outbound(one: RtpTap, ssrc: int = VIDEO, now: float = START) -> OutboundRtp:
    return next(stream for stream in one.report(now).outbound if stream.ssrc == ssrc)


def sender_report(ssrc: int, captured: float, timestamp: int, packets: int = 0, octets: int = 0) -> bytes:
    ntp = round((captured + UNIX_OFFSET + NTP_TO_UNIX) * (1 << 32))
    info = RtcpSenderInfo(ntp_timestamp=ntp, rtp_timestamp=timestamp, packet_count=packets, octet_count=octets)
    return bytes(RtcpSrPacket(ssrc=ssrc, sender_info=info))


def test_a_perfect_stream() -> None:
    one = tap()
    feed(one, range(900), late=0.05)
    end = sent_at(899) + 0.05
    stream = inbound(one, now=end)
    assert (stream.kind, stream.mime_type) == ("video", "video/VP8")
    assert (stream.packets_received, stream.packets_lost, stream.packets_missing) == (900, 0, 0)
    assert (stream.packets_reordered, stream.packets_duplicated, stream.packets_repaired) == (0, 0, 0)
    assert (stream.bytes_received, stream.header_bytes_received) == (900 * PAYLOAD, 900 * HEADER)
    assert stream.jitter == pytest.approx(0.0, abs=1e-9)
    assert (stream.frames_received, stream.frames_per_second, stream.freeze_count) == (300, 30, 0)
    assert stream.bitrate == 30 * PER_FRAME * (PAYLOAD + HEADER) * 8
    assert stream.total_inter_frame_delay == pytest.approx(299 * FRAME)
    assert stream.first_packet_received_timestamp == START + 0.05
    assert stream.last_packet_received_timestamp == end
    assert inbound(one, now=end + 2).bitrate == inbound(one, now=end + 2).frames_per_second == 0


def test_known_loss_reorder_doubles_and_repair() -> None:
    one = tap()
    lost = {31, 32, 100, 400, 401, 402, 700}
    repaired = {100: 120, 400: 420}
    sequence = 7
    for number in range(900):
        if number not in lost and number != 500:
            one(Direction.DOWN, packet(number).serialize(), sent_at(number))
        if number == 503:
            one(Direction.DOWN, packet(500).serialize(), sent_at(number))
        if number == 600:
            one(Direction.DOWN, packet(600).serialize(), sent_at(number))
        for original, when in repaired.items():
            if number == when:
                one(Direction.DOWN, rtx_of(original, sequence), sent_at(number))
                sequence += 1
    stream = inbound(one)
    assert stream.packets_received == 900 - len(lost) + 1 + 2
    assert stream.packets_lost == len(lost) - 1, "RFC 3550 6.4.1 counts what came twice as received"
    assert stream.packets_missing == len(lost) - 2
    assert (stream.packets_repaired, stream.packets_reordered, stream.packets_duplicated) == (2, 1, 1)
    assert stream.retransmitted_packets_received == 2
    assert stream.retransmitted_bytes_received == 2 * (PAYLOAD + 2)
    # frame 10 lacks its second and third packet, which may as well be the next one's first; 133 is lost but for its
    # first packet, and 400 is its second; 233 lacks its second
    assert stream.frames_received == 300 - 5


def test_a_retransmission_of_nothing_missing_and_a_probe_repair_nothing() -> None:
    one = tap()
    feed(one, range(30))
    one(Direction.DOWN, rtx_of(5, 1), START)
    probe = RtpPacket(payload_type=97, ssrc=RTX, sequence_number=2)
    probe.padding_size = 200
    one(Direction.DOWN, probe.serialize(), START)
    stream = inbound(one)
    assert (stream.packets_repaired, stream.packets_missing, stream.packets_lost) == (0, 0, 0)
    assert (stream.retransmitted_packets_received, stream.retransmitted_bytes_received) == (2, PAYLOAD + 2)
    assert stream.header_bytes_received == 30 * HEADER + HEADER + HEADER + 200


@pytest.mark.parametrize("seed", [1, 2])
def test_what_a_network_does_is_what_is_measured(seed: int) -> None:
    rough = Conditions(loss=0.05, delay=0.05, duplicate=0.02, reorder=0.03, reorder_delay=0.08)
    ends = (0, 8999)  # what is lost before the first or after the last one that comes leaves no gap
    path = Path(seed, "bob", Direction.DOWN, rough, faults=lambda n, _: Fault.PASS if n in ends else None)
    one = tap()
    for at, data in deliveries(path, 9000):
        one(Direction.DOWN, data, at)
    counts, stream = path.counts, inbound(one)
    assert min(counts.lost, counts.duplicated, counts.overtaken) > 100
    assert stream.packets_received == counts.delivered
    assert stream.packets_missing == counts.lost
    assert stream.packets_duplicated == counts.duplicated
    assert stream.packets_reordered == counts.overtaken


def deliveries(path: Path, count: int) -> Iterator[tuple[float, bytes]]:
    """When each packet comes out of a path, and its bytes."""
    for number in range(count):
        while (due := path.deadline()) is not None and due <= sent_at(number):
            for arrival in path.arrivals(due):
                yield arrival.at, arrival.data
        path.send(packet(number).serialize(), sent_at(number))
    while (due := path.deadline()) is not None:
        for arrival in path.arrivals(due):
            yield arrival.at, arrival.data


@pytest.mark.rfc("RFC 3550 A.8")
def test_known_jitter() -> None:
    one = tap()
    for number in range(300):
        # every other packet of audio, 20 ms apart, is 8 ms late: the estimate settles at 8 ms
        data = RtpPacket(payload_type=100, ssrc=AUDIO, sequence_number=number, timestamp=960 * number, payload=b"x")
        one(Direction.DOWN, data.serialize(), START + 0.020 * number + (0.008 if number % 2 else 0.0))
    assert inbound(one, AUDIO).jitter == pytest.approx(0.008, rel=1e-6)
    assert inbound(one, AUDIO).frames_received == 0


def test_a_known_freeze() -> None:
    one = tap()
    feed(one, range(300))
    feed(one, range(300, 600), late=1.2)
    stream = inbound(one)
    assert (stream.freeze_count, stream.packets_missing) == (1, 0)
    assert stream.total_freezes_duration == pytest.approx(1.2 + FRAME)
    assert stream.jitter is not None
    assert stream.jitter == pytest.approx(1.2 / 16 * (15 / 16) ** 299, rel=1e-6)


def test_a_freeze_by_loss_lasts_from_the_last_whole_frame_to_the_next() -> None:
    one = tap()
    feed(one, (n for n in range(600) if not 300 <= n < 360))
    stream = inbound(one)
    assert (stream.freeze_count, stream.packets_missing) == (1, 60)
    # 20 frames are lost, and the one after them cannot be told to begin where it does
    assert stream.frames_received == 200 - 21
    assert stream.total_freezes_duration == pytest.approx(22 * FRAME)


@pytest.mark.rfc("RFC 3550 6.4.1")
def test_known_delay_and_skew() -> None:
    one = tap()
    for ssrc, timestamp in ((VIDEO, 0xFFFFFF00), (AUDIO, 77)):
        one(Direction.DOWN, sender_report(ssrc, START, timestamp, packets=9, octets=900), START + 0.01)
    for number in range(90):
        late = 0.130 if number % PER_FRAME == 0 else 0.131
        one(Direction.DOWN, packet(number).serialize(), sent_at(number) + late)
    for number in range(50):
        data = RtpPacket(
            payload_type=100, ssrc=AUDIO, sequence_number=number, timestamp=77 + 960 * number, payload=b"x"
        )
        one(Direction.DOWN, data.serialize(), START + 0.020 * number + 0.050)
    video, audio = inbound(one).delay, inbound(one, AUDIO).delay
    assert video is not None
    assert audio is not None
    assert (video.minimum, video.maximum) == pytest.approx((0.130, 0.131), abs=1e-5)
    assert video.average == pytest.approx(0.130 + 2 / 3 * 0.001, abs=1e-5)
    assert video.last - audio.last == pytest.approx(0.081, abs=1e-5)
    remote = inbound(one).remote
    assert remote is not None
    assert (remote.reports_sent, remote.packets_sent, remote.bytes_sent) == (1, 9, 900)


def test_without_a_wall_clock_there_is_no_delay_and_without_an_announcement_no_jitter() -> None:
    one = RtpTap()
    one(Direction.DOWN, sender_report(VIDEO, START, 0), START)
    feed(one, range(30))
    stream = inbound(one)
    assert (stream.kind, stream.mime_type, stream.jitter, stream.delay) == (None, None, None, None)
    assert (stream.packets_received, stream.packets_lost, stream.frames_received) == (30, 0, 0)


def test_feedback_counts_for_the_stream_it_is_about_and_in_its_direction() -> None:
    one = tap()
    feed(one, range(30))
    feed(one, range(30), direction=Direction.UP)
    fir = struct.pack("!II", VIDEO, 1 << 24)
    for _ in range(2):
        one(Direction.UP, bytes(RtcpRtpfbPacket(fmt=1, ssrc=9, media_ssrc=VIDEO, lost=[1, 2, 3])), START)
    one(Direction.UP, bytes(RtcpPsfbPacket(fmt=1, ssrc=9, media_ssrc=VIDEO)), START)
    one(Direction.UP, bytes(RtcpPsfbPacket(fmt=1, ssrc=9, media_ssrc=4711)), START)
    one(Direction.DOWN, bytes(RtcpPsfbPacket(fmt=4, ssrc=9, media_ssrc=0, fci=fir)), START)
    one(Direction.DOWN, bytes(RtcpPsfbPacket(fmt=15, ssrc=9, media_ssrc=0, fci=pack_remb_fci(900_000, [VIDEO]))), START)
    came, left = inbound(one), outbound(one)
    assert (came.nack_count, came.nacked_packets, came.pli_count, came.fir_count) == (2, 6, 1, 0)
    assert (left.nack_count, left.nacked_packets, left.pli_count, left.fir_count) == (0, 0, 0, 1)
    report = one.report(START)
    assert (report.rtcp_sent, report.rtcp_received, report.remb) == (4, 2, 900_000)


def test_what_leaves_is_measured_with_what_the_other_side_says_of_it() -> None:
    one = tap()
    feed(one, range(90), direction=Direction.UP)
    one(Direction.UP, rtx_of(5, 1), sent_at(89))
    one(Direction.UP, sender_report(VIDEO, START, 0), START + 1)
    middle = (round((START + UNIX_OFFSET + NTP_TO_UNIX) * (1 << 32)) >> 16) & 0xFFFFFFFF
    block = RtcpReceiverInfo(
        ssrc=VIDEO, fraction_lost=64, packets_lost=5, highest_sequence=0, jitter=900, lsr=middle, dlsr=0x8000
    )
    one(Direction.DOWN, bytes(RtcpRrPacket(ssrc=1, reports=[block])), START + 1.62)
    left = outbound(one, now=sent_at(89))
    assert (left.packets_sent, left.retransmitted_packets_sent) == (91, 1)
    assert (left.bytes_sent, left.retransmitted_bytes_sent) == (90 * PAYLOAD + PAYLOAD + 2, PAYLOAD + 2)
    assert left.header_bytes_sent == 91 * HEADER
    assert (left.frames_sent, left.frames_per_second) == (30, 30)
    assert left.bitrate == (90 * (PAYLOAD + HEADER) + PAYLOAD + HEADER + 2) * 8
    remote = left.remote
    assert remote is not None
    assert (remote.reports, remote.packets_lost, remote.fraction_lost) == (1, 5, 0.25)
    assert remote.jitter == pytest.approx(0.01)
    assert remote.round_trip_time == pytest.approx(0.12)
    assert (remote.round_trip_time_measurements, remote.total_round_trip_time) == (1, remote.round_trip_time)


def test_a_report_that_answers_no_known_report_tells_no_round_trip() -> None:
    one = tap()
    for lsr in (0, 12345):
        block = RtcpReceiverInfo(
            ssrc=VIDEO, fraction_lost=0, packets_lost=0, highest_sequence=0, jitter=0, lsr=lsr, dlsr=1
        )
        one(Direction.DOWN, bytes(RtcpRrPacket(ssrc=1, reports=[block])), START)
    remote = outbound(one).remote
    assert remote is not None
    assert (remote.reports, remote.round_trip_time, remote.round_trip_time_measurements) == (2, None, 0)


def test_a_goodbye_ends_the_streams_of_the_side_that_says_it() -> None:
    one = tap()
    feed(one, range(3))
    feed(one, range(3), direction=Direction.UP)
    one(Direction.DOWN, bytes(RtcpByePacket(sources=[VIDEO])), START)
    assert (inbound(one).ended, outbound(one).ended, inbound(one, AUDIO).ended) == (True, False, False)


def test_the_rtx_of_a_simulcast_layer_is_paired_by_hand() -> None:
    one = RtpTap()
    layers = RtpParameters(codecs=(VP8, RTX_CODEC), encodings=(RtpEncodingParameters(rid="a"),))
    one.announce(Direction.UP, MediaKind.VIDEO, layers)
    assert one.report(START).outbound == ()
    one.pair_rtx(Direction.UP, VIDEO, RTX)
    feed(one, range(6), direction=Direction.UP)
    one(Direction.UP, rtx_of(1, 1), START)
    (left,) = one.report(START).outbound
    assert (left.ssrc, left.packets_sent, left.retransmitted_packets_sent, left.frames_sent) == (VIDEO, 7, 1, 2)


def test_a_stream_that_is_announced_and_never_comes_is_reported_with_nothing() -> None:
    stream = inbound(tap())
    assert (stream.kind, stream.packets_received, stream.packets_lost) == ("video", 0, 0)
    assert stream.first_packet_received_timestamp is None


def test_what_cannot_be_read_is_counted_by_its_reason() -> None:
    one = tap()
    one(Direction.DOWN, b"\x80", START)
    one(Direction.DOWN, b"\x80\xc9\x00\x09", START)
    assert one.report(START).unreadable == {"rtp-short": 1, "rtcp-short": 1}


def test_a_hook_is_given_each_packet_read() -> None:
    seen: list[TappedPacket] = []
    one = RtpTap(hook=seen.append)
    goodbye = bytes(RtcpByePacket(sources=[5]))
    one(Direction.DOWN, packet(4).serialize(), 1.0)
    one(Direction.UP, goodbye, 2.0)
    one(Direction.UP, b"\x80", 3.0)
    assert [(p.direction, p.at, p.data) for p in seen] == [
        (Direction.DOWN, 1.0, packet(4).serialize()),
        (Direction.UP, 2.0, goodbye),
    ]
    assert seen[0].rtp is not None
    assert (seen[0].rtp.ssrc, seen[0].rtp.sequence, seen[0].rtcp) == (VIDEO, 65004, ())
    assert (seen[1].rtp, len(seen[1].rtcp)) == (None, 1)


def test_names_outside_are_those_of_webrtc_stats() -> None:
    one = tap()
    feed(one, range(3))
    text = to_json(one.report(START)).decode()
    for name in ("packetsReceived", "jitter", "nackCount", "totalFreezesDuration", "retransmittedPacketsReceived"):
        assert f'"{name}":' in text
