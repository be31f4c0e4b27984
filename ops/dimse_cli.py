"""``meridian dimse``: ask, fetch from and send to remote AEs, by their names in the node's table.

Fetching and sending are the same rows and the same work as from the pages; the
command carries them out itself and shows how far they have come. If it is ended, the node's worker goes on.
"""

from __future__ import annotations

import json
import threading
import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.errors import GridError, InvalidRequest

if TYPE_CHECKING:
    from node.dimse.remote_form import Remote
    from node.node import Node
    from node.transfers.transfers import Transfer

app = typer.Typer(
    no_args_is_help=True, help="Call other DICOM devices: echo, find, get, move, store, worklist."
)
State = Annotated[Path, typer.Argument(help="The node's state folder.", show_default=False)]
Name = Annotated[str, typer.Argument(help="The remote AE: its name or AE title.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
Study = Annotated[str, typer.Option(help="Study Instance UID.", show_default=False)]
Series = Annotated[list[str] | None, typer.Option(help="Series Instance UID; may be repeated.")]
_OWN_S = 30
"""How long the node's worker leaves a transfer to the command that asked for it."""


@app.command("list")
def list_(state: State, as_json: AsJson = False) -> None:
    """Show the remote AEs."""
    from node.dimse.remotes import list_remotes

    found = list_remotes(_node(state).database)
    if as_json:
        typer.echo(json.dumps([_plain(one) for one in found], ensure_ascii=False))
        return
    for one in found:
        uses = ", ".join(one.uses) if one.enabled else "off"
        typer.echo(f"{one.name}\t{one.aet}\t{one.at}{' TLS' if one.tls else ''}\t{uses}")


@app.command()
def add(
    state: State,
    name: Annotated[str, typer.Option(help="As people read it.")],
    aet: Annotated[str, typer.Option(help="Its AE title.")],
    host: str,
    port: int,
    tls: bool = False,
    calling: Annotated[str, typer.Option(help="Our AE title for it; by default the node's.")] = "",
    charset: Annotated[str, typer.Option(help="GB18030, GBK, ISO_IR 100, ISO_IR 192, ISO 2022 IR 58.")] = "",
    retrieve_by: Annotated[str, typer.Option(help="auto, get or move.")] = "auto",
    reports: Annotated[bool, typer.Option(help="It gets signed reports.")] = False,
    query: Annotated[bool, typer.Option(help="It may be asked and fetched from.")] = True,
    send: Annotated[bool, typer.Option(help="It may be sent to.")] = True,
    worklist: Annotated[bool, typer.Option(help="Its worklist says who is expected tomorrow.")] = False,
    issuer: Annotated[str, typer.Option(help="Of the Patient IDs in its worklist.")] = "",
) -> None:
    """Add a remote AE."""
    from node.dimse.remote_form import RemoteForm
    from node.dimse.remotes import add_remote
    from node.people.accounts import OPERATOR

    form = RemoteForm(
        name=name,
        aet=aet,
        host=host,
        port=port,
        tls=tls,
        calling=calling,
        charset=charset,
        retrieve_by=retrieve_by,
        reports=reports,
        query=query,
        send=send,
        worklist=worklist,
        issuer=issuer,
    )
    made = add_remote(_node(state), OPERATOR, form)
    typer.echo(f"Added {made.name}: {made.aet} at {made.at}. Try: meridian dimse echo {state} {made.aet}")


@app.command()
def echo(state: State, name: Name, as_json: AsJson = False) -> None:
    """Ask whether a remote AE hears us."""
    from node.dimse.calling import called
    from node.dimse.echo_scu import echo as ask

    node, remote = _named(state, name)
    began = time.monotonic()
    ask(called(node.config, remote))
    ms = round((time.monotonic() - began) * 1000)
    if as_json:
        typer.echo(json.dumps({"ok": True, "ms": ms}))
    else:
        typer.echo(f"{remote.name} answers in {ms} ms.")


@app.command()
def find(
    state: State,
    name: Name,
    key: Annotated[
        list[str] | None, typer.Option("--key", "-k", help="KEYWORD=VALUE; may be repeated.")
    ] = None,
    level: Annotated[str, typer.Option(help="patient, study, series or image.")] = "study",
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 1000,
    as_json: AsJson = False,
) -> None:
    """Ask a remote AE what it holds."""
    from node.catalogue.matching import QueryLevel
    from node.dimse.calling import called
    from node.dimse.find_scu import find as ask

    node, remote = _named(state, name)
    try:
        asked = QueryLevel(level.upper())
    except ValueError as error:
        raise InvalidRequest(
            f"Asking was refused: {level} is no level. Use patient, study, series or image."
        ) from error
    keys = dict(_pair(one) for one in key or ())
    answers = ask(called(node.config, remote), asked, keys, charset=remote.charset, limit=limit)
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "items": [dict(one) for one in answers.items],
                    "complete": answers.complete,
                    "unreadable": answers.unreadable,
                },
                ensure_ascii=False,
            )
        )
    else:
        for one in answers.items:
            typer.echo("  ".join(f"{name}={value}" for name, value in one.items() if value))
        more = "" if answers.complete else "; there are more, ask more exactly"
        typer.echo(f"{len(answers.items)} found{more}.", err=True)
    raise typer.Exit(0 if answers.items else 1)


