"""DICOMweb over HTTP: bytes as stored, frames by themselves, and a foreign client that reads it all."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from node.catalogue.search import conflicts_of
from node.dicom.part10 import read_part10
from node.names import StudyKey
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.holding import hold, hold_ct
from tests.kit.http import Answer, Visitor
from tests.kit.instances import BIG, DEFLATED, EXPLICIT, gradient, make_ct
from tests.kit.parts import parts_of
from tests.kit.site import Site, add_quickly, open_site

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "dicom"
STUDY = "2.25.10"
INSTANCE = f"/dicomweb/studies/{STUDY}/series/{STUDY}.1/instances/{STUDY}.1.1"
AS_STORED = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    node = bare_node(tmp_path_factory.mktemp("site"), "alpha", FrozenClock())
    hold_ct(node, study_uid=STUDY, slices=3, name="Wang^XiaoDong=王^小东")
    hold_ct(node, study_uid="2.25.11", slices=1, origin="centre", name="Received^Study")
    with open_site(node) as opened:
        yield opened


@pytest.fixture(scope="module")
def reader(site: Site) -> Visitor:
    return site.program()


def get(visitor: Visitor, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    return Visitor(visitor.web, bearer=visitor.bearer, cookie=visitor.cookie, headers=headers).raw(
        "GET", path
    )


def add(site: Site, data_sets: list[bytes], *, transfer_syntax: str = EXPLICIT) -> StudyKey:
    return hold(site.node, data_sets, transfer_syntax=transfer_syntax)


def test_studies_are_found_by_name_in_either_writing(reader: Visitor) -> None:
    for query in ("PatientName=Wang*", "00100010=王*", "ModalitiesInStudy=CT", f"StudyInstanceUID={STUDY}"):
        (study,) = reader.get(f"/dicomweb/studies?{query.replace('王', '%E7%8E%8B')}")
        assert study["0020000D"]["Value"] == [STUDY]
        assert study["00100010"]["Value"] == [{"Alphabetic": "Wang^XiaoDong", "Ideographic": "王^小东"}]
        assert study["00201208"]["Value"] == [3]
    assert reader.get("/dicomweb/studies?PatientName=Li*") == []


def test_a_study_id_is_matched_and_answered_at_every_level(site: Site, reader: Visitor) -> None:
    """DICOM PS3.18 table 10.6.1-2: Study ID is matched on."""
    data_set = make_ct(
        study_uid="2.25.12", series_uid="2.25.12.1", sop_uid="2.25.12.1.1", change={0x00200010: ("SH", "CT 0815")}
    )  # fmt: skip
    add(site, [data_set])
    for level in ("studies", "series", "instances"):
        for query in ("StudyID=CT%200815", "00200010=CT*15"):
            (one,) = reader.get(f"/dicomweb/{level}?{query}")
            assert (one["0020000D"]["Value"], one["00200010"]) == (
                ["2.25.12"],
                {"vr": "SH", "Value": ["CT 0815"]},
            )
    assert reader.get("/dicomweb/studies?StudyID=0815") == []
    (other,) = reader.get(f"/dicomweb/studies?StudyInstanceUID={STUDY}")
    assert other["00200010"] == {"vr": "SH"}


@pytest.mark.parametrize(
    "query",
    [
        "StudyDate=20260303-20260301", "StudyDate=yesterday", "StudyTime=25", "limit=-1", "limit=x", "offset=1.5",
        "fuzzymatching=maybe", "PatientName=" + "%5C".join("abcd"),
    ],
)  # fmt: skip
def test_what_has_no_meaning_is_refused_in_words(reader: Visitor, query: str) -> None:
    for level in ("studies", "series", "instances", f"studies/{STUDY}/series", f"studies/{STUDY}/instances"):
        status, _, body = get(reader, f"/dicomweb/{level}?{query}")
        assert status == 400, level
        assert json.loads(body)["error"]["message"].startswith("Searching ")


def test_received_studies_stand_below_their_origin_only(reader: Visitor) -> None:
    (study,) = reader.get("/dicomweb/from/centre/studies")
    assert study["0020000D"]["Value"] == ["2.25.11"]
    assert study["00081190"]["Value"][0].endswith("/dicomweb/from/centre/studies/2.25.11")
    assert reader.get("/dicomweb/from/nobody/studies") == []
    with pytest.raises(Answer) as answer:
        reader.get("/dicomweb/studies/2.25.11/metadata")
    assert answer.value.status == 404


def test_series_and_instances_are_found_paged_and_matched(reader: Visitor) -> None:
    (series,) = reader.get(f"/dicomweb/studies/{STUDY}/series?Modality=CT")
    assert (series["0020000E"]["Value"], series["00201209"]["Value"]) == ([f"{STUDY}.1"], [3])
    path = f"/dicomweb/studies/{STUDY}/instances"
    assert [one["00200013"]["Value"] for one in reader.get(f"{path}?offset=1&limit=1")] == [[2]]
    assert len(reader.get(f"{path}?SOPInstanceUID={STUDY}.1.1,{STUDY}.1.3")) == 2
    (second,) = reader.get(f"{path}?Modality=C*&InstanceNumber=02")
    assert second["00200013"]["Value"] == [2]
    assert reader.get(f"{path}?Modality=MR") == []
    assert reader.get(f"{path}?SOPInstanceUID={STUDY}.*") == []
    status, headers, _ = get(reader, f"{path}?limit=1&KVP=120")
    assert status == 200
    assert "additional" in headers["warning"] or "KVP" in headers["warning"]


def tags_of(answer: dict[str, Any]) -> list[str]:
    assert list(answer) == sorted(answer), "attributes stand in order of their tags (PS3.18 F.2.2)"
    return list(answer)


def test_series_and_instances_are_found_across_studies_and_say_whose_they_are(reader: Visitor) -> None:
    """DICOM PS3.18 10.6.3.3: a relational query's answers hold the attributes of the levels above."""
    (study,) = reader.get(f"/dicomweb/studies?StudyInstanceUID={STUDY}")
    name = "PatientName=wang%5Exiaodong"
    (series,) = reader.get(f"/dicomweb/series?{name}&Modality=CT&StudyInstanceUID={STUDY}")
    instances = reader.get(f"/dicomweb/instances?{name}&SeriesInstanceUID={STUDY}.1&InstanceNumber=2,3")
    assert [one["00200013"]["Value"] for one in instances] == [[2], [3]]
    for found in (series, *instances):
        for tag in set(tags_of(study)) - {"00081190", "00080056"}:
            assert found[tag] == study[tag], tag
        assert found["0020000E"]["Value"] == [f"{STUDY}.1"]
    assert set(tags_of(series)) < set(tags_of(instances[0]))
    assert instances[0]["00081190"]["Value"][0].endswith(f"{STUDY}.1/instances/{STUDY}.1.2")
    assert reader.get("/dicomweb/series?PatientName=Received*") == []
    (received,) = reader.get("/dicomweb/from/centre/instances")
    assert received["00100010"]["Value"] == [{"Alphabetic": "Received^Study"}]


