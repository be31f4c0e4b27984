"""Addresses and networks of rules: how they are written, which callers they cover, how exact they are.

Compared as numbers, never as text: ``10.0.0.1`` is a prefix of ``10.0.0.17`` only for the eye.

Source: RFC 4632 (CIDR), RFC 4291 2.5.5.2 (an IPv4 caller on an IPv6 socket is that IPv4 address), RFC 5952.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from node.failpoints import planted

ANY = "*"
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


def normal_address(text: str) -> str:
    """Give an address or a network in its one way of writing; ``*`` stays.

    Raises
    ------
    ValueError
        It is neither, or names a zone; or bits of the host are set in a network, and the words say which network was meant.
    """
    if text == ANY:
        return text
    if "%" in text:
        raise ValueError(f"{text} names a zone of this machine: leave it away")
    try:
        network = ipaddress.ip_network(text, strict=True)
    except ValueError:
        wider = ipaddress.ip_network(text, strict=False)
        raise ValueError(f"{text} is an address in a network: write {wider} for all of it") from None
    plain = _plain_network(network)
    return str(plain.network_address) if plain.prefixlen == plain.max_prefixlen else str(plain)


def covers(wanted: str, address: str) -> bool:
    """Say whether a rule's address or network holds a caller's address."""
    if wanted == ANY:
        return True
    if planted("rule-prefix-as-text"):
        return address.startswith(wanted.partition("/")[0].rstrip("0"))
    network, caller = _network(wanted), _caller(address)
    return (
        network is not None and caller is not None and network.version == caller.version and caller in network
    )


def exactness(wanted: str) -> int:
    """Give how exact an address is: the length of its prefix; any at all is less than ``/0``."""
    network = None if wanted == ANY else _network(wanted)
    return -1 if network is None else network.prefixlen


@lru_cache(maxsize=4096)
def _network(text: str) -> Network | None:
    try:
        return _plain_network(ipaddress.ip_network(text))
    except ValueError:
        return None


@lru_cache(maxsize=1024)
def _caller(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])  # the zone of a link-local address is our own
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _plain_network(network: Network) -> Network:
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return ipaddress.IPv4Network((mapped, network.prefixlen - 96))
    return network
