"""``meridian backup``, ``meridian restore`` and ``meridian drill``: from the command line, by hand or by a timer.

Making a backup asks nothing, so that a timer can. Reading one asks for the passphrase of the backup key, never as an
argument.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup

from node.clock import SECOND, Micros, SystemClock
from node.keys.backup_key import OpenBackupKey

MAKE = "make"
_MEGABYTE = 1 << 20


class _WithMake(TyperGroup):
    """Lets ``meridian backup STATE`` stand for ``meridian backup make STATE``."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]  # click's own, below it
        if args and args[0] not in self.commands and args[0] not in ("--help", "-h"):
            args = [MAKE, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    no_args_is_help=True, cls=_WithMake, help="Backups of a node: made while it runs, sealed, incremental."
)
State = Annotated[Path, typer.Argument(help="The node's state folder.", show_default=False)]
Place = Annotated[
    str,
    typer.Argument(
        help="A folder, or s3+https://HOST:PORT/BUCKET/PREFIX.", metavar="PLACE", show_default=False
    ),
]
To = Annotated[
    str,
    typer.Option(
        "--to", help="A folder on another disk, or s3+https://HOST:PORT/BUCKET/PREFIX.", metavar="PLACE"
    ),
]
Credentials = Annotated[
    Path | None, typer.Option(help="Of a bucket: a folder like STATE/keys, with stores/backup.json in it.")
]
Drawer = Annotated[
    Path, typer.Option("--key", help="The folder of the backup key, as it came from the drawer.")
]
Name = Annotated[str, typer.Option("--backup", help="How its name begins; the newest without it.")]


@app.command(MAKE)
def make(state: State, to: To) -> None:
    """Make a backup of a node, running or not; also as: meridian backup STATE --to PLACE."""
    from ops.backup.known import MEMORY, is_remembered
    from ops.backup.making import back_up, check_apart
    from ops.backup.opening import label_of, open_place
    from ops.compose import compose_node

    check_apart(state, label_of(to))
    begin = not is_remembered(state / MEMORY, label_of(to))
    node = compose_node(state)
    try:
        place = open_place(to, begin=begin, keys_folder=state / "keys")
        try:
            made = back_up(node, place, progress=_shown)
        finally:
            place.close()
    finally:
        node.close()
    manifest = made.manifest
    typer.echo(
        f"Backup {made.name[:16]} of {_moment(manifest.at)}: {manifest.files} files, {_size(manifest.bytes)},"
        f" of which {_size(made.put_bytes)} were new."
    )


@app.command()
def key(
    state: State,
    drawer: Annotated[
        Path, typer.Option("--out", help="A new folder for the private half; keep it off this machine.")
    ],
) -> None:
    """Draw the key by which backups are read; its passphrase is asked for."""
    from node.keys.backup_key import draw_backup_key
    from ops.compose import compose_node

    node = compose_node(state)
    passphrase = typer.prompt("Passphrase of the backup key", hide_input=True, confirmation_prompt=True)
    drawn = draw_backup_key(node.keys, state / "keys", drawer=drawer, passphrase=passphrase)
    node.close()
    typer.echo(
        f"Backup key {drawn.key_id}. Keep {drawer} and its passphrase apart; without both no backup is ever read."
    )


@app.command()
def check(
    backups: Place,
    drawer: Annotated[
        Path | None, typer.Option("--key", help="The backup key, to know whose signature is right.")
    ] = None,
    backup: Name = "",
    credentials: Credentials = None,
) -> None:
    """Read a whole backup and hold it against its digests and signature; no passphrase is needed."""
    from node.keys.backup_key import read_backup_key
    from ops.backup.checking import check_backup
    from ops.backup.opening import open_place

    place = open_place(backups, keys_folder=credentials)
    signed = place.backup(backup)
    found = 0
    for line in check_backup(place, signed, key=read_backup_key(drawer) if drawer else None, progress=_shown):
        found += 1
        typer.echo(line)
    place.close()
    whose = "" if drawer else f" It says itself that {signed.manifest.node} signed it: give --key to be sure."
    typer.echo(
        f"Backup {signed.name[:16]} of {_moment(signed.manifest.at)}: {found or 'nothing'} wrong.{whose}"
    )
    raise typer.Exit(1 if found else 0)


@app.command("list")
def list_(backups: Place, credentials: Credentials = None) -> None:
    """Show the backups at a place, newest first."""
    from ops.backup.opening import open_place

    place = open_place(backups, keys_folder=credentials)
    for signed in place.backups():
        manifest = signed.manifest
        typer.echo(
            f"{signed.name[:16]}  {_moment(manifest.at)}  {manifest.node}  {manifest.files} files  {_size(manifest.bytes)}"
        )
    place.close()


