"""The order of system calls behind a success status: record, sync, mark, answer; read with strace, faults planted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.instances import CT_IMAGE, EXPLICIT, make_ct
from tests.kit.order import ANSWER, CALLS, calls, faults
from tests.kit.raw_sender import RawSender
from tests.kit.receiving import ReceiverProcess, admit_all

INSTANCES = 4

pytestmark = pytest.mark.peer


def sent_under_strace(state: Path, planted: str) -> list[str]:
    admit_all(state)
    log = state / "strace"
    prefix = ("strace", "-f", "-y", "-s", "48", "-o", str(log), "-e", CALLS)
    process = ReceiverProcess(state, environment={"MERIDIAN_PLANTED": planted}, prefix=prefix)
    with RawSender("127.0.0.1", process.port, contexts=[(CT_IMAGE, EXPLICIT)]) as sender:
        for n in range(INSTANCES):
            uid = f"2.25.1.1.{n}"
            sent = sender.store(
                sop_class=CT_IMAGE, sop_uid=uid, transfer_syntax=EXPLICIT, data_set=make_ct(sop_uid=uid)
            )
            assert sent.status == 0
        sender.release()
    process.stop()
    done = calls(log)
    assert done.count(ANSWER) == INSTANCES
    return done


def test_each_answer_leaves_after_record_sync_and_mark(tmp_path: Path) -> None:
    assert faults(sent_under_strace(tmp_path, "")) == []


@pytest.mark.parametrize(
    "planted",
    ["answer-before-record", "no-data-sync", "answer-before-mark", "mark-before-sync", "no-directory-sync"],
)
def test_a_planted_fault_in_the_order_is_caught(tmp_path: Path, planted: str) -> None:
    assert faults(sent_under_strace(tmp_path, planted)) != []
