"""A consult case at the clinic that asked, as a decider: what was asked, and what home answered.

Pure. Subject ``request/ID``. The clinic decides only what it asks; how the case
stands is home's to say, and the newest of its answers counts, in whatever order
they come. A report that comes home after the clinic asked to cancel is marked late.

==========================  =================================================================
state                       what may happen
==========================  =================================================================
new                         ask -> requested
requested, offered, claimed cancel -> the same, "cancelling" until home has answered;
                            images arrive, study completes -> home is told; home answers -> as it says
signed                      images arrive, study completes -> home is told; the report comes home
declined, cancelled         end
==========================  =================================================================
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, assert_never

from federation.consult.cases import ENDED
from federation.consult.messages import Fact
from federation.consult.refusals import CaseEnded
from node.clock import Micros
from node.errors import NotFound
from node.events import Event
from node.reporting.report import ReportHead


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsultRequested(Event):
    """A technician asked a pool about a study; version 1 named neither her nor her hospital, nor the deadline."""

    VERSION: ClassVar[int] = 2
    EARLIER: ClassVar[tuple[int, ...]] = (1,)
    home: str
    pool: str
    origin: str
    study_uid: str
    kind: str
    urgency: str
    specialty: str
    words: str
    """Digest of the form's words."""
    by: str
    instances: int
    incomplete: bool
    requested_by: str = ""
    """Her name."""
    clinic_name: str = ""
    due: Micros = 0
    """As the clinic reckons; home's word counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAsked(Event):
    """The clinic wants the case ended; home has yet to say. Version 1 knew no name."""

    VERSION: ClassVar[int] = 2
    EARLIER: ClassVar[tuple[int, ...]] = (1,)
    by: str
    reason: str
    """Digest."""
    at: Micros
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AmendmentSent(Event):
    """Home was told that the study changed."""

    n: int
    instances: int
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseAnswered(Event):
    """Home said how the case stands, and what led there; version 1 kept its state alone."""

    VERSION: ClassVar[int] = 2
    EARLIER: ClassVar[tuple[int, ...]] = (1,)
    version: int
    state: str
    late_cancel: bool
    due: Micros = 0
    """0 in version 1, which had nothing of what follows."""
    reason: str = ""
    """Digest; in facts too."""
    claimed_by: str = ""
    claimed_name: str = ""
    claimed_at: Micros | None = None
    overdue: bool = False
    facts: tuple[Fact, ...] = ()
    """Those that were not known here yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactsCame(Event):
    """Home told facts behind a newer answer: how the case stands was known already."""

    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportReturned(Event):
    """The signed report came home; version 1 kept its words alone."""

    VERSION: ClassVar[int] = 2
    EARLIER: ClassVar[tuple[int, ...]] = (1,)
    report_id: str
    text: str
    """Digest of its words."""
    head: ReportHead | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswersDoubted(Event):
    """The index was written again, and what home said after a moment is not known. Until its next word."""

    until: Micros


