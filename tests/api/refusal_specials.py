"""The refusals that only some routes have, written out."""

from __future__ import annotations

from collections.abc import Iterator

from tests.api.refusal_case import (
    FULL_OF_PEOPLE,
    FULL_OF_ROOMS,
    FULL_OF_ROUTERS,
    FULL_OF_TRANSPORTS,
    FULL_OF_WATCHERS,
    ONE_CONSUMER,
    ONE_PRODUCER,
    ONE_STREAM,
    Case,
    change,
)
from tests.api.refusal_rows import CAPABILITIES, DTLS, RTP, SRTP, Json

_P, _C = "/sfu/routers/{routerId}/producers", "/sfu/routers/{routerId}/consumers"
_ONE_P, _ONE_C = f"{_P}/{{producerId}}", f"{_C}/{{consumerId}}"
_SEAT = "/rooms/{roomId}/participants/{participantId}"
_PIPES = "/sfu/routers/{routerId}/pipe-transports"
_ONE_PIPE = f"{_PIPES}/{{pipeTransportId}}"
_FROM_PIPE = f"POST {_ONE_PIPE}/producers/{{producerId}}"
_COMPLETING = {"producerId": "<producer>"}


def _video(encodings: object = ({"ssrc": 7},)) -> Json:
    codecs = [{"mimeType": "video/VP8", "payloadType": 96, "clockRate": 90000}]
    return {"kind": "video", "rtpParameters": {"mid": "v", "codecs": codecs, "encodings": encodings}}


def _audio(**changes: object) -> Json:
    return {"kind": "audio", "rtpParameters": {**RTP, **changes}}


_SPEEX = {"mimeType": "audio/speex", "payloadType": 97, "clockRate": 16000}
_RIDS = [{"rid": "r0"}, {"rid": "r1"}]
_UNSUPPORTED: dict[str, tuple[Json, int, str, str]] = {
    "codec": (_audio(codecs=[_SPEEX], encodings=[{"ssrc": 7}]), 422, "unsupported-codec", "audio/speex"),
    "simulcast of audio": (
        _audio(encodings=_RIDS),
        422,
        "unsupported-simulcast",
        "audio/opus",
    ),
    "layers of audio": (
        _audio(encodings=[{"ssrc": 7, "scalabilityMode": "L1T2"}]),
        422,
        "unsupported-scalability-mode",
        "L1T2",
    ),
}
_CONTRADICTORY: dict[str, tuple[Json, int, str, str]] = {
    "no codec": (_audio(codecs=[]), 400, "invalid-rtp-parameters", "codec"),
    "empty mid": (_audio(mid=""), 400, "invalid-rtp-parameters", "mid"),
    "video as audio": (_video() | {"kind": "audio"}, 400, "invalid-rtp-parameters", "video/VP8"),
    "kind alone": ({"kind": "audio"}, 400, "incomplete-producer", "rtpParameters"),
    "parameters alone": ({"rtpParameters": RTP}, 400, "incomplete-producer", "kind"),
}


def written_out() -> Iterator[Case]:
    yield from _media_cases()
    yield from _state_cases()
    yield from _pipe_cases()
    yield from _room_cases()
    yield from _limit_cases()
    for path in ("/", "/nowhere", "/sfu/routers/<router>/nothing", "/rooms/open/people"):
        yield Case("unknown path", "anywhere", path, "GET", path, 404, "route-not-found", f"'{path}'")
        yield Case("unknown path", "anywhere", f"socket {path}", "WS", path, 404, "route-not-found", f"'{path}'")


def _media_cases() -> Iterator[Case]:
    for name in (f"POST {_P}", f"PUT {_ONE_P}"):
        for what, (body, status, slug, named) in _UNSUPPORTED.items():
            yield change(name, "unsupported", what, status, slug, named, body=body)
        for what, (body, status, slug, named) in _CONTRADICTORY.items():
            yield change(name, "contradictory", what, status, slug, named, body=body)
    for what, (body, status, slug, named) in _UNSUPPORTED.items():
        yield change(_FROM_PIPE, "unsupported", what, status, slug, named, body=body)
    for what, (body, status, slug, named) in _CONTRADICTORY.items():
        if slug != "incomplete-producer":
            yield change(_FROM_PIPE, "contradictory", what, status, slug, named, body=body)
    lacking: Json = {"rtpCapabilities": {"codecs": []}}
    codec = {**CAPABILITIES["codecs"][0], "clockRate": 0}
    wrong = {"rtpCapabilities": {**CAPABILITIES, "codecs": [codec]}}
    for name in (f"POST {_ONE_P}/consumers", f"POST {_ONE_PIPE}/consumers/{{producerId}}"):
        yield change(name, "unsupported", "no common codec", 422, "no-common-codec", "audio/opus", body=lacking)
        yield change(name, "contradictory", "clock", 400, "invalid-rtp-capabilities", "clockRate 0", body=wrong)
    encodings: Json = {"encodings": [{}, {}]}
    for body, path in [(encodings | _audio(), {}), (encodings, _COMPLETING)]:
        what = f"encodings of {path or 'pending'}"
        named = "encodings has 2"
        yield change(f"PUT {_ONE_P}", "contradictory", what, 400, "invalid-encodings", named, body=body, path=path)
    none = {"dtlsParameters": {**DTLS, "fingerprints": []}}
    for name in (f"POST {_ONE_P}/connect", f"POST {_ONE_C}/connect"):
        yield change(name, "contradictory", "no fingerprint", 400, "invalid-dtls-parameters", "fingerprints", body=none)


