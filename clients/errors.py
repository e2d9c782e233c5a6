"""What can go wrong for a client; the class says whose fault it is.

ClientError
├── Refused              the server said no, and why
├── Disconnected         the participant socket is gone
├── ProtocolViolation    the server said something that the contract does not know
├── TransportFailed      ICE or DTLS did not come up, or was lost
├── MediaFailed          a track or an encoder of ours raised
├── UnusableFile         a file has not what we should send, or trust
├── NothingInCommon      no codec that both sides know
└── ServerFailed         a server process did not start, or ended by itself
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Self

from labsfu.errors import InvalidValue, LabsfuError
from labsfu.wire.base import from_json
from labsfu.wire.payloads import Problem


class ClientError(LabsfuError):
    """Everything the clients raise on purpose."""


class Refused(ClientError):
    """The server refused a request; nothing changed.

    Attributes:
        type: problem type, e.g. `/problems/room-full`; `about:blank` when the answer had no problem body.
        detail: the server's sentence.
        status: HTTP status; None on the participant socket.
        action: the refused action of the participant socket; None over HTTP.
        retry_after: seconds after which to ask again, as the server said (RFC 9110 10.2.3); None: it did not.
    """

    def __init__(
        self,
        type_: str,
        detail: str,
        *,
        status: int | None = None,
        action: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        where = f"{status} " if status is not None else f"{action} " if action is not None else ""
        super().__init__(f"{where}{type_}: {detail}")
        self.type = type_
        self.detail = detail
        self.status = status
        self.action = action
        self.retry_after = retry_after

    @classmethod
    def from_http(cls, status: int, phrase: str, body: bytes, retry_after: str | None = None) -> Self:
        """The refusal that an HTTP response is: of its problem body (RFC 9457), or of its status line alone.

        Of `Retry-After` a number of seconds is read; a date is passed over.
        """
        seconds = None
        if retry_after is not None and retry_after.isascii() and retry_after.isdigit():
            seconds = float(retry_after)
        try:
            problem = from_json(body, Problem)
        except InvalidValue:
            return cls("about:blank", phrase or "no reason given", status=status, retry_after=seconds)
        return cls(problem.type, problem.detail, status=status, retry_after=seconds)

    @property
    def too_often(self) -> bool:
        """We ask faster than the server allows: nothing is wrong with what was asked."""
        return self.status == HTTPStatus.TOO_MANY_REQUESTS

    @property
    def passing(self) -> bool:
        """The same may be granted later: the server has too much to do now, or something is wrong with itself."""
        server_side = self.status is not None and self.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        return self.too_often or server_side or self.slug == "too-many-watchers"

    @property
    def slug(self) -> str:
        """Last part of the type: `/problems/room-full` has the slug `room-full`."""
        return self.type.rpartition("/")[2]


class Disconnected(ClientError):
    """The participant socket is gone.

    Attributes:
        code: WebSocket close code (RFC 6455 7.4); 1006 when there was no close frame.
        reason: the reason in the close frame, or what the connection died of.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"socket closed with {code}{f': {reason}' if reason else ''}")
        self.code = code
        self.reason = reason


class ProtocolViolation(ClientError):
    """The server said something that the contract does not know, or at the wrong time."""


class TransportFailed(ClientError):
    """ICE or DTLS did not come up in time, or was lost."""


class MediaFailed(ClientError):
    """A track or an encoder raised while we were sending."""


class UnusableFile(ClientError):
    """A file is missing, is no media file, or holds nothing of the kind that we should send.

    Attributes:
        path: the file.
        reason: what is wrong with it.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class NothingInCommon(ClientError):
    """The router and this client share no codec of the kind."""


class ServerFailed(ClientError):
    """A server process did not become ready, or ended by itself; the message has the tail of its stderr."""


def single(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error of a group, or the group; several tasks may see the same connection end."""
    distinct = list({id(e): e for e in errors.exceptions}.values())
    if len(distinct) == 1 or all(isinstance(e, Disconnected) for e in distinct):
        return distinct[0]
    return errors
