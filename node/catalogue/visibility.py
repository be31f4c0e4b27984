"""Who sees which study: one rule for lists, images, story, live feed, pages and DIMSE.

Decides by rows of this layer alone: the viewer's roles, `access` and
`membership`, which consult writes in the batch of an offer or its end. The rule is one SQL
condition; asking about one study asks the same condition, so a list and a
page cannot disagree.

=============  ==================  ==========================================  =============  ============
route kind     technician          expert                                      administrator  a reader
=============  ==================  ==========================================  =============  ============
list, QIDO     origin is this one  that, and what an access row opens to her   nothing        all held here
images, WADO   the same            the same                                    nothing        all held here
story, live    the same            the same                                    nothing        all held here
reports, case  the same            the same                                    nothing        all held here
DIMSE          by admission rule   by admission rule                           nothing        nothing
=============  ==================  ==========================================  =============  ============

An access row opens a study to ``person/ID`` or to every member of ``pool/ID``
until its time, or while it stands. Roles add up: somebody who is technician and
administrator sees what a technician sees. A reader is a principal that may read (`people.principals`);
any other sees nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from node.clock import Micros
from node.database.port import Database, Statement, Value
from node.failpoints import planted
from node.names import NodeId, StudyKey
from node.people.principals import may_read

Condition = tuple[str, tuple[Value, ...]]

_ALL: Condition = ("1 = 1", ())
_NONE: Condition = ("1 = 0", ())
_OWN = "study.origin = ?"
_OPENED = (
    "EXISTS (SELECT 1 FROM access WHERE access.origin = study.origin AND access.study_uid = study.study_uid"
    " AND (access.until IS NULL OR access.until > ?) AND (access.subject = ? OR access.subject IN"
    " (SELECT 'pool/' || membership.pool FROM membership WHERE membership.person = ?)))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Somebody who asks to see: a person with roles, or a program with a bearer token."""

    kind: Literal["person", "principal"]
    id: str
    roles: frozenset[str]


def may_see(database: Database, node: NodeId, viewer: Viewer, key: StudyKey, now: Micros) -> bool:
    """Say whether a viewer sees a study, whether or not it is held here."""
    condition, params = seen = visible_condition(node, viewer, now)
    if seen in (_ALL, _NONE):
        return seen == _ALL
    sql = f"SELECT 1 AS seen FROM (SELECT ? AS origin, ? AS study_uid) AS study WHERE {condition}"
    return bool(database.read(sql, (key.origin, key.study_uid, *params)))


def visible_condition(node: NodeId, viewer: Viewer, now: Micros) -> Condition:
    """Give the same rule as a condition on a row named ``study``, with its parameters.

    It may follow any ``WHERE`` or ``AND`` as it stands.
    """
    if viewer.kind == "principal":
        return _ALL if may_read(viewer.id) else _NONE
    if "expert" in viewer.roles:
        return f"({_OWN} OR {_OPENED})", (node, now, f"person/{viewer.id}", viewer.id)
    if "technician" in viewer.roles:
        return _OWN, (node,)
    return _NONE


def studies_of(origin: NodeId) -> Condition:
    """Give the condition for a device: the studies of one hospital, which its rule lets it ask for."""
    return _ALL if planted("origins-mixed") else (_OWN, (origin,))


def of_origin(origin: NodeId, seen: Condition) -> Condition:
    """Give a condition for the studies of one origin; it begins so that they are taken by an index of their own."""
    if seen in ((_OWN, (origin,)), _ALL):
        return _OWN, (origin,)
    return f"{_OWN} AND ({seen[0]})", (origin, *seen[1])


def open_study(subject: str, key: StudyKey, *, reason: str, until: Micros | None = None) -> Statement:
    """Give the statement that opens a study to ``person/ID`` or ``pool/ID`` for a reason, or moves its end."""
    return Statement(
        "INSERT INTO access (subject, origin, study_uid, reason, until) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (subject, origin, study_uid, reason) DO UPDATE SET until = excluded.until",
        (subject, key.origin, key.study_uid, reason, until),
    )


def close_study(key: StudyKey, *, reason: str) -> Statement:
    """Give the statement that takes back everything a reason opened."""
    return Statement(
        "DELETE FROM access WHERE origin = ? AND study_uid = ? AND reason = ?",
        (key.origin, key.study_uid, reason),
    )
