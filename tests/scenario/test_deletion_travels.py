"""A study that the clinic deletes for good goes at the centre too, or is kept there for a reason; the certificate says which."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from federation.deletion_arrivals import apply_study_deleted_there, apply_study_deletion_answered
from federation.exchange import tidy
from federation.messages import Received, StudyDeletedThere, StudyDeletionAnswered
from federation.policy import change_policy
from node.archive.archiving import archive_study
from node.archive.deletion.certificate import Answer, certificate_text, read_certificate
from node.archive.deletion.deletions import Deletion, answers_of, get_deletion, list_deletions
from node.archive.deletion.erasing import erase_study
from node.catalogue.moving import RETIRED_FOR
from node.catalogue.search import peek_study
from node.clock import MINUTE
from node.database.port import Statement
from node.errors import InvalidRequest, Refused
from node.names import Cause, NodeId, StudyKey, StudyUID
from node.node import Node
from ops.verify import verify
from tests.kit.alliance import Alliance
from tests.kit.clock import FrozenClock
from tests.kit.deleting import delete, found_in
from tests.kit.holding import hold
from tests.kit.instances import make_ct
from tests.kit.merging import ingest
from tests.kit.planting import planted
from tests.kit.travelling import complete, problems

CENTRE = NodeId("centre")
WORDS = ("WANGCANARY", "wangcanary", "王金丝", "PIDCANARY77")


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture(params=["everything", "metadata"])
def granted(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def alliance(tmp_path: Path, clock: FrozenClock) -> Iterator[Alliance]:
    alliance = Alliance.found(tmp_path, clock)
    yield alliance
    alliance.close()


def sent(alliance: Alliance, clock: FrozenClock, granted: str = "everything") -> StudyKey:
    """Let a study of the clinic come to the centre."""
    key = held(alliance, clock, granted)
    assert peek_study(alliance["centre"].node.database, key) is not None
    return key


def held(alliance: Alliance, clock: FrozenClock, granted: str) -> StudyKey:
    """Receive a study at the clinic, and let it be told of as far as the line goes."""
    alpha = alliance["alpha"].node
    change_policy(alpha, CENTRE, grant=granted, by="test")
    key = hold(
        alpha,
        [
            make_ct(study_uid="2.25.1", sop_uid=f"2.25.1.1.{n}", number=n, patient_name="WANGCANARY^Ming=王金丝^明",
                    patient_id="PIDCANARY77", charset="GB18030", python_charset="gb18030")
            for n in range(1, 4)
        ],
    )  # fmt: skip
    ingest(alpha)
    complete(alpha, key)
    settle(alliance, clock)
    return key


def settle(alliance: Alliance, clock: FrozenClock) -> None:
    """Let mail go, and jobs erase what is due, until all is said and gone."""
    for _ in range(3):
        clock.advance(MINUTE)
        alliance.deliver_all()
        for member in alliance:
            ingest(member.node)
            for deletion in list_deletions(member.node.database, states=("deleted", "done"), limit=9):
                erase_study(member.node, deletion.id)
        clock.advance(RETIRED_FOR + 1)


def deleted(alliance: Alliance, clock: FrozenClock, key: StudyKey) -> Deletion:
    asked = delete(alliance["alpha"].node, key)
    settle(alliance, clock)
    return get_deletion(alliance["alpha"].node.database, asked.id)


def peers_named(node: Node, deletion: Deletion) -> list[tuple[str, str, str]]:
    certificate = read_certificate(certificate_text(node, deletion))
    return [(one.peer, one.state, one.code) for one in certificate.peers]


def test_a_deleted_study_goes_at_the_peer_and_its_receipt_comes_home(
    alliance: Alliance, clock: FrozenClock, tmp_path: Path, granted: str
) -> None:
    key = sent(alliance, clock, granted)
    alpha, centre = alliance["alpha"].node, alliance["centre"].node
    if granted == "everything":
        archive_study(centre, origin=key.origin, study_uid=key.study_uid)
    assert {line.split("/")[0] for line in found_in(tmp_path, WORDS)} >= {"alpha", "centre"}
    done = deleted(alliance, clock, key)
    assert done.state == "done"
    assert peek_study(centre.database, key) is None
    assert peers_named(alpha, done) == [("centre", "deleted", "")]
    assert [*problems(alpha), *problems(centre), *verify(alpha), *verify(centre)] == []
    assert found_in(tmp_path, WORDS) == []


@pytest.mark.parametrize("why", ["hold", "case", "report"])
def test_a_peer_keeps_what_it_owes_to_somebody_and_says_why(
    alliance: Alliance, clock: FrozenClock, why: str
) -> None:
    key = sent(alliance, clock)
    alpha, centre = alliance["alpha"].node, alliance["centre"].node
    bar(centre, key, why)
    done = deleted(alliance, clock, key)
    assert peek_study(centre.database, key) is not None
    assert peers_named(alpha, done) == [("centre", "kept", why)]
    assert problems(alpha) == ["deletion-refused-by-peer"]


def test_what_was_kept_goes_when_nothing_keeps_it_any_more(alliance: Alliance, clock: FrozenClock) -> None:
    key = sent(alliance, clock)
    alpha, centre = alliance["alpha"].node, alliance["centre"].node
    bar(centre, key, "hold")
    done = deleted(alliance, clock, key)
    tidy(centre)
    settle(alliance, clock)
    assert peers_named(alpha, done) == [("centre", "kept", "hold")]
    centre.write([Statement("DELETE FROM hold")])
    tidy(centre)
    settle(alliance, clock)
    assert peek_study(centre.database, key) is None
    done = get_deletion(alpha.database, done.id)
    assert peers_named(alpha, done) == [("centre", "deleted", "")]
    assert [*verify(alpha), *verify(centre)] == []


def test_a_peer_that_is_away_is_told_late_and_then_named(alliance: Alliance, clock: FrozenClock) -> None:
    key = sent(alliance, clock)
    alpha = alliance["alpha"].node
    alliance.faults.cut.add(NodeId("alpha"))
    done = deleted(alliance, clock, key)
    assert (done.state, done.issue) == ("done", 1)
    assert peers_named(alpha, done) == [("centre", "told", "")]
    alliance.faults.cut.clear()
    settle(alliance, clock)
    settle(alliance, clock)
    done = get_deletion(alpha.database, done.id)
    assert (done.issue, peers_named(alpha, done)) == (2, [("centre", "deleted", "")])


def test_mail_that_is_on_its_way_keeps_its_place_and_then_loses_its_words(
    alliance: Alliance, clock: FrozenClock, tmp_path: Path
) -> None:
    alpha, centre = alliance["alpha"].node, alliance["centre"].node
    alliance.faults.cut.add(NodeId("alpha"))
    key = held(alliance, clock, "metadata")
    done = deleted(alliance, clock, key)
    assert done.state == "done"
    assert [one.mail for one in answers_of(alpha.database, done.id)] == [0]
    assert {line.split(":")[0][:11] for line in found_in(tmp_path / "alpha", WORDS)} == {"meridian.db"}
    alliance.faults.cut.clear()
    settle(alliance, clock)
    settle(alliance, clock)
    assert [(one.mail, one.state) for one in answers_of(alpha.database, done.id)] == [(1, "deleted")]
    assert peek_study(centre.database, key) is None
    assert [*verify(alpha), *verify(centre)] == []
    alpha.database.read("PRAGMA wal_checkpoint(TRUNCATE)")
    assert found_in(tmp_path / "alpha", WORDS) == []


def test_a_deletion_that_is_said_twice_is_answered_twice(alliance: Alliance, clock: FrozenClock) -> None:
    key = sent(alliance, clock)
    done = deleted(alliance, clock, key)
    centre = alliance["centre"].node
    message = StudyDeletedThere(origin="alpha", study_uid=key.study_uid, deletion=done.id, deleted_at=1)
    received = Received(sender=NodeId("alpha"), cause=Cause("c"), at=clock.now())
    centre.write(apply_study_deleted_there(centre, received, message))
    settle(alliance, clock)
    sql = "SELECT count(*) AS n FROM outbox WHERE type = 'study-deletion-answered/1'"
    assert centre.database.read(sql) == [{"n": 2}]
    assert get_deletion(alliance["alpha"].node.database, done.id).issue == done.issue


def another(key: StudyKey) -> StudyDeletedThere:
    return StudyDeletedThere(origin=key.origin, study_uid=key.study_uid, deletion="1", deleted_at=1)


def test_a_peer_deletes_its_own_studies_alone(alliance: Alliance, clock: FrozenClock) -> None:
    key = sent(alliance, clock)
    alpha, centre = alliance["alpha"].node, alliance["centre"].node
    for node, sender in ((centre, "beta"), (alpha, "centre")):
        with pytest.raises(Refused, match="speaks for one of alpha"):
            apply_study_deleted_there(
                node, Received(sender=NodeId(sender), cause=Cause("c"), at=clock.now()), another(key)
            )


def test_a_planted_deletion_of_another_s_study_is_caught(
    alliance: Alliance, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = sent(alliance, clock)
    alpha = alliance["alpha"].node
    planted(monkeypatch, "deletion-of-others")
    received = Received(sender=CENTRE, cause=Cause("c"), at=clock.now())
    alpha.write(apply_study_deleted_there(alpha, received, another(key)))
    assert peek_study(alpha.database, key) is None


def test_who_was_not_told_answers_nothing(alliance: Alliance, clock: FrozenClock) -> None:
    key = sent(alliance, clock)
    done = deleted(alliance, clock, key)
    alpha = alliance["alpha"].node
    answer = StudyDeletionAnswered(
        origin="alpha", study_uid=key.study_uid, deletion=done.id, outcome="deleted", reason="", at=1
    )
    stranger = Received(sender=NodeId("beta"), cause=Cause("c"), at=clock.now())
    with pytest.raises(Refused):
        apply_study_deletion_answered(alpha, stranger, answer)
    other = StudyDeletionAnswered(
        origin="alpha", study_uid=key.study_uid, deletion="2", outcome="deleted", reason="", at=1
    )
    with pytest.raises(InvalidRequest):
        apply_study_deletion_answered(alpha, Received(sender=CENTRE, cause=Cause("c"), at=clock.now()), other)
    assert [
        Answer(peer=one.peer, state=one.state, code=one.code, at=None).state
        for one in answers_of(alpha.database, done.id)
    ] == ["deleted"]


def bar(node: Node, key: StudyKey, why: str) -> None:
    """Let something at a node need a study."""
    rows: dict[str, tuple[str, dict[str, str | int]]] = {
        "hold": ("hold", {"reason": "teaching", "who": "course-1"}),
        "case": (
            "consult_case",
            {
                "case_id": "case-1", "clinic": "alpha", "home": "centre", "pool": "centre/ct", "kind": "report",
                "urgency": "routine", "specialty": "ct", "form": "", "state": "claimed", "cancelling": 0, "amended": 0,
                "requested_at": 1, "requested_by": "x", "due": 1, "reason": "", "claimed_by": "", "claimed_name": "",
                "claimed_at": 0, "version": 1, "cause": "c",
            },
        ),
        "report": (
            "report",
            {
                "report_id": "report-1", "case_id": "case-1", "home": "centre", "version": 1, "state": "signed", "text": "",
                "signer": "p", "signer_name": "p", "signed_at": 1, "reviewer": "", "reviewer_name": "", "sr_uid": "",
                "sr_series_uid": "", "pdf_uid": "", "late_cancel": 0, "signature": "", "documents": "elsewhere", "cause": "c",
            },
        ),
    }  # fmt: skip
    table, columns = rows[why]
    named = {"origin": key.origin, "study_uid": StudyUID(key.study_uid), **columns}
    sql = f"INSERT INTO {table} ({', '.join(named)}) VALUES ({', '.join('?' * len(named))})"
    node.write([Statement(sql, tuple(named.values()))])
