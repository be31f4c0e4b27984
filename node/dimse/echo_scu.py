"""C-ECHO: whether a remote AE hears us.

Source: DICOM PS3.4 A, PS3.7 9.1.5.
"""

from __future__ import annotations

from node.dicom.syntax import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from node.dimse.calling import Called, Proposal
from node.dimse.exchange import exchange
from node.dimse.services import VERIFICATION
from node.errors import Refused

ECHO_S = 15.0


def echo(whom: Called) -> None:
    """Ask a remote AE whether it hears us.

    Raises
    ------
    Unavailable
        It does not answer; the message says how far the attempt came.
    Refused
        It answers, and does not let this AE title in.
    InvalidRequest
        The AE title or the address cannot be one.
    """
    about = f"Asking {whom.who} for an echo"
    with exchange(whom, [Proposal(VERIFICATION, (IMPLICIT_LITTLE, EXPLICIT_LITTLE))]) as asking:
        context = asking.context(VERIFICATION)
        if context is None:
            raise Refused(f"{about} was refused: it does not take C-ECHO. Check its settings.")
        from pynetdicom.dimse_primitives import C_ECHO

        request = C_ECHO()
        request.MessageID = asking.next_message_id()
        request.AffectedSOPClassUID = VERIFICATION
        asking.ask(request, context)
        for answer in asking.answers(request.MessageID, about=about, wait_s=ECHO_S):
            if answer.Status != 0:
                raise Refused(f"{about} was refused with status 0x{answer.Status:04X}. Check its settings.")
