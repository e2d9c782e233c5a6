"""The configuration: one frozen value, read once, handed on explicitly.

A setting comes from a flag, else from the environment (`LABSFU_MEDIA_PORT` for `--media-port`), else from the TOML
file (`media-port`), else it has its default. A wrong one is named with where it came from.
"""

from __future__ import annotations

import ipaddress
import math
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

import msgspec

from labsfu.errors import ConfigError
from labsfu.wire.base import ABSENT, Absent
from labsfu.wire.rtp import CodecParameters, PayloadType, RtpCodecCapability

T = TypeVar("T")

LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("text", "json")
REQUESTS_PER_SECOND = 100.0
MAX_PORT = 65535
MAX_WORKERS = 256

# The settings that are plain counts.
_COUNTS = (
    "router_capacity",
    "max_rooms",
    "max_participants",
    "max_producers_per_participant",
    "max_consumers_per_participant",
    "max_routers",
    "max_transports",
    "max_streams_per_pipe",
    "max_watchers",
    "max_connections",
)


@dataclass(frozen=True, slots=True)
class MediaListen:
    """Where media comes in: UDP on each of `addresses`, all with one port.

    Attributes:
        addresses: IPv4 or IPv6 addresses, the preferred one first.
        port: the same for all; 0 means any free one.
        announce: what clients are told instead, address by address; empty: the addresses themselves.
    """

    addresses: tuple[str, ...]
    port: int
    announce: tuple[str, ...] = ()

    @property
    def told(self) -> tuple[str, ...]:
        """The addresses that clients are told."""
        return self.announce or self.addresses

    def at(self, port: int) -> MediaListen:
        """The same on another port."""
        return replace(self, port=port)

    def of_worker(self, place: int) -> MediaListen:
        """Where a worker listens, 0 the first: each has the port behind the one before it, or any free one."""
        return self.at(self.port + place if self.port else 0)


@dataclass(frozen=True, slots=True)
class Config:
    """All settings of a server.

    Attributes:
        host: address or name that HTTP is bound to.
        port: port of HTTP; 0 means any free one.
        media: where media comes in.
        workers: processes that forward media, each on one core; 0: the server's own process; None: see `worker_count`.
        worker_patience: seconds without an answer until a worker counts as hung.
        router_capacity: participants of a room on one router; further ones get another.
        log_level: least level that is logged.
        log_format: `text` to be read, `json` for one object on each line.
        token: what callers must show; None: nothing (on loopback only).
        hosts: names in `Host` that are answered besides loopback ones, when bound to loopback.
        origins: origins (`https://lab.example`) whose pages may call besides loopback ones, when bound to loopback.
        participant_grace: seconds a participant outlives its lost socket.
        room_grace: seconds an empty room lives on.
        message_bytes: largest message a client may send over its socket.
        body_bytes: largest body of an HTTP request.
        outbox_bytes: what may wait for a client, or a watcher, that does not read.
        event_ring: events that are kept for watchers who come back.
        max_rooms: rooms at one time.
        max_participants: participants of all rooms together.
        max_producers_per_participant: producers of one participant at one time.
        max_consumers_per_participant: consumers of one participant on one router at one time.
        max_routers: routers at one time, those of rooms too.
        max_transports: transports at one time: two of each participant, one of each producer and consumer over HTTP.
        max_streams_per_pipe: producers and consumers of one pipe transport at one time.
        max_watchers: watchers of the event feed at one time.
        max_connections: TCP connections at one time.
        max_requests_per_second: of one client address, socket handshakes too; 0: any number; None: see `request_rate`.
        max_messages_per_second: of one participant's socket; 0: any number.
        cert: file with the certificate (PEM) that HTTPS is served with, and those that vouch for it; None: HTTP.
        key: file with its private key (PEM).
        codecs: media codecs of all routers, by name or in full, the preferred one of a kind first; empty: the default.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    media: MediaListen = MediaListen(("127.0.0.1",), 40000)
    workers: int | None = None
    worker_patience: float = 3.0
    router_capacity: int = 100
    log_level: str = "info"
    log_format: str = "text"
    token: str | None = None
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    participant_grace: float = 10.0
    room_grace: float = 30.0
    message_bytes: int = 256 * 1024
    body_bytes: int = 1024 * 1024
    outbox_bytes: int = 4 * 1024 * 1024
    event_ring: int = 10_000
    max_rooms: int = 1000
    max_participants: int = 10_000
    max_producers_per_participant: int = 16
    max_consumers_per_participant: int = 1000
    max_routers: int = 2000
    max_transports: int = 25_000
    max_streams_per_pipe: int = 4000
    max_watchers: int = 100
    max_connections: int = 12_000
    max_requests_per_second: float | None = None
    max_messages_per_second: float = 100.0
    cert: Path | None = None
    key: Path | None = None
    codecs: tuple[str | RtpCodecCapability, ...] = ()

    @property
    def loopback(self) -> bool:
        """HTTP is bound to loopback: only this machine can call."""
        return is_loopback(self.host)

    @property
    def worker_count(self) -> int:
        """Processes that forward media: one core is left to the server, where there are several."""
        return max(1, _cores() - 1) if self.workers is None else self.workers

    @property
    def request_rate(self) -> float:
        """Requests a second of one client address; 0: any number, which is the default on loopback, 100 elsewhere."""
        if self.max_requests_per_second is not None:
            return self.max_requests_per_second
        return 0.0 if self.loopback else REQUESTS_PER_SECOND


def _cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def is_loopback(host: str) -> bool:
    """Whether a name or an address (IPv6 with or without brackets) is this machine's loopback."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False