def test_attributes_of_levels_above_are_there_unless_the_address_gives_them(reader: Visitor) -> None:
    (series,) = reader.get(f"/dicomweb/studies/{STUDY}/series?PatientName=Wang*")
    assert not {"00100010", "00081030"} & set(tags_of(series))
    of_study = reader.get(f"/dicomweb/studies/{STUDY}/instances?StudyDate=2000-")[0]
    assert "00080060" in tags_of(of_study)
    assert "00100010" not in of_study
    of_series = reader.get(f"/dicomweb/studies/{STUDY}/series/{STUDY}.1/instances?Modality=CT")[0]
    assert "00080060" not in tags_of(of_series)


def test_sop_classes_of_a_study_are_answered_and_matched_on(reader: Visitor) -> None:
    ct = "1.2.840.10008.5.1.4.1.1.2"
    (study,) = reader.get(f"/dicomweb/studies?StudyInstanceUID={STUDY}&SOPClassesInStudy={ct}")
    assert study["00080062"] == {"vr": "UI", "Value": [ct]}
    assert reader.get(f"/dicomweb/studies?StudyInstanceUID={STUDY}&00080062={ct}.1") == []


@pytest.mark.parametrize(
    ("query", "warned"),
    [
        ("", None), ("includefield=all", None), ("includefield=00101010,StudyDate&includefield=0020000d", None),
        ("includefield=PatientComments", "Not in the catalogue: PatientComments"),
        ("includefield=00104000,all&KVP=120", "Not in the catalogue: 00104000"),
        ("Modality=CT", "Not matched on: Modality"),
        ("includefield=%0D%0ASet-Cookie:x&%22=1", None),
        ("limit=0", "There are additional results that can be requested"),
    ],
)  # fmt: skip
def test_what_an_answer_does_not_do_is_said_in_a_warning(
    reader: Visitor, query: str, warned: str | None
) -> None:
    status, headers, body = get(reader, f"/dicomweb/studies?{query}")
    assert status == 200
    assert bool(json.loads(body)) == (query != "limit=0")
    assert (headers.get("warning") or "").startswith(f'299 meridian "{warned}' if warned else "")
    assert bool(headers.get("warning")) == (warned is not None)


