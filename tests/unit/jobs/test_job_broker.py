from __future__ import annotations

import dramatiq
import pytest
from dramatiq.errors import BrokerConnectionError

from actors.jobs.broker import JobBroker, describe, is_for_good
from actors.jobs.job_table import BACK_OFF, LEASE
from node.bell import Bell
from node.database.port import text
from node.database.sqlite import SqliteDatabase
from node.errors import Conflict, Defect, InvalidRequest, NotFound, Refused, Unavailable
from node.journal.jobs import enqueue
from node.names import Cause
from tests.kit.clock import NOON


@pytest.fixture
def database(tmp_path, clock):
    database = SqliteDatabase(tmp_path / "meridian.db", clock)
    yield database
    database.close()


@pytest.fixture
def bell(tmp_path):
    bell = Bell(tmp_path / "run")
    yield bell
    bell.close()


@pytest.fixture
def open_broker(database, clock, bell):
    opened = []

    def open_() -> JobBroker:
        opened.append(JobBroker(database, clock, bell, slots=2))
        return opened[-1]

    yield open_
    for broker in opened:
        broker.close()


@pytest.fixture
def broker(open_broker):
    return open_broker()


@pytest.fixture
def consumer(broker):
    return broker.consume("default", timeout=1)


def ask(database, key="job-1"):
    job = enqueue("deliver", {"delivery_id": "d"}, key=key, cause=Cause("cause"), now=NOON)
    database.write([job], f"ask/{key}")


def state(database, key="job-1"):
    return text(database.read("SELECT state FROM job WHERE id = ?", (key,))[0], "state")


def test_row_written_by_a_command_becomes_a_message(database, consumer):
    ask(database)
    message = next(consumer)
    assert (message.actor_name, message.args, message.kwargs) == ("deliver", (), {"delivery_id": "d"})
    assert message.message_id == "job-1"


def test_acknowledged_message_is_done(database, consumer):
    ask(database)
    consumer.ack(next(consumer))
    assert state(database) == "done"


def test_rejected_message_waits_for_its_next_attempt(database, consumer, clock):
    ask(database)
    message = next(consumer)
    message.stuff_exception(Unavailable("Sending failed: the PACS is down. It will be tried again."))
    consumer.nack(message)
    rows = database.read("SELECT state, not_before, last_error FROM job")
    assert rows == [
        {
            "state": "waiting",
            "not_before": clock.now() + BACK_OFF[0],
            "last_error": "Sending failed: the PACS is down. It will be tried again.",
        }
    ]


def test_a_log_that_fails_keeps_no_outcome_back(database, consumer, clock, monkeypatch):
    def full(*_words, **_more):
        raise OSError(28, "No space left on device")

    ask(database)
    message = next(consumer)
    message.stuff_exception(Unavailable("Sending failed: the PACS is down. It will be tried again."))
    monkeypatch.setattr("actors.jobs.broker._log", type("Log", (), {"warning": full}))
    with pytest.raises(OSError, match="No space left"):
        consumer.nack(message)
    assert state(database) == "waiting"
    clock.advance(BACK_OFF[0])
    assert next(consumer).message_id == "job-1", "its slot is free"


@pytest.mark.parametrize("error", [InvalidRequest("no"), NotFound("no"), Refused("no")], ids=repr)
def test_error_that_would_only_come_again_gives_the_job_up(database, consumer, error):
    ask(database)
    message = next(consumer)
    message.stuff_exception(error)
    consumer.nack(message)
    assert state(database) == "failed"


@pytest.mark.parametrize(
    "error", [Conflict("c"), Unavailable("u"), Defect("d"), ValueError("v"), None], ids=repr
)
def test_other_errors_are_tried_again(error):
    assert not is_for_good(error)


def test_no_more_rows_are_leased_than_there_are_slots(database, consumer):
    for n in range(3):
        ask(database, f"job-{n}")
    first, _second = next(consumer), next(consumer)
    assert next(consumer) is None
    assert state(database, "job-2") == "waiting"
    consumer.ack(first)
    assert next(consumer).message_id == "job-2"


def test_two_brokers_never_hand_out_the_same_row(database, open_broker, consumer):
    other = open_broker().consume("default", timeout=1)
    for n in range(4):
        ask(database, f"job-{n}")
    handed = [next(one).message_id for one in (consumer, other, consumer, other)]
    assert sorted(handed) == [f"job-{n}" for n in range(4)]


def test_outcome_after_a_lost_lease_changes_nothing_and_frees_the_slot(
    database, clock, open_broker, consumer
):
    ask(database)
    late = next(consumer)
    clock.advance(LEASE)
    other = open_broker().consume("default", timeout=1)
    assert next(other).message_id == "job-1"
    consumer.ack(late)
    assert state(database) == "leased"
    ask(database, "job-2")
    ask(database, "job-3")
    assert next(consumer) is not None


def test_database_that_is_down_at_the_outcome_makes_dramatiq_call_again(database, consumer):
    ask(database)
    message = next(consumer)
    database.close()
    with pytest.raises(BrokerConnectionError):
        consumer.ack(message)


def test_message_sent_through_dramatiq_is_a_row(database, broker, consumer):
    actor = dramatiq.Actor(
        lambda **_: None, broker=broker, actor_name="deliver", queue_name="default", priority=0, options={}
    )
    actor.send_with_options(kwargs={"delivery_id": "d"}, delay=5000)
    rows = database.read("SELECT name, args, not_before FROM job")
    assert rows == [{"name": "deliver", "args": '{"delivery_id":"d"}', "not_before": NOON + 5_000_000}]
    with pytest.raises(InvalidRequest, match="by name"):
        actor.send("d")


def test_messages_given_back_at_shutdown_are_due_at_once(database, broker, consumer):
    ask(database)
    consumer.requeue([next(consumer)])
    assert next(broker.consume("default", timeout=1)).message_id == "job-1"


def test_error_is_described_without_what_a_foreign_exception_says():
    try:
        int("张三")
    except ValueError as error:
        words = describe(error)
    assert "张三" not in words
    assert "ValueError at test_job_broker.py:" in words
    assert describe(Defect("Making it failed: tell us.")) == "Making it failed: tell us."
