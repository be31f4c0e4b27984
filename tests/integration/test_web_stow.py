"""STOW-RS: what comes is kept byte for byte or refused in words; nothing is half stored and the server lives."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
from msgspec.structs import replace as with_fields

from node.config import DicomSection, StorageSection
from node.dicom.header import scan
from node.dimse.admission import admit_device, block_device
from node.node import Node
from node.people.accounts import OPERATOR
from node.store.packs import Packs
from tests.kit.holding import hold
from tests.kit.http import Visitor
from tests.kit.instances import (
    CT_IMAGE,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    JPEG_BASELINE,
    gradient,
    make_ct,
    part10,
)
from tests.kit.registering import register_all
from tests.kit.site import Site, add_quickly, open_site
from tests.kit.stow import (
    BOUNDARY,
    body,
    data_sets,
    described,
    files,
    impatient_node,
    records,
    send,
    send_raw,
)

MULTIPART = f'multipart/related; type="application/dicom"; boundary="{BOUNDARY}"'
AS_JSON = f'multipart/related; type="application/dicom+json"; boundary="{BOUNDARY}"'


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with open_site(impatient_node(tmp_path)) as opened:
        yield opened


@pytest.fixture
def sender(site: Site) -> Visitor:
    return site.program("sender")


def slice_of(number: int, *, study: str = "2.25.1", **words: object) -> bytes:
    return make_ct(
        study_uid=study,
        series_uid=f"{study}.1",
        sop_uid=f"{study}.1.{number}",
        number=number,
        **words,  # type: ignore[arg-type]
    )


def file_of(number: int, *, study: str = "2.25.1", **words: object) -> bytes:
    return part10(slice_of(number, study=study, **words), sop_uid=f"{study}.1.{number}")


def test_instances_are_kept_byte_for_byte_and_their_places_told(site: Site, sender: Visitor) -> None:
    sent = send(sender, files(file_of(1), file_of(2, rows=600, columns=600), file_of(3)))
    assert sent.status == 200
    assert sent.stored == ["2.25.1.1.1", "2.25.1.1.2", "2.25.1.1.3"]
    assert sent.module["00081190"]["Value"] == [f"{site.web}/dicomweb/studies/2.25.1"]
    place = sent.module["00081199"]["Value"][0]["00081190"]["Value"][0]
    assert place == f"{site.web}/dicomweb/studies/2.25.1/series/2.25.1.1/instances/2.25.1.1.1"
    assert set(data_sets(site.node)) == {slice_of(1), slice_of(2, rows=600, columns=600), slice_of(3)}
    facts = records(site.node)[0].facts
    assert (facts.door, facts.calling, facts.issuer, facts.trust_issuer) == ("web", "SENDER", "", False)
    register_all(site.node)
    ((found),) = site.program().get("/dicomweb/studies")
    assert found["00201208"]["Value"] == [3]


def test_an_answer_tells_a_sender_nothing_of_what_is_held(site: Site, sender: Visitor) -> None:
    """The same again, another content, another hospital's study, a rejected one: all as if it were new."""
    hold(site.node, [slice_of(1, study="2.25.1")])
    hold(site.node, [slice_of(1, study="2.25.2")])
    hold(site.node, [slice_of(1, study="2.25.3")], origin="centre")
    hold(site.node, [slice_of(1, study="2.25.4")])
    technician = site.signed_in(add_quickly(site.node, "chen", "technician"))
    technician.call("DELETE", "/dicomweb/studies/2.25.4")
    told = {}
    for study in ("2.25.1", "2.25.2", "2.25.3", "2.25.4", "2.25.5"):
        words = {} if study == "2.25.2" else {"patient_name": "Somebody^Else"}
        sent = send(sender, files(file_of(1, study=study, **words)))
        del sent.headers["date"]
        told[study] = (sent.status, sent.headers, sent.raw.replace(study.encode(), b"STUDY"))
    new = told["2.25.5"]
    assert new[0] == 200
    assert {study for study, answer in told.items() if answer != new} == set()


