"""The journal written again: records of blocks, then what an old database has behind them; and what follows from it at once.

A text's file is taken in when an event names it. One that was erased is not there, and stays away. What of problems an
administrator has seen no event says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields

import msgspec

from node.canonical import digest_of
from node.catalogue.correction_events import (
    ContentChosen,
    CorrectionUndone,
    InstancesRejected,
    PatientCorrected,
    PatientsMerged,
    SeriesCorrected,
    StudyCorrected,
    StudyMoved,
)
from node.clock import Micros
from node.database.port import Statement
from node.database.salvage import OldDatabase
from node.errors import GridError
from node.events import ProblemFound, decode, event_type
from node.failpoints import planted
from node.journal.blocks import BlockRow, is_whole
from node.journal.chain import COLUMNS
from node.journal.records import Record
from node.names import Digest
from node.node import Node
from ops.rebuild.chain import Blocks, Chain, records_between

BATCH = 500
MADE = (
    PatientsMerged, PatientCorrected, StudyMoved, StudyCorrected, SeriesCorrected, InstancesRejected, ContentChosen,
)  # fmt: skip
_OF_CORRECTIONS = frozenset(event_type(one) for one in (*MADE, CorrectionUndone))
_KINDS = {"words": "consult-form", "reason": "case-reason", "text": "report", "overlay": "overlay"}
"""Of texts, by the field that names them; those of corrections go by the event."""
_DIGEST = re.compile(r"[0-9a-f]{64}")
_COLUMNS = tuple(one.name for one in fields(Record))
_INSERT = f"INSERT INTO journal ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"


@dataclass(slots=True, kw_only=True)
class Journal:
    """What was written again of it."""

    records: int = 0
    last_at: Micros = 0
    """Of the newest record."""
    known_to: Micros = 0
    """Up to when it is known what happened: where nothing is at fault, as far as it goes."""
    to_end: bool = False
    """An old database goes on from the blocks to its own end: nothing that it held is missing."""
    tail: int = 0
    """Records that no block holds and an old database had."""
    fault: str = ""
    """Why there is no more of it than this; empty when nothing says that there was."""
    altered: list[str] = field(default_factory=list)
    """Texts whose files are not what their names say."""


def write_journal(node: Node, blocks: Blocks, chain: Chain, *, old: OldDatabase | None) -> Journal:
    """Write records and blocks, with the problems and texts that they speak of, a block a batch."""
    found = Journal(fault=chain.fault)
    for row in chain.rows:
        block = blocks.get(row.n)
        _write(node, found, block.records, more=[_block(row)])
    found.known_to = found.last_at
    if old is not None:
        last = None if chain.last is None else blocks.get(chain.last.n).records[-1]
        for records in _tail(old, last, found):
            found.tail += len(records)
            _write(node, found, records)
        if not found.fault:
            found.known_to = found.last_at
    return found


def _write(node: Node, found: Journal, records: Sequence[Record], *, more: Sequence[Statement] = ()) -> None:
    statements = list(more)
    for record in records:
        statements.append(Statement(_INSERT, tuple(getattr(record, name) for name in _COLUMNS)))
        statements += _problem(record)
        statements += _texts(node, found, record)
    node.database.write(statements, node.new_id())
    found.records += len(records)
    found.last_at = max([found.last_at, *(record.at for record in records)])


def _tail(old: OldDatabase, last: Record | None, found: Journal) -> Iterator[list[Record]]:
    """Give what an old database has behind the last sealed record, as far as it is whole and goes on from it.

    What nobody signed does not take back that a block is missing.
    """
    seq = 0 if last is None else last.seq
    try:
        same = [] if last is None else records_between(old, seq, seq)
        if last is not None and same not in ([], [last]):
            found.fault = found.fault or "the old database's journal is another one than the blocks'"
            return
        while records := records_between(old, seq + 1, seq + BATCH):
            sound = 0
            while sound < len(records) and records[sound].seq == seq + sound + 1 and is_whole(records[sound]):
                sound += 1
            if sound:
                yield records[:sound]
            if sound < len(records):
                found.fault = (
                    found.fault or f"record {seq + sound + 1} of the old database is gone or altered"
                )
                return
            seq += sound
        found.to_end = not found.fault and (bool(same) or seq > (0 if last is None else last.seq))
    except GridError as error:
        found.fault = found.fault or error.message.rstrip(".")


def _block(row: BlockRow) -> Statement:
    names = COLUMNS.split(", ")
    return Statement(
        f"INSERT INTO block ({COLUMNS}) VALUES ({', '.join('?' * len(names))})",
        tuple(getattr(row, name) for name in names),
    )


def _problem(record: Record) -> list[Statement]:
    event = decode((ProblemFound,), record.type, record.body)
    if event is None:
        return []
    return [
        Statement(
            "INSERT INTO problem (id, kind, subject, detail, at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
            (record.subject.removeprefix("problem/"), event.kind, event.about, event.detail, record.at),
        )
    ]


def _texts(node: Node, found: Journal, record: Record) -> list[Statement]:
    """Take in the texts that an event names, from their files."""
    statements = []
    for field_, value in _named(msgspec.json.decode(record.body.encode())):
        kind = "correction" if record.type in _OF_CORRECTIONS else _KINDS.get(field_)
        if kind is None or not isinstance(value, str) or not _DIGEST.fullmatch(value):
            continue
        if kind == "correction" and field_ != "words":
            continue
        words = _file(node, found, Digest(value))
        if words is not None:
            sql = "INSERT INTO text (digest, kind, body, at) VALUES (?, ?, ?, ?) ON CONFLICT (digest) DO NOTHING"
            statements.append(Statement(sql, (value, kind, words, record.at)))
    return statements


def _named(body: object) -> Iterator[tuple[str, object]]:
    """Give the fields of an event, and of what stands in it, by name."""
    match body:
        case dict():
            for name, value in body.items():
                yield str(name), value
                yield from _named(value)
        case list():
            for one in body:
                yield from _named(one)
        case _:
            return


def _file(node: Node, found: Journal, digest: Digest) -> str | None:
    try:
        raw = node.texts.path(digest).read_bytes()
    except FileNotFoundError:
        return None
    if digest_of(raw) != digest and not planted("rebuild-believes-texts"):
        found.altered.append(digest)
        return None
    return raw.decode()
