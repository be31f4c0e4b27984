from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from node.clock import SECOND
from node.database.port import integer, text
from node.dimse.remote_form import RemoteForm
from node.dimse.remotes import add_remote, change_remote
from node.dimse.statuses import meaning_of
from node.errors import NotFound, Refused, Unavailable
from node.reporting.delivery import (
    ATTEMPTS,
    BACK_OFF,
    TOLD_AFTER,
    deliver,
    get_delivery,
    list_deliveries,
    retry_delivery,
)
from node.reporting.document import make_documents, sr_path
from tests.kit.reports import REPORT, put_signed_report


@dataclass(frozen=True)
class Administrator:
    id: str = "person-1"


@dataclass
class Pacs:
    """A storage SCP in memory: keeps what it takes, or raises what it is told to."""

    taken: list[bytes] = field(default_factory=list)
    refusal: Exception | None = None
    called: str = ""

    def __call__(self, node, destination, sr) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.called = destination.aet
        self.taken.append(sr)


DOWN = Unavailable("Sending to PACS failed: nobody listens at 127.0.0.1:104. It is tried again.")
WHO = Administrator()
FORM = RemoteForm(reports=True, name="本院PACS", aet="PACS", host="127.0.0.1", port=104)


@pytest.fixture
def destination(node):
    return add_remote(node, WHO, FORM)


@pytest.fixture
def delivery_id(node, destination):
    put_signed_report(node)
    make_documents(node, REPORT.report_id)
    return text(node.database.read("SELECT id FROM delivery")[0], "id")


def jobs(node):
    return node.database.read("SELECT id, not_before FROM job WHERE name = 'deliver' ORDER BY at, id")


def test_report_is_sent_as_it_was_made_and_the_row_says_delivered(node, delivery_id, clock):
    pacs = Pacs()
    deliver(node, delivery_id, pacs)
    assert pacs.taken == [sr_path(node, REPORT.report_id).read_bytes()]
    assert pacs.called == "PACS"
    row = get_delivery(node.database, delivery_id)
    assert (row.state, row.attempts, row.delivered_at, row.destination_name) == (
        "delivered",
        1,
        clock.now(),
        "本院PACS",
    )


def test_delivered_report_is_not_sent_again_by_a_job_that_comes_twice(node, delivery_id):
    pacs = Pacs()
    deliver(node, delivery_id, pacs)
    deliver(node, delivery_id, pacs)
    assert len(pacs.taken) == 1


def test_failure_is_written_down_with_the_time_of_the_next_attempt(node, delivery_id, clock):
    deliver(node, delivery_id, Pacs(refusal=DOWN))
    row = get_delivery(node.database, delivery_id)
    assert (row.state, row.attempts, row.last_error) == ("failing", 1, DOWN.message)
    assert row.next_at == clock.now() + 5 * SECOND
    assert [integer(job, "not_before") for job in jobs(node)] == [0, row.next_at]


def test_waits_grow_from_5_seconds_to_6_hours(node, delivery_id, clock):
    waits = []
    for _ in range(len(BACK_OFF) + 1):
        deliver(node, delivery_id, Pacs(refusal=DOWN))
        row = get_delivery(node.database, delivery_id)
        waits.append(row.next_at - clock.now())
        clock.advance(waits[-1])
    assert waits == [*BACK_OFF, BACK_OFF[-1]]
    assert (BACK_OFF[0], BACK_OFF[-1]) == (5 * SECOND, 6 * 3600 * SECOND)


def test_pacs_that_comes_back_gets_the_report(node, delivery_id, clock):
    deliver(node, delivery_id, Pacs(refusal=DOWN))
    clock.advance(BACK_OFF[0])
    pacs = Pacs()
    deliver(node, delivery_id, pacs)
    row = get_delivery(node.database, delivery_id)
    assert (row.state, row.attempts, row.last_error, len(pacs.taken)) == ("delivered", 2, "", 1)


def test_job_that_comes_before_its_time_leaves_it_to_the_one_asked_for(node, delivery_id):
    deliver(node, delivery_id, Pacs(refusal=DOWN))
    pacs = Pacs()
    deliver(node, delivery_id, pacs)
    assert pacs.taken == []


def test_retry_sends_now_and_asks_for_a_job(node, delivery_id):
    deliver(node, delivery_id, Pacs(refusal=DOWN))
    retry_delivery(node, delivery_id, WHO)
    assert len(jobs(node)) == 3
    pacs = Pacs()
    deliver(node, delivery_id, pacs)
    assert len(pacs.taken) == 1


