"""What was refused or found damaged, for the node administrator, until she has seen it."""

from __future__ import annotations

from node.clock import Micros
from node.database.port import Row, Statement
from node.errors import NotFound
from web.api.shapes import Shape, shape_of
from web.guard import Sees
from web.routes import ADMINISTRATOR, Call, NoBody, route

LISTED = 500
_COLUMNS = "id, kind, subject, detail, at, seen_at"


class Problem(Shape):
    """One thing that went wrong; ``detail`` says what was attempted and what to do."""

    id: str
    kind: str
    subject: str
    detail: str
    at: Micros
    seen_at: Micros | None


class Problems(Shape):
    """The newest, those not seen yet first."""

    items: list[Problem]


@route("GET /api/problems", roles=ADMINISTRATOR, sees=Sees.NOTHING)
def list_problems(call: Call[NoBody]) -> Problems:
    """Give the newest problems."""
    sql = f"SELECT {_COLUMNS} FROM problem ORDER BY seen_at IS NOT NULL, at DESC, id DESC LIMIT ?"
    return Problems(items=[_problem(row) for row in call.node.database.read(sql, (LISTED,))])


@route("POST /api/problems/{id}/seen", roles=ADMINISTRATOR, sees=Sees.NOTHING)
def mark_seen(call: Call[NoBody]) -> Problem:
    """Note that somebody has taken care of it; the first time counts."""
    id_ = call.path["id"]
    call.node.write(
        [Statement("UPDATE problem SET seen_at = ? WHERE id = ? AND seen_at IS NULL", (call.node.now(), id_))]
    )
    rows = call.node.database.read(f"SELECT {_COLUMNS} FROM problem WHERE id = ?", (id_,))
    if not rows:
        raise NotFound("Reading the problem failed: there is none of this id. Load the list again.")
    return _problem(rows[0])


def _problem(row: Row) -> Problem:
    return shape_of(row, Problem)


ROUTES = (list_problems, mark_seen)
