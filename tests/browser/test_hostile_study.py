"""A hostile study in the pages: its words are shown as words, and nothing of them runs. 30 s."""

from __future__ import annotations

import pytest

from tests.kit.browser import Office
from tests.kit.desk import Desk
from tests.kit.hostile_study import SCRIPT, STUDY, TEXTS, hostile_data_set
from tests.kit.running import RunningAlliance

pytestmark = pytest.mark.peer


def test_hostile_words_are_words_on_every_page_that_shows_them(
    office: Office, alliance: RunningAlliance
) -> None:
    desk = Desk(alliance)
    for n, text in enumerate(TEXTS):
        uid = f"{STUDY}.{n + 1}"
        (sent,) = desk.send(hostile_data_set(text, study_uid=uid), sop_uids=[f"{uid}.1.1"])
        assert sent.status == 0
        desk.wait_for_study(uid, state="receiving")
    page = office.sit("alpha", "technician")
    page.goto("/studies")
    page.get_by_text(SCRIPT[:20]).first.wait_for()
    for n in range(0, len(TEXTS), 3):  # each text stands in the list that was just shown
        page.goto(f"/studies/alpha/{STUDY}.{n + 1}")
        page.get_by_test_id("study-images").wait_for()
        assert page.evaluate("window.hostile") is None
        page.goto(f"/view/alpha/{STUDY}.{n + 1}")
        page.get_by_test_id("viewer").wait_for()
        assert page.evaluate("window.hostile") is None
    assert {cookie["name"] for cookie in page.context.cookies()} <= {"meridian-alpha"}
