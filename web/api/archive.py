"""The two tiers: what lies where, what is on its way back, the rules, and one study's storage."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence

from node.archive.archived import VERIFIED
from node.archive.lifecycle.facts import StudyFacts
from node.archive.lifecycle.fullness import peek_pressure
from node.archive.lifecycle.known import read_facts
from node.archive.lifecycle.periods import DAY
from node.archive.lifecycle.rules import DEFAULT, check_rules
from node.archive.lifecycle.ruling import change_rules, followed, get_rules
from node.archive.lifecycle.totals import StoreTotal, reason_totals, store_totals, tier_totals
from node.archive.lifecycle.trial import try_rules
from node.archive.recall.asking import ask_recall
from node.archive.recall.tickets import (
    RUNNING,
    WAITING,
    Ticket,
    count_open,
    estimates,
    list_tickets,
    measured_rate,
    open_tickets,
    tickets_for,
)
from node.archive.stores.probing import Answer
from node.database.port import Level, text
from node.errors import InvalidRequest
from node.names import NodeId, StudyKey, StudyUID
from node.node import Node
from web.api.archive_shapes import (
    ArchiveShape,
    ReasonShape,
    RulesBody,
    RulesShape,
    StorageShape,
    StoreShape,
    Tickets,
    TicketShape,
    TierShape,
    TrialShape,
)
from web.api.archive_showing import (
    limits_shape,
    pressure_shape,
    rule_shape,
    storage_of,
    ticket_shapes,
    trial_shape,
)
from web.guard import Sees
from web.routes import ADMINISTRATOR, EXPERT, TECHNICIAN, Call, NoBody, route

PAGE = 50
PAGE_LIMIT = 200
WITHIN_S = 2.0
"""A store that has not answered by then is shown as silent."""
LATELY = DAY
"""So long ended recalls stay among one's own."""
TRIED = 30 * DAY
MOST_TRIED = 20_000
CHOICE = 5_000
"""Of so many of the newest studies, modalities and departments are offered to choose from."""


@route("GET /api/archive", roles=ADMINISTRATOR, sees=Sees.NOTHING)
def show_archive(call: Call[NoBody]) -> ArchiveShape:
    """Give both tiers at a glance.

    Costs one walk over ``study`` and ``archived``, one over ``package_copy`` and one over ``lifecycle``: together about
    half a second with 200,000 studies. Stores are asked beside that, for two seconds at most.
    """
    node = call.node
    answers = {answer.store: answer for answer in call.around.probe.ask(within_s=WITHIN_S)}
    opened = count_open(node.database)
    pressure = peek_pressure(node.database)
    return ArchiveShape(
        tiers=[
            TierShape(
                tier=one.tier,
                studies=one.studies,
                original_bytes=one.original_bytes,
                package_bytes=one.package_bytes,
            )
            for one in tier_totals(node.database)
        ],
        stores=_stores(answers, store_totals(node.database)),
        reasons=[
            ReasonShape(reason=reason, studies=studies)
            for reason, studies in reason_totals(node.database).items()
        ],
        online_limit_bytes=get_rules(node).rules.limits.online_bytes,
        online_room_bytes=shutil.disk_usage(node.state).free,
        copies=node.archive.copies,
        waiting=opened.get(WAITING, 0),
        running=opened.get(RUNNING, 0),
        pressure=None if pressure is None else pressure_shape(pressure),
        now=node.now(),
    )


@route("GET /api/archive/recalls", roles=ADMINISTRATOR, sees=Sees.LIST)
def list_recalls(call: Call[NoBody]) -> Tickets:
    """Give a page of recalls; the words of a patient only of studies that the caller sees."""
    limit = _limit(call)
    found = list_tickets(call.node.database, limit=limit + 1, before=call.query.get("before", ""))
    ended = [ticket for ticket in found if not ticket.is_open]
    page = found[:-1] if len(ended) > limit else found
    return Tickets(
        items=_tickets(call, page),
        next=ended[limit - 1].id if len(ended) > limit else None,
        bytes_per_second=measured_rate(call.node.database),
        now=call.node.now(),
    )


@route("GET /api/recalls", roles=TECHNICIAN | EXPERT, sees=Sees.LIST)
def list_own_recalls(call: Call[NoBody]) -> Tickets:
    """Give the caller's own recalls: those on their way, and those that ended lately, so that she hears of it."""
    node = call.node
    return Tickets(
        items=_tickets(call, tickets_for(node.database, call.person.id, since=node.now() - LATELY)),
        next=None,
        bytes_per_second=measured_rate(node.database),
        now=node.now(),
    )


@route("GET /api/archive/rules", roles=ADMINISTRATOR, sees=Sees.NOTHING)
def show_rules(call: Call[NoBody]) -> RulesShape:
    """Give the rules that count."""
    return _rules(call.node)


@route("PUT /api/archive/rules", roles=ADMINISTRATOR, sees=Sees.NOTHING, body=RulesBody)
def put_rules(call: Call[RulesBody]) -> RulesShape:
    """Let other rules count from now on."""
    change_rules(call.node, call.person, call.body.rules_asked(), address=call.address)
    return _rules(call.node)


