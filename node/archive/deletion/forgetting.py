"""A study's rows taken away, all of them, in one batch with the steps that erase what lies outside of the database.

Keys of sealed packages go with these rows: from then on nobody opens those, wherever they lie. What is left to be erased is
written down first, from the very rows that go, so that nothing is forgotten that was not to be seen before.
"""

from __future__ import annotations

import re

from node.archive.deletion.deletions import successor_name
from node.canonical import canonical_json
from node.catalogue.repointing import RETIRED_FOR
from node.catalogue.search import peek_study
from node.catalogue.written import forget_study
from node.database.port import Statement, text
from node.events import StudyArchived, decode
from node.names import StudyKey, Subject
from node.node import Node

TABLES = (
    "series",
    "study_identity",
    "online_instance",
    "archived_series",
    "repeated",
    "said",
    "overlay",
    "study_correction",
    "correction",
    "hold",
    "access",
    "referral",
    "decision",
    "part",
    "completed_there",
    "shared_instance",
    "archived",
    "lifecycle",
    "recall",
    "damage",
    "transfer",
    "report",
    "consult_case",
)
"""Every table whose rows are about one study each, by ``origin`` and ``study_uid``; `study` itself goes by `forget_study`."""
_OF = "origin = ? AND study_uid = ?"
_PACKS = (
    f"SELECT '' AS store, pack AS what FROM online_instance WHERE {_OF} AND pack NOT LIKE 'damaged-%'"
    f" UNION SELECT '', pack FROM damage WHERE {_OF} AND tier = 'online'"
)
_PACKAGES = f"SELECT digest FROM archived WHERE {_OF} UNION SELECT value FROM json_each(?)"
_NAMES = f"SELECT what FROM ({_PACKS}) UNION SELECT pack FROM archived WHERE {_OF}"
_OF_PATIENT = (
    "correction.study_uid = '' AND EXISTS (SELECT 1 FROM study_identity AS mine WHERE mine.origin = ? AND mine.study_uid = ?"
    " AND mine.origin = correction.origin AND mine.patient_issuer = correction.patient_issuer"
    " AND mine.patient_id = correction.patient_id) AND NOT EXISTS (SELECT 1 FROM study_identity AS other"
    " WHERE other.patient_issuer = correction.patient_issuer AND other.patient_id = correction.patient_id"
    " AND NOT (other.origin = ? AND other.study_uid = ?))"
)
"""Facts of a patient of whom no other study speaks: they go with the last one."""
_TEXTS = (
    f"SELECT '' AS store, words AS what FROM correction WHERE {_OF}"
    f" UNION SELECT '', undone_words FROM correction WHERE {_OF} AND undone_words <> ''"
    f" UNION SELECT '', words FROM correction WHERE {_OF_PATIENT}"
    f" UNION SELECT '', undone_words FROM correction WHERE {_OF_PATIENT} AND undone_words <> ''"
    f" UNION SELECT '', form FROM consult_case WHERE {_OF}"
    f" UNION SELECT '', reason FROM consult_case WHERE {_OF} AND reason <> ''"
    f" UNION SELECT '', text FROM report WHERE {_OF}"
)
_CASES = f"(SELECT case_id FROM consult_case WHERE {_OF})"
_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")


def cases_of(node: Node, key: StudyKey) -> list[str]:
    """Give the consult cases about a study."""
    sql = f"SELECT case_id FROM consult_case WHERE {_OF} ORDER BY case_id"
    return [text(row, "case_id") for row in node.database.read(sql, (key.origin, key.study_uid))]


def forget_rows(node: Node, key: StudyKey, id_: str) -> list[Statement]:
    """Give the statements that write down what is left to be erased, and then take all rows of a study away."""
    study = peek_study(node.database, key)
    shown: list[Statement] = [] if study is None else forget_study(study)
    return [
        *_steps(node, key, id_),
        _peers(node, key, id_),
        *_beside(node, key),
        *shown,
        *(Statement(f"DELETE FROM {table} WHERE {_OF}", (key.origin, key.study_uid)) for table in TABLES),
        *_retired(node, id_),
    ]


def _steps(node: Node, key: StudyKey, id_: str) -> list[Statement]:
    """Write down what lies elsewhere: copies, packs, sealed parts, documents, texts."""
    return [
        *_copies(node, key, id_),
        _step(id_, "pack", _PACKS, key),
        _step(id_, "pack", f"SELECT '', pack FROM retired_pack WHERE successor IN ({_NAMES})", key),
        _step(id_, "file", f"SELECT '', blob.path FROM part JOIN blob ON blob.digest = part.blob WHERE {_OF}", key),
        _step(id_, "file", f"SELECT '', 'documents/' || report_id || '.pdf' FROM report WHERE {_OF}", key),
        _step(id_, "file", f"SELECT '', 'documents/' || report_id || '.dcm' FROM report WHERE {_OF}", key),
        _step(id_, "text", _TEXTS, key),
        *(_step(id_, "text", "SELECT '', ?", None, digest) for digest in _told_by_cases(node, key)),
        _step(id_, "strays", "SELECT '', ''"),
        _step(id_, "log", "SELECT '', ''"),
    ]  # fmt: skip


