"""The index of a node written again into a new database beside the old one, which takes its place when all is done.

The node is stopped meanwhile. Until the last step nothing that a node reads is changed: a rebuild that is ended at any point
leaves the old database as it was, and the next one begins anew. The old file stays beside, under a dated name.

In this order, since each rests on the one before: content from the old database, where it can be read; the journal from its
blocks; facts of corrections; records of packs; packages; states; corrections applied; cases, reports and their delivery; what
is not known, marked, and said anew to whoever may wait for it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from node.archive.deciding import look_again
from node.clock import SECOND, Clock, SystemClock
from node.config import load_config
from node.database.port import Statement, text
from node.database.replacing import beside, forget_database, replace_database
from node.database.salvage import OldDatabase, fold_log
from node.database.sqlite import SqliteDatabase
from node.errors import Damaged, InvalidRequest
from node.events import Event
from node.failpoints import failpoint, planted
from node.journal.chain import blocks_folder
from node.names import Cause, NodeId, StudyKey, StudyUID, Subject
from node.node import Node
from ops.alone import alone
from ops.backup.reviving import begin_again
from ops.compose import compose_aside, database_path, run_directory
from ops.findings import PAGE, pages
from ops.rebuild.cases import Cases, write_cases
from ops.rebuild.chain import Blocks, Chain, read_chain
from ops.rebuild.copying import Copied, copy_announced, copy_content, copy_seen, open_old
from ops.rebuild.corrected import restate_own, restate_told, write_lost_notes
from ops.rebuild.damaged import look_at_suspects
from ops.rebuild.deleted import Deleted
from ops.rebuild.deliveries import write_deliveries
from ops.rebuild.doubt import Doubt, mark_unknown
from ops.rebuild.facts import Facts, write_facts
from ops.rebuild.journal import Journal, write_journal
from ops.rebuild.packaged import PackagedContents
from ops.rebuild.packages import Packages, write_packages
from ops.rebuild.records import Records, Registering, Told
from ops.rebuild.remembered import copy_remembered
from ops.rebuild.resumed import resume
from ops.rebuild.studies import Studies, settle_studies
from ops.verify_blocks import keys_of

ACT = "Rebuilding the index"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRebuilt(Event):
    """The index was written again. Subject ``node/ID``."""

    blocks: int
    records: int
    studies: int
    instances: int
    unknown: int
    """Studies of which not all corrections are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What came of a rebuild."""

    kept: Path | None
    """Where the old database lies; None when there was none."""
    content: Copied | None
    """None: there was no old database to copy it from."""
    chain: Chain
    journal: Journal
    facts: Facts
    records: Records
    packages: Packages
    studies: Studies
    doubt: Doubt
    cases: Cases


def rebuild(
    state: Path,
    *,
    clock: Clock | None = None,
    without_old: bool = False,
    tell: Told = lambda what, done, total: None,
) -> Rebuilt:
    """Write the index of a node again.

    Parameters
    ----------
    without_old
        Go on where the old database cannot be read at all; its content is lost then.

    Raises
    ------
    Conflict
        The node runs.
    Damaged
        The old database cannot be read; nothing was changed.
    Unavailable
        The disk is full or failing; the old database has its name.
    """
    load_config(state)
    time = clock or SystemClock()
    path = database_path(state)
    new = path if planted("rebuild-in-place") else beside(path, "rebuilding")
    with alone(state, act=ACT):
        forget_database(new)
        with _old(path, time, without=without_old) as old:
            database = SqliteDatabase(new, time)
            node = compose_aside(state, database, time)
            try:
                rebuilt = _fill(node, old, tell)
            finally:
                node.close()
        fold_log(new)  # nothing of it may stay in a log that does not move with it
        failpoint("rebuild-written")
        kept = replace_database(path, new, keep=_dated(path, time))
        shutil.rmtree(run_directory(state), ignore_errors=True)
    return replace(rebuilt, kept=kept)


def _fill(node: Node, old: OldDatabase | None, tell: Told) -> Rebuilt:
    """Write everything into an empty database."""
    content = None
    if old is not None:
        content = copy_content(node, old)
        copy_announced(node, old)
    failpoint("rebuild-content")
    blocks = Blocks(blocks_folder(node), node.id, old)
    chain = read_chain(blocks, origin=node.id, keys=keys_of(node))
    journal = write_journal(node, blocks, chain, old=old)
    if old is not None:
        copy_seen(node, old)
    failpoint("rebuild-journal")
    deleted, contents = Deleted(node), PackagedContents(node)
    records = Registering(node, contents, deleted, tell).run()
    failpoint("rebuild-records")
    packages = write_packages(node, deleted, tell)
    failpoint("rebuild-packages")
    studies = settle_studies(node, deleted, tell)
    failpoint("rebuild-states")
    facts = write_facts(node)
    deleted.forget_facts(node)
    write_lost_notes(node, contents)
    restate_own(node, contents)
    told = restate_told(node, contents)
    failpoint("rebuild-corrections")
    cases = write_cases(node, deleted, old, tell)
    if old is not None:
        copy_remembered(node, old, deleted, cases)
    write_deliveries(node, old)
    failpoint("rebuild-cases")
    doubt = mark_unknown(node, journal, newest_at=records.newest_at, single=(facts.unknown, told))
    look_at_suspects(node)
    _finish(node, chain, journal, studies, doubt)
    resume(node, journal, cases)
    failpoint("rebuild-marks")
    return Rebuilt(
        kept=None,
        content=content,
        chain=chain,
        journal=journal,
        facts=facts,
        records=records,
        packages=packages,
        studies=studies,
        doubt=doubt,
        cases=cases,
    )


def _finish(node: Node, chain: Chain, journal: Journal, studies: Studies, doubt: Doubt) -> None:
    """Begin a new life toward peers, look at every study's copies again, and tell of the rebuild."""
    for keys in _keys(node):
        node.database.write(look_again(node, keys), node.new_id())
    (row,) = node.database.read("SELECT count(*) AS n FROM instance")
    event = IndexRebuilt(
        blocks=len(chain.rows),
        records=journal.records,
        studies=studies.studies,
        instances=int(str(row["n"])),
        unknown=doubt.marked,
    )
    subject, cause = Subject(f"node/{node.id}"), Cause(node.new_id())
    version = node.journal.version(subject)
    node.database.write(node.journal.append(subject, [event], after=version, cause=cause), node.new_id())
    if studies.missing:
        node.database.write(_missing(node, studies, cause), node.new_id())
    statements = begin_again(node, node.keys.new_incarnation())
    if statements:
        node.database.write(statements, node.new_id())


