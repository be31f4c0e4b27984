"""The job that sends a study to a remote AE: what it does not have yet, each answer written down.

Only chosen contents go, as this node would hand them out.

Source: DICOM PS3.4 B.2 (Storage).
"""

from __future__ import annotations

from functools import partial

from node.catalogue.fresh import with_its_series
from node.catalogue.search import instances_of
from node.database.port import text
from node.dimse.calling import called
from node.dimse.outgoing import outgoing_of
from node.dimse.remote_form import Remote
from node.dimse.store_scu import Sent, store
from node.errors import NotFound, Unavailable
from node.node import Node
from node.transfers.carrying import carry_out
from node.transfers.progress import Progress
from node.transfers.transfers import Transfer


def send_study(node: Node, transfer_id: str) -> None:
    """Send what a transfer asks for; raises as `carrying.carry_out` does."""
    carry_out(node, transfer_id, lambda one, remote, progress: _send(node, one, remote, progress))


def _send(node: Node, one: Transfer, remote: Remote, progress: Progress) -> str:
    rows = [
        row
        for row in instances_of(node.database, one.key)
        if not one.series_uids or row.series_uid in one.series_uids
    ]
    if not rows:
        raise NotFound(
            "Sending the study was refused: none of its instances are here. Have it sent here first."
        )
    there = {
        text(row, "sop_uid")
        for row in node.database.read("SELECT sop_uid FROM transferred WHERE transfer = ?", (one.id,))
    }
    progress.count(asked=len(rows), done=len(there & {str(row.sop_uid) for row in rows}))
    refused: list[Sent] = []

    def told(sent: Sent) -> bool:
        if sent.is_stored:
            progress.sent(sent.sop_uid, warned=sent.is_warned, size_bytes=sent.bytes)
        else:
            refused.append(sent)
            progress.count(failed=len(refused))
        return not progress.stopped

    find = partial(with_its_series, node, who=one.by_name) if one.series_uids else None
    store(
        called(node.config, remote),
        [outgoing_of(node, row, find=find) for row in rows if row.sop_uid not in there],
        directory=node.state,
        charset=remote.charset,
        told=told,
    )
    return _said(refused, remote)


def _said(refused: list[Sent], remote: Remote) -> str:
    """Say why some did not go; raise when the remote AE may take them later."""
    if not refused:
        return ""
    words = (
        f"Sending to {remote.name} left out {len(refused)}: {refused[0].words}. Look into its log, try again."
    )
    if any(sent.status & 0xFF00 == 0xA700 for sent in refused):
        raise Unavailable(words)
    return words