@app.command()
def prune(
    state: State,
    to: To,
    keep: Annotated[int, typer.Option(help="How many of the newest stay.")] = 48,
    daily: Annotated[int, typer.Option(help="Of how many days before the newest of each stays.")] = 60,
) -> None:
    """Remove older backups of a node, and what no other needs."""
    from ops.backup.opening import open_place
    from ops.backup.pruning import prune_known
    from ops.compose import compose_node

    node = compose_node(state)
    place = open_place(to, keys_folder=state / "keys")
    try:
        pruned = prune_known(node, place, keep=keep, daily=daily)
    finally:
        place.close()
        node.close()
    typer.echo(f"Removed {pruned.backups} backups and {pruned.objects} objects; {pruned.kept} backups stay.")


def restore(
    backups: Place, state: State, drawer: Drawer, backup: Name = "", credentials: Credentials = None
) -> None:
    """Restore a backup into a folder that is empty, or not there yet; the node begins a new life in it."""
    from ops.backup.opening import open_place
    from ops.backup.restoring import restore as restore_backup

    place = open_place(backups, keys_folder=credentials)
    restored = restore_backup(place, state, key=_opened(drawer), name=backup, progress=_shown)
    place.close()
    at = restored.manifest.at
    typer.echo(f"Restored {restored.manifest.node} as of {_moment(at)} into {state}.")
    typer.echo(f"What came in the {_since(at)} since then is lost: devices and peers may send it again.")
    if restored.packages:
        typer.echo(f"{restored.packages} packages lie in archive stores: mount them before the start.")
    typer.echo(f"Its incarnation is {restored.incarnation}. No other copy of it may run.")


def drill(
    backups: Place,
    drawer: Drawer,
    studies: Annotated[int, typer.Option(help="How many studies to open, at random.")] = 20,
    state: Annotated[
        Path | None, typer.Option(help="The state folder of the node that is to remember it.")
    ] = None,
    scratch: Annotated[
        Path | None,
        typer.Option("--in", help="Where to restore it meanwhile; beside the state folder without it."),
    ] = None,
    backup: Name = "",
    credentials: Credentials = None,
) -> None:
    """Try a backup out: restore it aside, open studies, compare every instance; nothing of it stays."""
    from ops.backup.drill import drill as try_out
    from ops.backup.drill import remember
    from ops.backup.opening import open_place
    from ops.compose import compose_node

    place = open_place(backups, keys_folder=credentials or (state / "keys" if state else None))
    folder = scratch or (state.parent if state else None)
    now = SystemClock().now()
    drilled = try_out(
        place, key=_opened(drawer), at=now, name=backup, studies=studies, folder=folder, progress=_shown
    )
    place.close()
    for line in drilled.differences:
        typer.echo(line)
    if state:
        node = compose_node(state)
        node.write([remember(drilled)])
        node.close()
    typer.echo(
        f"Drill of backup {drilled.backup[:16]} of {_moment(drilled.made_at)}: {drilled.studies} studies,"
        f" {drilled.instances} instances, {len(drilled.differences)} differences, {drilled.seconds:.1f} s."
    )
    raise typer.Exit(1 if drilled.differences else 0)


@app.command()
def last(state: State) -> None:
    """Say when a backup of this node was last tried out, and what came of it."""
    from node.watch.backups import last_drill
    from ops.compose import compose_node

    node = compose_node(state)
    found = last_drill(node.database)
    node.close()
    if found is None:
        typer.echo(
            "No backup of this node was ever tried out. Do: meridian drill PLACE --key DRAWER --state STATE"
        )
        raise typer.Exit(1)
    typer.echo(
        f"Last drill {_moment(found.at)}, of backup {found.backup[:16]} of {_moment(found.made_at)}: {found.studies} studies,"
        f" {found.instances} instances, {found.differences} differences, {found.seconds:.1f} s."
    )


def _opened(drawer: Path) -> OpenBackupKey:
    from node.keys.backup_key import open_backup_key

    return open_backup_key(drawer, typer.prompt("Passphrase of the backup key", hide_input=True))


def _shown(what: str, count: int) -> None:
    """Show that it goes on, on a terminal."""
    if count:
        typer.echo(f"  {what} {_size(count)}", err=True)


def _moment(at: Micros) -> str:
    return f"{datetime.fromtimestamp(at / SECOND, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _since(at: Micros) -> str:
    passed = timedelta(seconds=max(0, SystemClock().now() - at) // SECOND)
    return f"{passed} (h:mm:ss)"


def _size(count: int) -> str:
    return f"{count / _MEGABYTE:.1f} MB"
