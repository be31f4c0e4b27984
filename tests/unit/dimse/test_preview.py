from __future__ import annotations

from pathlib import Path

import pytest

from node.dimse.admission import block_device, save_rule
from node.dimse.devices import list_devices
from node.dimse.preview import Asked, preview
from node.dimse.rule_form import RuleForm, RuleKey
from node.errors import FieldMissing
from node.node import Node
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock

MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"


@pytest.fixture
def node(tmp_path: Path) -> Node:
    node = bare_node(tmp_path, "alpha", FrozenClock())
    key = RuleKey(calling="CT1", address="10.0.0.0/8")
    save_rule(node, "p", RuleForm(key=key, admitted=True, classes=("CT",), others=False))
    block_device(node, "p", calling="CT1", address="10.0.0.66")
    return node


def asked(address: str = "10.0.0.7", **more: str) -> Asked:
    return Asked(calling="CT1", address=address, **more)


def test_a_caller_is_told_which_rule_decides_and_why(node: Node) -> None:
    verdict = preview(node, asked())
    assert (verdict.outcome, verdict.rule, verdict.version, verdict.words) == (
        "admitted",
        "CT1@10.0.0.0/8",
        1,
        "",
    )
    verdict = preview(node, asked("10.0.0.66"))
    assert (verdict.outcome, verdict.rule, verdict.version) == ("blocked", "CT1@10.0.0.66", 1)
    assert preview(node, asked("11.0.0.1")).outcome == "unknown"
    assert preview(node, asked(called="BETA")).outcome == "called"
    assert preview(node, asked(sop_class=MR_IMAGE)).outcome == "sop-class"


def test_a_rule_being_edited_counts_in_place_of_the_one_it_replaces(node: Node) -> None:
    before = list_devices(node.database)
    opened = RuleKey(calling="CT1", address="10.0.0.66")
    wider = RuleForm(key=RuleKey(calling="CT1", address="10.0.0.0/24"), admitted=False)
    verdict = preview(node, asked(), draft=wider, replaces=opened)
    assert (verdict.outcome, verdict.rule, verdict.version) == ("blocked", "CT1@10.0.0.0/24", 0)
    same = RuleForm(key=opened, admitted=True)
    assert preview(node, asked("10.0.0.66"), draft=same, replaces=opened).outcome == "admitted"
    assert list_devices(node.database) == before, "nothing is written"


def test_fields_of_the_caller_and_of_the_rule_are_told_apart(node: Node) -> None:
    with pytest.raises(FieldMissing) as wrong:
        preview(node, asked("10.0.0.0/8"))
    assert wrong.value.name == "address"
    with pytest.raises(FieldMissing) as wrong:
        preview(node, asked(certificate="some"))
    assert wrong.value.name == "certificate"
    draft = RuleForm(key=RuleKey(calling="CT1", address="10.0.0.1/8"), admitted=True)
    with pytest.raises(FieldMissing) as wrong:
        preview(node, asked(), draft=draft)
    assert wrong.value.name == "draft.address"
