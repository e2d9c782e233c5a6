"""What synthetic ends measured; names and units after webrtc-stats (https://www.w3.org/TR/webrtc-stats/)."""

from __future__ import annotations

from labsfu.wire.base import Wire
from labsfu.wire.rtp import MediaKind


class OutboundReport(Wire):
    """One stream that is sent. In JSON the names are camelCase, as in webrtc-stats.

    Attributes:
        ssrc: of the media.
        rid: of the simulcast layer; None without simulcast.
        kind: audio or video.
        active: whether frames are being sent.
        target_bitrate: bit/s that it is encoded at.
        packets_sent: media, without retransmissions; bytes_sent: their payload; header_bytes_sent: their headers.
        retransmitted_packets_sent: as RTX or as they were; retransmitted_bytes_sent: their payload.
        frames_encoded: all; key_frames_encoded: key frames among them.
        nack_count: NACK packets that came; nacked_packets: numbers in them (not in webrtc-stats).
        pli_count: PLIs that came; fir_count: FIRs that came.
        round_trip_time: seconds, from the last report about it; None before.
        fraction_lost: 0 to 1, of the last report; packets_lost: of the same.
    """

    ssrc: int
    rid: str | None
    kind: MediaKind
    active: bool
    target_bitrate: float
    packets_sent: int
    bytes_sent: int
    header_bytes_sent: int
    retransmitted_packets_sent: int
    retransmitted_bytes_sent: int
    frames_encoded: int
    key_frames_encoded: int
    nack_count: int
    nacked_packets: int
    pli_count: int
    fir_count: int
    round_trip_time: float | None
    fraction_lost: float
    packets_lost: int


class FrameReport(Wire):
    """What became of the frames of one stream. What begins with "stamped" is read from synthetic payloads only.

    Attributes:
        frames_received: complete ones.
        frames_decoded: that could be decoded: complete, and so is what they are predicted from.
        key_frames_decoded: key frames among them.
        frames_dropped: complete ones that could not be.
        frames_per_second: decoded in the last second.
        freeze_count: as webrtc-stats says; total_freezes_duration: seconds.
        total_inter_frame_delay: seconds between decoded frames, summed up; longest_gap: the longest, s.
        first_frame_at: monotonic seconds; None before.
        stamped_frames: decoded ones that were synthetic.
        first_stamped: lowest number decoded; last_stamped: the highest; -1 before.
        stamped_missing: numbers between them that were not decoded, be it that the SFU left them out on purpose.
        stamped_layers: frames decoded of each simulcast layer, by number.
        stamped_temporal: frames decoded of each temporal layer, by number.
        stamped_sources: frames decoded of each sender, by number: more than one means that streams were mixed.
        untrue: decoded by the rules of RTP and the codec, though the stamps say that it cannot be: somebody between
            has rewritten the stream wrongly. picture_id_jumps: PictureIDs that did not follow the one before.
        latency_p50: seconds from encoding to decoding, one clock; latency_p99, latency_max: the same. None before.
    """

    frames_received: int
    frames_decoded: int
    key_frames_decoded: int
    frames_dropped: int
    frames_per_second: float
    freeze_count: int
    total_freezes_duration: float
    total_inter_frame_delay: float
    longest_gap: float
    first_frame_at: float | None
    stamped_frames: int
    first_stamped: int
    last_stamped: int
    stamped_missing: int
    stamped_layers: dict[int, int]
    stamped_temporal: dict[int, int]
    stamped_sources: dict[int, int]
    untrue: int
    picture_id_jumps: int
    latency_p50: float | None
    latency_p99: float | None
    latency_max: float | None


class InboundReport(Wire):
    """One stream that is received. In JSON the names are camelCase, as in webrtc-stats.

    Attributes:
        ssrc: of the media.
        kind: audio or video.
        packets_received: RTP of the media's SSRC, duplicates too; bytes_received: their payload, that of RTX too;
            header_bytes_received: their headers.
        packets_lost: expected less received (RFC 3550 A.3); what came as RTX counts as received.
        packets_duplicated: came more than once, or too late to be known (not in webrtc-stats).
        packets_reordered: came after a later one, RTX not counted (not in webrtc-stats).
        retransmitted_packets_received: as RTX; retransmitted_bytes_received: their payload.
        packets_malformed: that could not be read.
        jitter: seconds (RFC 3550 6.4.1).
        nack_count: NACK packets sent; nacked_packets: numbers in them (not in webrtc-stats).
        pli_count: PLIs sent; fir_count: always 0, receivers here send none.
        frames: what became of the frames.
    """

    ssrc: int
    kind: MediaKind
    packets_received: int
    bytes_received: int
    header_bytes_received: int
    packets_lost: int
    packets_duplicated: int
    packets_reordered: int
    retransmitted_packets_received: int
    retransmitted_bytes_received: int
    packets_malformed: int
    jitter: float
    nack_count: int
    nacked_packets: int
    pli_count: int
    fir_count: int
    frames: FrameReport
