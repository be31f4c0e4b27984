"""C-MOVE: have a remote AE send a study to this node, or to a third AE.

What comes to this node comes as from any device: its receiver must admit it.

Source: DICOM PS3.4 C.4.2, PS3.7 9.1.4.
"""

from __future__ import annotations

from node.dicom.syntax import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from node.dimse.calling import Called, Proposal
from node.dimse.exchange import exchange
from node.dimse.retrieval import Progress, Retrieved, Wanted, check_wanted, follow, request_of
from node.errors import Refused

STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
PATIENT_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.1.2"


def move(whom: Called, wanted: Wanted, *, destination: str, progress: Progress = lambda _: True) -> Retrieved:
    """Have instances sent to an AE title that the remote AE knows.

    Raises
    ------
    Unavailable, Refused
        It cannot be reached, does not know the destination, breaks off, or does not do it.
    InvalidRequest
        No study is named.
    """
    check_wanted(wanted)
    about = f"Having {whom.who} send to {destination}"
    both = (EXPLICIT_LITTLE, IMPLICIT_LITTLE)
    proposals = [Proposal(STUDY_ROOT_MOVE, both), Proposal(PATIENT_ROOT_MOVE, both)]
    with exchange(whom, proposals) as asking:
        context = asking.context(STUDY_ROOT_MOVE) or asking.context(PATIENT_ROOT_MOVE)
        if context is None:
            raise Refused(f"{about} was refused: it takes no C-MOVE. Have it allowed for this node.")
        from pynetdicom.dimse_primitives import C_MOVE

        message_id = asking.next_message_id()
        request = request_of(C_MOVE, message_id, context, wanted)
        request.MoveDestination = destination
        asking.ask(request, context)
        return follow(asking, context, message_id, about=about, progress=progress)
