"""Lines of toned text, numbers as people read them, sparklines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import Literal, NamedTuple, TypeAlias

Tone: TypeAlias = Literal["", "dim", "bold", "head", "good", "warn", "bad", "accent"]

UNKNOWN = "-"
_BARS = "▁▂▃▄▅▆▇"  # the full block would touch the line above


class Span(NamedTuple):
    """A piece of a line, in one tone; a colour never says what the words do not."""

    text: str
    tone: Tone = ""


Line: TypeAlias = tuple[Span, ...]


def line(*parts: str | Span) -> Line:
    """A line of these parts."""
    return tuple(part if isinstance(part, Span) else Span(part) for part in parts)


def plain(of: Line) -> str:
    """Its text."""
    return "".join(span.text for span in of)


def cut(text: str, width: int) -> str:
    """At most `width` characters; what was cut off shows as an ellipsis."""
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"


def printable(text: str) -> str:
    """Without what would move the cursor, or take no column or two: names come from anybody."""
    return "".join(char if char.isprintable() and char.isascii() else _narrow(char) for char in text)


def _narrow(char: str) -> str:
    # Latin, Greek, Cyrillic and their like are one column wide; of the rest not all terminals agree
    return char if char.isprintable() and " " <= char < "\u0530" and not "\u0300" <= char <= "\u036f" else "?"


def short(id_: str) -> str:
    """The first eight characters of a UUID; they tell things of one server apart well enough."""
    return id_[:8] if len(id_) == 36 else id_


def count(number: float | None) -> str:
    """A whole number, its thousands apart."""
    return UNKNOWN if number is None else f"{number:,.0f}"


def kbits(bits: float | None) -> str:
    """kbit/s of bit/s."""
    return UNKNOWN if bits is None else f"{bits / 1000:,.0f}"


def tenth(number: float | None) -> str:
    """A number with one digit behind the point."""
    return UNKNOWN if number is None else f"{number:,.1f}"


def span_of(milliseconds: float) -> str:
    """How long: `7 s`, `3 min`, `2 h 05 min`."""
    seconds = max(0, int(milliseconds / 1000))
    if seconds < 120:
        return f"{seconds} s"
    minutes, hours = seconds // 60, seconds // 3600
    return f"{minutes} min" if hours < 1 else f"{hours} h {minutes % 60:02d} min"


def plot_title(bars: int) -> str:
    """What stands over bars: how old the first is (a bar is a second), and that the last is new."""
    oldest = f"{bars} s ago"
    return f"{oldest}{'now':>{bars - len(oldest)}}" if bars > len(oldest) + 4 else "now".rjust(bars)


def clock(at: int, zone: tzinfo | None, *, fine: bool = False) -> str:
    """The time of day of epoch milliseconds, in a zone (None: the machine's)."""
    moment = datetime.fromtimestamp(at / 1000, UTC).astimezone(zone)
    return f"{moment:%H:%M:%S}" + (f".{at % 1000:03d}" if fine else "")


def spark(series: Sequence[float | None], width: int, top: float | None = None) -> str:
    """The newest `width` values as bars over zero, the newest at the right; the highest is `top`, or the largest."""
    shown = list(series)[-width:] if width > 0 else []
    if top is None:
        top = max((value for value in shown if value is not None), default=0.0)
    bars = [" " if value is None else _bar(value, top) for value in shown]
    return "".join(bars).rjust(width)


def _bar(value: float, top: float) -> str:
    if top <= 0:
        return _BARS[0]
    return _BARS[max(0, min(len(_BARS) - 1, round(value / top * (len(_BARS) - 1))))]
