"""The ``meridian`` command. Each verb reads a node's state folder and does one thing.

Imports lazily: showing help must not wait for libraries.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from node.errors import GridError
from ops.alliance_cli import app as alliance_app
from ops.alone import running
from ops.archive_cli import app as archive_app
from ops.backup_cli import app as backup_app
from ops.backup_cli import drill, restore
from ops.dimse_cli import app as dimse_app
from ops.rebuild_cli import app as corrections_app
from ops.rebuild_cli import export_index, rebuild
from ops.token_cli import app as token_app

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Meridian 经络: one node of an imaging grid."
)
config_app = typer.Typer(no_args_is_help=True, help="Look at a node's configuration.")
app.add_typer(config_app, name="config")
app.add_typer(alliance_app, name="alliance")
app.add_typer(archive_app, name="archive")
app.add_typer(backup_app, name="backup")
app.command()(restore)
app.command()(drill)
app.command()(rebuild)
app.command("export-index")(export_index)
app.add_typer(corrections_app, name="corrections")
app.add_typer(dimse_app, name="dimse")
app.add_typer(token_app, name="token")

State = Annotated[Path, typer.Argument(help="The node's state folder.", show_default=False)]


@app.command()
def init(
    state: State,
    id: Annotated[str, typer.Option(help="2 to 15 of a-z 0-9 -; chosen once, never changed.")],
    name: Annotated[str, typer.Option(help="The hospital, as people read it.")],
    dicom_port: int = 11112,
    web_port: int = 8080,
    alliance_port: Annotated[int, typer.Option(help="0: no listener for peers; a clinic dials out.")] = 0,
) -> None:
    """Make a state folder with a documented meridian.toml."""
    from ops.configuration import write_configuration

    write_configuration(
        state, id=id, name=name, dicom_port=dicom_port, web_port=web_port, alliance_port=alliance_port
    )
    typer.echo(f"Wrote {state / 'meridian.toml'}. Look at it, then: meridian serve {state}")


@app.command()
def serve(
    state: State,
    one_process: Annotated[
        bool, typer.Option(help="All in one process, for tests and small clinics.")
    ] = False,
) -> None:
    """Run a node until Ctrl-C: receiver, grid and worker, each restarted by itself when it ends."""
    from node.config import load_config

    load_config(state)  # say what is wrong before anything starts
    with running(state):  # a rebuild that runs is said here, not by each process in turn
        pass
    if one_process:
        from ops.one_process import serve_in_one_process

        with running(state):
            raise typer.Exit(serve_in_one_process(state))
    from ops.serve import serve as run

    raise typer.Exit(run(state))


@config_app.command()
def check(state: State) -> None:
    """Say in plain words what the configuration does, or what is wrong with it."""
    from node.config import load_config
    from ops.configuration import describe

    for line in describe(load_config(state)):
        typer.echo(line)


@app.command()
def story(
    state: State,
    study: Annotated[str, typer.Argument(help="[ORIGIN/]STUDYUID; the node's own when no origin is given.")],
) -> None:
    """Tell a study's whole journey on both nodes, from one cause."""
    from ops.story import print_story

    print_story(state, study)


@app.command()
def verify(state: State) -> None:
    """Hold packs, catalogue, journal and envelopes against each other; name whatever is wrong."""
    from ops.compose import compose_node
    from ops.verify import UNSEALED, counts, unsealed_since
    from ops.verify import verify as findings

    node = compose_node(state)
    found = 0
    for finding in findings(node):
        found += 1
        typer.echo(finding.line)
    since = {UNSEALED: f" since {tail}"} if (tail := unsealed_since(node)) else {}
    looked = ", ".join(f"{n} {what}{since.get(what, '')}" for what, n in sorted(counts(node).items()))
    typer.echo(f"Verified {looked}: {found or 'no'} {'finding' if found == 1 else 'findings'}.")
    raise typer.Exit(1 if found else 0)


@app.command(name="verify-certificate")
def verify_certificate(
    file: Annotated[Path, typer.Argument(help="A certificate of deletion, as it was downloaded.")],
    key: Annotated[
        str | None, typer.Option(help="The hospital's key (base64), from elsewhere than the file.")
    ] = None,
) -> None:
    """Say what a certificate of deletion certifies, after checking that it is as its node signed it; needs no node."""
    from node.archive.deletion.certificate import date_text, read_certificate
    from node.archive.deletion.certificate_page import backup_lines
    from node.errors import NotFound

    try:
        content = file.read_bytes()
    except OSError as error:
        raise NotFound(
            f"Reading {file.name} failed ({error.strerror}): name the file of a certificate."
        ) from error
    found = read_certificate(content, key=key)
    deed = found.deed
    typer.echo(f"Whole, as the key {found.verify_key} signed it{'' if key is None else ', the one given'}.")
    if key is None:
        typer.echo(
            "Whose key that is, the file alone does not prove: compare it with the hospital's, or give it by --key."
        )
    typer.echo(
        f"{deed.node_name} ({deed.node}) deleted study {deed.study_uid} with {deed.instances} instances on"
        f" {date_text(deed.deleted_at)}; nothing was left on {date_text(found.completed_at)}."
    )
    typer.echo(f"Asked by {deed.asked.by}, approved by {deed.approved.by}: {deed.code}. {deed.words}")
    for peer in found.peers:
        typer.echo(f"{peer.peer}: {peer.state} {peer.code} {date_text(peer.at)}")
    for line in backup_lines(found):
        typer.echo(line)


def main() -> None:
    """Run the command; what went wrong on purpose is one line, not a traceback."""
    try:
        app()
    except GridError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
