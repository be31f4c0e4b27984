"""One C-FIND, C-GET or C-MOVE of an association, from its identifier to its final answer.

Answers of a query go out several in one call, and between calls it is looked
whether the caller has cancelled. Imported with the first query, so that a
receiver that only receives stays small.

Source: DICOM PS3.7 9.1.2, 9.1.3, 9.1.4, 9.3.2.3 (C-CANCEL); PS3.4 C.4.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from node.catalogue.fresh import with_its_series
from node.catalogue.search import InstanceRow
from node.catalogue.visibility import Condition
from node.dicom.syntax import EXPLICIT_LITTLE
from node.dimse.calling import called
from node.dimse.commands import (
    CANCELLED,
    MOVE_DESTINATION_UNKNOWN,
    PENDING,
    SUCCESS,
    UNABLE_TO_PROCESS,
    Command,
    Counts,
    Field,
    write_response,
)
from node.dimse.connection import PDU_DEADLINE_S, HungUp, TooLate
from node.dimse.conversation import Conversation
from node.dimse.items import Malformed, Reason
from node.dimse.negotiating import Negotiated
from node.dimse.query_answers import Asking
from node.dimse.query_identifier import DoesNotFit, write_uid_list
from node.dimse.query_scp import find
from node.dimse.remotes import peek_remote
from node.dimse.requesting import Sending, open_sending
from node.dimse.retrieve_scp import Retrieval, Send, Wanted, instances, wanted
from node.dimse.sending import InstanceSender, Outcome
from node.dimse.words import comment_of
from node.errors import Damaged, GridError
from node.names import StudyKey
from node.node import Node

_FAILED_UIDS = 0x00080058
_AT_ONCE_BYTES = 32 << 10
_LOG = logging.getLogger(__name__)
_BROKEN = (HungUp, TooLate, OSError, Malformed, Damaged)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquirer:
    """Who asks, and what may be seen."""

    node: Node
    calling: str
    called: str
    condition: Condition
    """Which studies."""
    charset: str
    """What the caller reads; empty: whatever comes."""
    note: Callable[[StudyKey, int], None]
    """Takes what was sent to the caller, or to where it said: the study and how many instances."""


class Inquiry:
    """Answers one request; for the thread that serves its association."""

    def __init__(
        self,
        who: Inquirer,
        conversation: Conversation,
        negotiated: Negotiated,
        context: int,
        command: Command,
    ) -> None:
        self._who = who
        self._conversation = conversation
        self._negotiated = negotiated
        self._context = context
        self._command = command
        agreed = negotiated.contexts[context]
        self._asking = Asking(
            model=agreed.abstract_syntax.rpartition(".")[0],
            transfer_syntax=agreed.transfer_syntax,
            explicit=agreed.transfer_syntax == EXPLICIT_LITTLE,
            title=who.called,
            combined=negotiated.is_combined(agreed.abstract_syntax),
            charset=who.charset,
        )
        self._cancelled = False

    def answer(self, identifier: bytes) -> None:
        """Carry it out, and send its final answer.

        Raises
        ------
        HungUp, TooLate, OSError, Malformed, Damaged
            The association cannot go on.
        """
        try:
            if self._command.field == Field.C_FIND:
                self._find(identifier)
            else:
                self._retrieve(identifier)
        except _BROKEN:
            raise
        except GridError as error:
            status = error.dimse if isinstance(error, DoesNotFit) else UNABLE_TO_PROCESS
            self._respond(status, comment_of(error))

    def _find(self, identifier: bytes) -> None:
        answers = find(self._who.node.database, self._who.condition, identifier, self._asking)
        waiting = bytearray()
        heads: dict[int, bytes] = {}
        for status, found in answers:
            if status not in heads:
                heads[status] = write_response(self._command, status, has_data_set=True)
            waiting += self._conversation.written(self._context, heads[status], found)
            if len(waiting) >= _AT_ONCE_BYTES:
                self._conversation.send_written(waiting)
                waiting.clear()
                if self._is_cancelled():
                    break
        if self._cancelled:
            self._respond(CANCELLED)
            return
        last = self._conversation.command(self._context, write_response(self._command, SUCCESS))
        self._conversation.send_written(waiting + last)

    def _retrieve(self, identifier: bytes) -> None:
        who = self._who
        asked = wanted(who.node.database, who.condition, identifier, self._asking)
        retrieval = Retrieval(
            asked.count, clock=who.node.clock, report=self._report, cancelled=self._is_cancelled
        )
        if self._command.field == Field.C_GET:
            self._get(asked, retrieval)
        else:
            self._move(asked, retrieval)

    def _get(self, asked: Wanted, retrieval: Retrieval) -> None:
        contexts = {
            (each.abstract_syntax, each.transfer_syntax): number
            for number, each in self._negotiated.contexts.items()
            if each.receives
        }
        sender = InstanceSender(
            self._who.node,
            self._conversation,
            contexts,
            charset=self._asking.charset,
            otherwise=self._otherwise,
            find=self._finding(asked),
        )
        database = self._who.node.database
        try:
            for key in asked.studies:
                if not self._run(retrieval, key, instances(database, key, asked.filters), sender.send):
                    break
        finally:
            sender.close()
        self._conclude(retrieval)

    def _move(self, asked: Wanted, retrieval: Retrieval) -> None:
        who = self._who
        destination = peek_remote(who.node.database, self._command.destination)
        if destination is None:
            self._respond(MOVE_DESTINATION_UNKNOWN, "the destination is no remote AE of this node")
            return
        originator = (who.calling, self._command.message_id)
        for key in asked.studies:
            rows = list(instances(who.node.database, key, asked.filters))
            try:
                sending = open_sending(
                    called(who.node.config, destination),
                    [(row.sop_class, row.transfer_syntax) for row in rows],
                )
            except GridError as error:
                if not self._run(retrieval, key, rows, _refusing(error)):
                    break
                continue
            sender = InstanceSender(
                who.node,
                sending.conversation,
                sending.contexts,
                charset=destination.charset,
                originator=originator,
                find=self._finding(asked),
            )
            try:
                goes_on = self._run(retrieval, key, rows, _until_broken(sending, sender))
            except BaseException:  # the caller is gone: whoever was sent to must not wait for more
                sending.abort()
                raise
            finally:
                sender.close()
            sending.release()
            if not goes_on:
                break
        self._conclude(retrieval)

    def _finding(self, asked: Wanted) -> Callable[[InstanceRow], InstanceRow] | None:
        """Let a series that was named be brought from the archive without its study."""
        if not asked.of_series:
            return None
        return partial(with_its_series, self._who.node, who=self._who.calling)

    def _run(
        self,
        retrieval: Retrieval,
        key: StudyKey,
        rows: Iterable[InstanceRow],
        send: Send,
    ) -> bool:
        before = retrieval.progress.sent
        goes_on = retrieval.run(rows, send)
        if retrieval.progress.sent > before:
            self._who.note(key, retrieval.progress.sent - before)
        return goes_on

    def _conclude(self, retrieval: Retrieval) -> None:
        progress = retrieval.progress
        status = progress.status(cancelled=self._cancelled)
        failed = (
            write_uid_list(_FAILED_UIDS, progress.failed, explicit=self._asking.explicit)
            if progress.failed
            else b""
        )
        if progress.failed:
            _LOG.info("%d instances were not sent; the first: %s", len(progress.failed), progress.words)
        self._respond(status, comment_of(progress.words), counts=progress.counts, identifier=failed)

    def _report(self, counts: Counts) -> None:
        self._respond(PENDING, counts=counts)

    def _respond(
        self, status: int, comment: str = "", *, counts: Counts | None = None, identifier: bytes = b""
    ) -> None:
        response = write_response(
            self._command, status, comment, counts=counts, has_data_set=bool(identifier)
        )
        if identifier:
            self._conversation.send_written(self._conversation.written(self._context, response, identifier))
        else:
            self._conversation.send_written(self._conversation.command(self._context, response))

    def _is_cancelled(self) -> bool:
        """Look whether the caller has cancelled, without waiting for it."""
        while not self._cancelled and self._conversation.has_come():
            context, command = self._conversation.receive(PDU_DEADLINE_S)
            if not self._otherwise(context, command):
                raise Malformed("a request came while another one runs", Reason.UNEXPECTED)
        return self._cancelled

    def _otherwise(self, context: int, command: Command) -> bool:
        """Take a command that is no answer; only C-CANCEL has a place. Source: DICOM PS3.7 9.3.2.3."""
        if command.field != Field.C_CANCEL:
            return False
        if command.answered_id == self._command.message_id:
            self._cancelled = True
        return True


def _refusing(why: GridError) -> Send:
    """Let every instance fail for one reason."""
    outcome = Outcome(sent=False, words=str(why))
    return lambda row, then: outcome


def _until_broken(sending: Sending, sender: InstanceSender) -> Send:
    """Send until the association breaks; what comes after that fails without being tried."""
    broken: list[str] = []

    def send(row: InstanceRow, then: InstanceRow | None) -> Outcome:
        if not broken:
            try:
                return sender.send(row, then)
            except _BROKEN as error:
                broken.append(str(error) or type(error).__name__)
                sending.abort()
        return Outcome(sent=False, words=f"the association with the destination broke: {broken[0]}")

    return send
