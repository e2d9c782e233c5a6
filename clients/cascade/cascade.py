"""Joins a room of one server to the same room of another, for as long as a context lasts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from clients.api import ApiClient
from clients.cascade.errands import FIRST_DELAY, Errands
from clients.cascade.follower import Follower
from clients.cascade.news import News
from clients.cascade.plan import Action, Letter, Planner, Terms
from clients.cascade.reporter import Reporter
from clients.cascade.state import Side
from clients.cascade.workman import FAREWELL, Workman
from clients.errors import ClientError, Refused, ServerFailed, single
from clients.server_url import is_loopback, is_secure, read_url
from labsfu.wire.ids import RoomId

AT_ONCE = 8
"""Actions that are carried out at the same time."""

PATIENCE = 60.0


class SameServer(ClientError):
    """Both names are of one server: a room is not joined to itself."""


class Cascade:
    """Streams of room R on A are there in room R on B, and the other way round: an async context manager.

    A producer keeps its id and, if that is free on the other server, the id of its participant; else that is followed
    by `~2`, `~3` …. Pause, resume and close cross. What another cascade brought to a server goes on to the next one,
    but never to one where it has been. A room that is missing on one side is waited for.

    Entering waits until both servers have been seen. What ends it later cancels the body and is raised.

    Args:
        a: base URL of one server.
        b: of the other.
        room: id of the room, the same on both.
        token_a: bearer token of A.
        token_b: of B.
        ca: file with the certificates to be trusted for https:// (see `clients.trust`).
        one_way: from A to B only.
        srtp: encrypt what goes between the servers; None: unless both are on loopback.
        rtx: repair what is lost between them.
        listen_a: IP address where pipes listen on A; None: where its media comes in.
        listen_b: on B.
        patience: seconds that a server may be away.
        on_news: told what happens.

    Raises:
        ServerFailed: a server was away for longer than patience.
        Refused: a server does not want to be asked.
        InvalidValue: a URL is none (when it is made).
        SameServer: there is but one.
        ProtocolViolation: something else answers there.
    """

    def __init__(
        self,
        a: str,
        b: str,
        *,
        room: str,
        token_a: str | None = None,
        token_b: str | None = None,
        ca: str | Path | None = None,
        one_way: bool = False,
        srtp: bool | None = None,
        rtx: bool = True,
        listen_a: str | None = None,
        listen_b: str | None = None,
        patience: float = PATIENCE,
        on_news: Callable[[News], None] = lambda _: None,
    ) -> None:
        encrypted = not (is_loopback(a) and is_loopback(b)) if srtp is None else srtp
        self.terms = Terms(one_way=one_way, srtp=encrypted, rtx=rtx)
        self._apis: dict[Letter, ApiClient] = {"a": _api(a, token_a, ca), "b": _api(b, token_b, ca)}
        self._sides = {letter: Side(api.base_url, RoomId(room)) for letter, api in self._apis.items()}
        self._planner = Planner(self._sides["a"], self._sides["b"], self.terms)
        self._reporter = Reporter(self._sides, self.terms, on_news)
        self._workman = Workman(self._sides, self._apis, self.terms, {"a": listen_a, "b": listen_b})
        tokens = {"a": token_a, "b": token_b}
        self._followers = {
            letter: Follower(
                side,
                self._apis[letter],
                token=tokens[letter],
                ca=ca if is_secure(side.name) else None,
                patience=patience,
                on_change=self._changed,
                on_away=partial(self._server, letter),
            )
            for letter, side in self._sides.items()
        }
        self._errands = Errands()
        self._news = asyncio.Event()
        self._level = asyncio.Condition()
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._stack = AsyncExitStack()
        self._group: asyncio.TaskGroup | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._errand_tasks: set[asyncio.Task[None]] = set()
        self._in_step = False

    async def __aenter__(self) -> Self:
        await self._stack.__aenter__()
        try:
            for api in self._apis.values():
                await self._stack.enter_async_context(api)
            self._group = await self._stack.enter_async_context(asyncio.TaskGroup())
            self._stack.push_async_callback(self._stop)
            for follower in self._followers.values():
                self._spawn(follower.run())
            self._spawn(self._work())
            await self.until(lambda: all(follower.there for follower in self._followers.values()))
        except BaseException as error:
            await self._leave(error)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._leave(error)

    @property
    def in_step(self) -> bool:
        """Both servers are there, and nothing is to be done, as far as is known now."""
        return self._in_step

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds; it is looked at whenever something has changed."""
        async with self._level:
            await self._level.wait_for(condition)

    # ------------------------------------------------------------------ how

    async def _leave(self, error: BaseException | None) -> None:
        """Undo everything; of a group of one error, that one is raised."""
        try:
            await self._stack.__aexit__(type(error) if error else None, error, error.__traceback__ if error else None)
        except BaseExceptionGroup as errors:
            raise single(errors) from None

    async def _stop(self) -> None:
        # what is being made must be known before it can be undone
        for task in self._tasks - self._errand_tasks:
            task.cancel()
        if self._errand_tasks:
            await asyncio.wait(self._errand_tasks, timeout=FAREWELL)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await asyncio.shield(self._workman.end(self._planner.ours()))
        if any(side.server_id for side in self._sides.values()):
            self._reporter.left()

    def _spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        assert self._group is not None, "set on entering"
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _changed(self) -> None:
        self._news.set()

    def _server(self, letter: Letter, away: str | None) -> None:
        self._reporter.server(letter, away)
        self._changed()

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._look(loop.time())
            async with self._level:
                self._level.notify_all()
            look_at = self._errands.look_at
            try:
                async with asyncio.timeout_at(look_at):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()

    def _look(self, now: float) -> None:
        """See where we are, and begin what is to be done."""
        self._in_step = False
        if not all(follower.there for follower in self._followers.values()):
            return
        a, b = self._sides["a"], self._sides["b"]
        if a.server_id == b.server_id:
            raise SameServer(f"{a.name} and {b.name} are the same server")
        for letter in self._sides:
            self._reporter.room(letter)
        if self._errands.unseen(a, b, now):
            self._look_again()
        settled = a.settled and b.settled
        planned = self._planner.plan(self._errands.busy())
        self._tidy(settled=settled)
        for action in self._errands.due(planned, now, complete=settled):
            self._errands.begin(action)
            task = self._spawn(self._carry_out(action))
            self._errand_tasks.add(task)
            task.add_done_callback(self._errand_tasks.discard)
        self._in_step = not planned and self._errands.idle and settled

    def _tidy(self, *, settled: bool) -> None:
        if settled and self._errands.idle:
            self._reporter.forget(self._errands.failing)

    def _look_again(self) -> None:
        for follower in self._followers.values():
            follower.look_again()

    async def _carry_out(self, action: Action) -> None:
        time = asyncio.get_running_loop().time
        try:
            async with self._at_once:
                if time() < self._errands.held_until:
                    self._errands.put_off(action)
                    self._changed()
                    return
                await self._workman.carry_out(action)
        except (Refused, ServerFailed) as error:
            self._errands.failed(action, time())
            if isinstance(error, Refused) and error.too_often:
                # what we know is right; to read all of it anew would make it worse
                self._errands.hold(time() + (error.retry_after or FIRST_DELAY))
            else:
                self._look_again()
            # the first time we may just not have known better
            if not isinstance(error, Refused) or self._errands.times_failed(action) > 1:
                self._reporter.failed(action, error)
        else:
            self._errands.done(action, time())
            self._reporter.done(action)
        self._changed()


def _api(url: str, token: str | None, ca: str | Path | None) -> ApiClient:
    url = read_url(url)
    return ApiClient(url, token, ca=ca if is_secure(url) else None)
