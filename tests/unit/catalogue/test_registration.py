"""From pack records to rows and events, in one batch that can be repeated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node.catalogue.registration import register
from node.catalogue.search import StudyRow, conflicts_of, get_study, instances_of, peek_instance, series_of
from node.database.port import Statement
from node.errors import Conflict
from node.events import InstanceConflictFound, PatientConflictFound, StudyChanged, decode
from node.journal.cursors import advance, position
from node.names import Cause, NodeId, StudyKey, StudyUID
from node.node import Node
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.instances import BIG, EXPLICIT, IMPLICIT, Value, make_ct
from tests.kit.registering import facts, marked, receive, register_pack, store

KEY = StudyKey(origin=NodeId("alpha"), study_uid=StudyUID("2.25.1"))
EVENTS = (StudyChanged, InstanceConflictFound, PatientConflictFound)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    clock = FrozenClock()
    node = bare_node(tmp_path, "alpha", clock)
    yield node
    node.database.close()  # type: ignore[attr-defined]  # the port leaves closing to whoever composed it
    node.bell.close()


def slices(*numbers: int, **changes: str) -> list[bytes]:
    return [make_ct(sop_uid=f"2.25.1.1.{n}", number=n, **changes) for n in numbers]  # type: ignore[arg-type]


def study(node: Node, key: StudyKey = KEY) -> StudyRow:
    return get_study(node.database, key)


def events(node: Node, key: StudyKey = KEY) -> list[object]:
    return [decode(EVENTS, record.type, record.body) for record in node.journal.of(key.subject)]


def count(node: Node, table: str) -> int:
    return int(node.database.read(f"SELECT count(*) AS n FROM {table}")[0]["n"] or 0)


def repeats(node: Node) -> int:
    return int(node.database.read("SELECT coalesce(sum(times), 0) AS n FROM repeated")[0]["n"] or 0)


def test_instances_become_rows_and_one_event(node: Node) -> None:
    receive(node, *slices(1, 2, 3))
    row = study(node)
    assert (row.state, row.series_count, row.instance_count, row.conflict) == ("receiving", 1, 3, 0)
    assert (row.patient_issuer, row.patient_id, row.patient_name) == ("alpha:HIS", "A-17", "Zhang^San")
    assert (row.modality_list, row.body_part_list, row.department) == (["CT"], ["CHEST"], "Radiology")
    assert (row.first_at, row.last_at, row.cause) == (node.now(), node.now() + 2, "cause-1")
    assert [instance.number for instance in instances_of(node.database, KEY)] == [1, 2, 3]
    assert [series.instance_count for series in series_of(node.database, KEY)] == [3]
    (event,) = events(node)
    assert event == StudyChanged(instances=3, bytes=row.bytes, door="dicom", device="CT1", total=3)


def test_registered_instance_is_read_back_byte_for_byte(node: Node) -> None:
    (data_set,) = slices(1)
    receive(node, data_set)
    row = peek_instance(node.database, KEY, "2.25.1.1.1")
    assert row is not None
    assert node.packs.read_data_set(row.location) == data_set
    assert (row.transfer_syntax, row.frames, row.rows, row.columns, row.door) == (EXPLICIT, 1, 4, 4, "dicom")


def test_registering_the_same_records_again_is_refused_and_changes_nothing(node: Node) -> None:
    pack = store(node, *slices(1, 2))
    records = marked(node, pack)
    cursor = advance(f"ingest/{pack}", before=0, after=records[-1].next_offset)
    register(node, records, cursors=[cursor])
    before = study(node), count(node, "journal"), count(node, "instance")
    with pytest.raises(Conflict, match="another reader"):
        register(node, records, cursors=[cursor])
    assert (study(node), count(node, "journal"), count(node, "instance")) == before
    assert position(node.database, f"ingest/{pack}") == records[-1].next_offset


def test_batches_of_one_give_the_same_rows_as_one_batch(node: Node, tmp_path: Path) -> None:
    receive(node, *slices(1, 2, 3))
    other = bare_node(tmp_path / "other", "alpha", FrozenClock())
    pack = store(other, *slices(1, 2, 3))
    while records := marked(other, pack):
        register_pack(other, pack, records[:1])
    assert study(other) == study(node)
    assert len(events(other)) == 3
    assert [event.total for event in events(other) if isinstance(event, StudyChanged)] == [1, 2, 3]


def test_same_data_set_again_is_counted_and_dropped(node: Node) -> None:
    receive(node, *slices(1, 2))
    before = study(node)
    outcome = receive(node, *slices(2, 1, 1))
    assert (outcome.instances, outcome.repeated) == (0, 3)
    assert repeats(node) == 3
    assert (study(node).instance_count, study(node).bytes, study(node).state) == (
        2,
        before.bytes,
        before.state,
    )
    assert len(events(node)) == 1


def test_same_data_set_twice_in_one_batch_is_one_instance(node: Node) -> None:
    receive(node, *slices(1, 1, 1))
    assert study(node).instance_count == 1
    assert repeats(node) == 2


@pytest.mark.parametrize("syntax", [IMPLICIT, BIG])
def test_same_content_in_another_encoding_is_an_alternative_without_alarm(node: Node, syntax: str) -> None:
    receive(node, make_ct())
    receive(
        node,
        make_ct(transfer_syntax=syntax),
        given=facts(node, transfer_syntax=syntax, received_at=node.now() + 9),
    )
    rows = instances_of(node.database, KEY, chosen_only=False)
    assert sorted(row.state for row in rows) == ["alternative", "chosen"]
    assert len({row.normal_digest for row in rows}) == 1
    assert (study(node).instance_count, study(node).conflict) == (1, 0)
    assert count(node, "problem") == 0


def test_another_content_is_kept_beside_the_first_and_shown(node: Node) -> None:
    receive(node, make_ct())
    receive(node, make_ct(description="Chest low dose"), given=facts(node, received_at=node.now() + 9))
    assert [row.state for row in conflicts_of(node.database, KEY)] == ["chosen", "conflict"]
    row = study(node)
    assert (row.instance_count, row.conflict, row.description) == (1, 1, "Chest")
    conflict = events(node)[-1]
    assert isinstance(conflict, InstanceConflictFound)
    assert (conflict.sop_uid, len(conflict.digests), conflict.patient_differs) == ("2.25.1.1.1", 2, False)
    assert [r["kind"] for r in node.database.read("SELECT kind FROM problem")] == ["instance-conflict"]


def test_another_patient_under_the_same_instance_is_red(node: Node) -> None:
    receive(node, make_ct())
    receive(node, make_ct(patient_id="B-18"), given=facts(node, received_at=node.now() + 9))
    assert study(node).conflict == 2
    assert study(node).patient_id == "A-17"
    kinds = [type(event) for event in events(node)]
    assert kinds == [StudyChanged, StudyChanged, InstanceConflictFound, PatientConflictFound]
    assert events(node)[2].patient_differs  # type: ignore[attr-defined]


@pytest.mark.parametrize("at_once", [True, False])
def test_study_whose_instances_disagree_about_the_patient_is_red(node: Node, at_once: bool) -> None:
    mine, other = slices(1)[0], slices(2, patient_name="Li^Si")[0]
    if at_once:
        receive(node, mine, other)
    else:
        receive(node, mine)
        assert study(node).conflict == 0
        receive(node, other)
    assert study(node).conflict == 2
    assert [r["kind"] for r in node.database.read("SELECT kind FROM problem")] == ["patient-conflict"]
    receive(node, *slices(3, patient_name="Wang^Wu"))
    assert sum(isinstance(event, PatientConflictFound) for event in events(node)) == 1


def test_no_patient_stands_in_an_event_or_a_problem(node: Node) -> None:
    receive(node, make_ct())
    receive(node, make_ct(patient_id="B-18", patient_name="Li^Si"), make_ct(description="Canary"))
    words = "".join(str(r) for r in node.database.read("SELECT * FROM journal"))
    words += "".join(str(r) for r in node.database.read("SELECT * FROM problem"))
    for secret in ("A-17", "B-18", "Zhang", "Li^Si", "Canary"):
        assert secret not in words


def test_words_are_those_of_the_earliest_whatever_is_registered_first(node: Node) -> None:
    late = facts(node, received_at=node.now() + 50, cause=Cause("late"), department="Ward")
    early = facts(node, received_at=node.now(), cause=Cause("early"))
    receive(node, *slices(2, description="Late"), given=late)
    receive(node, *slices(1, description="Early"), given=early)
    row = study(node)
    assert (row.description, row.cause, row.department) == ("Early", "early", "Radiology")
    assert (row.first_at, row.last_at) == (node.now(), node.now() + 50)


def test_nobodys_studies_stay_apart(node: Node) -> None:
    for uid in ("2.25.1", "2.25.2"):
        receive(node, make_ct(study_uid=uid, patient_id="UNKNOWN"), given=facts(node, study_uid=uid))
    issuers = {str(row["patient_issuer"]) for row in node.database.read("SELECT patient_issuer FROM study")}
    assert issuers == {"alpha:study/2.25.1", "alpha:study/2.25.2"}


def test_complete_study_that_gets_more_is_receiving_again(node: Node) -> None:
    receive(node, *slices(1))
    node.write([Statement("UPDATE study SET state = 'complete', completed_at = 7")])
    receive(node, *slices(1))
    assert study(node).state == "complete"
    receive(node, *slices(2))
    assert (study(node).state, study(node).completed_at) == ("receiving", None)


def announce(node: Node, *, name: str = "Zhang^San") -> StudyKey:
    """Put a study's row here as a peer's announcement does."""
    node.write(
        [
            Statement(
                "INSERT INTO study (origin, study_uid, patient_issuer, patient_id, patient_name, sex, birth_date, age,"
                " study_date, study_time, accession_issuer, accession, description, referring_physician, modalities,"
                " body_parts, department, series_count, instance_count, bytes, expected, state, first_at, last_at, cause)"
                " VALUES ('beta', '2.25.1', 'beta:HIS', 'A-17', ?, 'M', '19610405', '', '20260302', '', '', '', 'Told', '',"
                " '[\"CT\"]', '[]', 'CT room', 1, 0, 0, 3, 'announced', 5, 5, 'theirs')",
                (name,),
            )
        ]
    )
    return StudyKey(origin=NodeId("beta"), study_uid=StudyUID("2.25.1"))


def from_beta(node: Node, **changes: object) -> object:
    return facts(node, door="peer", origin=NodeId("beta"), calling="beta", issuer="beta:HIS", **changes)


def test_announced_study_becomes_receiving_and_keeps_what_its_origin_said(node: Node) -> None:
    key = announce(node)
    receive(node, *slices(1, 2), given=from_beta(node))  # type: ignore[arg-type]
    row = study(node, key)
    assert (row.state, row.instance_count, row.expected) == ("receiving", 2, 3)
    assert (row.description, row.department, row.cause, row.conflict) == ("Told", "CT room", "theirs", 0)


def test_images_of_somebody_else_than_announced_are_red(node: Node) -> None:
    key = announce(node, name="Li^Si")
    receive(node, *slices(1), given=from_beta(node))  # type: ignore[arg-type]
    assert study(node, key).conflict == 2


def test_two_origins_with_one_study_uid_are_two_studies(node: Node) -> None:
    receive(node, *slices(1))
    receive(node, *slices(1, patient_name="Li^Si"), given=from_beta(node))  # type: ignore[arg-type]
    assert count(node, "study") == 2
    assert {int(row["conflict"] or 0) for row in node.database.read("SELECT conflict FROM study")} == {0}


def test_peer_cannot_send_what_is_this_nodes_own(node: Node) -> None:
    receive(node, *slices(1), given=facts(node, door="peer", origin=NodeId("alpha"), calling="beta"))
    assert count(node, "study") == 0
    (problem,) = node.database.read("SELECT kind, detail FROM problem")
    assert problem["kind"] == "unreadable-instance"
    assert "this node's own" in str(problem["detail"])


@pytest.mark.parametrize(
    "said",
    [
        {"department": "x'00'"},
        {"received_at": 2**63},
        {"origin": NodeId("X'ff'")},
        {"door": "x''"},
        {"transfer_syntax": "x'00'"},
    ],
    ids=str,
)
def test_what_a_peer_says_that_no_row_may_hold_is_shown_and_stops_nothing(
    node: Node, said: dict[str, Any]
) -> None:
    given = facts(node, **{"door": "peer", "origin": NodeId("beta"), **said})
    assert receive(node, *slices(1), given=given).unreadable == 1
    assert [r["kind"] for r in node.database.read("SELECT kind FROM problem")] == ["unreadable-instance"]
    assert receive(node, *slices(2)).instances == 1


def test_record_that_cannot_be_read_is_shown_and_stops_nothing(node: Node) -> None:
    receive(node, b"\x08\x00", *slices(1), make_ct(sop_uid="not a uid"))
    assert study(node).instance_count == 1
    assert [r["kind"] for r in node.database.read("SELECT kind FROM problem")] == ["unreadable-instance"] * 2


def test_several_packs_are_registered_in_one_batch(node: Node) -> None:
    packs = [store(node, *slices(n), given=facts(node, cause=Cause(f"cause-{n}"))) for n in (1, 2)]
    records = [marked(node, pack) for pack in packs]
    cursors = [
        advance(f"ingest/{pack}", before=0, after=found[-1].next_offset)
        for pack, found in zip(packs, records, strict=True)
    ]
    register(node, [record for found in records for record in found], cursors=cursors)
    assert study(node).instance_count == 2
    assert [record.cause for record in node.journal.of(KEY.subject)] == ["cause-1", "cause-2"]
    assert [event.total for event in events(node) if isinstance(event, StudyChanged)] == [2, 2]


def test_somebody_elses_change_meanwhile_undoes_the_batch(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive(node, *slices(1))
    pack = store(node, *slices(2))
    records = marked(node, pack)
    write = node.database.write

    def after_another(statements: list[Statement], key: str) -> object:
        monkeypatch.setattr(node.database, "write", write)
        receive(node, *slices(9))
        return write(statements, key)

    monkeypatch.setattr(node.database, "write", after_another)
    with pytest.raises(Conflict):
        register(node, records, cursors=[advance(f"ingest/{pack}", before=0, after=records[-1].next_offset)])
    assert study(node).instance_count == 2
    register_pack(node, pack)
    assert study(node).instance_count == 3


def test_value_that_sql_would_refuse_is_stored_all_the_same(node: Node) -> None:
    change: dict[int, tuple[str, Value] | None] = {
        0x00100020: ("LO", "x'41'"),
        0x00081030: ("LO", "'; DROP TABLE study; --"),
    }
    receive(node, make_ct(change=change))
    assert study(node).description == "'; DROP TABLE study; --"
    assert study(node).patient_id == "x’41’"
