"""Who a study's patient is, and when two instances speak of two people.

Merging two people is the worst this system can do, so whatever is in doubt
joins nothing: an ID that is empty or a placeholder keys its study alone, an
empty accession number joins no study, and an issuer is always that of one node.
A study that stays apart can be joined by a person; merged ones cannot be told
apart again.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

from node.dicom.attributes import StudyAttributes
from node.names import Accession, NodeId, PatientKey

_WORDS = """
anon anonymous anonymized anonymised deidentified dummy emergency id na nil no noid none nopatientid notassigned
null patient patientid qa qc service temp temporary test tbd trauma unassigned unidentified unk unknown
unknownpatient undefined xxx 123 1234 12345 123456 1234567 12345678 123456789
无 无名 无名氏 未知 不详 匿名 测试 急诊 空
"""
_PLACEHOLDERS = frozenset(_WORDS.split())
"""What people and devices write where they have no Patient ID; compared without case, spaces and punctuation."""
_FILLERS = re.compile(r"[0xX#?*._\-/\\ ]*|9{3,}")
_ISSUER_FORBIDDEN = re.compile(r"[\x00-\x1f]")
_DEFAULT_BIRTH_DATES = frozenset({"18000101", "18581117", "19000101", "19700101", "00010101"})
_NAMELESS = _PLACEHOLDERS | {"name", "patientname", "noname", "unnamed", "姓名"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuers:
    """What the door knew of who issues Patient IDs and accession numbers."""

    given: str
    """By the admission rule, or by the peer that sent the study."""
    trusted: bool
    """Whether Issuer of Patient ID in the instance itself counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """A patient as one instance gives her; ``key`` joins, the rest is for comparing."""

    key: PatientKey
    name: str
    birth_date: str
    sex: str


@lru_cache(maxsize=256)
def is_placeholder(patient_id: str) -> bool:
    """Say whether a Patient ID names nobody."""
    plain = _plain(patient_id)
    return bool(_FILLERS.fullmatch(patient_id.strip())) or not plain or plain in _PLACEHOLDERS


def patient_of(study: StudyAttributes, issuers: Issuers, *, origin: NodeId) -> Patient:
    """Give the patient an instance speaks of.

    An ID that names nobody gets an issuer of its own, so that its key equals no other study's.

    Source: DICOM PS3.3 C.7.1.1, C.2.3 (Issuer of Patient ID); IHE RAD TF-1 4.
    """
    if is_placeholder(study.patient_id):
        issuer = f"{origin}:study/{study.study_uid}"
    else:
        issuer = issuer_of(study, issuers, origin=origin)
    return Patient(
        key=PatientKey(issuer=issuer, id=study.patient_id),
        name=study.patient_name,
        birth_date=study.birth_date,
        sex=study.sex,
    )


def issuer_of(study: StudyAttributes, issuers: Issuers, *, origin: NodeId) -> str:
    """Give who issued an instance's numbers, as ``NODE:ISSUER``; a node's own are ``NODE:``."""
    return issuer_named(study.issuer, issuers, origin=origin)


def issuer_named(name: str, issuers: Issuers, *, origin: NodeId) -> str:
    """Give who issued numbers of which this name of an issuer is said; empty: none is."""
    said = name if issuers.trusted and name else issuers.given
    said = _ISSUER_FORBIDDEN.sub("", said).strip()
    return said if said.startswith(f"{origin}:") else f"{origin}:{said}"


def accession_of(study: StudyAttributes, issuers: Issuers, *, origin: NodeId) -> Accession:
    """Give an instance's accession number with its issuer; an empty one has none, and joins nothing."""
    if not study.accession:
        return Accession(issuer="", number="")
    given = Issuers(given=issuers.given, trusted=False)  # (0010,0021) speaks of patients only
    return Accession(issuer=issuer_of(study, given, origin=origin), number=study.accession)


def differ(one: Patient, other: Patient) -> bool:
    """Say whether two instances of a study speak of different people.

    What one of them leaves out, or fills with a placeholder, contradicts nothing. A name may be written in two
    scripts, in another order or with other separators.
    """
    if not (is_placeholder(one.key.id) or is_placeholder(other.key.id)):
        if one.key.id != other.key.id:
            return True
        issuers = {_issuer_said(one), _issuer_said(other)} - {""}
        if len(issuers) > 1:
            return True
    birth_dates = {one.birth_date, other.birth_date} - _DEFAULT_BIRTH_DATES
    if len({date for date in birth_dates if len(date) == 8 and date.isdecimal()}) > 1:
        return True
    if {one.sex.upper(), other.sex.upper()} == {"M", "F"}:
        return True
    return _names_differ(one.name, other.name)


def any_differ(patients: list[Patient]) -> bool:
    """Say whether a study's instances disagree about the patient."""
    return any(differ(one, other) for one, other in combinations(patients, 2))


def _issuer_said(patient: Patient) -> str:
    return patient.key.issuer.partition(":")[2]


def _names_differ(one: str, other: str) -> bool:
    first, second = _by_script(one), _by_script(other)
    return any(not (first[script] & second[script]) for script in first.keys() & second.keys())


def _by_script(name: str) -> dict[str, set[str]]:
    """Give the ways in which a name may equal another, for each script it is written in.

    Source: DICOM PS3.5 6.2.1.1 (a PN's groups and components; the last two are titles).
    """
    found: dict[str, set[str]] = {}
    for n, group in enumerate(name.split("=")[:3]):
        words = [word for word in re.split(r"[\^\s,]+", "^".join(group.split("^")[:3])) if _plain(word)]
        plain = [_plain(word) for word in words]
        joined = "".join(plain)
        if not joined or joined in _NAMELESS or "\ufffd" in group:
            continue
        script = (
            "phonetic" if n == 2 else "ideographic" if any(ch >= "\u2e80" for ch in joined) else "alphabetic"
        )
        found[script] = {joined, "".join(sorted(plain))}
    return found


def _plain(text: str) -> str:
    """Take away what two writers may do differently: case, width, accents stay, separators go."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(ch for ch in folded if ch.isalnum())
