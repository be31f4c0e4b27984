"""Where signed reports go: the clinic's own PACS, edited by an administrator.

A change stands under the version that its editor saw. A destination that is gone
takes its undelivered reports out of the queue, visibly.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from node.database.port import Database, Statement, read_as
from node.errors import FieldMissing, NotFound
from node.events import Event
from node.names import AETitle, Cause, Subject
from node.node import Node
from node.people.audit import Acting, record_act

_COLUMNS = "id, name, aet, host, port, enabled, version"
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:]{2,45}")
LONGEST_NAME = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A storage SCP that takes reports."""

    id: str
    name: str
    aet: AETitle
    host: str
    port: int
    enabled: bool
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationForm:
    """What an administrator typed; may still be wrong."""

    name: str
    aet: str
    host: str
    port: int
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationChanged(Event):
    """A destination was added or edited. Subject ``destination/ID``."""

    name: str
    aet: str
    host: str
    port: int
    enabled: bool
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationRemoved(Event):
    """Nothing is sent there any more."""

    by: str


def list_destinations(database: Database) -> list[Destination]:
    """Give all destinations by name."""
    return read_as(database, Destination, f"SELECT {_COLUMNS} FROM destination ORDER BY name, id")


def get_destination(database: Database, id_: str) -> Destination:
    """Give one destination.

    Raises
    ------
    NotFound
        It was removed, or never here.
    """
    found = peek_destination(database, id_)
    if found is None:
        raise NotFound("Reading the destination failed: it was removed. Load the list again.")
    return found


def peek_destination(database: Database, id_: str) -> Destination | None:
    """Give one destination; None when it was removed."""
    rows = read_as(database, Destination, f"SELECT {_COLUMNS} FROM destination WHERE id = ?", (id_,))
    return rows[0] if rows else None


def add_destination(node: Node, by: Acting, form: DestinationForm, *, address: str = "") -> Destination:
    """Add a destination; reports signed from now on go there.

    Raises
    ------
    FieldMissing
        Names the field that is empty or wrong.
    """
    made = _checked(form, id_=node.new_id(), version=1)
    insert = Statement(
        f"INSERT INTO destination ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (made.id, made.name, made.aet, made.host, made.port, int(made.enabled), made.version),
    )
    node.write([insert, *_told(node, by, made, act="add-destination", address=address)])
    return made


def change_destination(
    node: Node, by: Acting, id_: str, form: DestinationForm, *, version: int | None = None, address: str = ""
) -> Destination:
    """Edit a destination; with ``version`` only if nobody else did since.

    Raises
    ------
    FieldMissing
        Names the field that is empty or wrong.
    Conflict
        Somebody edited it first.
    NotFound
        It was removed.
    """
    seen = get_destination(node.database, id_).version if version is None else version
    made = _checked(form, id_=id_, version=seen + 1)
    update = Statement(
        "UPDATE destination SET name = ?, aet = ?, host = ?, port = ?, enabled = ?, version = ?"
        " WHERE id = ? AND version = ?",
        (made.name, made.aet, made.host, made.port, int(made.enabled), made.version, id_, seen),
        expect=1,
        refusal="Changing the destination was refused: somebody else changed it first. Load it again.",
    )
    node.write([update, *_told(node, by, made, act="change-destination", address=address)])
    return made


def remove_destination(node: Node, by: Acting, id_: str, *, address: str = "") -> None:
    """Remove a destination; what was not delivered there is given up and says why."""
    gone = get_destination(node.database, id_)
    event = DestinationRemoved(by=by.id)
    subject = _subject(id_)
    node.write(
        [
            Statement("DELETE FROM destination WHERE id = ? AND version = ?", (id_, gone.version), expect=1),
            Statement(
                "UPDATE delivery SET state = 'given-up', last_error = ?"
                " WHERE destination = ? AND state IN ('waiting', 'failing')",
                ("Sending the report was given up: its destination was removed.", id_),
            ),
            *node.journal.append(subject, [event], after=gone.version, cause=Cause(node.new_id())),
            record_act(node, by, act="remove-destination", subject=subject, address=address),
        ]
    )


def _told(node: Node, by: Acting, made: Destination, *, act: str, address: str) -> list[Statement]:
    event = DestinationChanged(
        name=made.name, aet=made.aet, host=made.host, port=made.port, enabled=made.enabled, by=by.id
    )
    subject = _subject(made.id)
    return [
        *node.journal.append(subject, [event], after=made.version - 1, cause=Cause(node.new_id())),
        record_act(node, by, act=act, subject=subject, address=address),
    ]


def _subject(id_: str) -> Subject:
    return Subject(f"destination/{id_}")


def _checked(form: DestinationForm, *, id_: str, version: int) -> Destination:
    """Give what was typed, trimmed, if it can work."""
    name, aet, host = form.name.strip(), form.aet.strip(), form.host.strip()
    if not name or len(name) > LONGEST_NAME:
        raise _wrong("name", f"write 1 to {LONGEST_NAME} characters, such as 本院PACS")
    if not is_ae_title(aet):
        raise _wrong("aet", "an AE title has 1 to 16 characters of ASCII and no backslash")
    if not _HOST.fullmatch(host):
        raise _wrong("host", "write a host name or an address, without port")
    if not 0 < form.port < 65536:
        raise _wrong("port", "it must be 1 to 65535; PACS often listen on 104 or 11112")
    return Destination(
        id=id_,
        name=name,
        aet=AETitle(aet),
        host=host,
        port=form.port,
        enabled=form.enabled,
        version=version,
    )


def is_ae_title(text: str) -> bool:
    """Say whether a text can be an AE title.

    Source: DICOM PS3.5 6.2 (AE).
    """
    return 0 < len(text) <= 16 and all(" " <= character <= "~" and character != "\\" for character in text)


def _wrong(field: str, advice: str) -> FieldMissing:
    return FieldMissing(f"Saving the destination was refused: {field} cannot be used; {advice}.", name=field)
