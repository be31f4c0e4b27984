"""What this hospital corrected, told to peers: for each study what it comes to, once for each change."""

from __future__ import annotations

from federation.messages import AnnouncedSeries, AnnouncedStudy, StudyCorrectedThere
from federation.outbox import send
from node.catalogue.overlays import Overlay, encode_overlay, overlay_digest, peek_overlay
from node.catalogue.said import read_said
from node.catalogue.search import SeriesRow, StudyRow, series_of
from node.database.port import Row, Statement, convert_row
from node.names import Cause, NodeId, StudyKey
from node.node import Node


def told_corrections(
    node: Node, peer: NodeId, key: StudyKey, study: Row, *, told: str, cause: Cause
) -> list[Statement]:
    """Give the statements that tell a peer what corrections come to, when that is news to it."""
    digest = overlay_digest(node.database, key)
    if digest == told:
        return []
    row = convert_row(study, StudyRow)
    said = read_said(node.database, row, {one.series_uid: one for one in series_of(node.database, key)})
    message = StudyCorrectedThere(
        origin=key.origin,
        study=_announced(said.study),
        series=tuple(_announced_series(one) for one in said.series.values()),
        overlay=encode_overlay(peek_overlay(node.database, key) or Overlay())[1],
    )
    return [
        *send(node, peer, message, cause=cause),
        Statement(
            "UPDATE decision SET corrected = ? WHERE peer = ? AND origin = ? AND study_uid = ?",
            (digest, peer, key.origin, key.study_uid),
        ),
    ]


def _announced(row: StudyRow) -> AnnouncedStudy:
    return AnnouncedStudy(**{name: getattr(row, name) for name in AnnouncedStudy.__dataclass_fields__})


def _announced_series(row: SeriesRow) -> AnnouncedSeries:
    return AnnouncedSeries(**{name: getattr(row, name) for name in AnnouncedSeries.__dataclass_fields__})
