"""What an association, of either kind, asks of the receiver that it belongs to; and how it comes in.

Source: DICOM PS3.8 9.3.4, table 9-21 (result, source and reason of a rejection).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from node.dimse.rules import Refusal
from node.dimse.store_scp import Caller, Session

if TYPE_CHECKING:
    from node.dimse.inquiry import Inquirer

Rejection = tuple[int, int, int]
"""Result, source and reason of an A-ASSOCIATE-RJ."""
FAILED: Rejection = (2, 1, 1)
"""Transient, no reason given."""
FULL: Rejection = (2, 3, 2)
"""Transient, local limit exceeded."""
_LOG = logging.getLogger(__name__)


class Desk(Protocol):
    """The receiver as its associations see it."""

    def open_session(self, caller: Caller) -> Session | Refusal:
        """Decide about a caller, and write it down."""

    def refuse_handshake(self, address: str, reason: str) -> None:
        """Write down that TLS with a caller failed, before it could say who it is."""

    def take_place(self, session: Session) -> bool:
        """Turn a connection into an association; False when there is no place for it."""

    def leave(self, address: str, session: Session | None) -> None:
        """Give its place back, as a connection or as an association."""

    def released(self, session: Session) -> None:
        """Wait until the index knows what came, for a while."""

    def inquirer(self, session: Session) -> Inquirer:
        """Say what an association may see.

        Raises
        ------
        Unavailable
            The catalogue cannot be read now.
        """


def enter(desk: Desk, caller: Caller) -> Session | Rejection:
    """Let a caller in, or say with what it is rejected. Never raises."""
    try:
        opened = desk.open_session(caller)
    except Exception:  # noqa: BLE001  # nobody may come in because deciding failed
        _LOG.exception("Deciding about an association failed")
        return FAILED
    if isinstance(opened, Refusal):
        return (1, 1, opened.why.diagnostic)  # permanent
    return opened if desk.take_place(opened) else FULL
