"""Which events are logged, at which level, and under which keys."""

from typing import Any, get_args

import pytest
from structlog.testing import capture_logs

from labsfu.shell.event_log import LINES, log_event
from labsfu.wire import events
from labsfu.wire.events import Event
from labsfu.wire.feed import Happened
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId, RoomId, RouterId, TransportId, WorkerId
from labsfu.wire.observers import AudioLevel
from labsfu.wire.payloads import ParticipantType, RoomType
from labsfu.wire.rtp import ConsumerLayers, MediaKind
from labsfu.wire.sfu import ConsumerScore, ProducerScore
from labsfu.wire.stats import DropCount
from labsfu.wire.transport import DtlsState, IceState

ROUTER, ROOM, ADA = RouterId("r"), RoomId("tea"), ParticipantId("ada")
TRANSPORT, PRODUCER, CONSUMER = TransportId("t"), ProducerId("p"), ConsumerId("c")
WHO = {"room": "tea", "participant": "ada"}


def logged(event: Event, room: RoomId | None = ROOM, participant: ParticipantId | None = ADA) -> dict[str, Any]:
    with capture_logs() as entries:
        log_event(Happened(1, 2, room, participant, event))
    (entry,) = entries
    return dict(entry)


def test_every_event_has_its_line() -> None:
    assert set(LINES) == set(get_args(Event))


