"""Power cuts on one machine: ext4 on files, shut down without its log, and mounted again.

`Disk.cut` does to a mounted file system what a cut does to a disk: whatever no
sync has brought down is gone, the journal is replayed at the next mount. What
the disk itself would lose out of its own cache stays: that a sync also empties
the cache of a real disk is the kernel's word, not shown here.

A machine has two disks, one for packs and one for the database. On a single
one any sync commits the journal, and with it the names and rows of everybody
else, so a sync that is missing would hide behind another's.

Source: Linux ``fs/ext4/ioctl.c``, ``EXT4_IOC_SHUTDOWN`` with ``EXT4_GOING_FLAGS_NOLOGFLUSH``.
"""

from __future__ import annotations

import fcntl
import gc
import os
import random
import struct
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SHUTDOWN, _NO_LOG_FLUSH = 0x8004587D, 2
DISK_MB = 512
NODE = "alpha"


class NoPower(Exception):
    """This machine cannot mount a file system from a file, so power cuts cannot be shown on it."""


class Disk:
    """An ext4 file system in a file; sparse, so it takes what was written."""

    def __init__(self, image: Path, mounted_at: Path) -> None:
        self._image = image
        self.path = mounted_at
        with image.open("wb") as file:
            file.truncate(DISK_MB << 20)
        _run("mkfs.ext4", "-q", "-F", "-m", "0", str(image))

    def mount(self) -> None:
        """Mount it, from a copy of its file; after a cut this replays the journal.

        A copy, because a process with a mount namespace of its own may hold the file system that was cut, and the
        kernel would give that one back instead of reading the disk.
        """
        copy = self._image.with_suffix(".copy")
        _run("cp", "--sparse=always", str(self._image), str(copy))
        copy.replace(self._image)
        self.path.mkdir(parents=True, exist_ok=True)
        _run("mount", "-o", "loop", str(self._image), str(self.path))

    def sync(self) -> None:
        """Bring down all that was written so far."""
        _run("sync", "-f", str(self.path))

    def cut(self) -> None:
        """Take the power away: nothing that is not on the disk by now comes to it."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(descriptor)

    def unmount(self) -> None:
        """Let go of it; waits for descriptors of processes that are just ending."""
        if not self.path.is_mount():
            return
        gc.collect()  # readers of packs close them when they go
        deadline = time.monotonic() + 20
        while subprocess.run(["umount", str(self.path)], check=False, capture_output=True).returncode:
            if time.monotonic() > deadline:
                _run("umount", "-l", str(self.path))
                raise AssertionError(f"something still holds {self.path}")
            time.sleep(0.01)


@dataclass(frozen=True)
class Machine:
    """A state folder over several disks: the database on one, packs and their landing on another, what else is asked for."""

    state: Path
    disks: tuple[Disk, ...]

    def lose_power(self, chance: random.Random) -> None:
        """Cut all disks, in any order; processes that write must have been stopped."""
        for disk in chance.sample(self.disks, len(self.disks)):
            disk.cut()

    def sync(self) -> None:
        """Bring down all that was written so far, asked for or not."""
        for disk in self.disks:
            disk.sync()

    def come_back(self) -> None:
        """Mount them again; whoever held files there has ended."""
        self.unmount()
        self.mount()

    def mount(self) -> None:
        for disk in self.disks:
            disk.mount()

    def unmount(self) -> None:
        for disk in reversed(self.disks):
            disk.unmount()


@contextmanager
def machine(folder: Path, *more: str, beside: Sequence[str] = ()) -> Iterator[Machine]:
    """Give a machine with two empty disks, and one more for each folder that is named: of the state, or beside it.

    Raises
    ------
    NoPower
        It needs root, loop devices, mount and mkfs.ext4.
    """
    state = folder / NODE
    places = {"database": state, **{name: state / name for name in ("packs", *more)}}
    places |= {name: folder / name for name in beside}
    images = {folder / f"{name}.img": place for name, place in places.items()}
    one = Machine(state, tuple(Disk(image, place) for image, place in images.items()))
    try:
        one.mount()
        yield one
    finally:
        one.unmount()
        for image in images:
            image.unlink()


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", "") or str(error)
        raise NoPower(
            f"Cutting the power needs a machine where {command[0]} works ({said.strip()}): run this as root,"
            " with loop devices and the Debian packages mount and e2fsprogs."
        ) from error
