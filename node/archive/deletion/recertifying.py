"""A certificate of deletion issued once more when the last backup that may hold the study was removed.

Each removal of some backups is no news; that none is left is what a patient, or a court, waits for.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from node.archive.deletion.deletions import DONE
from node.archive.deletion.erasing import erase_study
from node.database.port import text
from node.errors import GridError
from node.node import Node

_PAGE = 100
_log = logging.getLogger(__name__)


def recertify(node: Node) -> None:
    """Issue the certificates anew that say of backups what is not so any more."""
    for deletion in _candidates(node):
        try:
            erase_study(node, deletion)
        except GridError as error:
            _log.warning("certifying deletion %s again was put off: %s", deletion, error)


def _candidates(node: Node) -> Iterator[str]:
    """Give deletions of which no earlier backup is there, and one was removed since the certificate was written."""
    after = ""
    sql = (
        "SELECT deletion.id FROM deletion JOIN text ON text.digest = deletion.certificate"
        f" WHERE deletion.state = '{DONE}' AND deletion.id > ?"
        " AND EXISTS (SELECT 1 FROM backup_made AS one WHERE one.at < deletion.done_at AND one.removed_at >= text.at)"
        " AND NOT EXISTS (SELECT 1 FROM backup_made AS one WHERE one.at < deletion.done_at AND one.removed_at IS NULL)"
        f" ORDER BY deletion.id LIMIT {_PAGE}"
    )
    while rows := node.database.read(sql, (after,)):
        yield from (text(row, "id") for row in rows)
        after = text(rows[-1], "id")
