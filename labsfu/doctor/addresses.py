"""The addresses of media and HTTP: of this machine, and of use to those who are told them."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator

from labsfu.config import Config, is_loopback
from labsfu.doctor.finding import Finding, Patient, fail, ok, warn
from labsfu.shell.addresses import own_addresses


def check(patient: Patient) -> Iterator[Finding]:
    """One line for each address that is bound or told, and one where they do not go together."""
    config, own = patient.config, own_addresses()
    bound = [*config.media.addresses, *([config.host] if _is_address(config.host) else [])]
    for address in dict.fromkeys(bound):
        yield _check_bound(address, own)
    for address in config.media.announce:
        yield _check_told(address, own)
    if not config.loopback and all(map(is_loopback, config.media.addresses)):
        yield _unreachable(config, own)


def _check_bound(address: str, own: tuple[str, ...]) -> Finding:
    if ipaddress.ip_address(address).is_unspecified:
        return ok("address", f"{address} stands for all of this machine: {_list(own)}")
    # Both are asked: without any interface Linux lets every address be bound, and not all are worth a list.
    if not _can_be_bound(address) or not (address in own or _needs_no_list(address)):
        mend = f"it has {_list(own)}: choose among those for --media-address and --host"
        return fail("address", f"{address} is not this machine's", mend)
    return ok("address", f"{address} is this machine's")


def _can_be_bound(address: str) -> bool:
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((address, 0))
    except OSError:
        return False
    return True


def _needs_no_list(address: str) -> bool:
    """Of loopback there are 16 million; those of one link are left out of the list."""
    ip = ipaddress.ip_address(address)
    return ip.is_loopback or ip.is_link_local


def _check_told(address: str, own: tuple[str, ...]) -> Finding:
    if address in own:
        return ok("address", f"{address}, which clients are told, is this machine's")
    mend = "right if that is a router which forwards the media port (UDP) to this machine; else correct --announce"
    return warn("address", f"{address}, which clients are told, is not this machine's", mend)


def _unreachable(config: Config, own: tuple[str, ...]) -> Finding:
    others = [address for address in own if not is_loopback(address)]
    mend = f"--media-address {others[0]}" if others else "--media-address with an address that others can reach"
    found = (
        f"others may call {config.host}, but media is bound to {_list(config.media.addresses)}: nobody else gets there"
    )
    return warn("address", found, mend)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _list(addresses: tuple[str, ...]) -> str:
    return ", ".join(addresses) or "none"
