"""How many files, and so sockets, this process may have open."""

from __future__ import annotations

import resource
from contextlib import suppress

# What is open besides the connections: media sockets, the log, libraries' own, and a few that are being turned away.
RESERVE = 64


def raise_open_files(connections: int) -> int:
    """Raise the soft limit until so many connections fit, as far as the hard limit allows.

    Returns:
        How many do fit, `connections` at the most.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + RESERVE
    if soft != resource.RLIM_INFINITY and soft < wanted:
        raised = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(ValueError, OSError):  # some systems know limits beyond the hard one
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
            soft = raised
    return connections if soft == resource.RLIM_INFINITY else max(1, min(connections, soft - RESERVE))
