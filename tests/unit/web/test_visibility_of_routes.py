"""Each role, each route, own, foreign and unknown studies: what the table of routes lets through, and what it shows.

Three things are checked. *Admission*: with handlers taken out, a request passes
exactly when its role is among the route's and the study it names may be seen.
*Sight*: with handlers in, no answer holds a word of a study that the viewer may
not see, and a readable one holds what she may. *Silence*: what she may not see is
answered like what is not here, byte for byte. Who may see what is written down
by hand, in `tests.kit.house`. A route without an entry here, or without a rule of its own, fails.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import cast

import msgspec
import pytest

import web as web_package
from node.catalogue.search import EVERYTHING, find_visible, peek_study
from node.errors import NotFound
from node.names import StudyKey
from node.node import Node
from tests.kit.house import (
    ALL,
    CANARIES,
    NAMELESS,
    SEEN,
    STUDIES,
    House,
    body_of,
    counterpart,
    furnished,
    path_of,
    reaches,
    rightly,
    searched,
    sees,
    whole_body,
)
from tests.kit.http import Visitor
from web.answers import json_answer
from web.api.showing import study_shapes
from web.auth import Caller
from web.guard import Sees, check_sight, named_study
from web.routes import (
    ADMINISTRATOR,
    ANYBODY,
    EXPERT,
    PRINCIPAL,
    SIGNED_IN,
    STORER,
    TECHNICIAN,
    Call,
    Route,
)
from web.table import ROUTES

ROLES: dict[str, frozenset[str]] = {
    "/api/me": ANYBODY,
    "/api/session": ANYBODY | SIGNED_IN,
    "/api/sessions": SIGNED_IN,
    "/api/password": SIGNED_IN,
    "/api/setup": ANYBODY,
    "/api/studies": TECHNICIAN | EXPERT,
    "/api/corrections": TECHNICIAN,
    "/api/pools": SIGNED_IN,
    "/api/consults": TECHNICIAN | EXPERT,
    "/api/reports": TECHNICIAN | EXPERT,
    "/api/live": SIGNED_IN,
    "/api/users": ADMINISTRATOR,
    "/api/alliance": ADMINISTRATOR,
    "/api/archive": ADMINISTRATOR,
    "/api/recalls": TECHNICIAN | EXPERT,
    "/api/devices": ADMINISTRATOR,
    "/api/remotes": ADMINISTRATOR,
    "/api/worklists": ADMINISTRATOR,
    "/api/remote-names": ADMINISTRATOR | TECHNICIAN,
    "/api/queries": TECHNICIAN,
    "/api/transfers": TECHNICIAN,
    "/api/deliveries": ADMINISTRATOR | TECHNICIAN,
    "/api/problems": ADMINISTRATOR,
    "/api/unsettled": ADMINISTRATOR | TECHNICIAN,
    "/dicomweb": TECHNICIAN | EXPERT | PRINCIPAL,
    "/dicomweb/": TECHNICIAN | EXPERT | PRINCIPAL | STORER,
}
"""The widest roles below an address; a route may ask for fewer, never for others."""
STORES: dict[str, frozenset[str]] = {
    "POST /dicomweb/studies": TECHNICIAN | STORER,
    "POST /dicomweb/studies/{study_uid}": TECHNICIAN | STORER,
}
"""Routes that bring instances, and exactly who may."""
MUST_NAME = ("/api/consults", "/api/corrections", "/api/live", "/api/studies", "/api/reports", "/dicomweb")
"""Below these a route must name a study, or find under the viewer's condition."""
OF_NO_STUDY = {"/dicomweb/"}
"""Below these, and yet about none."""
STREAMS = {"/api/live"}
"""Never ends; what it tells to whom is tested with the feed."""
TELLING = {
    "/api/studies",
    "/api/studies/{origin}/{study_uid}",
    "/api/studies/{origin}/{study_uid}/corrections",
    "/api/archive/recalls",
    "/api/corrections/patients",
    "/api/consults/{case_id}",
    "/api/reports/{report_id}",
    *(f"/dicomweb/from/{{origin}}/{level}" for level in ("studies", "series", "instances")),
    *(f"{root}/studies/{{study_uid}}/metadata" for root in ("/dicomweb", "/dicomweb/from/{origin}")),
}
"""Answers that must hold the words of a study that may be seen."""


