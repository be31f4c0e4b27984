"""Words and what is made of them: each text against its digest and its file, each report against its signature."""

from __future__ import annotations

from collections.abc import Iterator

from federation.statements import KeysRotated, NodeAdmitted, SignedStatement, founding_key, read_statement
from node.canonical import digest_of
from node.database.port import text
from node.errors import Damaged, GridError, NotFound
from node.events import decode
from node.journal.unnamed import lost_rows
from node.keys.signing import verify
from node.names import Digest, NodeId, Subject
from node.node import Node
from node.reporting.document import DocumentsMade, pdf_path, sr_path
from node.reporting.report import SignedReport, signed_bytes
from node.reporting.reports import ReportRow, get_report, signed_report
from ops.findings import Finding, pages


def verify_texts(node: Node) -> Iterator[Finding]:
    """Every text: its row and its file say what its name says."""
    for row in pages(node.database, "text", columns="digest, kind, body", key=("digest",)):
        digest = Digest(text(row, "digest"))
        where = f"text {digest[:16]} ({row['kind']})"
        if digest_of(text(row, "body")) != digest:
            yield Finding(
                where=where, what="its words were altered", todo="take it back from its file below texts/"
            )
        path = node.texts.path(digest)
        if not path.exists():
            yield Finding(
                where=where, what=f"its file {path.name} is gone", todo="write it again from its row"
            )
        elif digest_of(path.read_bytes()) != digest:
            yield Finding(
                where=where, what=f"its file {path.name} was altered", todo="write it again from its row"
            )
    yield from _verify_files(node)


def _verify_files(node: Node) -> Iterator[Finding]:
    """Files that have lost their row. One that nothing names is of a command that was refused: it goes after a week, and is no finding."""
    for digest in sorted(lost_rows(node)):
        yield Finding(
            where=f"text {digest[:16]}",
            what="its file has no row, and the journal or a row names it",
            todo="if its study was deleted for good, a restore brought it back: remove the file; otherwise restore the"
            " database from the backup and compare",
        )


def verify_reports(node: Node) -> Iterator[Finding]:
    """Every report: signed by its home in these very words; its documents as long as when they were made."""
    for row in pages(node.database, "report", columns="report_id", key=("report_id",)):
        report = get_report(node.database, text(row, "report_id"))
        where = f"report {report.report_id}"
        try:
            signed = signed_report(report, node.texts)
            if not any(_is_signed(signed, key) for key in _keys_of(node, NodeId(report.home))):
                yield Finding(
                    where=where,
                    what=f"it is not as {report.home} signed it",
                    todo="compare it with the one there, and restore the database from the backup",
                )
        except GridError as error:
            yield Finding(where=where, what=str(error))
        if report.documents == "made":
            yield from _verify_documents(node, report)


def _is_signed(report: SignedReport, key: str) -> bool:
    try:
        verify(key, signed_bytes(report), report.signature)
    except Damaged:
        return False
    return True


def _keys_of(node: Node, home: NodeId) -> list[str]:
    """Give every signing key that the roster ever gave a node: a report outlives the key."""
    keys = [node.keys.verify_key] if home == node.id else []
    rows = node.database.read("SELECT body, signature FROM roster_statement ORDER BY n")
    chain = [SignedStatement(body=text(row, "body"), signature=text(row, "signature")) for row in rows]
    for signed in chain:
        match read_statement(signed, founding_key(chain[0])).act:
            case NodeAdmitted() | KeysRotated() as act if act.node == home:
                keys.append(act.keys.verify_key)
    return keys


def _verify_documents(node: Node, report: ReportRow) -> Iterator[Finding]:
    records = node.journal.of(Subject(f"documents/{report.report_id}"))
    made = next((event for one in records if (event := decode((DocumentsMade,), one.type, one.body))), None)
    if made is None:
        raise NotFound(
            f"Verifying the documents of report {report.report_id} failed: no event says they were made."
        )
    for path, size in (
        (pdf_path(node, report.report_id), made.pdf_bytes),
        (sr_path(node, report.report_id), made.sr_bytes),
    ):
        held = path.stat().st_size if path.exists() else 0
        if held != size:
            yield Finding(
                where=f"document {path.name}",
                what=f"{size} bytes were written, {held} are here",
                todo="restore it from the backup; the SR is also in the study",
            )
