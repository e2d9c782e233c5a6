"""An ICE-lite agent for one component (RFC 8445 2.5, 7.3; consent RFC 7675; renomination as libwebrtc does it).

It never sends a check: it answers those of the peer, remembers the addresses that passed one, and knows which
of them is selected. A source that has not shown the password never gets more bytes back than it sent.
"""

from __future__ import annotations

import msgspec

from labsfu.core.ice.state import TRANSITIONS, IceInput
from labsfu.core.outputs import Address
from labsfu.core.stun.encode import encode_error, encode_success
from labsfu.core.stun.message import StunClass, StunMessage, parse
from labsfu.wire.transport import IceState

CONSENT_TIMEOUT = 30.0
MAX_PATHS = 8


class IceCredentials(msgspec.Struct, frozen=True):
    """What a peer must show: `ufrag` in front of USERNAME, `password` in MESSAGE-INTEGRITY (RFC 8445 5.3)."""

    ufrag: str
    password: str


class IceReply(msgspec.Struct, frozen=True):
    """What became of a STUN message.

    Attributes:
        response: bytes to send back to the source, or None.
        refused: why it was not accepted, as a stable kebab-case reason to count it by; None if it was.
    """

    response: bytes | None = None
    refused: str | None = None


class _Refusal(msgspec.Struct, frozen=True):
    code: int
    reason: str
    password: str | None = None  # set once the peer has shown that it knows it


