"""``meridian archive``: a node's archive from the command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from node.names import NodeId, StudyKey, StudyUID
from node.node import Node

app = typer.Typer(no_args_is_help=True, help="Packages of studies: made, looked at, brought back.")
State = Annotated[Path, typer.Argument(help="The node's state folder.", show_default=False)]
Study = Annotated[str, typer.Argument(help="[ORIGIN/]STUDYUID; the node's own when no origin is given.")]


@app.command()
def show(state: State, study: Study) -> None:
    """Say where a study lies, and what was decided about it."""
    from node.archive.archived import PART, copies_of, peek_archived
    from node.catalogue.search import get_study

    node, key = _opened(state, study)
    get_study(node.database, key)
    archived = peek_archived(node.database, key)
    if archived is None:
        typer.echo("Online alone; it was not archived yet.")
    else:
        where = "online and in the archive" if archived.online else "in the archive alone"
        if archived.online == PART:
            where = "in the archive, and a part of it online"
        typer.echo(f"Lies {where}; generation {archived.generation}, {archived.instances} instances.")
        typer.echo(
            f"Package {archived.digest}: {archived.bytes} bytes, of {archived.online_bytes} as received."
        )
        for copy in copies_of(node.database, archived.digest):
            typer.echo(f"  store {copy.store}: {copy.state}")
    sql = "SELECT decision, reason, figures, words FROM lifecycle WHERE origin = ? AND study_uid = ?"
    for row in node.database.read(sql, (key.origin, key.study_uid)):
        typer.echo(f"Decided: {row['decision']}, because {row['reason']} {row['figures']}")
        if row["words"]:
            typer.echo(f"That was tried: {row['words']}")


@app.command()
def make(state: State, study: Study) -> None:
    """Archive a study now, whatever the rules say of when."""
    from node.archive.archiving import archive_study

    node, key = _opened(state, study)
    archive_study(node, origin=key.origin, study_uid=key.study_uid)
    node.archive.close()
    show(state, study)


@app.command()
def expire(state: State, study: Study) -> None:
    """Let a study's online copy go now, unless somebody holds it or a copy is missing."""
    from node.archive.expiring import expire_study

    node, key = _opened(state, study)
    expire_study(node, key, reason="asked")
    show(state, study)


@app.command()
def recall(state: State, study: Study) -> None:
    """Bring a study back from the archive."""
    from node.archive.recall.recalling import bring

    node, key = _opened(state, study)
    bring(node, key, who="operator", why="asked")
    node.archive.close()
    show(state, study)


@app.command()
def mend(state: State, study: Study) -> None:
    """Put a study's package into each store that has no whole copy of it."""
    from node.archive.archived import peek_archived
    from node.archive.copies import mend_copies

    node, key = _opened(state, study)
    archived = peek_archived(node.database, key)
    if archived is None:
        typer.echo("It was not archived yet.")
        raise typer.Exit(1)
    put = mend_copies(node, archived.digest)
    typer.echo(f"Put into {', '.join(put)}." if put else "Each store has a verified copy.")


@app.command()
def scrub(state: State) -> None:
    """Compare all packs and packages with what was received now, and heal what is damaged; exit code 1 if something is lost."""
    from ops.compose import compose_node
    from ops.scrubbing import scrub_now

    node = compose_node(state)
    try:
        for line in (found := scrub_now(node, sys.stderr)).lines:
            typer.echo(line)
    finally:
        node.archive.close()
    if found.lost:
        raise typer.Exit(1)


@app.command()
def deletions(state: State) -> None:
    """List deletions: asked for, under way with what is left, and done."""
    from node.archive.deletion.certificate import date_text
    from node.archive.deletion.deletions import list_deletions, steps_of
    from ops.compose import compose_node

    node = compose_node(state)
    for one in list_deletions(node.database, states=("asked", "deleted", "done", "kept"), limit=1000):
        typer.echo(
            f"{one.id}  {one.state:8}  {date_text(one.asked_at)}  {one.origin}/{one.study_uid}  {one.code}, by {one.asked_name}"
        )
        for step in steps_of(node.database, one.id):
            if step.state != "done":
                typer.echo(f"  left: {step.kind} {step.store} {step.what[:40]} {step.words}")


@app.command()
def certificate(
    state: State,
    deletion: Annotated[str, typer.Argument(help="Its id; 'meridian archive deletions' lists them.")],
    html: Annotated[bool, typer.Option(help="As a page to be printed.")] = False,
) -> None:
    """Write the certificate of a deletion to the standard output."""
    from node.archive.deletion.certificate import certificate_text, read_certificate
    from node.archive.deletion.certificate_page import certificate_page
    from node.archive.deletion.deletions import get_deletion
    from ops.compose import compose_node

    node = compose_node(state)
    written = certificate_text(node, get_deletion(node.database, deletion))
    typer.echo(certificate_page(read_certificate(written), language="zh") if html else written)


@app.command()
def prepare(state: State) -> None:
    """Make each configured store this node's, once: writes its marker where none is."""
    from node.archive.stores.opening import prepare_store
    from node.config import load_config

    config = load_config(state)
    for described in config.archive.store:
        prepare_store(described, state / "keys")
        typer.echo(f"Store {described.name} is ready.")
    if not config.archive.store:
        typer.echo(
            "No store is configured; packages lie in the state folder. Add [[archive.store]] for another disk."
        )


def _opened(state: Path, study: str) -> tuple[Node, StudyKey]:
    from ops.compose import compose_node

    node = compose_node(state)
    origin, _, uid = study.rpartition("/")
    return node, StudyKey(origin=NodeId(origin or node.id), study_uid=StudyUID(uid))
