"""Corrections as facts: who became whom, what a study says now, what is rejected and chosen.

A fact is one event and one row of table ``correction``; its words, which name
people, stand in a text that both name by digest. A fact that was undone stays,
and counts no more. Facts count in the order they were made.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Literal

import msgspec

from node.canonical import canonical_json
from node.catalogue.identity import Patient
from node.catalogue.visibility import Condition
from node.clock import Micros
from node.database.port import Database, Statement, Value, convert_row, text
from node.errors import Damaged
from node.failpoints import planted
from node.names import Cause, Digest, NodeId, PatientKey, StudyKey, StudyUID

Kind = Literal["merge", "patient", "move", "study", "series", "reject", "choose", "note"]
"""``note``: a rejection that a device sent as a Key Object Selection."""
OF_PATIENTS = ("merge", "patient")
STUDY_VALUES = ("accession", "description", "study_date", "study_time")
SERIES_VALUES = ("modality", "description", "body_part", "laterality")


class PatientChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What becomes of a patient's attributes; None: as it was."""

    issuer: str | None = None
    id: str | None = None
    name: str | None = None
    birth_date: str | None = None
    sex: str | None = None

    def on(self, patient: Patient) -> Patient:
        """Give the patient as changed."""
        return Patient(
            key=PatientKey(
                issuer=_either(self.issuer, patient.key.issuer), id=_either(self.id, patient.key.id)
            ),
            name=_either(self.name, patient.name),
            birth_date=_either(self.birth_date, patient.birth_date),
            sex=_either(self.sex, patient.sex),
        )

    def then(self, later: PatientChange) -> PatientChange:
        """Give both, one after the other."""
        names = self.__struct_fields__
        return PatientChange(
            **{
                name: getattr(self, name) if getattr(later, name) is None else getattr(later, name)
                for name in names
            }
        )


