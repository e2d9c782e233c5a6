"""A second as a table: what happened in it and not before, in 80 columns, whatever the names."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from clients.bot.report import BotReport, ReceivedStream, SentStream
from clients.bot.table import table
from clients.measure.stats import Delay, RemoteInbound
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId, RoomId

VIDEO = ReceivedStream(
    ssrc=1,
    kind="video",
    mime_type="video/VP8",
    packets_received=1000,
    packets_lost=10,
    packets_duplicated=0,
    packets_reordered=0,
    packets_repaired=8,
    packets_missing=2,
    jitter=0.0123,
    bytes_received=1_000_000,
    header_bytes_received=20_000,
    retransmitted_packets_received=8,
    retransmitted_bytes_received=8000,
    nack_count=5,
    nacked_packets=9,
    pli_count=2,
    fir_count=0,
    frames_received=150,
    frames_per_second=15,
    freeze_count=1,
    total_freezes_duration=0.5,
    total_inter_frame_delay=9.0,
    total_squared_inter_frame_delay=1.0,
    bitrate=800_000,
    first_packet_received_timestamp=1_000_000.0,
    last_packet_received_timestamp=1_010_000.0,
    delay=Delay(minimum=0.01, maximum=0.05, average=0.02, last=0.03),
    remote=None,
    ended=False,
    participant_id=ParticipantId("grace"),
    display_name="grace",
    producer_id=ProducerId("p"),
    consumer_id=ConsumerId("c"),
    frames_decoded=150,
    frame_width=640,
    frame_height=360,
    audio_level=None,
    latency=0.074,
)
REMOTE = RemoteInbound(
    reports=3,
    packets_lost=1,
    fraction_lost=0.25,
    jitter=0.004,
    round_trip_time=0.0312,
    total_round_trip_time=0.1,
    round_trip_time_measurements=3,
)
SENT = SentStream(
    ssrc=2,
    kind="video",
    mime_type="video/VP8",
    packets_sent=1000,
    bytes_sent=1_000_000,
    header_bytes_sent=20_000,
    retransmitted_packets_sent=0,
    retransmitted_bytes_sent=0,
    nack_count=3,
    nacked_packets=3,
    pli_count=1,
    fir_count=1,
    frames_sent=150,
    frames_per_second=15,
    bitrate=800_000,
    remote=REMOTE,
    ended=False,
    frame_width=1280,
    frame_height=720,
    frames_skipped=0,
)


def second(seconds: float, *inbound: ReceivedStream, outbound: tuple[SentStream, ...] = ()) -> BotReport:
    return BotReport(
        timestamp=1_000_000.0 + seconds * 1000,
        seconds=seconds,
        room_id=RoomId("tea"),
        participant_id=ParticipantId("ada"),
        display_name="ada",
        participants=(),
        inbound=inbound,
        outbound=outbound,
        network=None,
    )


def cells(text: str, row: int = 1) -> list[str]:
    return text.splitlines()[row].split()


def after(**more: float) -> ReceivedStream:
    """The stream when so much more has happened."""
    return replace(VIDEO, **{name: getattr(VIDEO, name) + value for name, value in more.items()})


def test_a_row_tells_what_happened_since_the_report_before() -> None:
    now = after(
        bytes_received=98_000,
        header_bytes_received=2_000,
        packets_received=95,
        retransmitted_packets_received=4,
        packets_lost=9,
        frames_received=14,
        nack_count=3,
        pli_count=1,
        total_freezes_duration=0.3,
    )
    text = table("12:00:11", second(11, now), second(10, VIDEO))
    assert cells(text) == [
        "grace", "800", "640x360", "14", "fps", "9,", "9.0%", "12", "ms", "3", "1", "0.3", "s", "74", "ms",
    ]  # fmt: skip


def test_nothing_new_is_nothing() -> None:
    text = table("12:00:11", second(11, VIDEO), second(10, VIDEO))
    assert cells(text)[:11] == ["grace", "0", "640x360", "0.0", "fps", "0", "12", "ms", "0", "0", "-"]


def test_a_stream_that_has_just_begun_is_measured_from_its_first_packet_on() -> None:
    begun = replace(
        VIDEO,
        bytes_received=25_000,
        header_bytes_received=0,
        frames_received=8,
        first_packet_received_timestamp=1_010_500.0,
    )
    assert cells(table("12:00:11", second(11, begun), second(10)))[1:5] == ["400", "640x360", "16", "fps"]


def test_without_a_report_before_it_is_all_that_ever_was() -> None:
    assert cells(table("in 10 s", second(10, replace(VIDEO, latency=None)), None)) == [
        "grace", "816", "640x360", "15", "fps", "10,", "1.0%", "12", "ms", "5", "2", "0.5", "s", "~20", "ms",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("latency", "last", "shown"),
    [
        (0.0744, 0.03, "74 ms"),
        (None, 0.03, "~30 ms"),
        (None, -0.002, "~0 ms"),
        (None, 4000.0, "-"),
        (None, -70.0, "-"),
    ],
)
def test_latency_is_what_the_picture_says_else_what_reports_say_unless_clocks_differ(
    latency: float | None, last: float, shown: str
) -> None:
    stream = replace(VIDEO, latency=latency, delay=Delay(minimum=last, maximum=last, average=last, last=last))
    assert table("12:00:11", second(11, stream), second(10, VIDEO)).endswith(f" {shown}\n")


@pytest.mark.parametrize(("level", "shown"), [(0.1, "sound -20 dB"), (0.0, "silence"), (None, "sound  ")])
def test_sound_has_a_level_and_nothing_that_only_pictures_have(level: float | None, shown: str) -> None:
    sound = replace(VIDEO, kind="audio", audio_level=level, delay=None, latency=None)
    text = table("12:00:11", second(11, sound), second(10, sound))
    assert shown in text
    assert "fps" not in text
    assert cells(text)[-2:] == ["0", "-"]


def test_what_is_sent_is_told_as_the_server_sees_it() -> None:
    now = replace(SENT, bytes_sent=1_100_000, frames_sent=165, nack_count=5, pli_count=2, fir_count=2)
    text = table("12:00:11", second(11, outbound=(now,)), second(10, outbound=(SENT,)))
    assert cells(text) == ["(sent)", "800", "1280x720", "15", "fps", "25%", "4", "ms", "2", "2", "rtt", "31", "ms"]


def test_every_line_fits_a_terminal_and_its_columns() -> None:
    hard = after(packets_lost=1234, bytes_received=9_000_000, packets_received=500, nack_count=1234, pli_count=99)
    hard = replace(hard, jitter=1.234, display_name="A Very Long Name Indeed", frame_width=1280, frame_height=720)
    sent = replace(SENT, remote=replace(REMOTE, round_trip_time=0.999))
    title, first, last = table(
        "12:00:11", second(11, hard, outbound=(sent,)), second(10, VIDEO, outbound=(SENT,))
    ).splitlines()
    assert max(map(len, (title, first, last))) <= 80
    assert first.startswith("A Very Long~ ")
    assert [cell in first for cell in ("1280x720 0.0 fps", "1234, 71%", "1.2 s", "1234", "99")] == [True] * 5
    for column in ("kbit/s", "lost", "jitter", "NACK", "PLI", "frozen", "latency"):
        end = title.index(column) + len(column)
        assert {line[end : end + 1].strip() for line in (title, first, last)} == {""}


def test_a_name_cannot_move_the_cursor() -> None:
    text = table("12:00:11", second(11, replace(VIDEO, display_name="\x1b[2Jx\n")), None)
    assert cells(text)[0] == "?[2Jx?"


def test_nothing_at_all_is_said_to_be_nothing() -> None:
    assert table("12:00:11", second(11), second(10)) == "12:00:11  nothing is sent or received\n"
