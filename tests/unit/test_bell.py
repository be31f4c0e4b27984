"""The bell between processes: rung often, listened to by whoever comes, gone by itself."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from node.bell import MOMENT_S, Bell
from tests.kit.http import wait_for


@pytest.fixture
def bell(tmp_path: Path) -> Bell:
    return Bell(tmp_path / "run")


def listening(folder: Path) -> tuple[Bell, threading.Event]:
    rung = threading.Event()
    listener = Bell(folder / "run")
    listener.listen(rung.set)
    return listener, rung


def test_who_listens_is_woken(bell: Bell, tmp_path: Path) -> None:
    listener, rung = listening(tmp_path)
    bell.ring()
    assert rung.wait(10)
    listener.close()


def test_who_begins_to_listen_between_rings_is_woken_too(
    bell: Bell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list of listeners is kept from ring to ring; also one that is older than a clock tick must notice."""
    monkeypatch.setattr("node.bell._CLOCK_TICK_NS", 0)
    bell.ring()
    time.sleep(0.02)  # the time stamp of the folder changes
    listener, rung = listening(tmp_path)
    bell.ring()
    assert rung.wait(10)
    listener.close()


def test_a_listener_in_the_same_tick_as_the_list_is_woken(bell: Bell, tmp_path: Path) -> None:
    bell.ring()
    listener, rung = listening(tmp_path)
    bell.ring()
    assert rung.wait(10)
    listener.close()


def test_a_listener_that_died_is_forgotten(bell: Bell, tmp_path: Path) -> None:
    dead = tmp_path / "run" / "1-dead.bell"
    dead.touch()
    bell.ring()
    wait_for("the dead one to be forgotten", lambda: not dead.exists())
    bell.ring()


def test_many_rings_are_few_wake_ups_and_the_last_is_heard(bell: Bell, tmp_path: Path) -> None:
    heard: list[float] = []
    listener = Bell(tmp_path / "run")
    listener.listen(lambda: heard.append(time.monotonic()))
    began = time.monotonic()
    last = began
    while last < began + 10 * MOMENT_S:
        last = time.monotonic()  # before it rings: who is heard at once is heard after it
        bell.ring()
    wait_for("the last ring", lambda: bool(heard) and heard[-1] >= last)
    assert 2 <= len(heard) <= (heard[-1] - began) / MOMENT_S + 2
    listener.close()


def test_what_is_owed_is_rung_when_it_closes(tmp_path: Path) -> None:
    listener, rung = listening(tmp_path)
    for _ in range(20):  # a tool rings and ends; whichever thread is first, the ring is heard
        bell = Bell(tmp_path / "run")
        bell.ring()
        bell.close()
        assert rung.wait(10)
        rung.clear()
    listener.close()


def test_bell_that_got_no_thread_rings_when_there_is_one(
    bell: Bell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener, rung = listening(tmp_path)

    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        bell.ring()
    bell.ring()
    assert rung.wait(10)
    listener.close()


def test_listener_that_fails_keeps_nobody_else_from_hearing(bell: Bell) -> None:
    rung = threading.Event()

    def fail() -> None:
        raise RuntimeError("a loop that is closed")

    bell.listen(fail)
    bell.listen(rung.set)
    for _ in range(2):
        bell.ring()
        assert rung.wait(10)
        rung.clear()


def test_ringing_in_a_folder_that_is_gone_does_nothing(bell: Bell, tmp_path: Path) -> None:
    (tmp_path / "run").rmdir()
    bell.ring()


def test_ring_never_fails_though_the_disk_does(
    bell: Bell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run" / "1-dead.bell").touch()

    def fail(*_: object, **__: object) -> object:
        raise OSError(5, "Input/output error")

    for call in ("unlink", "scandir"):
        monkeypatch.setattr(os, call, fail)
        bell.ring()
