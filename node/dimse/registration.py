"""What the receiver wrote down, as rows that the administrator sees: devices, and instances refused.

Called by the actor that registers instances, from its own cursor; calling it
again after a crash registers nothing twice.
"""

from __future__ import annotations

from dataclasses import dataclass

from node.database.port import Statement
from node.database.subset import storable
from node.dimse.devices import list_devices
from node.dimse.networks import ANY
from node.dimse.refusals import FILE, Line, read_lines, take_away
from node.dimse.rule_form import RuleKey
from node.journal.cursors import advance, position
from node.names import Cause
from node.node import Node
from node.people.audit import record_act

CURSOR = "landing/refusals"
_SEEN = (
    "INSERT INTO device (calling, address, certificate, for_called, called, rule, version, issuer, trust_issuer,"
    " department, shown, first_at, last_at, refusals) VALUES (?, ?, ?, ?, ?, 'unknown', 0, '', 0, '', ?, ?, ?, ?)"
    " ON CONFLICT (calling, address, certificate, for_called)"
    " DO UPDATE SET called = excluded.called, shown = excluded.shown,"
    " last_at = max(device.last_at, excluded.last_at), refusals = device.refusals + excluded.refusals"
)


def register_refusals(node: Node) -> bool:
    """Register the next lines in one batch; give whether there may be more.

    Raises
    ------
    Conflict
        Another reader registered them first.
    """
    path = node.state / "landing" / FILE
    before = position(node.database, CURSOR)
    lines, after = read_lines(path, before)
    if after == before:
        return False
    rules = {device.key.name: device.key for device in list_devices(node.database)}
    statements = [_row(line, rules) for line in lines if line.kind != "handshake"]  # which names no device
    statements += [_act(node, line) for line in lines if line.kind == "retrieved"]
    node.write([*statements, *_problems(node, lines), advance(CURSOR, before=before, after=after)])
    take_away(path, after)
    return True


def _row(line: Line, rules: dict[str, RuleKey]) -> Statement:
    """Give what a line says of its device, under the rule that decided about it while there is such a rule."""
    device = rules.get(line.rule) or RuleKey(calling=_title(line.calling), address=line.address)
    refused = 0 if line.kind in ("seen", "retrieved") else line.times
    return Statement(
        _SEEN,
        (
            *(device.calling, device.address, device.certificate, device.called),
            *(_title(line.called), line.certificate, line.at, line.at, refused),
        ),
    )


def _act(node: Node, line: Line) -> Statement:
    """Give the row that says which device read which study."""
    device = _Device(f"device/{_title(line.calling)}/{line.address}")
    return record_act(node, device, act="retrieve-images", subject=storable(line.study), address=line.address)


@dataclass(frozen=True, slots=True)
class _Device:
    id: str


def _title(text: str) -> str:
    """Give a stranger's title as one that can be written and admits nobody else.

    Whoever calls himself ``*`` would be shown as a rule for any title, and one title that no row may hold would stop
    all registering behind it.
    """
    return storable(text.replace(ANY, "＊"))


def _problems(node: Node, lines: list[Line]) -> list[Statement]:
    """Show each new refusal once, until the administrator has seen it."""
    statements: list[Statement] = []
    told: set[tuple[str, str, str]] = set()
    for line in lines:
        if line.kind in ("seen", "blocked", "retrieved"):
            continue
        problem = _problem(line)
        if problem in told or _is_shown(node, problem):
            continue
        told.add(problem)
        kind, about, detail = problem
        statements += node.problem(kind, about=about, detail=detail, cause=Cause(node.new_id()))
    return statements


def _problem(line: Line) -> tuple[str, str, str]:
    about = f"device/{line.calling}/{line.address}"
    if line.kind == "instance":
        detail = f"Storing instance {line.sop_uid or 'without a UID'} was refused (0x{line.status:04X}): {line.words}"
        return "instance-refused", about, detail
    if line.kind == "handshake":
        return "tls-refused", about, f"A connection was refused: {line.words}"
    return "device-refused", about, f"An association was refused: {line.words}"


def _is_shown(node: Node, problem: tuple[str, str, str]) -> bool:
    return bool(
        node.database.read(
            "SELECT 1 AS shown FROM problem WHERE kind = ? AND subject = ? AND detail = ? AND seen_at IS NULL LIMIT 1",
            problem,
        )
    )
