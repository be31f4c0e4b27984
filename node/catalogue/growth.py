"""What a batch of arrivals does to a study: pure, from the rows held and what came to the rows that follow.

The rows are a function of all receipts together, not of how they were cut into
batches: words are those of the earliest instance, counts are of the chosen
ones, and repeats are counted, not kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from node.canonical import canonical_json
from node.catalogue.arrivals import Arrival
from node.catalogue.held import Held, Tally
from node.catalogue.identity import Patient, any_differ
from node.catalogue.repeats import CHOSEN, CONFLICT, Ruling, earlier, settle
from node.catalogue.resolving import MOST_PATIENTS
from node.catalogue.search import PATIENT_DIFFERS, InstanceRow, SeriesRow, StudyRow
from node.clock import Micros
from node.events import Event, InstanceConflictFound, PatientConflictFound, StudyChanged
from node.names import Cause, Digest


class Corrections(Protocol):
    """What persons decided about the study that grows; its words are then those of its instances, not those shown."""

    @property
    def ruling(self) -> Ruling:
        """What holds for its contents."""

    def red(self) -> bool:
        """Say whether its instances still speak of different people."""


class Contents(Protocol):
    """Reads what several contents of one instance must be compared by."""

    def normal(self, row: InstanceRow) -> str:
        """Give a content's normal digest; one of its own when it cannot be read."""

    def patient(self, row: InstanceRow) -> Patient | None:
        """Give the patient a content speaks of; None when it cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """The same data set again."""

    row: InstanceRow
    times: int
    last_at: Micros


@dataclass(slots=True, kw_only=True)
class Growth:
    """The rows and events that follow."""

    study: StudyRow
    series: list[SeriesRow] = field(default_factory=list)
    inserted: list[InstanceRow] = field(default_factory=list)
    changed: list[InstanceRow] = field(default_factory=list)
    """Rows whose state, normal digest or place is another now."""
    repeats: list[Repeat] = field(default_factory=list)
    patients: list[tuple[Patient, Micros]] = field(default_factory=list)
    """With when each was first spoken of."""
    events: list[tuple[Cause, Event]] = field(default_factory=list)


def grow(
    held: Held, arrivals: Sequence[Arrival], *, contents: Contents, corrections: Corrections | None = None
) -> Growth:
    """Decide what arrivals of one study change."""
    source = min(arrivals, key=lambda arrival: arrival.order)
    growth = Growth(study=named(held.study, source))
    tallies = dict(held.tallies)
    ruling = None if corrections is None else corrections.ruling
    conflicts = _add_contents(growth, held, arrivals, contents=contents, tallies=tallies, ruling=ruling)
    growth.patients = _patients(arrivals)
    _add_series(growth, held, arrivals, tallies=tallies)
    red = _patients_differ(held, growth) if corrections is None else corrections.red()
    growth.study = _counted(
        growth, held, arrivals, tallies=tallies, level=2 if red else 1 if conflicts else 0
    )
    _add_changes(growth, arrivals)
    growth.events += [(source.record.facts.cause, conflict) for conflict in conflicts]
    if red and (held.study is None or held.study.conflict < PATIENT_DIFFERS):
        patients = len(set(held.patients) | {patient for patient, _ in growth.patients})
        event = PatientConflictFound(sop_uid=arrivals[-1].attributes.instance.sop_uid, patients=patients)
        growth.events.append((arrivals[-1].record.facts.cause, event))
    return growth


def _add_contents(
    growth: Growth,
    held: Held,
    arrivals: Sequence[Arrival],
    *,
    contents: Contents,
    tallies: dict[str, Tally],
    ruling: Ruling | None,
) -> list[InstanceConflictFound]:
    """Settle every instance the batch brings; give the conflicts that are new."""
    brought: dict[str, list[InstanceRow]] = {}
    for arrival in arrivals:
        brought.setdefault(arrival.attributes.instance.sop_uid, []).append(arrival.row())
    conflicts: list[InstanceConflictFound] = []
    for sop_uid in dict.fromkeys(
        [*brought, *held.contents]
    ):  # held may be more: what a note in the batch rejects
        rows = brought.get(sop_uid, [])
        before = {row.digest: row for row in held.contents.get(sop_uid, [])}
        known = dict(before)
        for row in rows:
            known[row.digest] = earlier(known[row.digest], row) if row.digest in known else row
        growth.repeats += _repeats(rows, before)
        after = settle(known.values(), contents.normal, ruling)
        growth.inserted += [row for row in after if row.digest not in before]
        growth.changed += [row for row in after if row.digest in before and row != before[row.digest]]
        retally(tallies, before.values(), -1)
        retally(tallies, after, +1)
        if any(row.state == CONFLICT and _state(before.get(row.digest)) != CONFLICT for row in after):
            conflicts.append(_conflict(sop_uid, after, contents))
    return conflicts


def _state(row: InstanceRow | None) -> str:
    return "" if row is None else row.state


def _repeats(rows: Sequence[InstanceRow], before: Mapping[Digest, InstanceRow]) -> list[Repeat]:
    found = []
    for digest in dict.fromkeys(row.digest for row in rows):
        same = [row for row in rows if row.digest == digest]
        times = len(same) - (digest not in before)
        if times:
            receipts = [*same, *([before[digest]] if digest in before else [])]
            found.append(Repeat(row=same[0], times=times, last_at=max(row.received_at for row in receipts)))
    return found


def _conflict(sop_uid: str, contents: Sequence[InstanceRow], reader: Contents) -> InstanceConflictFound:
    patients = [patient for row in contents if (patient := reader.patient(row)) is not None]
    return InstanceConflictFound(
        sop_uid=sop_uid,
        digests=tuple(row.digest for row in contents),
        patient_differs=any_differ(patients),
    )


def retally(tallies: dict[str, Tally], rows: Iterable[InstanceRow], sign: int) -> None:
    """Count chosen contents in, or out."""
    for row in rows:
        if row.state == CHOSEN:
            tally = tallies.get(row.series_uid, Tally())
            tallies[row.series_uid] = Tally(
                instances=tally.instances + sign, bytes=tally.bytes + sign * row.data_bytes
            )


def _patients(arrivals: Sequence[Arrival]) -> list[tuple[Patient, Micros]]:
    found: dict[Patient, Micros] = {}
    for arrival in arrivals:
        at = arrival.record.facts.received_at
        found[arrival.patient] = min(at, found.get(arrival.patient, at))
    return list(found.items())


def _patients_differ(held: Held, growth: Growth) -> bool:
    if held.study is not None and held.study.conflict == PATIENT_DIFFERS:
        return True
    patients = list(dict.fromkeys([*held.patients, *(patient for patient, _ in growth.patients)]))
    return len(patients) > MOST_PATIENTS or any_differ(patients)


def named(study: StudyRow | None, source: Arrival) -> StudyRow:
    """Give a study the words of its earliest instance; those of its origin's announcement stand."""
    if study is not None and (
        not study.source_digest or (study.source_at, study.source_digest) <= source.order
    ):
        return study
    words, facts = source.attributes.study, source.record.facts
    return StudyRow(
        origin=source.key.origin,
        study_uid=source.key.study_uid,
        patient_issuer=source.patient.key.issuer,
        patient_id=source.patient.key.id,
        patient_name=words.patient_name,
        sex=words.sex,
        birth_date=words.birth_date,
        age=words.age,
        study_date=words.study_date,
        study_time=words.study_time,
        accession_issuer=source.accession.issuer,
        accession=source.accession.number,
        study_id=words.study_id,
        description=words.description,
        referring_physician=words.referring_physician,
        modalities="[]" if study is None else study.modalities,
        body_parts="[]" if study is None else study.body_parts,
        department=facts.department,
        series_count=0,
        instance_count=0,
        bytes=0,
        expected=None if study is None else study.expected,
        state="receiving" if study is None else study.state,
        conflict=0 if study is None else study.conflict,
        first_at=facts.received_at,
        last_at=facts.received_at if study is None else study.last_at,
        completed_at=None if study is None else study.completed_at,
        cause=facts.cause,
        source_at=facts.received_at,
        source_digest=source.record.digest,
        sop_classes="[]" if study is None else study.sop_classes,
        corrections_until=None if study is None else study.corrections_until,
    )


