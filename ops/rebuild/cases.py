"""Consult cases, reports and their delivery written again: each case's events in their order, through the functions that
commands write by (`federation.consult.home`, `clinic`, `node.reporting`).

Deadlines, claims, holds and who may see a study follow from the events too. A claim stands until its first time, or the
one that an old database has: home's clock ends it then, as always. What an event of an earlier version does not say
comes from an old database (`earlier`); what nobody says is left empty and named.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from federation.consult import clinic, home
from federation.consult.case_events import CASE_EVENTS, CaseOffered, CaseSigned
from federation.consult.cases import CaseState
from federation.consult.clinic import ClinicCase
from federation.consult.home import HomeCase
from federation.consult.requests import (
    REQUEST_EVENTS,
    CaseAnswered,
    ConsultRequested,
    ReportReturned,
    RequestState,
)
from node.database.port import Statement, text
from node.database.salvage import OldDatabase
from node.errors import GridError
from node.events import decode
from node.failpoints import planted
from node.journal.records import Record
from node.names import Digest, NodeId, StudyKey, StudyUID, Subject
from node.node import Node
from node.reporting.document import DocumentsMade, made_rows
from node.reporting.report import REPORT_EVENTS, ReportSigned
from node.reporting.reports import insert_report
from ops.findings import PAGE
from ops.rebuild.deleted import Deleted
from ops.rebuild.earlier import Earlier
from ops.rebuild.records import Told

BATCH = 400


@dataclass(slots=True)
class Cases:
    """What was written again of them."""

    cases: int = 0
    reports: int = 0
    lacking: dict[str, list[str]] = field(default_factory=dict)
    """Cases of which something cannot be known, and what."""
    resumed: int = 0
    """Open cases of which it is not known what happened after the journal's end."""
    orphans: int = 0
    """Texts of requests and reports that no event names."""


def write_cases(node: Node, deleted: Deleted, old: OldDatabase | None, tell: Told) -> Cases:
    """Write the rows of every case that the journal tells of."""
    found = Cases()
    waiting: dict[str, list[Statement]] = {}
    for case_id in _ids(node):
        records = _records(node, case_id)
        key = _key_of(records)
        if key is None or deleted.covers(key, min(record.at for record in records)):
            continue
        folding = _Folding(node, case_id, old)
        try:
            for record in records:
                folding.take(record)
        except GridError as error:
            found.lacking[case_id] = [_unwritten(error)]
            continue
        waiting[case_id] = folding.statements
        if sum(map(len, waiting.values())) >= BATCH:
            _write(node, waiting, found)
        found.cases += 1
        found.reports += len(folding.reports)
        if folding.lacking:
            found.lacking[case_id] = folding.lacking
        tell("cases", found.cases, found.cases)
    _write(node, waiting, found)
    return found


def _write(node: Node, waiting: dict[str, list[Statement]], found: Cases) -> None:
    """Write cases in one batch; where one is refused, each by itself, so that it costs no other."""
    together = {"": [one for statements in waiting.values() for one in statements]}
    for batch in (together, waiting):
        refused = False
        for case_id, statements in batch.items():
            try:
                if statements:
                    node.database.write(statements, node.new_id())
            except GridError as error:
                refused = True
                if case_id:
                    found.lacking[case_id] = [_unwritten(error)]
        if not refused:
            break
    waiting.clear()


def _unwritten(error: GridError) -> str:
    return f"its rows ({error.message.rstrip('.')})"


