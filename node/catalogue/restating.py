"""A study's rows derived anew when facts about it change: who it belongs to, what it says, what of it is served.

Deciding is pure, from what is held to what follows; reading and writing stand apart.
Nothing is remembered from before: undoing a fact leaves exactly what would be had it never been made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from node.catalogue.contents import StoredContents
from node.catalogue.correction_facts import Correction
from node.catalogue.folding import rewritten
from node.catalogue.growth import retally
from node.catalogue.held import Held, Tally, read_held
from node.catalogue.identity import Patient
from node.catalogue.overlays import Overlay, peek_overlay
from node.catalogue.repeats import CONFLICT, settle
from node.catalogue.resolving import Resolution, Spoken, resolve
from node.catalogue.rulings import OverlayRuling
from node.catalogue.said import Said, read_said, said_statements, shown, spoken_of
from node.catalogue.search import PATIENT_DIFFERS, InstanceRow, SeriesRow, StudyRow
from node.catalogue.statements import write_held_study, write_series
from node.database.port import Database, Statement, integer, read_as
from node.errors import NotFound
from node.names import StudyKey
from node.node import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """What is held of a study, as far as corrections touch it."""

    held: Held
    """Rows as shown, at one version; of contents those that a correction may touch."""
    said: Said
    spoken: tuple[Spoken, ...]
    overlay: Overlay
    elsewhere_in_conflict: int
    """Contents in conflict that are not among those held."""
    contents: int
    """All there are."""

    @property
    def row(self) -> StudyRow:
        assert self.held.study is not None  # `read_present` raises when there is none
        return self.held.study

    @property
    def patients(self) -> list[Patient]:
        """Everybody of whom a fact may bear on the study."""
        return list(dict.fromkeys([self.said.patient, *(one.patient for one in self.spoken)]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Restated:
    """The rows that follow."""

    study: StudyRow
    series: tuple[SeriesRow, ...]
    """Those that changed."""
    instances: tuple[InstanceRow, ...]
    """Those whose state or normal digest changed."""


def read_present(node: Node, key: StudyKey, *, every_instance: bool) -> Present:
    """Read a study for restating.

    Parameters
    ----------
    every_instance
        Whether single contents matter too, as when instances are rejected or restored.

    Raises
    ------
    NotFound
        The study is not held here.
    """
    held = read_held(node.database, node.journal, key, sop_uids=())
    if held.study is None:
        raise NotFound("Correcting a study failed: it is not held here. Refresh the list.")
    overlay = peek_overlay(node.database, key) or Overlay()
    every = every_instance or bool(overlay.rejections)
    contents = _contents(node.database, key, every=every)
    (counts,) = node.database.read(
        "SELECT count(*) AS n, sum(state = 'conflict') AS conflicts FROM instance WHERE origin = ? AND study_uid = ?",
        (key.origin, key.study_uid),
    )
    read = sum(row.state == CONFLICT for rows in contents.values() for row in rows)
    return Present(
        held=replace(held, contents=contents),
        said=read_said(node.database, held.study, held.series),
        spoken=tuple(spoken_of(node.database, key)),
        overlay=overlay,
        elsewhere_in_conflict=integer(counts, "conflicts") - read,
        contents=integer(counts, "n"),
    )


def restate(present: Present, resolution: Resolution, *, contents: StoredContents) -> Restated:
    """Decide what a study shows under a resolution."""
    rows = shown(present.said, resolution)
    tallies: dict[str, Tally] = dict(present.held.tallies)
    ruling = OverlayRuling(resolution.overlay, contents)
    changed: list[InstanceRow] = []
    conflicts = present.elsewhere_in_conflict
    for before in present.held.contents.values():
        after = settle(before, contents.normal, ruling)
        retally(tallies, before, -1)
        retally(tallies, after, +1)
        conflicts += sum(row.state == CONFLICT for row in after)
        known = {row.digest: row for row in before}
        changed += [row for row in after if row != known[row.digest]]
    counted = {
        uid: replace(row, instance_count=tallies.get(uid, Tally()).instances)
        if present.contents
        else row  # announced only: its origin counted
        for uid, row in rows.series.items()
    }
    study = replace(rows.study, conflict=PATIENT_DIFFERS if resolution.red else int(conflicts > 0))
    if present.contents:
        chosen = sum(tally.instances for tally in tallies.values())
        study = replace(
            study,
            series_count=sum(tally.instances > 0 for tally in tallies.values()),
            instance_count=chosen,
            bytes=sum(tally.bytes for tally in tallies.values()),
            rejected=int(chosen == 0),
        )
    else:  # nothing of it is here but its origin's word
        whole = any(not one.series_uid and not one.sop_uids for one in resolution.overlay.rejections)
        study = replace(study, rejected=int(whole))
    return Restated(
        study=study,
        series=tuple(row for uid, row in counted.items() if row != present.held.series.get(uid)),
        instances=tuple(changed),
    )


def resolve_present(present: Present, facts: Sequence[Correction]) -> Resolution:
    """Say what facts make of a study as it is held."""
    return resolve(facts, said=present.said.patient, spoken=present.spoken)


def restated_statements(
    key: StudyKey, present: Present, restated: Restated, resolution: Resolution
) -> list[Statement]:
    """Give the statements that write it, under the version it was read at."""
    return [
        *write_held_study(restated.study, held=present.held),
        *(write_series(row) for row in restated.series),
        *rewritten(key, (_state(row) for row in restated.instances)),
        *said_statements(key, present.said, resolution),
    ]


def _state(row: InstanceRow) -> Statement:
    """Write what a content is; where it lies is left to whoever merges packs."""
    return Statement(
        "UPDATE online_instance SET state = ?, normal_digest = ? WHERE origin = ? AND study_uid = ? AND sop_uid = ?"
        " AND digest = ?",
        (row.state, row.normal_digest, row.origin, row.study_uid, row.sop_uid, row.digest),
        expect=1,
    )


def _contents(database: Database, key: StudyKey, *, every: bool) -> dict[str, list[InstanceRow]]:
    several = (
        " AND sop_uid IN (SELECT sop_uid FROM instance WHERE origin = ? AND study_uid = ?"
        " GROUP BY sop_uid HAVING count(*) > 1)"
    )
    where = (key.origin, key.study_uid)
    rows = read_as(
        database,
        InstanceRow,
        f"SELECT * FROM instance WHERE origin = ? AND study_uid = ?{'' if every else several}",
        where if every else where * 2,
    )
    found: dict[str, list[InstanceRow]] = {}
    for row in rows:
        found.setdefault(row.sop_uid, []).append(row)
    return found
