"""Faults in what is refused of pipes; see `planted_refusals`."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from labsfu.core import executor
from labsfu.core.outputs import BoundSocket
from labsfu.core.pipes import Pipes
from labsfu.core.tables import Tables
from labsfu.core.transport.pipe import PipeTransport
from labsfu.errors import Conflict, InvalidValue
from labsfu.rooms.piping import Piping
from labsfu.rooms.remote import RemotePeople
from labsfu.wire import commands
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId, RouterId, TransportId
from labsfu.wire.pipe import PipeConsumerPayload, PipeProducerPayload, PipeProducerToLocalRouterPayload
from labsfu.wire.rtp import MediaKind, ProducerType, RtpParameters
from tests.api.planting import Patch, always, instead_of, wrap
from tests.support.invented_ports import InventedPorts

_SOCKET = BoundSocket(99, "192.0.2.1", 4999)


def pipes(tables: Tables) -> list[PipeTransport]:
    return [one for one in tables.transports.values() if isinstance(one, PipeTransport)]


def pipes_of(self: executor.Executor, router_id: RouterId) -> list[TransportId]:
    return [pipe.id for pipe in pipes(self._tables) if pipe.router_id == router_id]


def contradictory_pipes(patch: Patch) -> None:
    """Nobody looks whether addresses and keys are any."""
    wrap(patch, PipeTransport, "connect", instead_of(InvalidValue, always(None)))
    wrap(patch, InventedPorts, "bind", instead_of(InvalidValue, always(_SOCKET)))


def pipes_in_any_state(patch: Patch) -> None:
    """What is in the wrong state is left as it is, and all is said to be well."""
    wrap(patch, PipeTransport, "connect", instead_of(Conflict, always(None)))
    wrap(patch, InventedPorts, "bind", instead_of(Conflict, always(_SOCKET)))
    wrap(patch, Pipes, "_consume", instead_of(Conflict, always(commands.PipeConsumed(consumer=_PIPE_CONSUMER))))
    wrap(patch, RemotePeople, "produce", _yielding(_PIPE_PRODUCER))
    wrap(patch, Piping, "pipe", _yielding(_Copied()))


_NO_MEDIA = RtpParameters(codecs=())
_PIPE_CONSUMER = PipeConsumerPayload(
    id=ConsumerId("c"),
    producer_id=ProducerId("p"),
    kind=MediaKind.AUDIO,
    rtp_parameters=_NO_MEDIA,
    paused=False,
    producer_paused=False,
)
_PIPE_PRODUCER = PipeProducerPayload(
    id=ProducerId("p"),
    kind=MediaKind.AUDIO,
    type=ProducerType.SIMPLE,
    rtp_parameters=_NO_MEDIA,
    paused=False,
    participant_id=ParticipantId("eve"),
)


def _yielding(answer: object) -> Callable[..., Any]:
    """A flow that answers what is in conflict with something."""

    def make(flow: Callable[..., Any]) -> Callable[..., Any]:
        def lenient(*args: object) -> Generator[Any, Any, object]:
            try:
                return (yield from flow(*args))
            except Conflict:
                return answer

        return lenient

    return make


class _Copied:
    """A copy of what cannot be copied."""

    @staticmethod
    def payload() -> PipeProducerToLocalRouterPayload:
        return PipeProducerToLocalRouterPayload(
            message="",
            producer_id=_PIPE_PRODUCER.id,
            source_router_id=RouterId("r"),
            destination_router_id=RouterId("r"),
            pipe_consumer=_PIPE_CONSUMER,
            pipe_producer=_PIPE_PRODUCER,
        )
