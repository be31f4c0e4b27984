"""Spoiled copies of packages healed: put again from a whole one; made anew of what is online; or said to be lost.

A copy counts as spoiled whoever found it so: the scrub, a recall, a reader of frames. What is put is read back from its store
before it is believed (`copies.put_copy`).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from node.archive.archived import ArchivedRow, CopyRow, copies_of, is_archived
from node.archive.copies import copy_subject, mend_copies, stored_of
from node.archive.scrub.damage import lost_package
from node.archive.scrub.healing import AGAIN, Healed
from node.archive.scrub.rotation import copy_verified, later
from node.archive.stores.verifying import verify_copy
from node.archive.superseding import remove_superseded, supersede
from node.archive.tier import QUEUE
from node.catalogue.search import instances_of
from node.clock import MINUTE, Micros
from node.database.port import Statement, read_as, text
from node.errors import Damaged, GridError
from node.journal.jobs import enqueue
from node.names import Cause, Digest
from node.node import Node
from node.store.directory import is_damaged

AT_ONCE = 20
LOOKED_AT_AGAIN: Micros = 24 * 60 * MINUTE
"""A store may have got back what it lost."""


def heal_copies(node: Node) -> Healed:
    """Heal packages that have spoiled copies, some at a time."""
    rows = node.database.read(
        "SELECT DISTINCT digest FROM package_copy WHERE state <> 'verified' AND NOT EXISTS"
        " (SELECT 1 FROM scrub_later WHERE subject = 'package/' || package_copy.digest AND until > ?) LIMIT ?",
        (node.now(), AT_ONCE),
    )
    done = Healed()
    for row in rows:
        one = _heal(node, Digest(text(row, "digest")))
        done = Healed(
            healed=done.healed + one.healed, lost=done.lost + one.lost, waiting=done.waiting + one.waiting
        )
    return done


def _heal(node: Node, digest: Digest) -> Healed:
    generations = read_as(
        node.database, ArchivedRow, "SELECT * FROM archived WHERE digest = ? LIMIT 1", (digest,)
    )
    if not generations:
        return _wait(node, digest, LOOKED_AT_AGAIN)  # it counts no more, and `superseding` removes it
    (archived,) = generations
    if supersede(node, archived):
        remove_superseded(node)
        return Healed()
    try:
        put = mend_copies(node, digest)
        left = [copy for copy in copies_of(node.database, digest) if copy.state != "verified"]
        return Healed(healed=len(put)) if not left else _wait(node, digest, LOOKED_AT_AGAIN, healed=len(put))
    except Damaged:
        return _without_any(node, archived)
    except GridError:
        return _wait(node, digest, AGAIN)


def _without_any(node: Node, archived: ArchivedRow) -> Healed:
    """No copy is known to be whole: look at each once more, then make the package anew, or say what is lost."""
    again = _whole_again(node, copies_of(node.database, archived.digest))
    if again:
        node.write(again)
        put: tuple[str, ...] = ()
        with suppress(GridError):
            put = mend_copies(node, archived.digest)
        return Healed(healed=1 + len(put))
    rows = instances_of(node.database, archived.key, chosen_only=False)
    alone = [row for row in rows if row.pack == archived.pack]
    if alone:
        node.write(lost_package(node, archived.key, archived.digest, len(alone)))
        return _wait(node, archived.digest, LOOKED_AT_AGAIN, lost=1)
    if not any(is_archived(row.pack) or is_damaged(row.pack) for row in rows):
        job = enqueue(
            "archive_study",
            {"origin": archived.origin, "study_uid": archived.study_uid},
            key=f"archive-anew/{archived.digest}/{node.now() // AGAIN}",
            cause=Cause(node.new_id()),
            now=node.now(),
            queue=QUEUE,
        )
        node.write([job])
    return _wait(node, archived.digest, AGAIN)


def _whole_again(node: Node, copies: Sequence[CopyRow]) -> list[Statement]:
    """Verify copies that were noted as spoiled: a store may have been put right."""
    found = []
    for copy in copies:
        with suppress(GridError):
            verify_copy(node.archive.store(copy.store), stored_of(copy), node.clock)
            found.append(copy_verified(node, copy))
            found.append(
                Statement(
                    "UPDATE damage SET state = 'healed', ended_at = ? WHERE subject = ? AND state <> 'healed'",
                    (node.now(), copy_subject(copy)),
                )
            )
    return found


def _wait(node: Node, digest: Digest, for_: Micros, *, healed: int = 0, lost: int = 0) -> Healed:
    node.database.write([later(f"package/{digest}", node.now() + for_)], node.new_id())
    return Healed(healed=healed, lost=lost, waiting=0 if lost else 1)
