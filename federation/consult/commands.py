"""What people do with cases: ask and cancel at a clinic; claim, read, release, decline at the pool's home.

Each is one decision and one batch: events, rows, and what the other node is
told. When somebody was faster, the decision is made anew on what is there now.
Writing and signing stand in `federation.consult.writing`, what a clock does in `federation.consult.clocks`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from federation.consult import cases, claims, requests
from federation.consult.answering import tell_clinic
from federation.consult.asking import ask_home
from federation.consult.clinic import ClinicCase, follow, load_clinic
from federation.consult.deciding import decide_and_write
from federation.consult.forms import ConsultForm, FormWords, check_form, check_reason
from federation.consult.home import HomeCase, happen
from federation.consult.messages import CaseCancelRequested, CaseRequested
from federation.consult.opening import check_patient, open_case, reports_in
from federation.consult.pools import Pool, find_pools
from federation.consult.refusals import ClaimLost, StudyIncomplete
from federation.consult.service_level import claim_length, due_at
from federation.policy import may_refer
from federation.roster import Roster
from node.canonical import canonical_json
from node.clock import Micros
from node.database.port import Statement, integer, text
from node.errors import Conflict, FieldMissing, NotFound, Refused
from node.failpoints import failpoint
from node.names import Cause, StudyKey, StudyUID
from node.node import Node
from node.people.accounts import Person
from node.people.audit import record_act
from node.people.roles import TECHNICIAN


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimView:
    """A claim as its holder's page needs it."""

    until: Micros
    epoch: int


def request_consult(node: Node, person: Person, *, form: ConsultForm, address: str = "") -> str:
    """Ask an expert pool about a study of this node; gives the case's id.

    Raises
    ------
    FieldMissing
        Names the field of the form that is empty or wrong.
    StudyIncomplete
        Images are still awaited and the form does not acknowledge it.
    PatientUncertain
        The study's instances disagree about the patient.
    Conflict
        The same pool has an open case about this study already.
    """
    person.require(TECHNICIAN, act="Requesting a consult")
    form = check_form(form, now=node.now())
    if form.origin != node.id:
        raise Refused("Requesting a consult was refused: the study is another hospital's. Let that one ask.")
    key = StudyKey(origin=node.id, study_uid=StudyUID(form.study_uid))
    pool = _reachable_pool(node, form.pool)
    instances, incomplete, cause = _askable_study(node, key, acknowledged=form.acknowledge_incomplete)
    words = FormWords(
        reason=form.reason,
        aim=form.aim,
        history=form.history,
        requesting_doctor=form.requesting_doctor,
        consent=form.consent,
    )
    digest, words_row = node.texts.put("consult-form", canonical_json(msgspec.to_builtins(words)))
    now = node.now()
    requested = requests.ConsultRequested(
        home=pool.home,
        pool=pool.id,
        origin=key.origin,
        study_uid=key.study_uid,
        kind=form.kind,
        urgency=form.urgency,
        specialty=form.specialty,
        words=digest,
        by=person.id,
        instances=instances,
        incomplete=incomplete,
        requested_by=person.name,
        clinic_name=node.config.node.name,
        due=due_at(now, urgency=form.urgency, consult=node.config.consult),
    )
    case = ClinicCase(
        case_id=node.new_id(), state=requests.RequestState(), version=0, cause=cause, requested=requested
    )
    events = requests.decide(case.state, requests.Ask(requested=requested), now)
    after, followed = follow(node, case, events, at=now)
    message = CaseRequested(
        case_id=case.case_id,
        pool=pool.id,
        study_uid=key.study_uid,
        kind=form.kind,
        urgency=form.urgency,
        specialty=form.specialty,
        clinic_name=node.config.node.name,
        words=words,
        requested_at=now,
        requested_by=person.name,
        instances=instances,
        incomplete=incomplete,
    )
    node.write(
        [
            _not_asked_already(key, pool=pool.id, kind=form.kind),
            words_row,
            *followed,
            record_act(node, person, act="request-consult", subject=f"case/{case.case_id}", address=address),
            *ask_home(node, after, message),
        ]
    )
    return case.case_id


def cancel_consult(node: Node, person: Person, case_id: str, *, reason: str, address: str = "") -> None:
    """Ask the pool's home to end a case; it counts when home has accepted it. Asking twice changes nothing.

    Raises
    ------
    CaseEnded
        It is signed, declined or cancelled.
    """
    person.require(TECHNICIAN, act="Cancelling the case")
    reason = check_reason(reason, act="Cancelling the case")
    digest, words = node.texts.put("case-reason", reason)

    def attempt() -> tuple[Sequence[Statement], None]:
        case = load_clinic(node, case_id)
        now = node.now()
        asked = requests.AskCancel(by=person.id, reason=digest, name=person.name)
        events = requests.decide(case.state, asked, now)
        if not events:
            return (), None
        after, followed = follow(node, case, events, at=now)
        message = CaseCancelRequested(case_id=case_id, reason=reason, asked_at=now, asked_by=person.name)
        audit = record_act(node, person, act="cancel-consult", subject=f"case/{case_id}", address=address)
        return [words, *followed, audit, *ask_home(node, after, message)], None

    decide_and_write(node, attempt)


def claim(node: Node, person: Person, case_id: str, *, address: str = "") -> ClaimView:
    """Take a case for oneself; one's own claim is renewed.

    Raises
    ------
    AlreadyClaimed
        Another expert's claim holds; carries by whom and until when.
    CaseEnded
        It is signed, declined or cancelled.
    """
    command = cases.TakeClaim(person=person.id, name=person.name, length=claim_length(node.config.consult))
    took = _act(node, person, case_id, command, act="Claiming the case", audit="claim-case", address=address)
    if took is None:
        return renew(node, person, case_id)
    failpoint("claimed")
    held = cases.held_claim(took.state, person.id, None, act="Claiming the case")
    return ClaimView(until=held.until, epoch=held.epoch)


