"""`labsfu client` from its words to its exit code."""

from __future__ import annotations

import traceback

from clients.bot.options import BotOptions, Words, read_options
from clients.bot.session import Bot
from clients.errors import ClientError, Disconnected, Refused, ServerFailed
from clients.exit_code import ExitCode
from clients.trust import hint_of
from clients.until_asked import Reason, run_until_asked, when_asked_to_end

_LOST = (1001, 1006)
"""Close codes (RFC 6455 7.4.1) of a server that stops, or did."""


def run_client(words: Words) -> ExitCode:
    """Run a bot until it leaves; why it ends is said in one line on stderr, unless it was asked to."""
    return run_until_asked(lambda: _run(read_options(words)), _told)


async def _run(options: BotOptions) -> None:
    bot = Bot(options)
    when_asked_to_end(bot.stop)
    await bot.run()


def _told(error: BaseException) -> Reason:
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
