"""What lies outside of the database erased, thing by thing, after a study's rows are gone; until nothing is left.

Each thing is a row of table ``deletion_step``: done when it is gone, else with the words of why it is not. Every step may be
taken twice. Whatever is away is tried again for as long as it takes, and the certificate is signed when nothing is left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from node.archive.deletion.certificate import says_all, sign_certificate
from node.archive.deletion.deleting import erase_next
from node.archive.deletion.deletions import (
    DONE,
    GONE,
    Deletion,
    Step,
    get_deletion,
    steps_of,
    successor_name,
)
from node.archive.deletion.strays import stray_packs
from node.archive.lifecycle.periods import DAY, HOUR
from node.archive.shown import is_shown
from node.catalogue.moving import retire_packs
from node.catalogue.repointing import RETIRED_FOR
from node.clock import MINUTE, Micros
from node.database.port import Statement, integer
from node.durable import sync_directory
from node.errors import Conflict, GridError, Unavailable
from node.events import DeletionCertified
from node.failpoints import failpoint, planted
from node.keys.package_notes import PackageNotes
from node.names import Digest
from node.node import Node

SOON: Micros = MINUTE
LATE: Micros = 3 * DAY
"""What is left for so long after the study's rows went is shown to the administrator."""
WAITS = "deletion-waits"
LATEST: Micros = 6 * HOUR
"""The longest time between two tries of something that is away."""
_CHECKPOINT = "PRAGMA wal_checkpoint(TRUNCATE)"


def erase_study(node: Node, deletion: str) -> None:
    """Erase what is left of a deleted study; a job. What cannot go now is tried again by a job of its own."""
    found = get_deletion(node.database, deletion)
    if found.state == DONE and not says_all(node, found):
        node.write(certify(node, found))
        node.database.read(_CHECKPOINT)  # with the answer, words went out of mail that was kept for the peer
    if found.state != GONE:
        return
    for step in steps_of(node.database, found.id):
        if step.state != "done":
            _take(node, found, step)
    left = [step for step in steps_of(node.database, found.id) if step.state != "done"]
    if left:
        _put_off(node, found, left)
    else:
        _finish(node, found)


def certify(node: Node, deletion: Deletion) -> list[Statement]:
    """Give the statements by which a certificate is issued: the first, or one more since a peer answered."""
    at, issue = node.now(), deletion.issue + 1
    digest, row = node.texts.put("deletion-certificate", sign_certificate(node, deletion, issue=issue, at=at))
    event = DeletionCertified(certificate=digest, issue=issue)
    version = node.journal.version(deletion.subject)
    return [
        row,
        *node.journal.append(deletion.subject, [event], after=version, cause=deletion.cause),
        Statement(
            f"UPDATE deletion SET certificate = ?, issue = ?, state = '{DONE}', done_at = coalesce(done_at, ?)"
            " WHERE id = ? AND issue = ?",
            (digest, issue, at, deletion.id, deletion.issue),
            expect=1,
            refusal="Certifying a deletion was refused: it was done meanwhile.",
        ),
    ]


def _take(node: Node, deletion: Deletion, step: Step) -> None:
    """Take one step, and write down that it is done, or why not."""
    try:
        _STEPS[step.kind](node, deletion, step)
    except GridError as error:
        if not planted("away-counted-as-done"):
            _note(node, step, error.message)
            return
    failpoint("step-erased")
    node.write(
        [
            Statement(
                "UPDATE deletion_step SET state = 'done', words = '', at = ?, attempts = attempts + 1"
                " WHERE deletion = ? AND kind = ? AND store = ? AND what = ?",
                (node.now(), step.deletion, step.kind, step.store, step.what),
            )
        ]
    )


def _note(node: Node, step: Step, words: str) -> None:
    row = Statement(
        "UPDATE deletion_step SET words = ?, attempts = attempts + 1 WHERE deletion = ? AND kind = ? AND store = ? AND what = ?",
        (words, step.deletion, step.kind, step.store, step.what),
    )
    node.write([row])


def _put_off(node: Node, deletion: Deletion, left: list[Step]) -> None:
    """Ask for the next turn: when packs are due, else ever later."""
    (row,) = node.database.read(
        "SELECT max(due) AS due FROM retired_pack WHERE successor = ?", (successor_name(deletion.id),)
    )
    due = 0 if row["due"] is None else integer(row, "due")
    tried = min(step.attempts for step in left)
    wait = min(SOON << min(tried, 10), LATEST)
    at = due + 1 if due > node.now() else node.now() + wait
    turn = Statement(
        "UPDATE deletion SET turn = turn + 1 WHERE id = ? AND turn = ?",
        (deletion.id, deletion.turn),
        expect=1,
        refusal="Erasing a study was refused: another worker does it.",
    )
    again = erase_next(deletion, turn=deletion.turn + 1, at=at, now=node.now())
    node.write([turn, again, *_shown_late(node, deletion, left)])


