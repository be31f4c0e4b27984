"""A device that keeps what it has no answer for and sends it again, as real ones do."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import ClassVar

from tests.kit.instances import CT_IMAGE, EXPLICIT, make_ct
from tests.kit.raw_sender import IMPLICIT, VERIFICATION, Aborted, RawSender, Rejected, Sent

PATIENCE_S = 60.0
"""A device that waits longer for an answer calls it a hang."""


@dataclass
class Device:
    """Sends instances, and remembers what it was answered."""

    CONTEXTS: ClassVar = [(CT_IMAGE, EXPLICIT), (VERIFICATION, IMPLICIT)]

    data_sets: dict[str, bytes]
    acknowledged: dict[str, str] = field(default_factory=dict)
    refused: list[int] = field(default_factory=list)
    """Statuses of the last association, other than success."""
    comments: list[str] = field(default_factory=list)
    broken: str = ""
    """Why the last association ended before its time."""

    @property
    def sent(self) -> dict[str, str]:
        """The digest of every instance it has."""
        return {uid: digest_of(data_set) for uid, data_set in self.data_sets.items()}

    def send(self, port: int) -> None:
        """Send what was not answered for, ask for an echo, release.

        Raises
        ------
        TimeoutError
            Something it waits for does not come.
        """
        self.refused, self.comments, self.broken = [], [], ""
        try:
            with RawSender("127.0.0.1", port, contexts=self.CONTEXTS, timeout_s=PATIENCE_S) as sender:
                for uid in [uid for uid in self.data_sets if uid not in self.acknowledged]:
                    self.store(sender, uid)
                assert sender.echo() == 0
                sender.release()
        except (Aborted, Rejected, ConnectionError) as error:
            self.broken = repr(error)

    def store(self, sender: RawSender, uid: str) -> Sent:
        """Send one instance in an association of somebody's."""
        data_set = self.data_sets[uid]
        sent = sender.store(sop_class=CT_IMAGE, sop_uid=uid, transfer_syntax=EXPLICIT, data_set=data_set)
        if sent.status:
            self.refused.append(sent.status)
            self.comments.append(sent.comment)
        else:
            self.acknowledged[uid] = digest_of(data_set)
        return sent


def device_with(*rows: int) -> Device:
    """Give a device with an instance of as many rows of 512 pixels, each of its own number."""
    uids = [f"2.25.1.1.{n}" for n in range(11, 11 + len(rows))]
    return Device(
        {
            uid: make_ct(sop_uid=uid, number=n, rows=height, columns=512)
            for n, (uid, height) in enumerate(zip(uids, rows, strict=True), start=11)
        }
    )


def digest_of(data_set: bytes) -> str:
    return hashlib.sha256(data_set).hexdigest()
