"""What each consult message from a peer does here; `federation.appliers` composes the table of them all.

Each function gives statements for the batch that moves the inbox on. It may be
called again with the same message, or with an older one, and then changes nothing.
"""

from __future__ import annotations

from federation.consult.answering import take_amendment, take_cancel, take_request
from federation.consult.case_table import peek_case
from federation.consult.clinic import load_clinic, take_answer
from federation.consult.messages import (
    CaseAmended,
    CaseCancelRequested,
    CaseFacts,
    CaseRequested,
    PoolsPublished,
)
from federation.consult.pools import take_pools
from federation.messages import Received
from node.archive.deletion.deletions import was_deleted
from node.database.port import Statement
from node.errors import NotFound, Refused
from node.node import Node


def apply_case_requested(node: Node, received: Received, message: CaseRequested) -> list[Statement]:
    """Offer the case; the sender is the clinic and the study's origin."""
    return take_request(node, message, clinic=received.sender, cause=received.cause)


def apply_case_cancel_requested(
    node: Node, received: Received, message: CaseCancelRequested
) -> list[Statement]:
    """End the case, or mark its report as signed before the cancel."""
    return take_cancel(node, message, clinic=received.sender)


def apply_case_amended(node: Node, received: Received, message: CaseAmended) -> list[Statement]:
    """Note that the study of a case changed."""
    return take_amendment(node, message, clinic=received.sender)


def apply_case_facts(node: Node, received: Received, message: CaseFacts) -> list[Statement]:
    """Take home's answer; only the node that was asked may answer."""
    case = load_clinic(node, message.case_id)
    if case.home != received.sender:
        raise Refused(
            f"Taking an answer for case {message.case_id} was refused: {received.sender} was not asked."
            f" Tell {case.home}, and have the roster checked."
        )
    if was_deleted(node.database, case.key) and peek_case(node.database, message.case_id) is None:
        raise NotFound(
            f"Taking an answer for case {message.case_id} was refused: its study was deleted for good here, and the case"
            f" with it. Tell {case.home}, if it should have been kept."
        )
    return take_answer(node, case, message)


def apply_pools_published(node: Node, received: Received, message: PoolsPublished) -> list[Statement]:
    """Know the sender's pools, and forget those it no longer names."""
    return take_pools(node, received.sender, message)
