"""Rows of instances that lie in the archive alone, folded into one per series, and unfolded where they are written.

Who reads uses ``instance``, the view of both. Who writes rows of a study unfolds them first and folds them last, in its
own batch; whoever only asks about packs on the disk reads ``online_instance``.
"""

from __future__ import annotations

from collections.abc import Iterable

from node.database.instance_tables import fold, unfold
from node.database.port import Statement
from node.names import StudyKey

_OF_STUDY = "origin = ? AND study_uid = ?"


def folded(key: StudyKey) -> list[Statement]:
    """Give the statements that fold what lies in the archive alone of a study; where nothing does, they do nothing."""
    return [Statement(sql, (key.origin, key.study_uid)) for sql in fold(_OF_STUDY)]


def unfolded(key: StudyKey) -> list[Statement]:
    """Give the statements that make a row of each of a study's instances."""
    return [Statement(sql, (key.origin, key.study_uid)) for sql in unfold(_OF_STUDY)]


def rewritten(key: StudyKey, statements: Iterable[Statement]) -> list[Statement]:
    """Give statements that change rows of ``online_instance``, so that they find also what lies in the archive alone."""
    changes = list(statements)
    return [*unfolded(key), *changes, *folded(key)] if changes else []
