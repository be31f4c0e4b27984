from __future__ import annotations

import pytest

from node.database.port import Statement, text
from node.dimse.admission import admit_device, block_device, publish_rules, remove_rule, save_rule
from node.dimse.classes import Classes
from node.dimse.devices import list_devices
from node.dimse.rule_form import RuleForm, RuleKey
from node.dimse.rules import FILE, FORMAT, Admitted, Refusal, RulesFile, Why, admit
from node.errors import Conflict, FieldMissing
from node.node import Node


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
    assert [(event.type, event.subject) for event in events] == [("device-admitted/3", "device/CT1/10.0.0.7")]
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


DIGEST = "ab" * 32


def form(calling: str = "CT1", address: str = "10.0.0.0/8", **more: object) -> RuleForm:
    key = RuleKey(
        calling=calling,
        address=address,
        certificate=str(more.pop("certificate", "*")),
        called=str(more.pop("called", "*")),
    )
    return RuleForm(key=key, admitted=bool(more.pop("admitted", True)), **more)  # type: ignore[arg-type]


def test_a_whole_rule_is_kept_published_and_told(node: Node) -> None:
    save_rule(
        node,
        "person-1",
        form(
            certificate=DIGEST.upper(), called="ALPHA", issuer="HIS", trust_issuer=True, department="CT",
            classes=("SR", "CT"), others=False, at_once=4,
        ),
    )  # fmt: skip
    rules = RulesFile(node.state / "landing" / FILE).current()
    assert rules.format == FORMAT
    (rule,) = rules.rules
    assert rule.name == f"CT1@10.0.0.0/8 #{DIGEST} >ALPHA"
    assert rule.classes == Classes(names=("CT", "SR"), others=False)
    assert (rule.at_once, rule.trust_issuer, rule.version) == (4, True, 1)
    (event,) = node.journal.since(0)
    assert event.subject == f"device/CT1/10.0.0.0/8 #{DIGEST} >ALPHA"


def test_of_two_administrators_who_edit_the_same_rule_one_is_refused(node: Node) -> None:
    save_rule(node, "first", form(), version=0)
    with pytest.raises(Conflict, match="somebody else changed it first"):
        save_rule(node, "second", form(department="MR"), version=0)
    save_rule(node, "first", form(department="CT"), version=1)
    with pytest.raises(Conflict):
        save_rule(node, "second", form(department="MR"), version=1)
    with pytest.raises(Conflict):
        remove_rule(node, "second", form().key, version=1)
    with pytest.raises(Conflict):
        block_device(node, "second", calling="CT1", address="10.0.0.0/8", version=1)
    (device,) = list_devices(node.database)
    assert (device.department, device.version, len(node.journal.since(0))) == ("CT", 2, 2)