def _missing(node: Node, studies: Studies, cause: Cause) -> list[Statement]:
    key, count = next(iter(studies.missing.items()))
    return node.problem(
        "rebuild-missing",
        about=f"node/{node.id}",
        detail=f"Rebuilding the index found no pack and no package with {sum(studies.missing.values())} contents of"
        f" {len(studies.missing)} studies that the journal tells of; the first is {key.origin}/{key.study_uid}, {count}."
        " Restore packs from a backup and rebuild again, mount stores that were away, or have them sent again.",
        cause=cause,
    )


def _keys(node: Node) -> Iterator[list[StudyKey]]:
    """Give all studies, some at a time."""
    keys: list[StudyKey] = []
    for row in pages(node.database, "study", columns="origin, study_uid", key=("origin", "study_uid")):
        keys.append(StudyKey(origin=NodeId(text(row, "origin")), study_uid=StudyUID(text(row, "study_uid"))))
        if len(keys) == PAGE:
            yield keys
            keys = []
    if keys:
        yield keys


@contextmanager
def _old(path: Path, clock: Clock, *, without: bool) -> Iterator[OldDatabase | None]:
    """Open the old database; None when there is none, or nobody is to look at it."""
    scratch = beside(path, "rebuilding-old")
    old = None
    if path.exists():
        try:
            fold_log(path)
            old = open_old(path, scratch, clock)
        except (Damaged, InvalidRequest) as error:
            if not without:
                raise type(error)(
                    f"{ACT} was refused, since the old database holds accounts, rules and peers that nothing else has:"
                    f" {error.message} To go on without them: --without-old."
                ) from error
    try:
        yield old
    finally:
        if old is not None:
            old.close()
        with suppress(OSError):
            forget_database(scratch)


def _dated(path: Path, clock: Clock) -> Path:
    moment = datetime.fromtimestamp(clock.now() // SECOND, UTC)
    return beside(path, f"{moment:%Y%m%dT%H%M%SZ}.old")
