"""A node with a past: corrected in every way, archived, merged, sealed. Its database may be lost and written again.

``python -m tests.kit.lost_index STATE`` writes the index of a node again, as a process that can be killed.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from actors.completion import Completion
from node.archive.archiving import archive_study
from node.archive.expiring import expire_study
from node.catalogue.correction_drafts import (
    draft_choice,
    draft_merge,
    draft_move,
    draft_patient,
    draft_rejection,
    draft_series,
    draft_study,
)
from node.catalogue.correction_facts import PatientChange
from node.catalogue.corrections import make_correction, undo_correction
from node.catalogue.fresh import read_fresh
from node.catalogue.moving import RETIRED_FOR, merge_packs, retire_packs
from node.catalogue.search import InstanceRow, instances_of
from node.clock import MINUTE, SECOND, Micros
from node.database.port import text
from node.dicom.header import identify, scan
from node.names import Cause, NodeId, PatientKey, StudyKey, StudyUID
from node.node import Node
from ops.compose import compose_node
from ops.configuration import write_configuration
from ops.rebuild.exporting import export_index
from ops.rebuild.rebuilding import Rebuilt, rebuild
from ops.rebuild.tables import CONTENT
from ops.verify import verify
from tests.kit.actors import Failures
from tests.kit.archived_kinds import ct as pictured
from tests.kit.archived_kinds import picture, words
from tests.kit.blocks import few_a_block, seal_all
from tests.kit.clock import NOON
from tests.kit.instances import file_meta, make_ct
from tests.kit.merging import ingest, rows_of
from tests.kit.notes_of_rejection import make_note
from tests.kit.people import TECHNICIAN
from tests.kit.registering import facts

ARCHIVED_ALONE, ARCHIVED_TOO, CHOSEN, MERGED_AWAY, UNMERGED, MOVED, REJECTED, RESTORED = (
    10,
    11,
    9,
    1,
    4,
    6,
    8,
    7,
)


class TickingClock:
    """Never gives the same time twice, as a real one."""

    def __init__(self, now: Micros = NOON) -> None:
        self._now = now

    def now(self) -> Micros:
        self._now += 1
        return self._now

    def advance(self, by: Micros) -> None:
        self._now += by


def key(n: int) -> StudyKey:
    return StudyKey(origin=NodeId("alpha"), study_uid=StudyUID(f"2.25.{n}"))


def patient(id_: str, issuer: str = "alpha:HIS") -> PatientKey:
    return PatientKey(issuer=issuer, id=id_)


def begin(folder: Path) -> Path:
    """Make an empty node alpha; give its state folder."""
    write_configuration(folder / "alpha", id="alpha", name="Alpha", reserve_mb=1)
    return folder / "alpha"


def opened(state: Path, clock: TickingClock) -> Node:
    return compose_node(state, clock=clock)


def send(node: Node, clock: TickingClock, study: int, *data_sets: bytes) -> str:
    """Let an association bring data sets of a study; give its pack."""
    pack = land(node, clock, study, *data_sets)
    ingest(node)
    return pack


def land(node: Node, clock: TickingClock, study: int, *data_sets: bytes) -> str:
    """Store data sets of a study as one association does, and leave it to the index; give their pack."""
    clock.advance(10 * SECOND)
    given = facts(node, study_uid=f"2.25.{study}", cause=Cause(node.new_id()))
    writer = node.packs.open_writer(study_uid=given.study_uid, cause=given.cause)
    pack = ""
    for data_set in data_sets:
        named = identify(scan(data_set, given.transfer_syntax))
        stored = writer.append(
            replace(given, received_at=node.now()),
            sop_class=named.sop_class,
            sop_uid=named.sop_uid,
            file_meta=file_meta(sop_uid=named.sop_uid),
            data_set=data_set,
        )
        pack = stored.location.pack
    writer.close()
    return pack


def slice_(study: int, n: int, **changes: str) -> bytes:
    uid = f"2.25.{study}"
    return make_ct(study_uid=uid, series_uid=f"{uid}.1", sop_uid=f"{uid}.1.{n}", number=n, **changes)  # type: ignore[arg-type]


def pixels(study: int, n: int, *, seed: int = 0) -> bytes:
    """Give a slice that an archive codes again."""
    uid = f"2.25.{study}"
    change = {
        0x0020000D: ("UI", uid), 0x0020000E: ("UI", f"{uid}.1"), 0x00080018: ("UI", f"{uid}.1.{n}"),
        0x00200013: ("IS", str(n)),
    }  # fmt: skip
    return pictured(words(picture(12, seed=seed or n)), change=change).data_set  # type: ignore[arg-type]


def live(node: Node, clock: TickingClock) -> None:
    """Let all that a rebuild must bring back happen to a node, and seal what was written of it."""
    _receive(node, clock)
    _correct(node)
    complete(node, clock)
    _archive(node, clock)
    seal(node, clock)


def _receive(node: Node, clock: TickingClock) -> None:
    packs = [send(node, clock, 1, slice_(1, n)) for n in (1, 2, 3)]
    send(node, clock, 1, slice_(1, 2))  # once more
    merge_packs(node, key(1), packs[:2])
    send(node, clock, 2, slice_(2, 1))
    send(node, clock, 3, slice_(3, 1, patient_id="B-42", patient_name="Wang^Wu"))
    send(node, clock, 4, slice_(4, 1, patient_id="C-1", patient_name="Zhao^Liu"))
    send(node, clock, 5, slice_(5, 1, patient_id="D-1", patient_name="Qian^Qi"))
    send(node, clock, 6, slice_(6, 1, patient_id="E-1"), slice_(6, 2, patient_id="E-1"))
    for study in (7, 8):
        send(node, clock, study, slice_(study, 1, patient_id="F-1"), slice_(study, 2, patient_id="F-1"))
    send(node, clock, 9, slice_(9, 1, patient_id="G-1", description="First"))
    send(node, clock, 9, slice_(9, 1, patient_id="G-1", description="Second"))
    send(node, clock, 9, slice_(9, 2, patient_id="G-2"))  # red
    send(node, clock, ARCHIVED_ALONE, *(pixels(ARCHIVED_ALONE, n) for n in (1, 2)))
    send(node, clock, ARCHIVED_ALONE, pixels(ARCHIVED_ALONE, 2, seed=9), slice_(ARCHIVED_ALONE, 3))
    send(node, clock, ARCHIVED_TOO, pixels(ARCHIVED_TOO, 1), slice_(ARCHIVED_TOO, 2))
    send(node, clock, 12, slice_(12, 1, patient_id="H-1"), slice_(12, 2, patient_id="H-1"))
    note = make_note(["2.25.12.1.2"], study_uid="2.25.12", sop_uid="2.25.12.9.1", patient_id="H-1")
    send(node, clock, 12, note)


def _correct(node: Node) -> None:
    make_correction(
        node, TECHNICIAN, draft_merge(node, patient("A-17"), patient("B-42")), reason="Same person"
    )
    unmerged = make_correction(
        node, TECHNICIAN, draft_merge(node, patient("C-1"), patient("D-1")), reason="Same person"
    )
    undo_correction(node, TECHNICIAN, unmerged, reason="They are two")
    make_correction(node, TECHNICIAN, draft_move(node, key(6), patient("D-1")), reason="Wrong patient")
    restored = make_correction(
        node, TECHNICIAN, draft_rejection(node, key(7), sop_uids=["2.25.7.1.1"]), reason="Blurred"
    )
    undo_correction(node, TECHNICIAN, restored, reason="It is readable")
    make_correction(node, TECHNICIAN, draft_rejection(node, key(8)), reason="Blurred")
    later = max(
        instances_of(node.database, key(9), chosen_only=False),
        key=lambda row: (row.sop_uid == "2.25.9.1.1", row.received_at),
    )
    make_correction(
        node, TECHNICIAN, draft_choice(node, key(9), later.sop_uid, later.digest), reason="Right one"
    )
    twice = [
        row for row in instances_of(node.database, key(10), chosen_only=False) if row.sop_uid.endswith(".2")
    ]
    second = max(twice, key=lambda row: row.received_at)
    make_correction(
        node, TECHNICIAN, draft_choice(node, key(10), second.sop_uid, second.digest), reason="Right one"
    )
    make_correction(
        node, TECHNICIAN, draft_study(node, key(10), {"description": "Thorax"}), reason="Wrong word"
    )
    make_correction(
        node, TECHNICIAN, draft_series(node, key(2), "2.25.2.1", {"body_part": "CHEST"}), reason="Wrong word"
    )
    make_correction(
        node,
        TECHNICIAN,
        draft_patient(node, patient("H-1"), PatientChange(name="Sun^Ba")),
        reason="Wrong name",
    )


def complete(node: Node, clock: TickingClock) -> None:
    """Let studies that are quiet be complete."""
    clock.advance(5 * MINUTE)
    Completion(Failures(), node).step()


def _archive(node: Node, clock: TickingClock) -> None:
    for study in (ARCHIVED_ALONE, ARCHIVED_TOO):
        archive_study(node, origin="alpha", study_uid=f"2.25.{study}")
    expire_study(node, key(ARCHIVED_ALONE), reason="age")
    clock.advance(RETIRED_FOR + 1)
    retire_packs(node)


def seal(node: Node, clock: TickingClock) -> None:
    clock.advance(11 * MINUTE)
    with few_a_block(8):
        seal_all(node)


def exported(node: Node) -> list[str]:
    """Give the export without what a rebuild itself tells."""
    lines = list(export_index(node))
    return [line for line in lines if '"type":"index-rebuilt/1"' not in line]


def differences(one: list[str], other: list[str]) -> list[str]:
    """Give the lines of one export alone, and of the other alone."""
    return sorted(
        [*(f"- {line}" for line in set(one) - set(other)), *(f"+ {line}" for line in set(other) - set(one))]
    )


def tables_in(lines: list[str]) -> set[str]:
    """Give the tables that an export has lines of."""
    return {json.loads(line)["table"] for line in lines}


def export_of(state: Path, clock: TickingClock) -> list[str]:
    node = opened(state, clock)
    try:
        return exported(node)
    finally:
        node.close()


def content_of(state: Path, clock: TickingClock) -> dict[str, list[dict[str, Any]]]:
    """Give the rows that nothing can rebuild, by table."""
    node = opened(state, clock)
    rows = {table: node.database.read(f"SELECT * FROM {table}") for table in CONTENT}
    node.close()
    return {table: sorted(found, key=str) for table, found in rows.items() if found}


def wrong_in(state: Path, clock: TickingClock) -> list[str]:
    node = opened(state, clock)
    try:
        return [finding.line for finding in verify(node)]
    finally:
        node.close()


def read_all(node: Node) -> dict[tuple[str, str], str]:
    """Give the digest of each content as it is read, brought back where it lies in the archive alone."""
    return {
        (row.sop_uid, row.digest): hashlib.sha256(
            read_fresh(node, row, lambda row: node.packs.read_data_set(row.location))
        ).hexdigest()
        for row in rows_of(node)
    }


def lose_database(state: Path) -> None:
    """Take the database away, as a disk does."""
    for path in state.glob("meridian.db*"):
        path.unlink()


def lose_blocks(state: Path) -> None:
    """Take away every block of the journal."""
    for path in (state / "blocks").iterdir():
        path.unlink()


def places(node: Node) -> dict[tuple[str, str], InstanceRow]:
    return {(row.sop_uid, row.digest): row for row in rows_of(node)}


def until_of(node: Node) -> dict[str, int | None]:
    """Give up to when corrections are known, by study."""
    rows = node.database.read("SELECT study_uid, corrections_until FROM study ORDER BY study_uid")
    return {
        text(row, "study_uid"): None
        if row["corrections_until"] is None
        else int(str(row["corrections_until"]))
        for row in rows
    }


def rebuilt(state: Path, clock: TickingClock) -> Rebuilt:
    return rebuild(state, clock=clock)


def main(arguments: Sequence[str]) -> None:
    rebuild(Path(arguments[0]))


if __name__ == "__main__":
    main(sys.argv[1:])
