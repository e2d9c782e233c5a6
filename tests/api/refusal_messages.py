"""Every message of the participant socket x every refusal that applies, and the room in which they are said."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, get_args

import msgspec

from labsfu.config import Config
from labsfu.wire import socket as wire
from labsfu.wire.ids import ConsumerId, ProducerId
from labsfu.wire.rtp import MediaKind
from tests.api.refusal_rows import APP_DATA, APP_DATA_TOO_DEEP, CAPABILITIES, LAYERS, RTP, Json
from tests.api.refusal_rows import DTLS as DTLS_JSON
from tests.api.refusal_scene import DTLS, Scene
from tests.api.wrong_shapes import wrong_shapes
from tests.support.api_world import JOIN, Peer, ServedWorld, serving_engine
from tests.support.engine_worker import EngineWorker
from tests.support.media import audio_parameters, video_parameters

CONFIG = Config(max_producers_per_participant=2)


@dataclass(frozen=True)
class Room:
    """Ann sends two streams, ben receives one, eve has not said what she can, vic only watches; dan is elsewhere."""

    scene: Scene
    peers: Mapping[str, Peer]


@asynccontextmanager
async def a_room() -> AsyncIterator[Room]:
    """The room, over real sockets and a real engine."""
    async with serving_engine(CONFIG) as served:
        scene = Scene(served, {"nowhere": "00000000-0000-4000-8000-000000000000"})
        peers = {"ann": await _join(served, "ann")}
        ann = peers["ann"]
        await ann.say(wire.ConnectProducerTransport(dtls_parameters=DTLS))
        await ann.expect(wire.ConnectedProducerTransport)
        await ann.say_text(json.dumps({"action": "Init", "requestId": 0, "rtpCapabilities": CAPABILITIES}))
        await ann.expect(wire.Initialized)
        closed = await _produce(ann, MediaKind.AUDIO)
        await ann.say(wire.ProducerClose(id=closed))
        await ann.expect(wire.ProducerRemoved)
        audio, video = await _produce(ann, MediaKind.AUDIO), await _produce(ann, MediaKind.VIDEO)
        for name in ("ben", "eve", "vic"):
            peers[name] = await _join(served, name, "viewer" if name == "vic" else "host")
        peers["dan"] = await _join(served, "dan", room="elsewhere")
        away = await _produce(peers["dan"], MediaKind.AUDIO)
        consumer, gone = await _receive(peers["ben"], audio, video)
        scene.ids.update(audio=audio, video=video, closed=closed, away=away, consumer=consumer, gone=gone)
        for name in ("ann", "ben", "eve", "vic"):
            await _hush(peers[name])
        yield Room(scene, peers)


async def _join(served: ServedWorld[EngineWorker], name: str, type_: str = "host", room: str = "room") -> Peer:
    path = JOIN.format(name, name).replace("=host", f"={type_}").replace("/room/", f"/{room}/")
    peer = await served.connect(path)
    await peer.expect(wire.Init)
    return peer


async def _produce(peer: Peer, kind: MediaKind) -> ProducerId:
    parameters = audio_parameters() if kind is MediaKind.AUDIO else video_parameters()
    await peer.say(wire.ProduceRequest(kind=kind, rtp_parameters=parameters))
    return (await peer.expect(wire.Produced)).id


async def _receive(ben: Peer, audio: ProducerId, video: ProducerId) -> tuple[ConsumerId, ConsumerId]:
    """A consumer, and one that is closed."""
    await ben.say(wire.ConnectConsumerTransport(dtls_parameters=DTLS))
    await _until(ben, wire.ConnectedConsumerTransport)
    await ben.say_text(json.dumps({"action": "Init", "requestId": 1, "rtpCapabilities": CAPABILITIES}))
    await ben.expect(wire.Initialized)
    await ben.say(wire.ConsumeRequest(producer_id=audio))
    consumer = (await ben.expect(wire.Consumed)).id
    vp8 = {"codecs": [{"mimeType": "video/VP8", "clockRate": 90000, "preferredPayloadType": 101, "kind": "video"}]}
    await ben.say_text(json.dumps({"action": "Init", "requestId": 2, "rtpCapabilities": vp8}))
    await ben.expect(wire.Initialized)
    await ben.say(wire.ConsumeRequest(producer_id=video))
    gone = (await ben.expect(wire.Consumed)).id
    await ben.say(wire.ConsumerClose(id=gone))
    await ben.expect(wire.ConsumerClosed)
    return consumer, gone


async def _hush(peer: Peer) -> None:
    """Read what others did."""
    await peer.say(wire.RestartIceRequest(transport="producer"))
    await _until(peer, wire.IceRestarted)


async def _until(peer: Peer, type_: type[wire.ServerMessage]) -> None:
    while not isinstance(await peer.hear(), type_):
        pass


# ------------------------------------------------------------------ what is said

ROWS: dict[str, tuple[str, Json]] = {
    "Init": ("ben", {"rtpCapabilities": CAPABILITIES}),
    "ConnectProducerTransport": ("ben", {"dtlsParameters": DTLS_JSON}),
    "ConnectConsumerTransport": ("ann", {"dtlsParameters": DTLS_JSON}),
    "Produce": ("ben", {"kind": "audio", "rtpParameters": RTP, "paused": True, "appData": APP_DATA}),
    "Consume": ("ben", {"producerId": "<video>", "preferredLayers": LAYERS, "appData": APP_DATA}),
    "ConsumerResume": ("ben", {"id": "<consumer>"}),
    "ConsumerPause": ("ben", {"id": "<consumer>"}),
    "ConsumerClose": ("ben", {"id": "<consumer>"}),
    "ProducerPause": ("ann", {"id": "<audio>"}),
    "ProducerResume": ("ann", {"id": "<audio>"}),
    "ProducerClose": ("ann", {"id": "<audio>"}),
    "RequestKeyFrame": ("ben", {"id": "<consumer>"}),
    "SetPreferredLayers": ("ben", {"id": "<consumer>", "layers": LAYERS}),
    "SetPriority": ("ben", {"id": "<consumer>", "priority": 9}),
    "RestartIce": ("ben", {"transport": "producer"}),
    "GetStats": ("ben", {}),
    "Leave": ("eve", {}),
}
"""For each message one that is accepted, and who says it."""

TYPES: dict[str, type[wire.Request]] = {str(t.__struct_config__.tag): t for t in get_args(wire.ClientMessage)}


@dataclass(frozen=True)
class Said:
    """A message that is refused."""

    column: str
    action: str
    what: str
    sender: str
    text: str
    slug: str
    named: str

    def __str__(self) -> str:
        return f"{self.column}: {self.action}: {self.what}"


def all_messages() -> list[Said]:
    """The table."""
    return [*_unreadable(), *_wrong_shapes(), *_strangers(), *_written_out()]


def said(action: str, column: str, what: str, slug: str, named: str, sender: str = "", **changes: Any) -> Said:  # noqa: ANN401 - any JSON
    """The message of a row, changed."""
    who, fields = ROWS[action]
    text = json.dumps({"action": action, "requestId": what, **fields, **changes})
    return Said(column, action, what, sender or who, text, slug, named)


def _unreadable() -> Iterator[Said]:
    for text in ("{", "", "nonsense", "[" * 3000, '{"action": "Leave"} {}'):
        yield Said("no JSON", "", repr(text[:9]), "ben", text, "not-json", "JSON" if text[:2] != "[[" else "nested")
    for text in ("[]", "7", "null", "{}", '{"action": 7}'):
        yield Said("wrong shape", "", text, "ben", text, "wrong-shape", "")
    yield Said(
        "unknown action", "Dance", "", "ben", '{"action": "Dance", "requestId": ""}', "unknown-action", "'Dance'"
    )


def _wrong_shapes() -> Iterator[Said]:
    for action, (sender, fields) in ROWS.items():
        for number, wrong in enumerate(wrong_shapes(TYPES[action], fields)):
            if wrong.path != "$":
                what = f"{wrong.path} ({number})"
                text = json.dumps({"action": action, "requestId": what, **wrong.value})
                named = wrong.path.rpartition(".")[2]
                yield Said("wrong shape", action, what, sender, text, "wrong-shape", named if "[" not in named else "")
        text = json.dumps({"action": action, "requestId": [], **fields})
        yield Said("wrong shape", action, "requestId", sender, text, "wrong-shape", "requestId")


def _strangers() -> Iterator[Said]:
    for action in ROWS:
        kind = "producer" if action == "Consume" or action.startswith("Produce") else "consumer"
        key = "producerId" if action == "Consume" else "id"
        if key not in ROWS[action][1]:
            continue
        strangers = {"unknown id": "<nowhere>", "closed": "<gone>" if kind == "consumer" else "<closed>"}
        for column, id_ in strangers.items():
            yield said(action, column, key, f"{kind}-not-found", f"{kind} '{id_}'", **{key: id_})
        id_, sender = {"consumer": ("<consumer>", "ann"), "producer": ("<audio>", "ben")}[kind]
        if action == "Consume":
            id_ = "<away>"
        yield said(action, "id of another", key, f"{kind}-not-found", f"{kind} '{id_}'", sender, **{key: id_})


def _written_out() -> Iterator[Said]:
    for side, sender in [("Producer", "ann"), ("Consumer", "ben")]:
        connect = f"Connect{side}Transport"
        yield said(connect, "wrong state", "twice", "transport-already-connected", "transport '", sender)
        none = DTLS_JSON | {"fingerprints": []}
        slug = "invalid-dtls-parameters"
        yield said(connect, "contradictory", "no fingerprint", slug, "fingerprints", dtlsParameters=none)
    yield said("Consume", "wrong state", "before Init", "not-initialized", "Init", "eve")
    yield said("Consume", "wrong state", "again", "already-consumed", "'<audio>'", producerId="<audio>")
    yield said("Consume", "without the right", "one's own", "own-producer", "'<audio>'", "ann", producerId="<audio>")
    yield said("Produce", "without the right", "a viewer", "may-not-send", "viewer", "vic")
    yield said("Produce", "limits", "a third", "too-many-producers", "'ann' has 2", "ann")
    large = {"x": "y" * 16 * 1024}
    for action in ("Produce", "Consume"):
        yield said(action, "appData too large", "", "app-data-too-large", "appData is 16392 bytes", appData=large)
        detail = "nested deeper than 32"
        yield said(action, "appData too large", "deep", "app-data-too-large", detail, appData=APP_DATA_TOO_DEEP)
    speex = {"mimeType": "audio/speex", "payloadType": 97, "clockRate": 16000}
    wrong = {"codecs": [speex], "encodings": [{"ssrc": 7}]}
    yield said("Produce", "unsupported", "codec", "unsupported-codec", "audio/speex", rtpParameters=wrong)
    yield said("Produce", "contradictory", "mid", "invalid-rtp-parameters", "mid", rtpParameters=RTP | {"mid": ""})


async def refuse(room: Room, message: Said) -> None:
    """Raise AssertionError unless the message is refused as it should be and nothing changed."""
    before = room.scene.snapshot()
    peer = room.peers[message.sender]
    await peer.say_text(room.scene.fill_in(message.text))
    error = await peer.expect(wire.Error)
    assert (error.type, error.request_action) == (f"/problems/{message.slug}", message.action)
    assert room.scene.fill_in(message.named) in error.detail, error.detail
    if message.action and message.what != "requestId":
        assert error.request_id == message.what
    assert room.scene.snapshot() == before, "something changed"


async def accept(room: Room, action: str) -> wire.ServerMessage | object:
    """What answers the message of a row."""
    sender, fields = ROWS[action]
    text = json.dumps({"action": action, "requestId": 1, **fields})
    await room.peers[sender].say_text(room.scene.fill_in(text))
    return await room.peers[sender].hear()


def request_id_of(message: object) -> object:
    """The `requestId` of an answer."""
    return msgspec.to_builtins(message).get("requestId")
