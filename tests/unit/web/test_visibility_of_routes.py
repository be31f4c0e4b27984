"""Each role, each route, own and foreign studies: what the table of routes lets through, and what it shows.

Two things are checked. *Admission*: with handlers taken out, a request passes
exactly when its role is among the route's and the study it names may be seen.
*Sight*: with handlers in, no answer holds a word of a study that the viewer may
not see, and a readable one holds what she may. Who may see what is written down
here by hand. A route without an entry here, or without a rule of its own, fails.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import cast

import msgspec
import pytest

import web as web_package
from federation.consult.case_table import CaseRow, insert_case
from node.canonical import canonical_json
from node.catalogue.search import EVERYTHING, find_visible
from node.catalogue.visibility import open_study
from node.names import Cause, NodeId, StudyKey
from node.node import Node
from node.people.accounts import Person
from node.reporting.report import SignedReport, words_of
from node.reporting.reports import insert_report
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.holding import hold_ct
from tests.kit.http import Visitor
from tests.kit.site import add_quickly, open_site
from web.answers import json_answer
from web.api.showing import study_shapes
from web.guard import Sees, named_study
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

HERE, POOL, OTHER_POOL = "centre", "centre/chest", "centre/heart"
STUDIES = {
    "own": ("centre", "2.25.101"),
    "offered": ("alpha", "2.25.102"),
    "shut": ("alpha", "2.25.103"),
    "offered elsewhere": ("beta", "2.25.104"),
}
CANARIES = {"own": "KANARIOWN", "offered": "KANARIOFF", "shut": "KANARISHU", "offered elsewhere": "KANARIELS"}

SEEN: dict[str, set[str]] = {
    "nobody": set(),
    "technician": {"own"},
    "expert": {"own", "offered"},
    "expert of no pool": {"own"},
    "administrator": set(),
    "technician and administrator": {"own"},
    "expert and administrator": {"own", "offered"},
    "reader": {"own", "offered", "shut", "offered elsewhere"},
    "reader that stores": {"own", "offered", "shut", "offered elsewhere"},
    "sender": set(),
    "another program": set(),
}
"""The rule, by hand: a technician her own hospital, an expert that and her pools', an administrator none."""

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
    "/api/devices": ADMINISTRATOR,
    "/api/remotes": ADMINISTRATOR,
    "/api/remote-names": ADMINISTRATOR | TECHNICIAN,
    "/api/queries": TECHNICIAN,
    "/api/transfers": TECHNICIAN,
    "/api/deliveries": ADMINISTRATOR | TECHNICIAN,
    "/api/problems": ADMINISTRATOR,
    "/dicomweb": TECHNICIAN | EXPERT | PRINCIPAL,
    "/dicomweb/": TECHNICIAN | EXPERT | PRINCIPAL | STORER,
}
STORES: dict[str, frozenset[str]] = {
    "POST /dicomweb/studies": TECHNICIAN | STORER,
    "POST /dicomweb/studies/{study_uid}": TECHNICIAN | STORER,
}
"""Routes that bring instances, and exactly who may."""
"""The widest roles below an address; a route may ask for fewer, never for others."""
MUST_NAME = ("/api/consults", "/api/corrections", "/api/live", "/api/studies", "/api/reports", "/dicomweb")
"""Below these a route must name a study, or find under the viewer's condition."""
OF_NO_STUDY = {"/dicomweb/"}
"""Below these, and yet about none."""
PARAMETER = re.compile(r"\{(\w+)[^}]*\}")
STREAMS = {"/api/live"}
"""Never ends; what it tells to whom is tested with the feed."""
TELLING = {
    "/api/studies",
    "/api/studies/{origin}/{study_uid}",
    "/api/studies/{origin}/{study_uid}/corrections",
    "/api/corrections/patients",
    "/api/consults/{case_id}",
    "/api/reports/{report_id}",
    *(f"/dicomweb/from/{{origin}}/{level}" for level in ("studies", "series", "instances")),
    *(f"{root}/studies/{{study_uid}}/metadata" for root in ("/dicomweb", "/dicomweb/from/{origin}")),
}
"""Answers that must hold the words of a study that may be seen."""

Wrong = list[str]


class Anything(msgspec.Struct):
    """A body that takes whatever comes."""


