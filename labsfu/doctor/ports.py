"""The ports: free, or held by a labsfu that runs already."""

from __future__ import annotations

import errno
import json
import socket
import ssl
from collections.abc import Iterator
from urllib.error import URLError
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

from labsfu.config import Config
from labsfu.doctor.finding import Finding, Patient, fail, ok

PATIENCE = 1.0
_FIRST_FREE_FOR_ALL = 1024


def check(patient: Patient) -> Iterator[Finding]:
    """One line for HTTP, one for each media address and worker; where any free port will do, one for each address."""
    config = patient.config
    yield _check_http(config)
    workers = max(config.worker_count, 1) if config.media.port else 1
    for place in range(workers):
        for address in config.media.addresses:
            yield _check_media(config, address, config.media.of_worker(place).port)


def _check_http(config: Config) -> Finding:
    where = f"tcp {_show(config.host, config.port)}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            config.host, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
            sock.listen(1)
    except (socket.gaierror, UnicodeError):  # the latter: no name can be so long
        return fail("HTTP port", f"there is no host '{config.host}'", "give an address of this machine as --host")
    except OSError as error:
        if error.errno == errno.EADDRINUSE and _labsfu_runs(config):
            return ok("HTTP port", f"{where} is held by a labsfu that runs")
        return _refused("HTTP port", where, error, "--port", f"ss -ltnp 'sport = :{config.port}'", config.port)
    return ok("HTTP port", f"{where} is free" if config.port else "any free one is taken")


def _check_media(config: Config, address: str, port: int) -> Finding:
    where = f"udp {_show(address, port)}"
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((address, port))
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            return fail("media port", f"{where} cannot be tried", "see the addresses")
        if error.errno == errno.EADDRINUSE and f"udp:{_show(address, port)}" in _media_of_running(config):
            return ok("media port", f"{where} is held by the labsfu that runs")
        return _refused("media port", where, error, "--media-port", f"ss -lunp 'sport = :{port}'", port)
    return ok("media port", f"{where} is free" if port else "any free one is taken")


def _refused(name: str, where: str, error: OSError, flag: str, who: str, port: int) -> Finding:
    if error.errno == errno.EADDRINUSE:
        return fail(name, f"{where} is held by another program", f"`{who}` names it: end it, or choose another {flag}")
    if error.errno == errno.EADDRNOTAVAIL:
        return fail(name, f"{where} cannot be had: that is no address of this machine", "see the addresses")
    if error.errno == errno.EACCES and port < _FIRST_FREE_FOR_ALL:
        return fail(name, f"{where} is for root only", f"choose a {flag} from {_FIRST_FREE_FOR_ALL} on")
    return fail(name, f"{where} cannot be had: {error.strerror}", f"choose another {flag}")


def _labsfu_runs(config: Config) -> bool:
    return _asks(config, "/healthz", {}) == {"message": "alive"}


def _asks(config: Config, path: str, headers: dict[str, str]) -> object:
    """What a server on our HTTP port answers; None: nothing that makes sense."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # who it is, is just what is asked
    scheme = "http" if config.cert is None else "https"
    request = Request(f"{scheme}://{_show(_reachable(config.host), config.port)}{path}", headers=headers)
    opener = build_opener(ProxyHandler({}), HTTPSHandler(context=context))
    try:
        with opener.open(request, timeout=PATIENCE) as answer:
            found: object = json.load(answer)
            return found
    except (URLError, OSError, ValueError):
        return None


def _media_of_running(config: Config) -> tuple[str, ...]:
    """Where it takes media; what is no labsfu is not shown the token."""
    headers = {} if config.token is None else {"Authorization": f"Bearer {config.token}"}
    match _asks(config, "/sfu", headers) if _labsfu_runs(config) else None:
        case {"listen": {"media": [*media]}}:
            return tuple(map(str, media))
    return ()


def _reachable(host: str) -> str:
    """Whoever listens everywhere is here, too."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def _show(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
