"""Frames of the event feed: their JSON as watchers of any kind read it, and back."""

import json
from typing import get_args

import hypothesis.strategies as st
import pytest
from hypothesis import given

from labsfu.errors import InvalidValue
from labsfu.wire import events
from labsfu.wire.base import ABSENT, to_json
from labsfu.wire.events import EngineEvent, Event, RoomEvent, WorkerEvent
from labsfu.wire.feed import Frame, Gap, Happened, Hello, decode_frame, encode_happened
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId, RoomId, RouterId, TransportId, WorkerId
from labsfu.wire.observers import AudioLevel
from labsfu.wire.rtp import ConsumerLayers, MediaKind
from labsfu.wire.sfu import ConsumerScore, ProducerScore
from labsfu.wire.stats import DropCount
from labsfu.wire.transport import IceState

ROOM, ADA, ROUTER = RoomId("tea"), ParticipantId("ada"), RouterId("r-1")

PAUSED = events.ProducerPaused(router_id=ROUTER, producer_id=ProducerId("p-1"))
DROPPED = events.PacketsDropped(
    router_id=ROUTER, producer_id=ProducerId("p-1"), drops=(DropCount(reason="producer-paused", packets=9),)
)
LOST = events.SocketClosed(room_id=ROOM, participant_id=ADA, reason="lost")
CONSUMER = ConsumerId("c-1")
LAYERS = events.ConsumerLayersChanged(
    router_id=ROUTER,
    consumer_id=CONSUMER,
    layers=ConsumerLayers(spatial_layer=2, temporal_layer=0),
    reason="preferred",
)
STOPPED = events.ConsumerLayersChanged(router_id=ROUTER, consumer_id=CONSUMER, reason="stopped")
P_SCORED = events.ProducerScored(
    router_id=ROUTER,
    producer_id=ProducerId("p-1"),
    score=(ProducerScore(encoding_idx=0, ssrc=7, rid="r0", score=10), ProducerScore(encoding_idx=1, ssrc=8, score=4)),
)
C_SCORED = events.ConsumerScored(
    router_id=ROUTER,
    consumer_id=CONSUMER,
    score=ConsumerScore(score=9, producer_score=4, producer_scores=(10, 4)),
)
LEVELS = events.AudioLevels(
    router_id=ROUTER,
    levels=(AudioLevel(producer_id=ProducerId("p-1"), participant_id=ADA, volume=-31),),
    silent=False,
)
SPEAKS = events.ActiveSpeaker(router_id=ROUTER, producer_id=ProducerId("p-1"), participant_id=ADA)
NOBODY_SPEAKS = events.ActiveSpeaker(router_id=ROUTER)
ICE = events.IceStateChanged(
    router_id=ROUTER, transport_id=TransportId("t-1"), state=IceState.COMPLETED, remote="192.0.2.1:5000"
)
PIPE = events.TransportMade(router_id=ROUTER, transport_id=TransportId("t-1"), pipe=True)
PIPED = events.PipeConnected(router_id=ROUTER, transport_id=TransportId("t-1"), remote="192.0.2.1:5000")
COPY = events.ProducerMade(
    router_id=ROUTER,
    transport_id=TransportId("t-1"),
    producer_id=ProducerId("p-1"),
    participant_id=ADA,
    media=MediaKind.VIDEO,
    paused=True,
    piped=True,
)
INTO_PIPE = events.ConsumerMade(
    router_id=ROUTER,
    transport_id=TransportId("t-1"),
    consumer_id=CONSUMER,
    producer_id=ProducerId("p-1"),
    participant_id=ADA,
    piped=True,
)
SPREAD = events.RoomSpread(room_id=ROOM, router_ids=(ROUTER, RouterId("r-2")))
STARTED = events.WorkerStarted(worker_id=WorkerId("worker-1"), pid=47)
DIED = events.WorkerDied(worker_id=WorkerId("worker-1"), pid=47, reason="hung", detail="no answer for 3 s")


