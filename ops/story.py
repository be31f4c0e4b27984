"""Print a study's journey: ``meridian story``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table

from node.clock import Micros
from node.names import NodeId, StudyKey, StudyUID
from node.story import tell_story
from ops.compose import compose_node

TIMES = frozenset({"since", "until", "deposited", "due"})
"""Details that are moments, not counts."""


def print_story(state: Path, study: str) -> None:
    """Print what happened to a study here, and what other nodes told of it, oldest first."""
    node = compose_node(state)
    origin, _, uid = study.rpartition("/")
    key = StudyKey(origin=NodeId(origin or node.id), study_uid=StudyUID(uid))
    zone = ZoneInfo(node.config.node.zone)
    table = Table("when", "node", "what", "who", "size", "detail", title=f"{key.origin}/{key.study_uid}")
    for fact in tell_story(node, key).facts:
        at = datetime.fromtimestamp(fact.at / 1e6, UTC).astimezone(zone)
        detail = ", ".join(
            f"{name} {value}" for name, value in fact.detail.items() if value not in (None, "")
        )
        size = f"{fact.bytes / 1e6:.1f} MB" if fact.bytes else ""
        table.add_row(f"{at:%Y-%m-%d %H:%M:%S.%f}"[:-3], fact.node, fact.what, fact.who, size, detail)
    Console(width=None if Console().is_terminal else 160).print(table)
    node.close()


def _local(at: Micros, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(at / 1e6, UTC).astimezone(zone)
