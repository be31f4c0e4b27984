"""Note that somebody has opened images: for the story of a case, and who looked at what.

Once per person, study and hour; it never stands in the way of the images.
"""

from __future__ import annotations

from federation.consult.commands import mark_read
from node.database.port import text
from node.errors import GridError
from node.names import StudyKey
from node.node import Node
from node.people.accounts import Person
from node.people.audit import record_act
from web.routes import Call, NoBody


def note_read(call: Call[NoBody]) -> None:
    """Note it for a person; programs with a bearer token are not noted one by one."""
    person = call.caller.person
    if person is None:
        return
    claimed = _claimed_case(call.node, person, call.study)
    if not call.around.readings.is_new(person.id, call.study, claimed, now=call.node.now()):
        return
    try:
        act = record_act(
            call.node, person, act="read-images", subject=call.study.subject, address=call.address
        )
        call.node.database.write([act], call.node.new_id())
        if claimed:
            mark_read(call.node, person, claimed)
    except GridError:
        return  # the claim has just ended, or the database is busy: the images come all the same


def is_noted(call: Call[NoBody]) -> bool:
    """Say, by reads alone, whether nothing is to be noted of this reading."""
    person = call.caller.person
    if person is None:
        return True
    claimed = _claimed_case(call.node, person, call.study)
    return call.around.readings.is_known(person.id, call.study, claimed, now=call.node.now())


def _claimed_case(node: Node, person: Person, key: StudyKey) -> str:
    """Give the case that this person reads now; empty when she holds none of this study."""
    rows = node.database.read(
        "SELECT case_id FROM consult_case WHERE origin = ? AND study_uid = ? AND home = ? AND state = 'claimed'"
        " AND claimed_by = ? LIMIT 1",
        (key.origin, key.study_uid, node.id, person.id),
    )
    return text(rows[0], "case_id") if rows else ""
