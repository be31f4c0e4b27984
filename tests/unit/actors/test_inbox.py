"""Wake-ups are coalesced, nothing blocks, and time wakes by itself."""

from __future__ import annotations

import threading
import time

import pytest
from pykka import messages
from pykka._envelope import Envelope

from actors.inbox import LIMIT, WAKE, Inbox
from node.errors import Unavailable


def test_first_look_needs_no_ring() -> None:
    assert Inbox().get().message is WAKE


def test_many_rings_are_one_look() -> None:
    inbox = Inbox()
    for _ in range(1000):
        inbox.put(Envelope(WAKE))
    inbox.put(Envelope("ping"))
    assert [inbox.get().message for _ in range(2)] == ["ping", WAKE]
    inbox.put(Envelope("ping"))
    assert inbox.get().message == "ping"
    assert inbox.empty()


def test_full_inbox_refuses_at_once_but_always_takes_a_stop_and_a_ring() -> None:
    inbox = Inbox()
    for n in range(LIMIT):
        inbox.put(Envelope(n))
    with pytest.raises(Unavailable):
        inbox.put(Envelope("one more"))
    inbox.put(Envelope(WAKE))
    inbox.put(Envelope(messages._ActorStop()))
    assert [inbox.get().message for _ in range(LIMIT)] == list(range(LIMIT))


def test_time_wakes_without_a_ring_and_spacing_holds_a_ring_back() -> None:
    inbox = Inbox()
    inbox.get()
    inbox.look_again(0.02)
    assert inbox.get().message is WAKE
    inbox.look_again(60, not_before_s=0.03)
    inbox.put(Envelope(WAKE))
    began = time.monotonic()
    assert inbox.get().message is WAKE
    assert 0.02 < time.monotonic() - began < 1


def test_ring_from_another_thread_ends_the_wait() -> None:
    inbox = Inbox()
    inbox.get()
    inbox.look_again(60)
    threading.Timer(0.01, inbox.put, (Envelope(WAKE),)).start()
    assert inbox.get().message is WAKE