def load_config(flags: Mapping[str, str | None], environment: Mapping[str, str], file: Path | None = None) -> Config:
    """Read the configuration.

    Args:
        flags: by name of the setting (`media-port`), None for those not given.
        environment: the process's environment.
        file: a TOML file with the settings' names as keys.

    Raises:
        ConfigError: a setting is wrong; the message names it and the value in one line.
    """
    sources = _Sources(flags, environment, file)
    media = MediaListen(
        addresses=sources.read("media-address", _addresses, ("127.0.0.1",)),
        port=sources.read("media-port", _port, 40000),
        announce=sources.read("announce", _addresses, ()),
    )
    defaults = Config()
    config = Config(
        media=media,
        host=sources.read("host", _text, defaults.host),
        port=sources.read("port", _port, defaults.port),
        workers=sources.read("workers", _workers, None),
        worker_patience=sources.read("worker-patience", _patience, defaults.worker_patience),
        log_level=sources.read("log-level", _log_level, defaults.log_level),
        log_format=sources.read("log-format", _log_format, defaults.log_format),
        token=sources.read("token", _text, None, secret=True),
        cert=sources.read("cert", _file, None),
        key=sources.read("key", _file, None),
        hosts=sources.read("hosts", _texts, ()),
        origins=sources.read("origins", _texts, ()),
        participant_grace=sources.read("participant-grace", _seconds, defaults.participant_grace),
        room_grace=sources.read("room-grace", _seconds, defaults.room_grace),
        message_bytes=sources.read("message-bytes", _bytes, defaults.message_bytes),
        body_bytes=sources.read("body-bytes", _bytes, defaults.body_bytes),
        outbox_bytes=sources.read("outbox-bytes", _bytes, defaults.outbox_bytes),
        event_ring=sources.read("event-ring", _events, defaults.event_ring),
        max_requests_per_second=sources.read("max-requests-per-second", _rate, None),
        max_messages_per_second=sources.read("max-messages-per-second", _rate, defaults.max_messages_per_second),
        codecs=sources.read("codecs", _codecs, defaults.codecs),
    )
    counts = {field: sources.read(field.replace("_", "-"), _count, getattr(defaults, field)) for field in _COUNTS}
    config = replace(config, **counts)
    sources.check_all_known()
    _check_together(config)
    return config


def _check_together(config: Config) -> None:
    if not config.loopback and config.token is None:
        raise ConfigError(f"host '{config.host}' is not loopback: set --token or LABSFU_TOKEN")
    if (config.cert is None) != (config.key is None):
        given, missing = ("cert", "key") if config.key is None else ("key", "cert")
        raise ConfigError(f"{given} '{config.cert or config.key}' needs its {missing}: set --{missing} too")
    media = config.media
    if media.announce and len(media.announce) != len(media.addresses):
        raise ConfigError(f"announce '{','.join(media.announce)}' must be one address for each media-address")
    last = media.port + max(config.worker_count, 1) - 1
    if media.port and last > MAX_PORT:
        raise ConfigError(f"media-port '{media.port}' leaves no port for the last of {config.worker_count} workers")
    for address in media.told:
        if ipaddress.ip_address(address).is_unspecified:
            raise ConfigError(f"media-address '{address}' is no address to tell clients: set --announce")


