"""What studies are found by and answered with, held against their rows."""

from __future__ import annotations

from node.catalogue.answers import study_answer
from node.catalogue.names import grams_of
from node.catalogue.search import StudyRow
from node.catalogue.sounds import sounds_of
from node.catalogue.written import derived_columns, names_of
from node.database.port import Database, convert_row


def amiss(database: Database) -> list[str]:
    """Name every study, answer, gram and sound that is not what the rows say."""
    wrong, names = [], set[str]()
    answers = {
        (row["origin"], row["study_uid"]): row["answer"]
        for row in database.read("SELECT * FROM study_answer")
    }
    for row in database.read("SELECT * FROM study"):
        study = convert_row(row, StudyRow)
        names |= names_of(study)
        if row["derived"] != 1 or any(row[name] != value for name, value in derived_columns(study).items()):
            wrong.append(f"columns of {study.study_uid}")
        if answers.pop((study.origin, study.study_uid), None) != study_answer(study):
            wrong.append(f"answer of {study.study_uid}")
    wrong += [f"answer of {uid}, which is gone" for _, uid in answers]
    for column, parts in (("gram", grams_of), ("sound", sounds_of)):
        held = {(row[column], row["name"]) for row in database.read(f"SELECT * FROM name_{column}")}
        right = {(part, name) for name in names for part in parts(name)}
        if held != right:
            wrong.append(f"{column}s: {len(right - held)} missing, {len(held - right)} too many")
    return wrong
