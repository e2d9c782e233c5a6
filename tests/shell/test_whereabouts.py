"""Which room and which participant an event of the engine is about."""

import pytest

from labsfu.shell.whereabouts import Place, Whereabouts
from labsfu.wire import events
from labsfu.wire.events import Event
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId, RoomId, RouterId, TransportId, WorkerId
from labsfu.wire.payloads import RoomType
from labsfu.wire.rtp import ConsumerLayers, MediaKind
from labsfu.wire.sfu import ConsumerScore
from labsfu.wire.transport import IceState

ROUTER, ROOM, ADA, BEN = RouterId("r"), RoomId("tea"), ParticipantId("ada"), ParticipantId("ben")
SENDING, RECEIVING, PRODUCER, CONSUMER = TransportId("s"), TransportId("c"), ProducerId("p"), ConsumerId("k")
NOWHERE: Place = (None, None)

ROOM_MADE = events.RoomMade(room_id=ROOM, type=RoomType.CALL, size=2, router_ids=(ROUTER,))
CONNECTED = events.SocketConnected(
    room_id=ROOM, participant_id=ADA, producer_transport_id=SENDING, consumer_transport_id=RECEIVING
)
PRODUCER_MADE = events.ProducerMade(
    router_id=ROUTER, transport_id=SENDING, producer_id=PRODUCER, participant_id=ADA, media=MediaKind.AUDIO
)
CONSUMER_MADE = events.ConsumerMade(
    router_id=ROUTER, transport_id=RECEIVING, consumer_id=CONSUMER, producer_id=PRODUCER, participant_id=BEN
)
ICE = events.IceStateChanged(router_id=ROUTER, transport_id=SENDING, state=IceState.CONNECTED)
ENDINGS: list[Event] = [
    events.ConsumerClosed(router_id=ROUTER, consumer_id=CONSUMER, reason="asked"),
    events.ProducerClosed(router_id=ROUTER, producer_id=PRODUCER, reason="asked"),
    events.TransportClosed(router_id=ROUTER, transport_id=SENDING, reason="asked"),
    events.TransportClosed(router_id=ROUTER, transport_id=RECEIVING, reason="asked"),
    events.RouterClosed(router_id=ROUTER),
]


@pytest.fixture
def whereabouts() -> Whereabouts:
    known = Whereabouts()
    for event in (ROOM_MADE, CONNECTED, PRODUCER_MADE, CONSUMER_MADE):
        known.place(event)
    return known


@pytest.mark.parametrize(
    ("event", "place"),
    [
        (CONNECTED, (ROOM, ADA)),
        (ROOM_MADE, (ROOM, None)),
        (ICE, (ROOM, ADA)),
        (CONSUMER_MADE, (ROOM, BEN)),
        (events.ConsumerPaused(router_id=ROUTER, consumer_id=CONSUMER), (ROOM, BEN)),
        (
            events.ConsumerLayersChanged(
                router_id=ROUTER, consumer_id=CONSUMER, layers=ConsumerLayers(spatial_layer=1), reason="available"
            ),
            (ROOM, BEN),
        ),
        (
            events.ConsumerScored(
                router_id=ROUTER,
                consumer_id=CONSUMER,
                score=ConsumerScore(score=9, producer_score=10, producer_scores=(10,)),
            ),
            (ROOM, BEN),
        ),
        (events.ProducerScored(router_id=ROUTER, producer_id=PRODUCER, score=()), (ROOM, ADA)),
        (events.KeyFrameRequested(router_id=ROUTER, producer_id=PRODUCER, ssrc=1), (ROOM, ADA)),
        (events.PacketsDropped(router_id=ROUTER, transport_id=RECEIVING, drops=()), (ROOM, ADA)),
        (events.PacketsDropped(router_id=ROUTER, producer_id=PRODUCER, drops=()), (ROOM, ADA)),
        (events.PacketsDropped(router_id=ROUTER, consumer_id=CONSUMER, drops=()), (ROOM, BEN)),
        (events.PacketsDropped(router_id=RouterId(""), drops=()), NOWHERE),
        (events.TransportMade(router_id=ROUTER, transport_id=TransportId("new")), (ROOM, None)),
        (events.RouterMade(router_id=RouterId("other")), NOWHERE),
        (events.TransportMade(router_id=ROUTER, transport_id=TransportId("pipe"), pipe=True), (ROOM, None)),
        (
            events.PipeConnected(router_id=ROUTER, transport_id=TransportId("pipe"), remote="10.0.0.2:4000"),
            (ROOM, None),
        ),
        (events.WorkerStarted(worker_id=WorkerId("w"), pid=47), NOWHERE),
        (events.WorkerDied(worker_id=WorkerId("w"), pid=47, reason="ended", detail="signal 9"), NOWHERE),
    ],
)
def test_an_event_is_placed_by_what_was_told_before(whereabouts: Whereabouts, event: Event, place: Place) -> None:
    assert whereabouts.place(event) == place


