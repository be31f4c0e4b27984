"""By when a case must be answered. Pure; the clocks are the home node's configuration."""

from __future__ import annotations

from node.clock import MINUTE, Micros
from node.config import ConsultSection


def due_at(requested_at: Micros, *, urgency: str, consult: ConsultSection) -> Micros:
    """Give the deadline of a case: emergency (急) or routine (平) hours after it was asked for."""
    hours = consult.urgent_hours if urgency == "emergency" else consult.routine_hours
    return requested_at + round(hours * 60 * MINUTE)


def claim_length(consult: ConsultSection) -> Micros:
    """Give how long a claim holds without being renewed."""
    return round(consult.claim_minutes * MINUTE)
