"""From marked pack records to catalogue rows and events: one batch, with the cursors that say how far.

Registering the same records again changes nothing, since the cursor's move is
part of the batch. Whatever cannot be registered is shown to the administrator
and left behind in its pack; it never stops what comes after it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from node.catalogue.arrivals import Arrival, Unreadable, read_arrivals
from node.catalogue.contents import StoredContents
from node.catalogue.corrected_growth import corrections_on
from node.catalogue.corrections import rejecting_statements
from node.catalogue.growth import Growth, grow
from node.catalogue.held import Held, read_held
from node.catalogue.rejection_notes import notes_in
from node.catalogue.statements import growth_statements
from node.database.port import Statement
from node.events import InstanceConflictFound, PatientConflictFound
from node.failpoints import failpoint, planted
from node.names import Cause, StudyKey
from node.node import Node
from node.store.facts import MarkedRecord

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """What a batch came to."""

    instances: int
    """New contents, alternatives and conflicts among them."""
    repeated: int
    unreadable: int


def register(node: Node, records: Sequence[MarkedRecord], *, cursors: Sequence[Statement]) -> Registered:
    """Register records and move the cursors, in one batch.

    Raises
    ------
    Conflict
        A cursor, or a study, was moved by somebody else: nothing was written; read the cursor and begin again.
    """
    arrivals, unreadable = read_arrivals(node.packs, records, own=node.id)
    if planted("cursor-early"):
        node.write(cursors)
        cursors = []
    statements = [*cursors]
    instances = repeated = 0
    contents = StoredContents(node)
    groups = by_study(arrivals)
    notes = notes_in(node, arrivals)
    for key, group in groups.items():
        noted = [note for note in notes if note.fact.study == key]
        brought = (arrival.attributes.instance.sop_uid for arrival in group)
        sop_uids = list(dict.fromkeys([*brought, *(uid for note in noted for uid in note.sop_uids)]))
        held = read_held(node.database, node.journal, key, sop_uids=sop_uids)
        corrected = corrections_on(node, held, group, notes=[note.fact for note in noted])
        said = held if corrected is None else corrected.held
        growth = grow(said, group, contents=contents, corrections=corrected)
        if corrected is not None:
            statements += corrected.show(growth)
        growth.events += [(note.cause, note.event()) for note in noted]
        statements += _statements(node, key, held=held, growth=growth)
        instances += len(growth.inserted)
        repeated += sum(repeat.times for repeat in growth.repeats)
    order = list(dict.fromkeys([*groups, *(note.fact.study for note in notes)]))
    for note in sorted(notes, key=lambda note: order.index(note.fact.study)):  # as their events are
        statements += note.statements(node)
    for key in dict.fromkeys(note.fact.study for note in notes if note.fact.study not in groups):
        noted = [note for note in notes if note.fact.study == key]
        facts, events = [note.fact for note in noted], [note.event() for note in noted]
        statements += rejecting_statements(node, key, facts, events, cause=noted[0].cause)
    for record in unreadable:
        statements += _unreadable(node, record)
    node.write(statements)
    failpoint("registered")
    _log_guesses(arrivals)
    return Registered(instances=instances, repeated=repeated, unreadable=len(unreadable))


def by_study(arrivals: Sequence[Arrival]) -> dict[StudyKey, list[Arrival]]:
    """Give the arrivals of each study, in their order."""
    groups: dict[StudyKey, list[Arrival]] = {}
    for arrival in arrivals:
        groups.setdefault(arrival.key, []).append(arrival)
    return groups


def _statements(node: Node, key: StudyKey, *, held: Held, growth: Growth) -> list[Statement]:
    statements = growth_statements(key, held=held, growth=growth)
    version = held.version
    for cause, event in growth.events:
        statements += node.journal.append(key.subject, [event], after=version, cause=cause)
        version += 1
    came_again = _came_again(node, key, growth) if held.study is None else []
    return [*statements, *_problems(node, key, growth), *came_again]


def _came_again(node: Node, key: StudyKey, growth: Growth) -> list[Statement]:
    """Show that a study is here again that was deleted for good: nothing is refused, and a person decides."""
    rows = node.database.read(
        "SELECT id FROM deletion WHERE origin = ? AND study_uid = ? AND state IN ('deleted', 'done') LIMIT 1",
        (key.origin, key.study_uid),
    )
    if not rows:
        return []
    return node.problem(
        "deleted-study-came-again",
        about=key.subject,
        detail="Registering a study found that it was deleted for good before; it was sent again, and is kept as a new one."
        " Ask its sender why; if it must go, ask for its deletion again.",
        cause=growth.events[0][0] if growth.events else Cause(node.new_id()),
    )


def _problems(node: Node, key: StudyKey, growth: Growth) -> list[Statement]:
    """Show the administrator what a person must settle, once a batch."""
    statements: list[Statement] = []
    conflicts = [(c, e) for c, e in growth.events if isinstance(e, InstanceConflictFound)]
    if conflicts:
        statements += node.problem(
            "instance-conflict",
            about=key.subject,
            detail=f"Registering {len(conflicts)} instances found another content under the same SOP Instance UID;"
            " both were kept. Open the study and choose one.",
            cause=conflicts[0][0],
        )
    for cause, event in growth.events:
        if isinstance(event, PatientConflictFound):
            statements += node.problem(
                "patient-conflict",
                about=key.subject,
                detail=f"Registering a study found {event.patients} descriptions of the patient that disagree; it is"
                " not sent or signed until a person has chosen. Open the study and compare.",
                cause=cause,
            )
    return statements


def _unreadable(node: Node, unreadable: Unreadable) -> list[Statement]:
    record = unreadable.record
    cause = Cause(record.facts.cause)
    detail = f"{unreadable.reason} It came from {record.facts.calling or record.facts.door} and is kept."
    return node.problem(
        "unreadable-instance",
        about=f"pack/{record.location.pack}/{record.location.offset}",
        detail=detail,
        cause=cause,
    )


def _log_guesses(arrivals: Sequence[Arrival]) -> None:
    guessed = sorted({arrival.attributes.guessed_charset for arrival in arrivals} - {""})
    if guessed:
        _log.info("texts without a character set were read as %s", ", ".join(guessed))
