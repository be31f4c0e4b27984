"""Programs that come with a bearer token: which kinds there are, and what each may do.

A principal is ``KIND`` or ``KIND/NAME``, so that two gateways of one kind are told
apart by their tokens, and in the table of devices, where an administrator gives
each its issuer and department.
"""

from __future__ import annotations

import re

from node.errors import FieldMissing

READER = "reader"
"""Reads everything held here."""
SENDER = "sender"
"""Stores, and sees nothing."""
EXCHANGE = "exchange"
"""Both."""
KINDS = (READER, SENDER, EXCHANGE)
_PRINCIPAL = re.compile(r"[a-z]+(/[a-z0-9][a-z0-9_-]{0,15})?")


def may_read(principal: str) -> bool:
    """Say whether a program sees what is held here."""
    return _kind(principal) in (READER, EXCHANGE)


def may_store(principal: str) -> bool:
    """Say whether a program may store instances."""
    return _kind(principal) in (SENDER, EXCHANGE)


def title_of(principal: str) -> str:
    """Give the AE title under which a program stands in the table of devices: its name, else its kind.

    Source: DICOM PS3.5 6.2 (AE: 16 characters).
    """
    return principal.rpartition("/")[2].upper()[:16]


def check_principal(principal: str) -> str:
    """Give it back when it names a kind of program.

    Raises
    ------
    FieldMissing
        It does not.
    """
    if not _PRINCIPAL.fullmatch(principal) or _kind(principal) not in KINDS:
        raise FieldMissing(
            f"Naming a program {principal!r} was refused: write {', '.join(KINDS)}, and if there are several"
            " /NAME behind it, of up to 16 of a-z, 0-9, '-' and '_'.",
            name="principal",
        )
    return principal


def _kind(principal: str) -> str:
    return principal.partition("/")[0]
