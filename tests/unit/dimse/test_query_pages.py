"""Pages of a query's answers follow each other while studies arrive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.catalogue.matching import QueryLevel
from node.catalogue.search import EVERYTHING
from node.clock import Micros, SystemClock
from node.database.port import Database
from node.dicom.header import scan
from node.dicom.syntax import EXPLICIT_LITTLE
from node.dimse import query_scp
from node.dimse.query_answers import Asking
from node.names import SeriesUID, SOPInstanceUID, StudyUID
from tests.kit.bare_node import bare_node
from tests.kit.catalogued import Catalogue, hold, instance, series, study
from tests.kit.instances import LITTLE

ASKING = Asking(model=query_scp.PATIENT_ROOT, transfer_syntax=EXPLICIT_LITTLE, explicit=True, title="ALPHA")
UNIQUE = {QueryLevel.PATIENT: 0x00100020, QueryLevel.STUDY: 0x0020000D, QueryLevel.SERIES: 0x0020000E,
          QueryLevel.INSTANCE: 0x00080018}  # fmt: skip


def catalogue(count: int) -> Catalogue:
    """Give so many studies, each later than the one before, of one patient and one instance each."""
    numbers = range(1, count + 1)
    return Catalogue(
        studies=[
            study(study_uid=StudyUID(f"2.25.{n}"), patient_id=f"P{n}", first_at=Micros(n), last_at=Micros(n),
                  series_count=1, instance_count=1)
            for n in numbers
        ],
        series=[series(study_uid=StudyUID(f"2.25.{n}"), series_uid=SeriesUID(f"2.25.{n}.1")) for n in numbers],
        instances=[
            instance(study_uid=StudyUID(f"2.25.{n}"), series_uid=SeriesUID(f"2.25.{n}.1"),
                     sop_uid=SOPInstanceUID(f"2.25.{n}.1.1"))
            for n in numbers
        ],
    )  # fmt: skip


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    node = bare_node(tmp_path, "alpha", SystemClock())
    yield node.database
    node.close()


@pytest.mark.parametrize("level", list(QueryLevel))
def test_nothing_is_given_twice_and_nothing_left_out_while_studies_arrive(
    database: Database, monkeypatch: pytest.MonkeyPatch, level: QueryLevel
) -> None:
    monkeypatch.setattr(query_scp, "PAGE", 4)
    hold(database, catalogue(10), "before")
    identifier = LITTLE.element(0x00080052, "CS", level) + LITTLE.element(UNIQUE[level], "UI", "")
    answers = query_scp.find(database, EVERYTHING, identifier, ASKING)
    found = [scan(next(answers)[1], EXPLICIT_LITTLE).text(UNIQUE[level])]
    hold(database, catalogue(12), "two arrived")
    found += [scan(content, EXPLICIT_LITTLE).text(UNIQUE[level]) for _, content in answers]
    assert len(found) == len(set(found)) == 10
