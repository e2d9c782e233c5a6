"""`labsfu client`: a participant for a developer's own room, which says each second what it sends and receives."""

from clients.bot.command import ExitCode, run_client
from clients.bot.options import Words

__all__ = ["ExitCode", "Words", "run_client"]
