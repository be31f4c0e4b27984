"""A consult case at its home, as a decider: offered, claimed, answered or ended.

Pure: `decide` says what a command leads to, `evolve` what an event means. The
pool's home node alone decides; what the clinic asks (cancel, amendment) counts
when it is an event here. Events name people's words by digest.

=========  ===================================================================================
state      what may happen
=========  ===================================================================================
new        offer -> offered (or declined, when the pool is not here)
offered    claim -> claimed · decline -> declined · cancel -> cancelled
claimed    sign -> signed · release, lapse -> offered · decline -> declined · cancel -> cancelled
signed     a cancel is marked late; an amendment is noted
declined   end; what comes later changes nothing
cancelled  end; what comes later changes nothing
=========  ===================================================================================

While offered or claimed, an amendment and a passed deadline are noted without a change of state.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, assert_never

from federation.consult.case_events import (
    AmendmentAccepted,
    CancelCameLate,
    CaseCancelled,
    CaseClaimed,
    CaseDeclined,
    CaseEvent,
    CaseOffered,
    CaseRead,
    CaseResumed,
    CaseSigned,
    ClaimLapsed,
    ClaimReleased,
    DeadlinePassed,
)
from federation.consult.claims import Claim
from federation.consult.refusals import AlreadyClaimed, CaseEnded, ClaimLost
from node.clock import Micros
from node.errors import NotFound

State = Literal["new", "offered", "claimed", "signed", "declined", "cancelled"]
ENDED: frozenset[str] = frozenset({"signed", "declined", "cancelled"})
SKIPPED = 1_000
"""Numbers that a case leaves free where an index was written again: more than can happen to it between two blocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseState:
    """What home decides on; the empty one is a case nobody has asked for."""

    state: State = "new"
    due: Micros = 0
    claim: Claim | None = None
    epoch: int = 0
    """Of the newest claim, also when it is gone."""
    claimed_at: Micros | None = None
    last: Claim | None = None
    """The newest claim as it was made: who signed, or who read last."""
    read_epoch: int = 0
    amendment: int = 0
    overdue: bool = False
    late_cancel: bool = False
    report_id: str = ""
    reason: str = ""
    """Digest of why it was declined or cancelled."""
    skipped: int = 0
    """Numbers that no event has."""
    known_until: Micros | None = None
    """What happened after this is not known, up to where the case was resumed; None: all is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Take a clinic's request; a ``refusal`` (digest of words) declines it at once."""

    offered: CaseOffered
    refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeClaim:
    """An expert wants the case."""

    person: str
    name: str
    length: Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The holder gives the case back."""

    person: str
    reason: str
    epoch: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lapse:
    """Home's clock finds a claim's time passed."""

    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """The holder opened the images."""

    person: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decline:
    """A member of the pool says no for the pool."""

    person: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """The clinic asks to end the case."""

    by: str
    reason: str
    asked_at: Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class Amend:
    """The clinic says that the study changed."""

    n: int
    instances: int
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PassDeadline:
    """Home's clock finds the deadline passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignCase:
    """The holder signs the report."""

    person: str
    report_id: str
    epoch: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Home's index was written again, and is known to be right up to a moment."""

    until: Micros


Command = (
    Offer | TakeClaim | Release | Lapse | Read | Decline | Cancel | Amend | PassDeadline | SignCase | Resume
)


def decide(state: CaseState, command: Command, now: Micros) -> tuple[CaseEvent, ...]:  # noqa: PLR0912
    """Give the events a command leads to; none when it changes nothing.

    Raises
    ------
    AlreadyClaimed
        Another expert's claim holds.
    ClaimLost
        The claim that the command rests on is not held any more.
    CaseEnded
        The case is signed, declined or cancelled.
    NotFound
        Nobody asked for this case.
    """
    match command:
        case Offer():
            return _offer(state, command)
        case _ if state.state == "new":
            raise NotFound("Changing the case failed: nobody asked for it here. Load the list again.")
        case TakeClaim():
            return _claim(state, command, now)
        case Release():
            claim = held_claim(state, command.person, command.epoch, act="Releasing the claim")
            return (
                ClaimReleased(person=claim.person, name=claim.name, epoch=claim.epoch, reason=command.reason),
            )
        case Lapse():
            claimed = state.claim
            if claimed is None or claimed.epoch != command.epoch or claimed.until > now:
                return ()
            return (_lapsed(claimed),)
        case Read():
            claim = held_claim(state, command.person, None, act="Reading the case")
            if state.read_epoch == claim.epoch:
                return ()
            return (CaseRead(person=claim.person, name=claim.name, epoch=claim.epoch),)
        case Decline():
            return _decline(state, command, now)
        case Cancel():
            return _cancel(state, command)
        case Amend():
            if command.n <= state.amendment or state.state in ("declined", "cancelled"):
                return ()
            return (AmendmentAccepted(n=command.n, instances=command.instances, complete=command.complete),)
        case PassDeadline():
            if state.state in ENDED or state.overdue or now < state.due:
                return ()
            return (DeadlinePassed(due=state.due),)
        case SignCase():
            claim = held_claim(state, command.person, command.epoch, act="Signing")
            return (
                CaseSigned(
                    person=claim.person, name=claim.name, epoch=claim.epoch, report_id=command.report_id
                ),
            )
        case Resume():
            return () if state.state in ENDED else (CaseResumed(until=command.until, skipped=SKIPPED),)
        case _:
            assert_never(command)


