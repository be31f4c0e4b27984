"""The bell between processes: rung often, listened to by whoever comes, gone by itself."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from node.bell import Bell


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
    assert not dead.exists()
    bell.ring()


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
