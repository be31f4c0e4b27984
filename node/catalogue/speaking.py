"""Which contents of a study speak of whom, and how each came: what a person looks at before she chooses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from node.catalogue.arrivals import read_arrivals
from node.catalogue.fresh import read_fresh
from node.catalogue.identity import Patient, differ
from node.catalogue.repeats import REJECTED
from node.catalogue.search import InstanceRow, instances_of
from node.errors import Damaged, NotFound
from node.names import PatientKey, StudyKey
from node.node import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """One content, with what only its header and its association knew."""

    row: InstanceRow
    patient: Patient
    description: str
    calling: str
    address: str


def read_spoken(node: Node, rows: Iterable[InstanceRow]) -> list[Spoken]:
    """Read contents back from their packs; what cannot be read is left out."""
    found = []
    for row in rows:
        try:
            record = read_fresh(
                node, row, lambda row: next(iter(node.packs.marked(row.pack, row.offset)), None)
            )
        except (Damaged, NotFound):
            continue
        arrivals, _ = read_arrivals(node.packs, [record] if record else [], own=node.id)
        found += [
            Spoken(
                row=row,
                patient=one.patient,
                description=one.attributes.study.description,
                calling=one.record.facts.calling,
                address=one.record.facts.address,
            )
            for one in arrivals
        ]
    return found


def instances_of_others(node: Node, key: StudyKey, patient: PatientKey) -> list[str]:
    """Give the SOP Instance UIDs whose every standing content speaks of somebody else than a patient.

    Reads every header of the study.
    """
    spoken = read_spoken(
        node, (row for row in instances_of(node.database, key, chosen_only=False) if row.state != REJECTED)
    )
    meant = next((one.patient for one in spoken if one.patient.key == patient), None)
    if meant is None:
        raise NotFound("Choosing a patient was refused: no instance of the study names that patient.")
    fitting = {one.row.sop_uid for one in spoken if not differ(one.patient, meant)}
    return sorted({one.row.sop_uid for one in spoken} - fitting)
