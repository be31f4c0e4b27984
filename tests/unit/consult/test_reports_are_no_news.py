"""A report that comes home into its own study is no new image: home is not told of it."""

from __future__ import annotations

from federation.consult.commands import request_consult
from federation.consult.following import follow_journal
from federation.consult.opening import reports_in
from node.database.port import Statement
from node.events import StudyChanged, StudyCompleted
from node.names import Cause, NodeId, StudyKey, StudyUID
from node.node import Node
from tests.kit.consult import STUDY, Pair

KEY = StudyKey(origin=NodeId("alpha"), study_uid=StudyUID(STUDY))


def comes(node: Node, *, door: str, total: int) -> None:
    """Let one instance be registered, and the study complete again."""
    row = Statement(
        "INSERT INTO online_instance VALUES (?, ?, ?, ?, '', '', '', '', NULL, 1, NULL, NULL, 'p', 0, 0, 0, 1, 'chosen', ?, 0)",
        (KEY.origin, KEY.study_uid, f"{STUDY}.{total}", f"digest-{total}", door),
    )
    events = [
        StudyChanged(instances=1, bytes=1, door=door, device="", total=total),
        StudyCompleted(instances=total, reason="quiet"),
    ]
    after = node.journal.version(KEY.subject)
    node.write([row, *node.journal.append(KEY.subject, events, after=after, cause=Cause("c"))])
    follow_journal(node, 0)


def amendments(node: Node) -> int:
    return len(node.database.read("SELECT 1 AS one FROM outbox WHERE type = 'case-amended/1'"))


def test_a_report_is_no_news_and_an_image_after_it_is(pair: Pair) -> None:
    request_consult(pair.alpha, pair.wang, form=pair.form())
    pair.carry()
    comes(pair.alpha, door="report", total=7)
    assert (reports_in(pair.alpha.database, KEY), amendments(pair.alpha)) == (1, 0)
    comes(pair.alpha, door="dicom", total=8)
    assert amendments(pair.alpha) == 2  # it came, and it is all
