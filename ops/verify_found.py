"""What studies are found by and answered with, against their rows.

A study is looked at twice before it is called wrong: the node may run, and rows move between two reads.
"""

from __future__ import annotations

from collections.abc import Iterator

from node.catalogue.answers import study_answer
from node.catalogue.names import grams_of
from node.catalogue.search import StudyRow
from node.catalogue.sounds import sounds_of
from node.catalogue.written import derived_columns, names_of
from node.database.port import Row, convert_row, text
from node.node import Node
from ops.findings import Finding, pages
from ops.verify_journal import FROM_BACKUP


def verify_found(node: Node) -> Iterator[Finding]:
    """Every study's derived columns, its answer, and the grams and sounds of its names."""
    rows = pages(node.database, "study", columns="*", key=("origin", "study_uid"), where="derived = 1")
    for row in rows:
        if _faults(node, row):
            again = node.database.read(
                "SELECT * FROM study WHERE origin = ? AND study_uid = ?", (row["origin"], row["study_uid"])
            )
            for what in [what for one in again for what in _faults(node, one)]:
                yield Finding(where=convert_row(row, StudyRow).key.subject, what=what, todo=FROM_BACKUP)


def _faults(node: Node, row: Row) -> list[str]:
    study = convert_row(row, StudyRow)
    found = [
        f"{name} is not what its words give"
        for name, value in derived_columns(study).items()
        if row[name] != value
    ]
    answers = node.database.read(
        "SELECT answer FROM study_answer WHERE origin = ? AND study_uid = ?", (study.origin, study.study_uid)
    )
    if [text(one, "answer") for one in answers] != [study_answer(study)]:
        found.append("what queries answer is not what its row says")
    for name in sorted(names_of(study)):
        for column, parts in (("gram", grams_of(name)), ("sound", sounds_of(name))):
            held = [
                node.database.read(
                    f"SELECT 1 FROM name_{column} WHERE {column} = ? AND name = ?", (one, name)
                )
                for one in parts
            ]
            if not all(held):
                found.append(f"a name of it is not found by its {column}s")
    return found
