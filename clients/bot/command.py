"""`labsfu client` from its words to its exit code."""

from __future__ import annotations

import asyncio
import signal
import traceback

from clients.bot.options import BotOptions, Words, read_options
from clients.bot.session import Bot
from clients.errors import ClientError, Disconnected, Refused, ServerFailed, UnusableFile
from clients.exit_code import ExitCode
from clients.output import OutputClosed, give_up
from clients.trust import hint_of
from labsfu.errors import InvalidValue

_LOST = (1001, 1006)
"""Close codes (RFC 6455 7.4.1) of a server that stops, or did."""


def run_client(words: Words) -> ExitCode:
    """Run a bot until it leaves; why it ends is said in one line on stderr, unless it was asked to."""
    try:
        options = read_options(words)
        asyncio.run(_run(options))
    except (InvalidValue, UnusableFile) as error:
        return _end(str(error), ExitCode.USAGE)
    except OutputClosed:
        return ExitCode.ASKED
    except KeyboardInterrupt:
        return _end("interrupted", ExitCode.INTERRUPTED)
    except Exception as error:
        return _end(*_told(error))
    return ExitCode.ASKED


async def _run(options: BotOptions) -> None:
    bot = Bot(options)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        # the next one ends the process at once
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        bot.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    await bot.run()


def _told(error: BaseException) -> tuple[str, ExitCode]:
    """Why it ends and what with; an error of the bot itself with its traceback."""
    match error:
        case BaseExceptionGroup() if error.exceptions:
            return min((_told(each) for each in error.exceptions), key=lambda told: told[1])
        case Disconnected():
            how = "the server is gone" if error.code in _LOST else "the server has ended it"
            return f"{how}: {error.reason or error}", ExitCode.SERVER_GONE
        case ServerFailed():
            return f"no server answers: {error}{hint_of(error)}", ExitCode.SERVER_GONE
        case Refused():
            hint = " (--token or LABSFU_TOKEN)" if error.status == 401 else ""
            return f"the server refused: {error.detail}{hint}", ExitCode.CLIENT_ERROR
        case ClientError() | OSError():
            return str(error), ExitCode.CLIENT_ERROR
        case _:
            return "the bot broke\n" + "".join(traceback.format_exception(error)).rstrip("\n"), ExitCode.CLIENT_ERROR


def _end(reason: str, code: ExitCode) -> ExitCode:
    give_up(reason)
    return code
