"""What the keys do and what the numbers mean, view by view."""

from __future__ import annotations

from tui.look.page import Kind

_EVERYWHERE = """\
1 overview   2 rooms   5 events   q quit
space   freeze the screen; collecting goes on
s       save a picture (SVG) in this directory
t       light or dark           ? or esc   close this help
arrows or j k, page up and down, home, end: move"""

_ROOMS = """\
enter opens a room, / shows those with a text in their name (esc: all).
people   are here / may be here + are of another server
in, out  kbit/s of datagrams from and to all clients of the room
loss %   the worst of its streams, before any repair
♪        who speaks"""

_ROOM = """\
enter opens a stream, esc goes back, / shows some people only.
↑ ↓      a transport of the participant's, for sending or receiving;
         ICE: new, ok, lost, shut; DTLS: new, wait, ok, fail, shut
pipe     to another router; a remote person is of another server
state    live, paused, source paused, or: nothing comes, is sent
kbit/s   of a stream without retransmissions, of a transport with all
loss %   before any repair; of the last seconds, or last report
score    0 (nothing gets through) to 10 (everything)
layers   spatial:temporal that is sent; enc: encodings that come
♪        who speaks"""

_STREAM = """\
esc goes back.
Plots hold the last two minutes, a bar a second, zero at the bottom,
the score's 10 at the top.
loss %    before any repair
lost      never came, nor will; repaired: came when sent again
packets   since the stream began"""

_OVERVIEW = """\
worker     its name stays when another process takes its place
CPU %      of one core, since the last sample (one a second)
seats      for so many people its routers were made
packets/s  RTP that is sent to receivers
in, out    kbit/s of datagrams, all protocols
most       in the plotted time; plots begin at zero"""

_EVENTS = """\
The newest is last; while it is the current one, more follow it.
/ shows those with a text in them (esc: all)."""

_OF: dict[Kind, tuple[str, str]] = {
    "overview": ("Overview", _OVERVIEW),
    "rooms": ("Rooms", _ROOMS),
    "room": ("A room", _ROOM),
    "router": ("A router that has no room", _ROOM),
    "producer": ("A stream that somebody sends", _STREAM),
    "consumer": ("A stream that somebody is sent", _STREAM),
    "events": ("Events", _EVENTS),
}


def help_of(kind: Kind) -> tuple[str, str]:
    """Title and text."""
    title, text = _OF[kind]
    return title, f"{text}\n\n{_EVERYWHERE}"
