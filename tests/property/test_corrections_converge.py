"""Registering before or after somebody corrects makes no difference, and undoing everything leaves what never was corrected."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from node.catalogue.correction_drafts import Draft
from node.catalogue.correction_facts import PatientChange, Words
from node.catalogue.corrections import make_correction, undo_correction
from node.clock import SECOND
from node.names import Cause, NodeId, PatientKey, StudyKey, StudyUID
from node.node import Node
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.instances import IMPLICIT, make_ct
from tests.kit.people import TECHNICIAN
from tests.kit.registering import facts, store
from tests.property.test_registration_converges import register_some, with_database

ORDERS = {
    "study": "origin, study_uid",
    "series": "study_uid, series_uid",
    "instance": "study_uid, sop_uid, digest",
    "repeated": "study_uid, sop_uid, digest",
    "study_identity": "study_uid, patient_issuer, patient_id, patient_name",
    "said": "study_uid, series_uid",
    "overlay": "study_uid",
}
A, B = PatientKey(issuer="alpha:HIS", id="A-17"), PatientKey(issuer="alpha:HIS", id="B-42")
WANG = {"patient_id": "B-42", "patient_name": "Wang^Wu"}
FIRST = 3
"""Packs that are registered before anything else: one of each study."""


def study(n: int) -> StudyKey:
    return StudyKey(origin=NodeId("alpha"), study_uid=StudyUID(f"2.25.{n}"))


def to(key: PatientKey, name: str) -> Words:
    return Words(
        patient=PatientChange(issuer=key.issuer, id=key.id, name=name, birth_date="19610405", sex="M")
    )


DRAFTS = [
    Draft(kind="merge", patient=A, words=to(B, "Wang^Wu")),
    Draft(kind="merge", patient=B, words=to(PatientKey(issuer="alpha:HIS", id="C-1"), "Zhao^Liu")),
    Draft(kind="patient", patient=A, words=Words(patient=PatientChange(name="Zhang^Shan", sex="F"))),
    Draft(kind="move", study=study(1), words=to(B, "Wang^Wu")),
    Draft(kind="study", study=study(1), words=Words(values={"description": "Head", "accession": "X1"})),
    Draft(kind="series", study=study(1), series_uid="2.25.1.1", words=Words(values={"modality": "MR"})),
    Draft(kind="reject", study=study(1), series_uid="2.25.1.2", code="113001"),
    Draft(kind="reject", study=study(2), code="113037"),
    Draft(kind="reject", study=study(1), words=Words(sop_uids=("2.25.1.1.2",)), code="113001"),
]


def ct(n: int, *, study: int = 1, series: int = 1, **changes: Any) -> bytes:
    return make_ct(
        study_uid=f"2.25.{study}",
        series_uid=f"2.25.{study}.{series}",
        sop_uid=f"2.25.{study}.{series}.{n}",
        number=n,
        **changes,
    )


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Node, list[str]]]:
    """Packs that landed before anybody corrected, whenever they are registered."""
    clock = FrozenClock()
    node = bare_node(tmp_path_factory.mktemp("corrected"), "alpha", clock)
    packs: list[str] = []

    def association(study: int, *data_sets: bytes, at_s: int, **changes: Any) -> None:
        given = facts(
            node,
            study_uid=f"2.25.{study}",
            received_at=node.now() + at_s * SECOND,
            cause=Cause(f"c{len(packs)}"),
            **changes,
        )
        packs.append(store(node, *data_sets, given=given))

    association(1, ct(1), at_s=0)
    association(2, ct(1, study=2), at_s=0)
    association(3, ct(1, study=3, **WANG), at_s=0)
    association(1, ct(2), ct(1, series=2, description="Scout"), at_s=20)
    association(1, ct(1, **WANG), ct(2, **WANG), ct(3, **WANG), at_s=30)
    association(1, ct(2, description="Another"), at_s=-20)
    association(
        1,
        make_ct(
            study_uid="2.25.1",
            series_uid="2.25.1.1",
            sop_uid="2.25.1.1.2",
            number=2,
            transfer_syntax=IMPLICIT,
        ),
        at_s=40,
        transfer_syntax=IMPLICIT,
    )
    association(2, ct(2, study=2, patient_id="UNKNOWN", patient_name=""), at_s=5)
    association(2, ct(3, study=2), at_s=-5, issuer="LAB")
    clock.advance(100 * SECOND)
    yield node, packs
    node.close()


def rows(node: Node) -> dict[str, list[dict[str, Any]]]:
    found = {
        table: [dict(row) for row in node.database.read(f"SELECT * FROM {table} ORDER BY {order}")]
        for table, order in ORDERS.items()
    }
    for row in found["study"]:
        row["cause"] = ""
    counted = node.database.read("SELECT study_uid, count(*) AS n FROM study_correction GROUP BY study_uid")
    return {**found, "study_correction": [dict(row) for row in counted]}


def begun(whole: Node, packs: list[str], path: Path) -> Node:
    node = with_database(whole, path)
    for pack in packs[:FIRST]:
        register_some(node, pack, count=100, twice=False)
    return node


def close(node: Node) -> None:
    node.database.close()  # type: ignore[attr-defined]  # bells and packs are shared


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("register"), st.integers(FIRST, 8), st.integers(1, 3)),
        st.tuples(st.just("correct"), st.integers(0, len(DRAFTS) - 1), st.just(0)),
    ),
    max_size=14,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(
    steps=[("correct", 0, 0), ("correct", 1, 0)], undone=random.Random(1)
)  # another's, as turns out later
@given(steps=STEPS, undone=st.randoms(use_true_random=False))
def test_any_order_of_registering_and_correcting_gives_the_same_rows_and_undoing_is_exact(
    landed: tuple[Node, list[str]], tmp_path_factory: pytest.TempPathFactory, steps: list[Any], undone: Any
) -> None:
    whole, packs = landed
    folder = tmp_path_factory.mktemp("databases")
    mixed, after, never = (begun(whole, packs, folder / f"{name}.db") for name in ("mixed", "after", "never"))
    drafts = [DRAFTS[n] for what, n, _ in steps if what == "correct"]
    for node in (after, never):
        for pack in packs[FIRST:]:
            register_some(node, pack, count=100, twice=False)
    made = []
    for what, n, count in steps:
        if what == "register":
            register_some(mixed, packs[n], count=count, twice=False)
        else:
            made += correct(mixed, DRAFTS[n])
    for pack in reversed(packs[FIRST:]):
        while register_some(mixed, pack, count=2, twice=False):
            continue
    counted = len(made)
    others = [id_ for draft in drafts for id_ in correct(after, draft)]
    if len(others) == counted:
        assert _without_notes(rows(mixed)) == _without_notes(rows(after))
    undone.shuffle(made)
    for id_ in made:
        undo_correction(mixed, TECHNICIAN, id_, reason="Back")
    assert rows(mixed) == rows(never)
    for node in (mixed, after, never):
        close(node)


def _without_notes(found: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Leave out which corrections a study is noted for: those that meant it by what was known of it when they were made."""
    return {table: rows_ for table, rows_ in found.items() if table != "study_correction"}


def correct(node: Node, draft: Draft) -> list[str]:
    """Make a correction; one of a patient of whom no study is here is none."""
    from node.errors import NotFound

    try:
        return [make_correction(node, TECHNICIAN, draft, reason="So it is")]
    except NotFound:
        return []
