"""The participant socket: one reader and one writer for each connection."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import trio
from quart import websocket

from labsfu.api.context import Api
from labsfu.api.link import LinkLike, link_of
from labsfu.api.messages import decode_message, refuse_message
from labsfu.api.problems import unexpected
from labsfu.api.rates import Budget, Rate, TooManyRequests
from labsfu.api.socket_loop import SocketLoop
from labsfu.errors import Unavailable
from labsfu.rooms.wishes import ConnectionId, Flow
from labsfu.shell.mailbox import Mailbox
from labsfu.wire.socket import Error, GetStats, Init

# Close codes (RFC 6455 7.4.1).
UNSUPPORTED_DATA = 1003
POLICY_VIOLATION = 1008
MESSAGE_TOO_BIG = 1009
INTERNAL_ERROR = 1011

# What may be said at once, in seconds' worth of messages: who comes into a room of 100 streams consumes and resumes
# each of them, as fast as it is answered, and may choose layers and ask for a key frame of each.
BURST_SECONDS = 5.0


async def serve_participant(api: Api, join: Callable[[ConnectionId], Flow[Init]]) -> None:
    """Join the room, then be the participant's socket until it closes.

    Raises:
        CommandError: refused; the socket is not accepted.
    """
    connection, mailbox = api.rooms.open()
    loop = ConnectionWebSocketEventLoop(api, connection, mailbox, link_of(websocket.scope))
    try:
        await api.rooms.run(join(connection))
        await loop.run()
    finally:
        api.rooms.close(connection)
        with suppress(Unavailable):  # the server stops, and the rooms with it
            await api.rooms.run(
                api.rooms.rooms.disconnected(connection, api.rooms.now(), clean=loop.clean, given_up=loop.given_up)
            )


STATS_RATE = Rate(2, 10)
"""How often a client may ask for all its statistics: with a thousand streams that takes 30 ms each time."""


class Pace:
    """How fast one client may speak. What is too much is refused; whoever goes on all the same is hopeless.

    Args:
        per_second: messages; 0: any number.

    Attributes:
        hopeless: as many were refused as may be accepted.
    """

    def __init__(self, per_second: float) -> None:
        rate = Rate(per_second, max(1.0, per_second * BURST_SECONDS)) if per_second else None
        self._accepted = None if rate is None else Budget(rate)
        self._refused = None if rate is None else Budget(rate)
        self._per_second = per_second
        self.hopeless = False

    def refusal(self, now: float) -> TooManyRequests | None:
        """One more message came; None: it may be carried out."""
        if self._accepted is None or self._refused is None or not (wait := self._accepted.spend(now)):
            return None
        self.hopeless = self._refused.spend(now) > 0
        return TooManyRequests(f"more than {self._per_second:g} messages a second; again in {wait:.2f} s", wait)


class ConnectionWebSocketEventLoop(SocketLoop):
    """Moves signals to the client and messages from it.

    The rooms decide what is said and in which order (`Init`, what exists, then what happens); this only carries it.
    """

    def __init__(self, api: Api, connection: ConnectionId, mailbox: Mailbox, link: LinkLike) -> None:
        super().__init__(mailbox, link)
        self._api = api
        self._connection = connection
        self._pace = Pace(api.config.max_messages_per_second)
        self._questions = Budget(STATS_RATE)

    async def process_websocket_signals(self) -> None:
        """Carry out the client's messages, one at a time."""
        limit = self._api.config.message_bytes
        while True:
            text = await websocket.receive()
            if not isinstance(text, str):  # an empty binary frame comes as None
                return self._give_up(UNSUPPORTED_DATA, "messages are text")
            if len(text) > limit or (len(text) * 4 > limit and len(text.encode()) > limit):
                return self._give_up(MESSAGE_TOO_BIG, f"messages have at most {limit} bytes")
            self._api.tally.messages += 1
            refusal = self._pace.refusal(trio.current_time())
            if refusal is not None:
                self._api.tally.messages_refused += 1
                if self._pace.hopeless:
                    return self._give_up(POLICY_VIOLATION, refusal.detail)
                self._mailbox.put(refuse_message(text, refusal.slug, refusal.detail))
                continue
            try:
                await self._carry_out(text)
            except Exception as error:  # logged; this connection ends, no other one does
                id_ = unexpected(self._api, error)
                return self._give_up(INTERNAL_ERROR, f"unexpected error; the log has it as {id_}")

    async def _carry_out(self, text: str) -> None:
        message = decode_message(text)
        if isinstance(message, Error):
            self._mailbox.put(message)
            return
        if isinstance(message, GetStats) and (wait := self._questions.spend(trio.current_time())):
            detail = f"more than {STATS_RATE.per_second:g} times GetStats a second; again in {wait:.2f} s"
            self._mailbox.put(refuse_message(text, TooManyRequests.slug, detail))
            return
        rooms = self._api.rooms
        await rooms.run(rooms.rooms.receive(self._connection, message, rooms.now()))
