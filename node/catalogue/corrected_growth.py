"""A study that grows while corrections stand: it grows as its instances say, and shows what the corrections make of it.

What comes late gets the same treatment as what was there when somebody corrected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from node.catalogue.arrivals import Arrival
from node.catalogue.contents import StoredContents
from node.catalogue.correction_facts import Correction, facts_of_study, has_facts
from node.catalogue.growth import Growth, named
from node.catalogue.held import Held
from node.catalogue.overlays import peek_overlay, series_as_corrected
from node.catalogue.repeats import CONFLICT, Ruling
from node.catalogue.resolving import Resolution, Spoken, resolve
from node.catalogue.rulings import OverlayRuling
from node.catalogue.said import Said, patient_in, read_said, said_statements, shown, spoken_of
from node.catalogue.search import PATIENT_DIFFERS, SeriesRow
from node.database.port import Statement, integer
from node.names import StudyKey
from node.node import Node

TOLD = "told"
"""Stands for facts that only the origin of a study knows."""


def corrections_on(
    node: Node, held: Held, arrivals: Sequence[Arrival], *, notes: Sequence[Correction] = ()
) -> GrowingCorrected | None:
    """Give the corrections that bear on a study which is about to grow; None for most.

    Parameters
    ----------
    notes
        What the batch itself rejects.
    """
    key = arrivals[0].key
    said = held
    if held.study is not None:
        words = read_said(node.database, held.study, held.series)
        said = replace(held, study=words.study, series=dict(words.series))
    if key.origin != node.id:
        told = peek_overlay(node.database, key)
        if told is None:
            return None
        resolution = Resolution(overlay=told, red=False, facts=(TOLD,))
        return GrowingCorrected(node, key, before=held, held=said, resolution=resolution)
    patients = {patient.key for patient in held.patients} | {arrival.patient.key for arrival in arrivals}
    if not notes and not has_facts(node.database, key, patients):
        return None
    resolution = resolve(
        [*facts_of_study(node.database, key, patients), *notes],
        said=patient_in(named(said.study, min(arrivals, key=lambda arrival: arrival.order))),
        spoken=_spoken(node, key, arrivals),
    )
    return GrowingCorrected(node, key, before=held, held=said, resolution=resolution)


def _spoken(node: Node, key: StudyKey, arrivals: Sequence[Arrival]) -> list[Spoken]:
    """Give the ways in which the patient is named, those that a batch brings among them."""
    first = {one.patient: one.first_at for one in spoken_of(node.database, key)}
    for arrival in arrivals:
        at = arrival.record.facts.received_at
        first[arrival.patient] = min(at, first.get(arrival.patient, at))
    return [Spoken(patient=patient, first_at=at) for patient, at in first.items()]


class GrowingCorrected:
    """One batch of one corrected study."""

    def __init__(
        self, node: Node, key: StudyKey, *, before: Held, held: Held, resolution: Resolution
    ) -> None:
        self._node = node
        self._key = key
        self._before = before
        self._resolution = resolution
        self.held = held
        """As the instances say: what growth goes on from."""
        self.ruling: Ruling = OverlayRuling(resolution.overlay, StoredContents(node))

    def red(self) -> bool:
        """Say whether instances speak of different people, as corrected."""
        return self._resolution.red

    def show(self, growth: Growth) -> list[Statement]:
        """Turn a growth's rows into those shown; give the statements that keep what is said beside them."""
        resolution = self._resolution
        series: dict[str, SeriesRow] = dict(self.held.series)
        series.update((row.series_uid, row) for row in growth.series)
        said = Said(study=growth.study, series=series)
        rows = shown(said, resolution)
        growth.study = replace(
            rows.study,
            conflict=PATIENT_DIFFERS if resolution.red else int(self._conflicts(growth) > 0),
            rejected=int(growth.study.instance_count == 0),
        )
        growth.series = [series_as_corrected(row, resolution.overlay) for row in growth.series]
        return said_statements(self._key, said, resolution)

    def _conflicts(self, growth: Growth) -> int:
        """Count the contents in conflict afterwards."""
        before = {
            (row.sop_uid, row.digest): row.state for rows in self._before.contents.values() for row in rows
        }
        (row,) = self._node.database.read(
            "SELECT count(*) AS n FROM instance WHERE origin = ? AND study_uid = ? AND state = ?",
            (self._key.origin, self._key.study_uid, CONFLICT),
        )
        changed = sum(
            (one.state == CONFLICT) - (before.get((one.sop_uid, one.digest)) == CONFLICT)
            for one in (*growth.inserted, *growth.changed)
        )
        return integer(row, "n") + changed
