"""The order of system calls behind a STOW-RS success: record, sync, mark, answer; faults planted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.instances import make_ct, part10
from tests.kit.order import ANSWER, CALLS, HTTP, PROMISE, calls, faults
from tests.kit.serving import ServingProcess
from tests.kit.stow import files, send

REQUESTS = 3
PROMISE_AND_END = (*PROMISE, *PROMISE)
"""The instance, and then the end of its pack, which is closed before the answer."""

pytestmark = pytest.mark.peer


def sent_under_strace(folder: Path, planted: str) -> list[str]:
    log = folder / "strace"
    prefix = ("strace", "-f", "-y", "-s", "48", "-o", str(log), "-e", CALLS)
    with ServingProcess(folder / "alpha", environment={"MERIDIAN_PLANTED": planted}, prefix=prefix) as server:
        for n in range(REQUESTS):
            uid = f"2.25.1.1.{n}"
            sent = send(server.visitor, files(part10(make_ct(sop_uid=uid), sop_uid=uid)))
            assert sent.status == 200
    done = calls(log, HTTP)
    assert done.count(ANSWER) == REQUESTS
    return done


def test_each_answer_leaves_after_record_sync_and_mark(tmp_path: Path) -> None:
    assert faults(sent_under_strace(tmp_path, ""), PROMISE_AND_END) == []


@pytest.mark.parametrize("planted", ["answer-before-record", "no-data-sync", "mark-before-sync"])
def test_a_planted_answer_before_the_sync_is_caught(tmp_path: Path, planted: str) -> None:
    assert faults(sent_under_strace(tmp_path, planted), PROMISE_AND_END) != []