def evolve(state: CaseState, event: CaseEvent) -> CaseState:
    """Give the state after an event."""
    match event:
        case CaseOffered():
            return replace(state, state="offered", due=event.due)
        case CaseClaimed():
            claim = Claim(person=event.person, name=event.name, epoch=event.epoch, until=event.until)
            return replace(
                state, state="claimed", claim=claim, last=claim, epoch=event.epoch, claimed_at=event.at
            )
        case ClaimReleased() | ClaimLapsed():
            return replace(state, state="offered", claim=None, last=None, claimed_at=None)
        case CaseRead():
            return replace(state, read_epoch=event.epoch)
        case CaseDeclined():
            return replace(state, state="declined", claim=None, reason=event.reason)
        case CaseCancelled():
            return replace(state, state="cancelled", claim=None, reason=event.reason)
        case CancelCameLate():
            return replace(state, late_cancel=True)
        case AmendmentAccepted():
            return replace(state, amendment=event.n)
        case DeadlinePassed():
            return replace(state, overdue=True)
        case CaseSigned():
            return replace(state, state="signed", claim=None, report_id=event.report_id)
        case CaseResumed():
            return replace(state, skipped=state.skipped + event.skipped, known_until=event.until)
        case _:
            assert_never(event)


def held_claim(state: CaseState, person: str, epoch: int | None, *, act: str) -> Claim:
    """Give the claim that a person holds.

    Raises
    ------
    CaseEnded, ClaimLost
        She does not hold it, or not under this epoch.
    """
    if state.state in ENDED:
        raise CaseEnded(act, state=state.state)
    if state.claim is None or not state.claim.held_by(person, epoch):
        holder = "nobody holds it now" if state.claim is None else f"{state.claim.name} holds it now"
        raise ClaimLost(
            f"{act} was refused: your claim on the case has ended and {holder}. Claim it again if it is"
            " free; what you wrote is kept."
        )
    return state.claim


def _offer(state: CaseState, command: Offer) -> tuple[CaseEvent, ...]:
    if state.state != "new":
        return ()  # the same request again
    if not command.refusal:
        return (command.offered,)
    return (command.offered, CaseDeclined(person="", name="", reason=command.refusal))


def _claim(state: CaseState, command: TakeClaim, now: Micros) -> tuple[CaseEvent, ...]:
    if state.state in ENDED:
        raise CaseEnded("Claiming the case", state=state.state)
    claimed = CaseClaimed(
        person=command.person,
        name=command.name,
        epoch=state.epoch + 1,
        at=now,
        until=now + command.length,
    )
    if state.claim is None:
        return (claimed,)
    if state.claim.person == command.person:
        return ()
    if state.claim.until > now:
        raise AlreadyClaimed(by=state.claim.name, until=state.claim.until)
    # Home writes the lapse itself here: it need not wait for its own clock to come round.
    return (_lapsed(state.claim), claimed)


def _decline(state: CaseState, command: Decline, now: Micros) -> tuple[CaseEvent, ...]:
    if state.state in ENDED:
        raise CaseEnded("Declining the case", state=state.state)
    declined = CaseDeclined(person=command.person, name=command.name, reason=command.reason)
    if state.claim is None or state.claim.person == command.person:
        return (declined,)
    if state.claim.until > now:
        raise AlreadyClaimed(by=state.claim.name, until=state.claim.until)
    return (_lapsed(state.claim), declined)


def _cancel(state: CaseState, command: Cancel) -> tuple[CaseEvent, ...]:
    match state.state:
        case "signed":
            return () if state.late_cancel else (CancelCameLate(by=command.by, asked_at=command.asked_at),)
        case "offered" | "claimed":
            return (CaseCancelled(by=command.by, reason=command.reason, asked_at=command.asked_at),)
        case _:
            return ()


def _lapsed(claim: Claim) -> ClaimLapsed:
    return ClaimLapsed(person=claim.person, name=claim.name, epoch=claim.epoch, until=claim.until)