class Words(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a fact says, kept as a text: it names people.

    With its event it holds all of the fact's row, and alone it says which studies a fact is about: its file is
    synced before the event is written, so a correction that was lost with the database has left its text. Texts of
    earlier versions lack what stands from ``correction`` on.
    """

    patient: PatientChange | None = None
    values: dict[str, str] = {}
    """Of a study or series, by column."""
    sop_uids: tuple[str, ...] = ()
    """Empty: the whole series, or study."""
    chosen: str = ""
    """The digest of the content that is right."""
    reason: str = ""
    """As the person wrote it."""
    by: str = ""
    """The person's name, or the device."""
    correction: str = ""
    """The fact's id."""
    study: str = ""
    """Its subject; empty for facts of patients."""
    about: tuple[str, str] | None = None
    """Issuer and Patient ID of whom a fact of patients is about."""
    person: str = ""
    """Her id; empty for a device."""
    at: Micros = 0
    """When the fact was made, or undone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionRow:
    """One row of table ``correction``."""

    id: str
    n: int
    """Its place among all facts; 0 before it is kept."""
    kind: Kind
    origin: NodeId
    study_uid: str
    """Empty for facts of patients."""
    series_uid: str
    patient_issuer: str
    patient_id: str
    """Whom a fact of patients is about."""
    words: Digest
    code: str
    """Why instances are rejected: a code of CID 7011."""
    person: str
    at: Micros
    undone_at: Micros | None
    undone_by: str
    undone_words: str
    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A fact with its words."""

    row: CorrectionRow
    words: Words

    @property
    def patient(self) -> PatientKey:
        return PatientKey(issuer=self.row.patient_issuer, id=self.row.patient_id)

    @property
    def study(self) -> StudyKey:
        return StudyKey(origin=self.row.origin, study_uid=StudyUID(self.row.study_uid))


_COLUMNS = tuple(field.name for field in fields(CorrectionRow))
_BY_PATIENT = (
    # CROSS JOIN and INDEXED BY are SQLite's words for: a lookup for each key asked about, not a look at every fact.
    "json_each(?) AS asked CROSS JOIN correction INDEXED BY correction_patient"
    " ON correction.patient_issuer = asked.value ->> 0 AND correction.patient_id = asked.value ->> 1"
    " AND correction.study_uid = ''"
)
_ROWS = f"{', '.join(f'correction.{name}' for name in _COLUMNS)}, text.body"


def facts_of_study(
    database: Database, key: StudyKey, patients: Iterable[PatientKey]
) -> tuple[Correction, ...]:
    """Give the standing facts that bear on a study whose instances speak of some patients, in their order.

    Who a patient became may have become somebody else again: that is followed.
    """
    found = {
        fact.row.id: fact
        for fact in _read(
            database, "correction.origin = ? AND correction.study_uid = ?", (key.origin, key.study_uid)
        )
    }
    seen: set[PatientKey] = set()
    wanted = {*patients, *_became(found.values(), patients)}
    while wanted - seen:
        asked = wanted - seen
        seen |= asked
        more = _of_patients(database, key.origin, asked)
        found.update((fact.row.id, fact) for fact in more)
        wanted |= _became(found.values(), seen)
    return tuple(sorted(found.values(), key=lambda fact: fact.row.n))


def has_facts(database: Database, key: StudyKey, patients: Iterable[PatientKey]) -> bool:
    """Say whether any fact bears on a study: cheap, since most studies have none."""
    return bool(
        database.read(
            "SELECT 1 AS one FROM correction WHERE undone_at IS NULL AND origin = ? AND study_uid = ? UNION ALL"
            f" SELECT 1 FROM {_BY_PATIENT} WHERE correction.undone_at IS NULL AND correction.origin = ? LIMIT 1",
            (key.origin, key.study_uid, _listed(patients), key.origin),
        )
    )


def peek_fact(database: Database, id_: str) -> Correction | None:
    """Give a fact by its id, whether it stands or was undone."""
    found = _read(database, "correction.id = ?", (id_,), standing=False)
    return found[0] if found else None


def facts_applied_to(database: Database, key: StudyKey) -> list[Correction]:
    """Give all facts about a study itself, and those of patients that count for it; the newest first."""
    return _read(
        database,
        "(correction.origin = ? AND correction.study_uid = ?) OR correction.id IN"
        " (SELECT correction FROM study_correction WHERE origin = ? AND study_uid = ?)",
        (key.origin, key.study_uid, key.origin, key.study_uid),
        standing=False,
        newest=True,
    )


def newest_facts(database: Database, origin: NodeId, *, limit: int = 100) -> list[Correction]:
    """Give the newest facts of an origin."""
    return _read(database, "correction.origin = ?", (origin,), standing=False, newest=True, limit=limit)


def insert_fact(row: CorrectionRow, *, guard: Condition = ("1 = 1", ())) -> Statement:
    """Give the statement that keeps a fact, if a condition holds when it is written."""
    where, params = guard
    given = [name for name in _COLUMNS if name != "n"]
    return Statement(
        f"INSERT INTO correction ({', '.join(given)}, n) SELECT {', '.join('?' * len(given))},"
        f" (SELECT coalesce(max(n), 0) + 1 FROM correction) WHERE {where}",
        (*(getattr(row, name) for name in given), *params),
        expect=1,
        refusal="Correcting was refused: studies of this patient came or changed meanwhile. Look again, then repeat it.",
    )


def encode_words(words: Words) -> str:
    """Write a fact's words as the text that is kept."""
    return canonical_json(msgspec.to_builtins(words))


def _became(facts: Iterable[Correction], patients: Iterable[PatientKey]) -> set[PatientKey]:
    """Give every key that the facts may make of some keys; more than they do does no harm."""
    keys = set(patients)
    for fact in facts:
        change = fact.words.patient
        if change is not None and (change.id is not None or change.issuer is not None):
            issuers = {key.issuer for key in keys} if change.issuer is None else {change.issuer}
            ids = {key.id for key in keys} if change.id is None else {change.id}
            keys |= {PatientKey(issuer=issuer, id=id_) for issuer in issuers for id_ in ids}
    return keys


def _of_patients(database: Database, origin: NodeId, keys: Iterable[PatientKey]) -> list[Correction]:
    if planted("merge-by-bare-id"):
        where = "correction.patient_id IN (SELECT value ->> 1 FROM json_each(?))"
        return _read(database, f"correction.study_uid = '' AND {where}", (_listed(keys),))
    return _read(database, "correction.origin = ?", (_listed(keys), origin), source=_BY_PATIENT)


def _listed(keys: Iterable[PatientKey]) -> str:
    return canonical_json(sorted([key.issuer, key.id] for key in set(keys)))


def _read(
    database: Database,
    where: str,
    params: tuple[Value, ...],
    *,
    source: str = "correction",
    standing: bool = True,
    newest: bool = False,
    limit: int = 10_000,
) -> list[Correction]:
    stands = " AND correction.undone_at IS NULL" if standing else ""
    order = "DESC" if newest else "ASC"
    named = "text ON text.digest = correction.words"
    sql = f"SELECT {_ROWS} FROM {source} JOIN {named} WHERE ({where}){stands} ORDER BY correction.n {order} LIMIT ?"
    try:
        return [
            Correction(
                row=convert_row({name: row[name] for name in _COLUMNS}, CorrectionRow),
                words=msgspec.json.decode(text(row, "body").encode(), type=Words),
            )
            for row in database.read(sql, (*params, limit))
        ]
    except msgspec.DecodeError as error:
        raise Damaged(
            "Reading a correction failed: its words are not what they were. Run 'meridian verify'."
        ) from error


def _either(new: str | None, old: str) -> str:
    return old if new is None else new
