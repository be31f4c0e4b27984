"""Who may send to this node, decided from one file, so that the receiver needs no database.

A rule is for a calling AE title, an address or network, a certificate and a
called AE title. Of the rules that fit a caller the most exact one counts,
whichever way it decides; without one a device is unknown and refused until an
administrator admits it. The order, each step only where the one before is equal:

1. calling AE title: exact before any
2. address: exact before a longer prefix before a shorter one before any
3. certificate: exact before any certificate before none needed
4. called AE title: exact before any of the node's

No two rules are for the same four, so for one caller no two are equally exact.
The file is published by atomic rename (`admission`) and read again when it is another one.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import msgspec

from node.canonical import canonical_json
from node.dimse.classes import EVERYTHING, Classes
from node.dimse.networks import ANY, covers, exactness
from node.durable import put_file
from node.errors import Unavailable
from node.failpoints import planted

FILE = "rules.json"
FORMAT = 3
"""1 had neither certificate, called AE title, classes nor a limit: what it leaves out is any, all and none.
2 let nobody read.
"""
NOTHING, OWN, EVERY_ORIGIN = "nothing", "own", "every-origin"
"""What a device may find and retrieve; the last also what peers sent, under the AE title of each."""
READS = (NOTHING, OWN, EVERY_ORIGIN)
SOME = "some"
"""In place of a certificate: the caller must show one that the node trusts, whichever."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What an administrator decided about a device; ``*`` stands for any."""

    calling: str
    address: str
    """An IP address, or a network in CIDR form."""
    admitted: bool
    version: int
    issuer: str
    trust_issuer: bool
    department: str
    certificate: str = ANY
    """SHA-256 of the caller's certificate in DER, in hex; ``some`` when it must have one."""
    called: str = ANY
    classes: Classes = EVERYTHING
    at_once: int = 0
    """Associations that each device of this rule may have open; 0: as many as the node has places."""
    reads: str = NOTHING

    @property
    def name(self) -> str:
        return rule_name(self.calling, self.address, certificate=self.certificate, called=self.called)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """All of them, and the AE titles this node answers to."""

    called: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    origins: dict[str, str] = field(default_factory=dict)
    """AE titles under which studies of other hospitals are found, and their nodes."""
    format: int = FORMAT
    """Files of format 1 do not say it; they read as what they meant."""


class Why(StrEnum):
    """Why an association, or an instance in one, is refused."""

    UNKNOWN = "unknown"
    BLOCKED = "blocked"
    CALLED = "called"
    SOP_CLASS = "sop-class"

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
    classes: Classes = EVERYTHING
    at_once: int = 0
    reads: str = NOTHING
    origin: str = ""
    """The other hospital whose studies were called for; empty for this node's own."""

    @property
    def name(self) -> str:
        return self.rule

    @property
    def stores(self) -> bool:
        """Whether it may send: not to the AE title of another hospital."""
        return not self.origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A device may not send, or not this."""

    why: Why
    words: str
    rule: str = ""


class Taking(Protocol):
    """What takes instances: a rule, or what an association got from it."""

    @property
    def name(self) -> str: ...

    @property
    def classes(self) -> Classes: ...


def rule_name(calling: str, address: str, *, certificate: str, called: str) -> str:
    """Give a rule's name: ``CALLING@ADDRESS``, and what else it asks for."""
    shown = "" if certificate == ANY else f" #{certificate}"
    return f"{calling}@{address}{shown}" + ("" if called == ANY else f" >{called}")


def admit(
    rules: Rules, *, calling: str, called: str, address: str, certificate: str = ""
) -> Admitted | Refusal:
    """Decide whether an association may be opened.

    Parameters
    ----------
    certificate
        SHA-256 of the certificate that the caller showed and the node trusts; empty without one.
    """
    fitting = [rule for rule in rules.rules if _fits(rule, calling, address, certificate)]
    rule = _most_exact([rule for rule in fitting if rule.called in (ANY, called)])
    who = f"{calling} at {address}"
    elsewhere = (
        f"{calling} called {called}, which this node is not. Set {' or '.join(rules.called)} at the device."
    )
    if rule is None:
        other = _most_exact(fitting)
        if other is not None and other.admitted and called not in rules.called:
            return Refusal(why=Why.CALLED, words=elsewhere, rule=other.name)
        words = f"{who} is not known here. Admit or block it under Devices."
        return Refusal(why=Why.UNKNOWN, words=words)
    if not rule.admitted and not planted("blocked-rule-ignored"):
        return Refusal(why=Why.BLOCKED, words=f"{who} is blocked under Devices.", rule=rule.name)
    reads_all = rule.reads == EVERY_ORIGIN or planted("alias-for-all")
    origin = rules.origins.get(called, "") if reads_all else ""
    if called not in rules.called and not origin:
        return Refusal(why=Why.CALLED, words=elsewhere, rule=rule.name)
    return Admitted(
        rule=rule.name,
        version=rule.version,
        issuer=rule.issuer,
        trust_issuer=rule.trust_issuer,
        department=rule.department,
        classes=rule.classes,
        at_once=rule.at_once,
        reads=rule.reads,
        origin=origin,
    )


def takes(rule: Taking, sop_class: str) -> Refusal | None:
    """Say why a rule does not take instances of a SOP class; None when it does."""
    if rule.classes.take(sop_class):
        return None
    words = (
        f"rule {rule.name} does not take SOP class {sop_class}. Change the rule under Devices, or the device."
    )
    return Refusal(why=Why.SOP_CLASS, words=words, rule=rule.name)


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
                    self._rules = _read(self._path.read_bytes())
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
    put_file(path, canonical_json(msgspec.to_builtins(rules)).encode())


def _read(content: bytes) -> Rules:
    """Read what was published, by this version or an earlier one.

    Raises
    ------
    ValidationError
        It is no rules file, or a later version wrote it: what that one asks of callers is not known here.
    """
    rules = msgspec.json.decode(content, type=Rules)
    if rules.format > FORMAT:
        raise msgspec.ValidationError(f"it has format {rules.format}, this version reads up to {FORMAT}")
    return rules


def _fits(rule: Rule, calling: str, address: str, certificate: str) -> bool:
    return (
        rule.calling in (ANY, calling)
        and (rule.certificate in (ANY, certificate) or (rule.certificate == SOME and certificate != ""))
        and covers(rule.address, address)
    )


def _most_exact(fitting: list[Rule]) -> Rule | None:
    """Give the rule that counts, in the order that stands at the top of this file."""
    return max(
        fitting,
        key=lambda rule: (
            rule.calling != ANY,
            exactness(rule.address),
            (ANY, SOME).index(rule.certificate) if rule.certificate in (ANY, SOME) else 2,
            rule.called != ANY,
        ),
        default=None,
    )