def test_one_instance_comes_without_a_boundary(site: Site, sender: Visitor) -> None:
    sent = send(sender, file_of(1), media="application/dicom")
    assert (sent.status, sent.stored) == (200, ["2.25.1.1.1"])
    assert data_sets(site.node) == [slice_of(1)]


@pytest.mark.parametrize("transfer_syntax", [IMPLICIT, DEFLATED])
def test_any_transfer_syntax_is_kept_as_it_is(site: Site, sender: Visitor, transfer_syntax: str) -> None:
    data_set = slice_of(1, transfer_syntax=transfer_syntax)
    file = part10(data_set, sop_uid="2.25.1.1.1", transfer_syntax=transfer_syntax)
    assert send(sender, files(file)).status == 200
    (record,) = records(site.node)
    assert (record.facts.transfer_syntax, data_sets(site.node)) == (transfer_syntax, [data_set])


def test_what_fails_is_told_beside_what_is_stored(site: Site, sender: Visitor) -> None:
    cut = file_of(2)[:-40]
    liar = part10(slice_of(3), sop_uid="2.25.9")
    nobody = part10(make_ct(sop_uid="2.25.1.1.4", change={0x0020000D: None}), sop_uid="2.25.1.1.4")
    sent = send(sender, files(file_of(1), cut, liar, nobody, b"no DICOM at all" * 20))
    assert (sent.status, sent.stored) == (202, ["2.25.1.1.1"])
    assert sent.failed == {"2.25.1.1.2": 0xC000, "2.25.9": 0xA900, "2.25.1.1.4": 0xC000}
    assert sent.nameless == [0xC000]
    assert "UID" in sent.module["00081198"]["Value"][1]["00000902"]["Value"][0]
    assert data_sets(site.node) == [slice_of(1)]


def test_instances_of_another_study_are_refused_one_by_one(site: Site, sender: Visitor) -> None:
    other = file_of(1, study="2.25.2")
    large = file_of(2, study="2.25.2", rows=700, columns=700)
    sent = send(sender, files(file_of(1), other, large), path="/dicomweb/studies/2.25.1")
    assert (sent.status, sent.stored) == (202, ["2.25.1.1.1"])
    assert sent.failed == {"2.25.2.1.1": 0xA900, "2.25.2.1.2": 0xA900}
    sent = send(sender, files(other), path="/dicomweb/studies/2.25.1")
    assert (sent.status, sent.stored) == (409, [])
    assert data_sets(site.node) == [slice_of(1)]


def test_described_instances_become_data_sets_with_their_bulk_data(site: Site, sender: Visitor) -> None:
    described_ct = {
        "00080016": {"vr": "UI", "Value": [CT_IMAGE]},
        "00080018": {"vr": "UI", "Value": ["2.25.1.1.1"]},
        "00081140": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["2.25.5"]}}]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Wang^XiaoDong", "Ideographic": "王^小东"}]},
        "0020000D": {"vr": "UI", "Value": ["2.25.1"]},
        "0020000E": {"vr": "UI", "Value": ["2.25.1.1"]},
        "00280010": {"vr": "US", "Value": [4]},
        "00280011": {"vr": "US", "Value": [4]},
        "00281052": {"vr": "DS", "Value": [-1024.5]},
        "00091001": {"vr": "OB", "InlineBinary": base64.b64encode(b"\1\2\3").decode()},
        "7FE00010": {"vr": "OW", "BulkDataURI": "bulk/1"},
    }
    pixels = ("Content-Type: application/octet-stream\r\nContent-Location: bulk/1", gradient(4, 4))
    sent = send(sender, described([described_ct], pixels), media=AS_JSON)
    assert (sent.status, sent.stored) == (200, ["2.25.1.1.1"])
    (data_set,) = data_sets(site.node)
    header = scan(data_set, EXPLICIT)
    assert header.value(0x7FE00010) == gradient(4, 4)
    assert header.value(0x00091001) == b"\1\2\3\0"
    assert header.text(0x00281052) == "-1024.5"
    register_all(site.node)
    (facts,) = site.program().get("/dicomweb/studies/2.25.1/metadata")
    assert facts["00100010"]["Value"][0]["Ideographic"] == "王^小东"
    assert facts["00081140"]["Value"][0]["00081155"]["Value"] == ["2.25.5"]


