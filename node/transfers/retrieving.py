"""The job that fetches a study from a remote AE, by C-GET where that is offered, else by C-MOVE to this node.

Tried again, it asks for the series that are not whole here, if the remote AE counts them.

Source: DICOM PS3.4 C.4.2, C.4.3.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from node.catalogue.matching import QueryLevel
from node.database.port import Database, integer, text
from node.dimse.calling import Called, called
from node.dimse.find_scu import find
from node.dimse.get_scu import NoGet, Taken, get
from node.dimse.move_scu import move
from node.dimse.remote_form import Remote
from node.dimse.retrieval import Counts, Retrieved, Wanted
from node.dimse.spool import Spool
from node.dimse.store_scp import Session
from node.errors import GridError, Unavailable
from node.names import StudyKey
from node.node import Node
from node.transfers.carrying import carry_out
from node.transfers.door import open_door
from node.transfers.progress import Progress
from node.transfers.transfers import Transfer

_ALL = ("",)
ARRIVE_S = 15.0
"""How long what a C-MOVE sent may take to be known here."""


def retrieve_study(node: Node, transfer_id: str) -> None:
    """Fetch what a transfer asks for; raises as `carrying.carry_out` does."""
    carry_out(
        node,
        transfer_id,
        lambda one, remote, progress: _retrieve(node, one, remote, progress),
    )


def _retrieve(node: Node, one: Transfer, remote: Remote, progress: Progress) -> str:
    whom = called(node.config, remote)
    wanted, classes = _wanted(node, one, whom, remote, progress)
    if wanted is None:
        return ""
    before = held(node.database, one.key)[1]
    if remote.retrieve_by != "move":
        try:
            ended = _get(node, one, whom, wanted, classes, progress)
        except NoGet:
            if remote.retrieve_by == "get":
                raise
        else:
            return ended.words
    return _move(node, one, whom, wanted, progress, before=before)


def held(database: Database, key: StudyKey) -> tuple[int, int]:
    """Give how many instances of a study are here, and their bytes."""
    rows = database.read(
        "SELECT count(*) AS n, coalesce(sum(data_bytes), 0) AS bytes FROM instance"
        " WHERE origin = ? AND study_uid = ? AND state = 'chosen'",
        (key.origin, key.study_uid),
    )
    return integer(rows[0], "n"), integer(rows[0], "bytes")


def _wanted(
    node: Node, one: Transfer, whom: Called, remote: Remote, progress: Progress
) -> tuple[Wanted | None, list[str]]:
    """Ask what the study consists of; that it does not say is no reason not to fetch it."""
    classes: list[str] = []
    patient_id = ""
    with suppress(GridError):
        answers = find(
            whom, QueryLevel.STUDY, {"StudyInstanceUID": one.study_uid}, charset=remote.charset, limit=2
        )
        for answer in answers.items:
            classes = [uid for uid in answer.get("SOPClassesInStudy", "").split("\\") if uid]
            patient_id = answer.get("PatientID", "")
            count = answer.get("NumberOfStudyRelatedInstances", "")
            if count.isdecimal() and not one.series_uids:
                progress.count(asked=int(count))
    series = one.series_uids
    if one.attempts > 1:
        series = _missing(node.database, one, _series_there(whom, one, remote))
        if series == ():
            here, size = held(node.database, one.key)
            progress.count(asked=here, done=here, bytes=size)
            return None, classes
    return Wanted(
        study_uid=one.study_uid, series_uids=() if series == _ALL else series, patient_id=patient_id
    ), classes


def _series_there(whom: Called, one: Transfer, remote: Remote) -> dict[str, int] | None:
    """Give how many instances each series has there; None when it does not say."""
    try:
        answers = find(whom, QueryLevel.SERIES, {"StudyInstanceUID": one.study_uid}, charset=remote.charset)
    except GridError:
        return None
    found = {
        answer.get("SeriesInstanceUID", ""): answer.get("NumberOfSeriesRelatedInstances", "")
        for answer in answers.items
    }
    if not found or not all(uid and count.isdecimal() for uid, count in found.items()):
        return None
    return {uid: int(count) for uid, count in found.items()}


def _missing(database: Database, one: Transfer, there: dict[str, int] | None) -> tuple[str, ...]:
    """Give the series that are not whole here; those that were asked for when that is not known."""
    if there is None:
        return one.series_uids or _ALL
    here = {
        text(row, "series_uid"): integer(row, "n")
        for row in database.read(
            "SELECT series_uid, count(*) AS n FROM instance WHERE origin = ? AND study_uid = ?"
            " AND state = 'chosen' GROUP BY series_uid",
            (one.origin, one.study_uid),
        )
    }
    asked = one.series_uids or tuple(there)
    return tuple(uid for uid in asked if here.get(uid, 0) < there.get(uid, 1))


def _get(
    node: Node, one: Transfer, whom: Called, wanted: Wanted, classes: list[str], progress: Progress
) -> Retrieved:
    session: list[Session] = []

    def door(address: str, certificate: str) -> Session:
        session.append(open_door(node, whom, address, cause=one.cause, certificate=certificate))
        return session[0]

    def told(counts: Counts, taken: Taken) -> bool:
        progress.count(done=taken.stored, failed=counts.failed, bytes=taken.bytes)
        if counts.asked is not None:
            progress.count(asked=counts.asked)
        return not progress.stopped

    try:
        return get(
            whom,
            wanted,
            open_door=door,
            spool=lambda: Spool(node.state / "packs", node.packs.check_room),
            classes=classes,
            progress=told,
        )
    finally:
        for opened in session:
            opened.close()
        node.landed.ring()


def _move(node: Node, one: Transfer, whom: Called, wanted: Wanted, progress: Progress, *, before: int) -> str:
    look = _looking(node, one.key, before, progress)

    def told(counts: Counts) -> bool:
        progress.count(done=counts.completed + counts.warned, warned=counts.warned, failed=counts.failed)
        if counts.asked is not None:
            progress.count(asked=counts.asked)
        look()
        return not progress.stopped

    ended = move(whom, wanted, destination=node.config.aet, progress=told)
    sent = ended.counts.completed + ended.counts.warned
    until = time.monotonic() + ARRIVE_S
    while sent and not held(node.database, one.key)[0] and time.monotonic() < until:
        time.sleep(0.1)
    progress.count(bytes=max(held(node.database, one.key)[1] - before, 0))
    if sent and not held(node.database, one.key)[0]:
        raise Unavailable(
            f"Having {whom.who} send here failed: it says that it sent {sent}, and none came."
            f" Have it correct address and port of {node.config.aet}."
        )
    if ended.counts.failed and not ended.words:
        return f"Having {whom.who} send here left out {ended.counts.failed}. Look into its log."
    if ended.words and not sent:
        return f"{ended.words} If this node refused them, Problems and Devices say why."
    return ended.words


def _looking(node: Node, key: StudyKey, before: int, progress: Progress) -> Callable[[], None]:
    """Give what reads, at most once a second, how many bytes have come."""
    looked_at = 0.0

    def look() -> None:
        nonlocal looked_at
        if time.monotonic() - looked_at > 1:
            looked_at = time.monotonic()
            progress.count(bytes=max(held(node.database, key)[1] - before, 0))

    return look
