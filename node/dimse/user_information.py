"""User information of an association: how long a PDU may be, who plays which role, what is negotiated beyond.

Pure. Items that this node has no use for are stepped over.

Source: DICOM PS3.8 Annex D; PS3.7 D.3.3.2 (implementation), D.3.3.4 (roles), D.3.3.5 (extended negotiation).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from node.dicom.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION
from node.dimse.items import Malformed, read_items, read_uid, write_item

DEFAULT_MAX_PDU = 16384
"""What a peer that does not say takes; 0 when it says that it has no limit."""
MAX_LENGTH, _IMPLEMENTATION, _ROLES, _VERSION, _EXTENDED = 0x51, 0x52, 0x54, 0x55, 0x56


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """Which roles the requestor of an association plays for a SOP class.

    Source: DICOM PS3.7 D.3.3.4.
    """

    scu: bool
    scp: bool


REQUESTOR_IS_SCU = Roles(scu=True, scp=False)
"""When nothing is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserInformation:
    """What one side says of itself."""

    max_pdu_bytes: int = DEFAULT_MAX_PDU
    """What it takes; 0 for no limit."""
    roles: Mapping[str, Roles] = field(default_factory=dict)
    """By SOP class."""
    extended: Mapping[str, bytes] = field(default_factory=dict)
    """Service class application information, by SOP class."""


def read_user_information(content: bytes) -> UserInformation:
    """Read the user information item.

    Raises
    ------
    Malformed
        An item is cut off, or says not what it is.
    """
    max_pdu, roles, extended = DEFAULT_MAX_PDU, dict[str, Roles](), dict[str, bytes]()
    for kind, value in read_items(content):
        if kind == MAX_LENGTH:
            if len(value) != 4:
                raise Malformed("its maximum length is no number")
            max_pdu = int.from_bytes(value, "big")
        elif kind == _ROLES:
            sop_class, said = _of_class(value)
            if len(said) != 2:
                raise Malformed("its role selection does not say two roles")
            roles[sop_class] = Roles(scu=bool(said[0]), scp=bool(said[1]))
        elif kind == _EXTENDED:
            sop_class, said = _of_class(value)
            extended[sop_class] = said
    return UserInformation(max_pdu_bytes=max_pdu, roles=roles, extended=extended)


def write_user_information(user: UserInformation) -> bytes:
    """Write ours, as the content of its item."""
    return b"".join(
        (
            write_item(MAX_LENGTH, user.max_pdu_bytes.to_bytes(4, "big")),
            write_item(_IMPLEMENTATION, IMPLEMENTATION_CLASS_UID.encode()),
            *(
                write_item(_ROLES, _class(uid) + bytes((roles.scu, roles.scp)))
                for uid, roles in user.roles.items()
            ),
            write_item(_VERSION, IMPLEMENTATION_VERSION.encode()),
            *(write_item(_EXTENDED, _class(uid) + said) for uid, said in user.extended.items()),
        )
    )


def _of_class(value: bytes) -> tuple[str, bytes]:
    """Divide what is said of a SOP class into its UID and the rest."""
    length = int.from_bytes(value[:2], "big")
    if len(value) < 2 or 2 + length > len(value):
        raise Malformed("what it says of a SOP class is cut off")
    return read_uid(value[2 : 2 + length]), value[2 + length :]


def _class(uid: str) -> bytes:
    return len(uid).to_bytes(2, "big") + uid.encode()
