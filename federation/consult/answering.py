"""What home does with a clinic's request, cancel and amendment, and how its answer reaches the clinic.

Where the clinic is this same node, asking and answering stand in one batch: the
clinic's case, as that batch will leave it, is passed along as ``local``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from federation.consult.case_events import CaseEvent, CaseOffered
from federation.consult.cases import Amend, Cancel, Offer, decide
from federation.consult.clinic import ClinicCase, load_clinic, take_answer
from federation.consult.forms import LONGEST_NAME, check_reason, check_words
from federation.consult.home import Happened, HomeCase, happen, load_home
from federation.consult.messages import CaseAmended, CaseCancelRequested, CaseRequested
from federation.consult.service_level import due_at
from federation.outbox import send
from node.canonical import canonical_json
from node.database.port import Statement
from node.errors import InvalidRequest, Refused
from node.names import Cause, NodeId, is_uid
from node.node import Node

NO_POOL = "专家组不存在，请另选。The expert pool does not exist; choose another."
_CASE_ID = re.compile(r"[0-9a-f-]{16,64}")


def tell_clinic(node: Node, happened: Happened, *, local: ClinicCase | None = None) -> list[Statement]:
    """Give the statements that bring home's answer to the clinic, wherever that is."""
    case = happened.case
    if case.clinic != node.id:
        return send(node, case.clinic, happened.answer, cause=case.cause)
    return take_answer(node, local or load_clinic(node, case.case_id), happened.answer)


def take_request(
    node: Node, asked: CaseRequested, *, clinic: NodeId, cause: Cause, local: ClinicCase | None = None
) -> list[Statement]:
    """Give the statements that offer a case to its pool; none when it was asked for before.

    Raises
    ------
    InvalidRequest
        A field is not what it must be, or the pool is another node's.
    Refused
        The case is another clinic's.
    """
    _check_request(node, asked)
    words = check_words(asked.words, now=node.now())
    case = _own_case(node, asked.case_id, clinic, cause=cause)
    digest, text = node.texts.put("consult-form", canonical_json(msgspec.to_builtins(words)))
    here = node.database.read("SELECT 1 AS one FROM pool WHERE id = ?", (asked.pool,))
    refusal, refused = ("", []) if here else _reason(node, NO_POOL)
    offered = CaseOffered(
        clinic=clinic,
        clinic_name=asked.clinic_name,
        pool=asked.pool,
        study_uid=asked.study_uid,
        kind=asked.kind,
        urgency=asked.urgency,
        specialty=asked.specialty,
        words=digest,
        requested_at=asked.requested_at,
        requested_by=asked.requested_by,
        # A clinic's clock may run ahead; its deadline does not.
        due=due_at(min(asked.requested_at, node.now()), urgency=asked.urgency, consult=node.config.consult),
        instances=asked.instances,
        incomplete=asked.incomplete,
    )
    events = decide(case.state, Offer(offered=offered, refusal=refusal), node.now())
    reason = "" if here else NO_POOL
    return _answer(node, case, events, reason=reason, texts=[text, *refused], local=local)


def take_cancel(
    node: Node, asked: CaseCancelRequested, *, clinic: NodeId, local: ClinicCase | None = None
) -> list[Statement]:
    """Give the statements that end a case at its clinic's wish, or mark its signed report.

    Raises
    ------
    NotFound, Refused
        It was never asked for here, or by another clinic.
    """
    reason = check_reason(asked.reason, act="Cancelling the case")
    case = _own_case(node, asked.case_id, clinic)
    digest, texts = _reason(node, reason)
    command = Cancel(by=asked.asked_by[:LONGEST_NAME], reason=digest, asked_at=asked.asked_at)
    events = decide(case.state, command, node.now())
    return _answer(node, case, events, reason=reason, texts=texts, local=local)


def take_amendment(
    node: Node, asked: CaseAmended, *, clinic: NodeId, local: ClinicCase | None = None
) -> list[Statement]:
    """Give the statements that note that the study of a case changed; raises as `take_cancel` does."""
    case = _own_case(node, asked.case_id, clinic)
    command = Amend(n=asked.n, instances=asked.instances, complete=asked.complete)
    events = decide(case.state, command, node.now())
    return _answer(node, case, events, local=local)


def _answer(
    node: Node,
    case: HomeCase,
    events: Sequence[CaseEvent],
    *,
    reason: str = "",
    texts: Sequence[Statement] = (),
    local: ClinicCase | None,
) -> list[Statement]:
    if not events:
        return []
    happened = happen(node, case, events, reason=reason)
    return [*texts, *happened.statements, *tell_clinic(node, happened, local=local)]


def _own_case(node: Node, case_id: str, clinic: NodeId, *, cause: Cause | None = None) -> HomeCase:
    case = load_home(node, case_id, cause=cause)
    if case.offered is not None and case.clinic != clinic:
        raise Refused(f"Changing case {case_id} was refused: {clinic} did not ask for it.")
    return case


def _check_request(node: Node, asked: CaseRequested) -> None:
    home, _, name = asked.pool.partition("/")
    right = (
        _CASE_ID.fullmatch(asked.case_id)
        and is_uid(asked.study_uid)
        and home == node.id
        and name
        and asked.kind in ("diagnosis", "consultation")
        and asked.urgency in ("emergency", "routine")
        and all(
            len(text) <= LONGEST_NAME
            for text in (asked.pool, asked.specialty, asked.clinic_name, asked.requested_by)
        )
    )
    if not right:
        raise InvalidRequest(
            f"Taking case {asked.case_id[:64]} was refused: a field of the request is not what it must be."
            " Bring both nodes to the same version, then ask again."
        )


def _reason(node: Node, words: str) -> tuple[str, list[Statement]]:
    digest, text = node.texts.put("case-reason", words)
    return digest, [text]