class _Sources:
    """Where settings come from, first come first served."""

    def __init__(self, flags: Mapping[str, str | None], environment: Mapping[str, str], file: Path | None) -> None:
        self._flags = flags
        self._environment = environment
        self._file = file
        self._table = MappingProxyType({} if file is None else _read_toml(file))
        self._known: set[str] = set()

    def read(self, name: str, parse: Callable[[object], T], default: T, *, secret: bool = False) -> T:
        """The parsed value of a setting."""
        self._known.add(name)
        found = self._find(name)
        if found is None:
            return default
        where, value = found
        try:
            return parse(value)
        except ValueError as error:
            shown = "its value" if secret else f"{value!r}"
            raise ConfigError(f"{where}: {shown} is not {error}") from None

    def check_all_known(self) -> None:
        """A key of the file that no setting has is a typo."""
        for name in self._table:
            if name not in self._known:
                raise ConfigError(f"{self._file}: there is no setting '{name}'")

    def _find(self, name: str) -> tuple[str, object] | None:
        flag = self._flags.get(name)
        if flag is not None:
            return f"--{name}", flag
        variable = "LABSFU_" + name.replace("-", "_").upper()
        if variable in self._environment:
            return variable, self._environment[variable]
        if name in self._table:
            return f"{self._file}: {name}", self._table[name]
        return None


def _read_toml(file: Path) -> dict[str, object]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"--config: cannot read '{file}': {error.strerror}") from None
    except ValueError as error:  # not UTF-8, or not TOML
        raise ConfigError(f"--config: '{file}' is not TOML: {error}".replace("\n", " ")) from None


# Parsers raise ValueError with what the value should have been.


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a text")
    return value


def _file(value: object) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("the name of a file")
    return Path(value)


def _texts(value: object) -> tuple[str, ...]:
    items = [item.strip() for item in value.split(",")] if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) and item for item in items):
        raise ValueError("a list of texts (in the environment: separated by commas)")
    return tuple(items)


class _CodecTable(msgspec.Struct, frozen=True, rename="kebab", forbid_unknown_fields=True):
    """A codec in full, as the file writes it."""

    mime_type: str
    clock_rate: int
    channels: int | Absent = ABSENT
    preferred_payload_type: PayloadType | Absent = ABSENT
    parameters: CodecParameters = msgspec.field(default_factory=dict)


def _codecs(value: object) -> tuple[str | RtpCodecCapability, ...]:
    items = [item.strip() for item in value.split(",")] if isinstance(value, str) else value
    if not isinstance(items, list) or not items or "" in items:
        raise ValueError("a list of codecs (in the environment: names separated by commas)")
    return tuple(item if isinstance(item, str) else _codec(item) for item in items)


def _codec(table: object) -> RtpCodecCapability:
    try:
        codec = msgspec.convert(table, _CodecTable)
    except msgspec.ValidationError as error:
        raise ValueError(f"a list of codecs: {error}") from None
    return RtpCodecCapability(
        mime_type=codec.mime_type,
        clock_rate=codec.clock_rate,
        channels=codec.channels,
        preferred_payload_type=codec.preferred_payload_type,
        parameters=codec.parameters,
    )


def _integer(value: object, low: int, high: int, what: str) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(what)
    return value


def _port(value: object) -> int:
    return _integer(value, 0, MAX_PORT, "a port (0 to 65535; 0: any free one)")


def _workers(value: object) -> int:
    return _integer(value, 0, MAX_WORKERS, f"a number of workers (0 to {MAX_WORKERS})")


def _patience(value: object) -> float:
    return _number(value, 86400, "a number of seconds (0.1 to 86400)", low=0.1)


def _bytes(value: object) -> int:
    return _integer(value, 1024, 1 << 30, "a number of bytes (1024 to 1073741824)")


def _events(value: object) -> int:
    return _integer(value, 1, 10_000_000, "a number of events (1 to 10000000)")


def _count(value: object) -> int:
    return _integer(value, 1, 1_000_000, "a number (1 to 1000000)")


def _seconds(value: object) -> float:
    return _number(value, 86400, "a number of seconds (0 to 86400)")


def _rate(value: object) -> float:
    return _number(value, 1_000_000, "a number a second (0 to 1000000; 0: any)")


def _number(value: object, high: float, what: str, *, low: float = 0.0) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]  # anything else raises
    except (TypeError, ValueError):
        number = math.nan
    if not low <= number <= high:
        raise ValueError(what)
    return number


def _addresses(value: object) -> tuple[str, ...]:
    try:
        addresses = tuple(str(ipaddress.ip_address(text)) for text in _texts(value))
    except ValueError:
        raise ValueError("an IP address, or several separated by commas") from None
    if len(set(addresses)) != len(addresses):
        raise ValueError("addresses that differ")
    return addresses


def _log_format(value: object) -> str:
    if value not in LOG_FORMATS:
        raise ValueError(f"one of {', '.join(LOG_FORMATS)}")
    return str(value)


def _log_level(value: object) -> str:
    if value not in LOG_LEVELS:
        raise ValueError(f"one of {', '.join(LOG_LEVELS)}")
    return str(value)
