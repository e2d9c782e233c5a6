"""The IP addresses of this machine."""

from __future__ import annotations

import ipaddress

import ifaddr


def own_addresses() -> tuple[str, ...]:
    """All that others can use, IPv4 first, then those of loopback; IPv6 of one link only (fe80::) is left out."""
    found = {
        ipaddress.ip_address(ip.ip if isinstance(ip.ip, str) else ip.ip[0])
        for adapter in ifaddr.get_adapters()
        for ip in adapter.ips
    }
    usable = [address for address in found if address.version == 4 or not address.is_link_local]
    return tuple(str(one) for one in sorted(usable, key=lambda each: (each.is_loopback, each.version, each.packed)))
