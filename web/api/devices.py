"""Devices that sent or tried to, and the rule that the node administrator gives each."""

from __future__ import annotations

import msgspec

from node.clock import Micros
from node.dimse.admission import Device, admit_device, block_device, list_devices
from web.api.shapes import Shape
from web.guard import Sees
from web.routes import ADMINISTRATOR, Call, NoBody, route


class DeviceShape(Shape):
    """A device as it was seen; rule: ``unknown``, ``admitted``, ``blocked``."""

    calling: str
    address: str
    called: str
    rule: str
    issuer: str
    department: str
    first_at: Micros
    last_at: Micros
    refusals: int


class DeviceList(Shape):
    """All devices; those waiting for a decision first."""

    items: list[DeviceShape]


class Admission(msgspec.Struct):
    """Let a device in, and say whose Patient IDs it brings and which department it stands in."""

    calling: str
    address: str
    issuer: str = ""
    department: str = ""


class Blocking(msgspec.Struct):
    """Shut a device out."""

    calling: str
    address: str


@route("GET /api/devices", roles=ADMINISTRATOR, sees=Sees.NOTHING)
def show_devices(call: Call[NoBody]) -> DeviceList:
    """Give all devices."""
    return _devices(call)


@route("POST /api/devices/admit", roles=ADMINISTRATOR, sees=Sees.NOTHING, body=Admission)
def admit(call: Call[Admission]) -> DeviceList:
    """Let a device in from its next association on."""
    body = call.body
    admit_device(
        call.node,
        call.person.id,
        calling=body.calling,
        address=body.address,
        issuer=body.issuer,
        department=body.department,
    )
    return _devices(call)


@route("POST /api/devices/block", roles=ADMINISTRATOR, sees=Sees.NOTHING, body=Blocking)
def block(call: Call[Blocking]) -> DeviceList:
    """Shut a device out from its next association on."""
    block_device(call.node, call.person.id, calling=call.body.calling, address=call.body.address)
    return _devices(call)


def _devices(call: Call[NoBody] | Call[Admission] | Call[Blocking]) -> DeviceList:
    return DeviceList(items=[_shape(device) for device in list_devices(call.node.database)])


def _shape(device: Device) -> DeviceShape:
    return DeviceShape(
        calling=device.calling,
        address=device.address,
        called=device.called,
        rule=device.rule,
        issuer=device.issuer,
        department=device.department,
        first_at=device.first_at,
        last_at=device.last_at,
        refusals=device.refusals,
    )


ROUTES = (show_devices, admit, block)