def test_two_who_read_the_same_version_do_not_both_write(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the reading of the second and its batch the first one writes."""
    save_rule(node, "first", form(), version=0)
    read, done = list_devices(node.database), []

    def stale(_: object) -> list[object]:
        if not done:
            done.append(True)
            return list(read)
        return list(list_devices(node.database))

    save_rule(node, "first", form(department="CT"), version=1)
    monkeypatch.setattr("node.dimse.admission.list_devices", stale)
    with pytest.raises(Conflict, match="somebody else changed it first"):
        save_rule(node, "second", form(department="MR"), version=1)


def test_a_rule_that_is_for_others_now_takes_the_place_of_the_old_one(node: Node) -> None:
    admit_device(node, "person-1", calling="CT1", address="10.0.0.7", issuer="HIS")
    opened = RuleKey(calling="CT1", address="10.0.0.7")
    save_rule(node, "person-1", form(issuer="HIS"), version=1, replaces=opened)
    assert [device.key.name for device in list_devices(node.database)] == ["CT1@10.0.0.0/8"]
    assert isinstance(decide(node, address="10.9.9.9"), Admitted)
    told = [(event.type, event.subject) for event in node.journal.since(1)]
    assert sorted(told) == [
        ("device-admitted/3", "device/CT1/10.0.0.0/8"),
        ("device-rule-removed/1", "device/CT1/10.0.0.7"),
    ]
    save_rule(node, "person-1", form("MR1", "*"))
    with pytest.raises(Conflict, match=r"there is one for MR1@\*"):
        save_rule(node, "person-1", form("MR1", "*"), version=1, replaces=form().key)


def test_a_device_that_waited_may_become_a_rule_for_others(node: Node) -> None:
    node.write([_seen("CT1", "10.0.0.7")])
    opened = RuleKey(calling="CT1", address="10.0.0.7")
    save_rule(node, "person-1", form("CT2", "10.0.0.0/24"), version=0, replaces=opened)
    assert [device.key.name for device in list_devices(node.database)] == ["CT2@10.0.0.0/24"]
    assert [event.type for event in node.journal.since(0)] == ["device-admitted/3"]


def test_a_removed_rule_decides_nothing_and_its_versions_are_not_used_again(node: Node) -> None:
    admit_device(node, "person-1", calling="CT1", address="*", department="wide")
    block_device(node, "person-1", calling="CT1", address="10.0.0.7")
    remove_rule(node, "person-1", RuleKey(calling="CT1", address="10.0.0.7"), version=1)
    admitted = decide(node)
    assert isinstance(admitted, Admitted)
    assert admitted.department == "wide"
    with pytest.raises(Conflict, match="there is none any more"):
        remove_rule(node, "person-1", RuleKey(calling="CT1", address="10.0.0.7"))
    block_device(node, "person-1", calling="CT1", address="10.0.0.7")
    assert {device.version for device in list_devices(node.database)} == {1, 3}
    acts = node.database.read("SELECT act FROM audit ORDER BY id")
    assert [text(act, "act") for act in acts].count("device-rule-removed") == 1


def test_a_device_that_waits_is_forgotten_without_a_word(node: Node) -> None:
    node.write([_seen("CT1", "10.0.0.7")])
    remove_rule(node, "person-1", RuleKey(calling="CT1", address="10.0.0.7"), version=0)
    assert list_devices(node.database) == []
    assert node.journal.since(0) == []


def test_a_network_ends_the_waiting_of_those_in_it_only(node: Node) -> None:
    node.write([_seen("CT1", "10.0.0.7"), _seen("CT1", "10.0.1.7"), _seen("CT1", "100.0.0.1")])
    save_rule(node, "person-1", form("*", "10.0.0.0/24", certificate="some"))
    assert len(list_devices(node.database)) == 4, "whether they have a certificate is not known"
    save_rule(node, "person-1", form("*", "10.0.0.0/24"))
    waiting = [d.address for d in list_devices(node.database) if d.rule == "unknown"]
    assert waiting == ["10.0.1.7", "100.0.0.1"]


def test_blocking_for_a_day_keeps_what_the_rule_says(node: Node) -> None:
    save_rule(node, "person-1", form(classes=("CT",), others=False, at_once=2))
    block_device(node, "person-1", calling="CT1", address="10.0.0.0/8")
    admit_device(node, "person-1", calling="CT1", address="10.0.0.0/8", issuer="HIS")
    (device,) = list_devices(node.database)
    assert (device.class_names, device.others, device.at_once, device.version) == (("CT",), False, 2, 3)


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"address": "10.0.0.1/8"}, "address"),
        ({"address": "fe80::1%eth0"}, "address"),
        ({"certificate": "abc"}, "certificate"),
        ({"called": "BETA"}, "called"),
        ({"classes": ("XX",)}, "classes"),
        ({"classes": ("1.02",)}, "classes"),
        ({"classes": (), "others": False}, "classes"),
        ({"classes": tuple(f"1.{n}" for n in range(1, 202))}, "classes"),
        ({"at_once": -1}, "atOnce"),
        ({"at_once": 1001}, "atOnce"),
        ({"issuer": "x" * 65}, "issuer"),
    ],
)
def test_each_field_of_a_rule_that_cannot_be_is_named(
    node: Node, wrong: dict[str, object], name: str
) -> None:
    with pytest.raises(FieldMissing) as refused:
        save_rule(node, "person-1", form(**wrong))  # type: ignore[arg-type]
    assert refused.value.name == name
    assert list_devices(node.database) == []


def _seen(calling: str, address: str) -> Statement:
    return Statement(
        "INSERT INTO device (calling, address, called, rule, version, issuer, trust_issuer, department, first_at,"
        " last_at, refusals) VALUES (?, ?, 'ALPHA', 'unknown', 0, '', 0, '', 1, 1, 1)",
        (calling, address),
    )
