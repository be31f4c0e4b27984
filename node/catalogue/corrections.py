"""Merge, unmerge, move, correct, reject, restore, choose: one batch each, with a preview of what it changes.

A correction is a fact: an event, a row, and the rows of every study it bears on
derived anew. Undoing takes the fact away and derives them once more. Stored
bytes never change; what leaves is overlaid (`node.catalogue.exits`).

Facts about patients are under the version of ``patients/ORIGIN``, which
registration holds its batches against; facts about a study under the study's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from node.canonical import canonical_json, digest_of
from node.catalogue.contents import StoredContents
from node.catalogue.correction_drafts import Draft, check_reason
from node.catalogue.correction_events import (
    CorrectionUndone,
    StudyRestated,
)
from node.catalogue.correction_facts import (
    OF_PATIENTS,
    Correction,
    Words,
    encode_words,
    facts_of_study,
    insert_fact,
    peek_fact,
)
from node.catalogue.correction_making import event_of, fact_of_draft
from node.catalogue.restating import (
    Present,
    Restated,
    read_present,
    resolve_present,
    restate,
    restated_statements,
)
from node.catalogue.search import SeriesRow, StudyRow, peek_study
from node.catalogue.visibility import Condition
from node.clock import Micros
from node.database.port import Statement, Value, text
from node.errors import Conflict, InvalidRequest, NotFound
from node.events import Event
from node.failpoints import planted
from node.names import Cause, Digest, NodeId, StudyKey, StudyUID, Subject, patients_subject
from node.node import Node
from node.people.accounts import Person
from node.people.audit import record_act
from node.people.roles import TECHNICIAN

ATTEMPTS = 3
"""How often a correction is decided anew when instances came in between."""
STUDIES_LIMIT = 2_000
_ACTS = {
    "merge": "merge-patients",
    "patient": "correct-patient",
    "move": "move-study",
    "study": "correct-study",
    "series": "correct-series",
    "reject": "reject-instances",
    "note": "reject-instances",
    "choose": "choose-content",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyChange:
    """What becomes of one study."""

    before: StudyRow
    after: StudyRow
    series_before: tuple[SeriesRow, ...]
    restated: Restated


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a correction would change; its digest says whether that is still so."""

    changes: tuple[StudyChange, ...]

    @property
    def digest(self) -> Digest:
        return digest_of(
            canonical_json(
                [[repr(one.before), repr(one.after), len(one.restated.instances)] for one in self.changes]
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Study:
    key: StudyKey
    present: Present
    change: StudyChange
    statements: list[Statement]


def preview_correction(node: Node, draft: Draft) -> Preview:
    """Say what a correction would change, and change nothing."""
    fact = fact_of_draft(node, draft, by=None, reason="", id_=node.new_id(), at=node.now())
    return _preview(_plan(node, _bears_on(node, draft), every=_is_every(draft.kind), make=[fact]))


def preview_undo(node: Node, id_: str) -> Preview:
    """Say what undoing a correction would change."""
    fact = _standing(node, id_)
    return _preview(_plan(node, _counts_for(node, fact), every=_is_every(fact.row.kind), undo=fact))


def make_correction(
    node: Node, by: Person, draft: Draft, *, reason: str, seen: str | None = None, address: str = ""
) -> str:
    """Correct, under the versions of all it bears on; give the correction's id.

    Parameters
    ----------
    reason
        Why, in the person's own words.
    seen
        `Preview.digest` of what she was shown; anything else is not carried out.

    Raises
    ------
    Refused
        She is no technician here.
    Conflict
        It would change something else than she was shown, or instances kept coming in between.
    """
    by.require(TECHNICIAN, act="Correcting")
    why = check_reason(reason)
    id_ = node.new_id()

    def attempt() -> None:
        fact = fact_of_draft(node, draft, by=by, reason=why, id_=id_, at=node.now())
        studies = _plan(node, _bears_on(node, draft), every=_is_every(draft.kind), make=[fact])
        _check_seen(studies, seen)
        cause = Cause(id_)
        _, words = node.texts.put("correction", encode_words(fact.words))
        node.write(
            [
                words,
                insert_fact(fact.row, guard=_guard(node, draft)),
                *_studies_written(node, studies, fact, undone=False, cause=cause, by=by.name),
                *_fact_event(
                    node, fact, event_of(fact, instances=_touched(studies)), studies=studies, cause=cause
                ),
                record_act(node, by, act=_ACTS[draft.kind], subject=f"correction/{id_}", address=address),
            ]
        )

    _try(attempt)
    return id_


def undo_correction(
    node: Node, by: Person, id_: str, *, reason: str, seen: str | None = None, address: str = ""
) -> None:
    """Take a correction back; what is shown is what would be had it never been made.

    Raises
    ------
    NotFound, Conflict
        There is none, or it was undone already.
    """
    by.require(TECHNICIAN, act="Undoing a correction")
    why = check_reason(reason)

    def attempt() -> None:
        fact = _standing(node, id_)
        if fact.row.origin != node.id:
            raise NotFound("Undoing a correction failed: it was made elsewhere.")
        keys = _counts_for(node, fact)
        count = len(keys) if fact.row.kind in OF_PATIENTS else None
        if planted("unmerge-forgets-one"):
            keys = keys[1:]
        studies = _plan(node, keys, every=_is_every(fact.row.kind), undo=fact)
        _check_seen(studies, seen)
        now = node.now()
        said = Words(
            reason=why,
            by=by.name,
            correction=id_,
            study=fact.words.study,
            about=fact.words.about,
            person=by.id,
            at=now,
        )
        digest, words = node.texts.put("correction", encode_words(said))
        undone = CorrectionUndone(correction=id_, kind=fact.row.kind, words=digest, by=by.name)
        cause = Cause(fact.row.cause)
        node.write(
            [
                words,
                Statement(
                    "UPDATE correction SET undone_at = ?, undone_by = ?, undone_words = ? WHERE id = ? AND undone_at IS NULL"
                    " AND (? IS NULL OR (SELECT count(*) FROM study_correction WHERE correction = ?) = ?)",
                    (now, by.id, digest, id_, count, id_, count),
                    expect=1,
                    refusal="Undoing a correction was refused: studies came or changed meanwhile. Look again.",
                ),
                *_studies_written(node, studies, fact, undone=True, cause=cause, by=by.name),
                *_fact_event(node, fact, undone, studies=studies, cause=cause),
                record_act(node, by, act="undo-correction", subject=f"correction/{id_}", address=address),
            ]
        )

    _try(attempt)


def rejecting_statements(
    node: Node, key: StudyKey, facts: Sequence[Correction], events: Sequence[Event], *, cause: Cause
) -> list[Statement]:
    """Give the statements by which a batch that keeps rejection notes rejects what is held of another study."""
    if peek_study(node.database, key) is None:  # what they list has not come yet: it will be rejected then
        return node.journal.append(key.subject, events, after=node.journal.version(key.subject), cause=cause)
    (study,) = _plan(node, [key], every=True, make=facts)
    after = study.present.held.version
    return [*study.statements, *node.journal.append(key.subject, events, after=after, cause=cause)]


def _try(attempt: Callable[[], None]) -> None:
    """Decide anew when somebody changed a study in between; say so when that keeps happening."""
    for left in reversed(range(ATTEMPTS)):
        try:
            attempt()
        except _NotAsSeen:
            raise
        except Conflict:
            if not left:
                raise
        else:
            return


class _NotAsSeen(Conflict):
    """What would change is not what the person was shown."""


def _check_seen(studies: list[_Study], seen: str | None) -> None:
    if seen is not None and _preview(studies).digest != seen:
        raise _NotAsSeen(
            "Correcting was refused: what it would change is not what was shown. Look at the preview again."
        )


def _preview(studies: list[_Study]) -> Preview:
    return Preview(changes=tuple(study.change for study in studies))


def _plan(
    node: Node,
    keys: list[StudyKey],
    *,
    every: bool,
    make: Sequence[Correction] = (),
    undo: Correction | None = None,
) -> list[_Study]:
    """Derive anew what each study shows with one fact more, or one less."""
    contents = StoredContents(node)
    studies = []
    for key in keys:
        present = read_present(node, key, every_instance=every)
        patients = {patient.key for patient in present.patients}
        facts = [
            fact
            for fact in facts_of_study(node.database, key, patients)
            if undo is None or fact.row.id != undo.row.id
        ]
        resolution = resolve_present(present, [*facts, *make])
        restated = restate(present, resolution, contents=contents)
        studies.append(
            _Study(
                key=key,
                present=present,
                change=StudyChange(
                    before=present.row,
                    after=restated.study,
                    series_before=tuple(present.held.series.values()),
                    restated=restated,
                ),
                statements=restated_statements(key, present, restated, resolution),
            )
        )
    return studies


def _studies_written(
    node: Node, studies: list[_Study], fact: Correction, *, undone: bool, cause: Cause, by: str
) -> list[Statement]:
    """Give the rows of every study, and for facts of patients an event on each."""
    statements: list[Statement] = []
    for study in studies:
        statements += study.statements
        if study.change.before.conflict and not study.change.after.conflict:
            statements.append(_settled(study.key, node.now()))
        if fact.row.kind in OF_PATIENTS:
            event = StudyRestated(correction=fact.row.id, kind=fact.row.kind, undone=undone, by=by)
            statements += node.journal.append(
                study.key.subject, [event], after=study.present.held.version, cause=cause
            )
    return statements


def _settled(key: StudyKey, now: Micros) -> Statement:
    """Take what the administrator was told of a conflict off her list: it is settled."""
    return Statement(
        "UPDATE problem SET seen_at = ? WHERE subject = ? AND seen_at IS NULL"
        " AND kind IN ('instance-conflict', 'patient-conflict', 'sealing-blocked')",
        (now, key.subject),
    )


def _fact_event(
    node: Node, fact: Correction, event: Event, *, studies: list[_Study], cause: Cause
) -> list[Statement]:
    """Give the fact's own event, under the version of what it is about."""
    if fact.row.kind in OF_PATIENTS:
        subject: Subject = patients_subject(fact.row.origin)
        version = studies[0].present.held.patients_version if studies else node.journal.version(subject)
        return node.journal.append(subject, [event], after=version, cause=cause)
    return node.journal.append(
        fact.study.subject, [event], after=studies[0].present.held.version, cause=cause
    )


def _touched(studies: list[_Study]) -> int:
    return sum(len(study.change.restated.instances) for study in studies)


def _bears_on(node: Node, draft: Draft) -> list[StudyKey]:
    """Give the studies that a draft bears on: the study, or all that show the patient or have an instance that does."""
    if draft.study is not None:
        return [draft.study]
    keys = _studies(node, *_showing(node, draft))
    if not keys:
        raise NotFound("Correcting a patient failed: no study of that patient is here. Search again.")
    if len(keys) > STUDIES_LIMIT:
        raise InvalidRequest(
            f"Correcting a patient was refused: more than {STUDIES_LIMIT} studies are of that ID. Move studies one by one."
        )
    return keys


def _showing(node: Node, draft: Draft) -> Condition:
    patient = draft.patient
    assert patient is not None  # drafts are of a study or of a patient
    where = "origin = ? AND patient_issuer = ? AND patient_id = ?"
    params: tuple[Value, ...] = (node.id, patient.issuer, patient.id)
    if planted("merge-by-bare-id"):
        where, params = "patient_id = ?", (patient.id,)
    return (
        f"SELECT origin, study_uid FROM study WHERE {where} UNION SELECT origin, study_uid FROM study_identity WHERE {where}",
        (*params, *params),
    )


def _guard(node: Node, draft: Draft) -> Condition:
    """Hold the batch against a study of the patient that came since."""
    if draft.patient is None:
        return "1 = 1", ()
    sql, params = _showing(node, draft)
    count = len(node.database.read(sql, params))
    return f"(SELECT count(*) FROM ({sql})) = ?", (*params, count)


def _counts_for(node: Node, fact: Correction) -> list[StudyKey]:
    """Give the studies that a fact counts for."""
    if fact.row.kind not in OF_PATIENTS:
        return [fact.study]
    return _studies(
        node, "SELECT origin, study_uid FROM study_correction WHERE correction = ?", (fact.row.id,)
    )


def _studies(node: Node, sql: str, params: tuple[Value, ...]) -> list[StudyKey]:
    return [
        StudyKey(origin=NodeId(text(row, "origin")), study_uid=StudyUID(text(row, "study_uid")))
        for row in node.database.read(f"{sql} ORDER BY origin, study_uid", params)
    ]


def _standing(node: Node, id_: str) -> Correction:
    fact = peek_fact(node.database, id_)
    if fact is None:
        raise NotFound("Undoing a correction failed: it is not here. Load the page again.")
    if fact.row.undone_at is not None:
        raise Conflict("Undoing a correction was refused: it was undone already. Load the page again.")
    return fact


def _is_every(kind: str) -> bool:
    """Say whether a correction touches instances that have one content only."""
    return kind in ("reject", "note")