class IceLiteAgent:
    """The agent of one transport.

    Args:
        credentials: ours, which the peer's checks must show.
        consent_timeout: seconds without a valid check after which the peer counts as gone; 0 means never.
    """

    __slots__ = ("_consent_timeout", "_credentials", "_expires", "_nomination", "_old", "_paths", "_selected", "_state")

    def __init__(self, credentials: IceCredentials, consent_timeout: float = CONSENT_TIMEOUT) -> None:
        # given
        self._credentials = credentials
        self._old: IceCredentials | None = None  # still good, until the first check with the new ones
        self._consent_timeout = consent_timeout
        # owned
        self._state = IceState.NEW
        self._paths: dict[Address, None] = {}  # in the order of their latest check
        self._selected: Address | None = None
        self._nomination = 0
        self._expires: float | None = None

    @property
    def state(self) -> IceState:
        """Where we stand; see `labsfu.core.ice.state`."""
        return self._state

    @property
    def selected(self) -> Address | None:
        """Where packets to the peer go; None while there is no path."""
        return self._selected

    @property
    def credentials(self) -> IceCredentials:
        """The credentials in force; during a restart, the new ones."""
        return self._credentials

    @property
    def ufrags(self) -> tuple[str, ...]:
        """Every local ufrag that a check may show now: one, or two during a restart."""
        return (self._credentials.ufrag,) if self._old is None else (self._credentials.ufrag, self._old.ufrag)

    def accepts(self, ufrag: str) -> bool:
        """Whether a check for this local ufrag is for us."""
        return ufrag in self.ufrags

    def knows(self, source: Address) -> bool:
        """Whether this address has passed a check, so that its DTLS and SRTP may be looked at."""
        return source in self._paths

    def receive(self, data: bytes, source: Address, now: float) -> IceReply:
        """Take one STUN message.

        Raises:
            Malformed: it does not parse as a Binding message.
        """
        message = parse(data)
        if self._state is IceState.CLOSED:
            return IceReply(refused="ice-closed")
        if message.kind is StunClass.INDICATION:
            return IceReply()  # a keepalive (RFC 8445 11): unauthenticated, so it changes nothing
        if message.kind is not StunClass.REQUEST:
            return IceReply(refused="ice-unexpected-response")
        credentials = self._credentials_for(message)
        refusal = _judge(message, credentials)
        if refusal is not None or credentials is None:
            return _refuse(message, refusal)
        if credentials is self._credentials:
            self._old = None
        self._take_path(message, source, now)
        host, port = source[:2]
        return IceReply(encode_success(message.transaction_id, host, port, credentials.password))

    def tick(self, now: float) -> None:
        """Let consent expire when its time has come."""
        if self._expires is not None and now >= self._expires:
            self._lose_paths()

    def deadline(self) -> float | None:
        """When `tick` has something to do; None if never."""
        return self._expires

    def restart(self, credentials: IceCredentials) -> None:
        """Take new credentials; the old ones stay good until the first check with the new (RFC 8445 9).

        Paths and state stay as they are, so media flows on; nominations are counted anew.
        """
        if self._old is None:  # else the current ones were never used, and the old ones still are
            self._old = self._credentials
        self._credentials = credentials
        self._nomination = 0

    def select(self, source: Address) -> bool:
        """Move to a known path because authentic media or DTLS came over it; True if that moved us."""
        if source == self._selected or source not in self._paths:
            return False
        self._selected = source
        return True

    def remove(self, source: Address) -> None:
        """Forget a path that cannot be used any more (a TCP connection that closed).

        If it was the selected one, the path checked most recently takes its place.
        """
        if source not in self._paths:
            return
        del self._paths[source]
        if not self._paths:
            self._lose_paths()
        elif source == self._selected:
            self._selected = next(reversed(self._paths))

    def close(self) -> None:
        """Forget all paths and refuse every further check. Idempotent."""
        self._forget_paths()
        self._move(IceInput.CLOSE)

    def _credentials_for(self, message: StunMessage) -> IceCredentials | None:
        username = message.username or ""
        for credentials in (self._credentials, self._old):
            if credentials is not None and username.startswith(f"{credentials.ufrag}:"):
                return credentials
        return None

    def _take_path(self, message: StunMessage, source: Address, now: float) -> None:
        self._expires = now + self._consent_timeout if self._consent_timeout else None
        self._paths.pop(source, None)
        self._paths[source] = None
        nominates = self._is_nomination(message)
        if nominates or self._selected is None:
            self._selected = source
        if len(self._paths) > MAX_PATHS:
            del self._paths[next(path for path in self._paths if path != self._selected)]
        self._move(IceInput.NOMINATION if nominates else IceInput.CHECK)

    def _is_nomination(self, message: StunMessage) -> bool:
        if message.nomination is None:
            return message.use_candidate
        if message.nomination <= self._nomination:
            return False
        self._nomination = message.nomination
        return True

    def _lose_paths(self) -> None:
        self._forget_paths()
        self._move(IceInput.PATHS_LOST)

    def _forget_paths(self) -> None:
        self._paths.clear()
        self._selected = None
        self._nomination = 0
        self._expires = None

    def _move(self, input_: IceInput) -> None:
        self._state = TRANSITIONS[self._state, input_]


def _judge(message: StunMessage, credentials: IceCredentials | None) -> _Refusal | None:
    """What is wrong with a request, in the order of RFC 8489 9.1.3 and RFC 8445 7.3.1.1; None if nothing is."""
    if not message.has_fingerprint:
        return _Refusal(400, "ice-fingerprint-missing")
    if not message.priority:
        return _Refusal(400, "ice-priority-missing")
    if message.username is None or message.integrity_offset is None:
        return _Refusal(400, "ice-credentials-missing")
    if credentials is None:
        return _Refusal(401, "ice-unknown-username")
    if not message.integrity_holds(credentials.password):
        return _Refusal(401, "ice-integrity")
    if message.controlled is not None:  # a lite agent is always controlled, so both of us would be
        return _Refusal(487, "ice-role-conflict", credentials.password)
    return None


def _refuse(message: StunMessage, refusal: _Refusal | None) -> IceReply:
    if refusal is None:
        return IceReply(refused="ice-unknown-username")
    response = encode_error(message.transaction_id, refusal.code, refusal.password)
    # Anyone can forge a source address: what has not shown the password must not be answered with more than it sent.
    amplifies = len(response) > len(message.data)
    return IceReply(None if amplifies else response, refusal.reason)
