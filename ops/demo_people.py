"""Who works in the demo's two hospitals, what they may do, and what is admitted and shared.

Everything goes through the commands that the pages use.
"""

from __future__ import annotations

from dataclasses import dataclass

from federation.consult.pools import create_pool, set_memberships
from federation.policy import change_policy
from node.dimse.admission import admit_device
from node.dimse.remote_form import RemoteForm
from node.dimse.remotes import add_remote
from node.dimse.rules import EVERY_ORIGIN
from node.names import NodeId
from node.node import Node
from node.people.accounts import OPERATOR, create_account, new_one_time_password
from node.people.principals import READER
from node.people.sessions import issue_bearer


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What a person types."""

    user: str
    password: str


def staff_clinic(clinic: Node, *, pacs: tuple[str, str, int] | None) -> dict[str, Login]:
    """Give the clinic a technician and an administrator, admit local senders, share everything with the centre."""
    logins = {
        "technician": _person(clinic, "technician", "李技师 Li", ["technician"]),
        "administrator": _person(clinic, "administrator", "王管理员 Wang", ["administrator"]),
    }
    _admit_anyone_on_this_machine(clinic, department="放射科")
    change_policy(clinic, NodeId("centre"), grant="everything", by=OPERATOR.id)
    if pacs is not None:
        aet, host, port = pacs
        form = RemoteForm(name="本院 PACS", aet=aet, host=host, port=port, reports=True)
        add_remote(clinic, OPERATOR, form)
    return logins


def staff_centre(centre: Node) -> dict[str, Login]:
    """Give the centre two experts of one pool and an administrator."""
    create_pool(centre, OPERATOR, slug="radiology", name="影像诊断中心 Radiology", specialty="radiology")
    logins = {}
    for role, name in (("expert", "陈主任 Chen"), ("expert2", "刘医师 Liu")):
        logins[role] = _person(centre, role, name, ["expert"], pool="centre/radiology")
    logins["administrator"] = _person(centre, "administrator", "赵管理员 Zhao", ["administrator"])
    _admit_anyone_on_this_machine(centre, department="影像科")
    return logins


def reader_token(node: Node) -> str:
    """Issue the bearer token of the principal that reads over DICOMweb."""
    return issue_bearer(node, OPERATOR, principal=READER)


def _person(node: Node, user: str, name: str, roles: list[str], *, pool: str = "") -> Login:
    password = new_one_time_password()
    made = create_account(node, OPERATOR, user=user, name=name, roles=roles, password=password)
    if pool:
        set_memberships(node, OPERATOR, person_id=made.person.id, pools=[pool])
    return Login(user=user, password=password)


def _admit_anyone_on_this_machine(node: Node, *, department: str) -> None:
    """A demo only: any AE title from 127.0.0.1, so that every dcmtk tool may send and ask."""
    admit_device(
        node,
        OPERATOR.id,
        calling="*",
        address="127.0.0.1",
        issuer="HIS",
        department=department,
        reads=EVERY_ORIGIN,
    )
