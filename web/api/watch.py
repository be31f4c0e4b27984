"""How the tiers grow and what comes next, whom studies are held for, what was checked and backed up; for administrators."""

from __future__ import annotations

from typing import TypedDict

from node.archive.lifecycle.periods import DAY
from node.archive.lifecycle.ruling import effective_rules
from node.archive.scrub.coverage import RECENT_DAYS, TierCoverage, coverage
from node.clock import Micros
from node.names import StudyKey
from node.node import Node
from node.watch.ahead import Ahead, peek_forecast
from node.watch.backups import list_backups, list_drills
from node.watch.coming import leaving_total, list_leaving, over_now, retention_ending
from node.watch.growth import Growth, growth, used_up_at
from node.watch.held import held_for, list_held
from node.watch.sizes import ARCHIVE, ONLINE, Size, looks_at, newest_sizes
from node.watch.standing import standing_alarms
from node.watch.watching import free_bytes, online_full, reserve_bytes, shares_disk
from web.api.shapes import Study
from web.api.showing import visible_studies
from web.api.watch_shapes import (
    Alarms,
    AlarmShape,
    BackupShape,
    ChecksShape,
    DrillShape,
    GrowthShape,
    HeldForShape,
    HeldPage,
    HeldShape,
    LeavingPage,
    LeavingShape,
    OutlookShape,
    PlaceShape,
    PointShape,
    RetentionShape,
    TierCoverageShape,
)
from web.guard import Sees
from web.routes import ADMINISTRATOR, Call, NoBody, route

MONTH_DAYS, QUARTER_DAYS, YEAR_DAYS = 30, 90, 366
PAGE = 50
WEEK = 7


@route("GET /api/archive/alarms", roles=ADMINISTRATOR, sees=Sees.NOTHING)
def list_alarms(call: Call[NoBody]) -> Alarms:
    """Give the alarms that stand."""
    return Alarms(
        items=[
            AlarmShape(
                kind=alarm.kind, subject=alarm.subject, raised_at=alarm.raised_at, figures=alarm.numbers
            )
            for alarm in standing_alarms(call.node.database)
        ]
    )


@route("GET /api/archive/outlook", roles=ADMINISTRATOR, sees=Sees.NOTHING)
def show_outlook(call: Call[NoBody]) -> OutlookShape:
    """Give what was measured day by day, and the newest forecast.

    What leaves and ends is counted from decisions: 0.4 s with 200,000 studies.
    """
    node, now = call.node, call.node.now()
    free, ahead, limits = free_bytes(node), peek_forecast(node.database), effective_rules(node).limits
    full = online_full(node, free=free, now=now)
    full_at = None if full is None else full.at
    leaving = leaving_total(node.database, until=now + MONTH_DAYS * DAY)
    return OutlookShape(
        places=[_place(node, size, full_at=full_at, now=now) for size in newest_sizes(node.database)],
        history=_history(node, now=now),
        ahead=_ahead(ahead, now=now),
        made_at=None if ahead is None else ahead.made_at,
        ahead_studies=0 if ahead is None else ahead.studies,
        arriving_bytes=0 if ahead is None else ahead.arriving_bytes,
        limit_bytes=limits.online_bytes,
        limit_reserve_bytes=limits.reserve_bytes,
        room_bytes=free,
        reserve_bytes=reserve_bytes(node),
        shares_disk=shares_disk(node),
        online_full_at=full_at,
        online_full_by="" if full is None else full.by,
        leaving_studies=leaving.studies,
        leaving_bytes=leaving.bytes,
        retention=[
            RetentionShape(years=one.years, studies=one.studies, bytes=one.bytes, first_at=one.first_at)
            for one in retention_ending(node.database, until=now + YEAR_DAYS * DAY)
        ],
        over=over_now(node.database),
        now=now,
    )


@route("GET /api/archive/leaving", roles=ADMINISTRATOR, sees=Sees.LIST)
def show_leaving(call: Call[NoBody]) -> LeavingPage:
    """Give a page of the studies whose online copies go within thirty days."""
    node = call.node
    until = node.now() + MONTH_DAYS * DAY
    found = list_leaving(node.database, until=until, limit=PAGE + 1, after=call.query.get("after", ""))
    page = found[:PAGE]
    studies = visible_studies(node, call.caller.viewer, (one.key for one in page))
    return LeavingPage(
        items=[
            LeavingShape(**_named(one.key, studies.get(one.key)), bytes=one.bytes, at=one.at) for one in page
        ],
        next=page[-1].cursor if len(found) > PAGE else None,
    )