def _counted(
    growth: Growth, held: Held, arrivals: Sequence[Arrival], *, tallies: dict[str, Tally], level: int
) -> StudyRow:
    study, received = growth.study, [arrival.record.facts.received_at for arrival in arrivals]
    modalities = {*study.modality_list, *(arrival.attributes.series.modality for arrival in arrivals)} - {""}
    body_parts = {*study.body_part_list, *(arrival.attributes.series.body_part for arrival in arrivals)} - {
        ""
    }
    sop_classes = {*study.sop_class_list, *(arrival.attributes.instance.sop_class for arrival in arrivals)}
    before = held.study
    return replace(
        study,
        modalities=canonical_json(sorted(modalities)),
        sop_classes=canonical_json(sorted(sop_classes)),
        body_parts=canonical_json(sorted(body_parts)),
        series_count=sum(tally.instances > 0 for tally in tallies.values()),
        instance_count=sum(tally.instances for tally in tallies.values()),
        bytes=sum(tally.bytes for tally in tallies.values()),
        state="receiving" if growth.inserted else study.state,
        completed_at=None if growth.inserted else study.completed_at,
        conflict=max(study.conflict, level),
        first_at=min(received if before is None else [before.first_at, *received]),
        last_at=max(received if before is None else [before.last_at, *received]),
    )


def _add_series(
    growth: Growth, held: Held, arrivals: Sequence[Arrival], *, tallies: dict[str, Tally]
) -> None:
    rows = dict(held.series)
    for arrival in arrivals:
        words = arrival.attributes.series
        row = rows.get(words.series_uid)
        if row is not None and (not row.source_digest or (row.source_at, row.source_digest) <= arrival.order):
            continue
        rows[words.series_uid] = SeriesRow(
            origin=arrival.key.origin,
            study_uid=arrival.key.study_uid,
            series_uid=words.series_uid,
            modality=words.modality,
            number=words.number,
            description=words.description,
            body_part=words.body_part,
            laterality=words.laterality,
            instance_count=0,
            source_at=arrival.record.facts.received_at,
            source_digest=arrival.record.digest,
        )
    for uid, row in rows.items():
        counted = replace(row, instance_count=tallies.get(uid, Tally()).instances)
        if counted != held.series.get(uid):
            growth.series.append(counted)


def _add_changes(growth: Growth, arrivals: Sequence[Arrival]) -> None:
    """Tell what each association, part or import brought."""
    brought: dict[Cause, list[InstanceRow]] = {}
    causes = {arrival.record.digest: arrival.record.facts for arrival in reversed(arrivals)}
    for row in growth.inserted:
        brought.setdefault(causes[row.digest].cause, []).append(row)
    for cause, rows in brought.items():
        facts = causes[rows[0].digest]
        event = StudyChanged(
            instances=len(rows),
            bytes=sum(row.data_bytes for row in rows),
            door=facts.door,
            device=facts.calling,
            total=growth.study.instance_count,
        )
        growth.events.append((cause, event))