def test_retry_of_a_delivered_report_sends_the_same_instance_again(node, delivery_id):
    pacs = Pacs()
    deliver(node, delivery_id, pacs)
    retry_delivery(node, delivery_id, WHO)
    deliver(node, delivery_id, pacs)
    assert pacs.taken[0] == pacs.taken[1]
    assert get_delivery(node.database, delivery_id).attempts == 2


def test_failure_of_an_attempt_that_was_overtaken_by_a_retry_is_dropped(node, delivery_id, clock):
    def slow(*_args):
        clock.advance(SECOND)
        retry_delivery(node, delivery_id, WHO)
        raise DOWN

    deliver(node, delivery_id, slow)
    row = get_delivery(node.database, delivery_id)
    assert (row.state, row.attempts, row.next_at) == ("waiting", 0, clock.now())


def test_switched_off_destination_is_shown_and_sent_to_once_it_is_on(node, delivery_id, destination, clock):
    off = RemoteForm(reports=True, name="本院PACS", aet="PACS", host="127.0.0.1", port=104, enabled=False)
    change_remote(node, WHO, destination.id, off)
    pacs = Pacs()
    deliver(node, delivery_id, pacs)
    assert "switched off" in get_delivery(node.database, delivery_id).last_error
    change_remote(node, WHO, destination.id, FORM)
    clock.advance(BACK_OFF[0])
    deliver(node, delivery_id, pacs)
    assert len(pacs.taken) == 1


def test_administrator_is_told_once_when_it_keeps_failing(node, delivery_id, clock):
    for attempt in range(1, TOLD_AFTER + 3):
        deliver(node, delivery_id, Pacs(refusal=Refused("Sending failed: PACS does not know this AE title.")))
        problems = node.database.read("SELECT detail FROM problem")
        assert len(problems) == (attempt >= TOLD_AFTER)
        clock.advance(BACK_OFF[-1])
    assert problems == [{"detail": "Sending failed: PACS does not know this AE title."}]


def test_it_is_given_up_after_a_month_and_a_person_may_still_ask(node, delivery_id, clock):
    for _ in range(ATTEMPTS):
        deliver(node, delivery_id, Pacs(refusal=DOWN))
        clock.advance(BACK_OFF[-1])
    assert get_delivery(node.database, delivery_id).state == "given-up"
    pacs = Pacs()
    deliver(node, delivery_id, pacs)
    assert pacs.taken == []
    retry_delivery(node, delivery_id, WHO)
    deliver(node, delivery_id, pacs)
    assert len(pacs.taken) == 1


def test_those_that_need_somebody_are_listed_first(node, delivery_id):
    other = add_remote(node, WHO, RemoteForm(reports=True, name="B", aet="B", host="b", port=1))
    second = type(REPORT)(**{**_fields(REPORT), "report_id": "report-2", "sr_uid": "2.25.9"})
    put_signed_report(node, second)
    make_documents(node, "report-2")
    for row in list_deliveries(node.database):
        failing = row.report_id == "report-2" and row.destination == other.id
        deliver(node, row.id, Pacs(refusal=DOWN if failing else None))
    rows = list_deliveries(node.database)
    assert [row.state for row in rows] == ["failing", "delivered", "delivered"]
    assert [row.id for row in list_deliveries(node.database, report_id=REPORT.report_id)] == [delivery_id]


def _fields(report) -> dict:
    return {name: getattr(report, name) for name in type(report).__dataclass_fields__}


def test_delivery_is_an_event_of_the_study_s_cause(node, delivery_id):
    deliver(node, delivery_id, Pacs())
    (record,) = node.journal.of(f"delivery/{delivery_id}")
    assert (record.type, record.cause) == ("report-delivered/1", "cause-1")
    assert '"attempts":1' in record.body


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0x0122, "does not take this SOP class"),
        (0xA701, "out of room"),
        (0xA9FF, "does not fit"),
        (0xC123, "cannot understand"),
        (0x0110, "says no more"),
    ],
)
def test_status_of_a_pacs_is_said_in_words_and_as_it_came(status, words):
    assert words in meaning_of(status)
    assert f"0x{status:04X}" in meaning_of(status)


def test_unknown_delivery_is_not_found(node):
    with pytest.raises(NotFound):
        deliver(node, "nobody", Pacs())