def renew(node: Node, person: Person, case_id: str, *, epoch: int | None = None) -> ClaimView:
    """Hold a claim for longer; no event, the page asks each minute.

    Parameters
    ----------
    epoch
        Of the claim that is meant, as `claim` gave it; None means whichever she holds.

    Raises
    ------
    ClaimLost, CaseEnded
        She does not hold it (any more).
    """
    case = open_case(node, person, case_id, act="Renewing the claim")
    held = cases.held_claim(case.state, person.id, epoch, act="Renewing the claim")
    until = node.now() + claim_length(node.config.consult)
    try:
        # Not node.write: nothing follows a renewal, and a bell each minute for each page would wake everybody.
        node.database.write([claims.move_claim(case_id, held, until=until)], node.new_id())
    except Conflict as error:
        raise ClaimLost(error.message) from error
    return ClaimView(until=max(until, held.until), epoch=held.epoch)


def release(
    node: Node, person: Person, case_id: str, *, reason: str = "", epoch: int | None = None, address: str = ""
) -> None:
    """Give a case back to its pool; the draft stays for the next.

    Raises
    ------
    ClaimLost, CaseEnded
        She does not hold it (any more).
    """
    words = check_reason(reason, act="Releasing the claim") if reason.strip() else ""
    digest, texts = _reason(node, words)
    command = cases.Release(person=person.id, reason=digest, epoch=epoch)
    _act(
        node, person, case_id, command,
        act="Releasing the claim", audit="release-case", reason=words, texts=texts, address=address,
    )  # fmt: skip


def decline(node: Node, person: Person, case_id: str, *, reason: str, address: str = "") -> None:
    """Say no for the pool; the clinic reads the reason and may ask another.

    Raises
    ------
    FieldMissing
        There is no reason.
    AlreadyClaimed, CaseEnded
        Another expert holds it, or it has ended.
    """
    words = check_reason(reason, act="Declining the case")
    digest, texts = _reason(node, words)
    command = cases.Decline(person=person.id, name=person.name, reason=digest)
    _act(
        node, person, case_id, command,
        act="Declining the case", audit="decline-case", reason=words, texts=texts, address=address,
    )  # fmt: skip


def mark_read(node: Node, person: Person, case_id: str) -> None:
    """Note that the holder opened the images; once per claim, so a page may say it each time.

    Raises
    ------
    ClaimLost, CaseEnded
        She does not hold the case: there is nothing to note.
    """
    _act(node, person, case_id, cases.Read(person=person.id), act="Reading the case", audit="read-case")


def _act(
    node: Node,
    person: Person,
    case_id: str,
    command: cases.Command,
    *,
    act: str,
    audit: str,
    reason: str = "",
    texts: Sequence[Statement] = (),
    address: str = "",
) -> HomeCase | None:
    """Decide a member's command and write what it means; None when it changed nothing."""

    def attempt() -> tuple[Sequence[Statement], HomeCase | None]:
        case = open_case(node, person, case_id, act=act)
        events = cases.decide(case.state, command, node.now())
        if not events:
            return (), None
        happened = happen(node, case, events, reason=reason)
        row = record_act(node, person, act=audit, subject=case.subject, address=address)
        return [*texts, *happened.statements, row, *tell_clinic(node, happened)], happened.case

    return decide_and_write(node, attempt)


def _reason(node: Node, words: str) -> tuple[str, list[Statement]]:
    if not words:
        return "", []
    digest, row = node.texts.put("case-reason", words)
    return digest, [row]


def _askable_study(node: Node, key: StudyKey, *, acknowledged: bool) -> tuple[int, bool, Cause]:
    """Give how many images a study has, whether more are awaited, and its cause."""
    rows = node.database.read(
        "SELECT instance_count, expected, state, cause FROM study WHERE origin = ? AND study_uid = ?",
        (key.origin, key.study_uid),
    )
    if not rows:
        raise NotFound("Requesting a consult failed: the study is not here. Load the list again.")
    check_patient(node, key, act="Requesting a consult")
    row = rows[0]
    instances = integer(row, "instance_count") - reports_in(node.database, key)
    incomplete = text(row, "state") != "complete"
    if incomplete and not acknowledged:
        expected = None if row["expected"] is None else integer(row, "expected")
        raise StudyIncomplete(instances=instances, expected=expected)
    return instances, incomplete, Cause(text(row, "cause"))


def _reachable_pool(node: Node, pool_id: str) -> Pool:
    pool = next((pool for pool in find_pools(node.database) if pool.id == pool_id), None)
    entry = None if pool is None else Roster.load(node.database).peek(pool.home)
    if pool is None or (pool.home != node.id and (entry is None or entry.revoked)):
        raise FieldMissing(
            "Requesting a consult was refused: the expert pool is not known here (any more). Choose another.",
            name="pool",
        )
    if pool.home != node.id and not may_refer(node.database, pool.home):
        raise Refused(
            f"Requesting a consult was refused: this node's policy gives nothing to {pool.home}."
            " Choose another pool, or ask a node administrator to change the policy."
        )
    return pool


def _not_asked_already(key: StudyKey, *, pool: str, kind: str) -> Statement:
    """Give the guard against asking twice: a second click, or a colleague who did not look."""
    return Statement(
        "UPDATE consult_case SET pool = pool WHERE origin = ? AND study_uid = ? AND pool = ? AND kind = ?"
        " AND state IN ('requested', 'offered', 'claimed')",
        (key.origin, key.study_uid, pool, kind),
        expect=0,
        refusal="Requesting a consult was refused: this pool has an open case about the study. Cancel that one first.",
    )
