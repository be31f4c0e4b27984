"""Corrections as people and programs meet them: over HTTP, at every exit, there and back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

import pytest
from pydicom import dcmread

from node.catalogue.exits import file_pieces
from node.catalogue.search import instances_of
from node.clock import SECOND
from node.store.regions import read_pieces
from ops.verify import verify_part
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.exits import CONVERTED, EXITS, OUTGOING, RETRIEVE, SENDING, Doors, Gives, asked, open_doors
from tests.kit.holding import hold
from tests.kit.http import Answer, Visitor
from tests.kit.instances import BIG, DEFLATED, EXPLICIT, IMPLICIT, make_ct, part10
from tests.kit.parts import parts_of
from tests.kit.site import Site, add_quickly, open_site

A, B = {"issuer": "alpha:his", "id": "A-17"}, {"issuer": "alpha:his", "id": "B-42"}
WANG = {"patient_id": "B-42", "patient_name": "Wang^Wu"}


def ct(study: str, n: int = 1, *, rows: int = 160, **changes: Any) -> bytes:
    return make_ct(
        study_uid=study,
        series_uid=f"{study}.1",
        sop_uid=f"{study}.1.{n}",
        number=n,
        rows=rows,
        columns=rows,
        **changes,
    )


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    clock = FrozenClock()
    node = bare_node(tmp_path, "alpha", clock)
    hold(node, [ct("2.25.1", 1)])
    hold(node, [ct("2.25.1", 2, rows=300, transfer_syntax=IMPLICIT)], transfer_syntax=IMPLICIT)
    clock.advance(SECOND)
    hold(node, [ct("2.25.2", 1, **WANG)])
    clock.advance(SECOND)
    hold(node, [ct("2.25.3", 1, patient_name="Sun^Qi")], origin="centre")
    clock.advance(SECOND)
    with open_site(node) as opened:
        yield opened
    node.close()


@pytest.fixture
def doors(site: Site, technician: Visitor, tmp_path: Path) -> Iterator[Doors]:
    with open_doors(site, technician, tmp_path, "2.25.1") as opened:
        yield opened


def names_of(gives: Gives) -> list[str]:
    return [one.name for one in EXITS if one.gives is gives]


@pytest.fixture
def technician(site: Site) -> Visitor:
    return site.signed_in(add_quickly(site.node, "chen", "technician"))


def merge(technician: Visitor, **more: Any) -> str:
    ask = {"kind": "merge", "patient": A, "to": B, "reason": "Same person", **more}
    preview = technician.post("/api/corrections/preview", ask)
    return str(technician.post("/api/corrections", {**ask, "seen": preview["seen"]})["id"])


def test_after_a_merge_no_exit_gives_the_old_id_and_after_it_is_undone_all_do(
    site: Site, technician: Visitor, doors: Doors
) -> None:
    before = asked(doors, *Gives)
    assert {name: before[name] for name in names_of(Gives.IDS) if before[name] != {"A-17"}} == {}
    merged = merge(technician)
    after = asked(doors, *Gives)
    assert {name: after[name] for name in names_of(Gives.IDS) if after[name] != {"B-42"}} == {}
    assert [name for name in names_of(Gives.LOOKS) if after[name] & before[name]] == []
    assert [name for name in names_of(Gives.ALIKE) if after[name] != before[name]] == []
    assert technician.get("/api/corrections/patients?text=A-17")["items"] == []
    reader = site.program()
    assert reader.get("/dicomweb/studies?PatientID=A-17") == []
    assert len(reader.get("/dicomweb/studies?PatientID=B-42")) == 2
    technician.post(f"/api/corrections/{merged}/undo", {"reason": "Two people"})
    assert asked(doors, *Gives) == before


def test_a_planted_exit_that_forgets_the_overlay_is_caught(technician: Visitor, doors: Doors) -> None:
    """At each exit that reads instances, by its own name."""
    before = asked(doors, Gives.LOOKS)
    merge(technician)
    with patch("node.failpoints._PLANTED", frozenset({"overlay-forgotten"})):
        found = asked(doors, Gives.IDS)
        looks = asked(doors, Gives.LOOKS)
    reading = {one.name for one in EXITS if {RETRIEVE, CONVERTED, SENDING, OUTGOING} & {*one.through}}
    assert {name for name, ids in found.items() if ids != {"B-42"}} == reading | {"file"}
    pictures = {name for name in looks if "picture" in name}
    assert {name for name in looks if looks[name] == before[name]} == pictures


def test_two_hospitals_same_patient_id_are_never_one(site: Site, technician: Visitor) -> None:
    merge(technician)
    reader = site.program()
    (other,) = reader.get("/dicomweb/from/centre/studies")
    assert (other["00100020"]["Value"], other["00100010"]["Value"][0]["Alphabetic"]) == (["A-17"], "Sun^Qi")
    for ask in (
        {"patient": {"issuer": "centre:his", "id": "A-17"}, "to": B},
        {"patient": B, "to": {"issuer": "centre:his", "id": "A-17"}},
    ):
        with pytest.raises(Answer) as answer:
            technician.post("/api/corrections/preview", {"kind": "merge", **ask})
        assert answer.value.status == 403
    own = technician.get("/api/corrections/patient?" + f"issuer={quote('alpha:his')}&id=B-42")
    assert {study["studyUid"] for study in own["studies"]} == {"2.25.1", "2.25.2"}


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG, DEFLATED])
def test_a_corrected_instance_is_read_by_others_in_each_syntax(
    site: Site, technician: Visitor, syntax: str
) -> None:
    data_set = ct("2.25.9", 1, transfer_syntax=syntax, charset="ISO_IR 100", description="Plain")
    key = hold(site.node, [data_set], transfer_syntax=syntax)
    place = f"/api/studies/alpha/{key.study_uid}/corrections"
    technician.post(place, {"kind": "study", "values": {"description": "胸部平扫"}, "reason": "Wrong words"})
    (row,) = instances_of(site.node.database, key)
    file = dcmread(BytesIO(read_pieces(file_pieces(site.node, row))))
    assert (file.StudyDescription, file.SpecificCharacterSet) == ("胸部平扫", "ISO_IR 192")
    assert file.file_meta.TransferSyntaxUID == syntax
    plain = dcmread(BytesIO(part10(data_set, transfer_syntax=syntax)))
    assert file.PixelData == plain.PixelData
    reader = site.program()
    plainly = Visitor(
        reader.web, bearer=reader.bearer, headers={"Accept": 'multipart/related; type="application/dicom"'}
    )
    status, headers, body = plainly.raw("GET", f"/dicomweb/studies/{key.study_uid}")
    assert status == 200
    for _, part in parts_of(headers, body):
        assert dcmread(BytesIO(part)).StudyDescription == "胸部平扫", (
            "written in another syntax as corrected too"
        )
    original = file.OriginalAttributesSequence[0]
    assert original.ModifiedAttributesSequence[0].StudyDescription == "Plain"
    assert original.ModifyingSystem == "alpha"


def test_an_answer_that_a_browser_kept_is_another_one_after_a_correction(
    site: Site, technician: Visitor
) -> None:
    reader = site.program()
    _, headers, _ = reader.raw("GET", "/dicomweb/studies/2.25.1/metadata")
    known = Visitor(reader.web, bearer=reader.bearer, headers={"If-None-Match": headers["etag"]})
    assert known.raw("GET", "/dicomweb/studies/2.25.1/metadata")[0] == 304
    merge(technician)
    assert known.raw("GET", "/dicomweb/studies/2.25.1/metadata")[0] == 200


def test_a_study_that_was_moved_and_is_sent_again_under_the_right_patient_is_no_conflict(
    site: Site, technician: Visitor, doors: Doors
) -> None:
    place = "/api/studies/alpha/2.25.1/corrections"
    technician.post(place, {"kind": "move", "patient": B, "reason": "Wrong patient on the worklist"})
    site.node.clock.advance(SECOND)  # type: ignore[attr-defined]  # the test's own clock
    hold(site.node, [ct("2.25.1", 1, **WANG), ct("2.25.1", 2, rows=300, **WANG)])
    page = technician.get("/api/studies/alpha/2.25.1")
    assert (page["study"]["patientId"], page["study"]["conflict"], page["conflicts"]) == ("B-42", 0, [])
    assert {name: ids for name, ids in asked(doors, Gives.IDS).items() if ids != {"B-42"}} == {}


def test_whose_study_it_is_is_chosen_and_instances_of_somebody_else_are_rejected(
    site: Site, technician: Visitor
) -> None:
    site.node.clock.advance(SECOND)  # type: ignore[attr-defined]  # the test's own clock
    hold(site.node, [ct("2.25.1", 3, **WANG)])
    place = "/api/studies/alpha/2.25.1/corrections"
    assert technician.get("/api/studies/alpha/2.25.1")["study"]["conflict"] == 2
    assert len(technician.get(place)["patients"]) == 2
    assert technician.get("/api/corrections")["conflicts"][0]["studyUid"] == "2.25.1"
    ask = {"kind": "identity", "patient": A, "others": "reject", "reason": "One slice is another's"}
    assert technician.post(f"{place}/preview", ask)["others"] == 1
    technician.post(place, ask)
    study = technician.get("/api/studies/alpha/2.25.1")["study"]
    assert (study["conflict"], study["patientId"], study["instances"]) == (0, "A-17", 2)
    assert len(site.program().get("/dicomweb/studies/2.25.1/instances")) == 2


def test_both_sides_of_a_conflict_are_shown_and_one_is_chosen(site: Site, technician: Visitor) -> None:
    site.node.clock.advance(SECOND)  # type: ignore[attr-defined]  # the test's own clock
    hold(site.node, [ct("2.25.1", 1, description="Another")], calling="CT2")
    place = "/api/studies/alpha/2.25.1/corrections"
    first, second = technician.get(place)["contents"]
    assert [(one["device"], one["description"], one["state"]) for one in (first, second)] == [
        ("CT1", "Chest", "chosen"),
        ("CT2", "Another", "conflict"),
    ]
    instance = "/dicomweb/studies/2.25.1/series/2.25.1.1/instances/2.25.1.1.1"
    for one in (first, second):
        status, headers, _ = technician.raw("GET", f"{instance}/rendered?digest={one['digest']}")
        assert (status, headers["content-type"]) == (200, "image/jpeg")
    technician.post(
        place,
        {"kind": "choose", "sopUids": [second["sopUid"]], "chosen": second["digest"], "reason": "Newer"},
    )
    assert technician.get("/api/studies/alpha/2.25.1")["study"]["conflict"] == 0
    (metadata,) = technician.get(f"{instance}/metadata")
    assert metadata["00081030"]["Value"] == ["Another"]


def test_delete_rejects_at_each_level_and_whoever_may_restores(site: Site, technician: Visitor) -> None:
    reader, study = site.program(), "/dicomweb/studies/2.25.1"
    with pytest.raises(Answer) as answer:
        reader.call("DELETE", study)
    assert answer.value.status in (401, 403)
    technician.call("DELETE", f"{study}/series/2.25.1.1/instances/2.25.1.1.2?reason=113037")
    assert len(reader.get(f"{study}/instances")) == 1
    technician.call("DELETE", study)
    assert reader.get("/dicomweb/studies?StudyInstanceUID=2.25.1") == []
    assert reader.raw("GET", study)[0] == 404
    assert reader.raw("GET", f"{study}/series/2.25.1.1/instances/2.25.1.1.1/rendered")[0] == 404
    assert technician.raw("DELETE", study)[0] == 404
    listed = technician.get("/api/corrections")
    assert [one["studyUid"] for one in listed["rejected"]] == ["2.25.1"]
    assert [one["code"] for one in listed["items"]] == ["113001", "113037"]
    for one in listed["items"]:
        technician.post(f"/api/corrections/{one['id']}/undo", {"reason": "Still needed"})
    assert len(reader.get(f"{study}/instances")) == 2
    with pytest.raises(Answer) as refused:
        technician.call("DELETE", f"{study}?reason=1")
    assert refused.value.status == 422


def test_the_story_tells_who_corrected_what(site: Site, technician: Visitor) -> None:
    merged = merge(technician)
    technician.post(f"/api/corrections/{merged}/undo", {"reason": "Two people"})
    technician.post(
        "/api/studies/alpha/2.25.1/corrections",
        {"kind": "reject", "code": "113001", "reason": "Motion"},
    )
    events = technician.get("/api/studies/alpha/2.25.1/story")["events"]
    told = [(one["what"], one["who"]) for one in events if one["who"] == "Chen"]
    assert told == [("merged", "Chen"), ("unmerged", "Chen"), ("rejected", "Chen")]
    acts = site.node.database.read("SELECT act, person FROM audit WHERE act NOT IN ('read-images')")
    assert {row["act"] for row in acts} >= {"merge-patients", "undo-correction", "reject-instances"}


def test_verify_holds_what_is_shown_against_its_corrections(site: Site, technician: Visitor) -> None:
    merge(technician)
    technician.call("DELETE", "/dicomweb/studies/2.25.1/series/2.25.1.1/instances/2.25.1.1.2")
    assert [*verify_part(site.node, "corrections"), *verify_part(site.node, "studies")] == []
    for damage in (
        "UPDATE study SET patient_id = 'A-17' WHERE study_uid = '2.25.1'",
        "UPDATE online_instance SET state = 'chosen' WHERE state = 'rejected'",
        "UPDATE overlay SET body = '{}'",
        "DELETE FROM study_correction",
    ):
        kept = site.node.state / "kept.db"
        with sqlite3.connect(site.node.state / "meridian.db") as database:
            database.execute(f"VACUUM INTO '{kept}'")
            database.execute(damage)
        assert list(verify_part(site.node, "corrections")) != [], damage
        with sqlite3.connect(kept) as before, sqlite3.connect(site.node.state / "meridian.db") as database:
            before.backup(database)
        kept.unlink()
    assert list(verify_part(site.node, "corrections")) == []
