"""Where a change may come from, and what an error says in HTTP."""

from __future__ import annotations

import pytest

from federation.consult.refusals import AlreadyClaimed, StudyIncomplete
from node.config import Config, NodeSection, WebSection
from node.errors import (
    Conflict,
    Damaged,
    Defect,
    NotFound,
    OutcomeUnknown,
    Refused,
    Unauthenticated,
    Unavailable,
)
from node.people.accounts import Person
from node.people.sessions import Session
from web.auth import Caller, check_change
from web.errors import to_http

WANG = Person(id="w", user="wang", name="王", roles=frozenset({"technician"}))
SIGNED_IN = Caller(
    session=Session(person=WANG, csrf="right", last_at=1, until=9, token_digest="d"), token="t"
)
HOST = "127.0.0.1:8080"


def check(*, origin: str, csrf: str = "right", caller: Caller = SIGNED_IN, configured: str = "") -> None:
    config = Config(node=NodeSection(id="alpha", name="A"), web=WebSection(origin=configured))
    check_change(config, caller, headers={"Origin": origin, "X-CSRF": csrf}, scheme="http", host=HOST)


def test_our_own_page_may_change_things() -> None:
    check(origin=f"http://{HOST}")
    check(origin="https://grid.example", configured="https://grid.example/")


@pytest.mark.parametrize(
    "origin", ["", "null", f"https://{HOST}", "http://127.0.0.1:8081", f"http://{HOST}.evil"]
)
def test_another_origin_may_not(origin: str) -> None:
    with pytest.raises(Refused, match="did not come from"):
        check(origin=origin)


def test_behind_a_proxy_only_the_configured_address_counts() -> None:
    with pytest.raises(Refused):
        check(origin=f"http://{HOST}", configured="https://grid.example")


@pytest.mark.parametrize("csrf", ["", "wrong", "righ", "right ", "r\u00efght"])
def test_a_wrong_csrf_value_is_refused(csrf: str) -> None:
    with pytest.raises(Refused, match="older than the sign-in"):
        check(origin=f"http://{HOST}", csrf=csrf)


def test_before_signing_in_the_origin_alone_is_checked() -> None:
    check(origin=f"http://{HOST}", csrf="", caller=Caller())
    with pytest.raises(Refused):
        check(origin="null", csrf="", caller=Caller())


@pytest.mark.parametrize(
    ("error", "status", "code", "details"),
    [
        (NotFound("x"), 404, "not-found", {}),
        (Unauthenticated("x"), 401, "unauthenticated", {}),
        (Refused("x"), 403, "refused", {}),
        (Conflict("x"), 409, "conflict", {}),
        (Unavailable("x"), 503, "unavailable", {}),
        (OutcomeUnknown("x"), 503, "outcome-unknown", {}),
        (Damaged("x"), 502, "damaged", {}),
        (Defect("x"), 500, "defect", {}),
        (AlreadyClaimed(by="李", until=7), 409, "claimed", {"by": "李", "until": 7}),
        (StudyIncomplete(instances=3, expected=9), 409, "incomplete", {"instances": 3, "expected": 9}),
    ],
)
def test_each_error_has_its_status_code_and_details(
    error: Conflict, status: int, code: str, details: dict[str, object]
) -> None:
    answer = to_http(error)
    assert (answer.status, answer.code, answer.details) == (status, code, details)


def test_only_our_own_mistakes_are_a_500() -> None:
    def below(shape: type[BaseException]) -> list[type[BaseException]]:
        return [shape, *(deeper for one in shape.__subclasses__() for deeper in below(one))]

    from node.errors import GridError

    assert {one.__name__ for one in below(GridError) if getattr(one, "http", 0) == 500} == {
        "GridError",
        "Defect",
    }
