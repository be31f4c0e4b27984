"""Who may send to this node, decided from one file, so that the receiver needs no database.

A rule is for a calling AE title and an address. The most exact rule counts,
whichever way it decides; without one a device is unknown and refused until an
administrator admits it. The file is published by atomic rename (`admission`)
and read again when it is another one.
"""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import msgspec

from node.canonical import canonical_json
from node.errors import Unavailable
from node.journal.texts import sync_directory

FILE = "rules.json"
ANY = "*"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What an administrator decided about a device; ``*`` stands for any calling AE title or address."""

    calling: str
    address: str
    admitted: bool
    version: int
    issuer: str
    trust_issuer: bool
    department: str

    @property
    def name(self) -> str:
        return f"{self.calling}@{self.address}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """All of them, and the AE titles this node answers to."""

    called: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()


class Why(StrEnum):
    """Why an association is refused."""

    UNKNOWN = "unknown"
    BLOCKED = "blocked"
    CALLED = "called"

    @property
    def diagnostic(self) -> int:
        """The reason in A-ASSOCIATE-RJ: called, or calling AE title not recognised.

        Source: DICOM PS3.8 9.3.4, table 9-21.
        """
        return 7 if self is Why.CALLED else 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A device may send, and this is what its rule knows of it."""

    rule: str
    version: int
    issuer: str
    trust_issuer: bool
    department: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A device may not send."""

    why: Why
    words: str
    rule: str = ""


def admit(rules: Rules, *, calling: str, called: str, address: str) -> Admitted | Refusal:
    """Decide whether an association may be opened."""
    rule = _most_exact(rules, calling, address)
    if rule is None:
        words = f"{calling} at {address} is not known here. Admit or block it under Devices."
        return Refusal(why=Why.UNKNOWN, words=words)
    if not rule.admitted:
        return Refusal(
            why=Why.BLOCKED, words=f"{calling} at {address} is blocked under Devices.", rule=rule.name
        )
    if called not in rules.called:
        words = f"{calling} called {called}, which this node is not. Set {' or '.join(rules.called)} at the device."
        return Refusal(why=Why.CALLED, words=words, rule=rule.name)
    return Admitted(
        rule=rule.name,
        version=rule.version,
        issuer=rule.issuer,
        trust_issuer=rule.trust_issuer,
        department=rule.department,
    )


class RulesFile:
    """The published rules as the receiver sees them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rules = Rules()
        self._seen: tuple[int, int, int] | None = None
        self._lock = threading.Lock()

    def current(self) -> Rules:
        """Give the rules as last published.

        Without a file nobody is let in. A file that cannot be read changes nothing: the rules before it stay.

        Raises
        ------
        Unavailable
            It cannot be read, and there are no rules before it: nobody is to be called unknown for that.
        """
        with self._lock:
            try:
                found = self._path.stat()
                seen = (found.st_mtime_ns, found.st_ino, found.st_size)
                if seen != self._seen:
                    self._rules = msgspec.json.decode(self._path.read_bytes(), type=Rules)
                    self._seen = seen
            except FileNotFoundError:
                self._rules, self._seen = Rules(), None
            except (OSError, msgspec.MsgspecError) as error:
                if self._seen is None:
                    raise Unavailable(
                        f"Deciding about a device failed: {FILE} cannot be read ({error}). Publish the rules again."
                    ) from error
                _LOG.error(
                    "Reading %s failed (%s): the rules before it stay. Publish them again.", FILE, error
                )
            return self._rules


def write_rules(path: Path, rules: Rules) -> None:
    """Put the rules in place, whole and synced."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    scratch = path.with_suffix(f".{os.getpid()}.part")
    with scratch.open("w", encoding="utf-8") as file:
        file.write(canonical_json(msgspec.to_builtins(rules)))
        file.flush()
        os.fsync(file.fileno())
    scratch.rename(path)
    sync_directory(path.parent)


def _most_exact(rules: Rules, calling: str, address: str) -> Rule | None:
    """Give the rule that counts: an exact AE title before an exact address before none."""
    fitting = [
        rule for rule in rules.rules if rule.calling in (ANY, calling) and rule.address in (ANY, address)
    ]
    return max(fitting, key=lambda rule: (rule.calling != ANY, rule.address != ANY), default=None)
