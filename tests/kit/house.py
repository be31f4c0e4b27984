"""A node with studies of several hospitals, somebody of every kind who may look, and how each route names a study.

Who may see what is written down by hand. A parameter, or a body, that has no example here fails, so that it gets one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from federation.consult.case_table import CaseRow, insert_case
from node.canonical import canonical_json
from node.catalogue.visibility import open_study
from node.database.port import Statement
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
from web.guard import Sees
from web.routes import ANYBODY, PRINCIPAL, STORER, Route

HERE, POOL, OTHER_POOL = "centre", "centre/chest", "centre/heart"
STUDIES = {
    "own": ("centre", "2.25.101"),
    "offered": ("alpha", "2.25.102"),
    "shut": ("alpha", "2.25.103"),
    "offered elsewhere": ("beta", "2.25.104"),
}
UNKNOWN = {
    "unknown here": ("centre", "2.25.199"),
    "unknown of alpha": ("alpha", "2.25.199"),
    "unknown of beta": ("beta", "2.25.199"),
}
"""Of which nothing is held: no study, case, report or transfer."""
ALL = STUDIES | UNKNOWN
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

NAMELESS = (Sees.NOTHING, Sees.LIST, Sees.BRINGS)
BY_ROWS = (Sees.CASE, Sees.REPORT, Sees.TRANSFER)
"""What names a study by a row: where there is none, nobody is let in."""
PARAMETER = re.compile(r"\{(\w+)[^}]*\}")


@dataclass(frozen=True)
class House:
    """A node with four studies, a case, a report, a transfer and a recall of each, and somebody of every kind."""

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


def furnished(folder: Path) -> House:
    """Give one."""
    node = bare_node(folder, HERE, FrozenClock())
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


def counterpart(study: str) -> str:
    """Give the study of the same hospital of which nothing is held."""
    return next(name for name, (origin, _) in UNKNOWN.items() if origin == ALL[study][0])


def sees(house: House, who: str, study: str) -> bool:
    """Say whether somebody may see a study, or would if it were here."""
    if study in STUDIES:
        return study in SEEN[who]
    everything = SEEN[who] == STUDIES.keys()
    return everything or ("own" in SEEN[who] and UNKNOWN[study][0] == HERE)


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
    statements += [_transfer(key, label=f"{canary}\tA-17"), _recall(key)]
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


def _transfer(key: StudyKey, *, label: str) -> Statement:
    """Give one that failed, as somebody who is technician and expert may have asked for."""
    words = ("remote", "remote_name", "series", "by", "by_name", "words", "cause")
    numbers = ("next_at", "at", "seen_at")
    row = {
        "id": f"transfer-{key.study_uid}", "kind": "send", "origin": key.origin, "study_uid": key.study_uid,
        "label": label, "state": "failed", **dict.fromkeys(words, ""), **dict.fromkeys(numbers, 1),
    }  # fmt: skip
    marks = ", ".join("?" * len(row))
    return Statement(f"INSERT INTO transfer ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))


def _recall(key: StudyKey) -> Statement:
    """Give one that failed."""
    return Statement(
        "INSERT INTO recall (id, origin, study_uid, who, why, priority, state, instances, bytes, at)"
        " VALUES (?, ?, ?, 'somebody', 'asked', 1, 'failed', 1, 1, 1)",
        (f"recall-{key.study_uid}", key.origin, key.study_uid),
    )


def path_of(route: Route, study: str) -> str:
    """Fill an address in with what belongs to a study; an unknown parameter fails, so that it gets an example."""
    origin, uid = ALL[study]
    examples = {
        "origin": origin, "study_uid": uid, "series_uid": f"{uid}.1", "sop_uid": f"{uid}.1.1", "numbers": "1",
        "case_id": f"case-{uid}", "report_id": f"report-{uid}", "path": "00100010",
        "id": f"transfer-{uid}" if route.path.startswith("/api/transfers/") else "none", "delivery_id": "none", "peer": "alpha",
    }  # fmt: skip
    missing = set(PARAMETER.findall(route.path)) - examples.keys()
    assert not missing, f"say by what example {missing} is filled in"
    path = PARAMETER.sub(lambda match: examples[match[1]], route.path)
    if route.sees is Sees.QUERY:
        return f"{path}?requestType=WADO&studyUID={uid}&seriesUID={uid}.1&objectUID={uid}.1.1"
    return path


def searched(route: Route, study: str) -> str:
    """Give a list's address, narrowed to a study as far as it takes that."""
    (origin, uid), path = ALL[study], path_of(route, study)
    if route.sees is not Sees.LIST or route.method != "GET":
        return path
    patient = {"issuer": f"{origin}:his", "id": "A-17" if study in STUDIES else "A-99"}
    words = {"StudyInstanceUID": uid, "text": CANARIES.get(study, "KANARINIX"), "study": uid}
    return f"{path}?{urlencode(words | patient)}"


def body_of(route: Route, study: str) -> object:
    if route.method in ("GET", "OPTIONS"):
        return None
    if route.path.endswith("/rules/try"):  # which every study would be kept otherwise by
        return {"version": 0, "rules": [{"name": "all", "retention": "20y"}], "limits": {}}
    origin, uid = ALL[study]
    return {"origin": origin, "studyUid": uid} if route.sees is Sees.BODY else {}


def whole_body(route: Route, study: str) -> object:
    """Give a body that nothing is missing from, for whoever is not to get any further than her sight goes."""
    if "/corrections" in route.path and route.method == "POST":
        return {"kind": "reject", "code": "113001", "reason": "Motion"}
    if route.path.endswith(("/draft", "/sign")) and route.method != "GET":
        return {"version": 0, "findings": "f", "impression": "i"}
    return body_of(route, study)


def reaches(route: Route, study: str) -> bool:
    """Say whether the route can name the study: below its own root a node has only its own."""
    own_root = route.sees is Sees.QUERY and "{origin}" not in route.path
    return not (route.sees is Sees.OWN or own_root) or ALL[study][0] == HERE


def rightly(house: House, route: Route, who: str, study: str) -> int:
    """Give the status that the rules ask for: 200 let in, 401 nobody, 403 by role, 404 by sight."""
    roles = house.roles(who)
    if route.roles != ANYBODY and not roles & route.roles:
        known = roles and (
            PRINCIPAL & roles == frozenset() or route.path.startswith("/dicomweb")
        )  # a token says nothing elsewhere
        return 403 if known else 401
    if route.sees in NAMELESS:
        return 200
    is_there = study in STUDIES or route.sees not in BY_ROWS
    return 200 if is_there and sees(house, who, study) else 404
