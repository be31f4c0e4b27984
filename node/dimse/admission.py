"""What an administrator decides about devices.

Each decision is a row, an event and a new rules file. Who is let in by the file
is decided in `rules`, which the receiver uses without a database.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from node.canonical import canonical_json
from node.database.port import Statement
from node.dimse.devices import COLUMNS, Device, called_titles, list_devices, rules_of
from node.dimse.networks import ANY, covers
from node.dimse.rule_form import RuleForm, RuleKey, checked_form, checked_key
from node.dimse.rules import FILE, RulesFile, write_rules
from node.errors import Conflict, Unavailable
from node.events import DeviceAdmitted, DeviceBlocked, DeviceRuleRemoved, Event
from node.names import Cause
from node.node import Node
from node.people.audit import record_act

_CHANGED = (
    "Changing a rule was refused: somebody else changed it first. Look at it as it is now, then decide again."
)
_IS_KEY = "calling = ? AND address = ? AND certificate = ? AND for_called = ?"


def admit_device(
    node: Node,
    by: str,
    *,
    calling: str,
    address: str,
    certificate: str = ANY,
    called: str = ANY,
    issuer: str = "",
    department: str = "",
    reads: str | None = None,
    version: int | None = None,
) -> None:
    """Let a device in, and publish the rules; what its rule says beside stays as it was.

    Parameters
    ----------
    by
        Who decided: a person's id.
    calling, address, certificate, called
        Whom the rule is for; ``*`` for any.
    issuer
        Who gives the Patient IDs that it sends; empty for this node itself.
    reads
        What it may find and retrieve; None for what its rule says.
    version
        Of the rule as its editor saw it, 0 for none; None for whichever stands.

    Raises
    ------
    FieldMissing
        Names the field that cannot be used.
    Conflict
        Somebody else decided about this device at the same time.
    """
    key = checked_key(RuleKey(calling=calling, address=address, certificate=certificate, called=called))
    form = replace(_form_of(node, key), admitted=True, issuer=issuer, department=department)
    if reads is not None:
        form = replace(form, reads=reads)
    save_rule(node, by, form, version=version)


def block_device(
    node: Node,
    by: str,
    *,
    calling: str,
    address: str,
    certificate: str = ANY,
    called: str = ANY,
    version: int | None = None,
) -> None:
    """Shut a device out, and publish the rules; associations that are open run on.

    Raises
    ------
    FieldMissing
        Names the field that cannot be used.
    Conflict
        Somebody else decided about this device at the same time.
    """
    key = checked_key(RuleKey(calling=calling, address=address, certificate=certificate, called=called))
    save_rule(node, by, replace(_form_of(node, key), admitted=False), version=version)


def save_rule(
    node: Node,
    by: str,
    form: RuleForm,
    *,
    version: int | None = None,
    replaces: RuleKey | None = None,
) -> None:
    """Write a whole rule, and publish the rules.

    Parameters
    ----------
    version
        Of the rule that its editor saw, 0 for a new one; None for whichever stands.
    replaces
        The rule that was edited, when it is for others now: it goes in the same batch.

    Raises
    ------
    FieldMissing
        Names the field that cannot be used.
    Conflict
        Somebody else decided first, or there is another rule for the same devices.
    """
    form = checked_form(form, called=called_titles(node))
    devices = {device.key: device for device in list_devices(node.database)}
    moved = replaces is not None and replaces != form.key
    edited = devices.get(replaces if replaces is not None else form.key)
    _expect_version(edited, version)
    if moved and (taken := devices.get(form.key)) is not None and taken.version:
        raise Conflict(f"Changing a rule was refused: there is one for {form.key.name}. Edit that one.")
    statements = [_written(node, form, devices.get(form.key))]
    if moved and edited is not None:
        waited = edited.rule == "unknown"
        statements += [_forgotten(edited.key)] if waited else _taken_away(node, by, edited)
    statements += [
        _forgotten(device.key)
        for device in devices.values()
        if device.rule == "unknown" and device.key != form.key and _covers(form.key, device)
    ]
    act = "device-admitted" if form.admitted else "device-blocked"
    _decide(node, by, key=form.key, event=_decided(form, by), act=act, statements=statements)


def remove_rule(node: Node, by: str, key: RuleKey, *, version: int | None = None) -> None:
    """Take a rule away, and publish the rules; a device waiting for a decision is forgotten until it calls again.

    Raises
    ------
    Conflict
        There is none any more, or somebody else changed it.
    """
    key = checked_key(key)
    device = {each.key: each for each in list_devices(node.database)}.get(key)
    if device is None:
        raise Conflict(f"Removing rule {key.name} was refused: there is none any more. Look again.")
    _expect_version(device, version)
    if device.rule == "unknown":
        node.write([_forgotten(key)])
        return
    statements = _taken_away(node, by, device)
    node.write([*statements, record_act(node, _By(by), act="device-rule-removed", subject=key.subject)])
    publish_rules(node)


def publish_rules(node: Node) -> None:
    """Write the rules file from the table; call at start, since a crash may have come between the two."""
    landing = node.state / "landing"
    with _alone(landing):
        write_rules(landing / FILE, rules_of(node))


def republish_rules(node: Node) -> bool:
    """Write the rules file where it says something else than the table; give whether it did."""
    file = RulesFile(node.state / "landing" / FILE)
    try:
        published = file.current()
    except Unavailable:
        published = None  # it cannot be read
    if published == rules_of(node):
        return False
    publish_rules(node)
    return True


def _form_of(node: Node, key: RuleKey) -> RuleForm:
    """Give what stands for these devices as a form; for new ones what the configuration says."""
    device = {each.key: each for each in list_devices(node.database)}.get(key)
    if device is None or device.rule == "unknown":
        return RuleForm(key=key, admitted=True, trust_issuer=node.config.node.trusted_issuer)
    return RuleForm(
        key=key,
        admitted=device.rule == "admitted",
        issuer=device.issuer,
        trust_issuer=device.trust_issuer,
        department=device.department,
        classes=device.class_names,
        others=device.others,
        at_once=device.at_once,
        reads=device.reads,
    )


def _expect_version(device: Device | None, version: int | None) -> None:
    if version is not None and version != (0 if device is None else device.version):
        raise Conflict(_CHANGED)


def _written(node: Node, form: RuleForm, standing: Device | None) -> Statement:
    key, now = form.key, node.now()
    # Counted on over a rule that was removed, so that a version in a record names one wording only.
    version = max(0 if standing is None else standing.version, node.journal.version(key.subject)) + 1
    says = (
        "admitted" if form.admitted else "blocked",
        version,
        form.issuer,
        int(form.trust_issuer),
        form.department,
        canonical_json(list(form.classes)),
        int(form.others),
        form.at_once,
        form.reads,
    )
    for_whom = (key.calling, key.address, key.certificate, key.called)
    if standing is not None:
        return Statement(
            "UPDATE device SET rule = ?, version = ?, issuer = ?, trust_issuer = ?, department = ?, classes = ?,"
            f" others = ?, at_once = ?, reads = ? WHERE {_IS_KEY} AND version = ?",
            (*says, *for_whom, standing.version),
            expect=1,
            refusal=_CHANGED,
        )
    # Written here first, such a device was never seen: what it called and when are then not known.
    return Statement(
        f"INSERT INTO device ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', '', ?, 0, 0)"
        " ON CONFLICT DO NOTHING",
        (*for_whom, *says, now),
        expect=1,
        refusal=_CHANGED,
    )


def _taken_away(node: Node, by: str, device: Device) -> list[Statement]:
    """Give the statements that remove a rule as it was read."""
    key = device.key
    gone = Statement(
        f"DELETE FROM device WHERE {_IS_KEY} AND version = ?",
        (key.calling, key.address, key.certificate, key.called, device.version),
        expect=1,
        refusal=_CHANGED,
    )
    event = DeviceRuleRemoved(
        calling=key.calling, address=key.address, certificate=key.certificate, called=key.called, by=by
    )
    after = node.journal.version(key.subject)
    return [gone, *node.journal.append(key.subject, [event], after=after, cause=Cause(node.new_id()))]


def _forgotten(key: RuleKey) -> Statement:
    return Statement(
        f"DELETE FROM device WHERE {_IS_KEY} AND rule = 'unknown'",
        (key.calling, key.address, key.certificate, key.called),
    )


def _covers(key: RuleKey, waiting: Device) -> bool:
    """Say whether a rule decides about a device that waited; one that asks for a certificate may not."""
    return (
        key.certificate in (ANY, waiting.shown)
        and key.calling in (ANY, waiting.calling)
        and key.called in (ANY, waiting.called)
        and covers(key.address, waiting.address)
    )


def _decided(form: RuleForm, by: str) -> Event:
    key = form.key
    if not form.admitted:
        return DeviceBlocked(
            calling=key.calling, address=key.address, certificate=key.certificate, called=key.called, by=by
        )
    return DeviceAdmitted(
        calling=key.calling,
        address=key.address,
        certificate=key.certificate,
        called=key.called,
        issuer=form.issuer,
        trust_issuer=form.trust_issuer,
        department=form.department,
        classes=form.classes,
        others=form.others,
        at_once=form.at_once,
        reads=form.reads,
        by=by,
    )


def _decide(
    node: Node, by: str, *, key: RuleKey, event: Event, act: str, statements: list[Statement]
) -> None:
    after = node.journal.version(key.subject)
    told = node.journal.append(key.subject, [event], after=after, cause=Cause(node.new_id()))
    node.write([*statements, *told, record_act(node, _By(by), act=act, subject=key.subject)])
    publish_rules(node)


@dataclass(frozen=True, slots=True)
class _By:
    id: str


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
