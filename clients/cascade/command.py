"""`labsfu cascade` from its words to its exit code."""

from __future__ import annotations

import asyncio
import traceback

from clients.cascade.cascade import Cascade
from clients.cascade.news import News
from clients.cascade.options import Options, Words, read_options
from clients.errors import ClientError, Refused, ServerFailed
from clients.exit_code import ExitCode
from clients.output import OutputClosed, clock_time, measured, printable
from clients.trust import hint_of
from clients.until_asked import Reason, run_until_asked, when_asked_to_end
from labsfu.wire.base import to_json

_UNAUTHORIZED = 401


def run_cascade(words: Words) -> ExitCode:
    """Join a room of two servers until asked to end; why it ends else is said in one line on stderr."""
    return run_until_asked(lambda: _run(read_options(words)), _told)


async def _run(options: Options) -> None:
    asked = asyncio.Event()
    output = _Output(json=options.json, closed=asked)
    staying = asyncio.create_task(_stay(options, output, asked), name="cascade")
    when_asked_to_end(asked.set)
    asking = asyncio.create_task(asked.wait(), name="cascade waits to be asked to end")
    await asyncio.wait((staying, asking), return_when=asyncio.FIRST_COMPLETED)
    if not output.joined:
        staying.cancel()
    asking.cancel()
    await asyncio.wait((staying, asking))
    if not staying.cancelled():
        staying.result()
    if output.error is not None:
        raise output.error


async def _stay(options: Options, output: _Output, asked: asyncio.Event) -> None:
    async with Cascade(
        options.a,
        options.b,
        room=options.room,
        token_a=options.token_a,
        token_b=options.token_b,
        ca=options.ca,
        one_way=options.one_way,
        srtp=options.srtp,
        rtx=options.rtx,
        listen_a=options.listen_a,
        listen_b=options.listen_b,
        patience=options.patience,
        on_news=output.tell,
    ):
        output.joined = True
        await asked.wait()


class _Output:
    """A line for each thing that happens.

    Attributes:
        joined: both servers were reached.
        error: why nothing can be written any more.
    """

    def __init__(self, *, json: bool, closed: asyncio.Event) -> None:
        self._json = json
        self._closed = closed
        self.joined = False
        self.error: OutputClosed | OSError | None = None

    def tell(self, news: News) -> None:
        """Write it; who does not read any more wants no more."""
        if self.error is not None:
            return
        line = to_json(news).decode() if self._json else f"{clock_time()} {printable(news.text)}"
        try:
            measured(line + "\n")
        except (OutputClosed, OSError) as error:
            self.error = error
            self._closed.set()


def _told(error: BaseException) -> Reason:
    """Why it ends and what with; an error of the cascade itself with its traceback."""
    match error:
        case BaseExceptionGroup() if error.exceptions:
            return max((_told(each) for each in error.exceptions), key=lambda told: told[1])
        case ServerFailed():
            return f"no server answers: {error}{hint_of(error)}", ExitCode.SERVER_GONE
        case Refused():
            hint = " (--token-a, --token-b)" if error.status == _UNAUTHORIZED else ""
            return f"a server refused: {error.detail}{hint}", ExitCode.CLIENT_ERROR
        case ClientError() | OSError():
            return str(error), ExitCode.CLIENT_ERROR
        case _:
            text = "the cascade broke\n" + "".join(traceback.format_exception(error)).rstrip("\n")
            return text, ExitCode.CLIENT_ERROR
