"""pynetdicom's `qrscp`, unmodified, against a node: it stores, finds, gets and moves, asked and asking."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.catalogue.matching import QueryLevel
from node.dicom.normal import normal_digest
from node.dimse.echo_scu import echo
from node.dimse.find_scu import find
from node.dimse.move_scu import move
from node.dimse.retrieval import Wanted
from node.errors import Refused
from node.names import StudyKey, StudyUID
from node.node import Node
from node.people.accounts import OPERATOR
from node.transfers.retrieving import retrieve_study
from node.transfers.sending import send_study
from node.transfers.transfers import ask_retrieve, ask_send, get_transfer
from tests.kit.instances import EXPLICIT
from tests.kit.query_peers import fill, qrscp, storescp
from tests.kit.query_user import STUDY, peer, query_user, remote, study_in_chinese
from tests.kit.receiving import receiving
from tests.kit.registering import facts, receive, registered_meanwhile

pytestmark = pytest.mark.peer


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with query_user(tmp_path) as node:
        yield node


@pytest.fixture
def data_sets() -> dict[str, bytes]:
    return study_in_chinese()


def found(port: int, level: QueryLevel, attribute: str, **keys: str) -> set[str]:
    """Give what it answers for an attribute, said once, though it says it for each instance that fits."""
    answers = [str(one[attribute]) for one in find(peer(port), level, keys).items]
    assert len(answers) == len(set(answers))
    return set(answers)


def equal_sets(node: Node, data_sets: dict[str, bytes]) -> None:
    """Assert that the node holds these data sets.

    qrscp decodes what it stored and encodes it again, by pydicom: the length of a group or a pad may
    come back otherwise, never an attribute.
    """
    records = [record for pack in node.packs.names() for record in node.packs.marked(pack, 0)]
    came = {
        normal_digest(node.packs.read_data_set(record.location), record.facts.transfer_syntax)
        for record in records
    }
    assert came == {normal_digest(data_set, EXPLICIT) for data_set in data_sets.values()}


def test_it_is_heard_and_finds_at_each_level(tmp_path: Path, data_sets: dict[str, bytes]) -> None:
    with qrscp(tmp_path / "pacs") as port:
        fill(port, "QRSCP", data_sets.items(), tmp_path / "files")
        echo(peer(port))
        assert found(port, QueryLevel.PATIENT, "PatientID", PatientID="A-17") == {"A-17"}
        assert found(port, QueryLevel.STUDY, "StudyInstanceUID", AccessionNumber="A1") == {STUDY}
        series = found(port, QueryLevel.SERIES, "SeriesInstanceUID", StudyInstanceUID=STUDY)
        assert series == {f"{STUDY}.1", f"{STUDY}.2"}
        keys = {"StudyInstanceUID": STUDY, "SeriesInstanceUID": f"{STUDY}.1"}
        assert found(port, QueryLevel.INSTANCE, "SOPInstanceUID", **keys) == {
            uid for uid in data_sets if uid.startswith(f"{STUDY}.1.")
        }
        assert find(peer(port), QueryLevel.STUDY, {"AccessionNumber": "A2"}).items == ()


@pytest.mark.parametrize("way", ["get", "move"])
def test_a_study_sent_to_it_comes_back(
    node: Node, tmp_path: Path, data_sets: dict[str, bytes], way: str
) -> None:
    with (
        receiving(node.state, packs=node.packs) as receiver,
        qrscp(tmp_path / "pacs", movers=[("ALPHA", receiver.port)]) as port,
    ):
        pacs = remote(node, port, retrieve_by=way).id
        receive(node, *data_sets.values(), given=facts(node, study_uid=STUDY, transfer_syntax=EXPLICIT))
        sent = ask_send(node, OPERATOR, StudyKey(origin=node.id, study_uid=StudyUID(STUDY)), pacs)
        send_study(node, sent.id)
        assert get_transfer(node.database, sent.id).done == 6
        asked = ask_retrieve(node, OPERATOR, STUDY, pacs)
        with registered_meanwhile(node):
            retrieve_study(node, asked.id)
        ended = get_transfer(node.database, asked.id)
        assert (ended.state, ended.words, ended.done, ended.failed) == ("done", "", 6, 0)
    assert sum(1 for pack in node.packs.names() for _ in node.packs.marked(pack, 0)) == 12
    equal_sets(node, data_sets)


def test_it_moves_to_a_third_and_refuses_whom_it_does_not_know(
    tmp_path: Path, data_sets: dict[str, bytes]
) -> None:
    with (
        storescp(tmp_path / "third") as third,
        qrscp(tmp_path / "pacs", movers=[("THIRD", third)]) as port,
    ):
        fill(port, "QRSCP", data_sets.items(), tmp_path / "files")
        ended = move(peer(port), Wanted(study_uid=STUDY), destination="THIRD")
        assert (ended.counts.completed, ended.counts.failed) == (6, 0)
        assert len(list((tmp_path / "third").iterdir())) == 6
        with pytest.raises(Refused, match="it does not know the AE title that is to receive them"):
            move(peer(port), Wanted(study_uid=STUDY), destination="NOBODY")
