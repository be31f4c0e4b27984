"""What a node kept under the schema before rules were for networks, certificates and classes: opened by this one."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from node.database.schema import MIGRATIONS
from node.dimse.admission import publish_rules, save_rule
from node.dimse.devices import list_devices
from node.dimse.refusals import FILE as REFUSALS
from node.dimse.registration import register_refusals
from node.dimse.rule_form import RuleForm, RuleKey
from node.dimse.rules import FILE, RulesFile
from node.node import Node
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock

FIXTURE = Path(__file__).parents[2] / "fixtures" / "admission-1"


@pytest.fixture
def node(tmp_path: Path) -> Node:
    state = tmp_path / "alpha"
    landing = state / "landing"
    landing.mkdir(parents=True)
    for name in (FILE, REFUSALS):
        (landing / name).write_bytes((FIXTURE / name).read_bytes())
    with sqlite3.connect(state / "meridian.db") as earlier:
        for sql in MIGRATIONS[0]:
            earlier.execute(sql)
        earlier.execute("PRAGMA user_version = 1")
        earlier.executescript((FIXTURE / "device.sql").read_text())
    earlier.close()
    return bare_node(tmp_path, "alpha", FrozenClock())


def test_each_device_and_decision_is_there_and_says_what_it_said(node: Node) -> None:
    found = {device.key.name: device for device in list_devices(node.database)}
    assert sorted(found) == ["*@10.0.0.9", "CT1@*", "MR1@10.0.0.7", "US9@10.0.0.8"]
    mr = found["MR1@10.0.0.7"]
    assert (mr.rule, mr.version, mr.issuer, mr.trust_issuer) == ("admitted", 2, "HIS", True)
    assert (mr.class_names, mr.others, mr.at_once) == (("*",), True, 0)
    us = found["US9@10.0.0.8"]
    assert (us.rule, us.called, us.first_at, us.last_at, us.refusals) == ("unknown", "BETA", 13, 23, 7)


def test_publishing_again_says_the_same_rules(node: Node) -> None:
    path = node.state / "landing" / FILE
    before = RulesFile(path).current()
    publish_rules(node)
    assert RulesFile(path).current() == before


def test_lines_that_named_a_rule_are_counted_under_it(node: Node) -> None:
    register_refusals(node)
    found = {device.key.name: device for device in list_devices(node.database)}
    assert found["CT1@*"].last_at == 30
    assert len(found) == 4


def test_a_version_goes_on_from_where_it_was(node: Node) -> None:
    key = RuleKey(calling="MR1", address="10.0.0.7")
    save_rule(node, "person-1", RuleForm(key=key, admitted=True, classes=("MR",)), version=2)
    assert {device.key: device.version for device in list_devices(node.database)}[key] == 3