@app.command()
def worklist(
    state: State,
    name: Name,
    day: Annotated[
        str, typer.Option(help="As 2026-12-01; by default the one that is asked about by itself.")
    ] = "",
    recall: Annotated[
        bool, typer.Option(help="Bring earlier studies of these patients back from the archive.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Ask a RIS who is expected on a day."""
    from node.dimse.calling import called
    from node.dimse.worklist_scu import ask_worklist
    from node.hospital.looking_ahead import look

    node, remote = _named(state, name)
    on = _day(node, day)
    studies = None
    if recall:
        looked = look(node, remote, on)
        found, studies = looked.worklist, len(looked.studies)
    else:
        found = ask_worklist(called(node.config, remote), on, charset=remote.charset)
    if as_json:
        expected = [
            {"patientId": one.patient_id, "issuer": one.issuer, "modalities": sorted(one.modalities)}
            for one in found.expected
        ]
        told = {
            "day": on.isoformat(),
            "expected": expected,
            "complete": found.complete,
            "unreadable": found.unreadable,
            "studies": studies,
        }
        typer.echo(json.dumps(told, ensure_ascii=False))
        return
    for one in found.expected:
        typer.echo(f"{one.patient_id}\t{one.issuer}\t{' '.join(sorted(one.modalities))}")
    more = "" if found.complete else "; there are more than are taken"
    more += f"; {found.unreadable} answers could not be read" if found.unreadable else ""
    coming = "" if studies is None else f", {studies} studies are on their way"
    typer.echo(f"{len(found.expected)} expected on {on.isoformat()}{more}{coming}.", err=True)


@app.command()
def get(state: State, name: Name, study: Study, series: Series = None, as_json: AsJson = False) -> None:
    """Fetch a study into this node, by C-GET or C-MOVE as the remote AE is set."""
    from node.people.accounts import OPERATOR
    from node.transfers.retrieving import retrieve_study
    from node.transfers.transfers import ask_retrieve

    node, remote = _named(state, name)
    node.packs.recover()
    one = ask_retrieve(
        node, OPERATOR, study, remote.id, series_uids=series or (), label=study, not_before=_later(node)
    )
    _carry(node, one, retrieve_study, as_json=as_json)


@app.command()
def move(
    state: State,
    name: Name,
    study: Study,
    to: Annotated[str, typer.Option(help="AE title that the remote AE knows; by default this node.")] = "",
    series: Series = None,
    as_json: AsJson = False,
) -> None:
    """Have a remote AE send a study to this node or to a third AE."""
    from node.dimse.calling import called
    from node.dimse.move_scu import move as ask
    from node.dimse.retrieval import Counts, Wanted

    node, remote = _named(state, name)
    destination = to or node.config.aet
    wanted = Wanted(study_uid=study, series_uids=tuple(series or ()))
    with _bar(f"{remote.name} to {destination}", quiet=as_json) as show:

        def progress(counts: Counts) -> bool:
            show(counts.completed + counts.warned, counts.failed, counts.asked)
            return True

        ended = ask(called(node.config, remote), wanted, destination=destination, progress=progress)
    counts = ended.counts
    done = counts.completed + counts.warned
    if as_json:
        typer.echo(
            json.dumps({"done": done, "warned": counts.warned, "failed": counts.failed, "words": ended.words})
        )
    else:
        typer.echo(f"{done} sent to {destination}, {counts.failed} failed. {ended.words}".strip())
    raise typer.Exit(1 if counts.failed or not done else 0)


@app.command()
def store(
    state: State,
    name: Name,
    study: Annotated[str, typer.Option(help="[ORIGIN/]STUDYUID; the node's own without an origin.")],
    series: Series = None,
    as_json: AsJson = False,
) -> None:
    """Send a study, or series of it, to a remote AE; what it has already is not sent again."""
    from node.names import NodeId, StudyKey, StudyUID
    from node.people.accounts import OPERATOR
    from node.transfers.sending import send_study
    from node.transfers.transfers import ask_send

    node, remote = _named(state, name)
    origin, _, uid = study.rpartition("/")
    key = StudyKey(origin=NodeId(origin) if origin else node.id, study_uid=StudyUID(uid))
    one = ask_send(node, OPERATOR, key, remote.id, series_uids=series or (), not_before=_later(node))
    _carry(node, one, send_study, as_json=as_json)


def _carry(node: Node, one: Transfer, job: Any, *, as_json: bool) -> None:
    """Carry a transfer out, showing its row meanwhile; exit 1 unless all of it is done."""
    from node.transfers.transfers import get_transfer

    trouble: list[GridError] = []

    def run() -> None:
        try:
            job(node, one.id)
        except GridError as error:
            trouble.append(error)

    thread = threading.Thread(target=run, daemon=True)
    with _bar(f"{one.remote_name} {one.kind}", quiet=as_json) as show:
        thread.start()
        while thread.is_alive():
            thread.join(0.3)
            now = get_transfer(node.database, one.id)
            show(now.done, now.failed, now.asked)
    if trouble:
        raise trouble[0]
    ended = get_transfer(node.database, one.id)
    if as_json:
        names = ("id", "state", "asked", "done", "warned", "failed", "bytes", "words", "attempts")
        typer.echo(json.dumps({name: getattr(ended, name) for name in names}, ensure_ascii=False))
    else:
        typer.echo(f"{ended.state}: {ended.done} done, {ended.failed} failed. {ended.words}".strip())
        if ended.state == "waiting":
            typer.echo("The node's worker tries again while the node runs.", err=True)
    raise typer.Exit(0 if ended.state == "done" else 1)


def _bar(words: str, *, quiet: bool) -> Any:
    """Give a progress bar as a context; it is called with done, failed and all."""
    from contextlib import contextmanager

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    @contextmanager
    def shown() -> Any:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[failed]}"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True), disable=quiet) as progress:
            task = progress.add_task(words, total=None, failed="")

            def show(done: int, failed: int, asked: int | None) -> None:
                progress.update(
                    task, completed=done, total=asked, failed=f"{failed} failed" if failed else ""
                )

            yield show

    return shown()


def _day(node: Node, text: str) -> date:
    from node.hospital.looks import day_asked_about

    try:
        return date.fromisoformat(text) if text else day_asked_about(node)
    except ValueError as error:
        raise InvalidRequest(f"Asking was refused: {text} is no day. Write it as 2026-12-01.") from error


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise InvalidRequest(f"Reading the key {text!r} was refused: write KEYWORD=VALUE.")
    return name, value


def _named(state: Path, name: str) -> tuple[Node, Remote]:
    from node.dimse.remotes import get_remote_named

    node = _node(state)
    return node, get_remote_named(node.database, name)


def _node(state: Path) -> Node:
    from ops.compose import compose_node

    return compose_node(
        state, process="worker"
    )  # its packs are recovered by the next worker, should it be killed


def _later(node: Node) -> int:
    return node.now() + _OWN_S * 1_000_000


def _plain(one: Remote) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(one)
