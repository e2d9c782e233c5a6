"""A sample as it is written on the feed."""

from __future__ import annotations

import pytest

from labsfu.errors import InvalidValue
from labsfu.wire.base import to_json
from labsfu.wire.feed import Measurement, Sample, decode_frame, encode_sample
from labsfu.wire.ids import ConsumerId, ProducerId, RouterId, TransportId, WorkerId
from labsfu.wire.payloads import WorkerInfo
from labsfu.wire.rtp import ConsumerLayers
from labsfu.wire.stats import ConsumerSample, EncodingSample, EngineCounts, ProducerSample, TransportSample

COUNTS = EngineCounts(
    routers=1,
    transports=2,
    producers=1,
    consumers=1,
    packets_received=3,
    bytes_received=300,
    packets_sent=4,
    bytes_sent=400,
    unsent_packets=0,
    forwarded_packets=2,
    drops=(),
)
WORKER = WorkerInfo(
    id=WorkerId("w-1"),
    pid=7,
    state="running",
    listen=("udp:127.0.0.1:4000",),
    load=0.25,
    participant_count=3,
    cpu_seconds=0.5,
    rss_bytes=1,
    router_count=1,
    producer_count=1,
    consumer_count=1,
    forwarded_packets_per_second=2.0,
    media=COUNTS,
)
TRANSPORT = TransportSample(
    transport_id=TransportId("t-1"), bytes_received=1, recv_bitrate=2, bytes_sent=3, send_bitrate=4
)
ENCODING = EncodingSample(
    ssrc=7,
    rid="r0",
    packet_count=1,
    byte_count=2,
    bitrate=3,
    packets_lost=4,
    packets_repaired=5,
    jitter=6.5,
    score=10,
    round_trip_time=7.25,
)
CONSUMER = ConsumerSample(
    consumer_id=ConsumerId("c-1"),
    packet_count=1,
    byte_count=2,
    bitrate=3,
    packets_lost=4,
    packets_retransmitted=5,
    fraction_lost=6,
    score=9,
    current_layers=ConsumerLayers(spatial_layer=1, temporal_layer=2),
)
MEASUREMENT = Measurement(
    at=1700,
    workers=(WORKER,),
    transports=(TRANSPORT,),
    producers=(ProducerSample(router_id=RouterId("r-1"), producer_id=ProducerId("p-1"), encodings=(ENCODING,)),),
    consumers=(CONSUMER,),
)
TEXT = (
    '{"kind":"sample","interval":500,"at":1700,'
    '"workers":[{"id":"w-1","pid":7,"state":"running","listen":["udp:127.0.0.1:4000"],"load":0.25,'
    '"participantCount":3,"cpuSeconds":0.5,"rssBytes":1,"routerCount":1,'
    '"producerCount":1,"consumerCount":1,"forwardedPacketsPerSecond":2.0,"media":{"routers":1,"transports":2,'
    '"producers":1,"consumers":1,"packetsReceived":3,"bytesReceived":300,"packetsSent":4,"bytesSent":400,'
    '"unsentPackets":0,"forwardedPackets":2,"drops":[]}}],'
    '"transports":[{"transportId":"t-1","bytesReceived":1,"recvBitrate":2,"bytesSent":3,"sendBitrate":4}],'
    '"producers":[{"routerId":"r-1","producerId":"p-1","encodings":[{"ssrc":7,"rid":"r0","packetCount":1,"byteCount":2,"bitrate":3,'
    '"packetsLost":4,"packetsRepaired":5,"jitter":6.5,"score":10,"roundTripTime":7.25}]}],'
    '"consumers":[{"consumerId":"c-1","packetCount":1,"byteCount":2,"bitrate":3,"packetsLost":4,'
    '"packetsRetransmitted":5,"fractionLost":6,"score":9,"currentLayers":{"spatialLayer":1,"temporalLayer":2}}]}'
)


def test_a_sample_as_it_is_written() -> None:
    assert encode_sample(to_json(MEASUREMENT), 500) == TEXT.encode()
    assert decode_frame(TEXT) == Sample(
        interval=500,
        at=MEASUREMENT.at,
        workers=MEASUREMENT.workers,
        transports=MEASUREMENT.transports,
        producers=MEASUREMENT.producers,
        consumers=MEASUREMENT.consumers,
    )


@pytest.mark.parametrize("cut", ['"at":1700,', '"interval":500,', '"ssrc":7,'])
def test_what_lacks_something_is_refused(cut: str) -> None:
    assert cut in TEXT
    with pytest.raises(InvalidValue):
        decode_frame(TEXT.replace(cut, ""))
