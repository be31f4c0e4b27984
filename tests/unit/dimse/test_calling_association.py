"""What is read of a remote AE, and when."""

from __future__ import annotations

import queue
import socket
from types import SimpleNamespace
from typing import Any

import pytest

from node.dimse.calling_association import Connected


@pytest.mark.parametrize(
    ("state", "read"), [("Sta1", False), ("Sta4", False), ("Sta5", True), ("Sta6", True)]
)
def test_nothing_is_read_before_the_association_is_asked_for(state: str, read: bool) -> None:
    ours, theirs = socket.socketpair()
    theirs.send(b"a ticket")
    association: Any = SimpleNamespace(
        dul=SimpleNamespace(state_machine=SimpleNamespace(current_state=state)),
        dimse=SimpleNamespace(msg_queue=queue.Queue()),
    )
    assert Connected(association, ours).ready is read
    ours.close()
    theirs.close()
