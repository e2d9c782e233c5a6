"""The commands on pipes: the way of producers to other routers, and from them."""

from __future__ import annotations

from labsfu.core.forwarding.consumer import Consumer
from labsfu.core.forwarding.producer import Producer
from labsfu.core.forwarding.router import Router
from labsfu.core.operations import Operations
from labsfu.core.outputs import BoundSocket
from labsfu.core.standalone import Standalone
from labsfu.core.stats.moment import Moment
from labsfu.core.stats.streams import pipe_stats
from labsfu.core.tables import Tables
from labsfu.errors import Conflict, Unavailable
from labsfu.wire import commands
from labsfu.wire.commands import Done, Result
from labsfu.wire.pipe import PipeConsumerPayload, PipeProducerPayload


class Pipes:
    """Carries them out. Given: the tables, the operations, the producers that are only a transport yet."""

    def __init__(self, tables: Tables, operations: Operations, standalone: Standalone) -> None:
        self._tables = tables
        self._operations = operations
        self._standalone = standalone

    def execute(
        self, router: Router, command: commands.RouterCommand, now: float, socket: BoundSocket | None
    ) -> Result | None:
        """Carry out a command on pipes; None when it is another one."""
        match command:
            case commands.CreatePipeTransport():
                return self._create(router, command, now, socket)
            case commands.ConnectPipeTransport():
                pipe = self._tables.pipe(router.id, command.transport_id)
                pipe.connect(command.ip, command.port, command.srtp_parameters, now)
                self._tables.follow(pipe)
            case commands.GetPipeTransport():
                pipe = self._tables.pipe(router.id, command.transport_id)
                return commands.PipeTransportShown(pipe_transport=pipe.show())
            case commands.ListPipeTransports():
                pipes = tuple(pipe.show() for pipe in self._tables.pipes(router.id))
                return commands.PipeTransportsShown(pipe_transports=pipes)
            case commands.ClosePipeTransport():
                pipe = self._tables.pipe(router.id, command.transport_id)
                self._operations.close_transport(pipe, "asked", now)
            case commands.GetPipeTransportStats():
                pipe = self._tables.pipe(router.id, command.transport_id)
                moment = Moment(now, self._operations.epoch_ms(now))
                return commands.PipeTransportStatsShown(stats=pipe_stats(router, pipe, moment))
            case commands.ConsumeForPipe():
                return self._consume(router, command, now)
            case commands.ProduceFromPipe():
                return self._produce(router, command, now)
            case commands.HoldConsumer():
                router.hold_consumer(command.consumer_id, command.held, now)
                self._operations.follow_producer(router, router.consumer(command.consumer_id).names.producer_id)
            case commands.HoldProducer():
                router.hold_producer(command.producer_id, command.held, now)
                self._operations.follow_producer(router, command.producer_id)
            case _:
                return None
        return Done()

    def _create(
        self, router: Router, command: commands.CreatePipeTransport, now: float, socket: BoundSocket | None
    ) -> commands.PipeTransportShown:
        if socket is None:
            raise Unavailable("no socket was opened for the pipe transport", slug="address-unavailable")
        pipe = self._operations.new_pipe(router, command, socket, now)
        self._operations.admit(pipe)
        return commands.PipeTransportShown(pipe_transport=pipe.show())

    def _consume(self, router: Router, command: commands.ConsumeForPipe, now: float) -> commands.PipeConsumed:
        pipe = self._tables.pipe(router.id, command.transport_id)
        if self._standalone.is_pending(router, command.producer_id):
            raise Conflict(f"producer '{command.producer_id}' sends nothing yet", slug="producer-incomplete")
        consumer = self._operations.negotiate_pipe_consumer(router, pipe, command, now)
        self._operations.add_consumer(router, pipe, consumer, now)
        return commands.PipeConsumed(consumer=_show_consumer(consumer))

    def _produce(self, router: Router, command: commands.ProduceFromPipe, now: float) -> commands.PipeProduced:
        pipe = self._tables.pipe(router.id, command.transport_id)
        id_ = command.producer_id
        if id_ in router.producers or self._standalone.is_pending(router, id_):
            raise Conflict(f"producer '{id_}' exists in router '{router.id}'", slug="producer-exists")
        producer = self._operations.produce(router, pipe, command, now, (id_, self._operations.epoch_ms(now)))
        return commands.PipeProduced(producer=_show_producer(producer))


def _show_consumer(consumer: Consumer) -> PipeConsumerPayload:
    return PipeConsumerPayload(
        id=consumer.names.id,
        producer_id=consumer.names.producer_id,
        kind=consumer.kind,
        rtp_parameters=consumer.rtp_parameters,
        paused=consumer.paused,
        producer_paused=consumer.producer_paused,
    )


def _show_producer(producer: Producer) -> PipeProducerPayload:
    terms = producer.terms
    return PipeProducerPayload(
        id=terms.id,
        kind=terms.kind,
        type=terms.type,
        rtp_parameters=producer.rtp_parameters,
        paused=producer.paused,
        participant_id=terms.participant_id,
    )
