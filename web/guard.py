"""The checks between a request and its handler, each one function.

`named_study` turns what a request names into the study it is about, and
`check_sight` is the only place of this package that lets a study through.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import assert_never

from aiohttp import web

from node.catalogue.visibility import may_see
from node.database.port import text
from node.errors import NotFound
from node.names import NodeId, StudyKey, StudyUID, is_uid
from node.node import Node
from web.auth import Caller, check_change, identify, identify_unwritten


class Sees(Enum):
    """How a request names the study that its answer shows."""

    NOTHING = "nothing"
    """Its answer says nothing of any study."""
    LIST = "list"
    """Studies found under the viewer's own condition; the handler asks for nothing else."""
    STUDY = "study"
    """``{origin}`` and ``{study_uid}`` in the path."""
    OWN = "own"
    """``{study_uid}`` in the path, of this node."""
    CASE = "case"
    REPORT = "report"
    TRANSFER = "transfer"
    """``{id}`` in the path, of a study on its way; also of one that is still to come."""
    BODY = "body"
    """``origin`` and ``study_uid`` in the body."""
    QUERY = "query"
    """``studyUID`` in the query, and ``{origin}`` in the path; without it this node's own."""
    BRINGS = "brings"
    """It brings instances; its answer says of them what the caller has just said."""


NOT_HERE = (
    "Reading the study failed: it is not here, or not shown to you. Check the address, or ask for access."
)


def identify_caller(node: Node, request: web.Request) -> Caller:
    """Say who sent a request; bearer tokens count below ``/dicomweb`` only."""
    bearer = request.headers.get("Authorization", "") if request.path.startswith("/dicomweb") else ""
    return identify(node, cookies=request.cookies, authorization=bearer)


def identify_at_once(node: Node, request: web.Request) -> Caller | None:
    """Say who sent a request, on the event loop: by reads alone; None when a thread must look."""
    bearer = request.headers.get("Authorization", "") if request.path.startswith("/dicomweb") else ""
    return identify_unwritten(node, cookies=request.cookies, authorization=bearer)


def check_intent(node: Node, caller: Caller, request: web.Request) -> None:
    """Refuse a change that did not come from our own page."""
    check_change(node.config, caller, headers=request.headers, scheme=request.scheme, host=request.host)


def named_study(
    node: Node, sees: Sees, path: Mapping[str, str], body: object, query: Mapping[str, str] | None = None
) -> StudyKey | None:
    """Give the study that a request is about; None when it is about none.

    Raises
    ------
    NotFound
        The case, report or transfer is not here, in the same words as for one that may not be seen.
    """
    match sees:
        case Sees.NOTHING | Sees.LIST | Sees.BRINGS:
            return None
        case Sees.STUDY:
            return _key(path["origin"], path["study_uid"])
        case Sees.OWN:
            return _key(node.id, path["study_uid"])
        case Sees.BODY:
            return _key(getattr(body, "origin", ""), getattr(body, "study_uid", ""))
        case Sees.QUERY:
            return _key(path.get("origin", node.id), (query or {}).get("studyUID", ""))
        case Sees.CASE:
            return _study_of_row(
                node, "SELECT origin, study_uid FROM consult_case WHERE case_id = ?", path["case_id"]
            )
        case Sees.REPORT:
            return _study_of_row(
                node, "SELECT origin, study_uid FROM report WHERE report_id = ?", path["report_id"]
            )
        case Sees.TRANSFER:
            return _study_of_row(node, "SELECT origin, study_uid FROM transfer WHERE id = ?", path["id"])
        case _:
            assert_never(sees)


def check_sight(node: Node, caller: Caller, key: StudyKey) -> None:
    """Refuse a study that the caller may not see, as if it were not here.

    Raises
    ------
    NotFound
        It may not be seen.
    """
    if not may_see(node.database, node.id, caller.viewer, key, node.now()):
        raise NotFound(NOT_HERE)


def _study_of_row(node: Node, sql: str, id_: str) -> StudyKey:
    rows = node.database.read(sql, (id_,))
    if not rows:
        raise NotFound(NOT_HERE)
    return _key(text(rows[0], "origin"), text(rows[0], "study_uid"))


def _key(origin: str, study_uid: str) -> StudyKey:
    if not is_uid(study_uid):
        raise NotFound(NOT_HERE)
    return StudyKey(origin=NodeId(origin), study_uid=StudyUID(study_uid))
