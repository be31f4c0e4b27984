"""The table of all routes: what a node answers, and to whom.

A route is here or it does not exist; the tests of visibility walk this table.
"""

from __future__ import annotations

from web.api import (
    alliance,
    archive,
    consults,
    corrections,
    deletions,
    deliveries,
    devices,
    drafts,
    live,
    pools,
    problems,
    queries,
    remotes,
    reports,
    session,
    studies,
    transfers,
    unsettled,
    users,
    watch,
    worklists,
)
from web.dicomweb import (
    capabilities,
    frames,
    query,
    rejecting,
    rendered,
    retrieve,
    store,
    thumbnails,
    uri,
)
from web.routes import Route

ROUTES: tuple[Route, ...] = (
    *frames.ROUTES,  # first, because a router tries addresses in their order and frames are asked for by the thousand
    *session.ROUTES,
    *studies.ROUTES,
    *corrections.ROUTES,
    *pools.ROUTES,
    *consults.ROUTES,
    *drafts.ROUTES,
    *reports.ROUTES,
    *live.ROUTES,
    *users.ROUTES,
    *alliance.ROUTES,
    *archive.ROUTES,
    *watch.ROUTES,
    *deletions.ROUTES,
    *devices.ROUTES,
    *remotes.ROUTES,
    *worklists.ROUTES,
    *queries.ROUTES,
    *transfers.ROUTES,
    *deliveries.ROUTES,
    *problems.ROUTES,
    *unsettled.ROUTES,
    *query.ROUTES,
    *retrieve.ROUTES,
    *rendered.ROUTES,
    *rejecting.ROUTES,
    *thumbnails.ROUTES,
    *uri.ROUTES,
    *capabilities.ROUTES,
    *store.ROUTES,
)
