"""A study that was asked about and answered is deleted at the clinic: its report, its request and all mail about them go too."""

from __future__ import annotations

from pathlib import Path

import pytest

from federation.consult.applying import apply_case_facts
from federation.consult.commands import claim, request_consult
from federation.consult.messages import CaseFacts
from federation.consult.writing import save_draft, sign
from federation.deletion_arrivals import apply_study_deleted_there
from federation.deletions import forget_mail, tell_deletions
from federation.messages import Received, StudyDeletedThere, decode_message
from node.archive.deletion.deletions import answers_of, deletions_of
from node.archive.lifecycle.periods import DAY
from node.clock import SECOND
from node.database.port import Statement
from node.errors import GridError
from node.names import Cause, NodeId, StudyKey, StudyUID
from node.reporting.document import make_documents
from ops.verify import verify
from tests.kit.consult import STUDY, Pair
from tests.kit.deleting import approve, ask, erase_all, found_in
from tests.kit.merging import complete, ingest

KEY = StudyKey(origin=NodeId("alpha"), study_uid=StudyUID(STUDY))
WORDS = ("张三", "咳嗽两周", "吸烟", "右肺上叶见结节", "建议随访")


@pytest.fixture
def report_id(pair: Pair) -> str:
    """Let the study be asked about and answered."""
    case_id = request_consult(pair.alpha, pair.wang, form=pair.form())
    pair.carry()
    view = claim(pair.centre, pair.li, case_id)
    words = {"findings": "右肺上叶见结节，直径约 8 mm。", "impression": "右肺上叶结节，建议随访。"}
    saved = save_draft(pair.centre, pair.li, case_id, version=0, epoch=view.epoch, **words)
    pair.clock.advance(SECOND)
    sign(pair.centre, pair.li, case_id, epoch=view.epoch, version=saved.version, **words)
    pair.carry()
    (row,) = pair.alpha.database.read("SELECT report_id FROM report")
    make_documents(pair.alpha, str(row["report_id"]))
    with pytest.raises(GridError):
        ask(pair.alpha, KEY)
    ingest(pair.alpha)
    complete(pair.alpha, KEY)
    pair.clock.advance(400 * DAY)  # the case holds the study for a while after it was answered
    return str(row["report_id"])


def test_report_request_documents_and_mail_go_with_the_study(
    pair: Pair, report_id: str, tmp_path: Path
) -> None:
    alpha, state = pair.alpha, tmp_path / "alpha"
    documents = state / "documents"
    assert len(list(documents.iterdir())) == 2
    assert {word for word in WORDS for line in found_in(state, WORDS) if word in line} == set(WORDS)
    alpha.write([Statement("UPDATE outbox SET state = 'received', envelope = NULL")])
    deleted = approve(alpha, ask(alpha, KEY))
    tell_deletions(alpha, NodeId("centre"))
    done = erase_all(alpha, deleted, pair.clock)
    assert done.state == "done"
    assert list(documents.iterdir()) == []
    for table in ("consult_case", "case_fact", "report", "delivery", "draft"):
        assert alpha.database.read(f"SELECT 1 AS one FROM {table}") == []
    assert [one.mail for one in answers_of(alpha.database, done.id)] == [1]
    assert found_in(state, WORDS) == []
    assert [one for one in verify(alpha) if not one.where.startswith("envelope")] == []


def test_the_home_that_signed_keeps_its_report(pair: Pair, report_id: str) -> None:
    alpha, centre = pair.alpha, pair.centre
    approve(alpha, ask(alpha, KEY))
    tell_deletions(alpha, NodeId("centre"))
    (letter,) = [one for one in pair.post(alpha, centre) if one.type == "study-deleted-there/1"]
    received = Received(sender=alpha.id, cause=Cause("c"), at=pair.clock.now())
    centre.write(apply_study_deleted_there(centre, received, decode_message(StudyDeletedThere, letter.body)))
    (kept,) = deletions_of(centre.database, KEY)
    assert (kept.state, kept.code) == ("kept", "report")
    assert centre.database.read("SELECT report_id FROM report") == [{"report_id": report_id}]
    forget_mail(alpha)


def test_what_home_says_later_of_a_deleted_study_is_refused_and_brings_nothing_back(
    pair: Pair, report_id: str
) -> None:
    alpha = pair.alpha
    (row,) = pair.centre.database.read(
        "SELECT message FROM outbox WHERE type = 'case-facts/1' ORDER BY n DESC LIMIT 1"
    )
    approve(alpha, ask(alpha, KEY))
    received = Received(sender=pair.centre.id, cause=Cause("c"), at=pair.clock.now())
    with pytest.raises(GridError):
        alpha.write(apply_case_facts(alpha, received, decode_message(CaseFacts, str(row["message"]))))
    assert alpha.database.read("SELECT 1 AS one FROM report") == []
