"""``meridian rebuild``, ``export-index`` and ``corrections``: an index that was lost, written again, and what it left open."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ops.findings import moment

if TYPE_CHECKING:
    from ops.rebuild.rebuilding import Rebuilt

app = typer.Typer(no_args_is_help=True, help="Studies of which a rebuild could not know all corrections.")
State = Annotated[Path, typer.Argument(help="The node's state folder.", show_default=False)]
_LISTED = 20


def rebuild(
    state: State,
    without_old: Annotated[
        bool, typer.Option("--without-old", help="Go on where the old database cannot be read at all.")
    ] = False,
) -> None:
    """Write the index again from packs, packages, blocks and texts; the node must be stopped."""
    from ops.rebuild.rebuilding import rebuild as rebuild_index

    for line in summary(rebuild_index(state, without_old=without_old, tell=_Progress())):
        typer.echo(line)
    typer.echo(f"Now: meridian verify {state}, then: meridian serve {state}")


def export_index(state: State) -> None:
    """Print what the index says as canonical lines; two that say the same are equal."""
    from ops.compose import compose_node
    from ops.rebuild.exporting import export_index as lines

    node = compose_node(state)
    try:
        for line in lines(node):
            sys.stdout.write(f"{line}\n")
    finally:
        node.close()


@app.command("list")
def list_(state: State) -> None:
    """Name the studies of which not all corrections are known, and up to when they are."""
    from node.catalogue.unsettled import unsettled_studies
    from ops.compose import compose_node

    node = compose_node(state)
    found = 0
    for key, until in unsettled_studies(node.database):
        found += 1
        typer.echo(f"{key.origin}/{key.study_uid}  known up to {moment(until)}")
    node.close()
    typer.echo(f"{found} studies.")


@app.command()
def settle(
    state: State,
    study: Annotated[
        str, typer.Argument(help="[ORIGIN/]STUDYUID; the node's own when no origin is given.")
    ] = "",
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
) -> None:
    """Say that somebody has looked at a study, or at all: what it shows is right."""
    from node.catalogue.unsettled import count_unsettled, settle_corrections, settle_every
    from node.errors import InvalidRequest
    from node.names import NodeId, StudyKey, StudyUID
    from node.people.accounts import OPERATOR
    from ops.compose import compose_node

    if bool(study) == every:
        raise InvalidRequest("Settling corrections was refused: name a study, or give --all.")
    node = compose_node(state)
    try:
        if every:
            marked = count_unsettled(node.database)
            done = settle_every(node, OPERATOR, told=marked, most=marked)
        else:
            origin, _, uid = study.rpartition("/")
            one = StudyKey(origin=NodeId(origin or node.id), study_uid=StudyUID(uid))
            done = settle_corrections(node, OPERATOR, [one])
    finally:
        node.close()
    typer.echo(f"Settled {done} {'study' if done == 1 else 'studies'}.")


def summary(done: Rebuilt) -> list[str]:
    """Say what came of a rebuild, one line a matter."""
    journal, records, packages = done.journal, done.records, done.packages
    lines = [
        f"Content: {done.content.rows} rows of the old database, which lies at {done.kept}."
        if done.content is not None
        else "Content: none. Accounts, pools, rules, peers and drafts were in the database alone: the first start asks for an"
        " administrator, devices wait for admission, and the alliance is joined anew.",
        f"Journal: {journal.records} records, {len(done.chain.rows)} blocks{_last_block(done)}"
        f"{f', {journal.tail} records that no block held' if journal.tail else ''}.",
        f"Packs: {records.packs}, with {records.records} records; {records.instances} instances were registered.",
        f"Packages: {packages.packages}, of which {packages.instances} instances lie there alone.",
        f"Studies: {done.studies.studies}; corrections: {done.facts.made}, of which {done.facts.undone} were undone.",
    ]
    if journal.fault:
        lines.append(f"The journal is not whole: it ends before {journal.fault}.")
    if done.studies.told:
        lines.append(
            f"{done.studies.told} instances were in packs that the journal had not told of; now it does."
        )
    if done.doubt.marked:
        lines.append(
            f"Of {done.doubt.marked} studies not all corrections are known, but those up to {moment(done.doubt.until)}."
            f" {' '.join(done.doubt.why)} They are marked."
        )
    if done.studies.missing:
        lines.append(
            f"Of {len(done.studies.missing)} studies instances are missing: 'meridian verify' names them."
        )
    lines += _cases(done)
    tables = [] if done.content is None else done.content.lost
    listed = [
        *(f"table {table} of the old database could not be read whole" for table in tables),
        *(f"text {digest[:16]} is not what its name says" for digest in journal.altered),
        *(
            f"case {case_id}: {', '.join(what)} cannot be known"
            for case_id, what in done.cases.lacking.items()
        ),
        *records.unreadable,
        *packages.unreadable,
    ]
    lines += [f"  {line}" for line in listed[:_LISTED]]
    if len(listed) > _LISTED:
        lines.append(f"  and {len(listed) - _LISTED} more; 'meridian verify' names them.")
    return lines


def _cases(done: Rebuilt) -> list[str]:
    """Say what came of consult cases and reports, and what of them is not known."""
    cases = done.cases
    lines = [f"Cases: {cases.cases}, with {cases.reports} signed reports."]
    if cases.resumed:
        lines.append(
            f"Of {cases.resumed} open cases it is not known what happened after {moment(done.journal.known_to)}. 'meridian"
            " verify' names them; ask the other hospital. Mail that waited is lost; how cases stand is said anew."
        )
    if cases.orphans:
        lines.append(
            f"{cases.orphans} texts of requests or reports are here that no event names: they were written after that."
        )
    return lines


def _last_block(done: Rebuilt) -> str:
    last = done.chain.last
    if last is None:
        return ""
    return f"; the last, {last.n}, of {moment(last.at)}: what came after it and was in no pack is lost with the database"


class _Progress:
    """Tells once a second how far it is, on a terminal."""

    def __init__(self) -> None:
        self._began = self._told = time.monotonic()
        self._what = ""

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if what != self._what:
            self._what, self._began = what, now
        elif now - self._told < 1 and done < total:
            return
        self._told = now
        rate = done / max(now - self._began, 0.001)
        if what == "records":
            shown = f"{done >> 20} of {total >> 20} MB of packs, {rate / (1 << 20):.0f} MB/s"
        else:
            shown = f"{done} of {total} {what}, {rate:.0f}/s"
        typer.echo(f"  {shown}", err=True)
