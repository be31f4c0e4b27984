"""Devices that sent or tried to, the rules that the node administrator gives, and what the rules would decide."""

from __future__ import annotations

from node.clock import Micros
from node.dimse.admission import admit_device, block_device, remove_rule, save_rule
from node.dimse.classes import FAMILIES
from node.dimse.devices import Device, called_titles, list_devices
from node.dimse.networks import ANY
from node.dimse.preview import Asked, preview
from node.dimse.rule_form import RuleForm, RuleKey
from node.dimse.rules import NOTHING
from node.node import Node
from web.api.shapes import Shape
from web.guard import Sees
from web.routes import ADMINISTRATOR, Call, NoBody, route


class DeviceShape(Shape):
    """A device as it was seen, or a rule for some; rule: ``unknown``, ``admitted``, ``blocked``."""

    name: str
    calling: str
    address: str
    certificate: str
    for_called: str
    rule: str
    version: int
    issuer: str
    trust_issuer: bool
    department: str
    classes: tuple[str, ...]
    others: bool
    at_once: int
    reads: str
    called: str
    shown: str
    first_at: Micros
    last_at: Micros
    refusals: int


class DeviceList(Shape):
    """All devices; those waiting for a decision first. With what a rule may name."""

    items: list[DeviceShape]
    called: tuple[str, ...]
    families: tuple[str, ...]


class KeyBody(Shape):
    """Whom a rule is for; ``*`` for any."""

    calling: str
    address: str
    certificate: str = ANY
    called: str = ANY

    def key(self) -> RuleKey:
        return RuleKey(
            calling=self.calling, address=self.address, certificate=self.certificate, called=self.called
        )


class Decision(KeyBody):
    """A rule that its editor saw; ``version`` is what she saw, if she says."""

    version: int | None = None


class Admission(Decision):
    """Let a device in, and say whose Patient IDs it brings and which department it stands in."""

    issuer: str = ""
    department: str = ""


class RuleBody(Admission):
    """A whole rule; ``replaces`` is the edited one when it is for others now."""

    admitted: bool = True
    trust_issuer: bool = False
    classes: tuple[str, ...] = (ANY,)
    others: bool = True
    at_once: int = 0
    reads: str = NOTHING
    replaces: KeyBody | None = None

    def form(self) -> RuleForm:
        return RuleForm(
            key=self.key(),
            admitted=self.admitted,
            issuer=self.issuer,
            trust_issuer=self.trust_issuer,
            department=self.department,
            classes=self.classes,
            others=self.others,
            at_once=self.at_once,
            reads=self.reads,
        )


class Question(Shape):
    """A caller that might come, and a rule being edited."""

    calling: str
    address: str
    called: str = ""
    certificate: str = ""
    sop_class: str = ""
    draft: RuleBody | None = None


class Answer(Shape):
    """What would be decided; outcome: ``admitted``, ``unknown``, ``blocked``, ``called``, ``sop-class``."""

    outcome: str
    rule: str
    version: int
    words: str


@route("GET /api/devices", roles=ADMINISTRATOR, sees=Sees.NOTHING)
def show_devices(call: Call[NoBody]) -> DeviceList:
    """Give all devices."""
    return _devices(call.node)


@route("POST /api/devices/admit", roles=ADMINISTRATOR, sees=Sees.NOTHING, body=Admission)
def admit(call: Call[Admission]) -> DeviceList:
    """Let a device in from its next association on."""
    body = call.body
    admit_device(
        call.node,
        call.person.id,
        calling=body.calling,
        address=body.address,
        certificate=body.certificate,
        called=body.called,
        issuer=body.issuer,
        department=body.department,
        version=body.version,
    )
    return _devices(call.node)


@route("POST /api/devices/block", roles=ADMINISTRATOR, sees=Sees.NOTHING, body=Decision)
def block(call: Call[Decision]) -> DeviceList:
    """Shut a device out from its next association on."""
    body = call.body
    block_device(
        call.node,
        call.person.id,
        calling=body.calling,
        address=body.address,
        certificate=body.certificate,
        called=body.called,
        version=body.version,
    )
    return _devices(call.node)


@route("POST /api/devices/rule", roles=ADMINISTRATOR, sees=Sees.NOTHING, body=RuleBody)
def put_rule(call: Call[RuleBody]) -> DeviceList:
    """Write a whole rule; it counts from the next association on."""
    body = call.body
    replaces = None if body.replaces is None else body.replaces.key()
    save_rule(call.node, call.person.id, body.form(), version=body.version, replaces=replaces)
    return _devices(call.node)


@route("POST /api/devices/remove", roles=ADMINISTRATOR, sees=Sees.NOTHING, body=Decision)
def delete_rule(call: Call[Decision]) -> DeviceList:
    """Take a rule away; what it decided is for the next most exact one."""
    remove_rule(call.node, call.person.id, call.body.key(), version=call.body.version)
    return _devices(call.node)


@route("POST /api/devices/preview", roles=ADMINISTRATOR, sees=Sees.NOTHING, body=Question)
def try_rules(call: Call[Question]) -> Answer:
    """Say what the rules would decide about a caller; nothing is written."""
    body, draft = call.body, call.body.draft
    verdict = preview(
        call.node,
        Asked(
            calling=body.calling,
            called=body.called,
            address=body.address,
            certificate=body.certificate,
            sop_class=body.sop_class,
        ),
        draft=None if draft is None else draft.form(),
        replaces=None if draft is None or draft.replaces is None else draft.replaces.key(),
    )
    return Answer(outcome=verdict.outcome, rule=verdict.rule, version=verdict.version, words=verdict.words)


def _devices(node: Node) -> DeviceList:
    return DeviceList(
        items=[_shape(device) for device in list_devices(node.database)],
        called=called_titles(node),
        families=tuple(FAMILIES),
    )


def _shape(device: Device) -> DeviceShape:
    return DeviceShape(
        name=device.key.name,
        calling=device.calling,
        address=device.address,
        certificate=device.certificate,
        for_called=device.for_called,
        rule=device.rule,
        version=device.version,
        issuer=device.issuer,
        trust_issuer=device.trust_issuer,
        department=device.department,
        classes=device.class_names,
        others=device.others,
        at_once=device.at_once,
        reads=device.reads,
        called=device.called,
        shown=device.shown,
        first_at=device.first_at,
        last_at=device.last_at,
        refusals=device.refusals,
    )


ROUTES = (show_devices, admit, block, put_rule, delete_rule, try_rules)