@dataclass(frozen=True)
class Walked:
    """How many combinations of route, viewer and study were asked, and which answers were not right."""

    asked: int
    wrong: list[str]

    def say(self, what: str) -> None:
        print(f"\n{what}: {self.asked:,} combinations, {len(self.wrong)} mismatches")


class Anything(msgspec.Struct):
    """A body that takes whatever comes."""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    return furnished(tmp_path_factory.mktemp("house"))


def walked_admission(house: House, routes: Sequence[Route]) -> Walked:
    """Ask for every route with every kind of viewer about every study, with the handlers taken out."""
    asked, wrong = 0, []
    bare = [
        replace(
            route,
            handler=lambda _call: Anything(),
            body=route.body if route.sees is Sees.BODY else Anything,
            status=200,
            streams=False,
        )
        for route in routes
    ]
    with house.opened(bare) as visitors:
        for route, (who, visitor), study in product(routes, visitors.items(), ALL):
            if reaches(route, study):
                asked += 1
                status, _, _ = visitor.raw(route.method, path_of(route, study), body_of(route, study))
                right = rightly(house, route, who, study)
                if status != right:
                    wrong.append(f"{route.method} {route.path}: {who}, study {study}: {status}, not {right}")
    return Walked(asked, wrong)


def walked_sight(house: House, routes: Sequence[Route]) -> Walked:
    """Ask with the handlers in, and look for words of studies in the answers."""
    asked, wrong = 0, []
    ending_last = sorted(routes, key=lambda route: "/session" in route.path)
    with house.opened(routes) as visitors:
        for route, (who, visitor), study in product(ending_last, visitors.items(), ALL):
            if not reaches(route, study) or route.path in STREAMS:
                continue
            asked += 1
            status, _, answer = visitor.raw(route.method, path_of(route, study), body_of(route, study))
            shown = {name for name, canary in CANARIES.items() if canary.encode() in answer}
            if shown - SEEN[who]:
                wrong.append(f"{route.method} {route.path}: {who} was shown {sorted(shown - SEEN[who])}")
            if status == 500:
                wrong.append(f"{route.method} {route.path}: {who}, study {study}: a mistake of ours")
            expected = study in SEEN[who] and rightly(house, route, who, study) == 200
            if route.method == "GET" and route.path in TELLING and expected and study not in shown:
                wrong.append(f"{route.method} {route.path}: {who} was not shown {study}")
    return Walked(asked, wrong)


def walked_silence(house: House, routes: Sequence[Route]) -> Walked:
    """Ask, with the handlers in, about what may not be seen and about what is not here; the answers must be one."""
    asked, wrong = 0, []
    naming = [
        route
        for route in routes
        if route.sees not in (Sees.NOTHING, Sees.BRINGS) and route.path not in STREAMS
    ]
    with house.opened(naming) as visitors:
        for route, (who, visitor), study in product(naming, visitors.items(), STUDIES):
            if sees(house, who, study) or not reaches(route, study):
                continue
            asked += 1
            shut, gone = (_answer(visitor, route, one) for one in (study, counterpart(study)))
            if shut != gone:
                wrong.append(f"{route.method} {route.path}: {who} tells {study} from none: {shut}, {gone}")
            if route.sees not in NAMELESS and shut[0] not in (401, 403, 404):
                wrong.append(f"{route.method} {route.path}: {who}, study {study}: {shut[0]} before her sight")
    return Walked(asked, wrong)


def _answer(visitor: Visitor, route: Route, study: str) -> tuple[int, dict[str, str], bytes]:
    """Give all of an answer but when it was given."""
    status, headers, body = visitor.raw(route.method, searched(route, study), whole_body(route, study))
    del headers["date"]
    return status, headers, body


def test_every_route_lets_in_whom_its_rule_says(house: House) -> None:
    walked = walked_admission(house, ROUTES)
    walked.say("admission")
    assert walked.asked == len(SEEN) * sum(reaches(*pair) for pair in product(ROUTES, ALL))
    assert walked.wrong == []


def test_no_answer_holds_a_word_of_a_study_that_is_shut(house: House) -> None:
    walked = walked_sight(house, ROUTES)
    walked.say("sight")
    assert walked.wrong == []


def test_what_may_not_be_seen_is_answered_like_what_is_not_here(house: House) -> None:
    walked = walked_silence(house, ROUTES)
    walked.say("silence")
    assert walked.wrong == []