def test_before_anything_is_told_nothing_is_known() -> None:
    assert Whereabouts().place(ICE) == NOWHERE


def test_endings_are_still_placed_though_their_participant_left_and_then_all_is_forgotten(
    whereabouts: Whereabouts,
) -> None:
    whereabouts.place(events.ParticipantLeft(room_id=ROOM, participant_id=ADA, reason="left"))
    places = [whereabouts.place(event) for event in ENDINGS]
    assert places == [(ROOM, BEN), (ROOM, ADA), (ROOM, ADA), (ROOM, ADA), (ROOM, None)]
    assert len(whereabouts) == 0


# ------------------------------------------------------------------ a room on two routers

SECOND, NEAR, FAR, OUT = RouterId("r2"), TransportId("near"), TransportId("far"), ConsumerId("out")
SPREAD = events.RoomSpread(room_id=ROOM, router_ids=(ROUTER, SECOND))
INTO_PIPE = events.ConsumerMade(
    router_id=ROUTER, transport_id=NEAR, consumer_id=OUT, producer_id=PRODUCER, participant_id=ADA, piped=True
)
COPY_MADE = events.ProducerMade(
    router_id=SECOND, transport_id=FAR, producer_id=PRODUCER, participant_id=ADA, media=MediaKind.AUDIO, piped=True
)


@pytest.fixture
def spread(whereabouts: Whereabouts) -> Whereabouts:
    for event in (SPREAD, INTO_PIPE, COPY_MADE):
        whereabouts.place(event)
    return whereabouts


@pytest.mark.parametrize(
    ("event", "place"),
    [
        (COPY_MADE, (ROOM, ADA)),
        (INTO_PIPE, (ROOM, ADA)),
        (events.ProducerScored(router_id=SECOND, producer_id=PRODUCER, score=()), (ROOM, ADA)),
        (events.PacketsDropped(router_id=ROUTER, consumer_id=OUT, drops=()), (ROOM, ADA)),
        (events.PacketsDropped(router_id=SECOND, transport_id=FAR, drops=()), (ROOM, None)),
    ],
)
def test_what_is_piped_is_its_owner_s_and_the_pipe_nobody_s(spread: Whereabouts, event: Event, place: Place) -> None:
    assert spread.place(event) == place


@pytest.mark.parametrize(("closed", "open_"), [(SECOND, ROUTER), (ROUTER, SECOND)])
def test_the_end_of_a_producer_on_one_router_leaves_it_its_owner_on_the_other(
    spread: Whereabouts, closed: RouterId, open_: RouterId
) -> None:
    spread.place(events.ProducerClosed(router_id=closed, producer_id=PRODUCER, reason="asked"))
    assert spread.place(events.ProducerPaused(router_id=closed, producer_id=PRODUCER)) == (ROOM, None)
    assert spread.place(events.ProducerPaused(router_id=open_, producer_id=PRODUCER)) == (ROOM, ADA)


def test_of_a_room_on_two_routers_nothing_is_left_in_the_end(spread: Whereabouts) -> None:
    endings: list[Event] = [
        events.ConsumerClosed(router_id=ROUTER, consumer_id=OUT, reason="worker-died"),
        events.ProducerClosed(router_id=SECOND, producer_id=PRODUCER, reason="worker-died"),
        events.TransportClosed(router_id=SECOND, transport_id=FAR, reason="worker-died"),
        events.TransportClosed(router_id=ROUTER, transport_id=NEAR, reason="asked"),
        events.RouterClosed(router_id=SECOND, reason="worker-died"),
        events.RoomSpread(room_id=ROOM, router_ids=(ROUTER,)),
        *ENDINGS,
    ]
    places = [spread.place(event) for event in endings[:5]]
    assert places == [(ROOM, ADA), (ROOM, ADA), (ROOM, None), (ROOM, None), (ROOM, None)]
    for event in endings[5:]:
        spread.place(event)
    assert len(spread) == 0
