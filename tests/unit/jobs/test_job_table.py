from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest

from actors.jobs.job_table import ATTEMPTS, BACK_OFF, KEEP, LEASE, JobTable
from node.clock import SECOND
from node.database.port import Statement, integer, text
from node.database.sqlite import SqliteDatabase
from node.errors import Conflict
from node.journal.jobs import enqueue
from node.names import Cause
from tests.kit.clock import NOON


@pytest.fixture
def database(tmp_path, clock):
    database = SqliteDatabase(tmp_path / "meridian.db", clock)
    yield database
    database.close()


@pytest.fixture
def table(database, clock):
    return JobTable(database, clock)


def ask(database, key="job-1", *, not_before=0, priority=5, args=None, at=NOON):
    statement = enqueue(
        "make_documents",
        args or {"report_id": "r"},
        key=key,
        cause=Cause("cause"),
        now=at,
        not_before=not_before,
        priority=priority,
    )
    database.write([statement], f"ask/{key}/{at}")


def row(database, key="job-1"):
    return database.read("SELECT * FROM job WHERE id = ?", (key,))[0]


def test_asked_job_is_leased_with_its_arguments_and_cause(database, table):
    ask(database, args={"report_id": "报告", "n": 3})
    job = table.lease("default")
    assert (job.name, job.keywords, job.cause) == ("make_documents", {"report_id": "报告", "n": 3}, "cause")
    assert (job.attempts, job.epoch) == (1, 1)


def test_leased_job_is_not_leased_again_while_the_lease_holds(database, table, clock):
    ask(database)
    table.lease("default")
    clock.advance(LEASE - 1)
    assert table.lease("default") is None


def test_lapsed_lease_goes_to_another_with_a_higher_epoch(database, table, clock):
    ask(database)
    first = table.lease("default")
    clock.advance(LEASE)
    second = JobTable(database, clock).lease("default")
    assert (second.id, second.epoch) == (first.id, first.epoch + 1)


@pytest.mark.parametrize(
    "late_act",
    [
        JobTable.finish,
        JobTable.renew,
        JobTable.release,
        lambda table, job: table.fail(job, "too late", for_good=False),
    ],
    ids=["finish", "renew", "release", "fail"],
)
def test_holder_of_a_lost_lease_is_refused(database, table, clock, late_act):
    ask(database)
    first = table.lease("default")
    clock.advance(LEASE)
    second = table.lease("default")
    before = row(database)
    with pytest.raises(Conflict, match="another worker"):
        late_act(table, first)
    assert row(database) == before
    table.finish(second)


class Unfenced(JobTable):
    """A planted fault: whoever comes back is taken for the holder."""

    def _move(self, job, change, params, **more):
        now = integer(self._database.read("SELECT epoch FROM job WHERE id = ?", (job.id,))[0], "epoch")
        super()._move(replace(job, epoch=now), change, params, **more)


@pytest.mark.parametrize(
    ("kind", "overwritten"), [(JobTable, False), (Unfenced, True)], ids=["sound", "planted"]
)
def test_late_answer_does_not_overwrite_its_successor(database, clock, kind, overwritten):
    table = kind(database, clock)
    ask(database)
    first = table.lease("default")
    clock.advance(LEASE)
    table.lease("default")
    with suppress(Conflict):
        table.finish(first)
    assert (text(row(database), "state") == "done") is overwritten


def test_renewed_lease_holds_longer(database, table, clock):
    ask(database)
    job = table.lease("default")
    clock.advance(LEASE - SECOND)
    table.renew(job)
    clock.advance(LEASE - SECOND)
    assert table.lease("default") is None
    table.finish(job)


def test_done_job_is_never_run_again_even_when_asked_for_again(database, table, clock):
    ask(database)
    table.finish(table.lease("default"))
    ask(database, at=NOON + 1)
    clock.advance(10 * LEASE)
    assert table.lease("default") is None


def test_second_finish_is_refused(database, table):
    ask(database)
    job = table.lease("default")
    table.finish(job)
    table.finish(job)  # the same batch under the same key: already done
    with pytest.raises(Conflict):
        table.release(job)


def test_job_that_is_not_due_waits(database, table, clock):
    ask(database, not_before=NOON + 5 * SECOND)
    assert table.lease("default") is None
    assert table.next_due("default") == NOON + 5 * SECOND
    clock.advance(5 * SECOND)
    assert table.lease("default") is not None


def test_next_due_counts_leases_that_may_lapse(database, table):
    assert table.next_due("default") is None
    ask(database)
    table.lease("default")
    assert table.next_due("default") == NOON + LEASE


def test_urgent_job_comes_first_then_the_older_one(database, table):
    ask(database, "late", at=NOON + 2)
    ask(database, "early", at=NOON + 1)
    ask(database, "urgent", at=NOON + 3, priority=1)
    assert [table.lease("default").id for _ in range(3)] == ["urgent", "early", "late"]


def test_other_queue_is_left_alone(database, table):
    ask(database)
    assert table.lease("imaging") is None


def test_failed_job_waits_longer_each_time_and_keeps_its_error(database, table, clock):
    ask(database)
    waits = []
    for n in range(len(BACK_OFF) + 1):
        job = table.lease("default")
        table.fail(job, f"failure {n}", for_good=False)
        waits.append(integer(row(database), "not_before") - clock.now())
        clock.advance(waits[-1])
    assert waits == [*BACK_OFF, BACK_OFF[-1]]
    assert text(row(database), "last_error") == f"failure {len(BACK_OFF)}"


def test_job_failed_for_good_is_given_up_and_told_in_the_same_batch(database, clock):
    def tell(job, error):
        return [Statement("INSERT INTO cursor (reader, position) VALUES (?, 1)", (f"{job.id}: {error}",))]

    table = JobTable(database, clock, given_up=tell)
    ask(database)
    table.fail(table.lease("default"), "no such report", for_good=True)
    assert text(row(database), "state") == "failed"
    assert database.read("SELECT reader FROM cursor") == [{"reader": "job-1: no such report"}]
    clock.advance(100 * LEASE)
    assert table.lease("default") is None


def test_job_that_fails_every_time_is_given_up_at_last(database, table, clock):
    ask(database)
    for _ in range(ATTEMPTS):
        table.fail(table.lease("default"), "again", for_good=False)
        clock.advance(BACK_OFF[-1])
    assert text(row(database), "state") == "failed"
    assert table.lease("default") is None


def test_job_that_kills_its_worker_every_time_is_given_up_at_last(database, table, clock):
    """Nobody lives to report the failure; the attempts were counted when the lease was taken."""
    ask(database)
    for _ in range(ATTEMPTS):
        assert table.lease("default") is not None
        clock.advance(LEASE)
    assert table.lease("default") is None
    assert text(row(database), "state") == "failed"


def test_released_job_is_leased_at_once_and_the_attempt_not_counted(database, table):
    ask(database)
    table.release(table.lease("default"))
    assert table.lease("default").attempts == 1


def test_done_rows_are_forgotten_after_a_month_and_others_kept(database, table, clock):
    ask(database, "done")
    table.finish(table.lease("default"))
    ask(database, "waiting", not_before=NOON + 2 * KEEP)
    clock.advance(KEEP + 1)
    table.forget()
    assert database.read("SELECT id FROM job") == [{"id": "waiting"}]
