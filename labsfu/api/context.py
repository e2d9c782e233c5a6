"""What every handler is given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from labsfu.api.tally import Tally
from labsfu.config import Config
from labsfu.shell.event_hub import EventHub
from labsfu.shell.rooms_driver import RoomsDriver
from labsfu.shell.sampler import Sampler
from labsfu.wire.ids import ParticipantId, RouterId
from labsfu.wire.payloads import Listen
from labsfu.wire.rtp import RtpCapabilities
from labsfu.wire.worker import Workers


@dataclass(frozen=True, slots=True)
class Identity:
    """This run of the server. `started_at` is epoch milliseconds, `started` monotonic seconds."""

    id: str
    version: str
    started_at: int
    started: float
    listen: Listen


@dataclass(frozen=True, slots=True)
class Api:
    """The parts of the server that handlers use.

    Attributes:
        rooms: runs the rooms.
        events: what happens, for whoever watches.
        workers: the media engines.
        rtp_capabilities: what every router offers.
        config: the settings.
        identity: this run of the server.
        new_id: makes UUIDs.
        sampler: measures everything, for watchers.
        tally: what goes over HTTP and the sockets.
        producers_in_making: how many requests for a producer are under way, by router and participant.
    """

    rooms: RoomsDriver
    events: EventHub
    workers: Workers
    rtp_capabilities: RtpCapabilities
    config: Config
    identity: Identity
    new_id: Callable[[], str]
    sampler: Sampler
    tally: Tally = field(default_factory=Tally)
    producers_in_making: Counter[tuple[RouterId, ParticipantId]] = field(default_factory=Counter)
