"""What a person may do: three roles that add up, checked by each command itself."""

from __future__ import annotations

from collections.abc import Iterable

from node.errors import FieldMissing

TECHNICIAN = "technician"
"""Sees the own hospital's studies, asks for consults."""
EXPERT = "expert"
"""Also sees what is offered to her pools; claims and reports."""
ADMINISTRATOR = "administrator"
"""Runs the node: accounts, devices, peers. Sees no studies and no images."""
ROLES = (TECHNICIAN, EXPERT, ADMINISTRATOR)


def check_roles(roles: Iterable[str]) -> tuple[str, ...]:
    """Give the roles once each, in their order.

    Raises
    ------
    FieldMissing
        There is none, or one that does not exist.
    """
    wanted = set(roles)
    if not wanted or wanted - set(ROLES):
        raise FieldMissing(
            f"Setting roles was refused: choose at least one of {', '.join(ROLES)}, and no other.",
            name="roles",
        )
    return tuple(role for role in ROLES if role in wanted)