@pytest.mark.parametrize(
    ("event", "level", "message", "keys"),
    [
        (
            events.RoomMade(room_id=ROOM, type=RoomType.CALL, size=2, router_ids=(ROUTER, RouterId("q"))),
            "info",
            "room made",
            WHO | {"type": "call", "size": 2, "router": "r,q"},
        ),
        (
            events.ParticipantMade(
                room_id=ROOM,
                participant_id=ADA,
                type=ParticipantType.HOST,
                display_name="Ada L.",
                share_screen=False,
            ),
            "debug",
            "participant made",
            WHO | {"type": "host", "name": "Ada L.", "share_screen": False},
        ),
        (events.ParticipantJoined(room_id=ROOM, participant_id=ADA), "info", "participant joined", WHO),
        (
            events.ParticipantLeft(room_id=ROOM, participant_id=ADA, reason="lost"),
            "info",
            "participant left",
            WHO | {"reason": "lost"},
        ),
        (
            events.SocketClosed(room_id=ROOM, participant_id=ADA, reason="lost"),
            "info",
            "participant lost",
            WHO,
        ),
        (
            events.SocketClosed(room_id=ROOM, participant_id=ADA, reason="given-up", detail="it does not read"),
            "warning",
            "client given up",
            WHO | {"detail": "it does not read"},
        ),
        (
            events.SocketClosed(room_id=ROOM, participant_id=ADA, reason="left"),
            "debug",
            "socket closed",
            WHO | {"reason": "left"},
        ),
        (
            events.ParticipantUpdated(room_id=ROOM, participant_id=ADA, connected=True),
            "info",
            "participant back",
            WHO,
        ),
        (
            events.ProducerMade(
                router_id=ROUTER,
                transport_id=TRANSPORT,
                producer_id=PRODUCER,
                participant_id=ADA,
                media=MediaKind.VIDEO,
            ),
            "info",
            "producer made",
            WHO | {"producer": "p", "media": "video"},
        ),
        (
            events.ConsumerClosed(router_id=ROUTER, consumer_id=CONSUMER, reason="producer-closed"),
            "info",
            "consumer closed",
            WHO | {"consumer": "c", "reason": "producer-closed"},
        ),
        (
            events.IceStateChanged(router_id=ROUTER, transport_id=TRANSPORT, state=IceState.NEW),
            "debug",
            "ICE state",
            WHO | {"transport": "t", "state": "new"},
        ),
        (
            events.DtlsStateChanged(router_id=ROUTER, transport_id=TRANSPORT, state=DtlsState.FAILED),
            "warning",
            "handshake failed",
            WHO | {"transport": "t"},
        ),
        (
            events.KeyFrameRequested(router_id=ROUTER, producer_id=PRODUCER, ssrc=7),
            "debug",
            "key frame requested",
            WHO | {"producer": "p", "ssrc": 7},
        ),
        (
            events.ConsumerLayersChanged(
                router_id=ROUTER,
                consumer_id=CONSUMER,
                layers=ConsumerLayers(spatial_layer=2, temporal_layer=1),
                reason="preferred",
            ),
            "debug",
            "consumer is sent other layers",
            WHO | {"consumer": "c", "layers": "2:1", "reason": "preferred"},
        ),
        (
            events.ConsumerLayersChanged(router_id=ROUTER, consumer_id=CONSUMER, reason="stopped"),
            "debug",
            "consumer is sent nothing",
            WHO | {"consumer": "c"},
        ),
        (
            events.ProducerScored(
                router_id=ROUTER,
                producer_id=PRODUCER,
                score=(
                    ProducerScore(encoding_idx=0, ssrc=7, rid="low", score=10),
                    ProducerScore(encoding_idx=1, ssrc=8, score=4),
                ),
            ),
            "debug",
            "producer scored",
            WHO | {"producer": "p", "score": "low:10,1:4"},
        ),
        (
            events.ConsumerScored(
                router_id=ROUTER,
                consumer_id=CONSUMER,
                score=ConsumerScore(score=9, producer_score=4, producer_scores=(10, 4)),
            ),
            "debug",
            "consumer scored",
            WHO | {"consumer": "c", "score": 9, "producer_score": 4},
        ),
        (
            events.AudioLevels(
                router_id=ROUTER,
                levels=(
                    AudioLevel(producer_id=PRODUCER, participant_id=ParticipantId("ann"), volume=-31),
                    AudioLevel(producer_id=PRODUCER, participant_id=ParticipantId("ben"), volume=-40),
                ),
                silent=False,
            ),
            "debug",
            "audio levels",
            WHO | {"levels": "ann:-31,ben:-40", "silent": False},
        ),
        (
            events.ActiveSpeaker(router_id=ROUTER, producer_id=PRODUCER, participant_id=ParticipantId("ann")),
            "debug",
            "active speaker",
            WHO | {"producer": "p"},
        ),
        (
            events.PacketsDropped(
                router_id=ROUTER,
                consumer_id=CONSUMER,
                drops=(DropCount(reason="awaiting-key-frame", packets=3), DropCount(reason="too-late", packets=1)),
            ),
            "debug",
            "packets dropped",
            WHO | {"consumer": "c", "drops": "awaiting-key-frame:3,too-late:1"},
        ),
        (
            events.RoomSpread(room_id=ROOM, router_ids=(ROUTER, RouterId("q"))),
            "info",
            "room is on other routers",
            WHO | {"router": "r,q"},
        ),
        (
            events.ParticipantMade(
                room_id=ROOM,
                participant_id=ADA,
                type=ParticipantType.HOST,
                display_name="Ada",
                share_screen=False,
                remote=True,
            ),
            "debug",
            "participant made",
            WHO | {"type": "host", "name": "Ada", "share_screen": False, "remote": True},
        ),
        (
            events.TransportMade(router_id=ROUTER, transport_id=TRANSPORT),
            "debug",
            "transport made",
            WHO | {"transport": "t"},
        ),
        (
            events.TransportMade(router_id=ROUTER, transport_id=TRANSPORT, pipe=True),
            "debug",
            "pipe transport made",
            WHO | {"transport": "t"},
        ),
        (
            events.PipeConnected(router_id=ROUTER, transport_id=TRANSPORT, remote="10.0.0.2:4000"),
            "info",
            "pipe connected",
            WHO | {"transport": "t", "remote": "10.0.0.2:4000"},
        ),
        (
            events.ProducerMade(
                router_id=ROUTER,
                transport_id=TRANSPORT,
                producer_id=PRODUCER,
                participant_id=ADA,
                media=MediaKind.VIDEO,
                paused=True,
                piped=True,
            ),
            "info",
            "producer made",
            WHO | {"transport": "t", "producer": "p", "media": "video", "paused": True, "piped": True},
        ),
        (
            events.ConsumerMade(
                router_id=ROUTER,
                transport_id=TRANSPORT,
                consumer_id=CONSUMER,
                producer_id=PRODUCER,
                participant_id=ADA,
                piped=True,
            ),
            "info",
            "consumer made",
            WHO | {"transport": "t", "consumer": "c", "producer": "p", "piped": True},
        ),
        (events.RouterClosed(router_id=ROUTER), "debug", "router closed", WHO),
        (
            events.RouterClosed(router_id=ROUTER, reason="worker-died"),
            "debug",
            "router closed",
            WHO | {"reason": "worker-died"},
        ),
    ],
)
def test_a_line_says_where_and_who_and_what(event: Event, level: str, message: str, keys: dict[str, object]) -> None:
    assert logged(event) == {"event": message, "log_level": level} | keys


def test_what_belongs_to_no_room_is_named_by_its_router() -> None:
    event = events.ProducerMade(
        router_id=ROUTER, transport_id=TRANSPORT, producer_id=PRODUCER, participant_id=ADA, media=MediaKind.AUDIO
    )
    line = logged(event, None, None)
    assert (line["router"], line["transport"], line["producer"]) == ("r", "t", "p")
    assert "room" not in line


@pytest.mark.parametrize(
    ("event", "level", "message", "keys"),
    [
        (events.WorkerStarted(worker_id=WorkerId("w-1"), pid=47), "info", "worker started", {}),
        (
            events.WorkerDied(worker_id=WorkerId("w-1"), pid=47, reason="ended", detail="signal 9"),
            "error",
            "worker died",
            {"reason": "ended", "detail": "signal 9"},
        ),
        (
            events.WorkerDied(worker_id=WorkerId("w-1"), pid=47, reason="hung", detail="no answer for 3 s"),
            "error",
            "worker hung",
            {"detail": "no answer for 3 s"},
        ),
    ],
)
def test_what_becomes_of_a_worker_is_said_with_its_process(
    event: Event, level: str, message: str, keys: dict[str, object]
) -> None:
    assert logged(event, None, None) == {"event": message, "log_level": level, "worker": "w-1", "pid": 47} | keys
