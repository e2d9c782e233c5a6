"""What happens: told by the media engine and by the rooms of their own accord, in the order of happening.

`kind` names each on the wire. How they travel to a watcher: `labsfu.wire.feed`.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from labsfu.wire.base import ABSENT, Absent, Wire
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId, RoomId, RouterId, TransportId, WorkerId
from labsfu.wire.observers import AudioLevel
from labsfu.wire.payloads import ParticipantType, RoomType
from labsfu.wire.rtp import ConsumerLayers, MediaKind
from labsfu.wire.sfu import ConsumerScore, ProducerScore
from labsfu.wire.stats import DropCount
from labsfu.wire.transport import DtlsState, IceState

CloseReason: TypeAlias = Literal[
    "asked",
    "router-closed",
    "transport-closed",
    "producer-closed",
    "dtls-closed",
    "dtls-failed",
    "internal-error",
    "worker-died",
]

RoomCloseReason: TypeAlias = Literal["deleted", "reset", "empty", "router-closed", "not-connected", "worker-died"]
"""`empty`: for its grace time; `not-connected`: the connection that it was made for failed."""

LeaveReason: TypeAlias = Literal[
    "left", "lost", "removed", "room-closed", "not-connected", "worker-died", "pipe-closed"
]
"""`lost`: its grace time is over; `not-connected`: as for a room; `worker-died`: its router went with its worker;
`pipe-closed`: it was known over a pipe, and nothing of it comes any more."""

SocketCloseReason: TypeAlias = Literal["left", "lost", "given-up", "replaced", "hung-up"]
"""`left`: the client closed it; `given-up`: it did not read, or broke the protocol; `replaced`: by a newer one of the
same participant; `hung-up`: its participant or its room ended."""

LayersReason: TypeAlias = Literal["begun", "preferred", "available", "stopped"]
"""Why a consumer is sent other layers. `begun`: it is sent the first ones, or is sent to again; `preferred`: others are
preferred; `available`: an encoding came, stopped coming, or was switched on or off; `stopped`: it is sent nothing."""

# ---------------------------------------------------------------- of the engine


class _OfRouter(Wire, tag_field="kind", tag=True):
    """Base of all events of the engine."""

    router_id: RouterId


class RouterMade(_OfRouter, tag="router-created"):
    """A router was made."""


class RouterClosed(_OfRouter, tag="router-closed"):
    """A router is gone; the events of all that it held came before."""

    reason: Literal["asked", "worker-died"] = "asked"


class TransportMade(_OfRouter, tag="transport-created"):
    """A transport was made; `pipe`: it leads to another router."""

    transport_id: TransportId
    pipe: bool = False


class PipeConnected(_OfRouter, tag="pipe-connected"):
    """The other end of a pipe is known; `remote` is its "address:port"."""

    transport_id: TransportId
    remote: str


class IceStateChanged(_OfRouter, tag="ice-state"):
    """The ICE gate of a transport changed its state; `remote` is "address:port" of the selected pair."""

    transport_id: TransportId
    state: IceState
    remote: str | Absent = ABSENT


class DtlsStateChanged(_OfRouter, tag="dtls-state"):
    """The DTLS gate of a transport changed its state."""

    transport_id: TransportId
    state: DtlsState


class TransportClosed(_OfRouter, tag="transport-closed"):
    """A transport is gone, its producers and consumers before it."""

    transport_id: TransportId
    reason: CloseReason


class ProducerMade(_OfRouter, tag="producer-created"):
    """A producer was made; `piped`: it comes over a pipe, with the id that it has in the router that it comes from."""

    transport_id: TransportId
    producer_id: ProducerId
    participant_id: ParticipantId
    media: MediaKind
    paused: bool = False
    piped: bool = False


class ProducerPaused(_OfRouter, tag="producer-paused"):
    """A producer is forwarded no more."""

    producer_id: ProducerId


class ProducerResumed(_OfRouter, tag="producer-resumed"):
    """A producer is forwarded again."""

    producer_id: ProducerId


class ProducerClosed(_OfRouter, tag="producer-closed"):
    """A producer is gone, its consumers before it."""

    producer_id: ProducerId
    reason: CloseReason


class ConsumerMade(_OfRouter, tag="consumer-created"):
    """A consumer was made; `piped`: it goes into a pipe, and `participant_id` is whose media it is."""

    transport_id: TransportId
    consumer_id: ConsumerId
    producer_id: ProducerId
    participant_id: ParticipantId
    paused: bool = False
    piped: bool = False


class ConsumerPaused(_OfRouter, tag="consumer-paused"):
    """A consumer is sent nothing."""

    consumer_id: ConsumerId


class ConsumerResumed(_OfRouter, tag="consumer-resumed"):
    """A consumer is sent to again."""

    consumer_id: ConsumerId


class ConsumerLayersChanged(_OfRouter, tag="consumer-layers"):
    """A consumer is sent other layers from now on; `layers` is absent when it is nothing."""

    consumer_id: ConsumerId
    layers: ConsumerLayers | Absent = ABSENT
    reason: LayersReason


class ProducerScored(_OfRouter, tag="producer-score"):
    """The streams of a producer arrive better or worse than they did; all that were heard are told."""

    producer_id: ProducerId
    score: tuple[ProducerScore, ...]


class ConsumerScored(_OfRouter, tag="consumer-score"):
    """A consumer's stream, or what its producer's streams are, gets through better or worse than it did."""

    consumer_id: ConsumerId
    score: ConsumerScore


class ConsumerClosed(_OfRouter, tag="consumer-closed"):
    """A consumer is gone."""

    consumer_id: ConsumerId
    reason: CloseReason


class KeyFrameRequested(_OfRouter, tag="key-frame-requested"):
    """A PLI or FIR went to a producer."""

    producer_id: ProducerId
    ssrc: int


class AudioLevels(_OfRouter, tag="audio-levels"):
    """Who was loud in the last second, the loudest first; told every second, and once when it got silent."""

    levels: tuple[AudioLevel, ...]
    silent: bool


class ActiveSpeaker(_OfRouter, tag="active-speaker"):
    """Somebody else speaks from now on; nobody, when both are absent."""

    producer_id: ProducerId | Absent = ABSENT
    participant_id: ParticipantId | Absent = ABSENT


class PacketsDropped(_OfRouter, tag="packets-dropped"):
    """Packets went no further: those of one stream since its last such event, a second ago at least.

    One id names whose they are: of a consumer, of a producer, or of a transport, where it is known no better. Without
    any, and with an empty `router_id`, they came from strangers. The rest of a stream is told just before it is closed,
    so that the sum of all its events is what was dropped of it.
    """

    transport_id: TransportId | Absent = ABSENT
    producer_id: ProducerId | Absent = ABSENT
    consumer_id: ConsumerId | Absent = ABSENT
    drops: tuple[DropCount, ...]


class EngineFault(_OfRouter, tag="engine-fault"):
    """A bug of the engine's; the transport that it happened in, where that is known, is closed.

    `router_id` is empty and `transport_id` absent where it is not. `detail` is a traceback.
    """

    transport_id: TransportId | Absent = ABSENT
    detail: str


EngineEvent: TypeAlias = (
    RouterMade
    | RouterClosed
    | TransportMade
    | PipeConnected
    | IceStateChanged
    | DtlsStateChanged
    | TransportClosed
    | ProducerMade
    | ProducerPaused
    | ProducerResumed
    | ProducerClosed
    | ConsumerMade
    | ConsumerPaused
    | ConsumerResumed
    | ConsumerLayersChanged
    | ProducerScored
    | ConsumerScored
    | ConsumerClosed
    | KeyFrameRequested
    | AudioLevels
    | ActiveSpeaker
    | PacketsDropped
    | EngineFault
)
"""Everything that an engine tells."""

# ---------------------------------------------------------------- of the rooms


class _OfRoom(Wire, tag_field="kind", tag=True):
    """Base of all events of the rooms."""

    room_id: RoomId


class _OfParticipant(_OfRoom, tag=True):
    """Base of the events of one participant."""

    participant_id: ParticipantId


class RoomMade(_OfRoom, tag="room-created"):
    """A room was made, on these routers."""

    type: RoomType
    size: int
    router_ids: tuple[RouterId, ...]


class RoomSpread(_OfRoom, tag="room-routers"):
    """A room lives on these routers from now on: it needed one more, or one is gone."""

    router_ids: tuple[RouterId, ...]


class RoomClosed(_OfRoom, tag="room-closed"):
    """A room is gone, its participants before it; what they sent and received is closed after it."""

    reason: RoomCloseReason


class ParticipantMade(_OfParticipant, tag="participant-created"):
    """A participant has its seat; the others do not know of it yet."""

    type: ParticipantType
    display_name: str
    share_screen: bool
    remote: bool = False


class ParticipantJoined(_OfParticipant, tag="participant-joined"):
    """A participant connected for the first time; the others know of it now."""


class ParticipantUpdated(_OfParticipant, tag="participant-updated"):
    """A participant that joined lost its socket, or came back."""

    connected: bool


class ParticipantLeft(_OfParticipant, tag="participant-left"):
    """A participant is gone, joined or not; what it sent and received is closed after it."""

    reason: LeaveReason


class SocketConnected(_OfParticipant, tag="socket-connected"):
    """A participant has a socket, and these transports for what it sends and receives."""

    producer_transport_id: TransportId
    consumer_transport_id: TransportId


class SocketClosed(_OfParticipant, tag="socket-closed"):
    """A participant has no socket any more, or a newer one; `detail` says why it was given up."""

    reason: SocketCloseReason
    detail: str | Absent = ABSENT


RoomEvent: TypeAlias = (
    RoomMade
    | RoomSpread
    | RoomClosed
    | ParticipantMade
    | ParticipantJoined
    | ParticipantUpdated
    | ParticipantLeft
    | SocketConnected
    | SocketClosed
)
"""Everything that the rooms tell."""

# ---------------------------------------------------------------- of the workers


class WorkerStarted(Wire, tag_field="kind", tag="worker-started"):
    """A worker runs; its process is `pid`."""

    worker_id: WorkerId
    pid: int


class WorkerDied(Wire, tag_field="kind", tag="worker-died"):
    """A worker is gone, and all of its routers; the events of their closing come before, another worker after.

    `reason`: its process ended by itself or was ended, or it did not answer (`hung`) and was ended for that; `detail`
    says more.
    """

    worker_id: WorkerId
    pid: int
    reason: Literal["ended", "hung"]
    detail: str


WorkerEvent: TypeAlias = WorkerStarted | WorkerDied
"""What becomes of the workers."""

Event: TypeAlias = EngineEvent | RoomEvent | WorkerEvent
