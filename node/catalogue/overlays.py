"""What the standing corrections of one study come to: its overlay, one row that exits and registration read.

The row is derived from facts and never edited by hand: undoing a fact
derives it anew. A peer's study has the overlay that its origin told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import msgspec

from node.canonical import canonical_json, digest_of
from node.catalogue.correction_facts import PatientChange
from node.catalogue.identity import Patient
from node.catalogue.search import InstanceRow, SeriesRow, StudyRow
from node.clock import Micros
from node.database.port import Database, Statement, text
from node.errors import Damaged
from node.names import Digest, NodeId, PatientKey, StudyKey

EVERY = "*"
"""Whatever patient an instance speaks of."""
PATIENT_ID, ISSUER = 0x00100020, 0x00100021
_PATIENT_TAGS = {"id": PATIENT_ID, "name": 0x00100010, "birth_date": 0x00100030, "sex": 0x00100040}
_STUDY_TAGS = {
    "accession": 0x00080050,
    "description": 0x00081030,
    "study_date": 0x00080020,
    "study_time": 0x00080030,
}
_SERIES_TAGS = {
    "modality": 0x00080060,
    "description": 0x0008103E,
    "body_part": 0x00180015,
    "laterality": 0x00200060,
}


class Rejection(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Instances that are found and served no more."""

    series_uid: str = ""
    """Empty: of any series."""
    sop_uids: tuple[str, ...] = ()
    """Empty: all of them."""
    until: Micros | None = None
    """Contents that came by this time; what comes later is another matter. None: whatever comes."""
    code: str = ""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Which content of an instance is right, of those that had come by a time."""

    digest: str
    at: Micros


class Overlay(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that corrections make of a study."""

    patients: dict[str, PatientChange] = {}
    """By the Patient ID that an instance says itself, or `EVERY`."""
    study: dict[str, str] = {}
    series: dict[str, dict[str, str]] = {}
    rejections: tuple[Rejection, ...] = ()
    choices: dict[str, Choice] = {}
    """By SOP Instance UID."""
    at: Micros = 0
    """When the newest of them was made."""

    @property
    def changes_attributes(self) -> bool:
        """Whether any instance leaves otherwise than it is stored."""
        return bool(self.patients or self.study or self.series)


def peek_overlay(database: Database, key: StudyKey) -> Overlay | None:
    """Give a study's overlay, or None: most have none."""
    rows = database.read(
        "SELECT body FROM overlay WHERE origin = ? AND study_uid = ?", (key.origin, key.study_uid)
    )
    return decode_overlay(text(rows[0], "body")) if rows else None


def overlay_digest(database: Database, key: StudyKey) -> str:
    """Give what names the present overlay, for whoever keeps an answer; empty when there is none."""
    rows = database.read(
        "SELECT digest FROM overlay WHERE origin = ? AND study_uid = ?", (key.origin, key.study_uid)
    )
    return text(rows[0], "digest") if rows else ""


def encode_overlay(overlay: Overlay) -> tuple[Digest, str]:
    """Write an overlay as its row has it, with its digest."""
    body = canonical_json(msgspec.to_builtins(overlay))
    return digest_of(body), body


def decode_overlay(body: str) -> Overlay:
    """Read an overlay.

    Raises
    ------
    Damaged
        It is none.
    """
    try:
        return msgspec.json.decode(body.encode(), type=Overlay)
    except msgspec.DecodeError as error:
        raise Damaged("Reading a study's corrections failed: run 'meridian verify'.") from error


def write_overlay(key: StudyKey, overlay: Overlay | None) -> Statement:
    """Give the statement that makes a study have this overlay, or none."""
    if overlay is None:
        return Statement(
            "DELETE FROM overlay WHERE origin = ? AND study_uid = ?", (key.origin, key.study_uid)
        )
    digest, body = encode_overlay(overlay)
    return Statement(
        "INSERT INTO overlay (origin, study_uid, digest, body, at) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (origin, study_uid) DO UPDATE SET digest = excluded.digest, body = excluded.body,"
        " at = excluded.at",
        (key.origin, key.study_uid, digest, body, overlay.at),
    )