def test_described_compressed_frames_are_encapsulated_in_their_syntax(site: Site, sender: Visitor) -> None:
    image = {tag: {"vr": "UI", "Value": [uid]} for tag, uid in IDENTITY.items()}
    image["7FE00010"] = {"vr": "OB", "BulkDataURI": f"{site.web}/bulk/1"}  # type: ignore[dict-item]
    frame = (
        f"Content-Type: image/jpeg; transfer-syntax={JPEG_BASELINE}\r\nContent-Location: /bulk/1",
        b"\xff\xd8\xff\xd9",
    )
    sent = send(sender, described([image], frame, frame), media=AS_JSON)
    assert sent.status == 200
    (record,) = records(site.node)
    assert record.facts.transfer_syntax == JPEG_BASELINE
    assert data_sets(site.node)[0].count(b"\xff\xd8\xff\xd9") == 2


IDENTITY = {
    "00080016": CT_IMAGE,
    "00080018": "2.25.1.1.1",
    "0020000D": "2.25.1",
    "0020000E": "2.25.1.1",
}


@pytest.mark.parametrize(
    ("metadata", "status"),
    [
        (b"[{", 400),
        (b"3", 400),
        (b"[" * 100_000, 400),
        (json.dumps([{"7FE00010": {"vr": "OW", "BulkDataURI": "gone"}}]).encode(), 409),
        (json.dumps([{"pixels": {"vr": "OW"}}]).encode(), 409),
        (json.dumps([{"00100010": {"vr": "PN", "Value": ["Wang"]}}]).encode(), 409),
        (json.dumps([{"00280010": {"vr": "US", "Value": [70000]}}]).encode(), 409),
        (json.dumps([{"00280010": {"vr": "XX", "Value": [1]}}]).encode(), 409),
        (json.dumps([IDENTITY]).encode(), 409),
    ],
)
def test_broken_metadata_and_missing_bulk_data_are_refused_in_words(
    site: Site, sender: Visitor, metadata: bytes, status: int
) -> None:
    sent = send(sender, body(("Content-Type: application/dicom+json", metadata)), media=AS_JSON)
    assert sent.status == status
    assert b"refused" in sent.raw or b"00000902" in sent.raw
    assert records(site.node) == []
    assert send(sender, files(file_of(1))).status == 200


@pytest.mark.parametrize(
    ("media", "content", "status"),
    [
        ('multipart/related; type="application/dicom"', files(file_of(1)), 400),
        (MULTIPART, body(("Content-Type: application/dicom", file_of(1)), end=False), 400),
        (MULTIPART, b"nothing of the kind", 400),
        (MULTIPART, b"\r\n--" + BOUNDARY.encode() + b"\r\n" + b"x" * 40_000, 400),
        (MULTIPART, b"", 400),
        ("text/plain", file_of(1), 415),
        ("", file_of(1), 415),
        ('multipart/related; type="application/dicom+xml"; boundary=x', b"", 415),
        (MULTIPART, body(("Content-Type: image/png", b"png")), 409),
        ("application/dicom", b"", 409),
        ("application/dicom", file_of(1)[:200], 409),
    ],
)
def test_a_body_that_is_none_is_refused_in_words(
    site: Site, sender: Visitor, media: str, content: bytes, status: int
) -> None:
    sent = send(sender, content, media=media)
    assert sent.status == status
    assert sent.raw
    assert data_sets(site.node) == []
    assert send(sender, files(file_of(1))).status == 200


def test_an_encoded_body_is_refused(site: Site, sender: Visitor) -> None:
    assert send(sender, b"x", media=MULTIPART, **{"Content-Encoding": "gzip"}).status in (400, 415)


