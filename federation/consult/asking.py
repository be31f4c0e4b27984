"""How a clinic's request, cancel or amendment reaches the pool's home: by envelope, or at once where it is here."""

from __future__ import annotations

from typing import assert_never

from federation.consult.answering import take_amendment, take_cancel, take_request
from federation.consult.clinic import ClinicCase
from federation.consult.messages import CaseAmended, CaseCancelRequested, CaseRequested
from federation.outbox import send
from node.database.port import Statement
from node.node import Node

Asked = CaseRequested | CaseCancelRequested | CaseAmended


def ask_home(node: Node, case: ClinicCase, message: Asked) -> list[Statement]:
    """Give the statements that ask; ``case`` is the clinic's as this batch leaves it."""
    if case.home != node.id:
        return send(node, case.home, message, cause=case.cause)
    match message:
        case CaseRequested():
            return take_request(node, message, clinic=node.id, cause=case.cause, local=case)
        case CaseCancelRequested():
            return take_cancel(node, message, clinic=node.id, local=case)
        case CaseAmended():
            return take_amendment(node, message, clinic=node.id, local=case)
        case _:
            assert_never(message)
