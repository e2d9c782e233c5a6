"""What a participant asks about how its streams fare."""

from __future__ import annotations

from labsfu.rooms.participant import Participant
from labsfu.rooms.wishes import Flow, ask
from labsfu.wire import commands
from labsfu.wire import socket as wire


def stats_for(participant: Participant, request: wire.GetStats) -> Flow[wire.Stats]:
    """The stats of its transports, producers and consumers, as far as they are there."""
    command = commands.GetStats(
        router_id=participant.router_id,
        transport_ids=tuple(options.id for options in participant.transports.values()),
        producer_ids=tuple(participant.producers),
        consumer_ids=tuple(participant.consumers),
    )
    shown = yield from ask(command, commands.StatsShown)
    return wire.Stats(
        request_id=request.request_id,
        transports=shown.transports,
        producers=shown.producers,
        consumers=shown.consumers,
    )
