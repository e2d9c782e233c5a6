"""What a tap reports. Names and units are those of webrtc-stats (https://www.w3.org/TR/webrtc-stats/) where it has any.

It has no `packetsMissing`, `packetsReordered`, `nackedPackets`, `bitrate`, `delay` and `ended`. The two timestamps are
monotonic seconds here, as all that the laboratory times, and not milliseconds of the epoch.
"""

from __future__ import annotations

import msgspec

from labsfu.wire.base import Wire


class Delay(Wire):
    """Seconds from capture, as sender reports map it to a wall clock (RFC 3550 6.4.1), to arrival.

    Exact where one clock serves both ends; of packets that came by themselves and in order, since the first report.
    """

    minimum: float
    maximum: float
    average: float
    last: float


class RemoteOutbound(Wire):
    """What sender reports say of a stream that comes: `RTCRemoteOutboundRtpStreamStats`."""

    reports_sent: int
    packets_sent: int
    bytes_sent: int


class RemoteInbound(Wire):
    """What the other side's report blocks say of a stream that leaves: `RTCRemoteInboundRtpStreamStats`.

    Attributes:
        reports: how many came.
        packets_lost: since the beginning; may be negative.
        fraction_lost: 0..1, since the report before.
        jitter: seconds; None while the clock rate is not known.
        round_trip_time: seconds, by the last report that answers an SR; None before there is one.
        total_round_trip_time: seconds, the sum of all.
        round_trip_time_measurements: how many those are.
    """

    reports: int
    packets_lost: int
    fraction_lost: float
    jitter: float | None
    round_trip_time: float | None
    total_round_trip_time: float
    round_trip_time_measurements: int


class InboundRtp(Wire):
    """A stream that comes: `RTCInboundRtpStreamStats`, RTX included where its SSRC is known to belong to it.

    Attributes:
        ssrc: of the stream.
        kind: `audio` or `video`; None of a stream that nobody announced.
        mime_type: of the last packet's payload type; None if nobody announced it.
        packets_received: by themselves (late and twice, too) and as RTX.
        packets_lost: expected - received without RTX (RFC 3550 6.4.1): negative if many came twice.
        packets_duplicated: that had come before.
        packets_reordered: that came for the first time after a higher number.
        packets_repaired: numbers that came only as RTX.
        packets_missing: numbers that have not come in any way so far.
        jitter: seconds (RFC 3550 A.8), RTX left out; None while the clock rate is not known.
        bytes_received: payloads without headers and padding, RTX included.
        header_bytes_received: headers and padding, RTX included.
        retransmitted_packets_received: as RTX.
        retransmitted_bytes_received: their payloads.
        nack_count: NACK packets that this client sent.
        nacked_packets: numbers asked for in them, each as often as it was.
        pli_count: PLI packets that this client sent.
        fir_count: FIR packets that this client sent.
        frames_received: whole frames, of video; see `FrameBook`.
        frames_per_second: of them, in the last second.
        freeze_count: see `FrameBook`.
        total_freezes_duration: seconds.
        total_inter_frame_delay: seconds.
        total_squared_inter_frame_delay: seconds squared.
        bitrate: bits per second, of whole RTP packets, RTX included, in the last second.
        first_packet_received_timestamp: monotonic seconds; None before there is one.
        last_packet_received_timestamp: the same, of the last one.
        delay: from capture to arrival; None without sender reports, clock rate or wall clock.
        remote: what its sender says; None before it did.
        ended: the sender said BYE.
    """

    ssrc: int
    kind: str | None
    mime_type: str | None
    packets_received: int
    packets_lost: int
    packets_duplicated: int
    packets_reordered: int
    packets_repaired: int
    packets_missing: int
    jitter: float | None
    bytes_received: int
    header_bytes_received: int
    retransmitted_packets_received: int
    retransmitted_bytes_received: int
    nack_count: int
    nacked_packets: int
    pli_count: int
    fir_count: int
    frames_received: int
    frames_per_second: int
    freeze_count: int
    total_freezes_duration: float
    total_inter_frame_delay: float
    total_squared_inter_frame_delay: float
    bitrate: int
    first_packet_received_timestamp: float | None
    last_packet_received_timestamp: float | None
    delay: Delay | None
    remote: RemoteOutbound | None
    ended: bool


class OutboundRtp(Wire):
    """A stream that leaves: `RTCOutboundRtpStreamStats`, RTX included where its SSRC is known to belong to it.

    Attributes:
        ssrc: of the stream.
        kind: `audio` or `video`; None of a stream that nobody announced.
        mime_type: of the last packet's payload type; None if nobody announced it.
        packets_sent: RTX included.
        bytes_sent: payloads without headers and padding, RTX included.
        header_bytes_sent: headers and padding, RTX included.
        retransmitted_packets_sent: as RTX.
        retransmitted_bytes_sent: their payloads.
        nack_count: NACK packets that came.
        nacked_packets: numbers asked for in them, each as often as it was.
        pli_count: PLI packets that came.
        fir_count: FIR packets that came.
        frames_sent: whole frames, of video.
        frames_per_second: of them, in the last second.
        bitrate: bits per second, of whole RTP packets, RTX included, in the last second.
        remote: what the other side says; None before it did.
        ended: this client said BYE.
    """

    ssrc: int
    kind: str | None
    mime_type: str | None
    packets_sent: int
    bytes_sent: int
    header_bytes_sent: int
    retransmitted_packets_sent: int
    retransmitted_bytes_sent: int
    nack_count: int
    nacked_packets: int
    pli_count: int
    fir_count: int
    frames_sent: int
    frames_per_second: int
    bitrate: int
    remote: RemoteInbound | None
    ended: bool


class TapReport(Wire):
    """All that a tap has measured so far.

    Attributes:
        inbound: streams that come, in the order they were announced or, unannounced, first came.
        outbound: streams that leave, likewise.
        rtcp_received: compound RTCP packets that came.
        rtcp_sent: that left.
        remb: bits per second that the other side last allowed by REMB; None if it never did.
        unreadable: packets that are neither RTP nor RTCP by their reason, both ways.
    """

    inbound: tuple[InboundRtp, ...]
    outbound: tuple[OutboundRtp, ...]
    rtcp_received: int
    rtcp_sent: int
    remb: int | None
    unreadable: dict[str, int] = msgspec.field(default_factory=dict)
