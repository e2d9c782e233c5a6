"""A second of a bot as a table, to be read while it scrolls by: a line for each stream, in 80 columns."""

from __future__ import annotations

from math import log10

from clients.bot.report import BotReport, ReceivedStream, SentStream
from clients.measure.stats import Delay
from clients.output import printable

COLUMNS = ("kbit/s", "content", "lost", "jitter", "NACK", "PLI", "frozen", "latency")
_WIDTHS = (6, 16, 9, 6, 4, 3, 6, 10)
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
    name = printable(name)
    return name if len(name) <= _NAME else name[: _NAME - 1] + "~"


def _span(stream: ReceivedStream, report: BotReport, before: BotReport | None) -> float:
    """Seconds in which a stream came, of those that are told about."""
    first, last = stream.first_packet_received_timestamp, stream.last_packet_received_timestamp
    if first is None or last is None:
        return 1.0
    begin, end = (first, last) if before is None else (max(first, before.timestamp), report.timestamp)
    return max((end - begin) / 1000, _SHORTEST)


def _received(stream: ReceivedStream, before: ReceivedStream | None, span: float, previous: BotReport | None) -> Row:
    def more(name: str) -> float:
        return float(getattr(stream, name) - (0 if before is None else getattr(before, name)))

    octets = more("bytes_received") + more("header_bytes_received")
    came = more("packets_received") - more("retransmitted_packets_received") - more("packets_duplicated")
    frozen = more("total_freezes_duration")
    video = stream.kind == "video"
    return (
        _kbits(octets, span),
        _picture(stream.frame_width, stream.frame_height, more("frames_received") / span)
        if video
        else _sound(stream.audio_level),
        _lost(max(0.0, more("packets_lost")), came),
        _ms(stream.jitter),
        f"{more('nack_count'):.0f}",
        f"{more('pli_count'):.0f}" if video else "",
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
        "-" if remote is None else _percent(remote.fraction_lost) if remote.fraction_lost else "0",
        _ms(None if remote is None else remote.jitter),
        str(more("nack_count")),
        str(more("pli_count") + more("fir_count")) if video else "",
        "",
        "-" if trip is None else f"rtt {_ms(trip)}",
    )


def _kbits(octets: float, span: float) -> str:
    return f"{octets * 8 / span / 1000:.0f}"


def _picture(width: int | None, height: int | None, fps: float) -> str:
    size = f"{width}x{height}" if width and height else "video"
    return f"{size} {fps:.0f} fps" if fps >= 10 else f"{size} {fps:.1f} fps"


def _sound(level: float | None) -> str:
    if level is None:
        return "sound"
    decibels = 20 * log10(level) if level > 0 else float("-inf")
    return f"sound {decibels:.0f} dB" if decibels > _QUIET_DB else "silence"


def _lost(lost: float, came: float) -> str:
    return f"{lost:.0f}, {_percent(lost / (lost + came))}" if lost else "0"


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%" if share >= 0.0995 else f"{100 * share:.1f}%"


def _latency(latency: float | None, delay: Delay | None, *, whole: bool) -> str:
    if latency is not None:
        return _ms(latency)
    told = None if delay is None else delay.average if whole else delay.last
    return f"~{_ms(max(told, 0.0))}" if told is not None and -0.1 < told < 10.0 else "-"


def _ms(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.0f} ms" if seconds < 0.9995 else f"{seconds:.1f} s"
