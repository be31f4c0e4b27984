"""What events of earlier versions did not say, from an old database, else from what stands beside; and what nobody can say.

Version 1 of a request named no person and no deadline, that of an answer kept the state alone, and what is drawn at signing
(the UIDs of the documents, the signature) stood in the report's row and nowhere else.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import msgspec

from federation.consult.case_events import CaseOffered
from federation.consult.clinic import ClinicCase
from federation.consult.home import HomeCase
from federation.consult.messages import Fact
from federation.consult.requests import CaseAnswered, ConsultRequested, ReportReturned
from federation.consult.service_level import due_at
from node.canonical import digest_of
from node.database.port import Row, Statement, integer, text
from node.database.salvage import OldDatabase
from node.errors import Damaged
from node.events import decode
from node.journal.records import Record
from node.names import StudyKey, Subject
from node.node import Node
from node.reporting.document import DocumentsMade
from node.reporting.report import ReportHead, ReportSigned


class Earlier:
    """Completes events; says of each whether all of it is known now."""

    def __init__(self, node: Node, old: OldDatabase | None) -> None:
        self._node = node
        self._old = old
        self.texts: list[Statement] = []
        """Words that an old database has in rows alone, as texts of their own."""

    def requested(self, event: ConsultRequested, record: Record) -> tuple[ConsultRequested, bool]:
        """Give a request with who asked, and by when it was to be answered."""
        if event.due:
            return event, True
        offered = self._offered(_id(record))
        if offered is not None:
            return replace(
                event, requested_by=offered.requested_by, clinic_name=offered.clinic_name, due=offered.due
            ), True
        row = self._row("consult_case", "case_id", _id(record))
        named = self._node.database.read("SELECT name FROM account WHERE id = ?", (event.by,))
        person = text(row, "requested_by") if row else text(named[0], "name") if named else ""
        due = due_at(record.at, urgency=event.urgency, consult=self._node.config.consult)
        name = self._node.config.node.name
        return replace(event, requested_by=person, clinic_name=name, due=due), bool(person)

    def answered(
        self, event: CaseAnswered, clinic: ClinicCase, home: HomeCase | None
    ) -> tuple[CaseAnswered, bool]:
        """Give an answer with what it told of the case."""
        if event.due or home is not None:  # home's own rows say it here
            return event, True
        row = self._row("consult_case", "case_id", clinic.case_id)
        if row is None or integer(row, "version") < event.version:
            return replace(event, due=clinic.requested.due), False
        if integer(row, "version") > event.version:
            return replace(event, due=clinic.requested.due), True  # a newer answer is completed
        reason = text(row, "reason")
        return (
            replace(
                event,
                due=integer(row, "due"),
                reason=self._digest(reason),
                claimed_by=text(row, "claimed_by"),
                claimed_name=text(row, "claimed_name"),
                claimed_at=None if row["claimed_at"] is None else integer(row, "claimed_at"),
                overdue=bool(row["overdue"]),
                facts=tuple(map(self._fact, self._rows("case_fact", "case_id", clinic.case_id))),
            ),
            True,
        )

    def head(
        self,
        event: ReportSigned | ReportReturned,
        record: Record,
        *,
        report_id: str,
        case_id: str,
        key: StudyKey,
        home: str,
    ) -> tuple[ReportHead, bool]:
        """Give what was drawn when a report was signed."""
        if event.head is not None:
            return event.head, True
        row = self._row("report", "report_id", report_id)
        if row is not None:
            names = ReportHead.__dataclass_fields__
            return msgspec.convert({name: row[name] for name in names}, ReportHead), True
        sr_uid, series_uid = self._sr(report_id, key)
        signed = event if isinstance(event, ReportSigned) else None
        return (
            ReportHead(
                report_id=report_id,
                case_id=case_id,
                origin=key.origin,
                study_uid=key.study_uid,
                home=home,
                home_name="",
                version=1,
                signer="" if signed is None else signed.signer,
                signer_name="",
                signed_at=record.at,
                sr_uid=sr_uid,
                sr_series_uid=series_uid,
                pdf_uid="",
                signature="" if signed is None else signed.signature,
            ),
            False,
        )

    def _offered(self, case_id: str) -> CaseOffered | None:
        """Give how this node's own pool was asked, where the clinic is this node too."""
        records = self._node.journal.of(Subject(f"case/{case_id}"))
        return decode((CaseOffered,), records[0].type, records[0].body) if records else None

    def _sr(self, report_id: str, key: StudyKey) -> tuple[str, str]:
        """Give the UIDs under which a report's SR stands in the study, where it does."""
        for record in self._node.journal.of(Subject(f"documents/{report_id}")):
            event = decode((DocumentsMade,), record.type, record.body)
            if event is not None:
                rows = self._node.database.read(
                    "SELECT series_uid FROM instance WHERE origin = ? AND study_uid = ? AND sop_uid = ? LIMIT 1",
                    (key.origin, key.study_uid, event.sr_uid),
                )
                return event.sr_uid, text(rows[0], "series_uid") if rows else ""
        return "", ""

    def _fact(self, row: Row) -> Fact:
        body = msgspec.json.decode(text(row, "body"), type=dict[str, str | int])
        if body.get("reason"):
            body["reason"] = self._digest(str(body["reason"]))
        return Fact(n=integer(row, "n"), at=integer(row, "at"), type=text(row, "type"), body=body)

    def _digest(self, words: str) -> str:
        if words:
            self.texts.append(self._node.texts.put("case-reason", words)[1])
        return digest_of(words) if words else ""

    def _row(self, table: str, column: str, value: str) -> Row | None:
        return next(iter(self._rows(table, column, value)), None)

    def _rows(self, table: str, column: str, value: str) -> list[Row]:
        if self._old is None or table not in self._old.tables:
            return []
        with suppress(Damaged):
            return self._old.read(f"SELECT * FROM {table} WHERE {column} = ?", (value,))
        return []


def _id(record: Record) -> str:
    return record.subject.partition("/")[2]
