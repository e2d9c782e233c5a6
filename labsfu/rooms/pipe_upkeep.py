"""Keeps both sides of a pipe in step: what happened on the one is ordered of the other.

A copy that had consumers and has none any more is stopped where it enters its pipe, so that nothing is sent for nobody;
it flows again with the next one who wants it, and starts with the key frame that the pipe consumer asks for then. The
copy itself does not pause for that. One that nobody has used yet flows.
"""

from __future__ import annotations

from labsfu.rooms.notices import Notices
from labsfu.rooms.pipe_book import Copy, Pipe, PipeBook
from labsfu.wire import commands, events
from labsfu.wire.ids import ConsumerId, ProducerId, RouterId, TransportId


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
                self._source_flow(event.router_id, event.producer_id, paused=isinstance(event, events.ProducerPaused))
            case events.ConsumerPaused() | events.ConsumerResumed():
                self._consumer_flow(event.consumer_id, paused=isinstance(event, events.ConsumerPaused))
            case events.ConsumerMade():
                self._consumer_made(event)
            case events.ConsumerClosed():
                self._consumer_closed(event.consumer_id)
            case events.ProducerClosed():
                copy = self._book.copies.get((event.router_id, event.producer_id))
                if copy is not None:
                    self._end(copy, consumer_is_left=True)
            case events.TransportClosed():
                self._transport_closed(event.transport_id)
            case _:
                pass

    def follow(self, copy: Copy) -> None:
        """Have a copy paused or resumed, if it is not as it should be."""
        if copy.made and not copy.ended and copy.paused != copy.should_pause:
            copy.paused = copy.should_pause
            command = commands.PauseProducer if copy.paused else commands.ResumeProducer
            self._notices.order(command(router_id=copy.destination, producer_id=copy.producer_id))

    def use(self, copy: Copy, user: object) -> None:
        """Somebody wants what a copy carries: a consumer, or a flow that is about to make one."""
        copy.users[user] = None
        if copy.idle:
            copy.idle = False
            self._set_flow(copy, paused=False)

    def release(self, copy: Copy, user: object) -> None:
        """That one wants it no more."""
        copy.users.pop(user, None)
        if copy.made and not (copy.users or copy.idle or copy.ended or copy.consumer_paused):
            copy.idle = True
            self._set_flow(copy, paused=True)

    def _set_flow(self, copy: Copy, *, paused: bool) -> None:
        if copy.consumer_id is not None and not copy.ended:
            copy.awaited.append(paused)
            command = commands.PauseConsumer if paused else commands.ResumeConsumer
            self._notices.order(command(router_id=copy.source, consumer_id=copy.consumer_id))

    def _source_flow(self, router_id: RouterId, producer_id: ProducerId, *, paused: bool) -> None:
        for copy in self._book.copies_from(router_id, producer_id):
            copy.source_paused = paused
            self.follow(copy)

    def _consumer_flow(self, consumer_id: ConsumerId, *, paused: bool) -> None:
        copy = self._book.consumers.get(consumer_id)
        if copy is None:
            return
        if copy.awaited and copy.awaited[0] == paused:
            copy.awaited.popleft()  # as we ordered
            return
        copy.consumer_paused = paused
        if not paused:
            copy.idle = False  # somebody wants it to flow, though nobody receives it
        self.follow(copy)

    def _consumer_made(self, event: events.ConsumerMade) -> None:
        used = self._book.copies.get((event.router_id, event.producer_id))
        if used is not None:
            self._book.users[event.consumer_id] = used
            self.use(used, event.consumer_id)
        if event.piped:
            pipe = self._book.transports.get(event.transport_id)
            for copy in self._book.copies_from(event.router_id, event.producer_id):
                if copy.pipe is pipe and copy.consumer_id is None:
                    self._book.name_consumer(copy, event.consumer_id)

    def _consumer_closed(self, consumer_id: ConsumerId) -> None:
        used = self._book.users.pop(consumer_id, None)
        if used is not None:
            self.release(used, consumer_id)
        fed = self._book.consumers.get(consumer_id)
        if fed is not None:
            self._end(fed, consumer_is_left=False)

    def _end(self, copy: Copy, *, consumer_is_left: bool) -> None:
        """One side is gone; the other is to go, too, unless the flow that makes them will see to that."""
        self._book.strike_copy(copy)
        if not copy.made:
            return
        if not consumer_is_left:
            self._notices.order(commands.CloseProducer(router_id=copy.destination, producer_id=copy.producer_id))
        elif copy.consumer_id is not None:
            self._notices.order(commands.CloseConsumer(router_id=copy.source, consumer_id=copy.consumer_id))

    def _transport_closed(self, transport_id: TransportId) -> None:
        pipe = self._book.transports.get(transport_id)
        if pipe is not None:
            self._book.strike_pipe(pipe)
            for command in closings_of(pipe):
                if command.transport_id != transport_id:
                    self._notices.order(command)


def closings_of(pipe: Pipe) -> list[commands.ClosePipeTransport]:
    """What closes both ends of a pipe."""
    return [
        commands.ClosePipeTransport(router_id=router_id, transport_id=transport_id)
        for router_id, transport_id in pipe.ends.items()
    ]
