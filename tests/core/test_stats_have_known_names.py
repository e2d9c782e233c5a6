"""Every payload's keys, written out: mediasoup's names (3.14, getStats), and ours beside them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from labsfu.wire import commands
from labsfu.wire.base import to_json
from tests.support.simulcast_call import Call as SimulcastCall
from tests.support.stats_call import StatsCall

STREAM = {
    "type", "timestamp", "ssrc", "rtxSsrc", "kind", "mimeType", "packetsLost", "fractionLost", "packetsDiscarded",
    "packetsRetransmitted", "packetsRepaired", "nackCount", "nackPacketCount", "pliCount", "firCount", "score",
    "packetCount", "byteCount", "bitrate",
}  # fmt: skip
"""Of mediasoup's RtpStreamRecv and RtpStreamSend; `rid` and `roundTripTime` where they are known."""

TRANSPORT = {
    "type", "transportId", "timestamp", "iceRole", "iceState", "iceSelectedTuple", "dtlsState", "bytesReceived",
    "recvBitrate", "bytesSent", "sendBitrate", "rtpBytesReceived", "rtpRecvBitrate", "rtpBytesSent", "rtpSendBitrate",
    "rtxBytesReceived", "rtxRecvBitrate", "rtxBytesSent", "rtxSendBitrate",
}  # fmt: skip
"""Of mediasoup's WebRtcTransport; `rtpPacketLossReceived` where it is known."""

OURS = {"drops"}
REPAIR = {"packetsLostBeforeRepair"}
INBOUND = {"jitter", "bitrateByLayer"}


def shown(value: object) -> Any:  # noqa: ANN401 - JSON
    return json.loads(to_json(value))


@pytest.fixture
def call() -> StatsCall:
    call = StatsCall()
    call.stream(10, 2)
    call.lab.send(call.sender.address, b"\xff" * 30)
    call.lab.pump()
    return call


def test_of_a_producer(call: StatsCall) -> None:
    stats = shown(call.producer_stats())
    assert set(stats) == {"id", "at", "transport", "streams"}
    assert set(stats["transport"]) == TRANSPORT | OURS
    (stream,) = stats["streams"]
    assert set(stream) == STREAM | INBOUND | REPAIR | OURS
    assert (stats["transport"]["type"], stream["type"]) == ("webrtc-transport", "inbound-rtp")
    assert set(stats["transport"]["iceSelectedTuple"]) == {
        "localIp", "localPort", "remoteIp", "remotePort", "protocol"
    }  # fmt: skip
    assert stats["transport"]["drops"] == [{"reason": "unknown-packet", "packets": 1}]


def test_of_a_consumer(call: StatsCall) -> None:
    call.report(lost=1, last_sr=1, delay=1)
    stats = shown(call.consumer_stats())
    assert set(stats) == {"id", "at", "transport", "streams"}
    outbound, inbound = stats["streams"]
    assert set(outbound) == STREAM | REPAIR | OURS | {"roundTripTime"}
    assert set(inbound) == STREAM | INBOUND | REPAIR | OURS
    assert outbound["type"] == "outbound-rtp"


def test_of_a_router(call: StatsCall) -> None:
    stats = shown(call.router_stats())
    assert set(stats) == {"routerId", "at", "totals", "transports"}
    assert set(stats["totals"]) == {
        "packetsReceived", "bytesReceived", "recvBitrate", "packetsSent", "bytesSent", "sendBitrate", "drops"
    }  # fmt: skip
    assert [set(transport) for transport in stats["transports"]] == [TRANSPORT | OURS] * 2


def test_of_a_sample() -> None:
    call = SimulcastCall()
    call.run(60)
    sample = shown(call.lab.do(commands.GetSamples(), commands.Sampled).sample)
    assert set(sample) == {"transports", "producers", "consumers"}
    assert set(sample["transports"][0]) == {
        "transportId", "bytesReceived", "recvBitrate", "bytesSent", "sendBitrate"
    }  # fmt: skip
    (producer,), (consumer,) = sample["producers"], sample["consumers"]
    assert set(producer) == {"routerId", "producerId", "encodings"}
    assert set(producer["encodings"][0]) == {
        "ssrc", "rid", "packetCount", "byteCount", "bitrate", "packetsLost", "packetsRepaired", "jitter", "score"
    }  # fmt: skip
    assert set(consumer) == {
        "consumerId", "packetCount", "byteCount", "bitrate", "packetsLost", "packetsRetransmitted", "fractionLost",
        "score", "currentLayers",
    }  # fmt: skip
