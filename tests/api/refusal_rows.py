"""For each route a request that is accepted in the scene: what each refused request differs from in one point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, TypeAlias

from labsfu.api.app import ROUTES
from labsfu.api.routing import AnyRoute, Route

Json: TypeAlias = dict[str, Any]

RTP: Json = {
    "mid": "a",
    "codecs": [
        {
            "mimeType": "audio/opus",
            "payloadType": 111,
            "clockRate": 48000,
            "channels": 2,
            "parameters": {"useinbandfec": 1},
            "rtcpFeedback": [{"type": "transport-cc", "parameter": ""}],
        }
    ],
    "headerExtensions": [
        {"uri": "urn:ietf:params:rtp-hdrext:sdes:mid", "id": 4, "encrypt": False, "parameters": {"x": 1.5}}
    ],
    "encodings": [
        {
            "ssrc": 7,
            "rid": "r0",
            "codecPayloadType": 111,
            "dtx": False,
            "scalabilityMode": "L1T1",
            "scaleResolutionDownBy": 1.5,
            "maxBitrate": 64000,
            "active": True,
        }
    ],
    "rtcp": {"cname": "c", "reducedSize": True},
}
CAPABILITIES: Json = {
    "codecs": [
        {
            "kind": "audio",
            "mimeType": "audio/opus",
            "clockRate": 48000,
            "preferredPayloadType": 100,
            "channels": 2,
            "parameters": {"useinbandfec": 1},
            "rtcpFeedback": [{"type": "transport-cc", "parameter": ""}],
        }
    ],
    "headerExtensions": [
        {
            "kind": "audio",
            "uri": "urn:ietf:params:rtp-hdrext:sdes:mid",
            "preferredId": 4,
            "preferredEncrypt": False,
            "direction": "sendrecv",
        }
    ],
}
LAYERS: Json = {"spatialLayer": 0, "temporalLayer": 0}
DTLS: Json = {"role": "client", "fingerprints": [{"algorithm": "sha-256", "value": ":".join(["AB"] * 32)}]}
SRTP: Json = {"cryptoSuite": "AEAD_AES_256_GCM", "keyBase64": "A" * 59 + "="}
APP_DATA: Json = {"seat": [1, {"x": None}]}
APP_DATA_TOO_DEEP: Json = reduce(lambda inner, _: {"a": inner}, range(32), {})


@dataclass(frozen=True)
class Row:
    """A request that is accepted.

    Attributes:
        path: what stands for each parameter of the path; `<name>` is an id of the scene.
        query: every parameter that the route takes.
        body: with every key that may be in it.
        makes: parameters of the path that name what is to be made, and so need not be known.
    """

    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Json | None = None
    makes: frozenset[str] = frozenset()


ROUTER = {"routerId": "<router>"}
PRODUCER = ROUTER | {"producerId": "<producer>"}
CONSUMER = ROUTER | {"consumerId": "<consumer>"}
PIPE = ROUTER | {"pipeTransportId": "<pipe>"}
CYD = {"roomId": "open", "participantId": "cyd"}
NEW = {"roomId": "open", "participantId": "new"}
AS_HOST = {"participantType": "host", "displayName": "New", "shareScreen": "false"}
_P, _C = "/sfu/routers/{routerId}/producers", "/sfu/routers/{routerId}/consumers"
_ONE_P, _ONE_C = f"{_P}/{{producerId}}", f"{_C}/{{consumerId}}"
_PIPES = "/sfu/routers/{routerId}/pipe-transports"
_ONE_PIPE = f"{_PIPES}/{{pipeTransportId}}"
_SEAT = "/rooms/{roomId}/participants/{participantId}"

ROWS: dict[str, Row] = {
    "GET /healthz": Row(),
    "GET /readyz": Row(),
    "GET /metrics": Row(),
    "GET /openapi.json": Row(),
    "GET /docs": Row(),
    "GET /sfu": Row(),
    "POST /sfu/reset": Row(),
    "WS /sfu/events": Row(query={"since": "0", "epoch": "epoch-1", "interval": "1000"}),
    "POST /sfu/routers": Row(query={"participantCount": "2"}),
    "GET /sfu/routers": Row(),
    "GET /sfu/routers/{routerId}": Row(ROUTER),
    "GET /sfu/routers/{routerId}/active-speaker": Row(ROUTER),
    "GET /sfu/routers/{routerId}/audio-level": Row(ROUTER),
    "GET /sfu/routers/{routerId}/stats": Row(ROUTER),
    "DELETE /sfu/routers/{routerId}": Row(ROUTER),
    f"POST {_P}": Row(
        ROUTER,
        {"participantId": "dan"},
        {"kind": "audio", "rtpParameters": RTP, "paused": True, "appData": APP_DATA},
    ),
    f"GET {_P}": Row(ROUTER),
    f"GET {_ONE_P}": Row(PRODUCER),
    f"PUT {_ONE_P}": Row(
        ROUTER | {"producerId": "<pending>"},
        body={
            "kind": "audio",
            "rtpParameters": RTP,
            "paused": True,
            "encodings": [{"active": False, "maxBitrate": 32000}],
            "appData": APP_DATA,
        },
    ),
    f"POST {_ONE_P}/connect": Row(PRODUCER, body={"dtlsParameters": DTLS}),
    f"POST {_ONE_P}/pause": Row(PRODUCER),
    f"POST {_ONE_P}/resume": Row(PRODUCER),
    f"POST {_ONE_P}/restart-ice": Row(PRODUCER),
    f"GET {_ONE_P}/stats": Row(PRODUCER),
    f"DELETE {_ONE_P}": Row(PRODUCER),
    f"POST {_ONE_P}/consumers": Row(
        PRODUCER,
        {"participantId": "dan"},
        {
            "rtpCapabilities": CAPABILITIES,
            "paused": False,
            "preferredLayers": LAYERS,
            "priority": 9,
            "appData": APP_DATA,
        },
    ),
    f"GET {_C}": Row(ROUTER),
    f"GET {_ONE_C}": Row(CONSUMER),
    f"PUT {_ONE_C}": Row(
        CONSUMER, body={"preferredLayers": LAYERS, "priority": 9, "paused": False, "maxBitrate": 64000}
    ),
    f"POST {_ONE_C}/connect": Row(CONSUMER, body={"dtlsParameters": DTLS}),
    f"POST {_ONE_C}/pause": Row(CONSUMER),
    f"POST {_ONE_C}/resume": Row(CONSUMER),
    f"POST {_ONE_C}/restart-ice": Row(CONSUMER),
    f"POST {_ONE_C}/request-key-frame": Row(CONSUMER),
    f"GET {_ONE_C}/stats": Row(CONSUMER),
    f"DELETE {_ONE_C}": Row(CONSUMER),
    f"POST {_PIPES}": Row(ROUTER, body={"listenIp": "192.0.2.1", "port": 5000, "enableSrtp": True, "enableRtx": True}),
    f"GET {_PIPES}": Row(ROUTER),
    f"GET {_ONE_PIPE}": Row(PIPE),
    f"GET {_ONE_PIPE}/stats": Row(PIPE),
    f"POST {_ONE_PIPE}/connect": Row(
        ROUTER | {"pipeTransportId": "<srtp_pipe>"},
        {"remoteHostIp": "192.0.2.9", "remoteHostPort": "4000"},
        {"srtpParameters": SRTP},
    ),
    f"POST {_ONE_PIPE}/consumers/{{producerId}}": Row(
        PIPE | PRODUCER, body={"rtpCapabilities": CAPABILITIES, "paused": True, "appData": APP_DATA}
    ),
    f"POST {_ONE_PIPE}/producers/{{producerId}}": Row(
        PIPE | {"producerId": "<nowhere>"},
        {"participantId": "dan"},
        {"kind": "audio", "rtpParameters": RTP, "paused": True, "appData": APP_DATA},
        makes=frozenset({"producerId"}),
    ),
    f"DELETE {_ONE_PIPE}": Row(PIPE),
    f"POST {_ONE_P}/pipe/{{destinationRouterId}}": Row(PRODUCER | {"destinationRouterId": "<other_router>"}),
    "POST /rooms": Row(query={"roomType": "conference", "roomSize": "4", "roomId": "fresh"}),
    "GET /rooms": Row(),
    "GET /rooms/{roomId}": Row({"roomId": "open"}),
    "GET /rooms/{roomId}/active-speaker": Row({"roomId": "open"}),
    "GET /rooms/{roomId}/audio-level": Row({"roomId": "open"}),
    "DELETE /rooms/{roomId}": Row({"roomId": "open"}),
    f"POST {_SEAT}": Row(NEW, AS_HOST, makes=frozenset({"participantId"})),
    "GET /rooms/{roomId}/participants": Row({"roomId": "open"}),
    f"GET {_SEAT}": Row(CYD),
    f"DELETE {_SEAT}": Row(CYD),
    f"WS {_SEAT}/connect": Row(CYD),
    f"WS {_SEAT}/create-and-connect": Row(
        NEW, AS_HOST | {"roomType": "conference", "roomSize": "4"}, makes=frozenset({"roomId", "participantId"})
    ),
    "WS /ws": Row(query={"roomId": "open"}),
}


def name_of(route: AnyRoute) -> str:
    """What a route is called here."""
    return f"{route.method} {route.path}" if isinstance(route, Route) else f"WS {route.path}"


BY_NAME: dict[str, AnyRoute] = {name_of(route): route for route in ROUTES}
