from __future__ import annotations

import threading
from collections.abc import Iterator

from actors.ear import Ear, Heard
from federation.transport.port import Delivery, Mail
from node.errors import GridError, Refused, Unavailable
from node.names import NodeId


class Line:
    """A link of which only mail is listened to."""

    def __init__(self, *heard: Heard) -> None:
        self._heard = heard
        self.closed = threading.Event()

    def collect(self, *, follow: bool) -> Mail:
        assert follow
        return _Mail(iter(self._heard), self.closed)


class _Mail:
    def __init__(self, heard: Iterator[Heard], closed: threading.Event) -> None:
        self._heard = heard
        self._closed = closed

    def __iter__(self) -> Iterator[list[Delivery]]:
        return self

    def __next__(self) -> list[Delivery]:
        one = next(self._heard, None)
        if isinstance(one, GridError):
            raise one
        if one is None:
            self._closed.wait(10)
            raise StopIteration
        return one

    def close(self) -> None:
        self._closed.set()


def deliveries(n: int) -> list[Delivery]:
    return [Delivery(arrival=n, sender=NodeId("alpha"), envelope=b"")]


def listen(line: Line, count: int) -> list[Heard]:
    """Take what is heard, until there are so many."""
    woken = threading.Semaphore(0)
    ear = Ear(line, wake=woken.release)  # type: ignore[arg-type]  # it asks for nothing but mail
    heard: list[Heard] = []
    while len(heard) < count and woken.acquire(timeout=10):
        while (one := ear.take()) is not None:
            heard.append(one)
    ear.close()
    return heard


def test_mail_is_heard_in_order_though_only_a_little_is_held() -> None:
    line = Line(*(deliveries(n) for n in range(20)))
    assert listen(line, 20) == [deliveries(n) for n in range(20)]
    assert line.closed.is_set()


def test_the_line_breaking_is_heard_last() -> None:
    broken = Unavailable("Reaching centre failed: no connection. It is tried again.")
    assert listen(Line(deliveries(1), broken), 2) == [deliveries(1), broken]


def test_a_refusal_is_heard_too() -> None:
    (only,) = listen(Line(Refused("Collecting was refused.")), 1)
    assert isinstance(only, Refused)


def test_an_ear_that_is_closed_while_nobody_takes_ends() -> None:
    line = Line(*(deliveries(n) for n in range(20)))
    before = threading.active_count()
    ear = Ear(line, wake=lambda: None)  # type: ignore[arg-type]  # it asks for nothing but mail
    ear.close()
    deadline = threading.Event()
    for _ in range(100):
        if threading.active_count() <= before:
            break
        deadline.wait(0.05)
    assert threading.active_count() <= before
