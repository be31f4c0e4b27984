"""Whom the hospital's RIS expects tomorrow: dcmtk's worklist is asked, and her earlier studies lie online by then. 15 seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom.filereader import read_dataset

from actors.archive import Archive
from actors.jobs.worker import JobWorker
from node.archive.archived import is_archived
from node.archive.expiring import expire_study
from node.catalogue.search import instances_of
from node.clock import SystemClock
from node.dimse.calling import called
from node.dimse.remote_form import Remote, RemoteForm
from node.dimse.remotes import add_remote, list_remotes
from node.dimse.worklist_scu import MODALITY_WORKLIST, Expected, ask_worklist
from node.errors import Refused, Unavailable
from node.hospital.looking_ahead import look
from node.hospital.looks import DONE, FAILED, Look, latest_due, list_looks, local_now
from node.names import StudyKey, StudyUID
from node.node import Node
from node.people.accounts import OPERATOR
from tests.kit.actors import Failures
from tests.kit.archived_kinds import Change
from tests.kit.archived_study import archive
from tests.kit.bare_node import bare_node
from tests.kit.holding import hold
from tests.kit.http import Answer, wait_for
from tests.kit.instances import make_ct
from tests.kit.merging import complete
from tests.kit.planting import planted
from tests.kit.query_peers import HOST, dcmqrscp
from tests.kit.site import add_quickly, open_site
from tests.kit.strange_provider import provider
from tests.kit.worklist_peer import AET, Booked, book, wlmscpfs

pytestmark = pytest.mark.peer

MR: Change = {0x00080060: ("CS", "MR")}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node with an earlier study of each of five patients, all in the archive alone."""
    opened = bare_node(tmp_path, "alpha", SystemClock())
    for number in range(1, 6):
        data_set = make_ct(
            patient_id=f"P{number}", study_uid=f"2.25.{number}", series_uid=f"2.25.{number}.1",
            sop_uid=f"2.25.{number}.1.1", change=MR if number == 5 else None,
        )  # fmt: skip
        key = hold(opened, [data_set])
        complete(opened, key)
        archive(opened, key)
        expire_study(opened, key, reason="age")
    yield opened
    opened.close()


@pytest.fixture
def day(node: Node) -> date:
    """Give the day that a look of now is about."""
    due = latest_due(local_now(node), node.config.archive.worklist_at)
    assert due is not None
    return due.day


def booked(day: date) -> list[Booked]:
    """Who is expected: P2 first, then P1; besides somebody without a number, one who was never here, and one for an MR."""
    on = f"{day:%Y%m%d}"
    return [
        Booked(patient_id="P1", day=on, time="1100"),
        Booked(patient_id="P2", day=on, time="0830", name="张三", charset="GB18030"),
        Booked(patient_id="P2", day=on, time="0900", modality="MR"),
        Booked(patient_id="P3", day=f"{day + timedelta(days=7):%Y%m%d}"),
        Booked(patient_id="P5", day=on),
        Booked(patient_id="未知", day=on),
        Booked(patient_id="P77", day=on),
    ]


def ris(node: Node, port: int, issuer: str = "his") -> Remote:
    form = RemoteForm(name="本院RIS", aet=AET, host=HOST, port=port, worklist=True, issuer=issuer)
    return add_remote(node, OPERATOR, form)


def looks_of(node: Node) -> list[Look]:
    return [one for remote in list_remotes(node.database) for one in list_looks(node.database, remote.id)]


def online(node: Node) -> set[str]:
    """Give the numbers of the patients whose study lies online."""
    keys = [StudyKey(origin=node.id, study_uid=StudyUID(f"2.25.{number}")) for number in range(1, 6)]
    return {
        key.study_uid[-1]
        for key in keys
        if not any(is_archived(row.pack) for row in instances_of(node.database, key))
    }


def worked(node: Node, until: Callable[[], bool], what: str) -> None:
    """Let the actor see to it, and a worker of the node do it."""
    actor, worker = Archive(Failures(), node), JobWorker(node)
    worker.start()
    try:
        actor.step()
        wait_for(what, until, timeout_s=60)
    finally:
        worker.stop()


def test_studies_of_whom_the_worklist_expects_are_online_before_she_comes(
    node: Node, day: date, tmp_path: Path
) -> None:
    with wlmscpfs(tmp_path / "ris", booked(day)) as port:
        ris(node, port)
        worked(node, lambda: online(node) == {"1", "2"}, "the studies of P1 and P2 to be online")
    (noted,) = looks_of(node)
    assert (noted.state, noted.day) == (DONE, day.isoformat())
    assert (noted.patients, noted.known, noted.studies) == (5, 3, 2)
    order = [
        str(row["study_uid"]) for row in node.database.read("SELECT study_uid FROM recall ORDER BY sent_at")
    ]
    assert order == ["2.25.2", "2.25.1"], "who comes first first"
    assert {str(row["why"]) for row in node.database.read("SELECT why FROM recall")} == {"expected"}
    actor = Archive(Failures(), node)
    actor.step()
    assert len(node.database.read("SELECT 1 AS n FROM job WHERE name = 'look_ahead'")) == 1, "asked once"


def test_a_number_of_another_issuer_is_another_patient(node: Node, day: date, tmp_path: Path) -> None:
    with wlmscpfs(tmp_path / "ris", booked(day)) as port:
        assert look(node, ris(node, port, issuer="lab"), day).studies == []
    (noted,) = looks_of(node)
    assert (noted.patients, noted.known, noted.studies) == (5, 0, 0)


