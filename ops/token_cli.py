"""``meridian token``: bearer tokens for programs that read or store over DICOMweb."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Bearer tokens of programs that read or store over DICOMweb.")

State = Annotated[Path, typer.Argument(help="The node's state folder.", show_default=False)]
Principal = Annotated[
    str, typer.Argument(help="reader, sender or exchange (both); /NAME behind it when there are several.")
]


@app.command()
def issue(state: State, principal: Principal) -> None:
    """Print a new token; it is not shown again. Older ones of the same program stay good."""
    from node.people.accounts import OPERATOR
    from node.people.principals import check_principal
    from node.people.sessions import issue_bearer
    from ops.compose import compose_node

    check_principal(principal)
    typer.echo(issue_bearer(compose_node(state), OPERATOR, principal=principal))


@app.command()
def revoke(state: State, principal: Principal) -> None:
    """End all tokens of a program at once."""
    from node.people.accounts import OPERATOR
    from node.people.sessions import revoke_bearers
    from ops.compose import compose_node

    revoke_bearers(compose_node(state), OPERATOR, principal=principal)
    typer.echo(f"Tokens of {principal} are good no more.")
