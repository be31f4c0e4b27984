"""Worklists of the hospital asked who is expected, so that earlier studies lie online before the patient comes.

Which remote AEs have one is `node.dimse.remotes`'; when they are asked, `looks`'; what of a patient comes back, and how much,
`node.archive.recall.priors`'. Here one becomes the other: a patient as the RIS numbers her is the whole key or nobody.

Source: DICOM PS3.4 K (what a worklist says of a patient).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date

from node.archive.recall.asking import EXPECTED
from node.archive.recall.priors import Sought, is_held, recall_early
from node.catalogue.identity import Issuers, is_placeholder, issuer_named
from node.clock import MINUTE
from node.database.port import Statement
from node.dimse.calling import called
from node.dimse.remote_form import Remote
from node.dimse.remotes import list_remotes, peek_remote_by_id
from node.dimse.worklist_scu import Worklist, ask_worklist
from node.errors import GridError
from node.hospital.looks import DONE, FAILED, Look, latest_due, local_now, note_look
from node.journal.jobs import enqueue
from node.names import Cause, PatientKey, StudyKey
from node.node import Node
from node.transfers.transfers import QUEUE

JOB = "look_ahead"
EVERY = MINUTE
PRIORITY = 3
"""Before studies on their way to and from others: it takes a moment."""


class LookingAhead:
    """Sees to it that each worklist is asked when its time has come, once; two are safe."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._next = 0

    def step(self) -> None:
        """Ask for the looks that are due, at most once a minute."""
        node = self._node
        if self._next - EVERY <= node.now() < self._next:  # else it is due, or the clock was set back
            return
        self._next = node.now() + EVERY
        due = latest_due(local_now(node), node.config.archive.worklist_at)
        if due is None:
            return
        for remote in list_remotes(node.database):
            key = f"look-ahead/{remote.id}/{due.at:%Y-%m-%dT%H:%M}"
            if asks(remote) and not node.database.read("SELECT 1 AS there FROM job WHERE id = ?", (key,)):
                node.write([_job(node, key, remote=remote.id, day=due.day.isoformat())])


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a look found, and what was asked back for it."""

    worklist: Worklist
    studies: list[StudyKey]


def look_ahead(node: Node, remote: str, day: str) -> None:
    """Ask a remote AE's worklist about a day, and earlier studies of its patients back; the job.

    A day that is over is let go.

    Raises
    ------
    Unavailable, Refused
        It cannot be reached, or has no worklist; noted where people look.
    """
    one = peek_remote_by_id(node.database, remote)
    on = date.fromisoformat(day)
    if one is not None and asks(one) and on >= local_now(node).date():
        look(node, one, on)


def look(node: Node, remote: Remote, day: date) -> Looked:
    """Do so at once, and note what came of it; raises as `look_ahead`."""
    noted = Look(remote=remote.id, day=day.isoformat(), at=node.now(), state=DONE)
    try:
        worklist = ask_worklist(called(node.config, remote), day, charset=remote.charset)
    except GridError as error:
        node.write(note_look(replace(noted, state=FAILED, words=error.message)))
        raise
    known = [one for one in sought(node, remote, worklist) if is_held(node, one.patient)]
    studies = recall_early(node, known, why=EXPECTED)
    noted = replace(
        noted,
        patients=len(worklist.expected),
        known=len(known),
        studies=len(studies),
        whole=int(worklist.complete),
        unreadable=worklist.unreadable,
    )
    node.write(note_look(noted))
    return Looked(worklist=worklist, studies=studies)


def sought(node: Node, remote: Remote, worklist: Worklist) -> Iterator[Sought]:
    """Give whose earlier studies are wanted, who comes first first; whoever has no number of her own is nobody."""
    issuers = Issuers(given=remote.issuer, trusted=node.config.node.trusted_issuer)
    for one in worklist.expected:
        if not is_placeholder(one.patient_id):
            issuer = issuer_named(one.issuer, issuers, origin=node.id)
            yield Sought(patient=PatientKey(issuer=issuer, id=one.patient_id), modalities=one.modalities)


def _job(node: Node, key: str, **args: str | int) -> Statement:
    return enqueue(
        JOB, args, key=key, cause=Cause(node.new_id()), now=node.now(), queue=QUEUE, priority=PRIORITY
    )


def asks(remote: Remote) -> bool:
    """Say whether a remote AE's worklist is asked."""
    return remote.enabled and remote.worklist
