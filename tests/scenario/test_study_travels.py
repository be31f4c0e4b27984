"""A study of the clinic reaches the centre, whatever the network does in between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from federation.policy import change_policy
from node.database.port import Statement
from node.names import NodeId, StudyKey
from node.node import Node
from tests.kit.alliance import Alliance
from tests.kit.clock import FrozenClock
from tests.kit.holding import hold_ct

CENTRE, ALPHA = NodeId("centre"), NodeId("alpha")
STUDY = "2.25.7"


@pytest.fixture
def alliance(tmp_path: Path) -> Iterator[Alliance]:
    alliance = Alliance.found(tmp_path, FrozenClock())
    change_policy(alliance["alpha"].node, CENTRE, grant="everything", by="test")
    yield alliance
    alliance.close()


def complete(node: Node, key: StudyKey) -> None:
    """Let a study count as complete, as the completion actor does after a quiet time."""
    from node.events import StudyCompleted
    from node.names import Cause

    (row,) = node.database.read(
        "SELECT instance_count, cause FROM study WHERE origin = ? AND study_uid = ?",
        (key.origin, key.study_uid),
    )
    event = StudyCompleted(instances=int(str(row["instance_count"])), reason="quiet")
    node.write(
        [
            *node.journal.append(
                key.subject, [event], after=node.journal.version(key.subject), cause=Cause(str(row["cause"]))
            ),
            Statement(
                "UPDATE study SET state = 'complete', completed_at = ? WHERE origin = ? AND study_uid = ?",
                (node.now(), key.origin, key.study_uid),
            ),
        ]
    )


def instances(node: Node, key: StudyKey) -> set[str]:
    rows = node.database.read(
        "SELECT digest FROM instance WHERE origin = ? AND study_uid = ?", (key.origin, key.study_uid)
    )
    return {str(row["digest"]) for row in rows}


def problems(node: Node) -> list[str]:
    return [str(row["kind"]) for row in node.database.read("SELECT kind FROM problem ORDER BY at, id")]


def assert_whole(alliance: Alliance, key: StudyKey) -> None:
    alpha, centre = alliance["alpha"].node, alliance["centre"].node
    assert instances(centre, key) == instances(alpha, key)
    (study,) = centre.database.read("SELECT * FROM study WHERE origin = 'alpha'")
    assert study["instance_count"] == study["expected"]
    (there,) = centre.database.read("SELECT agreed_at FROM completed_there")
    assert there["agreed_at"]
    repeated = centre.database.read("SELECT sum(times) AS n FROM repeated")
    assert repeated[0]["n"] in (None, 0)
    assert problems(centre) == [] == problems(alpha)
    assert [row["state"] for row in alpha.database.read("SELECT state FROM outbox WHERE state <> 'received'")] == []
    assert centre.database.read("SELECT 1 AS one FROM blob") == []
    assert alpha.database.read("SELECT 1 AS one FROM blob") == []


def test_a_study_is_announced_before_its_images_and_then_they_come(alliance: Alliance) -> None:
    alpha, centre = alliance["alpha"], alliance["centre"]
    key = hold_ct(alpha.node, study_uid=STUDY, slices=3)
    alpha.tell(CENTRE)
    centre.collect()
    (study,) = centre.node.database.read("SELECT * FROM study")
    (own,) = alpha.node.database.read("SELECT * FROM study")
    assert (study["state"], study["instance_count"], study["patient_name"]) == ("announced", 0, "Zhang^San")
    assert (study["cause"], study["patient_issuer"]) == (own["cause"], own["patient_issuer"])
    alliance.deliver_all()
    assert instances(centre.node, key) == instances(alpha.node, key)
    complete(alpha.node, key)
    alliance.deliver_all()
    assert_whole(alliance, key)
