"""What is agreed with a caller, by what its rule lets it do."""

from __future__ import annotations

import pytest

from node.dimse.negotiating import Negotiated, Offer, negotiate
from node.dimse.upper_layer import AssociateRequest, Proposed, Result
from node.dimse.user_information import Roles, UserInformation
from tests.kit.instances import CT_IMAGE, EXPLICIT, IMPLICIT, JPEG_BASELINE

STUDY_FIND, STUDY_GET = "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.2.2.3"
WORKLIST = "1.2.840.10008.5.1.4.31"
READS = Offer(stores=True, reads=True)


def answered(
    *contexts: tuple[str, tuple[str, ...]], offer: Offer = READS, user: UserInformation | None = None
) -> Negotiated:
    request = AssociateRequest(
        version=1,
        called="ALPHA",
        calling="WS",
        application_context="",
        contexts=tuple(
            Proposed(id=2 * n + 1, abstract_syntax=uid, transfer_syntaxes=syntaxes)
            for n, (uid, syntaxes) in enumerate(contexts)
        ),
        user=user or UserInformation(),
        reserved=b"",
    )
    return negotiate(request, offer)


def test_storage_takes_the_first_syntax_and_a_query_one_that_is_written() -> None:
    done = answered((CT_IMAGE, (JPEG_BASELINE, EXPLICIT)), (STUDY_FIND, (JPEG_BASELINE, IMPLICIT, EXPLICIT)))
    assert [each.transfer_syntax for each in done.answers] == [JPEG_BASELINE, IMPLICIT]
    assert done.contexts[1].stores
    assert not done.contexts[1].receives


def test_other_services_are_not_agreed_and_leave_the_rest_standing() -> None:
    done = answered((WORKLIST, (IMPLICIT,)), (CT_IMAGE, (IMPLICIT,)), (STUDY_FIND, (JPEG_BASELINE,)))
    results = [each.result for each in done.answers]
    assert results == [Result.NO_ABSTRACT_SYNTAX, Result.ACCEPTED, Result.NO_TRANSFER_SYNTAX]


@pytest.mark.parametrize(
    ("offer", "roles", "stores", "receives"),
    [
        (READS, Roles(scu=False, scp=True), False, True),
        (READS, Roles(scu=True, scp=True), True, True),
        (Offer(stores=True, reads=False), Roles(scu=True, scp=True), True, False),
        (Offer(stores=False, reads=True), Roles(scu=True, scp=True), False, True),
    ],
)
def test_roles_are_those_that_the_rule_lets(offer: Offer, roles: Roles, stores: bool, receives: bool) -> None:
    user = UserInformation(roles={CT_IMAGE: roles})
    done = answered((CT_IMAGE, (EXPLICIT,)), offer=offer, user=user)
    assert (done.contexts[1].stores, done.contexts[1].receives) == (stores, receives)
    assert done.user.roles == {CT_IMAGE: Roles(scu=stores, scp=receives)}


def test_whoever_may_only_be_sent_to_gets_an_uncompressed_syntax() -> None:
    user = UserInformation(roles={CT_IMAGE: Roles(scu=False, scp=True)})
    done = answered((CT_IMAGE, (JPEG_BASELINE, IMPLICIT, EXPLICIT)), user=user)
    assert done.contexts[1].transfer_syntax == EXPLICIT
    done = answered((CT_IMAGE, (JPEG_BASELINE,)), user=user)
    assert done.contexts[1].transfer_syntax == JPEG_BASELINE


def test_whoever_may_not_read_is_agreed_neither_queries_nor_the_role_to_receive() -> None:
    user = UserInformation(roles={CT_IMAGE: Roles(scu=False, scp=True)}, extended={STUDY_FIND: b"\1\1"})
    done = answered(
        (STUDY_FIND, (IMPLICIT,)), (STUDY_GET, (IMPLICIT,)), (CT_IMAGE, (EXPLICIT,)),
        offer=Offer(stores=True, reads=False), user=user,
    )  # fmt: skip
    assert {each.result for each in done.answers} == {Result.USER_REJECTION}
    assert not done.user.roles
    assert not done.user.extended


@pytest.mark.parametrize(
    ("asked", "granted"), [(b"\1", b"\1"), (b"\1\1\1\1", b"\1\1\0\0"), (b"\0\1", b"\0\1"), (b"", b"")]
)
def test_of_extended_negotiation_what_is_served_is_granted(asked: bytes, granted: bytes) -> None:
    done = answered((STUDY_FIND, (IMPLICIT,)), user=UserInformation(extended={STUDY_FIND: asked}))
    assert done.user.extended == {STUDY_FIND: granted}
    assert done.is_combined(STUDY_FIND) == (granted[1:2] == b"\1")
