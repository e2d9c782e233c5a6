"""What a cascade tells: one thing that happened, for people in a sentence, for programs in fields."""

from __future__ import annotations

from typing import Literal, TypeAlias

from labsfu.wire.base import ABSENT, Absent, Wire
from labsfu.wire.ids import ParticipantId, ProducerId
from labsfu.wire.rtp import MediaKind

NewsKind: TypeAlias = Literal[
    "server-there",
    "server-away",
    "server-back",
    "room-there",
    "room-missing",
    "pipe-made",
    "pipe-closed",
    "stream-copied",
    "stream-paused",
    "stream-resumed",
    "stream-closed",
    "refused",
    "left",
]


class News(Wire):
    """One thing that happened.

    Attributes:
        at: epoch milliseconds.
        text: all of it in a sentence.
        side: the server that it is about; of streams, the one that they are copied to.
        participant_id: whose it is at the origin; `copy_participant_id` on the other server.
    """

    at: int
    kind: NewsKind
    text: str
    side: Literal["a", "b"] | Absent = ABSENT
    producer_id: ProducerId | Absent = ABSENT
    participant_id: ParticipantId | Absent = ABSENT
    copy_participant_id: ParticipantId | Absent = ABSENT
    media: MediaKind | Absent = ABSENT
