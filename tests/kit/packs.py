"""Packs for tests: facts of an association, and instances that are told apart by number."""

from __future__ import annotations

from pathlib import Path

from node.clock import Clock
from node.names import Cause, NodeId, StudyUID
from node.store.facts import AssociationFacts, Stored
from node.store.packs import Packs
from node.store.writing import PackWriter
from tests.kit.clock import FrozenClock
from tests.kit.instances import CT_IMAGE, EXPLICIT, file_meta, make_ct

STUDY = "2.25.1"


def make_facts(*, study_uid: str = STUDY, received_at: int = 1, cause: str = "cause") -> AssociationFacts:
    """Give the facts of an association with a CT."""
    return AssociationFacts(
        calling="CT1",
        called="ALPHA",
        address="10.0.0.7",
        certificate="",
        rule="CT1@*",
        rule_version=1,
        issuer="alpha",
        trust_issuer=False,
        department="radiology",
        transfer_syntax=EXPLICIT,
        received_at=received_at,
        origin=NodeId("alpha"),
        study_uid=StudyUID(study_uid),
        door="dicom",
        cause=Cause(cause),
    )


def open_packs(
    directory: Path,
    *,
    clock: Clock | None = None,
    roll_bytes: int = 1 << 30,
    reserve_bytes: int = 0,
    writer: str = "node",
) -> Packs:
    """Open a folder of packs with nothing in the way."""
    return Packs(directory, clock or FrozenClock(), roll_bytes, reserve_bytes, writer=writer)


def open_writer(packs: Packs, *, study_uid: str = STUDY) -> PackWriter:
    """Open a writer that `store` fits."""
    return packs.open_writer(study_uid=study_uid, cause=Cause("cause"))


def store(writer: PackWriter, n: int, *, study_uid: str = STUDY) -> tuple[Stored, bytes]:
    """Store slice ``n``; give where it lies and its data set."""
    data_set = make_ct(study_uid=study_uid, sop_uid=f"2.25.1.1.{n}", number=n)
    stored = writer.append(
        make_facts(study_uid=study_uid),
        sop_class=CT_IMAGE,
        sop_uid=f"2.25.1.1.{n}",
        file_meta=file_meta(sop_uid=f"2.25.1.1.{n}"),
        data_set=data_set,
    )
    return stored, data_set