def _state_cases() -> Iterator[Case]:
    for name, kind in [(_ONE_P, "producer"), (_ONE_C, "consumer")]:
        connected, shared = (
            {f"{kind}Id": f"<connected_{kind}>"},
            {"routerId": "<room_router>", f"{kind}Id": f"<shared_{kind}>"},
        )
        yield change(
            f"POST {name}/connect",
            "wrong state",
            "twice",
            409,
            "transport-already-connected",
            "transport '",
            path=connected,
        )
        for action in ("connect", "restart-ice"):
            yield change(
                f"POST {name}/{action}",
                "wrong state",
                "shared",
                409,
                "transport-shared",
                f"'<shared_{kind}>'",
                path=shared,
            )
    put = f"PUT {_ONE_P}"
    for what, body in [("another kind", _video()), ("another codec", _audio(codecs=[_SPEEX]))]:
        yield change(put, "wrong state", what, 409, "producer-complete", "'<producer>'", path=_COMPLETING, body=body)
    yield change(
        put,
        "wrong state",
        "no media yet",
        409,
        "producer-incomplete",
        "'<pending>'",
        body={"encodings": [{"active": True}]},
    )
    yield change(
        f"POST {_ONE_P}/consumers",
        "wrong state",
        "no media yet",
        409,
        "producer-incomplete",
        "'<pending>'",
        path={"producerId": "<pending>"},
    )


def _pipe_cases() -> Iterator[Case]:
    yield from _pipe_end_cases()
    in_room = {"routerId": "<room_router>", "pipeTransportId": "<room_pipe>"}
    rids: Json = {"encodings": [{"ssrc": 7, "rid": "r9"}]}
    for what, slug, named, changes in [
        ("a producer", "producer-exists", "'<producer>'", {"path": {"producerId": "<producer>"}}),
        ("a pending one", "producer-exists", "'<pending>'", {"path": {"producerId": "<pending>"}}),
        ("a piped one", "producer-exists", "'<piped_producer>'", {"path": {"producerId": "<piped_producer>"}}),
        (
            "a room's",
            "producer-exists",
            "'<shared_producer>'",
            {"path": in_room | {"producerId": "<shared_producer>"}},
        ),
        ("ann is here", "participant-exists", "'ann'", {"path": in_room, "query": {"participantId": "ann"}}),
        ("its SSRC", "ssrc-in-use", "99", {"body": _audio(encodings=[{"ssrc": 99}])}),
        ("its MID", "mid-in-use", "'m'", {"body": _audio(mid="m")}),
        ("its RID", "rid-in-use", "'r9'", {"body": {"kind": "audio", "rtpParameters": _without_mid() | rids}}),
    ]:
        yield change(_FROM_PIPE, "wrong state", what, 409, slug, named, **changes)
    to_router = f"POST {_ONE_P}/pipe/{{destinationRouterId}}"
    itself, pending = {"destinationRouterId": "<router>"}, {"producerId": "<pending>"}
    yield change(to_router, "wrong state", "to itself", 409, "pipe-to-itself", "'<router>'", path=itself)
    for name in (to_router, f"POST {_ONE_PIPE}/consumers/{{producerId}}"):
        yield change(name, "wrong state", "no media", 409, "producer-incomplete", "'<pending>'", path=pending)


def _pipe_end_cases() -> Iterator[Case]:
    """What is wrong with one end of a pipe itself."""
    create, connect = f"POST {_PIPES}", f"POST {_ONE_PIPE}/connect"
    for ip in ("somewhere", "", "300.1.1.1"):
        yield change(create, "contradictory", ip, 400, "invalid-listen-ip", f"'{ip}'", body={"listenIp": ip})
        query = {"remoteHostIp": ip}
        yield change(connect, "contradictory", ip, 400, "invalid-remote-address", f"'{ip}'", query=query)
    for ip in ("0.0.0.0", "224.0.0.1", "2001:db8::9"):
        query = {"remoteHostIp": ip}
        yield change(connect, "contradictory", ip, 400, "invalid-remote-address", f"'{ip}'", query=query)
    yield change(create, "wrong state", "port", 409, "port-in-use", "50000", body={"port": 50000})
    plain, twice = {"pipeTransportId": "<pipe>"}, {"pipeTransportId": "<connected_pipe>"}
    slug = "srtp-parameters-not-enabled"
    yield change(connect, "contradictory", "keys for none", 400, slug, "'<pipe>'", path=plain)
    yield change(connect, "contradictory", "no keys", 400, "srtp-parameters-required", "'<srtp_pipe>'", body={})
    for key, named in [("%", "base64"), ("AAAA", "3 octets"), ("A" * 60 + "AA==", "46 octets")]:
        body: Json = {"srtpParameters": SRTP | {"keyBase64": key}}
        yield change(connect, "contradictory", key, 400, "invalid-srtp-parameters", named, body=body)
    slug = "transport-already-connected"
    yield change(connect, "wrong state", "twice", 409, slug, "'<connected_pipe>'", path=twice, body={})


