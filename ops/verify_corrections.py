"""Corrected studies against their facts: what each shows, derived once more."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from node.catalogue.correction_facts import facts_of_study
from node.catalogue.overlays import Overlay
from node.catalogue.restating import read_present, resolve_present, restate
from node.catalogue.unsettled import count_unsettled
from node.database.port import text
from node.errors import NotFound
from node.names import NodeId, StudyKey, StudyUID
from node.node import Node
from ops.findings import Finding, lasting
from ops.rebuild.packaged import PackagedContents

_CORRECTED = (
    "SELECT origin, study_uid FROM overlay WHERE origin = ? UNION SELECT origin, study_uid FROM said WHERE origin = ?"
    " UNION SELECT origin, study_uid FROM study_correction WHERE origin = ?"
    " UNION SELECT origin, study_uid FROM online_instance WHERE origin = ? AND state IN ('rejected', 'aside')"
    " UNION SELECT origin, study_uid FROM archived_series WHERE origin = ? AND state IN ('rejected', 'aside')"
)


def verify_corrections(node: Node) -> Iterator[Finding]:
    """Every own study that shows anything else than its instances say; a peer's is as its origin told."""
    if unknown := count_unsettled(node.database):
        yield Finding(
            where=f"corrections of {unknown} {'study' if unknown == 1 else 'studies'}",
            what="not all of them are known since the index was rebuilt",
            todo="look at them ('meridian corrections list'), correct again what was corrected, then settle them",
        )
    for row in node.database.read(_CORRECTED, (node.id,) * 5):
        key = StudyKey(origin=NodeId(text(row, "origin")), study_uid=StudyUID(text(row, "study_uid")))
        for what in lasting(partial(_faults, node, key)):
            yield Finding(
                where=f"corrections of {key.subject}",
                what=what,
                todo="restore the database from the backup and compare; stored bytes are whole",
            )


def _faults(node: Node, key: StudyKey) -> list[str]:
    try:
        present = read_present(node, key, every_instance=True)
    except NotFound:
        return ["the study that they are about is not here"]
    facts = facts_of_study(node.database, key, {patient.key for patient in present.patients})
    resolution = resolve_present(present, facts)
    restated = restate(present, resolution, contents=PackagedContents(node))
    counted = node.database.read(
        "SELECT correction FROM study_correction WHERE origin = ? AND study_uid = ?",
        (key.origin, key.study_uid),
    )
    faults = []
    kept = node.database.read(
        "SELECT 1 AS one FROM overlay WHERE origin = ? AND study_uid = ?", (key.origin, key.study_uid)
    )
    overlay = resolution.overlay if resolution.facts else Overlay()
    if present.overlay != overlay or bool(kept) != bool(resolution.facts):
        faults.append("its overlay is not what the corrections come to")
    if {text(row, "correction") for row in counted} != set(resolution.facts):
        faults.append("other corrections stand beside it than count for it")
    if restated.study != present.row or restated.series or restated.instances:
        faults.append("it shows something else than its corrections make of it")
    return faults
