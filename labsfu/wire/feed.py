"""How events travel to a watcher (`WS /sfu/events`): one JSON object for each frame.

The first frame is a `Hello`; when something that was asked for is gone, a `Gap` follows; then events, numbered without
a hole. An event is flat: its own fields beside `seq` and `at`, and `roomId` and `participantId` where they are known.
A watcher that asked for an interval gets a `Sample` that often between them; it has no number, and is never told again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import msgspec

from labsfu.errors import InvalidValue
from labsfu.wire.base import ABSENT, Absent, Wire, to_json
from labsfu.wire.events import Event
from labsfu.wire.ids import ParticipantId, RoomId
from labsfu.wire.payloads import WorkerInfo
from labsfu.wire.stats import ConsumerSample, ProducerSample, TransportSample


class Hello(Wire, tag_field="kind", tag="hello"):
    """The first frame of a connection.

    Attributes:
        epoch: this run of the server; numbers are comparable within one epoch only.
        seq: the number that the next thing to happen will have; what comes below it is replayed.
        oldest: the first event that is still there; `seq` when none is.
    """

    epoch: str
    seq: int
    oldest: int


class Gap(Wire, tag_field="kind", tag="gap"):
    """What was asked for is not all there.

    Attributes:
        reason: `too-old`: it was dropped. `other-epoch`: what was seen is of another run of the server, and how that
            went on is lost; this run is told from its start, as far as it is there.
        from_seq: the first number of this epoch that is missing.
        to_seq: the last; `from_seq - 1` when nothing of this epoch is missing.
    """

    reason: Literal["too-old", "other-epoch"]
    from_seq: int = msgspec.field(name="from")
    to_seq: int = msgspec.field(name="to")


class Measurement(Wire):
    """All workers, transports, producers and consumers at one moment.

    Attributes:
        at: epoch milliseconds.
    """

    at: int
    workers: tuple[WorkerInfo, ...]
    transports: tuple[TransportSample, ...]
    producers: tuple[ProducerSample, ...]
    consumers: tuple[ConsumerSample, ...]


class Sample(Measurement, tag_field="kind", tag="sample"):
    """A measurement, for a watcher that asked for one every `interval` milliseconds."""

    interval: int


@dataclass(frozen=True, slots=True)
class Happened:
    """An event, numbered and dated.

    Attributes:
        seq: 1, 2, 3 … within an epoch.
        at: epoch milliseconds.
        room_id: where it happened, if it is known.
        participant_id: whom it concerns, if it is known.
        event: what happened.
    """

    seq: int
    at: int
    room_id: RoomId | None
    participant_id: ParticipantId | None
    event: Event


Frame: TypeAlias = Hello | Gap | Sample | Happened


class _Stamp(Wire):
    """What stands before an event's own fields."""

    seq: int
    at: int


class _Place(Wire):
    """What stands after them, unless they say it themselves."""

    room_id: RoomId | Absent = ABSENT
    participant_id: ParticipantId | Absent = ABSENT


_STAMP: msgspec.json.Decoder[_Stamp] = msgspec.json.Decoder(_Stamp)
_PLACE: msgspec.json.Decoder[_Place] = msgspec.json.Decoder(_Place)
_BODY: msgspec.json.Decoder[Hello | Gap | Sample | Event] = msgspec.json.Decoder(Hello | Gap | Sample | Event)


def encode_happened(happened: Happened) -> bytes:
    """An event as one flat JSON object."""
    event = happened.event
    stamp = _Stamp(seq=happened.seq, at=happened.at)
    place = _Place(
        room_id=ABSENT if happened.room_id is None or hasattr(event, "room_id") else happened.room_id,
        participant_id=(
            ABSENT if happened.participant_id is None or hasattr(event, "participant_id") else happened.participant_id
        ),
    )
    fields = (to_json(part)[1:-1] for part in (stamp, event, place))
    return b"{" + b",".join(text for text in fields if text) + b"}"


def encode_sample(measurement: bytes, interval: int) -> bytes:
    """The `Sample` of a measurement that is JSON already: the same for all watchers but for their intervals."""
    return b'{"kind":"sample","interval":%d,%s' % (interval, measurement[1:])


def decode_frame(data: str | bytes) -> Frame:
    """Read a frame.

    Raises:
        InvalidValue: it is none that we know.
    """
    try:
        body = _BODY.decode(data)
        if isinstance(body, Hello | Gap | Sample):
            return body
        stamp, place = _STAMP.decode(data), _PLACE.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidValue(f"not a frame of the feed: {error}", slug="wrong-shape") from error
    room_id = None if place.room_id is ABSENT else place.room_id
    participant_id = None if place.participant_id is ABSENT else place.participant_id
    return Happened(stamp.seq, stamp.at, room_id, participant_id, body)
