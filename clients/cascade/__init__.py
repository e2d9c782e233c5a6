"""A room on two servers: what people send on one is there on the other, over pipes between the servers.

`state` and `plan` decide, sans-IO; `follower` watches a server, `workman` carries out; `Cascade` is the whole.
"""

from __future__ import annotations

from clients.cascade.cascade import Cascade
from clients.cascade.news import News

__all__ = ["Cascade", "News"]