def change_for(overlay: Overlay, patient_id: str) -> PatientChange | None:
    """Give what becomes of the patient that an instance names."""
    return overlay.patients.get(EVERY) or overlay.patients.get(patient_id)


def values_for(overlay: Overlay, *, patient_id: str, series_uid: str, origin: NodeId) -> dict[int, str]:
    """Give what an instance of a series is to say, by tag."""
    values: dict[int, str] = {}
    change = change_for(overlay, patient_id)
    if change is not None:
        for name, tag in _PATIENT_TAGS.items():
            if (value := getattr(change, name)) is not None:
                values[tag] = value
        if change.issuer is not None:
            values[ISSUER] = change.issuer.removeprefix(f"{origin}:")
    values.update((_STUDY_TAGS[name], value) for name, value in overlay.study.items())
    values.update((_SERIES_TAGS[name], value) for name, value in overlay.series.get(series_uid, {}).items())
    return values


def touched_tags(overlay: Overlay) -> frozenset[int]:
    """Give the tags in which two contents of an instance may differ and still leave alike."""
    values = {_STUDY_TAGS[name] for name in overlay.study}
    values |= {_SERIES_TAGS[name] for series in overlay.series.values() for name in series}
    return frozenset(values)


def study_as_corrected(row: StudyRow, overlay: Overlay, *, series: Mapping[str, SeriesRow]) -> StudyRow:
    """Give a study's row, whose words are those of its instances, with the words it shows.

    Parameters
    ----------
    series
        Its series as their instances say.
    """
    said = Patient(
        key=PatientKey(issuer=row.patient_issuer, id=row.patient_id),
        name=row.patient_name,
        birth_date=row.birth_date,
        sex=row.sex,
    )
    change = change_for(overlay, row.patient_id)
    patient = said if change is None else change.on(said)
    accession = overlay.study.get("accession", row.accession)
    return replace(
        row,
        patient_issuer=patient.key.issuer,
        patient_id=patient.key.id,
        patient_name=patient.name,
        birth_date=patient.birth_date,
        sex=patient.sex,
        accession=accession,
        accession_issuer=(row.accession_issuer or f"{row.origin}:") if accession else "",
        description=overlay.study.get("description", row.description),
        study_date=overlay.study.get("study_date", row.study_date),
        study_time=overlay.study.get("study_time", row.study_time),
        modalities=_listed(row.modality_list, "modality", overlay, series),
        body_parts=_listed(row.body_part_list, "body_part", overlay, series),
    )


def series_as_corrected(row: SeriesRow, overlay: Overlay) -> SeriesRow:
    """Give a series' row with the words it shows."""
    values = overlay.series.get(row.series_uid, {})
    return replace(row, **values)  # type: ignore[arg-type]  # the names are those of its columns


def is_rejected(overlay: Overlay, row: InstanceRow) -> bool:
    """Say whether a content is rejected."""
    return any(
        (not one.series_uid or one.series_uid == row.series_uid)
        and (not one.sop_uids or row.sop_uid in one.sop_uids)
        and (one.until is None or row.received_at <= one.until)
        for one in overlay.rejections
    )


def _listed(said: list[str], name: str, overlay: Overlay, series: Mapping[str, SeriesRow]) -> str:
    """Give what a study lists of its series: a value that only corrected ones had goes, the new one comes."""
    changed = {
        uid: values[name] for uid, values in overlay.series.items() if name in values and uid in series
    }
    if not changed:
        return canonical_json(sorted(said))
    left = {getattr(row, name) for uid, row in series.items() if uid not in changed}
    gone = {getattr(series[uid], name) for uid in changed} - left
    return canonical_json(sorted(({*said} - gone | set(changed.values())) - {""}))
