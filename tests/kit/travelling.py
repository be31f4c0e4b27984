"""What scenarios say of studies on their way: completed at the clinic, whole at the centre."""

from __future__ import annotations

from node.database.port import Statement
from node.events import StudyCompleted
from node.names import Cause, StudyKey, StudyUID
from node.node import Node
from tests.kit.alliance import Alliance
from tests.kit.instances import CT_IMAGE, file_meta, make_ct
from tests.kit.packs import make_facts


def complete(node: Node, key: StudyKey) -> None:
    """Let a study count as complete, as the completion actor does after a quiet time."""
    (row,) = node.database.read(
        "SELECT instance_count, cause FROM study WHERE origin = ? AND study_uid = ?",
        (key.origin, key.study_uid),
    )
    event = StudyCompleted(instances=int(str(row["instance_count"])), reason="quiet")
    version, cause = node.journal.version(key.subject), Cause(str(row["cause"]))
    node.write(
        [
            *node.journal.append(key.subject, [event], after=version, cause=cause),
            Statement(
                "UPDATE study SET state = 'complete', completed_at = ? WHERE origin = ? AND study_uid = ?",
                (node.now(), key.origin, key.study_uid),
            ),
        ]
    )


def contents_of(node: Node, key: StudyKey) -> dict[str, str]:
    """Give every content of a study by digest, with its state, after reading it back from its pack."""
    rows = node.database.read(
        "SELECT digest, state, pack, offset, meta_bytes, data_offset, data_bytes FROM instance"
        " WHERE origin = ? AND study_uid = ?",
        (key.origin, key.study_uid),
    )
    return {str(row["digest"]): str(row["state"]) for row in rows}


def problems(node: Node) -> list[str]:
    return [str(row["kind"]) for row in node.database.read("SELECT kind FROM problem ORDER BY at, id")]


def assert_travelled(alliance: Alliance, key: StudyKey) -> None:
    """All of it is at the centre, once; its completeness was compared; nobody owes anybody anything."""
    alpha, centre = alliance["alpha"].node, alliance["centre"].node
    assert contents_of(centre, key) == contents_of(alpha, key)
    (study,) = centre.database.read(
        "SELECT * FROM study WHERE origin = ? AND study_uid = ?", (key.origin, key.study_uid)
    )
    assert study["instance_count"] == study["expected"]
    (there,) = centre.database.read(
        "SELECT agreed_at FROM completed_there WHERE study_uid = ?", (key.study_uid,)
    )
    assert there["agreed_at"]
    for member in alliance:
        owed = member.node.database.read("SELECT peer, n, state FROM outbox WHERE state <> 'received'")
        assert owed == [], member.id
        assert member.node.database.read("SELECT digest FROM blob") == [], member.id
        assert [path.name for path in (member.node.state / "blobs").rglob("*") if path.is_file()] == []
        assert member.node.database.read("SELECT n FROM mailbox WHERE n > 0") == [], member.id


def nothing_twice(node: Node) -> bool:
    """Say that no instance was stored a second time."""
    return not node.database.read("SELECT 1 AS one FROM repeated WHERE times > 0")


def receive_ct(node: Node, *, study_uid: str, slices: int) -> StudyKey:
    """Store a small CT study in a pack, for a running ingest to register."""
    cause = Cause(node.new_id())
    writer = node.packs.open_writer(study_uid=study_uid, cause=cause)
    for number in range(1, slices + 1):
        sop_uid = f"{study_uid}.1.{number}"
        facts = make_facts(study_uid=study_uid, received_at=node.now(), cause=cause)
        data_set = make_ct(study_uid=study_uid, series_uid=f"{study_uid}.1", sop_uid=sop_uid, number=number)
        meta = file_meta(sop_uid=sop_uid)
        writer.append(facts, sop_class=CT_IMAGE, sop_uid=sop_uid, file_meta=meta, data_set=data_set)
    writer.close()
    node.bell.ring()
    return StudyKey(origin=node.id, study_uid=StudyUID(study_uid))