class _Folding:
    """One case: how it stands so far at either end, and what is to be written of it."""

    def __init__(self, node: Node, case_id: str, old: OldDatabase | None) -> None:
        self._node = node
        self._case_id = case_id
        self._earlier = Earlier(node, old)
        self._home: HomeCase | None = None
        self._clinic: ClinicCase | None = None
        self._rows: list[Statement] = []
        self.reports: set[str] = set()
        self.lacking: list[str] = []

    @property
    def statements(self) -> list[Statement]:
        return [*self._earlier.texts, *self._rows]

    def take(self, record: Record) -> None:
        """Fold one record."""
        match record.subject.partition("/")[0]:
            case "case":
                self._at_home(record)
            case "request":
                self._at_clinic(record)
            case "report":
                self._signed(record)
            case _:
                self._made(record)

    def _at_home(self, record: Record) -> None:
        event = decode(CASE_EVENTS, record.type, record.body)
        if event is None:
            return
        before = self._home or HomeCase(
            case_id=self._case_id, state=CaseState(), version=0, cause=record.cause, offered=None
        )
        self._home = home.advance(before, event)
        self._rows += home.rows_after(
            self._node.id, before, self._home, event, at=record.at, words=self._words
        )
        if before.offered is None:
            self._look_for(self._home.asked.words, "the words of its request")

    def _at_clinic(self, record: Record) -> None:
        event = decode(REQUEST_EVENTS, record.type, record.body)
        whole = True
        if isinstance(event, ConsultRequested):
            event, whole = self._earlier.requested(event, record)
            self._clinic = ClinicCase(
                case_id=self._case_id, state=RequestState(), version=0, cause=record.cause, requested=event
            )
            self._look_for(event.words, "the words of its request")
        if event is None or self._clinic is None:
            return
        before = self._clinic
        if isinstance(event, CaseAnswered):
            event, whole = self._earlier.answered(event, before, self._home)
        if isinstance(event, ReportReturned):
            head, whole = self._earlier.head(
                event,
                record,
                report_id=event.report_id,
                case_id=self._case_id,
                key=before.key,
                home=before.home,
            )
            whole = whole or event.report_id in self.reports
            event = ReportReturned(report_id=event.report_id, text=event.text, head=head)
            self._report(event.report_id, event.text)
        if not whole:
            self.lacking.append(_LACKING[type(event)])
        self._clinic = clinic.advance(before, event)
        self._rows += clinic.rows_after(
            self._node.id, before, self._clinic, event, at=record.at, words=self._words
        )

    def _signed(self, record: Record) -> None:
        event = decode(REPORT_EVENTS, record.type, record.body)
        if not isinstance(event, ReportSigned) or self._home is None:
            return
        report_id = record.subject.partition("/")[2]
        head, whole = self._earlier.head(
            event,
            record,
            report_id=report_id,
            case_id=self._case_id,
            key=self._home.key,
            home=self._node.id,
        )
        if not whole:
            self.lacking.append(_LACKING[ReportReturned])
        documents = "waiting" if self._home.clinic == self._node.id else "elsewhere"
        self._report(report_id, event.text)
        self._rows.append(
            insert_report(
                head, text=Digest(event.text), late_cancel=False, documents=documents, cause=record.cause
            )
        )

    def _made(self, record: Record) -> None:
        event = decode((DocumentsMade,), record.type, record.body)
        if event is not None:
            report_id = record.subject.partition("/")[2]
            self._rows += made_rows(report_id, event, at=record.at, cause=record.cause)

    def _report(self, report_id: str, words: str) -> None:
        if report_id not in self.reports:
            self.reports.add(report_id)
            self._look_for(words, "the words of its report")

    def _words(self, digest: str) -> str:
        if not digest:
            return ""
        self._look_for(digest, "a reason that somebody wrote")
        try:
            return self._node.texts.get(Digest(digest))
        except GridError:
            return ""

    def _look_for(self, digest: str, what: str) -> None:
        here = self._node.database.read("SELECT 1 AS here FROM text WHERE digest = ?", (digest,))
        if not here and what not in self.lacking:
            self.lacking.append(what)


_LACKING: dict[type, str] = {
    ConsultRequested: "who asked",
    CaseAnswered: "what its home told of it",
    ReportReturned: "the signature of its report and the names under it",
}


def _records(node: Node, case_id: str) -> list[Record]:
    """Give all records of a case at either end, of its reports and their documents, in the journal's order."""
    records = [*node.journal.of(Subject(f"case/{case_id}")), *node.journal.of(Subject(f"request/{case_id}"))]
    reports = set[str]()
    for record in records:
        match decode((CaseSigned, ReportReturned), record.type, record.body):
            case CaseSigned() | ReportReturned() as event:
                reports.add(event.report_id)
            case _:
                continue
    for report_id in sorted(reports):
        for kind in ("report", "documents"):
            records += node.journal.of(Subject(f"{kind}/{report_id}"))
    return sorted(records, key=lambda one: one.seq, reverse=planted("rebuild-folds-backwards"))


def _key_of(records: Sequence[Record]) -> StudyKey | None:
    """Give the study that a case is about; None when no event begins it."""
    for record in records:
        match decode((CaseOffered, ConsultRequested), record.type, record.body):
            case CaseOffered() as event:
                return StudyKey(origin=NodeId(event.clinic), study_uid=StudyUID(event.study_uid))
            case ConsultRequested() as event:
                return StudyKey(origin=NodeId(event.origin), study_uid=StudyUID(event.study_uid))
            case _:
                continue
    return None


def _ids(node: Node) -> Iterator[str]:
    """Give every case once: those asked for here, then those of other clinics."""
    for kind in ("request", "case"):
        sql = f"SELECT DISTINCT subject FROM journal WHERE subject > ? AND subject < '{kind}0' ORDER BY subject LIMIT {PAGE}"
        after = f"{kind}/"
        while rows := node.database.read(sql, (after,)):
            for row in rows:
                after = text(row, "subject")
                case_id = after.partition("/")[2]
                if kind == "request" or not node.journal.version(Subject(f"request/{case_id}")):
                    yield case_id