def _without_mid() -> Json:
    return {key: value for key, value in RTP.items() if key != "mid"}


def _room_cases() -> Iterator[Case]:
    make, seat, both = "POST /rooms", f"POST {_SEAT}", f"WS {_SEAT}/create-and-connect"
    call = {"roomType": "call", "roomSize": "3"}
    yield change(make, "contradictory", "a call of 3", 400, "invalid-room-size", "3", query=call)
    fresh = {"roomId": "fresh"}
    yield change(both, "contradictory", "a call of 3", 400, "invalid-room-size", "3", query=call, path=fresh)
    yield change(make, "wrong state", "there is one", 409, "room-exists", "'open'", query={"roomId": "open"})
    cyd, full = {"participantId": "cyd"}, {"roomId": "room"}
    yield change(seat, "wrong state", "there is one", 409, "participant-exists", "'cyd'", path=cyd)
    viewer, talk = {"participantType": "viewer"}, {"roomType": "broadcast"}
    yield change(both, "wrong state", "a host", 409, "participant-type-differs", "'cyd'", path=cyd, query=viewer)
    yield change(both, "wrong state", "a conference", 409, "room-type-differs", "'open'", query=talk)
    yield change("WS /ws", "wrong state", "a call", 409, "room-type-differs", "'phone'", query={"roomId": "phone"})
    for name in (seat, both):
        yield change(name, "full room", "", 409, "room-full", "'room'", path=full)
    yield change("WS /ws", "full room", "", 409, "room-full", "'room'", query=full)
    ahead, alone = {"since": "1000000"}, {"since": None}
    yield change("WS /sfu/events", "wrong state", "ahead", 400, "since-ahead", "1000000", query=ahead)
    yield change("WS /sfu/events", "missing parameter", "since", 400, "missing-parameter", "'since'", query=alone)


def _limit_cases() -> Iterator[Case]:
    both, fresh = f"WS {_SEAT}/create-and-connect", {"roomId": "fresh"}
    makes_room: list[tuple[str, Json]] = [("POST /rooms", {}), (both, {"path": fresh}), ("WS /ws", {"query": fresh})]
    for name, changes in makes_room:
        yield change(name, "limits", "rooms", 409, "too-many-rooms", "3 rooms", config=FULL_OF_ROOMS, **changes)
    for name, changes in [("POST /sfu/routers", {}), *makes_room]:
        yield change(name, "limits", "routers", 409, "too-many-routers", "5 routers", config=FULL_OF_ROUTERS, **changes)
    consume, owner = f"POST {_ONE_P}/consumers", {"participantId": "of-consumer"}
    for name in (f"POST {_P}", consume, f"POST {_PIPES}", f"POST {_ONE_P}/pipe/{{destinationRouterId}}"):
        named = "16 transports"
        yield change(name, "limits", "transports", 409, "too-many-transports", named, config=FULL_OF_TRANSPORTS)
    named = "'of-consumer' has 1"
    yield change(consume, "limits", "consumers", 409, "too-many-consumers", named, query=owner, config=ONE_CONSUMER)
    for what, other in ("consumers", {}), ("producers", {"producerId": "00000000-0000-4000-8000-00000000001b"}):
        name, named = f"POST {_ONE_PIPE}/{what}/{{producerId}}", "'<pipe>' has 1"
        path = {"pipeTransportId": "<pipe>"} | other
        yield change(name, "limits", "streams", 409, "too-many-streams", named, path=path, config=ONE_STREAM)
    named = "0 are watching"
    yield change("WS /sfu/events", "limits", "watchers", 409, "too-many-watchers", named, config=FULL_OF_WATCHERS)
    for name, changes in [(f"POST {_SEAT}", {}), (both, {}), ("WS /ws", {}), *makes_room[1:]]:
        what = f"people {changes}"
        yield change(
            name, "limits", what, 409, "too-many-participants", "3 participants", config=FULL_OF_PEOPLE, **changes
        )
    owner = {"participantId": "of-producer"}
    for what, body in [("producers", _audio()), ("transports", {})]:
        named = "'of-producer' has 1"
        yield change(
            f"POST {_P}", "limits", what, 409, "too-many-producers", named, query=owner, body=body, config=ONE_PRODUCER
        )
