"""Numbers that the server reports about itself (mediasoup's getStats, with two repairs).

Every `timestamp` is epoch milliseconds. What RTX, or a packet sent again, repaired is not lost: `packets_lost` counts
what never came, `packets_lost_before_repair` what did not come at first (RFC 3550 6.4.1 counts those, less duplicates).

Rates are bit/s over a sliding window: 1 s of a transport's, 2.5 s of a stream's (shorter while it is younger); those of
a stream count whole RTP packets as they are before encryption, headers included, as `byte_count` does.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from labsfu.wire.base import ABSENT, Absent, Wire
from labsfu.wire.ids import ConsumerId, ProducerId, RouterId, TransportId
from labsfu.wire.pipe import PipeTuple
from labsfu.wire.rtp import ConsumerLayers, MediaKind
from labsfu.wire.transport import DtlsState, IceState


class DropCount(Wire):
    """Packets dropped for one reason."""

    reason: str
    packets: int


class EngineCounts(Wire):
    """What an engine holds now, and what it has done since it began.

    `packets_*` and `bytes_*` count datagrams on the wire (STUN, DTLS, SRTP, SRTCP); `forwarded_packets` counts RTP
    sent to consumers; `unsent_packets` those that the kernel would not take.
    """

    routers: int
    transports: int
    producers: int
    consumers: int
    packets_received: int
    bytes_received: int
    packets_sent: int
    bytes_sent: int
    unsent_packets: int
    forwarded_packets: int
    drops: tuple[DropCount, ...]


class TransportTuple(Wire):
    """Between which addresses a transport's packets go."""

    local_ip: str
    local_port: int
    remote_ip: str
    remote_port: int
    protocol: Literal["udp", "tcp"]


class _AnyTransport(Wire, tag_field="type", tag=True):
    """What all transports have.

    `bytes_*` and `*_bitrate` count datagrams on the wire; `rtp_*` and `rtx_*` RTP packets before encryption, `rtx_*`
    also what was sent again as it was.
    """

    transport_id: TransportId
    timestamp: int
    bytes_received: int
    recv_bitrate: int
    bytes_sent: int
    send_bitrate: int
    rtp_bytes_received: int
    rtp_recv_bitrate: int
    rtp_bytes_sent: int
    rtp_send_bitrate: int
    rtx_bytes_received: int
    rtx_recv_bitrate: int
    rtx_bytes_sent: int
    rtx_send_bitrate: int
    drops: tuple[DropCount, ...]


class TransportStats(_AnyTransport, tag="webrtc-transport"):
    """A WebRTC transport."""

    ice_role: Literal["controlled"]
    ice_state: IceState
    ice_selected_tuple: TransportTuple | Absent = ABSENT
    dtls_state: DtlsState
    rtp_packet_loss_received: float | Absent = ABSENT


class PipeTransportStats(_AnyTransport, tag="pipe-transport"):
    """One end of a pipe. `addresses` is `tuple` on the wire."""

    addresses: PipeTuple = msgspec.field(name="tuple")
    srtp: bool
    rtx: bool


AnyTransportStats: TypeAlias = TransportStats | PipeTransportStats


class _StreamStats(Wire, tag_field="type", tag=True):
    """What both directions have.

    Attributes:
        packets_lost: never came, nor will; without those that a retransmission repaired.
        packets_lost_before_repair: did not come at first.
        fraction_lost: of the last report's interval, before repair, in 256ths.
        packets_discarded: came, and were dropped.
        packets_retransmitted: packets that were sent again (in: that came as RTX).
        packets_repaired: of the missing ones, those that came in the end.
        round_trip_time: milliseconds; absent while it is not known.
        byte_count: of whole RTP packets before encryption, without RTX.
    """

    timestamp: int
    ssrc: int
    rtx_ssrc: int | Absent = ABSENT
    rid: str | Absent = ABSENT
    kind: MediaKind
    mime_type: str
    packet_count: int
    byte_count: int
    bitrate: int
    packets_lost: int
    packets_lost_before_repair: int
    fraction_lost: int
    packets_discarded: int
    packets_retransmitted: int
    packets_repaired: int
    nack_count: int
    nack_packet_count: int
    pli_count: int
    fir_count: int
    score: int
    round_trip_time: float | Absent = ABSENT
    drops: tuple[DropCount, ...]


class InboundRtpStats(_StreamStats, tag="inbound-rtp"):
    """A stream that comes from a producer.

    `jitter` is in units of the RTP clock (RFC 3550 A.8); keys of `bitrate_by_layer` are "spatial.temporal", the bitrate
    up to that layer; there are none where there is one layer.
    """

    jitter: int
    bitrate_by_layer: dict[str, int]


class OutboundRtpStats(_StreamStats, tag="outbound-rtp"):
    """A stream that goes to a consumer: what its receiver reports of it."""


RtpStats: TypeAlias = InboundRtpStats | OutboundRtpStats


class ProducerStatsPayload(Wire):
    """A producer: its transport, and each of its streams that was heard, in the order of the encodings."""

    id: ProducerId
    at: int
    transport: AnyTransportStats
    streams: tuple[InboundRtpStats, ...]


class ConsumerStatsPayload(Wire):
    """A consumer: its transport, what it is sent, and (if known) the stream of its producer that this is."""

    id: ConsumerId
    at: int
    transport: AnyTransportStats
    streams: tuple[RtpStats, ...]


class PipeTransportStatsPayload(Wire):
    """One end of a pipe, and all streams that come and go over it."""

    id: TransportId
    at: int
    transport: PipeTransportStats
    streams: tuple[RtpStats, ...]


class RouterTotals(Wire):
    """All transports of a router together, closed ones included. Packets and bytes are datagrams on the wire."""

    packets_received: int
    bytes_received: int
    recv_bitrate: int
    packets_sent: int
    bytes_sent: int
    send_bitrate: int
    drops: tuple[DropCount, ...]


class RouterStatsPayload(Wire):
    """A router and its transports."""

    router_id: RouterId
    at: int
    totals: RouterTotals
    transports: tuple[AnyTransportStats, ...]


# ------------------------------------------------------------------ samples: the same, short, of all there is


class TransportSample(Wire):
    """A transport now; as in its stats."""

    transport_id: TransportId
    bytes_received: int
    recv_bitrate: int
    bytes_sent: int
    send_bitrate: int


class EncodingSample(Wire):
    """A stream of a producer now; as in its stats, but `jitter`, which is in milliseconds."""

    ssrc: int
    rid: str | Absent = ABSENT
    packet_count: int
    byte_count: int
    bitrate: int
    packets_lost: int
    packets_repaired: int
    jitter: float
    score: int
    round_trip_time: float | Absent = ABSENT


class ProducerSample(Wire):
    """A producer now; one that is piped is there once for each of its routers."""

    router_id: RouterId
    producer_id: ProducerId
    encodings: tuple[EncodingSample, ...]


class ConsumerSample(Wire):
    """A consumer now; as in its stats."""

    consumer_id: ConsumerId
    packet_count: int
    byte_count: int
    bitrate: int
    packets_lost: int
    packets_retransmitted: int
    fraction_lost: int
    score: int
    round_trip_time: float | Absent = ABSENT
    current_layers: ConsumerLayers | Absent = ABSENT


class EngineSample(Wire):
    """All transports, producers and consumers of an engine at one moment."""

    transports: tuple[TransportSample, ...]
    producers: tuple[ProducerSample, ...]
    consumers: tuple[ConsumerSample, ...]
