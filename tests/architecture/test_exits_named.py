"""Whatever gives instances is asked in `tests/kit/exits.py`: a new way out cannot be forgotten.

Ways out are found in the product itself: in the table of routes, in the commands of DIMSE, and by who imports what is
corrected.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from node.dimse.commands import Field
from tests.kit.exits import EXITS, Exit
from web.dicomweb.roots import FROM_ROOT, OWN_ROOT
from web.routes import Route
from web.table import ROUTES

ROOT = Path(__file__).resolve().parents[2]
NO_INSTANCE = {
    "DELETE /api/session": "a cookie",
    "POST /api/session": "a cookie",
    "POST /api/setup": "a cookie",
    "GET /api/archive/deletions/{id}/certificate": "what was deleted, without a word of whose it was",
    "GET /api/archive/deletions/{id}/certificate.html": "the same, to be printed",
    "GET /api/live": "that something is another now",
    "GET /api/reports/{report_id}/pdf": "a document, as it was signed",
    "POST /api/remotes/{id}/echo": "whether a remote AE answers",
    "POST /api/worklists/{id}/ask": "how many a worklist expects, and are known",
    "POST /api/queries/series": "what a remote AE holds",
    "POST /api/queries/studies": "what a remote AE holds",
    "DELETE /dicomweb/studies/{study_uid}": "nothing",
    "DELETE /dicomweb/studies/{study_uid}/series/{series_uid}": "nothing",
    "DELETE /dicomweb/studies/{study_uid}/series/{series_uid}/instances/{sop_uid}": "nothing",
    "GET /dicomweb/": "what the services are",
    "OPTIONS /dicomweb/": "what the services are",
    "POST /dicomweb/studies": "names of what has just been stored",
    "POST /dicomweb/studies/{study_uid}": "names of what has just been stored",
}
"""Routes that write their answers themselves, and what those give instead."""
NO_COMMAND = {Field.C_ECHO: "nothing", Field.C_CANCEL: "nothing"}
LOOKING = {"web/dicomweb/held.py": "names versions for ETags"}
"""Who imports from the exits and gives nothing."""


def unnamed_routes(routes: Iterable[Route], exits: Sequence[Exit]) -> list[str]:
    """Give the routes that write answers themselves, and that nobody asks; both roots are one."""
    named = {place for one in exits for place in one.through}
    written = [
        f"{route.method} {route.path.replace(FROM_ROOT, OWN_ROOT)}"
        for route in routes
        if "Response" in str(route.answer)
    ]
    return sorted({*written} - named - NO_INSTANCE.keys())


def unnamed_commands(commands: Iterable[Field], exits: Sequence[Exit]) -> list[str]:
    """Give the commands that carry data sets out, and that nobody asks by."""
    named = {place for one in exits for place in one.through}
    return sorted({one.name.replace("_", "-") for one in commands if one not in NO_COMMAND} - named)


def unnamed_modules(readers: Iterable[str], exits: Sequence[Exit]) -> list[str]:
    """Give the modules that read what is corrected, and that no exit is known to go through."""
    named = {place for one in exits for place in one.through}
    return sorted({*readers} - named - LOOKING.keys())


def readers_in(sources: Mapping[str, str]) -> set[str]:
    """Give the modules that import from the exits."""
    return {
        name
        for name, source in sources.items()
        for found in ast.walk(ast.parse(source))
        if isinstance(found, ast.ImportFrom) and found.module == "node.catalogue.exits"
    }


def sources() -> dict[str, str]:
    return {
        path.relative_to(ROOT).as_posix(): path.read_text()
        for package in ("node", "federation", "actors", "web", "ops")
        for path in (ROOT / package).rglob("*.py")
        if "node_modules" not in path.parts
    }


def test_every_route_that_gives_instances_is_asked() -> None:
    assert unnamed_routes(ROUTES, EXITS) == []


def test_every_command_that_gives_instances_is_asked() -> None:
    assert unnamed_commands(Field, EXITS) == []


def test_every_module_that_reads_what_is_corrected_is_gone_through() -> None:
    assert unnamed_modules(readers_in(sources()), EXITS) == []


def test_both_roots_of_an_address_have_one_handler() -> None:
    """So that asking below one root is asking below both."""
    by_path: dict[tuple[str, str], set[object]] = {}
    for route in ROUTES:
        by_path.setdefault((route.method, route.path.replace(FROM_ROOT, OWN_ROOT)), set()).add(route.handler)
    assert {path: found for path, found in by_path.items() if len(found) > 1} == {}


def test_what_is_named_is_there() -> None:
    """No exit, and no exception, stays when what it is about has gone."""
    routes = {f"{route.method} {route.path}" for route in ROUTES}
    commands = {one.name.replace("_", "-") for one in Field}
    named = {place for one in EXITS for place in one.through} | NO_INSTANCE.keys() | LOOKING.keys()
    assert sorted(named - routes - commands - sources().keys()) == []
    assert len({one.name for one in EXITS}) == len(EXITS)


def test_a_planted_exit_that_nobody_asks_is_caught() -> None:
    readers = readers_in(sources())
    taken = next(route for route in ROUTES if "Response" in str(route.answer))
    for path in ("/dicomweb/studies/{study_uid}/zip", "/dicomweb/from/{origin}/all", "/api/studies/export"):
        assert unnamed_routes([replace(taken, method="GET", path=path)], EXITS) != []
    for one in EXITS:
        rest = [other for other in EXITS if not {*other.through} & {*one.through}]
        missed = unnamed_routes(ROUTES, rest) + unnamed_commands(Field, rest) + unnamed_modules(readers, rest)
        assert bool(missed) == bool(one.through), one.name
    stray = {"web/api/export.py": "from node.catalogue.exits import file_pieces"}
    assert unnamed_modules(readers_in(stray), EXITS) == ["web/api/export.py"]
