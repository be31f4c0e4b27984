"""A study deleted for good: one administrator asks, another approves, or its rule says so; then all of it goes in one batch.

The batch itself says on what it rests: the request stands and is somebody else's, nobody holds the study, no case about it is
open, the rules are those that were read, and nothing has happened to the study since. What lies outside of the database
follows by a job (`erasing`), thing by thing.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec

from node.archive.archived import contents_of
from node.archive.deletion.barring import check_deletable, names_of_patient, unbarred
from node.archive.deletion.deed import deed_of
from node.archive.deletion.deletions import (
    ASKED,
    BY_RULE,
    GONE,
    LAPSED,
    OVER,
    REASONS,
    WITHDRAWN,
    Deletion,
    get_deletion,
)
from node.archive.deletion.forgetting import cases_of, forget_rows
from node.archive.lifecycle.decider import decide
from node.archive.lifecycle.decisions import MayBeDeleted
from node.archive.lifecycle.known import read_facts
from node.archive.lifecycle.periods import DAY
from node.archive.lifecycle.ruling import effective_rules, get_rules
from node.archive.tier import QUEUE
from node.canonical import canonical_json
from node.catalogue.search import instances_of
from node.catalogue.visibility import Condition
from node.clock import Micros
from node.database.port import Statement
from node.errors import Conflict, FieldMissing, Refused
from node.events import StudyDeleted
from node.failpoints import failpoint, planted
from node.journal.jobs import enqueue
from node.names import Cause, Digest, StudyKey
from node.node import Node
from node.people.accounts import OPERATOR, Person
from node.people.audit import record_act
from node.people.roles import ADMINISTRATOR

STANDS: Micros = 7 * DAY
"""So long a request waits for another administrator."""
MOST_WORDS = 1000
JOB = "erase_study"


def ask_deletion(
    node: Node, by: Person, key: StudyKey, *, code: str, words: str, address: str = ""
) -> Deletion:
    """Ask that a study be deleted for good; nothing is deleted yet.

    Raises
    ------
    Refused
        She is no administrator, or nobody whom a name stands for.
    FieldMissing
        The reason is none, or names the patient.
    NotFound, Conflict
        As `check_deletable`; somebody has asked already.
    """
    _check_person(by)
    if code not in REASONS:
        raise FieldMissing("Asking for a deletion was refused: choose a reason.", name="code")
    study = check_deletable(node, key, by_time=code == OVER)
    said, row = node.texts.put("deletion-reason", _checked(node, key, words))
    asked = new_order(
        node, key, code=code, words=said, by=by.id, name=by.name, instances=study.instance_count
    )
    lapsed = Statement(
        f"UPDATE deletion SET state = '{LAPSED}' WHERE origin = ? AND study_uid = ? AND state = '{ASKED}' AND asked_at <= ?",
        (key.origin, key.study_uid, node.now() - STANDS),
    )
    audit = record_act(node, by, act="ask-deletion", subject=key.subject, address=address)
    node.write([row, lapsed, insert_deletion(asked), audit])
    return asked


def withdraw_deletion(node: Node, by: Person, id_: str, *, address: str = "") -> Deletion:
    """Take a request back; any administrator may.

    Raises
    ------
    Conflict
        It was approved, withdrawn or has lapsed.
    """
    by.require(ADMINISTRATOR, act="Withdrawing a deletion")
    deletion = get_deletion(node.database, id_)
    ended = Statement(
        f"UPDATE deletion SET state = '{WITHDRAWN}', ended_by = ?, ended_name = ?, ended_at = ? WHERE id = ? AND state = '{ASKED}'",
        (by.id, by.name, node.now(), id_),
        expect=1,
        refusal="Withdrawing a deletion was refused: it does not wait any more. Load the list again.",
    )
    audit = record_act(node, by, act="withdraw-deletion", subject=deletion.key.subject, address=address)
    node.write([ended, audit])
    return get_deletion(node.database, id_)


def approve_deletion(node: Node, by: Person, id_: str, *, instances: int, address: str = "") -> Deletion:
    """Delete a study for good, as another administrator asked.

    Parameters
    ----------
    instances
        How many instances it has, as she has read and typed it.

    Raises
    ------
    Refused
        She is no administrator, or asked for it herself.
    Conflict
        The request is over, something keeps the study, or it is not what it was when somebody asked. Nothing was changed.
    """
    _check_person(by)
    asked = get_deletion(node.database, id_)
    if asked.asked_by == by.id and not planted("one-administrator-twice"):
        raise Refused(
            "Deleting a study was refused: you asked for it yourself. Another administrator must approve it."
        )
    if asked.state != ASKED or asked.asked_at <= node.now() - STANDS:
        raise Conflict("Deleting a study was refused: the request does not stand any more. Ask anew.")
    if instances != asked.instances:
        raise FieldMissing(
            "Deleting a study was refused: the number that you typed is not the number of its instances. Look once more"
            " at what goes.",
            name="instances",
        )
    check_deletable(node, asked.key, by_time=asked.code == OVER)
    order = replace(asked, state=GONE, ended_by=by.id, ended_name=by.name, ended_at=node.now())
    another = "1 = 1" if planted("one-administrator-twice") else "asked_by <> ?"
    guard = (another, () if planted("one-administrator-twice") else (by.id,))
    audit = record_act(node, by, act="approve-deletion", subject=asked.key.subject, address=address)
    node.write([*carry_out(node, order, guard=guard), audit])
    failpoint("study-deleted")
    return get_deletion(node.database, id_)


def delete_by_rule(node: Node, key: StudyKey) -> Deletion:
    """Delete a study whose time is over and whose rule deletes by itself.

    Raises
    ------
    Conflict
        Its rule does not say so, or something keeps the study.
    """
    rules, facts = effective_rules(node), read_facts(node, key)
    decision = None if facts is None else decide(facts, rules, now=node.now())
    if not isinstance(decision, MayBeDeleted) or not decision.by_rule:
        raise Conflict("Deleting a study was refused: no rule deletes it now. Look at its storage.")
    study = check_deletable(node, key, by_time=True)
    rule = f"rule {decision.reason.rule}"
    asked = new_order(
        node, key, code=BY_RULE, words="", by=BY_RULE, name=rule, instances=study.instance_count
    )
    order = replace(asked, ended_by=BY_RULE, ended_name=rule, ended_at=node.now())
    node.write([insert_deletion(order), *carry_out(node, order)])
    failpoint("study-deleted")
    return get_deletion(node.database, order.id)


def carry_out(
    node: Node, order: Deletion, *, guard: Condition = ("1 = 1", ()), own_reports: bool = False
) -> list[Statement]:
    """Give the statements by which a study goes, under an order whose row stands as asked; refused where something keeps it."""
    key = order.key
    version = node.journal.version(key.subject)  # first: what happens after it is refused, not overlooked
    rows = instances_of(node.database, key, chosen_only=False)
    if contents_of(rows) != order.seen:
        raise Conflict("Deleting a study was refused: instances came or went since somebody asked. Ask anew.")
    deed = deed_of(node, order, words=node.texts.get(Digest(order.words)) if order.words else "")
    digest, row = node.texts.put("deletion-deed", canonical_json(msgspec.to_builtins(deed)))
    event = StudyDeleted(
        deletion=order.id, instances=deed.instances, bytes=deed.bytes, set_digest=deed.set_digest, reason=order.code,
        certificate=digest, asked_by=order.asked_name, approved_by=order.ended_name,
    )  # fmt: skip
    allowed, params = unbarred(node, key, own_reports=own_reports)
    ended = Statement(
        f"UPDATE deletion SET state = '{GONE}', ended_by = ?, ended_name = ?, ended_at = ?, deed = ?, cases = ?"
        f" WHERE id = ? AND state = '{ASKED}' AND asked_at > ? AND {guard[0]} AND {allowed}"
        " AND (SELECT coalesce(max(version), 0) FROM archive_rules) = ?",
        (
            order.ended_by, order.ended_name, order.ended_at, digest, canonical_json(cases_of(node, key)), order.id,
            node.now() - STANDS, *guard[1], *params, get_rules(node).rules.version,
        ),
        expect=1,
        refusal="Deleting a study was refused: somebody holds it, asks about it, or changed the request meanwhile. Look again.",
    )  # fmt: skip
    seen = Statement(
        "UPDATE problem SET seen_at = ? WHERE subject = ? AND seen_at IS NULL", (node.now(), key.subject)
    )
    return [
        row,
        ended,
        *node.journal.append(key.subject, [event], after=version, cause=order.cause),
        *forget_rows(node, key, order.id),
        seen,
        erase_next(order, turn=0, at=0, now=node.now()),
    ]


def new_order(
    node: Node, key: StudyKey, *, code: str, words: str, by: str, name: str, instances: int, by_peer: str = ""
) -> Deletion:
    """Give a request for what is here now, as a row that is not written yet; ``words`` is the digest of its text."""
    contents = instances_of(node.database, key, chosen_only=False)
    return Deletion(
        id=node.new_id(), origin=key.origin, study_uid=key.study_uid, state=ASKED, by_peer=by_peer, code=code, words=words,
        asked_by=by, asked_name=name, asked_at=node.now(), ended_by="", ended_name="", ended_at=None,
        seen=contents_of(contents), instances=instances, bytes=sum(one.data_bytes for one in contents), deed="",
        cases="[]", done_at=None, certificate="", issue=0, turn=0, answered=0, cause=Cause(node.new_id()),
    )  # fmt: skip


def insert_deletion(row: Deletion) -> Statement:
    """Give the statement that keeps a request; refused while another one stands."""
    names = tuple(Deletion.__dataclass_fields__)
    return Statement(
        f"INSERT INTO deletion ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
        tuple(getattr(row, name) for name in names),
        refusal="Asking for a deletion was refused: somebody has asked already. Load the list again.",
    )


def erase_next(order: Deletion, *, turn: int | str, at: Micros, now: Micros) -> Statement:
    """Give the statement for the job that erases what is left, not before a time."""
    return enqueue(
        JOB,
        {"deletion": order.id},
        key=f"erase/{order.id}/{turn}",
        cause=order.cause,
        now=now,
        not_before=at,
        queue=QUEUE,
    )


def _check_person(by: Person) -> None:
    by.require(ADMINISTRATOR, act="Deleting a study for good")
    if by.id == OPERATOR.id:
        raise Refused(
            "Deleting a study for good was refused: the command line is nobody's account. Two administrators do it on the page."
        )


def _checked(node: Node, key: StudyKey, words: str) -> str:
    """Give the reason as it is kept for good: by no word whose study it was."""
    said = " ".join(words.split())
    if not said or len(said) > MOST_WORDS or not said.isprintable():
        raise FieldMissing(
            f"Asking for a deletion was refused: say why, in 1 to {MOST_WORDS} characters.", name="words"
        )
    found = said.casefold().replace(" ", "")
    if any(name.replace(" ", "") in found for name in names_of_patient(node, key)):
        raise FieldMissing(
            "Asking for a deletion was refused: the reason names the patient, and it is kept for good. Leave out name and ID.",
            name="words",
        )
    return said