@route("GET /api/archive/holds", roles=ADMINISTRATOR, sees=Sees.LIST)
def show_holds(call: Call[NoBody]) -> HeldPage:
    """Give the reasons why studies are held, and a page of the holds."""
    node, now = call.node, call.node.now()
    found = list_held(node.database, now=now, limit=PAGE + 1, after=call.query.get("after", ""))
    page = found[:PAGE]
    studies = visible_studies(node, call.caller.viewer, (one.key for one in page))
    return HeldPage(
        reasons=[
            HeldForShape(
                reason=one.reason,
                holds=one.holds,
                studies=one.studies,
                bytes=one.bytes,
                keeps_online=one.keeps_online,
            )
            for one in held_for(node.database, now=now)
        ],
        items=[
            HeldShape(
                **_named(one.key, studies.get(one.key)),
                reason=one.reason,
                who=one.who,
                until=one.until,
                bytes=one.bytes,
            )
            for one in page
        ],
        next=page[-1].cursor if len(found) > PAGE else None,
    )


@route("GET /api/archive/checks", roles=ADMINISTRATOR, sees=Sees.NOTHING)
def show_checks(call: Call[NoBody]) -> ChecksShape:
    """Say how far the scrub has come, and when the node was last backed up and that tried out."""
    node = call.node
    covered = coverage(node)
    archive, backup = node.config.archive, node.config.backup
    return ChecksShape(
        online=_coverage(covered.online),
        archive=_coverage(covered.archive),
        recent_days=RECENT_DAYS,
        scrub_mb_s=archive.scrub_mb_s,
        scrub_days=archive.scrub_days,
        backups=[
            BackupShape(**{name: getattr(one, name) for name in BackupShape.__struct_fields__})
            for one in list_backups(node.database)
        ],
        within_days=backup.within_days,
        drills=[
            DrillShape(**{name: getattr(one, name) for name in DrillShape.__struct_fields__})
            for one in list_drills(node.database)
        ],
        drill_within_days=backup.drill_within_days,
        state=str(node.state),
        now=node.now(),
    )


def _place(node: Node, size: Size, *, full_at: Micros | None, now: Micros) -> PlaceShape:
    looks = looks_at(node.database, size.place, since=now - QUARTER_DAYS * DAY)
    month = growth(looks, days=MONTH_DAYS, now=now)
    return PlaceShape(
        place=size.place,
        studies=size.studies,
        bytes=size.bytes,
        room_bytes=size.room_bytes,
        at=size.at,
        month=_growth(month),
        quarter=_growth(growth(looks, days=QUARTER_DAYS, now=now)),
        full_at=full_at if size.place == ONLINE else used_up_at(size.room_bytes, month, now=now),
    )


def _growth(grown: Growth | None) -> GrowthShape | None:
    return None if grown is None else GrowthShape(daily_bytes=grown.daily_bytes, since=grown.since)


def _history(node: Node, *, now: Micros) -> list[PointShape]:
    """Give a point for each day of the last quarter on which either tier was looked at."""
    since = now - QUARTER_DAYS * DAY
    online, archive = (
        {look.at // DAY: look for look in looks_at(node.database, place, since=since)}
        for place in (ONLINE, ARCHIVE)
    )
    return [
        PointShape(
            at=(online.get(day) or archive[day]).at,
            online_bytes=online[day].bytes if day in online else None,
            archive_bytes=archive[day].bytes if day in archive else None,
        )
        for day in sorted(online.keys() | archive.keys())
    ]


def _ahead(ahead: Ahead | None, *, now: Micros) -> list[PointShape]:
    if ahead is None:
        return []
    days = [day for day in ahead.days if day.at > now]
    return [
        PointShape(at=day.at, online_bytes=day.online_bytes, archive_bytes=day.archive_bytes)
        for day in [*days[:1], *days[WEEK - 1 :: WEEK]]
    ]


def _coverage(tier: TierCoverage) -> TierCoverageShape:
    return TierCoverageShape(**{name: getattr(tier, name) for name in TierCoverageShape.__struct_fields__})


class _Named(TypedDict):
    origin: str
    study_uid: str
    label: str
    modalities: list[str]


def _named(key: StudyKey, study: Study | None) -> _Named:
    """Name a study for a list; whoever may not see it gets its UID alone."""
    return _Named(
        origin=key.origin,
        study_uid=key.study_uid,
        label="" if study is None else f"{study.patient_name}\t{study.patient_id}",
        modalities=[] if study is None else study.modalities,
    )


ROUTES = (list_alarms, show_outlook, show_leaving, show_holds, show_checks)