@route("POST /api/archive/rules/try", roles=ADMINISTRATOR, sees=Sees.LIST, body=RulesBody, heavy=True)
def try_changed(call: Call[RulesBody]) -> TrialShape:
    """Say what changed rules would have done to the studies of the last month; nothing is written.

    Five reads by keys a study, 0.13 ms, of 20,000 at most.
    """
    node, now = call.node, call.node.now()
    asked = followed(node, check_rules(call.body.rules_asked()))
    keys = _keys_since(node, now - TRIED)
    facts: dict[StudyKey, StudyFacts] = {}
    for key in keys[:MOST_TRIED]:
        if (one := read_facts(node, key)) is not None:
            facts[key] = one
    counting = followed(node, get_rules(node).rules)
    trial = try_rules(counting, asked, facts.values(), now=now)
    return trial_shape(
        node,
        call.caller.viewer,
        trial,
        facts,
        rules=(counting, asked),
        now=now,
        since=now - TRIED,
        whole=len(keys) <= MOST_TRIED,
    )


@route("GET /api/studies/{origin}/{study_uid}/storage", roles=TECHNICIAN | EXPERT, sees=Sees.STUDY)
def get_storage(call: Call[NoBody]) -> StorageShape:
    """Tell where a study lies and why."""
    return storage_of(call.node, call.caller.viewer, call.study)


@route(
    "POST /api/studies/{origin}/{study_uid}/recall", roles=TECHNICIAN | EXPERT, sees=Sees.STUDY, status=201
)
def recall_study(call: Call[NoBody]) -> TicketShape:
    """Ask for a study, or with ``series=UID`` a series of it, to be brought back; asked again, the ticket is the same."""
    ticket = ask_recall(
        call.node,
        call.person,
        call.study,
        who=call.person.name,
        asker=call.person.id,
        address=call.address,
        series_uid=call.query.get("series", ""),
    )
    return _tickets(call, [ticket])[0]


def _tickets(call: Call[NoBody], tickets: Sequence[Ticket]) -> list[TicketShape]:
    database = call.node.database
    estimated = estimates(open_tickets(database), measured_rate(database))
    return ticket_shapes(call.node, call.caller.viewer, tickets, estimated)


def _stores(answers: Mapping[str, Answer], totals: Sequence[StoreTotal]) -> list[StoreShape]:
    """Put together what stores say and what rows say of them; those that are configured no more come last."""
    names = [*answers, *sorted({one.store for one in totals} - answers.keys())]
    shapes = []
    for name in names:
        answer = answers.get(name)
        by_state = {one.state: one for one in totals if one.store == name}
        verified = by_state.get(VERIFIED)
        copies = {state: one.copies for state, one in by_state.items()}
        shapes.append(
            StoreShape(
                name=name,
                configured=answer is not None,
                answers=answer is not None and answer.answers,
                room_bytes=None if answer is None else answer.room_bytes,
                words="" if answer is None else answer.words,
                bytes=0 if verified is None else verified.bytes,
                verified=copies.get(VERIFIED, 0),
                damaged=copies.get("damaged", 0),
                gone=copies.get("gone", 0),
                oldest_verified_at=None if verified is None else verified.oldest_at,
            )
        )
    return shapes


def _rules(node: Node) -> RulesShape:
    ruled = get_rules(node)
    found = node.database.read("SELECT name FROM account WHERE id = ?", (ruled.person,))
    modalities, departments = _choices(node)
    return RulesShape(
        version=ruled.rules.version,
        rules=[rule_shape(rule) for rule in ruled.rules.rules],
        limits=limits_shape(ruled.rules.limits),
        at=ruled.at,
        by=text(found[0], "name") if found else ruled.person,
        others=rule_shape(DEFAULT),
        stores=len(node.archive.stores),
        modalities=modalities,
        departments=departments,
    )


def _choices(node: Node) -> tuple[list[str], list[str]]:
    """Give what the newest studies are of and from, for the fields of a rule."""
    rows = node.database.read(
        "SELECT DISTINCT value AS modality, '' AS department FROM"
        " (SELECT modalities FROM study ORDER BY first_at DESC LIMIT ?), json_each(modalities)"
        " UNION SELECT DISTINCT '', department FROM (SELECT department FROM study ORDER BY first_at DESC LIMIT ?)",
        (CHOICE, CHOICE),
        Level.WEAK,
    )
    modalities = {text(row, "modality") for row in rows} - {""}
    departments = {text(row, "department") for row in rows} - {""}
    return sorted(modalities), sorted(departments)


def _keys_since(node: Node, at: int) -> list[StudyKey]:
    """Give the studies that came since, the newest first, and one too many."""
    rows = node.database.read(
        "SELECT origin, study_uid FROM study WHERE first_at > ? AND instance_count > 0 ORDER BY first_at DESC LIMIT ?",
        (at, MOST_TRIED + 1),
        Level.WEAK,
    )
    return [
        StudyKey(origin=NodeId(text(row, "origin")), study_uid=StudyUID(text(row, "study_uid")))
        for row in rows
    ]


def _limit(call: Call[NoBody]) -> int:
    words = call.query.get("limit", str(PAGE))
    if not (words.isascii() and words.isdigit() and len(words) < 6):
        raise InvalidRequest("Reading the list was refused: limit must be a whole number.")
    return min(max(int(words), 1), PAGE_LIMIT)


ROUTES = (
    show_archive,
    list_recalls,
    list_own_recalls,
    show_rules,
    put_rules,
    try_changed,
    get_storage,
    recall_study,
)
