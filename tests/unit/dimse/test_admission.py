from __future__ import annotations

from pathlib import Path

import pytest

from node.database.port import Statement, text
from node.dimse.admission import admit_device, block_device, list_devices, publish_rules
from node.dimse.rules import FILE, Admitted, Refusal, RulesFile, Why, admit
from node.errors import FieldMissing
from node.node import Node
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return bare_node(tmp_path, "alpha", FrozenClock())


def decide(node: Node, calling: str = "CT1", address: str = "10.0.0.7") -> Admitted | Refusal:
    rules = RulesFile(node.state / "landing" / FILE).current()
    return admit(rules, calling=calling, called="ALPHA", address=address)


def test_a_device_is_admitted_at_once_and_the_act_is_kept(node: Node) -> None:
    publish_rules(node)
    assert isinstance(decide(node), Refusal)
    admit_device(node, "person-1", calling="CT1", address="10.0.0.7", issuer="HIS", department="radiology")
    admitted = decide(node)
    assert isinstance(admitted, Admitted)
    assert (admitted.issuer, admitted.department, admitted.version) == ("HIS", "radiology", 1)
    events = node.journal.since(0)
    assert [(event.type, event.subject) for event in events] == [("device-admitted/1", "device/CT1/10.0.0.7")]
    (act,) = node.database.read("SELECT person, act FROM audit")
    assert (text(act, "person"), text(act, "act")) == ("person-1", "device-admitted")


def test_a_blocked_device_is_refused_at_once(node: Node) -> None:
    admit_device(node, "person-1", calling="CT1", address="*")
    assert isinstance(decide(node), Admitted)
    block_device(node, "person-1", calling="CT1", address="*")
    refused = decide(node)
    assert isinstance(refused, Refusal)
    assert refused.why is Why.BLOCKED
    (device,) = list_devices(node.database)
    assert (device.rule, device.version) == ("blocked", 2)


def test_a_device_that_waited_for_a_wider_rule_waits_no_more(node: Node) -> None:
    node.write(
        [
            _seen("CT1", "10.0.0.7"),
            _seen("CT1", "10.0.0.8"),
            _seen("MR1", "10.0.0.9"),
        ]
    )
    admit_device(node, "person-1", calling="CT1", address="*")
    assert [(d.calling, d.address, d.rule) for d in list_devices(node.database)] == [
        ("MR1", "10.0.0.9", "unknown"),
        ("CT1", "*", "admitted"),
    ]


def test_rules_are_published_again_from_the_table(node: Node) -> None:
    admit_device(node, "person-1", calling="CT1", address="*")
    (node.state / "landing" / FILE).unlink()
    publish_rules(node)
    assert isinstance(decide(node), Admitted)


@pytest.mark.parametrize(
    ("calling", "address", "name"),
    [
        ("", "*", "calling"),
        ("A" * 17, "*", "calling"),
        ("CT\\1", "*", "calling"),
        ("CT\n", "*", "calling"),
        ("影像", "*", "calling"),
        ("CT1", "clinic.example", "address"),
        ("CT1", "", "address"),
    ],
)
def test_what_cannot_be_a_device_is_refused_with_the_field(
    node: Node, calling: str, address: str, name: str
) -> None:
    with pytest.raises(FieldMissing) as refused:
        admit_device(node, "person-1", calling=calling, address=address)
    assert refused.value.name == name
    assert list_devices(node.database) == []


def test_words_of_a_rule_are_printable_and_short(node: Node) -> None:
    with pytest.raises(FieldMissing, match="department must be at most 64"):
        admit_device(node, "person-1", calling="CT1", address="*", department="x" * 65)
    admit_device(node, "person-1", calling="CT1", address="::1", department="放射科")
    assert list_devices(node.database)[0].department == "放射科"


def _seen(calling: str, address: str) -> Statement:
    return Statement(
        "INSERT INTO device (calling, address, called, rule, version, issuer, trust_issuer, department, first_at,"
        " last_at, refusals) VALUES (?, ?, 'ALPHA', 'unknown', 0, '', 0, '', 1, 1, 1)",
        (calling, address),
    )
