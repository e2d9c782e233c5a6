"""How the core writes a remote address."""

from __future__ import annotations

from typing import TypeAlias

Address: TypeAlias = tuple[str, int] | tuple[str, int, int, int]
"""A socket address as Python's sockets give it: (host, port), with flow info and scope id behind them for IPv6.

The core compares and hashes it; only XOR-MAPPED-ADDRESS looks inside, at host and port.
"""
