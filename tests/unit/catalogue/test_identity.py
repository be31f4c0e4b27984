"""Two people are never one, and one person with two spellings is not a false alarm."""

from __future__ import annotations

from dataclasses import replace

import pytest

from node.catalogue.identity import (
    Issuers,
    Patient,
    accession_of,
    any_differ,
    differ,
    is_placeholder,
    patient_of,
)
from node.dicom.attributes import StudyAttributes, read_attributes
from node.dicom.header import scan
from node.names import NodeId, PatientKey
from tests.kit.instances import EXPLICIT, Value, make_ct

ALPHA = NodeId("alpha")
HIS = Issuers(given="HIS", trusted=False)


def study(
    *, study_uid: str = "2.25.1", patient_id: str = "A-17", accession: str = "", issuer: str = ""
) -> StudyAttributes:
    change: dict[int, tuple[str, Value] | None] = {0x00100021: ("LO", issuer)} if issuer else {}
    data = make_ct(
        study_uid=study_uid, patient_id=patient_id, accession=accession, python_charset="utf-8", change=change
    )
    return read_attributes(scan(data, EXPLICIT)).study


def patient(
    name: str = "Zhang^San",
    *,
    id: str = "A-17",
    issuer: str = "alpha:HIS",
    born: str = "19610405",
    sex: str = "M",
) -> Patient:
    return Patient(key=PatientKey(issuer=issuer, id=id), name=name, birth_date=born, sex=sex)


@pytest.mark.parametrize(
    "text",
    ["", " ", "0", "000000", "UNKNOWN", "unknown", "Anonymous", "N/A", "n.a.", "none", "NULL", "?", "---", "XXXX", "9999", "123456",
     "PATIENT ID", "No Patient ID", "TEST", "无名氏", "未知", "匿名", "无"],
)  # fmt: skip
def test_what_people_write_for_nobody_is_a_placeholder(text: str) -> None:
    assert is_placeholder(text)


@pytest.mark.parametrize(
    "text",
    ["A-17", "7", "19", "1000", "00123", "P0000042", "330106196104050017", "TEST-17", "90001", "张三01"],
)
def test_what_may_be_a_number_of_somebody_is_none(text: str) -> None:
    assert not is_placeholder(text)


@pytest.mark.parametrize("text", ["", "UNKNOWN", "000000"])
def test_nobodys_studies_are_never_joined(text: str) -> None:
    first, second = (
        patient_of(study(study_uid=uid, patient_id=text), HIS, origin=ALPHA) for uid in ("2.25.1", "2.25.2")
    )
    assert first.key != second.key
    assert first.key.id == text


def test_two_nodes_that_number_alike_have_two_patients() -> None:
    keys = {patient_of(study(), HIS, origin=NodeId(origin)).key for origin in ("alpha", "beta")}
    assert len(keys) == 2
    assert {key.issuer for key in keys} == {"alpha:HIS", "beta:HIS"}


def test_issuer_in_the_instance_counts_only_where_the_rule_trusts_it() -> None:
    given = study(issuer="CITY")
    assert patient_of(given, HIS, origin=ALPHA).key.issuer == "alpha:HIS"
    assert patient_of(given, Issuers(given="HIS", trusted=True), origin=ALPHA).key.issuer == "alpha:CITY"
    assert patient_of(study(), Issuers(given="HIS", trusted=True), origin=ALPHA).key.issuer == "alpha:HIS"


def test_no_issuer_can_pretend_to_be_another_nodes() -> None:
    trusted = Issuers(given="", trusted=True)
    assert patient_of(study(issuer="beta:HIS"), trusted, origin=ALPHA).key.issuer == "alpha:beta:HIS"


def test_issuer_that_a_peer_sent_with_its_prefix_is_not_prefixed_again() -> None:
    assert (
        patient_of(study(), Issuers(given="alpha:HIS", trusted=False), origin=ALPHA).key.issuer == "alpha:HIS"
    )


def test_empty_accession_number_has_no_issuer_to_join_by() -> None:
    assert accession_of(study(), HIS, origin=ALPHA).issuer == ""
    full = accession_of(
        study(accession="ACC7", issuer="CITY"), Issuers(given="HIS", trusted=True), origin=ALPHA
    )
    assert (full.issuer, full.number) == ("alpha:HIS", "ACC7")


@pytest.mark.parametrize(
    "other",
    [
        patient(id="A-18"),
        patient(id="a-17"),
        patient(id="A-017"),
        patient(issuer="alpha:LAB"),
        patient(born="19610504"),
        patient(sex="F"),
        patient("Li^Si"),
        patient("Zhang^Sanfeng"),
        patient("Zhang^Wei"),
    ],
    ids=lambda p: f"{p.key.id} {p.name} {p.sex} {p.birth_date} {p.key.issuer}",
)
def test_another_person_is_noticed(other: Patient) -> None:
    assert differ(patient(), other)
    assert differ(other, patient())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Zhang^San", "ZHANG^SAN"),
        ("Zhang^San", "Zhang San"),
        ("Zhang^San", "Zhang,San"),
        ("Zhang^San", "ZhangSan"),
        ("Zhang^San", "San^Zhang"),
        ("Zhang^San", "Zhang^San^^^Dr"),
        ("Zhang^San", "张^三"),
        ("Zhang^San=张^三", "张三"),
        ("Zhang^San=张^三", "张 三=Zhang^San"),
        ("ＺＨＡＮＧ^ＳＡＮ", "Zhang^San"),
        ("O'Neill^Ann", "ONEILL^ANN"),
        ("Zhang^San", ""),
        ("Zhang^San", "^"),
        ("Zhang^San", "ANONYMOUS"),
        ("张^\ufffd", "张^三"),
    ],
)
def test_one_person_written_two_ways_is_no_alarm(one: str, other: str) -> None:
    assert not differ(patient(one), patient(other))
    assert not differ(patient(other), patient(one))


def test_chinese_names_are_compared_with_chinese_ones() -> None:
    assert differ(patient("Zhang^San=张^三"), patient("Zhang^San=张^山"))
    assert differ(patient("张三"), patient("Zhang^San=李^四"))


def test_what_one_instance_leaves_out_contradicts_nothing() -> None:
    silent = Patient(key=PatientKey(issuer="alpha:study/2.25.1", id=""), name="", birth_date="", sex="")
    assert not differ(patient(), silent)
    assert not differ(patient(), patient(issuer="alpha:"))
    assert not differ(patient(), patient(born="19000101"))
    assert not differ(patient(), patient(sex="O"))
    assert differ(replace(silent, name="Li^Si"), patient())


def test_two_who_differ_are_found_among_many() -> None:
    silent = Patient(key=PatientKey(issuer="alpha:study/2.25.1", id=""), name="", birth_date="", sex="")
    assert not any_differ([patient(), silent, patient("张^三")])
    assert any_differ([patient("Zhang^San=张^三"), silent, patient("李^四")])
