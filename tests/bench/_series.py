"""One series of an archived study brought from a bucket: by the ranges that it needs, and all of its package fetched for it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from node.archive.archived import is_archived
from node.archive.archiving import archive_study
from node.archive.expiring import expire_study
from node.archive.recall import near
from node.archive.recall.recalling import bring
from node.catalogue.search import instances_of
from node.dicom.part10 import read_part10
from node.names import SeriesUID, StudyKey
from node.node import Node
from tests.bench._studies import slices
from tests.kit.archive_stores import Far
from tests.kit.bucket import node_with_bucket
from tests.kit.holding import hold
from tests.kit.merging import complete

SERIES = 8


@dataclass(kw_only=True)
class Brought:
    """A series, once for each round."""

    took_ms: list[float] = field(default_factory=list)
    fetched_mb: list[float] = field(default_factory=list)


def one_series(folder: Path, *, count: int, rounds: int) -> tuple[Brought, Brought]:
    """Bring one series of eight by turns; gives it by ranges, and with its package whole."""
    ranges, whole = Brought(), Brought()
    with node_with_bucket(folder) as (node, bucket):
        key = _archived(node, count)
        series = SeriesUID(f"{key.study_uid}.{SERIES // 2}")
        for _ in range(rounds):
            _bring(node, bucket, key, series, ranges)
            with patch.object(near, "by_ranges", return_value=False):
                _bring(node, bucket, key, series, whole)
    return ranges, whole


def _archived(node: Node, count: int) -> StudyKey:
    _, files = slices(count, series=SERIES)
    key = hold(node, [bytes(read_part10(file).data_set) for file in files])
    complete(node, key)
    archive_study(node, origin=key.origin, study_uid=key.study_uid)
    expire_study(node, key, reason="due")
    return key


def _bring(node: Node, bucket: Far, key: StudyKey, series: SeriesUID, into: Brought) -> None:
    bucket.forget()
    began = time.perf_counter()
    bring(node, key, who="", why="bench", series_uid=series)
    into.took_ms.append((time.perf_counter() - began) * 1e3)
    into.fetched_mb.append(bucket.read_bytes / 1e6)
    rows = instances_of(node.database, key)
    assert {row.series_uid for row in rows if not is_archived(row.pack)} == {series}
    expire_study(node, key, reason="due")
