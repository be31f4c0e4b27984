"""What a peer gets to see of a hospital's studies, and what it never does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from federation.arrivals import apply_study_announced
from federation.messages import Received, StudyAnnounced, decode_message, encode_message
from federation.outbox import send
from federation.policy import change_policy, decision_of
from federation.sealing import HELD_BACK
from federation.sharing import _announcement, pending_studies, touch
from node.canonical import canonical_json
from node.catalogue.correction_drafts import draft_study
from node.catalogue.corrections import make_correction
from node.catalogue.finding import match_studies
from node.catalogue.search import EVERYTHING, get_study
from node.catalogue.unsettled import CorrectionsDoubted, settle_corrections
from node.database.port import Statement
from node.errors import Refused
from node.events import StudyCompleted
from node.names import Cause, NodeId, StudyKey
from node.node import Node
from node.people.accounts import OPERATOR
from tests.kit.alliance import Alliance
from tests.kit.clock import FrozenClock
from tests.kit.holding import hold, hold_ct
from tests.kit.instances import make_ct
from tests.kit.lost_index import TECHNICIAN
from tests.kit.planting import planted
from tests.kit.travelling import assert_travelled, complete, contents_of, problems

ALPHA, BETA, CENTRE = NodeId("alpha"), NodeId("beta"), NodeId("centre")
STUDY = "2.25.7"


@pytest.fixture
def alliance(tmp_path: Path) -> Iterator[Alliance]:
    alliance = Alliance.found(tmp_path, FrozenClock(), clinics=("alpha", "beta"))
    yield alliance
    alliance.close()


def grant(alliance: Alliance, what: str, *, to: NodeId = CENTRE, by: str = "alpha", **narrowed) -> None:
    change_policy(alliance[by].node, to, grant=what, by="test", **narrowed)


def studies(node: Node) -> dict[str, tuple[str, int]]:
    rows = node.database.read("SELECT study_uid, state, instance_count FROM study ORDER BY study_uid")
    return {str(row["study_uid"]): (str(row["state"]), int(str(row["instance_count"]))) for row in rows}


def reason(alliance: Alliance, key: StudyKey, peer: NodeId = CENTRE) -> tuple[str, str]:
    decision = decision_of(alliance["alpha"].node.database, peer, key)
    assert decision is not None
    return decision.outcome.value, decision.reason


def look_again(node: Node, key: StudyKey) -> list[Statement]:
    """Give an event about a study, so that the follower looks at it."""
    version = node.journal.version(key.subject)
    return node.journal.append(
        key.subject, [StudyCompleted(instances=0, reason="test")], after=version, cause=Cause("c")
    )


def refer(node: Node, key: StudyKey) -> None:
    """Let a case send a study to the centre."""
    row = Statement(
        "INSERT INTO referral (peer, origin, study_uid, case_id) VALUES ('centre', ?, ?, 'case-1')",
        (key.origin, key.study_uid),
    )
    node.write([row, *look_again(node, key)])


def test_by_default_only_referred_studies_go_and_the_reason_is_kept(alliance: Alliance) -> None:
    alpha, centre = alliance["alpha"].node, alliance["centre"].node
    kept, referred = hold_ct(alpha, study_uid=STUDY), hold_ct(alpha, study_uid=f"{STUDY}.1")
    alliance.deliver_all()
    assert studies(centre) == {}
    assert reason(alliance, kept) == ("nothing", "policy: referred studies, and no case refers to it")
    refer(alpha, referred)
    alliance.deliver_all()
    assert studies(centre) == {referred.study_uid: ("receiving", 2)}
    assert reason(alliance, referred) == ("everything", "referred by a case")


def test_a_peer_granted_nothing_gets_not_even_what_is_referred(alliance: Alliance) -> None:
    alpha = alliance["alpha"].node
    grant(alliance, "nothing")
    key = hold_ct(alpha, study_uid=STUDY)
    refer(alpha, key)
    alliance.deliver_all()
    assert studies(alliance["centre"].node) == {}
    assert reason(alliance, key) == ("nothing", "policy: nothing")


def test_metadata_alone_is_listed_with_its_count_and_without_images(alliance: Alliance) -> None:
    alpha, centre = alliance["alpha"].node, alliance["centre"].node
    grant(alliance, "metadata")
    key = hold_ct(alpha, study_uid=STUDY, slices=3)
    complete(alpha, key)
    alliance.deliver_all()
    (study,) = centre.database.read("SELECT state, instance_count, expected, series_count FROM study")
    assert tuple(study.values()) == ("announced", 0, 3, 1)
    assert centre.database.read("SELECT 1 AS one FROM part") == []


def test_a_grant_may_be_narrowed_by_modality_and_department(alliance: Alliance) -> None:
    alpha, centre = alliance["alpha"].node, alliance["centre"].node
    grant(alliance, "everything", modalities=["MR"])
    key = hold_ct(alpha, study_uid=STUDY)
    alliance.deliver_all()
    assert studies(centre) == {}
    assert reason(alliance, key) == ("nothing", "policy: everything, other modalities only")
    grant(alliance, "everything", modalities=["CT", "MR"], departments=["US"])
    alliance.deliver_all()
    assert reason(alliance, key) == ("nothing", "policy: everything, other departments only")
    grant(alliance, "everything", modalities=["CT", "MR"], departments=["CT"])
    alliance.deliver_all()
    assert studies(centre) == {key.study_uid: ("receiving", 2)}


def test_a_wider_policy_sends_what_is_here_already(alliance: Alliance) -> None:
    alpha = alliance["alpha"].node
    for n in range(5):
        hold_ct(alpha, study_uid=f"{STUDY}.{n}")
        alliance.clock.advance(1)
    alliance.deliver_all()
    grant(alliance, "everything")
    alliance.deliver_all()
    assert len(studies(alliance["centre"].node)) == 5


def test_what_came_from_a_peer_is_never_passed_on(alliance: Alliance) -> None:
    grant(alliance, "everything")
    grant(alliance, "everything", by="centre", to=BETA)
    hold_ct(alliance["alpha"].node, study_uid=STUDY)
    own = hold_ct(alliance["centre"].node, study_uid=f"{STUDY}.1")
    alliance.deliver_all()
    assert set(studies(alliance["centre"].node)) == {STUDY, own.study_uid}
    assert set(studies(alliance["beta"].node)) == {own.study_uid}


def test_two_hospitals_may_use_the_same_study_uid(alliance: Alliance) -> None:
    grant(alliance, "everything")
    grant(alliance, "everything", by="beta")
    ones = hold_ct(alliance["alpha"].node, study_uid=STUDY, name="Zhang^San")
    others = hold_ct(alliance["beta"].node, study_uid=STUDY, name="Li^Si", slices=3)
    alliance.deliver_all()
    centre = alliance["centre"].node
    rows = centre.database.read("SELECT origin, patient_name, instance_count FROM study ORDER BY origin")
    assert [tuple(row.values()) for row in rows] == [("alpha", "Zhang^San", 2), ("beta", "Li^Si", 3)]
    assert contents_of(centre, ones) == contents_of(alliance["alpha"].node, ones)
    assert contents_of(centre, others) == contents_of(alliance["beta"].node, others)


def test_alternatives_and_conflicts_look_the_same_at_both_ends(alliance: Alliance) -> None:
    alpha = alliance["alpha"].node
    grant(alliance, "everything")
    for description in ("Chest", "Abdomen"):
        key = hold(alpha, [make_ct(study_uid=STUDY, description=description)])
        alliance.clock.advance(1)
    alliance.deliver_all()
    complete(alpha, key)
    alliance.deliver_all()
    assert sorted(contents_of(alpha, key).values()) == ["chosen", "conflict"]
    assert_travelled(alliance, key)


def test_a_study_of_two_patients_is_not_sealed_and_is_shown(alliance: Alliance) -> None:
    alpha = alliance["alpha"].node
    grant(alliance, "everything")
    data_sets = [
        make_ct(study_uid=STUDY, sop_uid=f"{STUDY}.{n}", patient_name=name, patient_id=f"P{n}")
        for n, name in enumerate(["Zhang^San", "Wang^Wu"])
    ]
    key = hold(alpha, data_sets)
    alliance.deliver_all()
    assert studies(alliance["centre"].node) == {}
    assert reason(alliance, key)[0] == "blocked"
    assert "sealing-blocked" in problems(alpha)
    chosen = Statement("UPDATE study SET conflict = 1 WHERE study_uid = ?", (key.study_uid,))
    alpha.write([chosen, *look_again(alpha, key)])
    alliance.deliver_all()
    assert len(contents_of(alliance["centre"].node, key)) == 2


def doubted(node: Node, key: StudyKey, *, told: bool = True) -> None:
    """Mark a study, as a rebuild does that could not know all of its corrections."""
    mark = Statement("UPDATE study SET corrections_until = 0 WHERE study_uid = ?", (key.study_uid,))
    event = CorrectionsDoubted(until=0)
    version = node.journal.version(key.subject)
    events = node.journal.append(key.subject, [event], after=version, cause=Cause("rebuild")) if told else []
    node.write([mark, *events])


def test_a_study_whose_corrections_are_unknown_goes_to_nobody_until_they_are_settled(
    alliance: Alliance,
) -> None:
    alpha = alliance["alpha"].node
    key = hold_ct(alpha, study_uid=STUDY)
    doubted(alpha, key)
    grant(alliance, "everything")
    alliance.deliver_all()
    assert studies(alliance["centre"].node) == {}
    assert reason(alliance, key) == ("blocked", "not all of its corrections are known")
    assert "sealing-blocked" not in problems(alpha), "one problem tells of all of them"
    settle_corrections(alpha, OPERATOR, [key])
    alliance.deliver_all()
    complete(alpha, key)
    alliance.deliver_all()
    assert reason(alliance, key)[0] == "everything"
    assert_travelled(alliance, key)


def test_what_a_peer_has_stays_as_it_was_told_while_corrections_are_unknown(alliance: Alliance) -> None:
    alpha, centre = alliance["alpha"].node, alliance["centre"].node
    grant(alliance, "everything")
    key = hold_ct(alpha, study_uid=STUDY)
    make_correction(
        alpha, TECHNICIAN, draft_study(alpha, key, {"description": "Thorax"}), reason="Wrong word"
    )
    alliance.deliver_all()
    before = studies(centre)
    assert get_study(centre.database, key).description == "Thorax"
    alpha.write([Statement("DELETE FROM overlay")])  # the correction was lost
    doubted(alpha, key)
    hold(alpha, [make_ct(study_uid=STUDY, sop_uid=f"{STUDY}.9", number=9)])
    alliance.deliver_all()
    assert (studies(centre), get_study(centre.database, key).description) == (before, "Thorax")
    settle_corrections(alpha, OPERATOR, [key])
    alliance.deliver_all()
    assert studies(centre)[STUDY][1] == before[STUDY][1] + 1


def test_what_was_still_due_when_a_study_was_marked_does_not_go(alliance: Alliance) -> None:
    alpha, peer = alliance["alpha"].node, CENTRE
    grant(alliance, "everything")
    key = hold_ct(alpha, study_uid=STUDY)
    alliance.deliver_all()
    alpha.write([touch(peer, key)])
    assert [one.key for one in pending_studies(alpha, peer)] == [key]
    doubted(alpha, key, told=False)
    assert pending_studies(alpha, peer) == []


def test_a_planted_sharing_of_what_is_not_known_is_caught(
    alliance: Alliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "unknown-shared")
    with pytest.raises(AssertionError):
        test_a_study_whose_corrections_are_unknown_goes_to_nobody_until_they_are_settled(alliance)


def test_a_peer_speaks_for_its_own_studies_alone(alliance: Alliance) -> None:
    alpha, centre = alliance["alpha"].node, alliance["centre"].node
    key = hold_ct(alpha, study_uid=STUDY)
    (row,) = alpha.database.read("SELECT * FROM study")
    said = _announcement(alpha, key, row, images=True)
    forged = StudyAnnounced(origin="beta", study=said.study, series=said.series, images=True)
    alpha.write(send(alpha, CENTRE, forged, cause=Cause("c")))
    alliance.deliver_all()
    assert studies(centre) == {}
    assert problems(centre) == ["message-refused"]
    with pytest.raises(Refused):
        apply_study_announced(centre, Received(sender=BETA, cause=Cause("c"), at=0), said)


def test_a_study_id_is_announced_and_its_absence_understood(alliance: Alliance) -> None:
    """Peers of an earlier version neither say it nor know it."""
    alpha, centre = alliance["alpha"].node, alliance["centre"].node
    grant(alliance, "metadata")
    key = hold(alpha, [make_ct(study_uid=STUDY, change={0x00200010: ("SH", "CT4711")})])
    alliance.deliver_all()
    there = get_study(centre.database, key)
    assert (there.state, there.study_id) == ("announced", "CT4711")
    (found,) = match_studies(centre.database, EVERYTHING, filters={"StudyID": "CT4711"})
    assert found == there
    (row,) = alpha.database.read("SELECT * FROM study")
    body = msgspec.json.decode(encode_message(_announcement(alpha, key, row, images=False)))
    del body["study"]["study_id"]
    body["study"]["said_by_a_later_version"] = "x"
    told = decode_message(StudyAnnounced, canonical_json(body))
    received = Received(sender=ALPHA, cause=Cause("c"), at=0)
    centre.write(apply_study_announced(centre, received, told))
    assert get_study(centre.database, key).study_id == ""


def test_a_damaged_record_is_shown_and_the_others_go(alliance: Alliance) -> None:
    alpha, centre = alliance["alpha"].node, alliance["centre"].node
    grant(alliance, "everything")
    key = hold_ct(alpha, study_uid=STUDY, slices=3)
    (row,) = alpha.database.read("SELECT pack, data_offset FROM instance WHERE number = 2")
    path = alpha.packs.path(str(row["pack"]))
    content = bytearray(path.read_bytes())
    content[int(str(row["data_offset"])) + 200] ^= 1
    path.write_bytes(content)
    alliance.deliver_all()
    assert len(contents_of(centre, key)) == 2
    assert problems(alpha) == ["sealing-failed"]
    assert alpha.database.read("SELECT 1 AS one FROM shared_instance WHERE k = ?", (HELD_BACK,))
    content[int(str(row["data_offset"])) + 200] ^= 1
    path.write_bytes(content)
    complete(alpha, key)
    alliance.restart("alpha")
    alliance.deliver_all()
    assert_travelled(alliance, key)
