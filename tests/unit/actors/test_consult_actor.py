"""The consult actor's step: what is due is done at its time, and nothing depends on its memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.consult import Consult
from federation.consult.case_table import get_case
from federation.consult.commands import claim, renew, request_consult
from node.clock import MINUTE, SECOND
from node.events import StudyChanged
from node.names import Cause, NodeId, StudyKey, StudyUID
from node.node import Node
from tests.kit.alliance_keys import CHEAP
from tests.kit.consult import CLAIM, STUDY, Pair, open_pair


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    monkeypatch.setattr("node.keys.passwords.COST", CHEAP)
    monkeypatch.setattr("node.keys.locked.COST", CHEAP)
    with open_pair(tmp_path) as opened:
        yield opened


def actor(node: Node) -> Consult:
    """An actor that nobody started: its step is called here, in the test's own thread."""
    return Consult(lambda _name, _error: None, node)


def test_it_looks_again_when_the_next_thing_is_due(pair: Pair) -> None:
    consult = actor(pair.centre)
    assert consult.step() == Consult.POLL_S
    case_id = request_consult(pair.alpha, pair.wang, form=pair.form())
    pair.carry()
    claim(pair.centre, pair.li, case_id)
    assert consult.step() == Consult.POLL_S
    pair.clock.advance(CLAIM - 2 * SECOND)
    assert consult.step() == pytest.approx(2, abs=0.01)
    renew(pair.centre, pair.li, case_id)
    pair.clock.advance(2 * SECOND)
    consult.step()
    assert get_case(pair.centre.database, case_id).state == "claimed"


def test_a_claim_lapses_and_a_deadline_passes_at_their_time(pair: Pair) -> None:
    case_id = request_consult(pair.alpha, pair.wang, form=pair.form())
    pair.carry()
    claim(pair.centre, pair.li, case_id)
    consult = actor(pair.centre)
    pair.clock.advance(CLAIM)
    consult.step()
    assert get_case(pair.centre.database, case_id).state == "offered"
    pair.clock.advance(120 * MINUTE)
    consult.step()
    pair.carry()
    assert get_case(pair.alpha.database, case_id).overdue


def test_a_new_actor_goes_on_where_the_old_one_ended(pair: Pair) -> None:
    case_id = request_consult(pair.alpha, pair.wang, form=pair.form())
    pair.carry()
    key = StudyKey(origin=NodeId("alpha"), study_uid=StudyUID(STUDY))
    for version, total in enumerate((7, 8)):
        event = StudyChanged(instances=1, bytes=1, door="dicom", device="CT1", total=total)
        pair.alpha.write(pair.alpha.journal.append(key.subject, [event], after=version, cause=Cause("c")))
        actor(pair.alpha).step()
    pair.carry()
    assert get_case(pair.centre.database, case_id).amended == 1
