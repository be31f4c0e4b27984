"""Which presentation contexts of a caller are agreed, in which syntax, and who plays which role. Pure.

Instances are kept in whatever they come in, so of a context for sending to this
node the first syntax is as good as any. Of one for receiving from it, an
uncompressed one: anything held can be written in that, and in no other.

Source: DICOM PS3.8 9.3.3.2; PS3.7 D.3.3.4 (roles), D.3.3.5; PS3.4 C.5.1.1, C.5.2.1, C.5.3.1 (extended negotiation).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from node.dicom.syntax import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from node.dimse.connection import MAX_PDU_BYTES
from node.dimse.services import UNCOMPRESSED, VERIFICATION, is_query, is_storage
from node.dimse.upper_layer import Answered, AssociateRequest, Proposed, Result
from node.dimse.user_information import REQUESTOR_IS_SCU, Roles, UserInformation
from node.failpoints import planted

_LITTLE = (EXPLICIT_LITTLE, IMPLICIT_LITTLE)
_QUERY_OPTIONS = bytes((1, 1))
"""Relational queries, and dates with times as one range; neither fuzzy names nor time zones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What the rule of a caller lets it do."""

    stores: bool = True
    reads: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """One context that is agreed."""

    abstract_syntax: str
    transfer_syntax: str
    stores: bool = False
    """The caller may send instances in it."""
    receives: bool = False
    """The caller may be sent instances in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Negotiated:
    """The answer to a request."""

    contexts: dict[int, Agreed]
    answers: list[Answered]
    user: UserInformation

    def is_combined(self, sop_class: str) -> bool:
        """Say whether dates and times of queries are one range."""
        return self.user.extended.get(sop_class, b"")[1:2] == b"\1"


def negotiate(request: AssociateRequest, offer: Offer) -> Negotiated:
    """Answer a request for an association with whoever was let in."""
    contexts: dict[int, Agreed] = {}
    answers = []
    for proposed in request.contexts:
        agreed = _agree(proposed, request.user.roles.get(proposed.abstract_syntax), offer)
        if isinstance(agreed, Agreed):
            contexts[proposed.id] = agreed
            answers.append(_answered(proposed, Result.ACCEPTED, agreed.transfer_syntax))
        else:
            answers.append(_answered(proposed, agreed))
    return Negotiated(
        contexts=contexts,
        answers=answers,
        user=UserInformation(
            max_pdu_bytes=MAX_PDU_BYTES // 2,
            roles=dict(_roles(request, contexts)),
            extended={
                sop_class: bytes(
                    min(pair) for pair in zip(asked, _QUERY_OPTIONS.ljust(len(asked), b"\0"), strict=False)
                )
                for sop_class, asked in request.user.extended.items()
                if is_query(sop_class)
                and any(each.abstract_syntax == sop_class for each in contexts.values())
            },
        ),
    )


def _agree(proposed: Proposed, roles: Roles | None, offer: Offer) -> Agreed | Result:
    sop_class, syntaxes = proposed.abstract_syntax, proposed.transfer_syntaxes
    if sop_class == VERIFICATION or is_query(sop_class):
        if sop_class != VERIFICATION and not offer.reads and not planted("reads-ignored"):
            return Result.USER_REJECTION
        written = UNCOMPRESSED if sop_class == VERIFICATION else _LITTLE
        return _agreed(sop_class, [each for each in syntaxes if each in written][:1])
    if not is_storage(sop_class):
        return Result.NO_ABSTRACT_SYNTAX
    wanted = roles or REQUESTOR_IS_SCU
    stores, receives = wanted.scu and offer.stores, wanted.scp and offer.reads
    if not (stores or receives):
        return Result.USER_REJECTION
    if not stores:
        syntaxes = tuple(each for each in _LITTLE if each in syntaxes) or syntaxes
    return _agreed(sop_class, list(syntaxes[:1]), stores=stores, receives=receives)


def _agreed(
    sop_class: str, syntax: list[str], *, stores: bool = False, receives: bool = False
) -> Agreed | Result:
    if not syntax:
        return Result.NO_TRANSFER_SYNTAX
    return Agreed(abstract_syntax=sop_class, transfer_syntax=syntax[0], stores=stores, receives=receives)


def _answered(proposed: Proposed, result: Result, syntax: str = "") -> Answered:
    none = next(iter(proposed.transfer_syntaxes), UNCOMPRESSED[0])
    return Answered(id=proposed.id, result=result, transfer_syntax=syntax or none)


def _roles(request: AssociateRequest, contexts: dict[int, Agreed]) -> Iterator[tuple[str, Roles]]:
    """Answer the roles that were proposed. Source: DICOM PS3.7 table D.3-10."""
    for sop_class in request.user.roles:
        agreed = [each for each in contexts.values() if each.abstract_syntax == sop_class]
        if agreed:
            yield (
                sop_class,
                Roles(scu=any(each.stores for each in agreed), scp=any(each.receives for each in agreed)),
            )