def test_fuzzy_matching_hears_a_chinese_name_and_plain_matching_does_not(reader: Visitor) -> None:
    for name in ("wangxiaodong", "wxd", "Wang%5EXiaodong", "%E7%8E%8B%E6%99%93%E5%86%AC"):
        path = f"studies?StudyInstanceUID={STUDY}&PatientName={name}"
        assert len(reader.get(f"/dicomweb/{path}&fuzzymatching=true")) == 1, name
        assert len(reader.get(f"/dicomweb/{path}&fuzzymatching=false")) == ("%5E" in name), name
    assert reader.get("/dicomweb/studies?PatientName=lixd&fuzzymatching=true") == []


def test_an_address_cannot_write_into_an_answer(reader: Visitor) -> None:
    status, _, body = get(reader, "/dicomweb/studies", Host='x","vr":"y\\')
    assert status == 200
    assert all(study["00081190"]["Value"][0].startswith("http://x") for study in json.loads(body))


def test_an_instance_comes_back_as_it_was_sent(site: Site, reader: Visitor) -> None:
    sent = make_ct(study_uid="2.25.20", sop_uid="2.25.20.1", series_uid="2.25.20.9", rows=64, columns=64)
    add(site, [sent])
    status, headers, body = get(reader, "/dicomweb/studies/2.25.20", **AS_STORED)
    ((media, file),) = parts_of(headers, body)
    assert (status, media) == (200, f"application/dicom; transfer-syntax={EXPLICIT}")
    assert int(headers["content-length"]) == len(body)
    assert bytes(read_part10(file).data_set) == sent


def test_a_whole_study_streams_all_instances_in_order(reader: Visitor) -> None:
    _, headers, body = get(reader, f"/dicomweb/studies/{STUDY}/series/{STUDY}.1", **AS_STORED)
    files = [read_part10(file) for _, file in parts_of(headers, body)]
    assert [file.sop_uid for file in files] == [f"{STUDY}.1.{n}" for n in (1, 2, 3)]


def test_an_answer_that_is_known_is_not_sent_again(reader: Visitor) -> None:
    for path in (INSTANCE, f"{INSTANCE}/frames/1", f"{INSTANCE}/metadata", f"{INSTANCE}/rendered"):
        status, headers, body = get(reader, path)
        assert (status, headers["cache-control"]) == (200, "private, no-cache")
        assert body
        status, _, body = get(reader, path, **{"If-None-Match": headers["etag"]})
        assert (status, body) == (304, b"")


def test_a_frame_comes_alone_or_as_a_part(reader: Visitor) -> None:
    pixels = gradient(4, 4)
    status, headers, body = get(
        reader, f"{INSTANCE}/frames/1", Accept="application/octet-stream; transfer-syntax=*"
    )
    assert (status, body) == (200, pixels)
    assert headers["content-type"] == f"application/octet-stream; transfer-syntax={EXPLICIT}"
    _, headers, body = get(
        reader, f"{INSTANCE}/frames/1", Accept='multipart/related; type="application/octet-stream"'
    )
    assert [content for _, content in parts_of(headers, body)] == [pixels]


