"""Of which studies not all corrections are known after a rebuild, up to when they are, and why.

A study shown clean whose merge or rejection was forgotten is worse than one that says so. What is known and what is not:

- Where the journal has a hole, was altered, or none of it is left, whatever it does not hold may have corrected any study:
  a merge is of a patient, wherever her studies are. So all of them are marked, with the moment up to which it is known.
- Whether blocks are missing at its very end no block says. But each study that comes is an event, and no event waits for
  its block for longer than ten minutes: where instances came much later than the last record, the end is missing.
- What no block held yet, mostly some minutes, goes with the database. To mark every study for that would make each rebuild
  mark all, and the mark mean nothing. It need not: a correction's text is synced before its event is written, and says
  what it is about. A text that no event names and that is younger than the last record was a correction that was made,
  or was being made: its study, or all of its patient's, are marked, and no other. Rejections that devices sent are
  read again from their packs.
- A text of an earlier version does not say what it is about. Then all are marked.
- What an earlier rebuild could not know and nobody has settled since is an event, and marks its study again.
- A fact that lost its text, or that an earlier version wrote without its patient, marks the studies it touched; so does
  what a peer told of its study, where the text of that is not here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from node.canonical import digest_of
from node.catalogue.correction_facts import Words
from node.catalogue.unsettled import CorrectionsDoubted, unsettled_studies
from node.clock import MINUTE, SECOND, Micros
from node.database.port import Statement, Value
from node.failpoints import planted
from node.names import Cause, Digest, StudyKey, Subject, study_of
from node.node import Node
from ops.rebuild.journal import Journal

TAIL: Micros = 30 * MINUTE
"""So long after the last record nothing came that it would tell of."""
_BATCH = 400
_SLACK: Micros = 10 * MINUTE
"""How much earlier than its event a text may have been written, by the file's time."""


@dataclass(slots=True, kw_only=True)
class Doubt:
    """What is not known."""

    marked: int = 0
    """Studies."""
    until: Micros = 0
    why: list[str] = field(default_factory=list)
    """One sentence each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lost:
    """A correction that left its text alone."""

    words: Words | None
    """None: it does not say what it is about."""
    at: Micros


def mark_unknown(
    node: Node, journal: Journal, *, newest_at: Micros, single: Iterable[Mapping[StudyKey, Micros]]
) -> Doubt:
    """Mark the studies of which not all corrections are known.

    Parameters
    ----------
    newest_at
        When the newest instance was received.
    single
        Studies that are known not to be known, with the moment up to which they are.
    """
    doubt = Doubt(until=journal.known_to)
    told = dict(unsettled_studies(node.database))
    if planted("rebuild-shows-clean"):
        return doubt
    lost = list(_lost(node, journal))
    if why := _why_all(journal, newest_at, lost):
        doubt.why.append(why)
        _mark(node, journal.known_to, "1 = 1", ())
    for one in lost:
        if one.words is not None:
            _mark(node, one.at - 1, *_about(one.words))
    if any(one.words is not None for one in lost):
        doubt.why.append("Corrections that no block held yet have left their texts, not what became of them.")
    for each in single:
        for key, until in each.items():
            _mark(node, until, "origin = ? AND study_uid = ?", (key.origin, key.study_uid))
        if each:
            doubt.why.append("Corrections have lost their texts, or say not of whom they are.")
    (row,) = node.database.read("SELECT count(*) AS n FROM study WHERE corrections_until IS NOT NULL")
    doubt.marked = int(str(row["n"]))
    if _tell(node, told):
        node.database.write(_shown(node, doubt), node.new_id())
    return doubt


def _tell(node: Node, told: Mapping[StudyKey, Micros]) -> int:
    """Tell the journal of the marks that it does not know, so that a later rebuild does; give how many those are."""
    found, statements = 0, list[Statement]()
    for key, until in unsettled_studies(node.database):
        if told.get(key) != until:
            version = node.journal.version(key.subject)
            event = CorrectionsDoubted(until=until)
            statements += node.journal.append(key.subject, [event], after=version, cause=Cause(node.new_id()))
            found += 1
        if len(statements) >= _BATCH:
            node.database.write(statements, node.new_id())
            statements = []
    if statements and not planted("rebuild-forgets-marks"):
        node.database.write(statements, node.new_id())
    return found


def _why_all(journal: Journal, newest_at: Micros, lost: list[_Lost]) -> str:
    """Say why all studies are to be marked; empty when they are not."""
    if not journal.records:
        return "No block of the journal is left, so no correction is known."
    if journal.fault:
        return f"The journal ends before {journal.fault}."
    if newest_at > journal.last_at + TAIL:
        return "Instances came long after the journal ends: blocks are missing at its end."
    if any(one.words is None for one in lost):
        return "A correction that no block held has left a text that does not say what it is about."
    return ""


def _lost(node: Node, journal: Journal) -> Iterator[_Lost]:
    """Give corrections that left a text which no event names, after the last record."""
    for path in sorted(node.texts.path(Digest("00")).parent.parent.glob("??/*.txt")):
        if node.database.read("SELECT 1 AS named FROM text WHERE digest = ?", (path.stem,)):
            continue
        raw = path.read_bytes()
        words = _words(raw) if digest_of(raw) == path.stem else None
        if words is None:
            continue
        if not words.at:
            written = int(path.stat().st_mtime * SECOND)
            if written > journal.last_at - _SLACK:
                yield _Lost(words=None, at=written)
        elif words.at > journal.last_at:
            yield _Lost(words=words if words.study or words.about else None, at=words.at)


def _words(raw: bytes) -> Words | None:
    """Read a text as a correction's words; None when it is another's."""
    try:
        said = msgspec.json.decode(raw)
        if not isinstance(said, dict) or not {"by", "reason"} <= said.keys() or "v" in said:
            return None
        return msgspec.json.decode(raw, type=Words)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _about(words: Words) -> tuple[str, tuple[Value, ...]]:
    """Give the studies that a correction is about, as SQL."""
    if words.study:
        key = study_of(Subject(words.study))
        return "origin = ? AND study_uid = ?", (key.origin, key.study_uid)
    issuer, patient_id = words.about or ("", "")
    where = (
        "((patient_issuer = ? AND patient_id = ?) OR (origin, study_uid) IN (SELECT origin, study_uid"
        " FROM study_identity WHERE patient_issuer = ? AND patient_id = ?))"
    )
    return where, (issuer, patient_id, issuer, patient_id)


def _mark(node: Node, until: Micros, where: str, params: tuple[Value, ...]) -> None:
    node.database.write(
        [
            Statement(
                f"UPDATE study SET corrections_until = ? WHERE {where}"
                " AND (corrections_until IS NULL OR corrections_until > ?)",
                (until, *params, until),
            )
        ],
        node.new_id(),
    )


def _shown(node: Node, doubt: Doubt) -> list[Statement]:
    return node.problem(
        "corrections-unknown",
        about=f"node/{node.id}",
        detail=f"Rebuilding the index left {doubt.marked} studies of which not all corrections are known."
        f" {' '.join(doubt.why)} Until then they go to no other hospital. Look at them, correct again what was corrected, then settle them on the study's page or by"
        " 'meridian corrections settle'.",
        cause=Cause(node.new_id()),
    )
