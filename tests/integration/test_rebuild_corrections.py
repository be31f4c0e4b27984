"""An index is written again where corrections or their texts are lost: the studies that they may be about are marked, and no others."""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec

from federation.correction_arrivals import apply_study_corrected_there
from federation.messages import AnnouncedStudy, Received, StudyCorrectedThere
from node.canonical import digest_of
from node.catalogue.correction_drafts import draft_merge, draft_rejection
from node.catalogue.correction_facts import PatientChange, Words
from node.catalogue.corrections import make_correction
from node.catalogue.overlays import Overlay, encode_overlay
from node.catalogue.search import get_study
from node.clock import SECOND
from node.names import Cause, NodeId, StudyKey, StudyUID
from node.node import Node
from tests.kit.clock import NOON
from tests.kit.instances import CT_IMAGE, file_meta
from tests.kit.lost_index import (
    TickingClock,
    differences,
    export_of,
    key,
    lose_database,
    opened,
    patient,
    rebuilt,
    seal,
    slice_,
    until_of,
)
from tests.kit.merging import ingest
from tests.kit.people import TECHNICIAN
from tests.kit.registering import facts


def test_a_correction_that_no_block_held_marks_its_study_and_no_other(
    state: Path, clock: TickingClock
) -> None:
    node = opened(state, clock)
    make_correction(node, TECHNICIAN, draft_rejection(node, key(3)), reason="Blurred")
    node.close()
    lose_database(state)
    done = rebuilt(state, clock)
    node = opened(state, clock)
    assert {uid for uid, until in until_of(node).items() if until is not None} == {"2.25.3"}
    node.close()
    assert done.doubt.marked == 1


def test_a_merge_that_no_block_held_marks_the_patient_s_studies(state: Path, clock: TickingClock) -> None:
    node = opened(state, clock)
    make_correction(node, TECHNICIAN, draft_merge(node, patient("F-1"), patient("D-1")), reason="Same")
    node.close()
    lose_database(state)
    rebuilt(state, clock)
    node = opened(state, clock)
    assert {uid for uid, until in until_of(node).items() if until is not None} == {"2.25.7", "2.25.8"}
    node.close()


def test_a_fact_of_an_earlier_version_marks_the_studies_it_touched(state: Path, clock: TickingClock) -> None:
    """Texts of earlier versions do not say of whom a merge is: the fact is kept, counts for nobody, and that is said."""
    lose_database(state)
    for path in (state / "texts").glob("??/*.txt"):
        words = json.loads(path.read_text())
        if words.get("about") == ["alpha:HIS", "A-17"]:
            path.unlink()  # an erased text lacks as much
    rebuilt(state, clock)
    node = opened(state, clock)
    marked = {uid for uid, until in until_of(node).items() if until is not None}
    assert marked == {"2.25.1", "2.25.2", "2.25.10", "2.25.11"}
    assert get_study(node.database, key(1)).patient_id == "A-17"
    assert node.database.read("SELECT 1 AS one FROM correction WHERE kind = 'merge' AND patient_id = ''")
    node.close()


def test_words_without_their_patient_are_read_and_lack_only_that() -> None:
    words = msgspec.json.decode(b'{"by":"Chen","patient":{"id":"B-42"},"reason":"Same"}', type=Words)
    assert (words.about, words.person, words.at, words.by) == (None, "", 0, "Chen")


def test_a_lost_correction_that_does_not_say_what_it_is_about_marks_all(
    state: Path, clock: TickingClock
) -> None:
    words = '{"by":"Chen","reason":"Blurred","sop_uids":["2.25.3.1.1"]}'  # as earlier versions wrote them
    path = state / "texts" / digest_of(words)[:2] / f"{digest_of(words)}.txt"
    path.parent.mkdir(exist_ok=True)
    path.write_text(words)
    os.utime(path, (clock.now() / SECOND,) * 2)
    lose_database(state)
    done = rebuilt(state, clock)
    assert done.doubt.marked == 12
    assert "does not say what it is about" in done.doubt.why[0]


def test_a_text_of_a_correction_that_came_to_nothing_long_ago_marks_nothing(
    state: Path, clock: TickingClock
) -> None:
    words = f'{{"at":{NOON},"by":"Chen","reason":"Blurred","study":"study/alpha/2.25.3"}}'
    path = state / "texts" / digest_of(words)[:2] / f"{digest_of(words)}.txt"
    path.parent.mkdir(exist_ok=True)
    path.write_text(words)
    lose_database(state)
    assert rebuilt(state, clock).doubt.marked == 0


BETA = NodeId("beta")


OF_BETA = StudyKey(origin=BETA, study_uid=StudyUID("2.25.50"))


def tell(node: Node, overlay: Overlay) -> None:
    """Let beta tell what it corrected of its study."""
    words = AnnouncedStudy(
        study_uid="2.25.50", patient_issuer="beta:HIS", patient_id="Z-1", patient_name="He^Jiu", sex="F", birth_date="",
        age="", study_date="", study_time="", accession_issuer="", accession="", description="", referring_physician="",
        modalities="[]", body_parts="[]", department="", series_count=1, instance_count=1, bytes=1, first_at=1, last_at=1,
    )  # fmt: skip
    message = StudyCorrectedThere(origin="beta", study=words, series=(), overlay=encode_overlay(overlay)[1])
    received = Received(sender=BETA, cause=Cause(node.new_id()), at=node.now())
    node.write(apply_study_corrected_there(node, received, message))


def peer_s(state: Path, clock: TickingClock) -> None:
    """Let an instance of beta come, corrected there."""
    node = opened(state, clock)
    given = facts(
        node, study_uid="2.25.50", door="peer", origin=BETA, cause=Cause(node.new_id()), issuer="HIS"
    )
    data_set = slice_(50, 1, patient_id="Z-1", patient_name="He^Jiu")
    writer = node.packs.open_writer(study_uid="2.25.50", cause=given.cause)
    writer.append(
        given,
        sop_class=CT_IMAGE,
        sop_uid="2.25.50.1.1",
        file_meta=file_meta(sop_uid="2.25.50.1.1"),
        data_set=data_set,
    )
    writer.close()
    ingest(node)
    tell(node, Overlay(patients={"*": PatientChange(name="He^Shi")}, at=node.now()))
    seal(node, clock)
    node.close()


def test_a_peer_s_study_shows_what_its_origin_told(state: Path, clock: TickingClock) -> None:
    peer_s(state, clock)
    before = export_of(state, clock)
    lose_database(state)
    done = rebuilt(state, clock)
    assert differences(before, export_of(state, clock)) == []
    node = opened(state, clock)
    assert get_study(node.database, OF_BETA).patient_name == "He^Shi"
    node.close()
    assert done.doubt.marked == 0


def test_a_peer_s_study_whose_told_corrections_have_no_text_is_marked(
    state: Path, clock: TickingClock
) -> None:
    peer_s(state, clock)
    for path in (state / "texts").glob("??/*.txt"):
        if '"patients":{"*"' in path.read_text():
            path.unlink()
    lose_database(state)
    rebuilt(state, clock)
    node = opened(state, clock)
    assert {uid for uid, until in until_of(node).items() if until is not None} == {"2.25.50"}
    node.close()
