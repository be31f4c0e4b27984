"""``meridian alliance``: found, invite, join, admit, roster.

The root's key is opened only to sign, from a folder that belongs in a drawer;
its passphrase is asked for, never an argument.
"""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Annotated

import typer

from node.errors import InvalidRequest, Unavailable

app = typer.Typer(no_args_is_help=True, help="Hospitals that work together.")
State = Annotated[Path, typer.Argument(help="The node's state folder.", show_default=False)]
RootFolder = Annotated[
    Path, typer.Option("--root", help="The folder of the alliance's root; keep it offline.")
]
POLL_S = 2.0
PATIENCE = 15
"""How often nobody may answer before joining gives up; the door opens a moment after the invitation."""


@app.command()
def found(
    state: State,
    root: RootFolder,
    name: Annotated[str, typer.Option(help="The alliance, as people read it.")],
) -> None:
    """Found an alliance with this node as its centre."""
    from federation.identity import found_alliance
    from federation.membership import adopt
    from federation.roster import Roster
    from federation.statements import CENTRE, NodeAdmitted
    from ops.compose import compose_node

    node = compose_node(state)
    address = listening_address(state)
    passphrase = typer.prompt("Passphrase of the root", hide_input=True, confirmation_prompt=True)
    key = found_alliance(root, passphrase, name=name, at=node.now())
    act = NodeAdmitted(
        node=node.id,
        name=node.config.node.name,
        role=CENTRE,
        keys=node.keys.public_keys,
        mailbox_host=node.id,
        address=address,
    )
    chain = [key.founding, key.sign(act, roster=Roster.from_statements([key.founding]), at=node.now())]
    node.write(adopt(node, chain))
    node.close()
    typer.echo(f"Founded {name}. Keep {root} and its passphrase in a drawer; nobody joins without them.")


@app.command()
def invite(
    state: State, newcomer: Annotated[str, typer.Argument(help="The id of the node that may join.")]
) -> None:
    """Make an invitation and print its code; this node must be running when the newcomer uses it."""
    from federation.joining import invite as make_invitation
    from federation.transport.joining import join_address
    from ops.compose import compose_node

    listening_address(state)
    node = compose_node(state)
    code, statements = make_invitation(node, newcomer, address=join_address(node.config.alliance))
    node.write(statements)
    node.close()
    typer.echo(code)
    typer.echo(
        f"Give this code to {newcomer} by letter or telephone; it holds for a day. Then: meridian alliance admit"
    )


@app.command()
def join(state: State, code: Annotated[str, typer.Argument(help="The code that was given.")]) -> None:
    """Ask to be let in, show the digits to compare, and wait until the host has admitted this node."""
    from federation.invitation import join_request
    from federation.joining import ADMITTED, REFUSED, join_alliance, words_of
    from federation.transport.joining import ask_to_join
    from ops.compose import compose_node

    node = compose_node(state)
    request = join_request(node.keys, code, name=node.config.node.name)
    shown = ""
    for attempt in itertools.count():
        try:
            answer = ask_to_join(code, request)
        except Unavailable:
            if attempt == PATIENCE:
                raise
            time.sleep(POLL_S)
            continue
        words = words_of(node.keys, node.config.node.name, answer)
        if words != shown:
            typer.echo(f"Compare by telephone, both screens must show: {words}")
            shown = words
        if answer.state in (ADMITTED, REFUSED):
            break
        time.sleep(POLL_S)
    node.write(join_alliance(node, answer, compared=shown))
    node.close()
    typer.echo(f"{node.id} is in the alliance. A running node takes it up by itself.")


@app.command()
def admit(
    state: State,
    root: RootFolder,
    role: Annotated[str, typer.Option(help="clinic or centre")] = "clinic",
) -> None:
    """Show who asks to join, and admit each one whose digits two people have compared."""
    from federation.identity import open_root
    from federation.joining import admit as sign_admission
    from federation.joining import conclude, pending
    from federation.roster import Roster
    from ops.compose import compose_node

    node = compose_node(state)
    waiting = pending(node)
    if not waiting:
        typer.echo("Nobody asks to join. Invite with: meridian alliance invite STATE NODE")
    for join_ in waiting:
        typer.echo(f"{join_.request.node} ({join_.request.name}) asks. Its screen must show: {join_.words}")
        if not typer.confirm("Did two people compare them, and do they agree?"):
            node.write(conclude(node, join_.locator, []))
            typer.echo(f"{join_.request.node} was refused.")
            continue
        key = open_root(root, typer.prompt("Passphrase of the root", hide_input=True))
        signed = sign_admission(
            key,
            Roster.load(node.database),
            join_.request,
            role=role,
            mailbox_host=node.id,
            address="",
            at=node.now(),
        )
        node.write(conclude(node, join_.locator, signed))
        typer.echo(f"{join_.request.node} is in.")
    node.close()


@app.command()
def roster(state: State) -> None:
    """Show who is in the alliance, with fingerprints."""
    from federation.roster import Roster
    from ops.compose import compose_node

    node = compose_node(state)
    held = Roster.load(node.database)
    typer.echo(f"{held.name or 'no alliance'}, statement {held.n}")
    for entry in held.members():
        where = entry.address or "dials out"
        typer.echo(f"  {entry.node:<16} {entry.role:<7} {where:<24} {entry.fingerprint}  {entry.name}")
    node.close()


def listening_address(state: Path) -> str:
    """Give where peers dial this node.

    Raises
    ------
    InvalidRequest
        It does not listen.
    """
    from node.config import load_config

    alliance = load_config(state).alliance
    if not alliance.port:
        raise InvalidRequest(
            "Founding an alliance was refused: this node does not listen for peers. Set [alliance] port, then try again."
        )
    return alliance.advertise or f"{alliance.host}:{alliance.port}"
