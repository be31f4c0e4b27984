"""The certificate of a deletion: what it says, and that it is checked without the node that wrote it."""

from __future__ import annotations

import json

import pytest

from node.archive.deletion.certificate import certificate_text, read_certificate
from node.errors import Damaged, InvalidRequest
from node.node import Node
from tests.kit.archived_study import archive
from tests.kit.clock import FrozenClock
from tests.kit.deleting import delete, erase_all
from tests.kit.merging import KEY, STUDY
from tests.kit.planting import planted


def test_the_certificate_says_all_of_it_and_is_checked_without_the_node(
    node: Node, clock: FrozenClock
) -> None:
    archive(node)
    done = erase_all(node, delete(node), clock)
    written = certificate_text(node, done)
    certificate = read_certificate(written, key=node.keys.verify_key)
    deed = certificate.deed
    assert (deed.node, deed.study_uid, deed.instances, deed.code) == ("alpha", STUDY, 6, "mistaken")
    assert (deed.asked.by, deed.approved.by) == ("王主任", "林工")
    assert deed.packages[0].stores == ("store-0", "store-1")
    assert {one.place for one in certificate.removed} >= {"store/store-0", "store/store-1", "packs"}
    assert (deed.retention.years, deed.retention.over) == (30, False)
    (record,) = [one for one in node.journal.of(KEY.subject) if one.type == "study-deleted/1"]
    assert json.loads(record.body)["certificate"] == done.deed


def altered(written: str) -> list[str]:
    """Give certificates that are not what was signed."""
    content = json.loads(written)
    found = []
    for change in (
        lambda one: one["certificate"]["deed"].update(instances=5),
        lambda one: one["certificate"]["deed"]["approved"].update(by="王主任"),
        lambda one: one["certificate"].update(peers=[]) or one["certificate"]["removed"].pop(),
        lambda one: one["certificate"].update(note="and more"),
        lambda one: one.update(signature="A" * 86 + "=="),
    ):
        other = json.loads(written)
        change(other)
        found.append(json.dumps(other))
    assert all(json.loads(one) != content for one in found)
    return found


def test_a_certificate_that_was_altered_is_refused(node: Node, clock: FrozenClock) -> None:
    written = certificate_text(node, erase_all(node, delete(node), clock))
    for other in altered(written):
        with pytest.raises(Damaged):
            read_certificate(other)
    with pytest.raises(Damaged, match="another key"):
        read_certificate(written, key="A" * 43 + "=")
    for nonsense in ("", "{}", "[]", '{"certificate": {}}', json.dumps({**json.loads(written), "more": 1})):
        with pytest.raises(InvalidRequest):
            read_certificate(nonsense)


def test_a_planted_certificate_that_is_believed_is_caught(
    node: Node, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = certificate_text(node, erase_all(node, delete(node), clock))
    planted(monkeypatch, "certificate-believed")
    assert [read_certificate(other).format for other in altered(written)]
