"""Devices, and what an administrator decides about them.

Each decision is a row, an event and a new rules file. Who is let in by the file
is decided in `rules`, which the receiver uses without a database.
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from node.clock import Micros
from node.database.port import Database, Statement, read_as
from node.dimse.rules import ANY, FILE, Rule, Rules, write_rules
from node.errors import FieldMissing
from node.events import DeviceAdmitted, DeviceBlocked, Event
from node.names import Cause, Subject
from node.node import Node
from node.people.audit import record_act

LONGEST_AE_TITLE = 16
LONGEST_WORDS = 64
_COLUMNS = (
    "calling, address, called, rule, version, issuer, trust_issuer, department, first_at, last_at, refusals"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device that sent or tried to; rule: ``unknown``, ``admitted``, ``blocked``."""

    calling: str
    address: str
    called: str
    rule: str
    version: int
    issuer: str
    trust_issuer: bool
    department: str
    first_at: Micros
    last_at: Micros
    refusals: int


def list_devices(database: Database) -> list[Device]:
    """Give all devices; those waiting for a decision first, then the latest."""
    return read_as(
        database,
        Device,
        f"SELECT {_COLUMNS} FROM device ORDER BY rule <> 'unknown', last_at DESC, calling, address",
    )


def admit_device(
    node: Node, by: str, *, calling: str, address: str, issuer: str = "", department: str = ""
) -> None:
    """Let a device in, and publish the rules.

    Parameters
    ----------
    by
        Who decided: a person's id.
    calling, address
        The AE title and the IP address; ``*`` for any.
    issuer
        Who gives the Patient IDs that it sends; empty for this node itself.

    Raises
    ------
    FieldMissing
        Names the field that cannot be used.
    Conflict
        Somebody else decided about this device at the same time.
    """
    calling, address = _checked_title(calling), _checked_address(address)
    issuer, department = _checked_words("issuer", issuer), _checked_words("department", department)
    event = DeviceAdmitted(calling=calling, address=address, issuer=issuer, department=department, by=by)
    _decide(
        node,
        by,
        event,
        calling=calling,
        address=address,
        rule="admitted",
        issuer=issuer,
        department=department,
    )


def block_device(node: Node, by: str, *, calling: str, address: str) -> None:
    """Shut a device out, and publish the rules; associations that are open run on.

    Raises
    ------
    FieldMissing
        Names the field that cannot be used.
    Conflict
        Somebody else decided about this device at the same time.
    """
    calling, address = _checked_title(calling), _checked_address(address)
    event = DeviceBlocked(calling=calling, address=address, by=by)
    _decide(node, by, event, calling=calling, address=address, rule="blocked", issuer="", department="")


def publish_rules(node: Node) -> None:
    """Write the rules file from the table; call at start, since a crash may have come between the two."""
    landing = node.state / "landing"
    with _alone(landing):
        rules = tuple(
            Rule(
                calling=device.calling,
                address=device.address,
                admitted=device.rule == "admitted",
                version=device.version,
                issuer=device.issuer,
                trust_issuer=device.trust_issuer,
                department=device.department,
            )
            for device in sorted(
                list_devices(node.database), key=lambda device: (device.calling, device.address)
            )
            if device.rule != "unknown"
        )
        write_rules(landing / FILE, Rules(called=(node.config.aet,), rules=rules))


def _decide(
    node: Node, by: str, event: Event, *, calling: str, address: str, rule: str, issuer: str, department: str
) -> None:
    subject = Subject(f"device/{calling}/{address}")
    now, trusted = node.now(), int(node.config.node.trusted_issuer)
    # Written here first, the device was never seen: what it called and when are then not known.
    decided = Statement(
        f"INSERT INTO device ({_COLUMNS}) VALUES (?, ?, '', ?, 1, ?, ?, ?, ?, ?, 0) ON CONFLICT (calling, address)"
        " DO UPDATE SET rule = excluded.rule, version = device.version + 1, issuer = excluded.issuer,"
        " trust_issuer = excluded.trust_issuer, department = excluded.department",
        (calling, address, rule, issuer, trusted, department, now, now),
    )
    covered = Statement(
        "DELETE FROM device WHERE rule = 'unknown' AND (? = '*' OR calling = ?) AND (? = '*' OR address = ?)",
        (calling, calling, address, address),
    )
    node.write(
        [
            decided,
            covered,
            *node.journal.append(
                subject, [event], after=node.journal.version(subject), cause=Cause(node.new_id())
            ),
            record_act(node, _By(by), act=f"device-{rule}", subject=subject),
        ]
    )
    publish_rules(node)


@dataclass(frozen=True, slots=True)
class _By:
    id: str


def _checked_title(text: str) -> str:
    """Check a calling AE title.

    Source: DICOM PS3.5 table 6.2-1 (AE).
    """
    title = text.strip(" ")
    if (
        not title
        or len(title) > LONGEST_AE_TITLE
        or not title.isascii()
        or not title.isprintable()
        or "\\" in title
    ):
        raise FieldMissing(
            "Deciding about a device was refused: its AE title must be 1 to 16 printable ASCII characters"
            " without a backslash, or '*' for any.",
            name="calling",
        )
    return title


def _checked_address(text: str) -> str:
    if text == ANY:
        return text
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError as error:
        raise FieldMissing(
            "Deciding about a device was refused: its address must be an IP address, or '*' for any.",
            name="address",
        ) from error


def _checked_words(name: str, text: str) -> str:
    words = text.strip()
    if len(words) > LONGEST_WORDS or not words.isprintable():
        raise FieldMissing(
            f"Deciding about a device was refused: its {name} must be at most {LONGEST_WORDS} printable characters.",
            name=name,
        )
    return words


@contextmanager
def _alone(landing: Path) -> Iterator[None]:
    """Let one process at a time read the table and publish: the last to publish has read the newest."""
    landing.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(landing / "rules.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
