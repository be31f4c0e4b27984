"""The jobs, and the one place where they are bound to a broker. Importing this does nothing.

A job is a plain function of ids: it may be run twice, by two workers at once,
or again after its worker was killed half-way, and the outcome is the same. It
finds its own work done, or does it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import dramatiq

from node.archive.archiving import archive_study
from node.archive.deletion.erasing import erase_study
from node.archive.orphans import look_for_orphans
from node.archive.recall.recalling import recall_study
from node.hospital.looking_ahead import look_ahead
from node.node import Node
from node.reporting.delivery import deliver
from node.reporting.document import make_documents
from node.transfers.retrieving import retrieve_study
from node.transfers.sending import send_study

JOBS: Mapping[str, Callable[..., None]] = {
    "make_documents": make_documents,  # (report_id): a signed report's PDF and SR, then its deliveries
    "deliver": deliver,  # (delivery_id): one report to one destination
}
"""Names and arguments as they stand in table `job`; one that was used never gets another meaning."""
TRANSFERS: Mapping[str, Callable[..., None]] = {
    "send_study": send_study,  # (transfer_id): a study to a remote AE
    "retrieve_study": retrieve_study,  # (transfer_id): a study from a remote AE
    "look_ahead": look_ahead,  # (remote, day): earlier studies of whom a worklist expects
}
"""In a queue of their own: they wait for others, may take hours, and a signed report or a recall waits for none of them."""

ARCHIVE: Mapping[str, Callable[..., None]] = {
    "archive_study": archive_study,  # (origin, study_uid, profile): its package, in each store
    "recall_study": recall_study,  # (origin, study_uid, ticket): back from the archive
    "erase_study": erase_study,  # (deletion): what lies outside of the database of a study that was deleted
    "look_for_orphans": look_for_orphans,  # (store, after, day, tries): some thousand names of a store against rows
}
"""In a queue of their own: they keep cores busy, and no report waits for them."""


def bind(
    broker: dramatiq.Broker,
    node: Node,
    jobs: Mapping[str, Callable[..., None]] = JOBS,
    *,
    queue: str = "default",
) -> None:
    """Let a broker call each job with this node and the row's arguments."""
    for name, job in jobs.items():
        dramatiq.Actor(
            _with_node(job, node),
            broker=broker,
            actor_name=name,
            queue_name=queue,
            priority=0,
            options={},
        )


def _with_node(job: Callable[..., None], node: Node) -> Callable[..., None]:
    def call(**ids: str | int) -> None:
        job(node, **ids)

    return call
