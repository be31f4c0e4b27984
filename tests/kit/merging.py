"""Studies that came in as many packs, and everything that can be read of them: for tests of merging.

``python -m tests.kit.merging STATE`` takes the steps of the actors over a state folder until there is nothing to do,
as a process that can be killed.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from actors.ingest import Ingest
from actors.merge import Merge
from node.catalogue.search import InstanceRow
from node.clock import SECOND, SystemClock
from node.database.port import Statement, read_as
from node.dicom.header import identify, scan
from node.events import StudyCompleted
from node.names import Cause, NodeId, StudyKey, StudyUID
from node.node import Node
from ops.findings import Finding
from ops.verify_packs import verify_packs
from tests.kit.actors import Failures
from tests.kit.bare_node import bare_node
from tests.kit.instances import EXPLICIT, file_meta, make_ct
from tests.kit.registering import facts

STUDY = "2.25.1"
KEY = StudyKey(origin=NodeId("alpha"), study_uid=StudyUID(STUDY))


def slice_of(n: int, **changes: str) -> bytes:
    """Give slice ``n`` of the study."""
    return make_ct(study_uid=STUDY, sop_uid=f"{STUDY}.1.{n}", number=n, **changes)  # type: ignore[arg-type]


def associate(node: Node, *data_sets: bytes, at_s: int = 0, door: str = "dicom") -> str:
    """Store data sets of one study as one association; give its pack."""
    given = facts(node, received_at=node.now() + at_s * SECOND, cause=Cause(node.new_id()), door=door)
    writer = node.packs.open_writer(study_uid=given.study_uid, cause=given.cause)
    pack = ""
    for n, data_set in enumerate(data_sets):
        named = identify(scan(data_set, EXPLICIT)) if len(data_set) > 200 else None
        sop_uid = named.sop_uid if named else "2.25.9"
        stored = writer.append(
            replace(given, received_at=given.received_at + n),
            sop_class=named.sop_class if named else "1.2",
            sop_uid=sop_uid,
            file_meta=file_meta(sop_uid=sop_uid),
            data_set=data_set,
        )
        pack = stored.location.pack
    writer.close()
    return pack


def ingest(node: Node) -> None:
    """Register all that has landed."""
    actor = Ingest(Failures(), node)
    actor.step()
    while node.packs.landing():
        actor.step()


def complete(node: Node, key: StudyKey = KEY) -> None:
    """Say that a study is complete."""
    (row,) = node.database.read("SELECT instance_count AS n FROM study WHERE study_uid = ?", (key.study_uid,))
    event = StudyCompleted(instances=int(str(row["n"])), reason="quiet")
    state = Statement("UPDATE study SET state = 'complete' WHERE study_uid = ?", (key.study_uid,))
    version = node.journal.version(key.subject)
    node.write([*node.journal.append(key.subject, [event], after=version, cause=Cause("c")), state])


def scatter(node: Node, count: int) -> list[str]:
    """Store that many slices, each in a pack of its own, registered and complete; give the packs."""
    packs = [associate(node, slice_of(n), at_s=n) for n in range(1, count + 1)]
    ingest(node)
    complete(node)
    return packs


def merge_all(node: Node) -> float | None:
    """Let the actor do all there is to do; give when it would look again."""
    actor = Merge(Failures(), node)
    for _ in range(200):
        if (wait := actor.step()) != 0:
            return wait
    raise AssertionError("it goes on and on")


def retired(node: Node) -> list[str]:
    """Give the packs that no row means any more, in order."""
    return [str(row["pack"]) for row in node.database.read("SELECT pack FROM retired_pack ORDER BY pack")]


def repeats(node: Node) -> dict[str, int]:
    """Give how often each instance came again, byte for byte."""
    rows = node.database.read("SELECT sop_uid, times FROM repeated")
    return {str(row["sop_uid"]): int(str(row["times"])) for row in rows}


def rows_of(node: Node) -> list[InstanceRow]:
    return read_as(node.database, InstanceRow, "SELECT * FROM instance ORDER BY study_uid, sop_uid, digest")


def read_all(node: Node) -> dict[tuple[str, str], str]:
    """Give the digest of every content's file, as it is read through its row."""
    return {
        (row.sop_uid, row.digest): hashlib.sha256(node.packs.read_file(row.location)).hexdigest()
        for row in rows_of(node)
    }


def packs_meant(node: Node) -> set[str]:
    return {row.pack for row in rows_of(node)}


def findings(node: Node) -> list[Finding]:
    """Give what `verify` says of the packs."""
    return list(verify_packs(node))


def main(arguments: Sequence[str]) -> None:
    """Merge what there is in a node called alpha, whatever a failpoint makes of it."""
    node = bare_node(Path(arguments[0]), "alpha", SystemClock())
    merge_all(node)
    node.close()


if __name__ == "__main__":
    main(sys.argv[1:])
