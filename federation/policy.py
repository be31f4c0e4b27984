"""What of a study a peer may have: a pure decision with its reason, and the rows it stands on.

The grant is per peer, narrowed by modality and department. A study that a case
refers to a peer goes there whatever the grant, unless that is ``nothing``.
Studies received from a peer are never passed on.

A study of which not all corrections are known goes to nobody anew, whatever the grant and whoever asks about it: it might be
of another patient than it says. What a peer has of it stays as it was told; nothing is added, and no correction that was
lost here is taken back there. It goes on when somebody has settled it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

import msgspec

from node.canonical import canonical_json
from node.database.port import Database, Statement, integer, text
from node.errors import InvalidRequest
from node.events import Event
from node.failpoints import planted
from node.names import Cause, NodeId, StudyKey, Subject
from node.node import Node

PATIENT_DIFFERS = 2
"""``study.conflict``: instances disagree about the patient; nothing is sealed until a person has chosen."""


class Grant(Enum):
    """What a peer gets of studies that no case refers to it."""

    NOTHING = "nothing"
    """Not even referred ones."""
    REFERRED = "referred"
    METADATA = "metadata"
    EVERYTHING = "everything"


class Outcome(Enum):
    """What a peer gets of one study."""

    NOTHING = "nothing"
    METADATA = "metadata"
    EVERYTHING = "everything"
    BLOCKED = "blocked"
    """It would get something, once a person has resolved the study's conflict, or settled its corrections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A peer's grant. Empty lists narrow nothing."""

    grant: Grant = Grant.REFERRED
    modalities: tuple[str, ...] = ()
    departments: tuple[str, ...] = ()
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What of a study a policy looks at."""

    own: bool
    modalities: frozenset[str]
    department: str
    conflict: int
    referred: bool
    known: bool
    """All of its corrections, as far as anybody can tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """An outcome with the reason that the administrator reads."""

    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChanged(Event):
    """An administrator changed what a peer gets. Subject ``policy/PEER``."""

    grant: str
    modalities: tuple[str, ...]
    departments: tuple[str, ...]
    by: str


def decide(policy: Policy, facts: Facts) -> Decision:
    """Say what a peer gets of a study, and why."""
    granted = _granted(policy, facts)
    if granted.outcome is not Outcome.NOTHING and facts.conflict == PATIENT_DIFFERS:
        return Decision(outcome=Outcome.BLOCKED, reason="its instances disagree about the patient")
    if granted.outcome is not Outcome.NOTHING and not facts.known and not planted("unknown-shared"):
        return Decision(outcome=Outcome.BLOCKED, reason="not all of its corrections are known")
    return granted


def _granted(policy: Policy, facts: Facts) -> Decision:
    if not facts.own:
        return _nothing("received from a peer")
    if policy.grant is Grant.NOTHING:
        return _nothing("policy: nothing")
    if facts.referred:
        return Decision(outcome=Outcome.EVERYTHING, reason="referred by a case")
    if policy.grant is Grant.REFERRED:
        return _nothing("policy: referred studies, and no case refers to it")
    if policy.modalities and not facts.modalities & set(policy.modalities):
        return _nothing(f"policy: {policy.grant.value}, other modalities only")
    if policy.departments and facts.department not in policy.departments:
        return _nothing(f"policy: {policy.grant.value}, other departments only")
    return Decision(outcome=Outcome(policy.grant.value), reason=f"policy: {policy.grant.value}")


def _nothing(reason: str) -> Decision:
    return Decision(outcome=Outcome.NOTHING, reason=reason)


def policy_of(database: Database, peer: NodeId) -> Policy:
    """Give a peer's policy; referred studies only when nobody has set one."""
    rows = database.read(
        "SELECT grant_, modalities, departments, version FROM policy WHERE peer = ?", (peer,)
    )
    if not rows:
        return Policy()
    return Policy(
        grant=Grant(text(rows[0], "grant_")),
        modalities=_names(text(rows[0], "modalities")),
        departments=_names(text(rows[0], "departments")),
        version=integer(rows[0], "version"),
    )


def may_refer(database: Database, peer: NodeId) -> bool:
    """Say whether a case may send a study to a peer at all; ask before a consult is requested."""
    return policy_of(database, peer).grant is not Grant.NOTHING


def change_policy(
    node: Node,
    peer: NodeId,
    *,
    grant: str,
    modalities: Iterable[str] = (),
    departments: Iterable[str] = (),
    by: str,
) -> Policy:
    """Set what a peer gets, from now on and of studies that are here already.

    Raises
    ------
    InvalidRequest
        The grant is none of the four.
    Conflict
        Somebody else changed it at the same time.
    """
    if grant not in {known.value for known in Grant}:
        known = ", ".join(known.value for known in Grant)
        raise InvalidRequest(f"Changing the policy for {peer} was refused: choose one of {known}.")
    before = policy_of(node.database, peer)
    after = Policy(
        grant=Grant(grant),
        modalities=tuple(sorted({name.strip() for name in modalities if name.strip()})),
        departments=tuple(sorted({name.strip() for name in departments if name.strip()})),
        # Its row may have gone with the database that its events outlived.
        version=max(before.version, node.journal.version(Subject(f"policy/{peer}"))) + 1,
    )
    node.write(set_policy(node, peer, after, by=by, cause=Cause(node.new_id())))
    return after


def set_policy(node: Node, peer: NodeId, policy: Policy, *, by: str, cause: Cause) -> list[Statement]:
    """Give the statements that set a policy whose version is one above the last."""
    subject = Subject(f"policy/{peer}")
    event = PolicyChanged(
        grant=policy.grant.value, modalities=policy.modalities, departments=policy.departments, by=by
    )
    modalities, departments = canonical_json(policy.modalities), canonical_json(policy.departments)
    return [
        *node.journal.append(subject, [event], after=policy.version - 1, cause=cause),
        Statement(
            "INSERT INTO policy (peer, grant_, modalities, departments, version) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (peer) DO UPDATE SET grant_ = excluded.grant_, modalities = excluded.modalities,"
            " departments = excluded.departments, version = excluded.version",
            (peer, policy.grant.value, modalities, departments, policy.version),
        ),
    ]


def decision_of(database: Database, peer: NodeId, key: StudyKey) -> Decision | None:
    """Give what was last decided about a study for a peer; None when it never came up."""
    rows = database.read(
        "SELECT outcome, reason FROM decision WHERE peer = ? AND origin = ? AND study_uid = ?",
        (peer, key.origin, key.study_uid),
    )
    if not rows:
        return None
    return Decision(outcome=Outcome(text(rows[0], "outcome")), reason=text(rows[0], "reason"))


def _names(listed: str) -> tuple[str, ...]:
    return msgspec.json.decode(listed.encode(), type=tuple[str, ...])
