"""``meridian alliance``: found, invite, join, admit, roster."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True, help="Hospitals that work together.")