@dataclass(frozen=True)
class House:
    """A node with four studies, a case and a report about each, and somebody of every kind."""

    node: Node
    people: dict[str, Person]

    @contextmanager
    def opened(self, routes: Sequence[Route]) -> Iterator[dict[str, Visitor]]:
        """Serve these routes; gives everybody's browser."""
        with open_site(self.node, routes=routes) as site:
            yield {
                "nobody": site.visitor(),
                **{who: site.signed_in(person) for who, person in self.people.items()},
                "reader": site.program(),
                "reader that stores": site.program("exchange/his"),
                "sender": site.program("sender/his"),
                "another program": site.program("somebody"),
            }

    def roles(self, who: str) -> frozenset[str]:
        if who in self.people:
            return self.people[who].roles
        if who in ("sender", "reader that stores"):
            return PRINCIPAL | STORER
        return frozenset() if who == "nobody" else PRINCIPAL


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    node = bare_node(tmp_path_factory.mktemp("house"), HERE, FrozenClock())
    for name in STUDIES:
        _furnish(node, name)
    people = {
        "technician": add_quickly(node, "technician", "technician"),
        "expert": add_quickly(node, "expert", "expert", pools=(POOL,)),
        "expert of no pool": add_quickly(node, "outsider", "expert"),
        "administrator": add_quickly(node, "administrator", "administrator"),
        "technician and administrator": add_quickly(node, "both", "technician", "administrator"),
        "expert and administrator": add_quickly(node, "head", "expert", "administrator", pools=(POOL,)),
    }
    return House(node, people)


def _furnish(node: Node, name: str) -> None:
    (origin, study_uid), canary = STUDIES[name], CANARIES[name]
    key = hold_ct(node, study_uid=study_uid, origin=origin, slices=1, name=f"{canary}^Patient")
    pool = {"offered": POOL, "offered elsewhere": OTHER_POOL}.get(name)
    case = _case(node, key, pool=pool or POOL, words=canary)
    text, stored = node.texts.put("report", words_of(_report(key, canary)))
    statements = [insert_case(case), stored]
    statements.append(
        insert_report(
            _report(key, canary), text=text, late_cancel=False, documents="waiting", cause=Cause("c")
        )
    )
    if pool is not None:
        statements.append(open_study(f"pool/{pool}", key, reason=f"case/{case.case_id}"))
    node.write(statements)


def _case(node: Node, key: StudyKey, *, pool: str, words: str) -> CaseRow:
    form = {"reason": words, "aim": words, "history": words, "requesting_doctor": words}
    consent = {"who": words, "at": "2026-03-02", "how": "written"}
    digest, statement = node.texts.put("consult-form", canonical_json({**form, "consent": consent}))
    node.write([statement])
    return CaseRow(
        case_id=f"case-{key.study_uid}", clinic=key.origin, clinic_name="", home=NodeId(HERE), pool=pool,
        origin=key.origin, study_uid=key.study_uid, kind="diagnosis", urgency="routine", specialty="",
        form=digest, state="offered", cancelling=False, amended=0, overdue=False, requested_at=1,
        requested_by="", due=2, reason="", claimed_by="", claimed_name="", claimed_at=None, report_id=None,
        returned_at=None, version=1, cause=Cause("c"),
    )  # fmt: skip


def _report(key: StudyKey, words: str) -> SignedReport:
    return SignedReport(
        report_id=f"report-{key.study_uid}", case_id=f"case-{key.study_uid}", origin=key.origin,
        study_uid=key.study_uid, home=HERE, home_name="", version=1, findings=words, impression=words,
        signer="", signer_name="", signed_at=1, sr_uid="1", sr_series_uid="2", pdf_uid="3",
    )  # fmt: skip


def path_of(route: Route, study: str) -> str:
    """Fill an address in with what belongs to a study; an unknown parameter fails, so that it gets an example."""
    origin, uid = STUDIES[study]
    examples = {
        "origin": origin, "study_uid": uid, "series_uid": f"{uid}.1", "sop_uid": f"{uid}.1.1", "numbers": "1",
        "case_id": f"case-{uid}", "report_id": f"report-{uid}", "path": "00100010", "id": "none",
        "delivery_id": "none", "peer": "alpha",
    }  # fmt: skip
    missing = set(PARAMETER.findall(route.path)) - examples.keys()
    assert not missing, f"say by what example {missing} is filled in"
    path = PARAMETER.sub(lambda match: examples[match[1]], route.path)
    if route.sees is not Sees.QUERY:
        return path
    return f"{path}?requestType=WADO&studyUID={uid}&seriesUID={uid}.1&objectUID={uid}.1.1"


def body_of(route: Route, study: str) -> object:
    if route.method in ("GET", "OPTIONS"):
        return None
    origin, uid = STUDIES[study]
    return {"origin": origin, "studyUid": uid} if route.sees is Sees.BODY else {}


