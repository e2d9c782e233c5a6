"""`labsfu client`: a participant for a developer's own room, which says each second what it sends and receives."""

from clients.bot.command import run_client
from clients.bot.options import Words
from clients.exit_code import ExitCode

__all__ = ["ExitCode", "Words", "run_client"]
