"""Devices as they stand in the table: seen and waiting, or with the rule that was given for them."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from node.clock import Micros
from node.database.port import Database, read_as, text
from node.dimse.classes import Classes
from node.dimse.rule_form import RuleKey
from node.dimse.rules import Rule, Rules
from node.node import Node

COLUMNS = (
    "calling, address, certificate, for_called, rule, version, issuer, trust_issuer, department, classes, others,"
    " at_once, reads, called, shown, first_at, last_at, refusals"
)


_ORIGINS = (
    # From one origin to the next by the key: a DISTINCT would read every study.
    "WITH RECURSIVE held (origin) AS (SELECT min(origin) FROM study UNION ALL"
    " SELECT (SELECT min(study.origin) FROM study WHERE study.origin > held.origin) FROM held WHERE held.origin IS NOT NULL)"
    " SELECT origin FROM held WHERE origin IS NOT NULL AND origin <> ?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device that sent or tried to, or a rule for some; rule: ``unknown``, ``admitted``, ``blocked``."""

    calling: str
    address: str
    certificate: str
    for_called: str
    rule: str
    version: int
    issuer: str
    trust_issuer: bool
    department: str
    classes: str
    """JSON list."""
    others: bool
    at_once: int
    reads: str
    """``nothing``, ``own`` or ``every-origin``."""
    called: str
    """What it called last."""
    shown: str
    """The certificate it showed last, by its SHA-256."""
    first_at: Micros
    last_at: Micros
    """0 before the first time."""
    refusals: int

    @property
    def key(self) -> RuleKey:
        return RuleKey(
            calling=self.calling, address=self.address, certificate=self.certificate, called=self.for_called
        )

    @property
    def class_names(self) -> tuple[str, ...]:
        return msgspec.json.decode(self.classes.encode(), type=tuple[str, ...])

    def as_rule(self) -> Rule:
        """Give the rule as it is published."""
        return Rule(
            calling=self.calling,
            address=self.address,
            certificate=self.certificate,
            called=self.for_called,
            admitted=self.rule == "admitted",
            version=self.version,
            issuer=self.issuer,
            trust_issuer=self.trust_issuer,
            department=self.department,
            classes=Classes(names=self.class_names, others=self.others),
            at_once=self.at_once,
            reads=self.reads,
        )


def list_devices(database: Database) -> list[Device]:
    """Give all devices; those waiting for a decision first, then the latest."""
    return read_as(
        database,
        Device,
        f"SELECT {COLUMNS} FROM device ORDER BY rule <> 'unknown', max(first_at, last_at) DESC, calling, address, certificate,"
        " for_called",
    )


def called_titles(node: Node) -> tuple[str, ...]:
    """Give the AE titles that this node answers to."""
    return tuple(dict.fromkeys((node.config.aet, *node.config.dicom.also_called)))


def rules_of(node: Node) -> Rules:
    """Give the rules that stand in the table, in the order of their names."""
    rules = sorted(
        (device.as_rule() for device in list_devices(node.database) if device.rule != "unknown"),
        key=lambda rule: (rule.calling, rule.address, rule.certificate, rule.called),
    )
    called = called_titles(node)
    return Rules(called=called, rules=tuple(rules), origins=_origins(node, called))


def _origins(node: Node, called: tuple[str, ...]) -> dict[str, str]:
    """Give an AE title for each other hospital that studies here come from: its node's id in capitals."""
    rows = node.database.read(_ORIGINS, (node.id,))
    return {title: origin for row in rows if (title := (origin := text(row, "origin")).upper()) not in called}
