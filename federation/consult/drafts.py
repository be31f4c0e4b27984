"""What is being written on a case, kept whatever happens to the claim.

One draft per case, under an expected version, for whoever holds the claim: the
next holder goes on from it. Words that cannot become the draft (the claim is
lost, another window wrote, another person takes over) stand aside and are never
overwritten.
"""

from __future__ import annotations

from dataclasses import dataclass

from node.canonical import digest_of
from node.clock import Micros
from node.database.port import Database, Statement, read_as
from node.reporting.report import Draft


@dataclass(frozen=True, slots=True, kw_only=True)
class AsideDraft:
    """Words that did not become the draft; ``why`` is ``claim-lost``, ``older-version`` or ``taken-over``."""

    person: str
    findings: str
    impression: str
    why: str
    at: Micros


def peek_draft(database: Database, case_id: str) -> Draft | None:
    """Give the draft of a case, or None before its first save."""
    rows = read_as(
        database,
        Draft,
        "SELECT version, findings, impression, person, at FROM draft WHERE case_id = ?",
        (case_id,),
    )
    return rows[0] if rows else None


def aside_drafts(database: Database, case_id: str) -> list[AsideDraft]:
    """Give what stands aside, newest first."""
    return read_as(
        database,
        AsideDraft,
        "SELECT person, findings, impression, why, at FROM draft_aside WHERE case_id = ? ORDER BY at DESC, digest",
        (case_id,),
    )


def put_draft(case_id: str, draft: Draft) -> Statement:
    """Give the statement that saves the draft's next version; undone when another was saved since."""
    return Statement(
        "INSERT INTO draft (case_id, version, findings, impression, person, at) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (case_id) DO UPDATE SET version = excluded.version, findings = excluded.findings,"
        " impression = excluded.impression, person = excluded.person, at = excluded.at"
        " WHERE draft.version = excluded.version - 1",
        (case_id, draft.version, draft.findings, draft.impression, draft.person, draft.at),
        expect=1,
    )


def keep_aside(case_id: str, draft: Draft, *, why: str) -> Statement:
    """Give the statement that keeps words beside the draft; the same words of a person are kept once."""
    return Statement(
        "INSERT INTO draft_aside (case_id, person, digest, findings, impression, why, at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (case_id, person, digest) DO NOTHING",
        (
            case_id,
            draft.person,
            digest_of(f"{draft.findings}\0{draft.impression}"),
            draft.findings,
            draft.impression,
            why,
            draft.at,
        ),
    )
