"""Bodies of the HTTP routes (design: the HTTP and WebSocket contract)."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from labsfu.wire.base import ABSENT, Absent, Wire
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId, RoomId, RouterId, WorkerId
from labsfu.wire.rtp import RtpCapabilities
from labsfu.wire.stats import EngineCounts


class RoomType(StrEnum):
    """`call`: everyone sends, at most 2; `conference`: everyone sends; `broadcast`: hosts send."""

    CALL = "call"
    CONFERENCE = "conference"
    BROADCAST = "broadcast"


class ParticipantType(StrEnum):
    """What a participant may do: viewers never send; guests of a broadcast neither."""

    HOST = "host"
    GUEST = "guest"
    VIEWER = "viewer"


class ParticipantPayload(Wire):
    """A participant as others see it. `created_at` is epoch milliseconds; `remote`: of another server, over a pipe."""

    id: ParticipantId
    room_id: RoomId
    type: ParticipantType
    display_name: str
    share_screen: bool
    remote: bool = False
    connected: bool
    producer_ids: tuple[ProducerId, ...]
    consumer_ids: tuple[ConsumerId, ...]
    created_at: int


class RoomPayload(Wire):
    """A room. `created_at` is epoch milliseconds."""

    id: RoomId
    type: RoomType
    size: int
    router_ids: tuple[RouterId, ...]
    participants: tuple[ParticipantPayload, ...]
    created_at: int


class WorkerInfo(Wire):
    """One worker: process, load, counts. `cpu_seconds` is user and system time since its process began.

    `load` is the share of a core that it used in the last second; `participant_count` adds up what its routers were
    made for; `listen` is where its media comes in, each "udp:address:port". Of a worker that is not `running` there are
    no counts; one that is `silent` has a process that does not answer in time.
    """

    id: WorkerId
    pid: int
    state: Literal["starting", "running", "silent", "dead"]
    listen: tuple[str, ...] = ()
    load: float = 0.0
    participant_count: int = 0
    cpu_seconds: float
    rss_bytes: int
    router_count: int
    producer_count: int
    consumer_count: int
    forwarded_packets_per_second: float
    media: EngineCounts


class Counts(Wire):
    """How many of each the whole server holds."""

    routers: int
    transports: int
    producers: int
    consumers: int
    rooms: int
    participants: int


class Listen(Wire):
    """Where the server listens: `http` is "host:port", `media` each "udp:address:port"."""

    http: str
    media: tuple[str, ...]


class SfuInfo(Wire):
    """The server. `started_at` is epoch milliseconds; `event_seq` is the last event of this `epoch`."""

    id: str
    epoch: str
    event_seq: int
    version: str
    started_at: int
    uptime_seconds: float
    workers: tuple[WorkerInfo, ...]
    counts: Counts
    rtp_capabilities: RtpCapabilities
    listen: Listen


class Problem(Wire):
    """A refusal (RFC 9457 3). `type` is a stable slug under /problems/."""

    type: str
    title: str
    status: int
    detail: str
    instance: str | Absent = ABSENT
    errors: tuple[str, ...] | Absent = ABSENT


def problem_type(slug: str) -> str:
    """The problem type of a slug: `room-full` is `/problems/room-full`, on HTTP and on the socket."""
    return f"/problems/{slug}"


class Message(Wire):
    """The success message of an action."""

    message: str


class RoomList(Wire):
    """All rooms."""

    rooms: tuple[RoomPayload, ...]


class ParticipantList(Wire):
    """All participants of a room."""

    participants: tuple[ParticipantPayload, ...]
