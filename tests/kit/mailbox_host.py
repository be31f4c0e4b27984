"""A mailbox host whose owner means harm: it reads and changes the rows and files that it keeps for others.

While a mailbox is held its mail does not leave; what the host does to it meanwhile
is what the recipient then gets. Nothing here knows a key.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from node.bell import Bell
from ops.compose import run_directory
from tests.kit.rows import change_rows, read_rows, rows_of

_HELD = "held/"


@dataclass(frozen=True)
class Mail:
    """An envelope in a mailbox, as its host sees it."""

    recipient: str
    sender: str
    inc: str
    n: int
    """0 is a receipt."""
    envelope: bytes


class MailboxHost:
    """What the owner of a node's state folder can do to others' mail."""

    def __init__(self, state: Path) -> None:
        self._state = state

    @contextmanager
    def holding(self, recipient: str) -> Iterator[None]:
        """Let nothing reach a mailbox's owner until this ends; then all of it, as it then is."""
        held, trigger = _HELD + recipient, f"hold_{recipient}"
        with rows_of(self._state) as rows:
            rows.execute(
                f"CREATE TRIGGER {trigger} AFTER INSERT ON mailbox WHEN NEW.recipient = '{recipient}' BEGIN"
                f" UPDATE OR REPLACE mailbox SET recipient = '{held}' WHERE recipient = NEW.recipient"
                " AND sender = NEW.sender AND inc = NEW.inc AND n = NEW.n; END"
            )
        try:
            yield
        finally:
            with rows_of(self._state) as rows:
                rows.execute(f"DROP TRIGGER {trigger}")
                rows.execute(
                    "UPDATE OR REPLACE mailbox SET recipient = ? WHERE recipient = ?", (recipient, held)
                )
            self._tell(recipient)

    def held(self, recipient: str) -> list[Mail]:
        """Give the numbered mail that is held, oldest first."""
        sql = "SELECT sender, inc, n, envelope FROM mailbox WHERE recipient = ? AND n > 0 ORDER BY arrival"
        return [
            Mail(recipient, row["sender"], row["inc"], row["n"], base64.b64decode(row["envelope"]))
            for row in read_rows(self._state, sql, (_HELD + recipient,))
        ]

    def alter(self, mail: Mail, change: Callable[[bytes], bytes]) -> None:
        """Change the bytes of a held envelope."""
        text = base64.b64encode(change(mail.envelope)).decode()
        sql = "UPDATE mailbox SET envelope = ? WHERE recipient = ? AND sender = ? AND inc = ? AND n = ?"
        assert change_rows(self._state, sql, (text, *_place(mail))) == 1

    def drop(self, mail: Mail) -> None:
        """Lose a held envelope."""
        sql = "DELETE FROM mailbox WHERE recipient = ? AND sender = ? AND inc = ? AND n = ?"
        assert change_rows(self._state, sql, _place(mail)) == 1

    def put(self, mail: Mail, *, into: str = "") -> None:
        """Put an envelope into a mailbox, as if it had just come."""
        recipient = into or mail.recipient
        self._tell(recipient)
        with rows_of(self._state) as rows:
            rows.execute(
                "INSERT OR REPLACE INTO mailbox (recipient, sender, inc, n, arrival, bytes, envelope, envelope_digest, at)"
                " SELECT recipient, ?, ?, ?, arrival, ?, ?, '', 0 FROM mailbox_count WHERE recipient = ?",
                (
                    mail.sender,
                    mail.inc,
                    mail.n,
                    len(mail.envelope),
                    base64.b64encode(mail.envelope).decode(),
                    recipient,
                ),
            )
        self._tell(recipient)

    def sealed_files(self) -> list[Path]:
        """Give the sealed files that lie here whole, the newest last."""
        files = (self._state / "blobs").glob("[0-9a-f][0-9a-f]/*")
        return sorted(files, key=lambda path: path.stat().st_mtime_ns)

    def _tell(self, recipient: str) -> None:
        """Let whoever collects be served: its mailbox has grown."""
        change_rows(
            self._state, "UPDATE mailbox_count SET arrival = arrival + 1 WHERE recipient = ?", (recipient,)
        )
        bell = Bell(run_directory(self._state))
        bell.ring()
        bell.close()


def flipped(content: bytes) -> bytes:
    """Give bytes with one bit changed near the end, where content is."""
    at = len(content) - 100
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def _place(mail: Mail) -> tuple[str, str, str, int]:
    return (_HELD + mail.recipient, mail.sender, mail.inc, mail.n)