def test_frames_of_a_cine_come_in_the_order_asked_for(site: Site, reader: Visitor) -> None:
    pixels = b"".join(bytes([n, 0]) * 16 for n in range(1, 6))
    cine = make_ct(
        study_uid="2.25.21", series_uid="2.25.21.1", sop_uid="2.25.21.1.1", pixels=pixels,
        change={0x00280008: ("IS", "5")},
    )  # fmt: skip
    add(site, [cine])
    path = "/dicomweb/studies/2.25.21/series/2.25.21.1/instances/2.25.21.1.1/frames"
    _, headers, body = get(reader, f"{path}/3,1")
    assert [content[0] for _, content in parts_of(headers, body)] == [3, 1]
    for numbers, expected in (("6", 404), ("0", 404), ("x", 422), ("1,", 422)):
        assert get(reader, f"{path}/{numbers}")[0] == expected


@pytest.mark.parametrize("transfer_syntax", [BIG, DEFLATED])
def test_native_frames_are_little_endian_whatever_the_syntax(
    site: Site, reader: Visitor, transfer_syntax: str
) -> None:
    uid = f"2.25.22.{len(transfer_syntax)}"
    add(
        site,
        [make_ct(study_uid=uid, series_uid=f"{uid}.1", sop_uid=f"{uid}.2", transfer_syntax=transfer_syntax)],
        transfer_syntax=transfer_syntax,
    )
    path = f"/dicomweb/studies/{uid}/series/{uid}.1/instances/{uid}.2"
    _, headers, body = get(reader, f"{path}/frames/1", Accept="application/octet-stream")
    assert body == gradient(4, 4)
    assert headers["content-type"].endswith(EXPLICIT)
    assert get(reader, f"{path}/rendered")[1]["content-type"] == "image/jpeg"


def test_metadata_names_pixels_by_an_address_that_gives_them(reader: Visitor) -> None:
    (facts,) = reader.get(f"{INSTANCE}/metadata")
    assert facts["00100010"]["Value"][0]["Ideographic"] == "王^小东"
    uri = facts["7FE00010"]["BulkDataURI"]
    assert get(reader, uri.removeprefix(reader.web))[2] == gradient(4, 4)
    assert get(reader, uri.removeprefix(reader.web) + "/0/0")[0] == 404


