"""What was promised while a node ran, kept where no outage reaches it, and what of it was broken when it is back."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from actors.ingest import Ingest
from node.clock import SystemClock
from node.database.port import convert_row, integer, text
from node.errors import GridError
from node.journal.cursors import position
from node.node import Node
from node.store.facts import Location
from ops.verify import verify
from tests.kit.actors import Failures
from tests.kit.bare_node import bare_node
from tests.kit.instances import CT_IMAGE, EXPLICIT, make_ct
from tests.kit.raw_sender import Aborted, RawSender
from tests.kit.receiving import packs_of

STEPS = 10_000
SIZES = (200, 200, 2_000, 20_000, 200_000, 1_200_000)
"""Bytes of pixel data; the last are above what the receiver keeps in memory."""
_PLACE = ("pack", "offset", "meta_bytes", "data_offset", "data_bytes")


class Device(threading.Thread):
    """Sends small studies, one an association, until its receiver dies, and remembers what was answered for."""

    def __init__(self, port: int, root: str, *, sizes: Sequence[int] = SIZES) -> None:
        super().__init__(name=root, daemon=True)
        self._port = port
        self._root = root
        self._sizes = sizes
        self.acknowledged: list[str] = []
        """SOP Instance UIDs; `data_set_of` makes the bytes again."""
        self.begun = threading.Event()

    def run(self) -> None:
        chance = random.Random(self._root)
        try:
            for study in range(1, 10_000):
                with RawSender("127.0.0.1", self._port, contexts=[(CT_IMAGE, EXPLICIT)]) as sender:
                    for n in range(1, chance.randint(2, 12)):
                        self._send(sender, f"{self._root}.{study}.{chance.choice(self._sizes)}.{n}")
                    sender.release()
        except (Aborted, OSError):
            self.begun.set()

    def _send(self, sender: RawSender, uid: str) -> None:
        sent = sender.store(
            sop_class=CT_IMAGE, sop_uid=uid, transfer_syntax=EXPLICIT, data_set=data_set_of(uid)
        )
        if sent.status == 0:
            self.acknowledged.append(uid)
            self.begun.set()


def data_set_of(sop_uid: str) -> bytes:
    """Make the data set that a `Device` sends under a UID: the same bytes each time, no two alike."""
    study_uid, size, n = sop_uid.rsplit(".", 2)
    pixels = random.Random(sop_uid).randbytes(int(size))
    return make_ct(
        study_uid=study_uid, series_uid=f"{study_uid}.0", sop_uid=sop_uid, number=int(n), pixels=pixels
    )


@dataclass
class Broken:
    """What a node that is back does not keep."""

    lost: list[str] = field(default_factory=list)
    """Acknowledged, and not there byte for byte."""
    forgotten: list[str] = field(default_factory=list)
    """Cursors that stand before what their batch had been answered with."""
    dangling: list[str] = field(default_factory=list)
    """Rows whose bytes are not in the pack."""
    damaged: list[str] = field(default_factory=list)
    """What recovery and `meridian verify` say."""

    def __bool__(self) -> bool:
        return bool(self.lost or self.forgotten or self.dangling or self.damaged)

    @property
    def kinds(self) -> set[str]:
        """Name which of the four were broken."""
        return {name for name in ("lost", "forgotten", "dangling", "damaged") if getattr(self, name)}


def broken(state: Path, acknowledged: Sequence[str], claimed: Mapping[str, int]) -> Broken:
    """Start a node as after an outage, let the index catch up, and hold all of it against what was promised."""
    found = Broken(damaged=list(packs_of(state).recover().damaged))
    node = bare_node(state.parent, state.name, SystemClock())
    try:
        found.dangling = list(_dangling(node))
        found.forgotten = [
            f"{reader} at {position(node.database, reader)}, answered for at {reached}"
            for reader, reached in claimed.items()
            if position(node.database, reader) < reached
        ]
        if not _catch_up(node):
            found.damaged.append("the index does not come to an end")
        found.lost = list(_lost(node, acknowledged))
        found.damaged += [str(finding) for finding in verify(node)]
    finally:
        node.close()
    return found


def _dangling(node: Node) -> Iterator[str]:
    for row in node.database.read(f"SELECT sop_uid, digest, {', '.join(_PLACE)} FROM instance"):
        location = convert_row({name: row[name] for name in _PLACE}, Location)
        try:
            if node.packs.check(location) != row["digest"]:
                yield f"{row['sop_uid']}: another digest"
        except GridError as error:
            yield f"{row['sop_uid']}: {error}"


def _catch_up(node: Node) -> bool:
    """Register what is left; say whether everything has landed."""
    ingest = Ingest(Failures(), node)
    for _ in range(STEPS):
        if not node.packs.landing():
            return True
        ingest.step()
        if integer(node.database.read("SELECT count(*) AS n FROM problem")[0], "n"):
            return False
    return False


def _lost(node: Node, acknowledged: Sequence[str]) -> Iterator[str]:
    rows = node.database.read(f"SELECT sop_uid, digest, {', '.join(_PLACE)} FROM instance")
    held = {text(row, "sop_uid"): row for row in rows}
    for uid in acknowledged:
        row = held.get(uid)
        if row is None:
            yield f"{uid}: no row"
            continue
        data_set = data_set_of(uid)
        location = convert_row({name: row[name] for name in _PLACE}, Location)
        try:
            same = node.packs.read_data_set(location) == data_set
        except GridError as error:
            yield f"{uid}: {error}"
            continue
        if not same or row["digest"] != hashlib.sha256(data_set).hexdigest():
            yield f"{uid}: other bytes"