def reaches(route: Route, study: str) -> bool:
    """Say whether the route can name the study: below its own root a node has only its own."""
    own_root = route.sees is Sees.QUERY and "{origin}" not in route.path
    return not (route.sees is Sees.OWN or own_root) or STUDIES[study][0] == HERE


def rightly(house: House, route: Route, who: str, study: str) -> int:
    """Give the status that the rules ask for: 200 let in, 401 nobody, 403 by role, 404 by sight."""
    roles = house.roles(who)
    if route.roles != ANYBODY and not roles & route.roles:
        known = roles and (
            PRINCIPAL & roles == frozenset() or route.path.startswith("/dicomweb")
        )  # a token says nothing elsewhere
        return 403 if known else 401
    return 404 if route.sees not in (Sees.NOTHING, Sees.LIST, Sees.BRINGS) and study not in SEEN[who] else 200


def wrongly_admitted(house: House, routes: Sequence[Route]) -> list[str]:
    """Ask for every route with every kind of viewer about every study, with the handlers taken out."""
    wrong = []
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
        for route, (who, visitor), study in product(routes, visitors.items(), STUDIES):
            if reaches(route, study):
                status, _, _ = visitor.raw(route.method, path_of(route, study), body_of(route, study))
                right = rightly(house, route, who, study)
                if status != right:
                    wrong.append(f"{route.method} {route.path}: {who}, study {study}: {status}, not {right}")
    return wrong


def wrongly_shown(house: House, routes: Sequence[Route]) -> list[str]:
    """Ask with the handlers in, and look for words of studies in the answers."""
    wrong = []
    ending_last = sorted(routes, key=lambda route: "/session" in route.path)
    with house.opened(routes) as visitors:
        for route, (who, visitor), study in product(ending_last, visitors.items(), STUDIES):
            if not reaches(route, study) or route.path in STREAMS:
                continue
            status, _, answer = visitor.raw(route.method, path_of(route, study), body_of(route, study))
            shown = {name for name, canary in CANARIES.items() if canary.encode() in answer}
            if shown - SEEN[who]:
                wrong.append(f"{route.method} {route.path}: {who} was shown {sorted(shown - SEEN[who])}")
            if status == 500:
                wrong.append(f"{route.method} {route.path}: {who}, study {study}: a mistake of ours")
            expected = study in SEEN[who] and rightly(house, route, who, study) == 200
            if route.method == "GET" and route.path in TELLING and expected and study not in shown:
                wrong.append(f"{route.method} {route.path}: {who} was not shown {study}")
    return wrong


def test_every_route_lets_in_whom_its_rule_says(house: House) -> None:
    assert wrongly_admitted(house, ROUTES) == []


def test_no_answer_holds_a_word_of_a_study_that_is_shut(house: House) -> None:
    assert wrongly_shown(house, ROUTES) == []


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
    "path",
    [
        "/api/studies/{origin}/{study_uid}",
        "/api/reports/{report_id}",
        "/dicomweb/from/{origin}/studies/{study_uid}/metadata",
    ],
)
def test_a_planted_missing_check_is_caught(house: House, path: str) -> None:
    """The route is declared as naming nothing, and looks its study up by itself."""

    def unchecked(call: Call[object]) -> object:
        key = named_study(call.node, one(path).sees, call.request.match_info, None)
        return one(path).handler(replace(call, key=key))

    async def unchecked_stream(call: Call[object]) -> object:
        key = named_study(call.node, one(path).sees, call.request.match_info, None)
        return await cast("Awaitable[object]", one(path).handler(replace(call, key=key)))

    handler = unchecked_stream if path.startswith("/dicomweb") else unchecked
    planted = replace(one(path), sees=Sees.NOTHING, handler=handler)
    assert any("was shown" in words for words in wrongly_shown(house, [planted]))


def test_a_planted_list_without_the_viewer_s_condition_is_caught(house: House) -> None:
    def everything(call: Call[object]) -> object:
        return json_answer(study_shapes(call.node, find_visible(call.node.database, EVERYTHING)))

    planted = replace(one("/api/studies"), handler=everything)
    assert any("was shown" in words for words in wrongly_shown(house, [planted]))


def test_a_planted_role_too_many_is_caught(house: House) -> None:
    planted = replace(one("/api/users"), roles=SIGNED_IN)
    assert not planted.roles <= ROLES["/api/users"]
    kept = replace(one("/api/users"), roles=TECHNICIAN)
    with house.opened([kept]) as visitors:
        status, _, _ = visitors["technician"].raw("GET", "/api/users")
    assert status != rightly(house, one("/api/users"), "technician", "own")
