"""A node that is backed up, its backup key in a drawer, and places of backups.

``python -m tests.kit.backing FOLDER`` lets studies come and makes a backup after each, until it is killed; it says what is done.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from node.clock import Clock, SystemClock
from node.keys.backup_key import OpenBackupKey, draw_backup_key, open_backup_key
from node.node import Node
from ops.backup.making import Made, back_up
from ops.backup.opening import open_folder_place
from ops.backup.place import Place
from ops.backup.pruning import prune
from ops.backup.restoring import Restored, restore
from ops.compose import compose_node
from ops.configuration import write_configuration
from ops.verify import verify
from tests.kit.alliance_keys import CHEAP, PASSPHRASE
from tests.kit.instances import make_ct
from tests.kit.merging import ingest, rows_of
from tests.kit.registering import facts, receive

Seen = Callable[[str, int], None]


@dataclass
class Backed:
    """A node's folder, a drawer and a place of backups below one folder."""

    folder: Path

    @classmethod
    def begin(cls, folder: Path) -> Backed:
        """Make the node alpha, its backup key and an empty folder of backups."""
        write_configuration(folder / "alpha", id="alpha", name="Alpha", reserve_mb=1)
        (folder / "backups").mkdir(exist_ok=True)
        backed = cls(folder)
        backed.draw()
        return backed

    @property
    def state(self) -> Path:
        return self.folder / "alpha"

    @property
    def drawer(self) -> Path:
        return self.folder / "drawer"

    def draw(self) -> None:
        """Draw the backup key."""
        node = self.open()
        with patch("node.keys.locked.COST", CHEAP):
            draw_backup_key(node.keys, self.state / "keys", drawer=self.drawer, passphrase=PASSPHRASE)
        node.close()

    def open(self, *, clock: Clock | None = None) -> Node:
        return compose_node(self.state, clock=clock or SystemClock())

    def place(self) -> Place:
        return open_folder_place(self.folder / "backups", begin=True)

    def key(self) -> OpenBackupKey:
        return open_backup_key(self.drawer, PASSPHRASE)

    def make(
        self,
        node: Node | None = None,
        *,
        place: Place | None = None,
        progress: Seen = lambda what, count: None,
    ) -> Made:
        """Make a backup, of a node that is open or of one that is opened for it."""
        own = node or self.open()
        try:
            return back_up(own, place or self.place(), progress=progress)
        finally:
            if node is None:
                own.close()

    def restore(self, name: str = "restored", *, backup: str = "") -> Restored:
        """Restore into a folder of its own, where the node has its name again."""
        (self.folder / name).mkdir(exist_ok=True)
        return restore(self.place(), self.folder / name / "alpha", key=self.key(), name=backup)

    def objects(self) -> dict[str, bytes]:
        """Give every object at the place."""
        files = (self.folder / "backups" / "objects").glob("*/*")
        return {path.name: path.read_bytes() for path in files}


def arrive(node: Node, study: int, *numbers: int, size: int = 4) -> None:
    """Let slices of a study come, in one pack, and be registered."""
    uid = f"2.25.{study}"
    slices = [
        make_ct(
            study_uid=uid, series_uid=f"{uid}.1", sop_uid=f"{uid}.1.{n}", number=n, rows=size, columns=size
        )
        for n in numbers
    ]
    for content in slices:
        receive(node, content, given=facts(node, study_uid=uid))


def read_everything(node: Node) -> dict[tuple[str, str], str]:
    """Give the digest of each content's bytes as they are read through its row."""
    return {
        (row.sop_uid, row.digest): hashlib.sha256(node.packs.read_data_set(row.location)).hexdigest()
        for row in rows_of(node)
    }


def everything_in(state: Path) -> dict[tuple[str, str], str]:
    """Give the same of a node that is not open."""
    node = compose_node(state)
    try:
        return read_everything(node)
    finally:
        node.close()


def wrong_in(state: Path) -> list[str]:
    """Give what `verify` finds in a state folder, and rows whose bytes are others."""
    node = compose_node(state)
    try:
        dangling = [str(content) for content, digest in read_everything(node).items() if content[1] != digest]
        return [*dangling, *(finding.line for finding in verify(node))]
    finally:
        node.close()


def opened_again(backed: Backed) -> Node:
    """Open the node as after an outage."""
    node = backed.open()
    node.packs.recover()
    ingest(node)
    return node


def main(arguments: Sequence[str]) -> None:
    backed = Backed(Path(arguments[0]))
    node = opened_again(backed)
    begin = len(rows_of(node)) + 1
    for n in range(begin, begin + 100_000):
        arrive(node, n, 1, size=64)
        print(f"arrived {n}", flush=True)
        print(f"made {backed.make(node).name}", flush=True)
        if n % 3 == 0:
            prune(backed.state, backed.place(), keep=2, daily=0)


if __name__ == "__main__":
    main(sys.argv[1:])
