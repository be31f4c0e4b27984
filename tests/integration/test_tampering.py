"""A host that tampers with the mail it keeps: each attempt is refused or noticed, shown, and overcome without a person.

Both mailboxes lie on a third node. Its rows and files are changed while it holds
what the clinic sent; then it lets go. About 100 s.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest

from federation.envelope import Envelope, Header
from node.imaging.phantom import make_series
from tests.kit import walk
from tests.kit.http import Visitor, wait_for
from tests.kit.mailbox_host import MailboxHost, flipped
from tests.kit.passing import let_pass
from tests.kit.rows import read_rows
from tests.kit.running import WITH_RELAY, RunningAlliance, running_alliance, storescu

SLICES = 2
MINUTE_S = 61
"""A message without a receipt for a minute is overdue."""


@dataclass
class Tampered:
    """The running alliance, and what a test does to it and sees of it."""

    alliance: RunningAlliance
    host: MailboxHost
    folder: Path
    administrators: dict[str, Visitor]
    numbers: Iterator[int] = field(default_factory=count)

    def send_study(self) -> str:
        """Send a small study to the clinic; give its UID once all about it lies at the host."""
        uid = f"2.25.77{next(self.numbers):04d}"
        files = []
        for n, content in enumerate(make_series(SLICES, 32, study_uid=uid)):
            files.append(self.folder / f"{uid}-{n}.dcm")
            files[-1].write_bytes(content)
        storescu(self.alliance.nodes["alpha"], files)
        wait_for("all of it at the host", lambda: self.is_left(uid), timeout_s=60)
        return uid

    def is_left(self, uid: str) -> bool:
        (row,) = self.rows(
            "alpha",
            "SELECT (SELECT completed <> '' AND pending = 0 FROM decision WHERE study_uid = ? AND peer = 'centre') AS told,"
            " (SELECT count(*) FROM outbox WHERE peer = 'centre' AND state IN ('waiting', 'sealed')) AS here",
            uid,
        )
        return bool(row["told"]) and not row["here"]

    def rows(self, node: str, sql: str, *params: object) -> list[dict[str, Any]]:
        return read_rows(self.alliance.directory / node, sql, params)

    def is_whole_at_centre(self, uid: str) -> bool:
        """Say whether a study is complete at the centre, each instance once."""
        (row,) = self.rows(
            "centre",
            "SELECT (SELECT state FROM study WHERE study_uid = ?1) AS state,"
            " (SELECT count(*) FROM instance WHERE study_uid = ?1) AS instances,"
            " (SELECT coalesce(sum(times), 0) FROM repeated WHERE study_uid = ?1) AS repeated",
            uid,
        )
        assert row["instances"] <= SLICES
        assert row["repeated"] == 0
        return row["state"] == "complete" and row["instances"] == SLICES

    def wait_for_study(self, uid: str) -> None:
        wait_for(f"study {uid} whole at the centre", lambda: self.is_whole_at_centre(uid), timeout_s=60)

    def problem(self, node: str, kind: str) -> dict[str, Any]:
        """Wait until a node's administrator is shown a problem of this kind."""

        def shown() -> dict[str, Any] | None:
            items = self.administrators[node].get("/api/problems")["items"]
            return next((one for one in items if one["kind"] == kind and not one["seenAt"]), None)

        problem: dict[str, Any] = wait_for(f"{kind} shown at {node}", shown)
        assert problem["detail"].count(".") >= 1, "it says what happened and what to do"
        return problem

    def calm(self) -> None:
        """Let every problem count as seen, and earlier waits as over."""
        for node, administrator in self.administrators.items():
            for problem in administrator.get("/api/problems")["items"]:
                if not problem["seenAt"]:
                    administrator.post(f"/api/problems/{problem['id']}/seen")
            let_pass(self.alliance.directory / node, MINUTE_S)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tampered]:
    folder = tmp_path_factory.mktemp("tampering")
    with running_alliance(folder, places=WITH_RELAY) as alliance:
        administrators = {name: alliance.visitor(name, "administrator") for name in ("alpha", "centre")}
        (folder / "files").mkdir()
        started = pids(alliance)
        yield Tampered(alliance, MailboxHost(folder / "relay"), folder / "files", administrators)
        assert pids(alliance) == started, "a process ended and was started again"
        for name in alliance.nodes:
            lines = (folder / name / "log").read_text()
            assert not [word for word in ("Traceback", '"level": "error"') if word in lines], lines


@pytest.fixture
def tampered(running: Tampered) -> Tampered:
    running.calm()
    return running


def pids(alliance: RunningAlliance) -> dict[str, dict[str, int]]:
    return {
        name: {kind: process.pid for kind, process in alliance.processes(name).items()}
        for name in alliance.nodes
    }


def from_relay(content: bytes) -> bytes:
    """Say on the outside that somebody else sent it."""
    envelope = Envelope.from_bytes(content)
    return replace(envelope, header=replace_header(envelope, sender="relay")).to_bytes()


def to_alpha(content: bytes) -> bytes:
    """Say on the outside that it is for somebody else."""
    envelope = Envelope.from_bytes(content)
    return replace(envelope, header=replace_header(envelope, recipient="alpha")).to_bytes()


