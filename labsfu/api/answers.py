"""Answers to connections that get no further than their first word: HTTP/1.1, written by hand."""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus

import trio

from labsfu.wire.base import to_json
from labsfu.wire.payloads import Problem

# Seconds until whoever does not take its answer is left alone.
PATIENCE = 1.0
_TAKE = 64 * 1024


def plain_answer(problem: Problem, *headers: str) -> bytes:
    """A problem as a whole HTTP/1.1 response that ends its connection."""
    body = to_json(problem)
    head = (
        f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}",
        "content-type: application/problem+json",
        f"content-length: {len(body)}",
        *headers,
        "connection: close",
        "",
        "",
    )
    return "\r\n".join(head).encode() + body


async def say_and_close(stream: trio.abc.HalfCloseableStream, answer: bytes) -> None:
    """Send an answer, and take in what the client still says: closing on that would take the answer back."""
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError), trio.move_on_after(PATIENCE):
        await stream.send_all(answer)
        await stream.send_eof()
        while await stream.receive_some(_TAKE):
            pass