def _shown_late(node: Node, deletion: Deletion, left: list[Step]) -> list[Statement]:
    """Tell the administrator, once, of what should be gone for days and is not."""
    late = node.now() - (deletion.ended_at or node.now()) > LATE
    if not late or is_shown(node.database, WAITS, deletion.subject):
        return []
    words = next((step.words for step in left if step.words), "")
    detail = (
        f"Erasing what is left of study {deletion.origin}/{deletion.study_uid} waits for {LATE // DAY} days: {len(left)} things are"
        f" there still. {words} It is tried again; the certificate waits for it."
    )
    return node.problem("deletion-waits", about=deletion.subject, detail=detail, cause=deletion.cause)


def _finish(node: Node, deletion: Deletion) -> None:
    """Sign the certificate. Texts that only led to it are kept: it begins with them."""
    node.write(certify(node, deletion))


def _forget_key(node: Node, _deletion: Deletion, step: Step) -> None:
    """Destroy what opens a sealed copy, where it was noted beside the row that is gone; the store need not be there for that."""
    if not planted("key-left"):
        PackageNotes(node.state / "keys", step.store).forget(Digest(step.what))


def _remove_copy(node: Node, _deletion: Deletion, step: Step) -> None:
    with node.packs.directory.unpinned() as free:
        if not free:
            raise Unavailable("Erasing a package was put off: a backup is being made. It is tried again.")
        node.archive.store(step.store).remove(Digest(step.what))


def _remove_pack(node: Node, _deletion: Deletion, step: Step) -> None:
    retire_packs(node)
    path = node.packs.path(step.what)
    if path.exists():
        raise Unavailable(
            f"Erasing pack {step.what} was put off: it goes {RETIRED_FOR // MINUTE} minutes after its last row, when no backup"
            " is being made, and never while it holds instances of another study."
        )
    node.packs.directory.forget_aside(step.what)


def _remove_file(node: Node, _deletion: Deletion, step: Step) -> None:
    path = node.state / step.what
    try:
        if path.exists():
            path.unlink(missing_ok=True)
            sync_directory(path.parent)
    except OSError as error:
        raise Unavailable(
            f"Erasing file {path.name} failed ({error.strerror}): look at the disk; it is tried again."
        ) from error


def _erase_text(node: Node, _deletion: Deletion, step: Step) -> None:
    """Erase words; those that another study's facts name too stay with those, and that counts as done here."""
    if not planted("texts-left"):
        node.texts.erase(Digest(step.what))


def _remove_strays(node: Node, deletion: Deletion, step: Step) -> None:
    others = [
        one for one in steps_of(node.database, deletion.id) if one.kind == "pack" and one.state != "done"
    ]
    if others:
        raise Unavailable("Looking for packs without a row waits until the others are gone.")
    found = list(stray_packs(node, deletion))
    if not found:
        return
    rows = [
        Statement(
            "INSERT INTO deletion_step (deletion, kind, store, what, state) VALUES (?, 'pack', '', ?, 'waiting')"
            " ON CONFLICT (deletion, kind, store, what) DO UPDATE SET state = 'waiting'",
            (step.deletion, pack),
        )
        for pack in found
    ]
    retired = [
        Statement(
            "INSERT INTO retired_pack (pack, successor, due) VALUES (?, ?, ?) ON CONFLICT (pack) DO NOTHING",
            (pack, successor_name(deletion.id), node.now() + RETIRED_FOR),
        )
        for pack in found
    ]
    node.write([*rows, *retired])
    raise Unavailable(
        f"Erasing {len(found)} packs that only repeated others was put off: they go in ten minutes."
    )


def _empty_log(node: Node, deletion: Deletion, step: Step) -> None:
    """Let the database's log go, in which pages stand as they were; last, since each step before writes to it."""
    if any(one.state != "done" for one in steps_of(node.database, deletion.id) if one.kind != step.kind):
        raise Unavailable("Emptying the database's log waits until all else is gone.")
    rows = node.database.read(_CHECKPOINT)
    if rows and integer(rows[0], "busy"):
        raise Conflict("Emptying the database's log was put off: somebody reads from it. It is tried again.")


_STEPS: Mapping[str, Callable[[Node, Deletion, Step], None]] = {
    "key": _forget_key,
    "copy": _remove_copy,
    "pack": _remove_pack,
    "file": _remove_file,
    "text": _erase_text,
    "strays": _remove_strays,
    "log": _empty_log,
}
