"""Whom the rules would let in: a dry run, with a rule as it is being edited, before anything is written."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace

from node.dimse.classes import Classes
from node.dimse.devices import called_titles, rules_of
from node.dimse.networks import ANY
from node.dimse.rule_form import RuleForm, RuleKey, ae_title, checked_form, checked_key
from node.dimse.rules import SOME, Refusal, Rule, admit, takes
from node.errors import FieldMissing
from node.node import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A caller that might come."""

    calling: str
    called: str = ""
    """Empty for this node's own AE title."""
    address: str
    certificate: str = ""
    sop_class: str = ""
    """Empty: only whether the association is opened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What would be decided; outcome: ``admitted``, or why not (`rules.Why`)."""

    outcome: str
    rule: str
    version: int
    """Of the rule that decides; 0 for one that is not saved, or none."""
    words: str
    """Why not; empty when it would be let in."""


def preview(
    node: Node, asked: Asked, *, draft: RuleForm | None = None, replaces: RuleKey | None = None
) -> Verdict:
    """Decide about a caller by the rules that stand, and by one being edited, in place of the one it replaces.

    Raises
    ------
    FieldMissing
        Names the field that cannot be used.
    """
    rules = rules_of(node)
    if draft is not None:
        new = _as_rule(_checked_draft(node, draft))
        gone = {new.name, new.name if replaces is None else replaces.name}
        rules = replace(rules, rules=(*(rule for rule in rules.rules if rule.name not in gone), new))
    decided = admit(
        rules,
        calling=ae_title("calling", asked.calling),
        called=asked.called.strip() or node.config.aet,
        address=_address(asked.address),
        certificate=_certificate(asked.certificate),
    )
    versions = {rule.name: rule.version for rule in rules.rules}
    if not isinstance(decided, Refusal) and asked.sop_class:
        decided = takes(decided, asked.sop_class.strip()) or decided
    if isinstance(decided, Refusal):
        return Verdict(
            outcome=decided.why.value,
            rule=decided.rule,
            version=versions.get(decided.rule, 0),
            words=decided.words,
        )
    return Verdict(outcome="admitted", rule=decided.rule, version=decided.version, words="")


def _checked_draft(node: Node, draft: RuleForm) -> RuleForm:
    """Check the edited rule; its fields are told from the caller's by their prefix."""
    try:
        return checked_form(draft, called=called_titles(node))
    except FieldMissing as error:
        raise FieldMissing(error.message, name=f"draft.{error.name}") from error


def _as_rule(form: RuleForm) -> Rule:
    key = form.key
    return Rule(
        calling=key.calling,
        address=key.address,
        certificate=key.certificate,
        called=key.called,
        admitted=form.admitted,
        version=0,
        issuer=form.issuer,
        trust_issuer=form.trust_issuer,
        department=form.department,
        classes=Classes(names=form.classes, others=form.others),
        at_once=form.at_once,
        reads=form.reads,
    )


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError as error:
        raise FieldMissing(
            "Trying the rules was refused: a device comes from one IP address. Write it.", name="address"
        ) from error


def _certificate(text: str) -> str:
    if not text.strip():
        return ""
    key = checked_key(RuleKey(calling=ANY, address=ANY, certificate=text))
    if key.certificate in (ANY, SOME):
        raise FieldMissing(
            "Trying the rules was refused: a device shows one certificate. Write its SHA-256, or nothing.",
            name="certificate",
        )
    return key.certificate
