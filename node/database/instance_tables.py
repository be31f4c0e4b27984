"""Instances of studies that lie in the archive alone, as one row per series; ``instance`` is the view of all.

A million studies are hundreds of millions of instances, and most of them lie in the archive: a row each of them has about
930 bytes with its indexes. Here they share a row with others of their series that are alike and take about 190, and nobody
who reads needs to know: the view gives the same rows. Not in the package's manifest alone, since what a study has must be
found, matched, and known again when it is sent again, while its store is away.
"""

from __future__ import annotations

ALIKE = (
    "origin", "study_uid", "pack", "series_uid", "sop_class", "transfer_syntax", "frames", "rows", "columns", "state",
    "door", "normal_digest",
)  # fmt: skip
"""Columns of `ARCHIVED_SERIES`, which all instances of a row share."""
OWN = (
    "sop_uid", "digest", "number", "offset", "meta_bytes", "data_offset", "data_bytes", "received_at",
)  # fmt: skip
"""What each has for itself, in the order of its list."""
EVERY = (
    "origin", "study_uid", "sop_uid", "digest", "normal_digest", "series_uid", "sop_class", "transfer_syntax", "number",
    "frames", "rows", "columns", "pack", "offset", "meta_bytes", "data_offset", "data_bytes", "state", "door",
    "received_at",
)  # fmt: skip
"""Columns of the view, as of a row that is online."""
IN_ARCHIVE = "pack >= 'archive-' AND pack < 'archive.'"
"""Of a row: it lies in the archive alone."""


def archived_column(name: str) -> str:
    """Give a column of `instance` as an expression over ``archived_series AS a, json_each(a.instances) AS i``."""
    return f"i.value ->> {OWN.index(name)}" if name in OWN else f"a.{name}"


def fold(where: str) -> tuple[str, str]:
    """Give what folds rows of ``online_instance`` that lie in the archive alone, and what takes them from there."""
    alike = ", ".join(ALIKE)
    return (
        f"INSERT INTO archived_series ({alike}, instances)"
        f" SELECT {alike}, json_group_array(json_array({', '.join(OWN)})) FROM (SELECT * FROM online_instance"
        f" WHERE {where} AND {IN_ARCHIVE} ORDER BY origin, study_uid, series_uid, number, sop_uid, digest)"
        f" GROUP BY {alike}",
        f"DELETE FROM online_instance WHERE {where} AND {IN_ARCHIVE}",
    )


def unfold(where: str) -> tuple[str, str]:
    """Give what makes rows of ``online_instance`` of folded ones, and what takes those away."""
    return (
        f"INSERT INTO online_instance ({', '.join(EVERY)}) SELECT {', '.join(map(archived_column, EVERY))}"
        f" FROM archived_series AS a, json_each(a.instances) AS i WHERE {where}",
        f"DELETE FROM archived_series WHERE {where}",
    )


INSTANCES: tuple[str, ...] = (
    "ALTER TABLE instance RENAME TO online_instance",
    # instances: a JSON list of lists, the values of `OWN`. Rows that lie in the archive alone stand here and nowhere else.
    """CREATE TABLE archived_series (origin TEXT NOT NULL, study_uid TEXT NOT NULL, pack TEXT NOT NULL,
        series_uid TEXT NOT NULL, sop_class TEXT NOT NULL, transfer_syntax TEXT NOT NULL, frames INTEGER NOT NULL,
        rows INTEGER, columns INTEGER, state TEXT NOT NULL, door TEXT NOT NULL, normal_digest TEXT NOT NULL,
        instances TEXT NOT NULL) STRICT""",
    "CREATE INDEX archived_series_study ON archived_series (origin, study_uid, series_uid)",
    "CREATE INDEX archived_series_pack ON archived_series (pack)",
    *fold("1"),
    f"""CREATE VIEW instance ({", ".join(EVERY)}) AS SELECT {", ".join(EVERY)} FROM online_instance
        UNION ALL SELECT {", ".join(map(archived_column, EVERY))}
        FROM archived_series AS a, json_each(a.instances) AS i""",
)
