"""A file system of a few megabytes that only the processes of a test see; it goes with the last of them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.kit.swept import Nursery

TMPFS, EXT4 = "tmpfs", "ext4"
_MOUNT = {
    TMPFS: 'mount -t tmpfs -o size=$0 none "$1"',
    EXT4: 'mount -o loop "$1.image" "$1"',
}


@contextmanager
def nursery_on(
    file_system: str, prepared: Path, folder: Path, *, size_bytes: int
) -> Iterator[tuple[Nursery, Path]]:
    """Start processes for which a folder is such a file system, with what was prepared in it.

    Gives them, and the folder as this process sees it; SQLite, which follows links, does not find it there.
    """
    folder.mkdir()
    if file_system == EXT4:
        image = folder.with_name(f"{folder.name}.image")
        with image.open("wb") as file:
            file.truncate(size_bytes)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", str(image)], check=True)
    script = f'{_MOUNT[file_system]} && cp -a "$2/." "$1" && shift 2 && exec "$@"'
    own = [] if os.geteuid() == 0 else ["--map-root-user"]
    prefix = ["unshare", "--mount", *own, "sh", "-ec", script, str(size_bytes), str(folder), str(prepared)]
    with Nursery(prefix=prefix) as nursery:
        yield nursery, Path(f"/proc/{nursery.pid}/root{folder}")


class Filler:
    """A file that takes what is free."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "filler"

    @property
    def free_bytes(self) -> int:
        found = os.statvfs(self._folder)
        return found.f_bavail * found.f_frsize

    def fill(self, *, but_bytes: int = 0) -> None:
        """Take all that is free but so much; without it, to the last byte."""
        with self._path.open("ab", buffering=0) as file:
            for step in (1 << 20, 1 << 16, 1 << 12, 1):
                while self.free_bytes - step >= but_bytes or not but_bytes:
                    try:
                        if not file.write(bytes(step)):
                            break
                        os.fsync(file.fileno())
                    except OSError:
                        break

    def free(self) -> None:
        """Give it all back."""
        self._path.unlink()
