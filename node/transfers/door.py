"""The door for what this node fetches over its own association: that of C-STORE, under the rules for devices.

Source: DICOM PS3.4 C.4.3 (C-GET), B.2.3 (statuses).
"""

from __future__ import annotations

from node.dimse import refusals, rules
from node.dimse.calling import Called
from node.dimse.refusals import RefusalLog
from node.dimse.rules import Refusal, RulesFile, admit
from node.dimse.store_scp import Caller, Session
from node.errors import Refused
from node.names import Cause
from node.node import Node


def open_door(node: Node, whom: Called, address: str, *, cause: Cause, certificate: str = "") -> Session:
    """Let a remote AE that we called store here, as if it had called.

    Raises
    ------
    Refused
        No rule admits it; says where to admit it.
    Unavailable
        The rules cannot be read.
    """
    landing = node.state / "landing"
    caller = Caller(calling=whom.aet, called=node.config.aet, address=address, certificate=certificate)
    verdict = admit(
        RulesFile(landing / rules.FILE).current(),
        calling=caller.calling,
        called=caller.called,
        address=caller.address,
        certificate=caller.certificate,
    )
    if isinstance(verdict, Refusal):
        raise Refused(f"Fetching from {whom.who} was refused by this node: {verdict.words}")
    return Session(
        caller,
        verdict,
        node=node.id,
        packs=node.packs,
        clock=node.clock,
        cause=cause,
        refusals=RefusalLog(landing / refusals.FILE, node.clock),
        stored=node.landed.ring,
    )
