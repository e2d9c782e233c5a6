"""Keeps both sides of a pipe in step: what happened on the one is ordered of the other.

A copy that had consumers and has none any more is stopped where it enters its pipe, so that nothing is sent for nobody;
it flows again with the next one who wants it, and starts with the key frame that the pipe consumer asks for then. The
copy itself does not pause for that. One that nobody has used yet flows.

What is ordered *holds* a pipe consumer or a copy, and lets it go; that is beside their pauses, which are the callers'
alone. So whatever an event tells of a pause need not be told apart from what was ordered, and nobody's pause is undone.
"""

from __future__ import annotations

from labsfu.rooms.notices import Notices
from labsfu.rooms.pipe_book import Copy, Pipe, PipeBook
from labsfu.wire import commands, events
from labsfu.wire.ids import ConsumerId, ProducerId, RouterId


class PipeUpkeep:
    """Applies the engine's events to the pipes. Orders that repeat what was done already are refused; that is no harm.

    Args:
        book: the pipes.
        notices: where orders go.
    """

    def __init__(self, book: PipeBook, notices: Notices) -> None:
        self._book = book
        self._notices = notices

    def on_event(self, event: events.EngineEvent) -> None:
        """Take an event in."""
        match event:
            case events.ProducerPaused() | events.ProducerResumed():
                self._producer_flow(event.router_id, event.producer_id, isinstance(event, events.ProducerPaused))
            case events.ConsumerPaused() | events.ConsumerResumed():
                self._consumer_flow(event.consumer_id, isinstance(event, events.ConsumerPaused))
            case events.ConsumerMade():
                used = self._book.copies.get((event.router_id, event.producer_id))
                if used is not None:
                    self._book.users[event.consumer_id] = used
                    self.use(used, event.consumer_id)
            case events.ConsumerClosed():
                self._consumer_closed(event)
            case events.ProducerClosed():
                copy = self._book.copies.get((event.router_id, event.producer_id))
                if copy is not None:
                    self._end(copy, event)
            case events.TransportClosed():
                pipe = self._book.transports.get(event.transport_id)
                if pipe is not None:
                    self._end_pipe(pipe, event.router_id)
            case _:
                pass

    def follow(self, copy: Copy) -> None:
        """Have a copy stop or go on, if it is not as it should be."""
        if copy.made and not copy.ended and copy.held != copy.should_hold:
            copy.held = copy.should_hold
            self._order_there(
                copy,
                commands.HoldProducer(router_id=copy.destination, producer_id=copy.producer_id, held=copy.held),
            )

    def use(self, copy: Copy, user: object) -> None:
        """Somebody wants what a copy carries: a consumer, or a flow that is about to make one."""
        copy.users[user] = None
        self._set_idle(copy, False)

    def release(self, copy: Copy, user: object) -> None:
        """That one wants it no more."""
        copy.users.pop(user, None)
        if copy.made and not copy.users:
            self._set_idle(copy, True)

    def _set_idle(self, copy: Copy, idle: bool) -> None:
        if copy.consumer is not None and not copy.ended and copy.idle != idle:
            copy.idle = idle
            self._notices.order(commands.HoldConsumer(router_id=copy.source, consumer_id=copy.consumer.id, held=idle))

    def _producer_flow(self, router_id: RouterId, producer_id: ProducerId, paused: bool) -> None:
        copy = self._book.copies.get((router_id, producer_id))
        if copy is not None:
            copy.paused = paused
        for copy in self._book.copies_from(router_id, producer_id):
            copy.source_paused = paused
            self.follow(copy)

    def _consumer_flow(self, consumer_id: ConsumerId, paused: bool) -> None:
        copy = self._book.consumers.get(consumer_id)
        if copy is not None:
            copy.consumer_paused = paused
            self.follow(copy)

    def _consumer_closed(self, event: events.ConsumerClosed) -> None:
        used = self._book.users.pop(event.consumer_id, None)
        if used is not None:
            self.release(used, event.consumer_id)
        fed = self._book.consumers.get(event.consumer_id)
        if fed is not None:
            self._end(fed, event)

    def _end(self, copy: Copy, event: events.ConsumerClosed | events.ProducerClosed) -> None:
        """One side is gone; the other is to go, too, unless the flow that makes them will see to that."""
        if not copy.made:
            self._book.strike_copy(copy)
        elif copy.pipe is not None and event.reason not in ("asked", "producer-closed"):
            self._end_pipe(copy.pipe, event.router_id)
        elif isinstance(event, events.ConsumerClosed):
            self._book.strike_copy(copy)
            close = commands.CloseProducer(router_id=copy.destination, producer_id=copy.producer_id)
            self._order_there(copy, close)
        else:
            self._book.strike_copy(copy)
            assert copy.consumer is not None, "what was made has both"
            self._notices.order(commands.CloseConsumer(router_id=copy.source, consumer_id=copy.consumer.id))

    def _end_pipe(self, pipe: Pipe, router_id: RouterId) -> None:
        """Its end on this router is gone, or going; the other one is to go, and takes with it what goes over it."""
        copies = tuple(pipe.copies)
        self._book.strike_pipe(pipe)
        for command in closings_of(pipe):
            if command.router_id != router_id:
                over = self._notices.order(command)
                for copy in copies:
                    if copy.destination == command.router_id:
                        self._book.settle(copy, over)

    def _order_there(self, copy: Copy, command: commands.RouterCommand) -> None:
        """Order something of the copy itself."""
        self._book.settle(copy, self._notices.order(command))


def closings_of(pipe: Pipe) -> list[commands.ClosePipeTransport]:
    """What closes both ends of a pipe."""
    return [
        commands.ClosePipeTransport(router_id=router_id, transport_id=transport_id)
        for router_id, transport_id in pipe.ends.items()
    ]
