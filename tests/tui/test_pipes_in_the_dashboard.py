"""What a dashboard makes of pipes, of people of another server, and of workers that come and go."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from labsfu.shell.absent_worker import absent_worker
from labsfu.wire import events
from labsfu.wire.events import Event
from labsfu.wire.feed import Happened, Measurement
from labsfu.wire.ids import ParticipantId, ProducerId, RoomId, RouterId, TransportId, WorkerId
from labsfu.wire.payloads import ParticipantType, RoomType, WorkerInfo
from labsfu.wire.rtp import MediaKind
from labsfu.wire.stats import EncodingSample, ProducerSample, TransportSample
from tests.tui.invented_server import BEGIN, InventedServer, worker_info
from tui.look.events import told
from tui.look.overview import overview
from tui.look.page import Page
from tui.look.room import room
from tui.look.rooms import rooms
from tui.look.stream import producer as producer_page
from tui.model import series
from tui.model.samples import take
from tui.model.snapshot import state_of
from tui.model.state import State

WIDTH = 120
TEA = RoomId("tea")


def lines(page: Page) -> list[str]:
    return ["".join(span.text for span in row.make()).rstrip() for row in page.rows]


def apply(state: State, *happening: Event) -> None:
    for event in happening:
        state.apply(Happened(state.seq + 1, BEGIN, None, None, event))


def a_room_on_two_routers() -> tuple[InventedServer, State]:
    """Ada sends video on one, of which there is a copy on the other."""
    server, state = InventedServer(), State()
    for order, choice in ((0, 0), (2, 1), (11, 0), (12, 0)):
        server.do(order, choice)
    for happened in server.told:
        state.apply(happened)
    return server, state


def encoding(bitrate: int) -> EncodingSample:
    return EncodingSample(
        ssrc=1,
        packet_count=1,
        byte_count=1,
        bitrate=bitrate,
        packets_lost=0,
        packets_repaired=0,
        jitter=0.0,
        score=10,
    )


def test_what_is_piped_is_counted_and_shown_once() -> None:
    _, state = a_room_on_two_routers()
    assert len(state.producers) == 2
    assert "transports 2   producers 1   consumers 0   pipe ends 2" in lines(overview(state, WIDTH))[0]
    (row,) = lines(rooms(state, WIDTH, "", ""))
    assert row.split()[:5] == ["tea", "conference", "1/8", "1", "0"]
    shown = lines(room(state, WIDTH, "", TEA))
    assert sum("video" in line for line in shown) == 1
    assert shown[-3] == "pipes to other routers"
    assert sorted(line.split()[3:7] for line in shown[-2:]) == [["0", "in,", "1", "out"], ["1", "in,", "0", "out"]]
    assert all("connected" in line for line in shown[-2:])


def test_the_page_of_a_producer_says_into_how_many_pipes_it_goes() -> None:
    _, state = a_room_on_two_routers()
    (id_,) = {one.id for one in state.producers.values()}
    assert "goes to    0 consumers, and into 1 pipe" in lines(producer_page(state, WIDTH, id_, None))


def test_a_sample_of_a_copy_says_nothing_of_the_origin() -> None:
    _, state = a_room_on_two_routers()
    origin, copy = sorted(state.producers.values(), key=lambda one: one.piped)
    samples = tuple(
        ProducerSample(router_id=one.router_id, producer_id=one.id, encodings=(encoding(rate),))
        for one, rate in ((origin, 500_000), (copy, 7))
    )
    pipe = TransportSample(
        transport_id=copy.transport_id, bytes_received=1, recv_bitrate=9_000, bytes_sent=0, send_bitrate=0
    )
    take(state, Measurement(at=BEGIN, workers=(), transports=(pipe,), producers=samples, consumers=()))
    assert (series.producer_rate(origin), series.producer_rate(copy)) == (500_000, 7)
    assert state.producer(origin.id) is origin
    (row,) = lines(rooms(state, WIDTH, "", ""))
    assert row.split()[5] == "0"  # what goes through pipes, no person sends or gets


def test_a_snapshot_shows_pipes_as_the_events_told_them() -> None:
    server, state = a_room_on_two_routers()
    shown = state_of(server.snapshot())
    assert (shown.producers, shown.consumers) == (state.producers, state.consumers)
    assert {one.id: one.remote for one in shown.transports.values() if one.pipe} == dict.fromkeys(
        map(TransportId, server.pipes), "127.0.0.1:9"
    )


@pytest.mark.parametrize("origin_first", [True, False])
def test_a_copy_that_closes_leaves_the_origin(origin_first: bool) -> None:
    _, state = a_room_on_two_routers()
    origin, copy = sorted(state.producers.values(), key=lambda one: one.piped)
    gone, stays = (origin, copy) if origin_first else (copy, origin)
    apply(state, events.ProducerClosed(router_id=gone.router_id, producer_id=gone.id, reason="asked"))
    assert list(state.producers.values()) == [stays]
    assert state.producer(stays.id) is stays


def test_somebody_of_another_server_is_there_with_what_the_pipe_brings() -> None:
    state = State()
    router, ada, grace = RouterId("r"), ParticipantId("ada"), ParticipantId("grace")
    apply(
        state,
        events.RouterMade(router_id=router),
        events.RoomMade(room_id=TEA, type=RoomType.CONFERENCE, size=8, router_ids=(router,)),
        events.TransportMade(router_id=router, transport_id=TransportId("pipe-1"), pipe=True),
        events.PipeConnected(router_id=router, transport_id=TransportId("pipe-1"), remote="10.0.0.2:4000"),
    )
    for who in (ada, grace):
        apply(
            state,
            events.ParticipantMade(
                room_id=TEA,
                participant_id=who,
                type=ParticipantType.HOST,
                display_name=who.title(),
                share_screen=False,
                remote=True,
            ),
            events.ProducerMade(
                router_id=router,
                transport_id=TransportId("pipe-1"),
                producer_id=ProducerId(f"of {who}"),
                participant_id=who,
                media=MediaKind.VIDEO,
                paused=True,
                piped=True,
            ),
            events.ParticipantJoined(room_id=TEA, participant_id=who),
        )
    shown = [" ".join(line.split()) for line in lines(room(state, WIDTH, "", TEA))]
    assert shown[:3] == ["Ada (ada) host remote", "↑ pipe pipe-1 connected -", "video paused - - - - -"]
    assert shown[3].startswith("Grace")
    assert shown[-1].startswith("↕ pipe pipe-1 2 in, 0 out connected")
    assert lines(rooms(state, WIDTH, "", ""))[0].split()[2] == "0/8+2"
    page = producer_page(state, WIDTH, ProducerId("of ada"), None)
    assert "pipe       pipe-1 connected from 10.0.0.2:4000" in lines(page)
    apply(state, events.ParticipantLeft(room_id=TEA, participant_id=ada, reason="pipe-closed"))
    assert list(state.rooms[TEA].people) == [grace]


# ------------------------------------------------------------------ workers

ONE, TWO = WorkerId("worker-1"), WorkerId("worker-2")


def of_workers(at: int, *workers: WorkerInfo) -> Measurement:
    return Measurement(at=at, workers=workers, transports=(), producers=(), consumers=())


def two_workers() -> State:
    state = State()
    info = replace(worker_info(), load=0.25, participant_count=12)
    take(state, of_workers(BEGIN, info, replace(info, id=TWO, pid=4712)))
    return state


def workers_of(state: State) -> list[list[str]]:
    return [line.split()[:4] for line in lines(overview(state, WIDTH)) if line.startswith("worker-")]


def test_all_workers_are_shown_with_their_processes_states_and_loads() -> None:
    state = two_workers()
    assert workers_of(state) == [["worker-1", "4711", "running", "25.0"], ["worker-2", "4712", "running", "25.0"]]


def test_a_worker_that_does_not_answer_is_shown_so_with_its_process() -> None:
    state = two_workers()
    take(state, of_workers(BEGIN + 1000, worker_info(), absent_worker(TWO, "silent", 4712)))
    assert workers_of(state)[1][:3] == ["worker-2", "4712", "silent"]


def test_a_worker_that_dies_stays_to_be_seen_until_another_one_has_its_name() -> None:
    state = two_workers()
    died = events.WorkerDied(worker_id=TWO, pid=4712, reason="ended", detail="signal 9")
    apply(state, died)
    take(state, of_workers(BEGIN + 1000, worker_info()))
    assert [row[2] for row in workers_of(state)] == ["running", "dead"]
    apply(state, events.WorkerStarted(worker_id=TWO, pid=5000), died)  # which is told again, late
    assert workers_of(state)[1][:3] == ["worker-2", "5000", "running"]


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (events.WorkerStarted(worker_id=ONE, pid=7), "worker-started pid 7 worker worker-1"),
        (
            events.WorkerDied(worker_id=ONE, pid=7, reason="hung", detail="no answer for 3 s"),
            "worker-died pid 7 hung no answer for 3 s worker worker-1",
        ),
        (events.RouterClosed(router_id=RouterId("r"), reason="worker-died"), "router-closed worker-died"),
        (
            events.PipeConnected(router_id=RouterId("r"), transport_id=TransportId("t"), remote="10.0.0.2:4000"),
            "pipe-connected 10.0.0.2:4000 transport t",
        ),
        (events.TransportMade(router_id=RouterId("r"), transport_id=TransportId("t"), pipe=True),
         "transport-created pipe transport t"),
    ],
)  # fmt: skip
def test_events_of_workers_and_pipes_in_words(event: Event, words: str) -> None:
    assert told(Happened(1, 0, None, None, event)) == words
