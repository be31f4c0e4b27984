"""What every handler may reach: the node, the threads, and what this process keeps in memory.

Nothing here is a fact; all of it can be lost with the process.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from federation.current_roster import Rosters
from node.archive.stores.probing import Probe
from node.node import Node
from web.auth import Attempts
from web.dicomweb.pictures import Pictures
from web.dicomweb.places import FramePlaces, Readings
from web.live import Feed
from web.storing import Storing
from web.threads import Threads


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Made once per application by `web.app.make_app`."""

    node: Node
    threads: Threads
    """For the database and short reads."""
    heavy: Threads
    """For what burns a core: passwords, pictures."""
    calls: Threads
    """For calls to remote AEs, which may take minutes."""
    storing: Storing
    """Places for requests that store."""
    attempts: Attempts
    feed: Feed
    roster: Rosters
    frames: FramePlaces
    pictures: Pictures
    readings: Readings
    viewed: Readings
    """Who viewed what lies in the archive alone, and has it follow."""
    probe: Probe
    """Asks archive stores whether they are there."""
    pages: Path
    """The built client."""


SURROUNDINGS = web.AppKey("surroundings", Surroundings)


def around(request: web.Request) -> Surroundings:
    """Give the surroundings of the application that a request came to."""
    return request.app[SURROUNDINGS]
