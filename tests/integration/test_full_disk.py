"""A file system that is really full: instances are refused with words, the association goes on, nothing is lost.

Free some space, and receiver and index go on by themselves. On a tmpfs, and as root on an ext4 in an image, each in
a mount namespace of its own.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kit.device import Device, device_with
from tests.kit.raw_sender import RawSender
from tests.kit.small_disk import EXT4, TMPFS, Filler, nursery_on
from tests.kit.sweeping import found_node
from tests.kit.swept import Nursery
from tests.kit.verdict import wrong_with

SIZE = 24 << 20
UNCHECKED = -1 << 40
"""A reserve that lets everything pass, so that the system itself refuses."""
RESERVE = 4 << 20
ROWS = (100, 40, 2000, 100, 60, 2000)
"""Of 1 KiB each; those of 2000 come by a file."""

pytestmark = pytest.mark.peer


@dataclass(frozen=True)
class Disk:
    """A small file system with a node on it."""

    nursery: Nursery
    folder: Path
    """As its processes see it."""
    seen: Path
    """As the test sees it."""
    filler: Filler

    def copied(self) -> Path:
        """Give a copy of what is on it, where SQLite finds it too."""
        copy = self.folder.with_name("copy")
        shutil.copytree(self.seen, copy, ignore=shutil.ignore_patterns("*.bell"))
        return copy


@pytest.fixture(params=[TMPFS, EXT4])
def disk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    if request.param == EXT4 and os.geteuid():
        pytest.fail("mounting an image is root's: run these tests as root")
    scratch = tmp_path_factory.mktemp("d")
    found_node(scratch / "prepared")
    folder = scratch / "disk"
    with nursery_on(request.param, scratch / "prepared", folder, size_bytes=SIZE) as (nursery, seen):
        yield Disk(nursery, folder, seen, Filler(seen))


def sender_to(port: int) -> RawSender:
    return RawSender("127.0.0.1", port, contexts=Device.CONTEXTS, timeout_s=60)


@pytest.mark.parametrize(
    ("reserve", "left", "words"),
    [(UNCHECKED, 0, "(No space left on device)"), (RESERVE, RESERVE, "full up to its reserve of 4 MB")],
    ids=["full", "reserve"],
)
def test_full_disk_refuses_with_words_and_takes_again_when_there_is_room(
    disk: Disk, reserve: int, left: int, words: str
) -> None:
    device = device_with(*ROWS)
    first, *others = device.data_sets
    process = disk.nursery.start("receiver", disk.folder, reserve_bytes=reserve)
    try:
        process.go()
        port = int(process.hear("ready").split()[0])
        with sender_to(port) as sender:
            assert device.store(sender, first).status == 0
            disk.filler.fill(but_bytes=left)
            for uid in others:
                refused = device.store(sender, uid)
                assert (refused.status, words in refused.comment) == (0xA700, True), refused
                assert sender.echo() == 0
            with sender_to(port) as another:
                assert device.store(another, others[0]).status == 0xA700
                assert another.echo() == 0
                another.release()
            disk.filler.free()
            assert [device.store(sender, uid).status for uid in others] == [0] * len(others)
            sender.release()
    finally:
        process.end()
    assert wrong_with(disk.copied(), acknowledged=device.sent, sent=device.sent) == []


def test_index_waits_for_room_and_then_registers_everything(disk: Disk) -> None:
    device = device_with(*ROWS)
    receiver = disk.nursery.start("receiver", disk.folder)
    receiver.go()
    device.send(int(receiver.hear("ready").split()[0]))
    receiver.end()
    assert device.acknowledged == device.sent
    index = disk.nursery.start("grid", disk.folder)
    try:
        index.go()
        index.hear("ready")
        disk.filler.fill()
        index.go()
        with pytest.raises(TimeoutError):
            index.hear("registered", patience_s=1.0)
        disk.filler.free()
        index.hear("registered")
    finally:
        index.end()
    assert wrong_with(disk.copied(), acknowledged=device.sent, sent=device.sent) == []
