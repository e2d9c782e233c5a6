"""A second of a bot as a table, to be read while it scrolls by: a line for each stream, in 80 columns."""

from __future__ import annotations

from math import log10

from clients.bot.report import BotReport, ReceivedStream, SentStream
from clients.measure.stats import Delay

COLUMNS = ("kbit/s", "content", "lost", "jitter", "NACK", "PLI", "frozen", "latency")
_WIDTHS = (6, 16, 9, 6, 4, 3, 6, 8)
_NAME = 12
"""Columns for names; longer ones are cut."""
_SHORTEST = 0.25
"""Seconds; a rate over less says nothing."""
_QUIET_DB = -70.0

Row = tuple[str, ...]


def table(title: str, report: BotReport, before: BotReport | None) -> str:
    """What happened between two reports, or, without the first of them, ever since the beginning."""
    earlier = {} if before is None else {stream.ssrc: stream for stream in before.inbound}
    rows = [
        (_cut(stream.display_name), *_received(stream, earlier.get(stream.ssrc), _span(stream, report, before), before))
        for stream in report.inbound
    ]
    sent_earlier = {} if before is None else {stream.ssrc: stream for stream in before.outbound}
    seconds = max(report.seconds - (0.0 if before is None else before.seconds), _SHORTEST)
    rows += [("(sent)", *_sent(stream, sent_earlier.get(stream.ssrc), seconds)) for stream in report.outbound]
    if not rows:
        return f"{title}  nothing is sent or received\n"
    return "".join(_line(row) for row in [(title, *COLUMNS), *rows])


def _line(row: Row) -> str:
    name, *cells = row
    padded = [
        cell.ljust(width) if column == "content" else cell.rjust(width)
        for cell, width, column in zip(cells, _WIDTHS, COLUMNS, strict=True)
    ]
    return " ".join((name.ljust(_NAME), *padded)).rstrip() + "\n"


def _cut(name: str) -> str:
    return name if len(name) <= _NAME else name[: _NAME - 1] + "~"


def _span(stream: ReceivedStream, report: BotReport, before: BotReport | None) -> float:
    """Seconds in which a stream came, of those that are told about."""
    first, last = stream.first_packet_received_timestamp, stream.last_packet_received_timestamp
    if first is None or last is None:
        return 1.0
    begin, end = (first, last) if before is None else (max(first, before.timestamp), report.timestamp)
    return max((end - begin) / 1000, _SHORTEST)


def _received(stream: ReceivedStream, before: ReceivedStream | None, span: float, previous: BotReport | None) -> Row:
    old = before or _nothing(stream)
    octets = _octets(stream) - _octets(old)
    came = _media_packets(stream) - _media_packets(old)
    lost = max(0, stream.packets_lost - old.packets_lost)
    frozen = stream.total_freezes_duration - old.total_freezes_duration
    video = stream.kind == "video"
    return (
        _kbits(octets, span),
        _picture(stream.frame_width, stream.frame_height, (stream.frames_received - old.frames_received) / span)
        if video
        else _sound(stream.audio_level),
        _lost(lost, came),
        _ms(stream.jitter),
        str(stream.nack_count - old.nack_count),
        str(stream.pli_count - old.pli_count) if video else "",
        (f"{frozen:.1f} s" if frozen > 0 else "-") if video else "",
        _latency(stream.latency, stream.delay, whole=previous is None),
    )


def _sent(stream: SentStream, before: SentStream | None, span: float) -> Row:
    def more(name: str) -> int:
        return int(getattr(stream, name)) - (0 if before is None else int(getattr(before, name)))

    remote = stream.remote
    video = stream.kind == "video"
    trip = None if remote is None else remote.round_trip_time
    return (
        _kbits(more("bytes_sent") + more("header_bytes_sent"), span),
        _picture(stream.frame_width, stream.frame_height, more("frames_sent") / span) if video else "sound",
        "-" if remote is None else f"{100 * remote.fraction_lost:.1f}%",
        _ms(None if remote is None else remote.jitter),
        str(more("nack_count")),
        str(more("pli_count") + more("fir_count")) if video else "",
        "",
        "-" if trip is None else f"rtt {_ms(trip)}",
    )


def _nothing(stream: ReceivedStream) -> ReceivedStream:
    """The same stream before it began."""
    from msgspec.structs import replace  # noqa: PLC0415

    return replace(
        stream,
        bytes_received=0,
        header_bytes_received=0,
        packets_received=0,
        retransmitted_packets_received=0,
        packets_duplicated=0,
        packets_lost=0,
        frames_received=0,
        nack_count=0,
        pli_count=0,
        total_freezes_duration=0.0,
    )


def _octets(stream: ReceivedStream) -> int:
    return stream.bytes_received + stream.header_bytes_received


def _media_packets(stream: ReceivedStream) -> int:
    return stream.packets_received - stream.retransmitted_packets_received - stream.packets_duplicated


def _kbits(octets: int, span: float) -> str:
    return f"{octets * 8 / span / 1000:.0f}"


def _picture(width: int | None, height: int | None, fps: float) -> str:
    size = f"{width}x{height}" if width and height else "video"
    return f"{size} {fps:.0f} fps" if fps >= 10 else f"{size} {fps:.1f} fps"


def _sound(level: float | None) -> str:
    if level is None:
        return "sound"
    decibels = 20 * log10(level) if level > 0 else float("-inf")
    return f"sound {decibels:.0f} dB" if decibels > _QUIET_DB else "silence"


def _lost(lost: int, came: int) -> str:
    return f"{lost} ({100 * lost / (lost + came):.1f}%)" if lost else "0"


def _latency(latency: float | None, delay: Delay | None, *, whole: bool) -> str:
    if latency is not None:
        return _ms(latency)
    told = None if delay is None else delay.average if whole else delay.last
    return f"~{_ms(max(told, 0.0))}" if told is not None and -0.1 < told < 10.0 else "-"


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.0f} ms"
