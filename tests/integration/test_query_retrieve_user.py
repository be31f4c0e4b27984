"""Asking, fetching from and sending to dcmtk's provider, and our own receiver between."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pynetdicom import AE, build_context, evt

from node.catalogue.matching import QueryLevel
from node.database.port import Statement
from node.dicom.normal import normal_digest
from node.dicom.part10 import read_part10
from node.dimse.echo_scu import echo
from node.dimse.find_scu import find
from node.dimse.get_scu import Taken, get
from node.dimse.move_scu import STUDY_ROOT_MOVE, move
from node.dimse.remote_form import RemoteForm
from node.dimse.remotes import change_remote
from node.dimse.retrieval import Counts, Wanted
from node.dimse.services import VERIFICATION
from node.dimse.spool import Spool
from node.errors import InvalidRequest, Refused
from node.names import StudyKey, StudyUID
from node.node import Node
from node.people.accounts import OPERATOR
from node.transfers.door import open_door
from node.transfers.retrieving import retrieve_study
from node.transfers.sending import send_study
from node.transfers.transfers import Transfer, ask_retrieve, ask_send, get_transfer, stop_transfer, try_again
from ops.free_ports import free_ports
from tests.kit.http import wait_for
from tests.kit.instances import CT_IMAGE, EXPLICIT, IMPLICIT, part10
from tests.kit.query_peers import HOST, dcmqrscp, fill, slices, storescp
from tests.kit.query_user import NAME, STUDY, peer, query_user, remote, study_in_chinese
from tests.kit.receiving import admit_all, receiving, rule
from tests.kit.registering import facts, receive, register_all, registered_meanwhile
from tests.kit.strange_provider import abort_after, provider

pytestmark = pytest.mark.peer


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with query_user(tmp_path) as node:
        yield node


@pytest.fixture
def data_sets() -> dict[str, bytes]:
    return study_in_chinese()


@pytest.fixture
def pacs(tmp_path: Path, data_sets: dict[str, bytes]) -> Iterator[int]:
    with dcmqrscp(tmp_path / "pacs") as port:
        fill(port, "QRSCP", data_sets.items(), tmp_path / "files")
        yield port


def held(node: Node) -> dict[str, bytes]:
    found = {}
    for pack in node.packs.names():
        for record in node.packs.marked(pack, 0):
            found[record.sop_uid] = node.packs.read_data_set(record.location)
    return found


def test_it_is_heard(pacs: int) -> None:
    echo(peer(pacs))
    with pytest.raises(Refused, match=r"it is not called so\. Correct the AE title"):
        echo(peer(pacs, aet="NOBODY"))


def test_each_level_is_found_with_its_texts(pacs: int) -> None:
    (patient,) = find(peer(pacs), QueryLevel.PATIENT, {"PatientID": "A-17"}).items
    assert patient["PatientName"] == NAME
    (study,) = find(
        peer(pacs), QueryLevel.STUDY, {"PatientName": "Zhang*", "StudyDate": "20260301-20260303"}
    ).items
    assert (study["StudyInstanceUID"], study["AccessionNumber"]) == (STUDY, "A1")
    series = find(peer(pacs), QueryLevel.SERIES, {"StudyInstanceUID": STUDY}).items
    assert {one["Modality"] for one in series} == {"CT"}
    assert {one["SeriesInstanceUID"] for one in series} == {f"{STUDY}.1", f"{STUDY}.2"}
    keys = {"StudyInstanceUID": STUDY, "SeriesInstanceUID": f"{STUDY}.1"}
    assert len(find(peer(pacs), QueryLevel.INSTANCE, keys).items) == 3
    with pytest.raises(InvalidRequest, match="SeriesInstanceUID must be given"):
        find(peer(pacs), QueryLevel.INSTANCE, {"StudyInstanceUID": STUDY})


def test_past_the_limit_it_is_asked_to_stop(pacs: int) -> None:
    keys = {"StudyInstanceUID": STUDY, "SeriesInstanceUID": f"{STUDY}.1"}
    answers = find(peer(pacs), QueryLevel.INSTANCE, keys, limit=2)
    assert (len(answers.items), answers.complete) == (2, False)
    assert find(peer(pacs), QueryLevel.INSTANCE, keys, limit=3).complete in (True, False)


def test_what_c_get_brings_is_stored_byte_for_byte_by_the_rules(
    node: Node, pacs: int, data_sets: dict[str, bytes]
) -> None:
    seen: list[tuple[Counts, Taken]] = []

    def progress(counts: Counts, taken: Taken) -> bool:
        seen.append((counts, taken))
        return True

    whom = peer(pacs)
    ended = get(
        whom,
        Wanted(study_uid=STUDY),
        open_door=lambda address, _: open_door(node, whom, address, cause=facts(node).cause),
        spool=lambda: Spool(node.state / "packs", node.packs.check_room),
        progress=progress,
    )
    assert (ended.counts.completed, ended.counts.failed, ended.words) == (6, 0, "")
    assert held(node) == data_sets
    (record,) = [record for pack in node.packs.names() for record in node.packs.marked(pack, 0)][:1]
    assert (record.facts.rule, record.facts.issuer, record.facts.calling) == (
        "QRSCP@127.0.0.1",
        "HIS",
        "QRSCP",
    )
    assert seen[-1][1].stored == 6
    assert seen[-1][1].bytes == sum(map(len, data_sets.values()))


def test_whom_no_rule_admits_may_not_be_fetched_from(node: Node, pacs: int) -> None:
    admit_all(node.state, rule("CT1"))
    one = ask_retrieve(node, OPERATOR, STUDY, remote(node, pacs, retrieve_by="get").id)
    retrieve_study(node, one.id)
    ended = get_transfer(node.database, one.id)
    assert ended.state == "failed"
    assert "QRSCP at 127.0.0.1 is not known here. Admit or block it under Devices." in ended.words
    assert held(node) == {}


def test_a_study_is_moved_to_a_third_ae(tmp_path: Path, data_sets: dict[str, bytes]) -> None:
    with (
        storescp(tmp_path / "third") as third,
        dcmqrscp(tmp_path / "pacs", movers=[("THIRD", third)]) as port,
    ):
        fill(port, "QRSCP", data_sets.items(), tmp_path / "files")
        ended = move(peer(port), Wanted(study_uid=STUDY), destination="THIRD")
        assert (ended.counts.completed, ended.counts.failed) == (6, 0)
        assert len(list((tmp_path / "third").iterdir())) == 6
        with pytest.raises(Refused, match="it does not know the AE title that is to receive them"):
            move(peer(port), Wanted(study_uid=STUDY), destination="NOBODY")


@pytest.mark.parametrize("way", ["get", "move", "auto"])
def test_a_study_fetched_by_a_job_is_this_node_s_own(
    node: Node, tmp_path: Path, data_sets: dict[str, bytes], way: str
) -> None:
    with (
        receiving(node.state, packs=node.packs) as receiver,
        dcmqrscp(tmp_path / "pacs", movers=[("ALPHA", receiver.port)]) as port,
    ):
        fill(port, "QRSCP", data_sets.items(), tmp_path / "files")
        one = ask_retrieve(node, OPERATOR, STUDY, remote(node, port, retrieve_by=way).id, label="Zhang")
        if way == "move":
            with registered_meanwhile(node):
                retrieve_study(node, one.id)
        else:
            retrieve_study(node, one.id)
    ended = get_transfer(node.database, one.id)
    assert (ended.state, ended.words, ended.done, ended.failed, ended.asked) == ("done", "", 6, 0, 6)
    assert held(node) == data_sets
    register_all(node)
    rows = node.database.read("SELECT origin, patient_issuer, patient_name, instance_count FROM study")
    assert rows == [
        {"origin": "alpha", "patient_issuer": "alpha:HIS", "patient_name": NAME, "instance_count": 6}
    ]


def sending(node: Node, port: int, **words: object) -> Transfer:
    one = ask_send(
        node, OPERATOR, StudyKey(origin=node.id, study_uid=StudyUID(STUDY)), remote(node, port, **words).id
    )
    send_study(node, one.id)
    return get_transfer(node.database, one.id)


def keep(node: Node, data_sets: dict[str, bytes], syntax: str = EXPLICIT) -> None:
    receive(node, *data_sets.values(), given=facts(node, study_uid=STUDY, transfer_syntax=syntax))


def test_a_study_sent_and_fetched_again_is_the_same_byte_for_byte(
    node: Node, tmp_path: Path, data_sets: dict[str, bytes]
) -> None:
    keep(node, data_sets)
    with dcmqrscp(tmp_path / "pacs") as port:
        sent = sending(node, port)
        assert (sent.state, sent.done, sent.failed, sent.asked, sent.warned) == ("done", 6, 0, 6, 0)
        assert sent.bytes == sum(map(len, data_sets.values()))
        whom = peer(port)
        get(
            whom,
            Wanted(study_uid=STUDY),
            open_door=lambda address, _: open_door(node, whom, address, cause=facts(node).cause),
            spool=lambda: Spool(node.state / "packs", node.packs.check_room),
        )
    again = [record for pack in node.packs.names() for record in node.packs.marked(pack, 0)]
    assert len(again) == 12
    assert {node.packs.read_data_set(record.location) for record in again} == set(data_sets.values())


def test_texts_go_in_the_character_set_of_the_remote(
    node: Node, tmp_path: Path, data_sets: dict[str, bytes]
) -> None:
    keep(node, data_sets)
    with storescp(tmp_path / "there") as port:
        sent = sending(node, port, charset="ISO_IR 192")
    assert (sent.state, sent.done, sent.warned) == ("done", 6, 0)
    for path in (tmp_path / "there").iterdir():
        read = dcmread(path)
        assert (read.SpecificCharacterSet, str(read.PatientName)) == ("ISO_IR 192", NAME)
        assert normal_digest(read_part10(path.read_bytes()).data_set, EXPLICIT) == normal_digest(
            data_sets[read.SOPInstanceUID], EXPLICIT
        )


def test_texts_that_do_not_fit_go_as_they_are_with_a_warning(
    node: Node, tmp_path: Path, data_sets: dict[str, bytes]
) -> None:
    keep(node, data_sets)
    with storescp(tmp_path / "there") as port:
        sent = sending(node, port, charset="ISO_IR 100")
    assert (sent.state, sent.done, sent.warned) == ("done", 6, 6)
    assert {dcmread(path).SpecificCharacterSet for path in (tmp_path / "there").iterdir()} == {"GB18030"}


def test_what_is_compressed_goes_decompressed_where_that_is_all_that_is_taken(
    node: Node, tmp_path: Path
) -> None:
    corpus = Path(__file__).resolve().parents[3] / "shared/data/dicom/o06-mr-same-image-9-syntaxes"
    given = {}
    for path in sorted(corpus.glob("*.dcm")):
        read = read_part10(path.read_bytes())
        uid = f"2.25.9.{len(given) + 1}"
        data_set = dcmread(path)
        given[uid] = data_set
        data_set.SOPInstanceUID = data_set.file_meta.MediaStorageSOPInstanceUID = uid
        data_set.StudyInstanceUID = STUDY
        buffer = BytesIO()
        data_set.save_as(buffer)
        file = read_part10(buffer.getvalue())
        receive(
            node,
            bytes(file.data_set),
            given=facts(node, study_uid=STUDY, transfer_syntax=read.transfer_syntax),
        )
    with storescp(tmp_path / "there", "+xi") as port:
        sent = sending(node, port)
    assert (sent.state, sent.failed, sent.done) == ("done", 0, 9)
    truth = next(one for one in given.values() if one.file_meta.TransferSyntaxUID == EXPLICIT).pixel_array
    for path in (tmp_path / "there").iterdir():
        read = dcmread(path)
        assert read.file_meta.TransferSyntaxUID == IMPLICIT
        assert (read.pixel_array == truth).all()
        assert read.PatientName == given[read.SOPInstanceUID].PatientName


def test_a_planted_frame_of_another_picture_would_be_noticed() -> None:
    corpus = Path(__file__).resolve().parents[3] / "shared/data/dicom/o06-mr-same-image-9-syntaxes"
    pictures = [dcmread(corpus / f"{n}.dcm").pixel_array for n in (1, 2)]
    assert (pictures[0] == pictures[1]).all()
    pictures[1][7, 7] += 1
    assert not (pictures[0] == pictures[1]).all()


def test_what_a_remote_has_is_not_sent_twice(node: Node, tmp_path: Path, data_sets: dict[str, bytes]) -> None:
    keep(node, data_sets)
    with provider(store=abort_after(2)) as port:
        one = sending(node, port)
        assert (one.state, one.done) == ("waiting", 2)
        assert "broke off" in one.words
    with storescp(tmp_path / "again") as other:
        moved = RemoteForm(name="PACS", aet="QRSCP", host=HOST, port=other, query=True, send=True)
        change_remote(node, OPERATOR, one.remote, moved)
        node.database.write([Statement("UPDATE transfer SET next_at = 0")], node.new_id())
        send_study(node, one.id)
    ended = get_transfer(node.database, one.id)
    assert (ended.state, ended.done, ended.attempts) == ("done", 6, 2)
    assert len(list((tmp_path / "again").iterdir())) == 4


def test_a_remote_that_is_away_is_tried_again_and_one_that_refuses_is_not(
    node: Node, data_sets: dict[str, bytes], pacs: int
) -> None:
    keep(node, data_sets)
    (port,) = free_ports(1)
    one = sending(node, port)
    assert (one.state, one.attempts) == ("waiting", 1)
    assert "nothing listens there" in one.words
    jobs = node.database.read("SELECT count(*) AS n FROM job WHERE name = 'send_study'")
    assert jobs == [{"n": 2}]
    wrong = RemoteForm(name="PACS", aet="NOBODY", host=HOST, port=pacs, query=True, send=True)
    change_remote(node, OPERATOR, one.remote, wrong)
    node.database.write([Statement("UPDATE transfer SET next_at = 0")], node.new_id())
    send_study(node, one.id)
    refused = get_transfer(node.database, one.id)
    assert (refused.state, refused.ended_at is not None) == ("failed", True), refused.words
    assert "it is not called so" in refused.words
    again = try_again(node, OPERATOR, one.id)
    assert (again.state, again.attempts) == ("waiting", 0)
    assert stop_transfer(node, OPERATOR, one.id).state == "cancelled"
    send_study(node, one.id)
    assert get_transfer(node.database, one.id).state == "cancelled"


@pytest.mark.parametrize("kind", ["send", "get"])
def test_one_that_runs_ends_when_somebody_stops_it_and_keeps_what_went(
    node: Node, data_sets: dict[str, bytes], kind: str
) -> None:
    many = slices(200, study_uid=STUDY)

    def slowly(_: Any) -> int:
        time.sleep(0.05)
        return 0

    def get_slowly(event: Any) -> Iterator[Any]:
        yield len(many)
        for uid, data_set in many.items():
            if event.is_cancelled:
                yield 0xFE00, None
                return
            time.sleep(0.05)
            yield 0xFF00, dcmread(BytesIO(part10(data_set, sop_uid=uid)))

    with provider(store=slowly, get=get_slowly) as port:
        to = remote(node, port, retrieve_by="get")
        if kind == "send":
            keep(node, many)
            one = ask_send(node, OPERATOR, StudyKey(origin=node.id, study_uid=StudyUID(STUDY)), to.id)
        else:
            one = ask_retrieve(node, OPERATOR, STUDY, to.id)
        job = threading.Thread(target=send_study if kind == "send" else retrieve_study, args=(node, one.id))
        job.start()
        wait_for("some to have gone", lambda: get_transfer(node.database, one.id).done >= 3)
        assert get_transfer(node.database, one.id).state == "running"
        stop_transfer(node, OPERATOR, one.id)
        job.join(30)
        assert not job.is_alive()
    ended = get_transfer(node.database, one.id)
    assert ended.state == "cancelled"
    assert 3 <= ended.done < 200
    assert ended.asked == 200
    if kind == "get":
        assert len(held(node)) >= ended.done


def test_one_without_c_get_is_fetched_from_by_c_move(node: Node, data_sets: dict[str, bytes]) -> None:
    entity = AE(ae_title="QRSCP")
    entity.add_supported_context(STUDY_ROOT_MOVE)
    entity.requested_contexts = [build_context(CT_IMAGE, EXPLICIT)]

    def move_them(_: Any) -> Iterator[Any]:
        yield HOST, receiver.port
        yield len(data_sets)
        for uid, data_set in data_sets.items():
            yield 0xFF00, dcmread(BytesIO(part10(data_set, sop_uid=uid)))

    with receiving(node.state, packs=node.packs) as receiver:
        server = entity.start_server((HOST, 0), block=False, evt_handlers=[(evt.EVT_C_MOVE, move_them)])
        try:
            port = int(server.socket.getsockname()[1])
            one = ask_retrieve(node, OPERATOR, STUDY, remote(node, port).id)
            with registered_meanwhile(node):
                retrieve_study(node, one.id)
            with pytest.raises(Refused, match="takes none of what was asked for"):
                find(peer(port), QueryLevel.STUDY, {"PatientID": "1"})
        finally:
            server.shutdown()
    ended = get_transfer(node.database, one.id)
    assert (ended.state, ended.words, ended.done) == ("done", "", 6)
    assert len(held(node)) == 6


def test_one_that_takes_no_images_refuses_each(node: Node, data_sets: dict[str, bytes]) -> None:
    keep(node, data_sets)
    entity = AE(ae_title="QRSCP")
    entity.add_supported_context(VERIFICATION)
    server = entity.start_server((HOST, 0), block=False)
    try:
        ended = sending(node, int(server.socket.getsockname()[1]))
    finally:
        server.shutdown()
    assert (ended.state, ended.done, ended.failed) == ("failed", 0, 6)
    assert "left out 6: it does not take this SOP class" in ended.words


def test_a_move_that_our_own_receiver_refuses_says_where_to_look(
    node: Node, tmp_path: Path, data_sets: dict[str, bytes]
) -> None:
    admit_all(node.state, rule("SOMEBODY"))
    with (
        receiving(node.state, packs=node.packs) as receiver,
        dcmqrscp(tmp_path / "pacs", movers=[("ALPHA", receiver.port)]) as port,
    ):
        fill(port, "QRSCP", data_sets.items(), tmp_path / "files")
        one = ask_retrieve(node, OPERATOR, STUDY, remote(node, port, retrieve_by="move").id)
        retrieve_study(node, one.id)
    ended = get_transfer(node.database, one.id)
    assert ended.state in ("failed", "waiting")
    assert ended.done == 0
    assert "Devices" in ended.words
