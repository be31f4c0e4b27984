"""Ports that nobody uses on this machine, for a demo or a test."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack
from pathlib import Path

from node.errors import Unavailable

_LOWEST = 15_000
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_ports(count: int) -> list[int]:
    """Give ports that were free on loopback a moment ago, all different.

    They lie below those that the kernel gives to whoever asks for any, or calls somebody: one of these may be gone
    before it is used, and at each later start. Source: ip(7), ``ip_local_port_range``.

    Raises
    ------
    Unavailable
        Others use them.
    """
    given = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else 32_768
    ports = list[int]()
    with ExitStack() as held:
        for port in random.sample(range(_LOWEST, max(given, _LOWEST + 1_000)), 1_000):
            one = held.enter_context(socket.socket())
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
            ports.append(port)
            if len(ports) == count:
                return ports
    raise Unavailable("Choosing free ports failed: others use them. End what listens on this machine.")