@pytest.mark.parametrize(
    ("happened", "text"),
    [
        (
            Happened(7, 1700, ROOM, ADA, PAUSED),
            (
                '{"seq":7,"at":1700,"kind":"producer-paused","routerId":"r-1","producerId":"p-1",'
                '"roomId":"tea","participantId":"ada"}'
            ),
        ),
        (
            Happened(8, 1701, ROOM, ADA, LOST),
            '{"seq":8,"at":1701,"kind":"socket-closed","roomId":"tea","participantId":"ada","reason":"lost"}',
        ),
        (
            Happened(9, 1702, None, None, events.RouterMade(router_id=ROUTER)),
            '{"seq":9,"at":1702,"kind":"router-created","routerId":"r-1"}',
        ),
        (
            Happened(10, 1703, ROOM, None, ICE),
            (
                '{"seq":10,"at":1703,"kind":"ice-state","routerId":"r-1","transportId":"t-1","state":"completed",'
                '"remote":"192.0.2.1:5000","roomId":"tea"}'
            ),
        ),
        (
            Happened(11, 1704, ROOM, ADA, DROPPED),
            (
                '{"seq":11,"at":1704,"kind":"packets-dropped","routerId":"r-1","producerId":"p-1",'
                '"drops":[{"reason":"producer-paused","packets":9}],"roomId":"tea","participantId":"ada"}'
            ),
        ),
        (
            Happened(12, 1705, ROOM, ADA, LAYERS),
            (
                '{"seq":12,"at":1705,"kind":"consumer-layers","routerId":"r-1","consumerId":"c-1",'
                '"layers":{"spatialLayer":2,"temporalLayer":0},"reason":"preferred","roomId":"tea","participantId":"ada"}'
            ),
        ),
        (
            Happened(13, 1706, ROOM, ADA, STOPPED),
            (
                '{"seq":13,"at":1706,"kind":"consumer-layers","routerId":"r-1","consumerId":"c-1",'
                '"reason":"stopped","roomId":"tea","participantId":"ada"}'
            ),
        ),
        (
            Happened(14, 1707, ROOM, ADA, P_SCORED),
            (
                '{"seq":14,"at":1707,"kind":"producer-score","routerId":"r-1","producerId":"p-1",'
                '"score":[{"encodingIdx":0,"ssrc":7,"rid":"r0","score":10},{"encodingIdx":1,"ssrc":8,"score":4}],'
                '"roomId":"tea","participantId":"ada"}'
            ),
        ),
        (
            Happened(15, 1708, ROOM, ADA, C_SCORED),
            (
                '{"seq":15,"at":1708,"kind":"consumer-score","routerId":"r-1","consumerId":"c-1",'
                '"score":{"score":9,"producerScore":4,"producerScores":[10,4]},"roomId":"tea","participantId":"ada"}'
            ),
        ),
        (
            Happened(16, 1709, ROOM, None, LEVELS),
            (
                '{"seq":16,"at":1709,"kind":"audio-levels","routerId":"r-1",'
                '"levels":[{"producerId":"p-1","participantId":"ada","volume":-31}],"silent":false,"roomId":"tea"}'
            ),
        ),
        (
            Happened(17, 1710, ROOM, ADA, SPEAKS),
            (
                '{"seq":17,"at":1710,"kind":"active-speaker","routerId":"r-1","producerId":"p-1",'
                '"participantId":"ada","roomId":"tea"}'
            ),
        ),
        (
            Happened(18, 1711, ROOM, None, NOBODY_SPEAKS),
            '{"seq":18,"at":1711,"kind":"active-speaker","routerId":"r-1","roomId":"tea"}',
        ),
        (
            Happened(19, 1712, ROOM, None, PIPE),
            '{"seq":19,"at":1712,"kind":"transport-created","routerId":"r-1","transportId":"t-1","pipe":true,"roomId":"tea"}',
        ),
        (
            Happened(20, 1713, ROOM, None, PIPED),
            (
                '{"seq":20,"at":1713,"kind":"pipe-connected","routerId":"r-1","transportId":"t-1",'
                '"remote":"192.0.2.1:5000","roomId":"tea"}'
            ),
        ),
        (
            Happened(21, 1714, ROOM, ADA, COPY),
            (
                '{"seq":21,"at":1714,"kind":"producer-created","routerId":"r-1","transportId":"t-1",'
                '"producerId":"p-1","participantId":"ada","media":"video","paused":true,"piped":true,"roomId":"tea"}'
            ),
        ),
        (
            Happened(22, 1715, ROOM, ADA, INTO_PIPE),
            (
                '{"seq":22,"at":1715,"kind":"consumer-created","routerId":"r-1","transportId":"t-1","consumerId":"c-1",'
                '"producerId":"p-1","participantId":"ada","paused":false,"piped":true,"roomId":"tea"}'
            ),
        ),
        (
            Happened(23, 1716, ROOM, None, SPREAD),
            '{"seq":23,"at":1716,"kind":"room-routers","roomId":"tea","routerIds":["r-1","r-2"]}',
        ),
        (
            Happened(24, 1717, None, None, STARTED),
            '{"seq":24,"at":1717,"kind":"worker-started","workerId":"worker-1","pid":47}',
        ),
        (
            Happened(25, 1718, None, None, DIED),
            (
                '{"seq":25,"at":1718,"kind":"worker-died","workerId":"worker-1","pid":47,"reason":"hung",'
                '"detail":"no answer for 3 s"}'
            ),
        ),
        (
            Happened(26, 1719, ROOM, None, events.RouterClosed(router_id=ROUTER, reason="worker-died")),
            '{"seq":26,"at":1719,"kind":"router-closed","routerId":"r-1","reason":"worker-died","roomId":"tea"}',
        ),
    ],
)
def test_an_event_is_one_flat_object_that_says_nothing_twice(happened: Happened, text: str) -> None:
    assert encode_happened(happened) == text.encode()
    assert decode_frame(text) == happened


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (Hello(epoch="e", seq=3, oldest=1), '{"kind":"hello","epoch":"e","seq":3,"oldest":1}'),
        (Gap(reason="too-old", from_seq=2, to_seq=5), '{"kind":"gap","reason":"too-old","from":2,"to":5}'),
    ],
)
def test_hello_and_gap_as_they_are_written(frame: Frame, text: str) -> None:
    assert to_json(frame) == text.encode()
    assert decode_frame(text) == frame


