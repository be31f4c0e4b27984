"""Remote AEs: whom this node calls, for what, and how; edited by an administrator, and by nobody else.

A host or a port comes from this table or not at all: neither a page, nor a C-MOVE
of somebody else, names an address. AE titles are unique here, since a C-MOVE names its destination by
nothing else. A change stands under the version that its editor saw.
"""

from __future__ import annotations

from dataclasses import dataclass

from node.database.port import Database, Statement, Value, read_as, text
from node.database.subset import storable
from node.dimse.remote_form import Remote, RemoteForm, checked_remote
from node.errors import NotFound
from node.events import Event
from node.failpoints import planted
from node.names import Cause, Subject
from node.node import Node
from node.people.audit import Acting, record_act

_COLUMNS = (
    "id, name, aet, host, port, tls, calling, charset, retrieve_by, reports, query, send, worklist, issuer, enabled,"
    " version"
)
_TAKEN = "Saving the remote AE was refused: another one has this AE title. Give each its own."


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteChanged(Event):
    """A remote AE was added or edited. Subject ``remote/ID``."""

    name: str
    aet: str
    host: str
    port: int
    tls: bool
    calling: str
    charset: str
    retrieve_by: str
    uses: list[str]
    enabled: bool
    by: str
    issuer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteRemoved(Event):
    """Nobody calls it any more."""

    by: str


def list_remotes(database: Database) -> list[Remote]:
    """Give all of them by name."""
    return read_as(database, Remote, f"SELECT {_COLUMNS} FROM remote ORDER BY name, id")


def get_remote(database: Database, id_: str) -> Remote:
    """Give one.

    Raises
    ------
    NotFound
        It was removed, or never here.
    """
    if (found := peek_remote_by_id(database, id_)) is None:
        raise NotFound("Reading the remote AE failed: it was removed. Load the list again.")
    return found


def get_remote_named(database: Database, name: str) -> Remote:
    """Give one by its name or its AE title, as people type it.

    Raises
    ------
    NotFound
        There is none; says which there are.
    """
    everyone = list_remotes(database)
    for one in everyone:
        if name in (one.name, one.aet, one.id):
            return one
    known = ", ".join(one.name for one in everyone) or "none yet"
    raise NotFound(f"Calling {name} was refused: no remote AE is named so. Known are: {known}.")


def peek_remote_by_id(database: Database, id_: str) -> Remote | None:
    """Give one; None when it was removed."""
    rows = read_as(database, Remote, f"SELECT {_COLUMNS} FROM remote WHERE id = ?", (id_,))
    return rows[0] if rows else None


def peek_remote(database: Database, aet: str) -> Remote | None:
    """Give whom a C-MOVE names as its destination: one that is switched on and may be sent to, or None.

    Its ``host``, ``port``, ``tls`` and ``charset`` say how; its ``calling`` (empty: the node's own) who calls.

    Source: DICOM PS3.4 C.4.2.1.5 (Move Destination).
    """
    allowed = "" if planted("move-anywhere") else " AND enabled = 1 AND send = 1"
    sql = f"SELECT {_COLUMNS} FROM remote WHERE aet = ?{allowed} ORDER BY id"
    rows = read_as(database, Remote, sql, (storable(aet.strip()),))
    return rows[0] if rows else None


def peek_charset(database: Database, aet: str) -> str:
    """Give what texts must be written in for a remote AE; empty when it reads what comes, or is not known."""
    rows = database.read("SELECT charset FROM remote WHERE aet = ? ORDER BY id", (storable(aet.strip()),))
    return text(rows[0], "charset") if rows else ""


def add_remote(node: Node, by: Acting, form: RemoteForm, *, address: str = "") -> Remote:
    """Add one.

    Raises
    ------
    FieldMissing
        Names the field that is empty or wrong.
    Conflict
        Another one has its AE title.
    """
    made = checked_remote(form, id_=node.new_id(), version=1)
    values = _values(made)
    insert = Statement(
        f"INSERT INTO remote ({_COLUMNS}) SELECT {', '.join('?' * len(values))}"
        " WHERE NOT EXISTS (SELECT 1 FROM remote WHERE aet = ?)",
        (*values, made.aet),
        expect=1,
        refusal=_TAKEN,
    )
    node.write([insert, *_told(node, by, made, act="add-remote", address=address)])
    return made


def change_remote(
    node: Node, by: Acting, id_: str, form: RemoteForm, *, version: int | None = None, address: str = ""
) -> Remote:
    """Edit one; with ``version`` only if nobody else did since.

    Raises
    ------
    FieldMissing
        Names the field that is empty or wrong.
    Conflict
        Somebody edited it first, or another one has its AE title.
    NotFound
        It was removed.
    """
    before = get_remote(node.database, id_)
    seen = before.version if version is None else version
    made = checked_remote(form, id_=id_, version=seen + 1)
    columns = [column for column in _COLUMNS.split(", ") if column != "id"]
    update = Statement(
        f"UPDATE remote SET {', '.join(f'{column} = ?' for column in columns)} WHERE id = ? AND version = ?",
        (*_values(made)[1:], id_, seen),
        expect=1,
        refusal="Changing the remote AE was refused: somebody else changed it first. Load it again.",
    )
    unique = Statement(
        "UPDATE remote SET aet = aet WHERE id = ? AND (aet = ? OR NOT EXISTS"
        " (SELECT 1 FROM remote WHERE aet = ? AND id <> ?))",
        (id_, before.aet if before.aet == made.aet else "", made.aet, id_),
        expect=1,
        refusal=_TAKEN,
    )
    node.write([unique, update, *_told(node, by, made, act="change-remote", address=address)])
    return made


def remove_remote(node: Node, by: Acting, id_: str, *, address: str = "") -> None:
    """Remove one; reports that were not delivered there are given up and say why."""
    gone = get_remote(node.database, id_)
    subject = _subject(id_)
    after = node.journal.version(subject)
    node.write(
        [
            Statement("DELETE FROM remote WHERE id = ? AND version = ?", (id_, gone.version), expect=1),
            Statement(
                "UPDATE delivery SET state = 'given-up', last_error = ?"
                " WHERE destination = ? AND state IN ('waiting', 'failing')",
                ("Sending the report was given up: its destination was removed.", id_),
            ),
            *node.journal.append(subject, [RemoteRemoved(by=by.id)], after=after, cause=Cause(node.new_id())),
            record_act(node, by, act="remove-remote", subject=subject, address=address),
        ]
    )


def _values(one: Remote) -> tuple[Value, ...]:
    return (
        one.id, one.name, one.aet, one.host, one.port, int(one.tls), one.calling, one.charset, one.retrieve_by,
        int(one.reports), int(one.query), int(one.send), int(one.worklist), one.issuer, int(one.enabled), one.version,
    )  # fmt: skip


def _told(node: Node, by: Acting, made: Remote, *, act: str, address: str) -> list[Statement]:
    event = RemoteChanged(
        name=made.name,
        aet=made.aet,
        host=made.host,
        port=made.port,
        tls=made.tls,
        calling=made.calling,
        charset=made.charset,
        retrieve_by=made.retrieve_by,
        uses=list(made.uses),
        enabled=made.enabled,
        by=by.id,
        issuer=made.issuer,
    )
    subject = _subject(made.id)
    after = node.journal.version(subject)
    return [
        *node.journal.append(subject, [event], after=after, cause=Cause(node.new_id())),
        record_act(node, by, act=act, subject=subject, address=address),
    ]


def _subject(id_: str) -> Subject:
    return Subject(f"remote/{id_}")
