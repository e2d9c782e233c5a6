"""Which events are worth a line in the log, and what it says. The one place that knows."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import msgspec
import structlog

from labsfu.wire import events
from labsfu.wire.base import ABSENT
from labsfu.wire.events import Event
from labsfu.wire.feed import Happened
from labsfu.wire.observers import AudioLevel
from labsfu.wire.rtp import ConsumerLayers
from labsfu.wire.sfu import ProducerScore
from labsfu.wire.stats import DropCount
from labsfu.wire.transport import DtlsState

_log = structlog.get_logger()

DEBUG, INFO, WARNING, ERROR = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR


@dataclass(frozen=True, slots=True)
class Line:
    """How an event is logged; where a field has a value that `unless` knows, the message says it instead."""

    level: int
    message: str
    by: str = ""
    unless: Mapping[str, tuple[int, str]] = field(default_factory=dict)

    def of(self, event: Event) -> tuple[int, str, str]:
        """Level and message for this very event, and the name of the field that the message says already."""
        otherwise = self.unless.get(str(getattr(event, self.by, "")))
        return (self.level, self.message, "") if otherwise is None else (*otherwise, self.by)


LINES: Mapping[type[Event], Line] = MappingProxyType(
    {
        events.RoomMade: Line(INFO, "room made"),
        events.RoomSpread: Line(INFO, "room is on other routers"),
        events.RoomClosed: Line(INFO, "room closed"),
        events.ParticipantMade: Line(DEBUG, "participant made"),
        events.ParticipantJoined: Line(INFO, "participant joined"),
        events.ParticipantUpdated: Line(
            INFO,
            "participant updated",
            "connected",
            {"True": (INFO, "participant back"), "False": (DEBUG, "participant waiting")},
        ),
        events.ParticipantLeft: Line(INFO, "participant left"),
        events.SocketConnected: Line(DEBUG, "socket connected"),
        events.SocketClosed: Line(
            DEBUG,
            "socket closed",
            "reason",
            {"lost": (INFO, "participant lost"), "given-up": (WARNING, "client given up")},
        ),
        events.RouterMade: Line(DEBUG, "router made"),
        events.RouterClosed: Line(DEBUG, "router closed"),
        events.TransportMade: Line(DEBUG, "transport made", "pipe", {"True": (DEBUG, "pipe transport made")}),
        events.PipeConnected: Line(INFO, "pipe connected"),
        events.TransportClosed: Line(DEBUG, "transport closed"),
        events.IceStateChanged: Line(DEBUG, "ICE state"),
        events.DtlsStateChanged: Line(DEBUG, "DTLS state", "state", {DtlsState.FAILED: (WARNING, "handshake failed")}),
        events.ProducerMade: Line(INFO, "producer made"),
        events.ProducerPaused: Line(DEBUG, "producer paused"),
        events.ProducerResumed: Line(DEBUG, "producer resumed"),
        events.ProducerScored: Line(DEBUG, "producer scored"),
        events.ProducerClosed: Line(INFO, "producer closed"),
        events.ConsumerMade: Line(INFO, "consumer made"),
        events.ConsumerPaused: Line(DEBUG, "consumer paused"),
        events.ConsumerResumed: Line(DEBUG, "consumer resumed"),
        events.ConsumerLayersChanged: Line(
            DEBUG, "consumer is sent other layers", "reason", {"stopped": (DEBUG, "consumer is sent nothing")}
        ),
        events.ConsumerScored: Line(DEBUG, "consumer scored"),
        events.ConsumerClosed: Line(INFO, "consumer closed"),
        events.KeyFrameRequested: Line(DEBUG, "key frame requested"),
        events.AudioLevels: Line(DEBUG, "audio levels"),
        events.ActiveSpeaker: Line(DEBUG, "active speaker"),
        events.PacketsDropped: Line(DEBUG, "packets dropped"),
        events.EngineFault: Line(ERROR, "engine fault"),
        events.WorkerStarted: Line(INFO, "worker started"),
        events.WorkerDied: Line(ERROR, "worker died", "reason", {"hung": (ERROR, "worker hung")}),
    }
)


_NAMES = MappingProxyType({"router_ids": "router", "display_name": "name"})
_USUAL = MappingProxyType(
    {type_: {field.name: field.default for field in msgspec.structs.fields(type_)} for type_ in LINES}
)
"""What is not worth a word: the defaults of an event's fields."""


def log_event(happened: Happened) -> None:
    """Write the line of an event."""
    level, message, said = LINES[type(happened.event)].of(happened.event)
    if _log.is_enabled_for(level):
        keys = _keys(happened)
        keys.pop(said, None)
        _log.log(level, message, **keys)


def _keys(happened: Happened) -> dict[str, object]:
    """Room and participant, then the event's own fields, under the names of the things.

    What is unknown, and what is as usual, is left out.
    """
    event = happened.event
    usual = _USUAL[type(event)]
    keys: dict[str, object] = {"room": happened.room_id, "participant": happened.participant_id}
    for name in event.__struct_fields__:
        value = getattr(event, name)
        if value != usual[name]:
            keys.setdefault(_NAMES.get(name) or name.removesuffix("_id"), value)
    if happened.room_id is not None and not isinstance(event, events.RoomMade | events.RoomSpread):
        keys.pop("router", None)  # said when the room was made, and when it has others
    made = isinstance(event, events.ProducerMade | events.ConsumerMade) and not event.piped
    if made and happened.participant_id is not None:
        keys.pop("transport", None)  # said once, when the socket was connected
    if isinstance(event, events.ConsumerScored):
        keys |= {"score": event.score.score, "producer_score": event.score.producer_score}
    return {name: _plain(value) for name, value in keys.items() if value is not None and value is not ABSENT}


def _plain(value: object) -> object:
    match value:
        case tuple():
            return ",".join(str(_plain(one)) for one in value)
        case DropCount():
            return f"{value.reason}:{value.packets}"
        case AudioLevel():
            return f"{value.participant_id}:{value.volume}"
        case ProducerScore():
            return f"{value.encoding_idx if value.rid is ABSENT else value.rid}:{value.score}"
        case ConsumerLayers():
            temporal = "" if value.temporal_layer is ABSENT else f":{value.temporal_layer}"
            return f"{value.spatial_layer}{temporal}"
        case str():
            return str(value)
        case _:
            return value