def test_planted_priors_of_a_bare_number_are_caught(
    node: Node, day: date, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "priors-by-bare-id")
    with wlmscpfs(tmp_path / "ris", booked(day)) as port:
        assert look(node, ris(node, port, issuer="lab"), day).studies != []


def test_who_is_booked_since_comes_with_the_next_look(node: Node, day: date, tmp_path: Path) -> None:
    with wlmscpfs(tmp_path / "ris", booked(day)) as port:
        remote = ris(node, port)
        assert len(look(node, remote, day).studies) == 2
        assert look(node, remote, day).studies == [], "they are on their way"
        book(tmp_path / "ris", [*booked(day), Booked(patient_id="P4", day=f"{day:%Y%m%d}")])
        assert [key.study_uid for key in look(node, remote, day).studies] == ["2.25.4"]
    (noted,) = looks_of(node)
    assert (noted.patients, noted.studies) == (6, 3)


def test_an_answer_that_names_nobody_is_counted_where_people_look(node: Node, day: date) -> None:
    """By pynetdicom: dcmtk gives no such answer."""
    on = f"{day:%Y%m%d}"
    answers = [Booked(patient_id=number, day=on).data_set(n) for n, number in enumerate(("P1", ""))]

    def find(_event: Any) -> Iterator[tuple[int, Any]]:
        for raw in answers:
            yield 0xFF00, read_dataset(BytesIO(raw), is_implicit_VR=False, is_little_endian=True)
        yield 0, None

    with provider(find=find, others=(MODALITY_WORKLIST,)) as port:
        look(node, ris(node, port), day)
    (noted,) = looks_of(node)
    assert (noted.patients, noted.unreadable) == (1, 1)


def test_what_is_asked_for_names_nobody(node: Node, day: date, tmp_path: Path) -> None:
    with wlmscpfs(tmp_path / "ris", booked(day)) as port:
        worklist = ask_worklist(called(node.config, ris(node, port)), day)
    assert worklist.complete
    assert worklist.unreadable == 0
    first = worklist.expected[0]
    assert first == Expected(patient_id="P2", issuer="", modalities=frozenset({"CT", "MR"}))


def test_an_administrator_sees_what_was_said_and_asks_at_once(node: Node, day: date, tmp_path: Path) -> None:
    with open_site(node) as site:
        visitor = site.signed_in(add_quickly(node, "root", "administrator"))
        assert visitor.get("/api/worklists")["items"] == []
        with wlmscpfs(tmp_path / "ris", booked(day)) as port:
            body = {
                "name": "本院RIS",
                "aet": AET,
                "host": HOST,
                "port": port,
                "worklist": True,
                "issuer": "his",
            }
            made = visitor.post("/api/remotes", body)
            assert (made["worklist"], made["issuer"]) == (True, "his")
            (before,) = visitor.get("/api/worklists")["items"]
            assert (before["name"], before["looks"]) == ("本院RIS", [])
            asked = visitor.post(f"/api/worklists/{made['id']}/ask")
        (said,) = asked["looks"]
        assert (said["day"], said["state"]) == (day.isoformat(), "done")
        assert (said["patients"], said["known"], said["studies"]) == (5, 3, 2)
        again = visitor.post(f"/api/worklists/{made['id']}/ask")["looks"][0]
        assert (again["state"], again["studies"]) == ("failed", 2)
        assert again["words"].startswith("Calling 本院RIS")
        pacs = {**body, "aet": "PACS", "name": "PACS", "worklist": False, "query": True}
        with pytest.raises(Answer, match="no worklist is asked there"):
            visitor.post(f"/api/worklists/{visitor.post('/api/remotes', pacs)['id']}/ask")
        technician = site.signed_in(add_quickly(node, "li", "technician"))
        with pytest.raises(Answer, match="403"):
            technician.get("/api/worklists")


def test_a_ris_that_is_away_is_said_so_and_asked_again(node: Node, day: date, tmp_path: Path) -> None:
    with wlmscpfs(tmp_path / "ris", booked(day)) as port:
        pass
    remote = ris(node, port)
    with pytest.raises(Unavailable):
        look(node, remote, day)
    (noted,) = looks_of(node)
    assert (noted.state, noted.patients) == (FAILED, 0)
    assert "本院RIS" in noted.words
    worked(
        node,
        lambda: bool(
            node.database.read("SELECT 1 AS n FROM job WHERE name = 'look_ahead' AND attempts >= 2")
        ),
        "the worklist to be asked again",
    )
    assert online(node) == set()


def test_a_pacs_without_a_worklist_is_said_so(node: Node, day: date, tmp_path: Path) -> None:
    with dcmqrscp(tmp_path / "pacs") as port:
        form = RemoteForm(name="PACS", aet="QRSCP", host=HOST, port=port, worklist=True)
        with pytest.raises(Refused, match=r"it takes none of what was asked for"):
            look(node, add_remote(node, OPERATOR, form), day)
    assert [noted.state for noted in looks_of(node)] == [FAILED]


def test_a_list_longer_than_is_taken_is_said_to_be_cut(node: Node, day: date, tmp_path: Path) -> None:
    many = [Booked(patient_id=f"Q{number}", day=f"{day:%Y%m%d}") for number in range(20)]
    with wlmscpfs(tmp_path / "ris", many) as port:
        worklist = ask_worklist(called(node.config, ris(node, port)), day, limit=5)
    assert (len(worklist.expected), worklist.complete) == (5, False)
