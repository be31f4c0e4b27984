"""Who stores over HTTP, as the table of devices knows it: a program by its name, a person by her user name.

A token or a session is what lets somebody store. A rule under Devices says of
which issuer their numbers are and which SOP classes are taken, and may block;
without one the issuer is this node's own.
"""

from __future__ import annotations

from node.dimse import refusals
from node.dimse.devices import rules_of
from node.dimse.intake import Blocks
from node.dimse.refusals import RefusalLog
from node.dimse.rules import Admitted, Refusal, Why, admit
from node.dimse.store_scp import Caller, Session
from node.errors import Refused
from node.names import Cause
from node.node import Node
from node.people.principals import title_of
from web.auth import Caller as Asking

DOOR = "web"
_BY_TOKEN = Admitted(rule="", version=0, issuer="", trust_issuer=False, department="")
"""What is known of a sender without a rule: nothing, so that its numbers are this node's own."""


def open_sessions(node: Node, asking: Asking, *, address: str, only: str, lanes: int) -> list[Session]:
    """Begin to take instances from somebody, with some sessions that are one to whoever looks at what came.

    Parameters
    ----------
    only
        The one study whose instances are taken; any when empty.

    Raises
    ------
    Refused
        A rule blocks it.
    """
    caller = Caller(calling=_title(asking), called=node.config.aet, address=address)
    log = RefusalLog(node.state / "landing" / refusals.FILE, node.clock)
    who = {"calling": caller.calling, "called": caller.called, "address": address}
    verdict = admit(rules_of(node), **who)
    if isinstance(verdict, Refusal) and verdict.why is Why.BLOCKED:
        log.association(verdict.why, **who, rule=verdict.rule, words=verdict.words)
        node.landed.ring()
        raise Refused(f"Storing instances was refused: {verdict.words}")
    admitted = _BY_TOKEN if isinstance(verdict, Refusal) else verdict
    log.association("seen", **who, rule=admitted.rule)
    cause, blocks = Cause(node.new_id()), Blocks()
    return [
        Session(
            caller,
            admitted,
            node=node.id,
            packs=node.packs,
            clock=node.clock,
            cause=cause,
            refusals=log,
            stored=node.landed.ring,
            blocks=blocks,
            door=DOOR,
            only=only,
        )
        for _ in range(lanes)
    ]


def _title(asking: Asking) -> str:
    if asking.person is None:
        return title_of(asking.principal)
    plain = "".join(
        ch for ch in asking.person.user.upper() if ch.isascii() and ch.isprintable() and ch != "\\"
    )
    return plain.strip()[:16] or "WEB"