def replace_header(envelope: Envelope, **changes: str) -> Header:
    return msgspec.structs.replace(envelope.header, **changes)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        pytest.param(flipped, "envelope-damaged", id="a byte flipped"),
        pytest.param(lambda content: content[:-300], "envelope-damaged", id="its end cut off"),
        pytest.param(lambda content: content[:40], "envelope-malformed", id="its head left"),
        pytest.param(lambda content: b"", "envelope-malformed", id="nothing left"),
        pytest.param(from_relay, "envelope-damaged", id="sender swapped"),
        pytest.param(to_alpha, "envelope-misaddressed", id="recipient swapped in its header"),
    ],
)
def test_an_altered_envelope_is_refused_shown_and_sent_again(
    tampered: Tampered, change: Callable[[bytes], bytes], kind: str
) -> None:
    with tampered.host.holding("centre"):
        uid = tampered.send_study()
        first = tampered.host.held("centre")[0]
        tampered.host.alter(first, change)
    problem = tampered.problem("centre", kind)
    assert problem["subject"].startswith("peer/")
    let_pass(
        tampered.alliance.directory / "centre", MINUTE_S
    )  # those after it have waited for it long enough
    tampered.wait_for_study(uid)


def test_mail_in_another_s_mailbox_is_refused_there_and_missed_where_it_belongs(tampered: Tampered) -> None:
    with tampered.host.holding("centre"):
        uid = tampered.send_study()
        first = tampered.host.held("centre")[0]
        tampered.host.drop(first)
    tampered.host.put(first, into="alpha")
    assert "mixed up" in tampered.problem("alpha", "envelope-misaddressed")["detail"]
    let_pass(tampered.alliance.directory / "centre", MINUTE_S)
    tampered.problem("centre", "envelope-missing")
    tampered.wait_for_study(uid)


def test_an_older_envelope_given_again_is_dropped_and_shown(tampered: Tampered) -> None:
    with tampered.host.holding("centre"):
        uid = tampered.send_study()
        copies = tampered.host.held("centre")
    tampered.wait_for_study(uid)
    told = "SELECT receipt_n FROM incoming WHERE peer = 'alpha'"
    wait_for("its receipt", lambda: tampered.rows("centre", told)[0]["receipt_n"] >= copies[-1].n)
    before = tampered.rows(
        "centre", "SELECT count(*) AS records FROM journal WHERE subject NOT LIKE 'problem/%'"
    )
    for copy in copies:
        tampered.host.put(copy)
    assert "dropped" in tampered.problem("centre", "envelope-replayed")["detail"]
    wait_for("the mailbox empty", lambda: not tampered.rows("relay", MAIL_FOR_CENTRE))
    assert before == tampered.rows(
        "centre", "SELECT count(*) AS records FROM journal WHERE subject NOT LIKE 'problem/%'"
    )
    assert tampered.is_whole_at_centre(uid)


MAIL_FOR_CENTRE = "SELECT n FROM mailbox WHERE recipient = 'centre' AND n > 0"


def test_the_newest_dropped_is_noticed_by_its_sender_and_sent_again(tampered: Tampered) -> None:
    with tampered.host.holding("centre"):
        uid = tampered.send_study()
        for mail in tampered.host.held("centre"):
            tampered.host.drop(mail)
    let_pass(tampered.alliance.directory / "alpha", MINUTE_S)

    def shown() -> dict[str, Any] | None:
        peers = tampered.administrators["alpha"].get("/api/alliance")["peers"]
        return next(
            (peer for peer in peers if peer["id"] == "centre" and peer["state"] == "unacknowledged"), None
        )

    peer = wait_for("alpha shows that centre has not acknowledged", shown, timeout_s=40)
    assert "acknowledge" in peer["error"]
    tampered.wait_for_study(uid)

    def well() -> bool:
        peers = tampered.administrators["alpha"].get("/api/alliance")["peers"]
        return next(peer for peer in peers if peer["id"] == "centre")["state"] == "connected"

    wait_for("the link shown as well again", well, timeout_s=40)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(flipped, id="a byte flipped"),
        pytest.param(lambda content: content[: len(content) // 2], id="half of it gone"),
        pytest.param(lambda content: content + b"more", id="longer"),
    ],
)
def test_altered_images_are_refused_shown_and_asked_for_again(
    tampered: Tampered, change: Callable[[bytes], bytes]
) -> None:
    with tampered.host.holding("centre"):
        uid = tampered.send_study()
        path = tampered.host.sealed_files()[-1]
        path.write_bytes(change(path.read_bytes()))
    problem = tampered.problem("centre", "part-damaged")
    assert uid in problem["subject"]
    tampered.wait_for_study(uid)


def test_images_that_the_host_lost_are_asked_for_again(tampered: Tampered) -> None:
    with tampered.host.holding("centre"):
        uid = tampered.send_study()
        tampered.host.sealed_files()[-1].unlink()
    tampered.problem("centre", "part-missing")
    tampered.wait_for_study(uid)


def test_after_all_of_it_a_case_goes_its_way(tampered: Tampered) -> None:
    """The last of the file: whatever was done before, traffic goes on in both directions."""
    uid = tampered.send_study()
    tampered.wait_for_study(uid)
    technician, expert = (
        tampered.alliance.visitor("alpha", "technician"),
        tampered.alliance.visitor("centre", "expert"),
    )
    form = {**walk.FORM, "origin": "alpha", "studyUid": uid}
    case_id = technician.post("/api/consults", form)["caseId"]
    walk.claim(expert, case_id)
    walk.sign(expert, case_id)
    assert walk.FINDINGS in json.dumps(walk.report_at_clinic(technician, case_id), ensure_ascii=False)
