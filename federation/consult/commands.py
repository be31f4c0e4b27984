"""What people do with cases: ask and cancel at a clinic; claim, read, write, sign, decline at the pool's home.

Each is one decision and one batch: events, rows, and what the other node is
told. Whoever was faster is found out by the batch, and the decision is made anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from federation.consult import claims
from federation.consult.answering import tell_clinic
from federation.consult.case_events import CaseEvent
from federation.consult.cases import (
    CaseState,
    Decline,
    Lapse,
    PassDeadline,
    Read,
    Release,
    SignCase,
    TakeClaim,
    decide,
    held_claim,
)
from federation.consult.deciding import decide_and_write
from federation.consult.drafts import aside_drafts, keep_aside, peek_draft, put_draft
from federation.consult.forms import check_reason
from federation.consult.home import HomeCase, happen, load_home
from federation.consult.refusals import CaseEnded, ClaimLost, PatientUncertain
from federation.consult.service_level import claim_length
from federation.consult.signing import make_report, sign_statements
from node.clock import Micros
from node.database.port import Statement, text
from node.errors import Conflict, Refused
from node.failpoints import failpoint, planted
from node.node import Node
from node.people.accounts import Person
from node.people.audit import record_act
from node.people.roles import EXPERT
from node.reporting import report as reports
from node.reporting.report import Draft
