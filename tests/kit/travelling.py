"""What scenarios say of studies on their way: completed at the clinic, whole at the centre."""

from __future__ import annotations

from node.database.port import Statement
from node.events import StudyCompleted
from node.names import Cause, StudyKey
from node.node import Node
from tests.kit.alliance import Alliance


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
