"""A disk that fails at one call: that instance is refused with 0xA700, nothing answered for is lost, the next is taken."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.kit.instances import CT_IMAGE, EXPLICIT, make_ct
from tests.kit.raw_sender import RawSender, Sent
from tests.kit.receiving import ReceiverProcess, admit_all, packs_of, records

INSTANCES = 4

pytestmark = pytest.mark.peer


def send_all(port: int) -> tuple[list[Sent], dict[str, str]]:
    """Send a few instances in one association; give the answers, and what was answered for."""
    answers: list[Sent] = []
    acknowledged: dict[str, str] = {}
    with RawSender("127.0.0.1", port, contexts=[(CT_IMAGE, EXPLICIT)]) as sender:
        for n in range(INSTANCES):
            uid = f"2.25.1.1.{n}"
            data_set = make_ct(sop_uid=uid)
            answers.append(
                sender.store(sop_class=CT_IMAGE, sop_uid=uid, transfer_syntax=EXPLICIT, data_set=data_set)
            )
            if answers[-1].status == 0:
                acknowledged[uid] = hashlib.sha256(data_set).hexdigest()
        sender.release()
    return answers, acknowledged


@pytest.mark.parametrize(
    "fault",
    [
        "fdatasync:error=EIO:when=2",
        "pwritev,pwritev2:error=ENOSPC:when=3",
        "pwritev,pwritev2:error=EIO:when=4",
        "fsync:error=EIO:when=1",
    ],
    ids=["sync", "record", "mark", "folder"],
)
def test_a_call_that_fails_refuses_one_instance_and_loses_none(tmp_path: Path, fault: str) -> None:
    admit_all(tmp_path)
    prefix = ("strace", "-f", "-q", "-o", "/dev/null", "-e", f"inject={fault}")
    process = ReceiverProcess(tmp_path, prefix=prefix)
    answers, acknowledged = send_all(process.port)
    process.stop()
    refused = [answer for answer in answers if answer.status]
    assert [answer.status for answer in refused] == [0xA700]
    assert "failed" in refused[0].comment
    packs = packs_of(tmp_path)
    assert packs.recover().damaged == ()
    held = {record.sop_uid: packs.check(record.location) for record in records(tmp_path)}
    assert held == acknowledged
    assert len(acknowledged) == INSTANCES - 1
    assert all(packs.path(name).stat().st_size for name in packs.names())
