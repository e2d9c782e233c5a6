"""The one tree of errors. The class says whose fault it is; HTTP status is known to `labsfu.api.problems` only.

    LabsfuError
    ├── Malformed            bytes no peer should have sent; counted with their reason, dropped
    ├── ConfigError          a flag, an environment variable or a line of the configuration file is wrong
    └── CommandError         a command was refused; nothing changed
        ├── InvalidValue         a value has the wrong form (HTTP 400)
        ├── NotAllowed           the sender has no right to this (403)
        ├── NotFound             the thing named does not exist (404)
        ├── Conflict             the thing is in the wrong state, exists already, or is full (409)
        ├── Unsupported          well-formed, but this server cannot do it (422)
        └── Unavailable          the server cannot do it now: a port in use, a worker gone (503)

Every `CommandError` carries a `slug` (last part of its problem type, stable, e.g. `router-not-found`) and a `detail`
that names the value that was wrong.
"""

from __future__ import annotations


class LabsfuError(Exception):
    """Everything this package raises on purpose."""


class Malformed(LabsfuError):
    """Bytes from the network do not parse.

    Attributes:
        reason: a short, stable, kebab-case name that counters are keyed by, e.g. `rtp-too-short`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ConfigError(LabsfuError):
    """The configuration is wrong; the message names the setting and the value in one line."""


class CommandError(LabsfuError):
    """A command was refused and nothing changed.

    Attributes:
        slug: last part of the problem type, stable and kebab-case.
        detail: one sentence that names the value that was wrong.
    """

    slug = "refused"

    def __init__(self, detail: str, *, slug: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        if slug is not None:
            self.slug = slug


class InvalidValue(CommandError):
    """A value has the wrong form."""

    slug = "invalid-value"


class NotAllowed(CommandError):
    """The one who asks has no right to it."""

    slug = "not-allowed"


class NotFound(CommandError):
    """The thing named does not exist."""

    slug = "not-found"

    @classmethod
    def of(cls, kind: str, id_: str) -> NotFound:
        """The usual refusal: `NotFound.of("router", id)` has the slug `router-not-found`."""
        return cls(f"{kind} '{id_}' does not exist", slug=f"{kind.replace(' ', '-')}-not-found")


class Conflict(CommandError):
    """The thing is in the wrong state for this, exists already, or is full."""

    slug = "conflict"


class Unsupported(CommandError):
    """Well-formed, but nothing here can do it."""

    slug = "unsupported"


class Unavailable(CommandError):
    """Cannot be done now: a port in use, a worker gone."""

    slug = "unavailable"