_LAYER = st.integers(0, 255)
# Hypothesis does not know the bounds of msgspec's.
st.register_type_strategy(
    ConsumerLayers,
    st.builds(ConsumerLayers, spatial_layer=_LAYER, temporal_layer=st.one_of(st.just(ABSENT), _LAYER)),
)


@given(st.one_of([st.from_type(type_) for type_ in get_args(Event)]), st.integers(1, 2**53))
def test_every_event_comes_back_as_it_was_and_has_no_key_twice(event: Event, at: int) -> None:
    participant_id = getattr(event, "participant_id", None if isinstance(event, RoomEvent) else ADA)
    participant_id = None if participant_id is ABSENT else participant_id
    happened = Happened(1, at, getattr(event, "room_id", ROOM), participant_id, event)
    encoded = encode_happened(happened)
    assert decode_frame(encoded) == happened
    keys = [name for name, _ in json.loads(encoded, object_pairs_hook=list)]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"kind":"party","seq":1,"at":1}', '{"kind":"router-created"}'])
def test_what_is_no_frame_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        decode_frame(text)


def test_every_kind_is_there_once() -> None:
    all_types = (*get_args(EngineEvent), *get_args(RoomEvent), *get_args(WorkerEvent), Hello, Gap)
    kinds = [type_.__struct_config__.tag for type_ in all_types]
    assert len(kinds) == len(set(kinds)) == len(get_args(Event)) + 2


def test_no_event_has_a_place_for_secrets() -> None:
    fields = {name for type_ in get_args(Event) for name in type_.__struct_fields__}
    assert not {name for name in fields for word in ("token", "password", "fingerprint", "ufrag") if word in name}
