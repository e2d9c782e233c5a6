"""Events as lines, and which of them are kept with what they are about."""

from __future__ import annotations

import pytest

from labsfu.wire import events
from labsfu.wire.events import Event
from labsfu.wire.feed import Happened
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId, RoomId, RouterId, TransportId
from labsfu.wire.payloads import ParticipantType
from labsfu.wire.rtp import ConsumerLayers
from labsfu.wire.sfu import ProducerScore
from labsfu.wire.stats import DropCount
from tests.tui.invented_server import InventedServer
from tui.look.events import told
from tui.model.state import State

UUID = "01234567-89ab-cdef-0123-456789abcdef"
ROUTER, PRODUCER, CONSUMER = RouterId(UUID), ProducerId(UUID), ConsumerId(UUID)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (events.RouterMade(router_id=ROUTER), "router-created"),
        (events.ProducerPaused(router_id=ROUTER, producer_id=PRODUCER), "producer-paused producer 01234567"),
        (
            events.ConsumerLayersChanged(
                router_id=ROUTER,
                consumer_id=CONSUMER,
                layers=ConsumerLayers(spatial_layer=1, temporal_layer=2),
                reason="available",
            ),
            "consumer-layers layers 1:2 available consumer 01234567",
        ),
        (
            events.PacketsDropped(
                router_id=ROUTER,
                producer_id=PRODUCER,
                drops=(DropCount(reason="late", packets=3), DropCount(reason="paused", packets=4)),
            ),
            "packets-dropped late:3,paused:4 producer 01234567",
        ),
        (
            events.ProducerScored(
                router_id=ROUTER,
                producer_id=PRODUCER,
                score=(ProducerScore(encoding_idx=0, ssrc=7, score=10),),
            ),
            "producer-score score 0:7:10 producer 01234567",
        ),
        (
            events.ParticipantMade(
                room_id=RoomId("tea"),
                participant_id=ParticipantId("ada"),
                type=ParticipantType.HOST,
                display_name="A\x1b[31mda",
                share_screen=False,
            ),
            "participant-created host A?[31mda not share-screen",
        ),
        (
            events.EngineFault(router_id=ROUTER, detail="Traceback\n  here\nValueError: no"),
            "engine-fault ValueError: no",
        ),
    ],
)
def test_the_kind_comes_first_the_ids_last_and_nothing_moves_the_cursor(event: Event, words: str) -> None:
    assert told(Happened(1, 0, None, None, event)) == words


def test_a_stream_keeps_its_own_events_and_of_drops_in_a_row_the_last() -> None:
    server, state = InventedServer(), State()
    for order, choice in ((0, 0), (2, 0), (4, 0)):
        server.do(order, choice)
    (producer,) = server.producers.values()
    for packets in (1, 2, 3):
        server.tell(
            events.PacketsDropped(
                router_id=RouterId(producer.router),
                producer_id=ProducerId(producer.id),
                drops=(DropCount(reason="late", packets=packets),),
            )
        )
    server.do(4, 0)
    for happened in server.told:
        state.apply(happened)
    log = state.producers[RouterId(producer.router), ProducerId(producer.id)].log
    kinds = [told(one).rsplit(" producer", 1)[0] for one in log]
    assert kinds[1:] == ["producer-paused", "packets-dropped late:3", "producer-resumed"]
    (carrier,) = (one for one in state.transports.values() if one.id == producer.transport)
    assert [told(one) for one in carrier.log] == [f"transport-created transport {TransportId(producer.transport)[:8]}"]
    assert len(state.tail) == len(server.told)
