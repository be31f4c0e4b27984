"""What the client reads of final deletions, and what it sends."""

from __future__ import annotations

from node.clock import Micros
from web.api.shapes import Shape


class Named(Shape):
    """A study in a list; ``label`` is empty for who may not see it: patient's name as written, a tab, her ID."""

    origin: str
    study_uid: str
    label: str
    modalities: list[str]
    instances: int
    bytes: int


class PastShape(Shape):
    """A study whose time is over."""

    study: Named
    since: Micros
    rule: str


class LeftShape(Shape):
    """So many things of a kind are left to be erased; ``store`` where they lie in one; ``words`` why."""

    kind: str
    store: str
    things: int
    words: str


class PeerShape(Shape):
    """A hospital that held the study: ``due``, ``told``, ``deleted``, ``kept``."""

    peer: str
    state: str
    code: str
    at: Micros | None


class DeletionShape(Shape):
    """A deletion; ``state``: ``asked``, ``deleted`` (things are left), ``done``, ``kept``, ``withdrawn``, ``lapsed``."""

    study: Named
    id: str
    state: str
    code: str
    words: str
    asked_by: str
    asked_at: Micros
    stands_until: Micros
    ended_by: str
    ended_at: Micros | None
    done_at: Micros | None
    issue: int
    left: list[LeftShape]
    peers: list[PeerShape]
    mine: bool
    """Whether the caller asked for it herself: then she does not approve it."""


class DeletionsShape(Shape):
    """Studies that may be deleted, and deletions: those that wait, those under way, those done."""

    past: list[PastShape]
    asked: list[DeletionShape]
    going: list[DeletionShape]
    done: list[DeletionShape]
    now: Micros


class StudyBody(Shape):
    """Which study."""

    origin: str
    study_uid: str


class AskBody(StudyBody):
    """Why a study is to go; ``code`` of `node.archive.deletion.deletions.REASONS`."""

    code: str
    words: str


class ApproveBody(Shape):
    """The number of instances, as it was typed."""

    instances: int


class GoingShape(Shape):
    """What would go with a study, from where, and who is told; ``barred``: what keeps it."""

    study: Named
    series: int
    packs: int
    stores: list[str]
    reports: int
    cases: int
    peers: list[str]
    rule: str
    years: int | None
    until: Micros | None
    over: bool
    barred: str