RequestEvent = (
    ConsultRequested
    | CancelAsked
    | AmendmentSent
    | CaseAnswered
    | FactsCame
    | ReportReturned
    | AnswersDoubted
)
REQUEST_EVENTS: tuple[type[RequestEvent], ...] = (
    ConsultRequested,
    CancelAsked,
    AmendmentSent,
    CaseAnswered,
    FactsCame,
    ReportReturned,
    AnswersDoubted,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestState:
    """What the clinic knows; ``standing`` is home's word, ``requested`` before it."""

    standing: str = "new"
    version: int = 0
    """Of home's newest answer."""
    asked_cancel: bool = False
    home_late_cancel: bool = False
    instances: int = 0
    """How many home knows of."""
    awaiting: bool = False
    """Home was told that the study is not complete."""
    changed: bool = False
    """Home was told that images arrived, and not yet that they are all."""
    amendment: int = 0
    report_id: str = ""
    """Of the newest report; there is one, unless home forgot in between that it had signed."""
    reports: frozenset[str] = frozenset()
    told: frozenset[int] = frozenset()
    """Numbers of home's facts that are known."""
    doubted: Micros | None = None
    """Up to when home's word is known; None: to its newest."""

    @property
    def cancelling(self) -> bool:
        return self.asked_cancel and self.standing not in ENDED

    @property
    def late_cancel(self) -> bool:
        """Whether the report stands although a cancel was asked for: true in any order of answers."""
        signed = self.standing == "signed" or bool(self.report_id)
        return signed and (self.asked_cancel or self.home_late_cancel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Ask a pool."""

    requested: ConsultRequested


@dataclass(frozen=True, slots=True, kw_only=True)
class AskCancel:
    """Ask home to end the case."""

    by: str
    reason: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteImages:
    """The study has this many images now."""

    instances: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteCompletion:
    """The study awaits no more images."""

    instances: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeAnswer:
    """Home's word on the case, with the report once it is signed."""

    version: int
    standing: str
    late_cancel: bool
    report_id: str = ""
    text: str = ""
    due: Micros = 0
    reason: str = ""
    """Digest; in facts too."""
    claimed_by: str = ""
    claimed_name: str = ""
    claimed_at: Micros | None = None
    overdue: bool = False
    facts: tuple[Fact, ...] = ()
    head: ReportHead | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubtAnswers:
    """The index was written again, and is known to be right up to a moment."""

    until: Micros


Command = Ask | AskCancel | NoteImages | NoteCompletion | TakeAnswer | DoubtAnswers


def decide(state: RequestState, command: Command, now: Micros) -> tuple[RequestEvent, ...]:
    """Give the events a command leads to; none when it changes nothing.

    Raises
    ------
    CaseEnded
        The clinic asks to cancel what has been answered.
    NotFound
        Nothing was asked here under this id.
    """
    match command:
        case Ask():
            return (command.requested,) if state.standing == "new" else ()
        case _ if state.standing == "new":
            raise NotFound("Changing the case failed: it was not asked for here. Load the list again.")
        case AskCancel():
            if state.standing in ENDED:
                raise CaseEnded("Cancelling the case", state=state.standing)
            if state.asked_cancel:
                return ()
            return (CancelAsked(by=command.by, reason=command.reason, at=now, name=command.name),)
        case NoteImages():
            news = command.instances > state.instances and not state.changed
            return _amendment(state, instances=command.instances, complete=False) if news else ()
        case NoteCompletion():
            # One with fewer images is about the study as it was before it was asked about.
            awaited = state.awaiting and command.instances >= state.instances
            news = awaited or command.instances > state.instances
            return _amendment(state, instances=command.instances, complete=True) if news else ()
        case TakeAnswer():
            return _take(state, command)
        case DoubtAnswers():
            return () if state.standing in ENDED else (AnswersDoubted(until=command.until),)
        case _:
            assert_never(command)


def evolve(state: RequestState, event: RequestEvent) -> RequestState:
    """Give the state after an event."""
    match event:
        case ConsultRequested():
            return replace(state, standing="requested", instances=event.instances, awaiting=event.incomplete)
        case CancelAsked():
            return replace(state, asked_cancel=True)
        case AmendmentSent():
            return replace(
                state,
                amendment=event.n,
                instances=max(state.instances, event.instances),
                awaiting=not event.complete,
                changed=not event.complete,
            )
        case CaseAnswered():
            return replace(
                state,
                standing=event.state,
                version=event.version,
                home_late_cancel=state.home_late_cancel or event.late_cancel,
                told=state.told | _told_by(event),
                doubted=None,
            )
        case FactsCame():
            return replace(state, told=state.told | {fact.n for fact in event.facts})
        case ReportReturned():
            return replace(state, report_id=event.report_id, reports=state.reports | {event.report_id})
        case AnswersDoubted():
            return replace(state, doubted=event.until)
        case _:
            assert_never(event)


def _amendment(state: RequestState, *, instances: int, complete: bool) -> tuple[RequestEvent, ...]:
    if state.standing in ("declined", "cancelled"):
        return ()
    return (AmendmentSent(n=state.amendment + 1, instances=instances, complete=complete),)


def _take(state: RequestState, answer: TakeAnswer) -> tuple[RequestEvent, ...]:
    events: list[RequestEvent] = []
    if answer.report_id and answer.report_id not in state.reports:
        events.append(ReportReturned(report_id=answer.report_id, text=answer.text, head=answer.head))
    news = tuple(fact for fact in answer.facts if fact.n not in state.told)
    if answer.version > state.version:
        events.append(
            CaseAnswered(
                version=answer.version,
                state=answer.standing,
                late_cancel=answer.late_cancel,
                due=answer.due,
                reason=answer.reason,
                claimed_by=answer.claimed_by,
                claimed_name=answer.claimed_name,
                claimed_at=answer.claimed_at,
                overdue=answer.overdue,
                facts=news,
            )
        )
    elif news:
        events.append(FactsCame(facts=news))
    return tuple(events)


def _told_by(answer: CaseAnswered) -> frozenset[int]:
    """Give the facts that an answer told; version 1 did not list them, and each answer told all up to its own."""
    return (
        frozenset(fact.n for fact in answer.facts) if answer.due else frozenset(range(1, answer.version + 1))
    )
