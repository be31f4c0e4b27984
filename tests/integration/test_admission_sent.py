"""Rules as devices meet them on the wire: by network, by class, edited while the receiver runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.database.port import text
from node.dimse.admission import publish_rules, save_rule
from node.dimse.registration import register_refusals
from node.dimse.rule_form import RuleForm, RuleKey
from node.dimse.server import Receiver
from node.node import Node
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.instances import CT_IMAGE, EXPLICIT, make_ct
from tests.kit.raw_sender import RawSender, Rejected, Sent
from tests.kit.receiving import receiving, records

LOOPBACK = RuleKey(calling="CT1", address="127.0.0.0/8")


@pytest.fixture
def node(tmp_path: Path) -> Node:
    node = bare_node(tmp_path, "alpha", FrozenClock())
    publish_rules(node)
    return node


def send(receiver: Receiver, n: int) -> Sent:
    """Send one slice as CT1 from this machine."""
    uid = f"2.25.1.1.{n}"
    with RawSender(
        "127.0.0.1", receiver.port, called="ALPHA", calling="CT1", contexts=[(CT_IMAGE, EXPLICIT)]
    ) as sender:
        sent = sender.store(
            sop_class=CT_IMAGE,
            sop_uid=uid,
            transfer_syntax=EXPLICIT,
            data_set=make_ct(sop_uid=uid, number=n),
        )
        sender.release()
    return sent


def test_a_rule_counts_for_the_next_association_while_the_receiver_runs(node: Node) -> None:
    with receiving(node.state) as receiver:
        with pytest.raises(Rejected):
            send(receiver, 1)
        save_rule(node, "person-1", RuleForm(key=LOOPBACK, admitted=True, classes=("SR",), others=False))
        refused = send(receiver, 2)
        assert refused.status == 0x0122
        assert refused.comment.startswith("rule CT1@127.0.0.0/8 does not take SOP class")
        save_rule(node, "person-1", RuleForm(key=LOOPBACK, admitted=True, classes=("SR", "CT"), others=False))
        assert send(receiver, 3).status == 0
        save_rule(node, "person-1", RuleForm(key=RuleKey(calling="CT1", address="127.0.0.1"), admitted=False))
        with pytest.raises(Rejected):
            send(receiver, 4)
    (record,) = records(node.state)
    assert (record.facts.rule, record.facts.rule_version) == ("CT1@127.0.0.0/8", 2)
    register_refusals(node)
    details = [
        text(row, "detail") for row in node.database.read("SELECT detail FROM problem ORDER BY detail")
    ]
    assert any("(0x0122): rule CT1@127.0.0.0/8 does not take" in detail for detail in details)
