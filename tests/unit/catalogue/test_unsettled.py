"""All marked studies settled at once: as many as she was told, each in the audit trail, whatever comes meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from node.catalogue import unsettled
from node.catalogue.unsettled import count_unsettled, settle_every
from node.database.port import Statement
from node.errors import Conflict, Refused
from node.names import StudyKey
from node.node import Node
from node.people.accounts import OPERATOR, Person
from tests.kit.archived_study import hold_another
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.lost_index import TECHNICIAN
from tests.kit.planting import planted

STUDIES = 5


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = bare_node(tmp_path, "alpha", FrozenClock())
    for number in range(STUDIES):
        hold_another(node, 100 + number, 1)
    node.write([Statement("UPDATE study SET corrections_until = 7")])
    yield node
    node.close()


def audited(node: Node) -> list[str]:
    rows = node.database.read("SELECT subject FROM audit WHERE act = 'settle-corrections' ORDER BY subject")
    return [str(row["subject"]) for row in rows]


def test_each_is_settled_and_in_the_audit_trail(node: Node) -> None:
    subjects = [key.subject for key, _ in unsettled.unsettled_studies(node.database)]
    assert settle_every(node, OPERATOR, told=STUDIES) == STUDIES
    assert count_unsettled(node.database) == 0
    assert audited(node) == sorted(subjects)
    for subject in subjects:
        assert [record.type for record in node.journal.of(subject)][-1] == "corrections-settled/1"


def test_a_call_settles_some_and_the_next_ones_the_rest(node: Node) -> None:
    assert [settle_every(node, OPERATOR, told=STUDIES, most=2) for _ in range(4)] == [2, 2, 1, 0]
    assert len(audited(node)) == STUDIES


def test_more_than_she_was_told_are_not_settled(node: Node) -> None:
    with pytest.raises(Conflict, match="5 studies are marked now, not 4"):
        settle_every(node, OPERATOR, told=STUDIES - 1)
    assert count_unsettled(node.database) == STUDIES
    assert settle_every(node, OPERATOR, told=STUDIES + 1) == STUDIES


def test_a_planted_settling_of_more_than_she_was_told_is_caught(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "settles-more-than-told")
    with pytest.raises(pytest.fail.Exception):
        test_more_than_she_was_told_are_not_settled(node)


def test_only_an_administrator_settles_all(node: Node) -> None:
    with pytest.raises(Refused):
        settle_every(node, TECHNICIAN, told=STUDIES)
    assert count_unsettled(node.database) == STUDIES


def test_one_that_changes_or_is_settled_meanwhile_stops_nothing(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = [key for key, _ in unsettled.unsettled_studies(node.database)][:2]
    settle, calls = unsettled.settle_corrections, list[Sequence[StudyKey]]()

    def meanwhile(node: Node, by: Person, keys: Sequence[StudyKey], *, address: str = "") -> int:
        calls.append(keys)
        if len(calls) == 1:
            settle(node, OPERATOR, [first])
        if len(calls) == 2:
            raise Conflict("Registering came first: look again.")
        return settle(node, by, keys, address=address)

    monkeypatch.setattr(unsettled, "settle_corrections", meanwhile)
    assert settle_every(node, OPERATOR, told=STUDIES) == STUDIES - 1
    assert [len(keys) for keys in calls] == [5, 4, 4]
    assert count_unsettled(node.database) == 0
    assert second.subject in audited(node)
