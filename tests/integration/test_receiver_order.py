"""The order of system calls behind a success status: record, sync, mark, answer; read with strace, faults planted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.kit.instances import CT_IMAGE, EXPLICIT, make_ct
from tests.kit.raw_sender import RawSender
from tests.kit.receiving import ReceiverProcess, admit_all

INSTANCES = 4
CALLS = "trace=pwritev,pwritev2,fdatasync,fsync,sendto"
RECORD, SYNC, MARK, FOLDER, LANDING, ANSWER = "record", "sync", "mark", "folder", "landing", "answer"
PROMISE = (RECORD, SYNC, MARK)
_WHAT = [
    (RECORD, re.compile(r'pwritev2?\(\d+<[^>]*\.pack>, \[\{iov_base="MERIDREC')),
    (MARK, re.compile(r'pwritev2?\(\d+<[^>]*\.pack>, \[\{iov_base="MRDN.*iov_len=8\}')),
    (SYNC, re.compile(r"fdatasync\(\d+<[^>]*\.pack>")),
    (LANDING, re.compile(r"fsync\(\d+<[^>]*/packs/landing>")),
    (FOLDER, re.compile(r"fsync\(\d+<[^>]*/packs>")),
    (ANSWER, re.compile(r'sendto\(\d+<[^>]*>, "\\4\\0')),
]

pytestmark = pytest.mark.peer


def calls(log: Path) -> list[str]:
    """Give what was done, in order: an answer when it was begun, anything else when it was finished."""
    done: list[str] = []
    begun: dict[str, str] = {}
    for line in log.read_text(errors="replace").splitlines():
        thread, _, call = line.partition(" ")
        if "resumed>" in call:
            what = begun.pop(thread, "")
        else:
            what = next((name for name, pattern in _WHAT if pattern.search(call)), "")
            if what != ANSWER and "<unfinished" in call:
                begun[thread] = what
                continue
        if what:
            done.append(what)
    return done


def faults(done: list[str]) -> list[str]:
    """Say what each answer lacked when it left."""
    found: list[str] = []
    before: list[str] = []
    for n, what in enumerate(done):
        if what != ANSWER:
            before.append(what)
            continue
        steps = tuple(step for step in before if step in PROMISE)
        if steps != PROMISE:
            found.append(f"answer {n} left after {steps}")
        before = []
    first = done[: done.index(SYNC)] if SYNC in done else done
    found += [
        f"the first record came before {what} was synced" for what in (FOLDER, LANDING) if what not in first
    ]
    return found


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