def head(site: Site, sender: Visitor, length: int) -> bytes:
    return (
        f"POST /dicomweb/studies HTTP/1.1\r\nHost: {site.web[7:]}\r\nAuthorization: Bearer {sender.bearer}\r\n"
        f"Content-Type: {MULTIPART}\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def test_a_body_cut_in_mid_part_leaves_nothing_of_it(site: Site, sender: Visitor) -> None:
    content = files(file_of(1), file_of(2, rows=2000, columns=2000))
    for cut in (len(content) - 100, len(content) // 2, 300, 20):
        answer = send_raw(site.web, head(site, sender, len(content)), content[:cut])
        assert b" 200 " not in answer[:20]
    wait_until_quiet(site.node)
    assert set(data_sets(site.node)) <= {slice_of(1)}
    assert send(sender, files(file_of(3))).status == 200
    assert slice_of(3) in data_sets(site.node)


def test_four_gigabytes_are_declared_and_do_not_come(site: Site, sender: Visitor) -> None:
    answer = send_raw(site.web, head(site, sender, 4 << 30), files(file_of(1))[:400])
    assert b" 200 " not in answer[:20]
    wait_until_quiet(site.node)
    assert records(site.node) == []
    assert send(sender, files(file_of(1))).status == 200


def test_a_length_that_is_too_short_stores_nothing_half(site: Site, sender: Visitor) -> None:
    content = files(file_of(1))
    answer = send_raw(site.web, head(site, sender, len(content) - 60), content)
    assert (
        b" 200 " not in answer[:20]
    )  # what follows is no request: the connection may break before the words come
    assert records(site.node) == []


def test_who_trickles_or_falls_silent_is_given_up(
    site: Site, sender: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.dicomweb.store.SILENCE_S", 0.3)
    content = files(file_of(1))
    address = urlsplit(site.web)
    for pause, sent in ((1.0, 1), (0.1, 8)):  # longer than the silence; often enough, and too little
        with socket.create_connection((address.hostname, address.port), timeout=10) as peer:
            peer.sendall(head(site, sender, len(content)))
            for at in range(sent):
                peer.sendall(content[at : at + 1])
                time.sleep(pause)
            assert b" 400 " in peer.recv(1 << 16)[:20]
    assert records(site.node) == []


def wait_until_quiet(node: Node) -> None:
    """An answer that nobody waits for may still be under way."""
    time.sleep(0.3)


def test_a_disk_at_its_reserve_refuses_and_says_later(tmp_path: Path) -> None:
    node = impatient_node(tmp_path)
    packs = Packs(node.state / "packs", node.clock, roll_bytes=1 << 30, reserve_bytes=1 << 60)
    full = Node(**{field: getattr(node, field) for field in Node.__slots__} | {"packs": packs})
    with open_site(full) as site:
        sent = send(site.program("sender"), files(file_of(1)))
        assert sent.status == 503
        assert int(sent.headers["retry-after"]) > 0
        assert b"reserve" in sent.raw
        assert records(full) == []


def test_a_disk_that_fills_while_it_comes_is_told_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = impatient_node(tmp_path)
    with open_site(node) as site:
        free = iter([1 << 40, 1 << 40])  # for the request, and for the first instance
        monkeypatch.setattr(type(node.packs.directory), "free_bytes", lambda _self: next(free, -1))
        sent = send(site.program("sender"), files(file_of(1), file_of(2)))
    # Which of the two met the full disk is the lanes' to say.
    assert (sent.status, len(sent.stored), list(sent.failed.values())) == (202, 1, [0xA700])
    assert {*sent.stored, *sent.failed} == {"2.25.1.1.1", "2.25.1.1.2"}


def test_who_may_store_and_who_may_read(site: Site) -> None:
    content = files(file_of(1))
    technician = add_quickly(site.node, "wang", "technician")
    expert = add_quickly(site.node, "li", "expert")
    administrator = add_quickly(site.node, "zhao", "administrator")
    visitors = {
        401: [site.visitor()],
        403: [
            site.program("reader"),
            site.program("other"),
            site.signed_in(expert),
            site.signed_in(administrator),
        ],
        200: [site.program("sender"), site.program("exchange/his"), site.signed_in(technician)],
    }
    for status, allowed in visitors.items():
        for visitor in allowed:
            assert send(visitor, content).status == status
    assert {record.facts.calling for record in records(site.node)} == {"SENDER", "HIS", "WANG"}
    register_all(site.node)
    assert site.program("sender").get("/dicomweb/studies") == []
    assert len(site.program("exchange/his").get("/dicomweb/studies")) == 1


def test_a_person_s_page_must_say_that_it_is_ours(site: Site) -> None:
    visitor = site.signed_in(add_quickly(site.node, "wang", "technician"))
    visitor.csrf = "another"
    assert send(visitor, files(file_of(1))).status == 403
    assert records(site.node) == []


def test_a_program_needs_no_origin(site: Site, sender: Visitor) -> None:
    assert send(sender, files(file_of(1)), Origin="https://elsewhere.example").status == 200


def test_a_rule_gives_a_sender_its_issuer_and_its_classes_and_may_block_it(site: Site) -> None:
    node = site.node
    admit_device(node, OPERATOR.id, calling="GATEWAY", address="127.0.0.1", issuer="HIS", department="CT")
    gateway = site.program("sender/gateway")
    assert send(gateway, files(file_of(1))).status == 200
    (record,) = records(node)
    assert (record.facts.issuer, record.facts.department) == ("HIS", "CT")
    block_device(node, OPERATOR.id, calling="GATEWAY", address="127.0.0.1")
    assert send(gateway, files(file_of(2))).status == 403
    assert len(records(node)) == 1


def test_an_answer_waits_for_the_index_but_not_for_ever(tmp_path: Path) -> None:
    node = impatient_node(tmp_path)
    patient = Node(
        **{field: getattr(node, field) for field in Node.__slots__}
        | {
            "config": with_fields(
                node.config, dicom=DicomSection(release_barrier_s=20.0), storage=StorageSection()
            )
        }
    )
    with open_site(patient) as site:
        later = threading.Timer(0.4, register_all, [node])
        later.start()
        began = time.monotonic()
        assert send(site.program("sender"), files(file_of(1))).status == 200
        assert 0.3 < time.monotonic() - began < 10
        later.join()
        assert len(site.program().get("/dicomweb/studies")) == 1


def test_the_answer_is_xml_for_who_asks_for_it(sender: Visitor) -> None:
    sent = send(sender, files(file_of(1), file_of(2)[:-30]), Accept="application/dicom+xml")
    assert (sent.status, sent.headers["content-type"]) == (202, "application/dicom+xml")
    root = ElementTree.fromstring(sent.raw)
    assert [each.get("keyword") for each in root] == [
        "RetrieveURL",
        "FailedSOPSequence",
        "ReferencedSOPSequence",
    ]


@pytest.mark.peer
def test_a_foreign_client_stores_and_reads_back(site: Site) -> None:
    import pydicom
    from dicomweb_client.api import DICOMwebClient

    bearer = site.program("exchange/foreign").bearer
    client = DICOMwebClient(f"{site.web}/dicomweb", headers={"Authorization": f"Bearer {bearer}"})
    sent = [pydicom.dcmread(pydicom.filebase.DicomBytesIO(file_of(n))) for n in (1, 2)]
    answer = client.store_instances(sent)
    assert [item.ReferencedSOPInstanceUID for item in answer.ReferencedSOPSequence] == [
        "2.25.1.1.1",
        "2.25.1.1.2",
    ]
    assert "FailedSOPSequence" not in answer
    register_all(site.node)
    assert {one.SOPInstanceUID for one in client.retrieve_study("2.25.1")} == {"2.25.1.1.1", "2.25.1.1.2"}
    client.store_instances(sent, study_instance_uid="2.25.1")