def _step(id_: str, kind: str, source: str, key: StudyKey | None = None, *params: str) -> Statement:
    """Give the statement for steps of one kind; ``source`` gives a store and what lies there, of the study as often as it asks."""
    if key is not None:
        params = (key.origin, key.study_uid) * source.count("study_uid = ?")
    return Statement(
        "INSERT INTO deletion_step (deletion, kind, store, what, state) SELECT ?, ?, one.*, 'waiting'"
        f" FROM ({source}) AS one WHERE true ON CONFLICT DO NOTHING",
        (id_, kind, *params),
    )


def _copies(node: Node, key: StudyKey, id_: str) -> list[Statement]:
    """Write down each copy, and each key of one that is sealed: that goes first, however far away the copy is."""
    return [
        Statement(
            f"INSERT INTO deletion_step (deletion, kind, store, what, state) SELECT ?, '{kind}', store, stored, 'waiting'"
            f" FROM package_copy WHERE digest IN ({_PACKAGES}) AND ({which}) ON CONFLICT DO NOTHING",
            (id_, key.origin, key.study_uid, _ever_made(node, key)),
        )
        for kind, which in (("key", "wrapped_key <> ''"), ("copy", "true"))
    ]


def _ever_made(node: Node, key: StudyKey) -> str:
    """Give the packages that were ever made of a study, as JSON: copies of older ones may be left that no other row means."""
    events = [decode((StudyArchived,), one.type, one.body) for one in node.journal.of(key.subject)]
    return canonical_json(sorted({event.digest for event in events if event is not None}))


def _told_by_cases(node: Node, key: StudyKey) -> list[str]:
    """Give the texts that events of its cases name: forms and reasons, also those that other ones took the place of."""
    found: dict[str, None] = {}
    for case_id in cases_of(node, key):
        for subject in (f"case/{case_id}", f"request/{case_id}"):
            for record in node.journal.of(Subject(subject)):
                found.update(dict.fromkeys(_DIGEST.findall(record.body)))
    return [
        digest
        for digest in found
        if node.database.read("SELECT 1 AS one FROM text WHERE digest = ?", (digest,))
    ]


def _peers(node: Node, key: StudyKey, id_: str) -> Statement:
    """Write down who was sent the study, or told of it; only its origin tells them."""
    return Statement(
        "INSERT INTO deletion_peer (deletion, peer, state) SELECT ?, peer, 'due' FROM (SELECT peer FROM decision"
        f" WHERE {_OF} AND (told <> '' OR completed <> '' OR corrected <> '')"
        f" UNION SELECT peer FROM part WHERE {_OF} AND direction = 'out'"
        f" UNION SELECT home FROM consult_case WHERE {_OF}) WHERE peer <> ? AND ? = ?",
        (id_, *(key.origin, key.study_uid) * 3, node.id, key.origin, node.id),
    )


def _beside(node: Node, key: StudyKey) -> list[Statement]:
    """Take away what hangs on the study's rows by another name, while those still say which."""
    reports = f"(SELECT report_id FROM report WHERE {_OF})"
    transfers = f"(SELECT id FROM transfer WHERE {_OF})"
    where = (key.origin, key.study_uid)
    packages = (*where, _ever_made(node, key))
    return [
        *(Statement(f"DELETE FROM {table} WHERE case_id IN {_CASES}", where) for table in ("claim", "case_fact", "draft", "draft_aside")),
        Statement(f"DELETE FROM delivery WHERE report_id IN {reports}", where),
        Statement(f"DELETE FROM transferred WHERE transfer IN {transfers}", where),
        Statement(f"DELETE FROM damage WHERE tier = 'archive' AND digest IN ({_PACKAGES})", packages),
        Statement(f"DELETE FROM package_copy WHERE digest IN ({_PACKAGES})", packages),
        Statement(f"DELETE FROM blob WHERE digest IN (SELECT blob FROM part WHERE {_OF})", where),
        Statement(f"DELETE FROM correction WHERE {_OF_PATIENT}", where * 2),
    ]  # fmt: skip


def _retired(node: Node, id_: str) -> list[Statement]:
    """Let packs go in ten minutes; one that holds instances of another study stays, and its step with it."""
    return [
        Statement(
            "INSERT INTO retired_pack (pack, successor, due) SELECT what, ?, ? FROM deletion_step WHERE deletion = ?"
            " AND kind = 'pack' AND NOT EXISTS (SELECT 1 FROM online_instance WHERE pack = what)"
            " ON CONFLICT (pack) DO UPDATE SET successor = excluded.successor",
            (successor_name(id_), node.now() + RETIRED_FOR, id_),
        ),
        Statement(
            "DELETE FROM scrubbed WHERE pack IN (SELECT what FROM deletion_step WHERE deletion = ? AND kind = 'pack')",
            (id_,),
        ),
    ]