@pytest.mark.parametrize(
    ("path", "accept", "status"),
    [
        ("", 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.50', 406),
        ("/frames/1", "image/jp2", 406),
        ("/rendered", "image/gif", 406),
        ("/rendered?window=1", "*/*", 422),
        ("/rendered?window=40,400,cubic", "*/*", 422),
        ("/rendered?quality=0", "*/*", 422),
        ("/metadata", "application/xml", 406),
    ],
)
def test_what_cannot_be_given_is_refused_in_words(
    reader: Visitor, path: str, accept: str, status: int
) -> None:
    answered, _, body = get(reader, INSTANCE + path, Accept=accept)
    assert answered == status
    assert json.loads(body)["error"]["message"].count(".") >= 1


def test_only_the_chosen_content_is_served_unless_another_is_named(site: Site, reader: Visitor) -> None:
    same = {"study_uid": "2.25.23", "series_uid": "2.25.23.1", "sop_uid": "2.25.23.2"}
    first, second = make_ct(**same, description="first"), make_ct(**same, description="second")
    key = add(site, [first])
    add(site, [second])
    path = "/dicomweb/studies/2.25.23/series/2.25.23.1/instances/2.25.23.2"
    assert len(reader.get("/dicomweb/studies/2.25.23/instances")) == 1
    _, headers, body = get(reader, path)
    assert [bytes(read_part10(file).data_set) for _, file in parts_of(headers, body)] == [first]
    other = next(row for row in conflicts_of(site.node.database, key) if row.state == "conflict")
    _, headers, body = get(reader, f"{path}?digest={other.digest}")
    assert [bytes(read_part10(file).data_set) for _, file in parts_of(headers, body)] == [second]
    assert get(reader, f"{path}?digest={'0' * 64}")[0] == 404


def test_a_pack_that_is_missing_is_not_our_mistake(site: Site, reader: Visitor) -> None:
    key = add(site, [make_ct(study_uid="2.25.24", series_uid="2.25.24.1", sop_uid="2.25.24.2")])
    rows = site.node.database.read("SELECT pack FROM instance WHERE study_uid = ?", (key.study_uid,))
    site.node.packs.path(str(rows[0]["pack"])).unlink()
    status, _, body = get(reader, "/dicomweb/studies/2.25.24/metadata")
    assert (status, json.loads(body)["error"]["code"]) == (502, "damaged")


def test_an_answer_that_cannot_be_finished_breaks_off(site: Site, reader: Visitor) -> None:
    for number in (1, 2):
        sop_uid = f"2.25.25.{number}"
        size = {"rows": 1024, "columns": 1024}
        large = make_ct(study_uid="2.25.25", series_uid="2.25.25.9", sop_uid=sop_uid, **size)
        key = add(site, [large])
    sql = "SELECT pack FROM instance WHERE study_uid = ? AND sop_uid = '2.25.25.2'"
    site.node.packs.path(str(site.node.database.read(sql, (key.study_uid,))[0]["pack"])).unlink()
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        get(reader, "/dicomweb/studies/2.25.25")
    assert reader.get("/dicomweb/studies?StudyInstanceUID=2.25.25") != []


@pytest.mark.parametrize("host", [b"h\xc3\xa9", b"h\xff"])
@pytest.mark.parametrize("path", ["/studies/2.25.10", "/studies?limit=1", "/studies/2.25.10/metadata", ""])
def test_a_host_that_no_address_can_hold_is_refused_in_words(
    site: Site, reader: Visitor, path: str, host: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", int(site.web.rpartition(":")[2])), timeout=20) as asking:
        method = b"GET" if path else b"OPTIONS"
        asking.sendall(
            method + f" /dicomweb{path or '/'} HTTP/1.1\r\nAuthorization: Bearer {reader.bearer}\r\n".encode()
            + b"Connection: close\r\nHost: " + host + b"\r\n\r\n"
        )  # fmt: skip
        answer = b"".join(iter(lambda: asking.recv(1 << 16), b""))
    assert answer.startswith(b"HTTP/1.1 400 "), answer[:200]
    assert b"its Host header is not ASCII" in answer


def test_hostile_addresses_get_a_404_and_leave_the_packs_alone(reader: Visitor) -> None:
    for path in (
        "/dicomweb/studies/1.2.3/series/..%2f..%2f/instances/1",
        "/dicomweb/from/..%2f..%2fetc/studies/1.2/metadata",
        "/dicomweb/studies/'%20OR%201=1--/metadata",
        f"/dicomweb/studies/{STUDY}/series/{STUDY}.1/instances/%00",
        f"{INSTANCE}/bulkdata/../../../../../etc/passwd",
    ):
        assert get(reader, path)[0] == 404


def test_an_expert_s_reading_is_kept_in_the_audit_once(site: Site) -> None:
    person = add_quickly(site.node, "viewer", "technician")
    visitor = site.signed_in(person)
    for number in (1, 1):
        get(visitor, f"{INSTANCE}/frames/{number}")
        get(visitor, f"{INSTANCE}/metadata")
    sql = "SELECT act, subject FROM audit WHERE person = ?"
    assert site.node.database.read(sql, (person.id,)) == [
        {"act": "read-images", "subject": f"study/alpha/{STUDY}"}
    ]


@pytest.mark.peer
def test_a_foreign_client_reads_a_real_ct(site: Site, reader: Visitor) -> None:
    from dicomweb_client.api import DICOMwebClient

    paths = sorted((DATA / "o01-chest-ct-lungfcp-0001").glob("*.dcm"))[:4]
    files = [read_part10(path.read_bytes()) for path in paths]
    key = add(site, [bytes(file.data_set) for file in files])
    client = DICOMwebClient(f"{reader.web}/dicomweb", headers={"Authorization": f"Bearer {reader.bearer}"})
    found: list[dict[str, Any]] = client.search_for_instances(key.study_uid)
    assert len(found) == 4
    instances = client.retrieve_study(key.study_uid)
    assert {instance.SOPInstanceUID for instance in instances} == {file.sop_uid for file in files}
    one = instances[0]
    place = {
        "study_instance_uid": key.study_uid,
        "series_instance_uid": one.SeriesInstanceUID,
        "sop_instance_uid": one.SOPInstanceUID,
    }
    assert client.retrieve_instance_metadata(**place)["00280010"]["Value"] == [512]
    (frame,) = client.retrieve_instance_frames(**place, frame_numbers=[1])
    assert frame == one.PixelData
    picture = client.retrieve_instance_rendered(**place, media_types=("image/png",))
    assert picture.startswith(b"\x89PNG")
    assert np.asarray(one.pixel_array).shape == (512, 512)