def test_the_walk_leaves_no_route_viewer_or_study_out(house: House) -> None:
    assert {route.sees for route in ROUTES} == set(Sees)
    assert [route.path for route in ROUTES if not any(reaches(route, study) for study in ALL)] == []
    with house.opened([]) as visitors:
        assert visitors.keys() == SEEN.keys()


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_a_route_asks_for_roles_of_its_place_and_names_its_study(route: Route) -> None:
    if route.sees is Sees.BRINGS:
        assert route.roles == STORES[f"{route.method} {route.path}"]
        return
    below = [place for place in ROLES if route.path == place or route.path.startswith(place + "/")]
    assert below, "say who may call what lies below this address"
    assert route.roles <= ROLES[max(below, key=len)]
    if route.path not in OF_NO_STUDY and any(route.path.startswith(place) for place in MUST_NAME):
        assert route.sees is not Sees.NOTHING


def test_every_route_that_is_declared_is_in_the_table() -> None:
    declared = []
    for folder in ("api", "dicomweb"):
        for module in pkgutil.iter_modules([str(Path(web_package.__path__[0]) / folder)]):
            for value in vars(importlib.import_module(f"web.{folder}.{module.name}")).values():
                group = value if isinstance(value, tuple) else (value,)
                declared += [one for one in group if isinstance(one, Route)]
    assert {(one.method, one.path) for one in declared} == {(one.method, one.path) for one in ROUTES}
    assert len({(one.method, one.path) for one in ROUTES}) == len(ROUTES)


def one(path: str, method: str = "GET") -> Route:
    return next(route for route in ROUTES if (route.path, route.method) == (path, method))


@pytest.mark.parametrize(
    "address",
    [
        "GET /api/studies/{origin}/{study_uid}",
        "GET /api/reports/{report_id}",
        "POST /api/transfers/{id}/stop",
        "GET /dicomweb/from/{origin}/studies/{study_uid}/metadata",
    ],
)
def test_a_planted_missing_check_is_caught(house: House, address: str) -> None:
    """The route is declared as naming nothing, and looks its study up by itself."""
    method, path = address.split(" ")
    checked = one(path, method)

    def unchecked(call: Call[object]) -> object:
        key = named_study(call.node, checked.sees, call.request.match_info, None)
        return checked.handler(replace(call, key=key))

    async def unchecked_stream(call: Call[object]) -> object:
        key = named_study(call.node, checked.sees, call.request.match_info, None)
        return await cast("Awaitable[object]", checked.handler(replace(call, key=key)))

    handler = unchecked_stream if path.startswith("/dicomweb") else unchecked
    planted = replace(checked, sees=Sees.NOTHING, handler=handler)
    assert any("was shown" in words for words in walked_sight(house, [planted]).wrong)


def test_a_planted_word_that_a_study_is_here_is_caught(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What may not be seen is refused in other words than what is not here, at every route that names a study."""

    def telling(node: Node, caller: Caller, key: StudyKey) -> None:
        try:
            check_sight(node, caller, key)
        except NotFound as error:
            held = peek_study(node.database, key) is not None
            raise NotFound("It is here, and not for you.") if held else error from error

    monkeypatch.setattr("web.guard.check_sight", telling)
    naming = [route for route in ROUTES if route.sees not in NAMELESS]
    told = " ".join(walked_silence(house, naming).wrong)
    alone = {f"{route.method} {route.path}" for route in naming if any_shut(house, route)}
    assert {address for address in alone if f"{address}: " not in told} == set()


def any_shut(house: House, route: Route) -> bool:
    """Say whether somebody whose role a route takes is kept from a study by her sight."""
    pairs = product(SEEN, STUDIES)
    return any(reaches(route, study) and rightly(house, route, who, study) == 404 for who, study in pairs)


def test_a_planted_list_without_the_viewer_s_condition_is_caught(house: House) -> None:
    def everything(call: Call[object]) -> object:
        return json_answer(study_shapes(call.node, find_visible(call.node.database, EVERYTHING)))

    planted = replace(one("/api/studies"), handler=everything)
    assert any("was shown" in words for words in walked_sight(house, [planted]).wrong)


def test_a_planted_role_too_many_is_caught(house: House) -> None:
    planted = replace(one("/api/users"), roles=SIGNED_IN)
    assert not planted.roles <= ROLES["/api/users"]
    kept = replace(one("/api/users"), roles=TECHNICIAN)
    with house.opened([kept]) as visitors:
        status, _, _ = visitors["technician"].raw("GET", "/api/users")
    assert status != rightly(house, one("/api/users"), "technician", "own")
