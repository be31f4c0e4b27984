from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from node.database.port import text
from node.errors import Conflict, FieldMissing, NotFound
from node.reporting.destinations import (
    DestinationForm,
    add_destination,
    change_destination,
    get_destination,
    list_destinations,
    remove_destination,
)
from node.reporting.document import make_documents
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.reports import put_signed_report


@dataclass(frozen=True)
class Administrator:
    id: str = "person-1"


WHO = Administrator()
PACS = DestinationForm(name="本院PACS", aet="PACS", host="10.0.0.5", port=104)


@pytest.fixture
def node(tmp_path):
    node = bare_node(tmp_path, "alpha", FrozenClock())
    yield node
    node.database.close()
    node.bell.close()


def test_added_destination_is_listed_as_it_was_typed(node):
    made = add_destination(node, WHO, replace(PACS, name=" 本院PACS ", aet=" PACS "))
    assert list_destinations(node.database) == [made]
    assert (made.name, made.aet, made.host, made.port, made.enabled) == (
        "本院PACS",
        "PACS",
        "10.0.0.5",
        104,
        True,
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "  "),
        ("name", "长" * 61),
        ("aet", ""),
        ("aet", "A" * 17),
        ("aet", "影像"),
        ("aet", "A\\B"),
        ("host", ""),
        ("host", "10.0.0.5:104"),
        ("host", "a b"),
        ("host", "-rf"),
        ("port", 0),
        ("port", 65536),
    ],
)
def test_field_that_cannot_work_is_named(node, field, value):
    with pytest.raises(FieldMissing) as refused:
        add_destination(node, WHO, replace(PACS, **{field: value}))
    assert refused.value.name == field
    assert list_destinations(node.database) == []


@pytest.mark.parametrize("host", ["pacs", "pacs.hospital.cn", "127.0.0.1", "::1", "fe80::1"])
def test_host_may_be_a_name_or_an_address(node, host):
    assert add_destination(node, WHO, replace(PACS, host=host)).host == host


def test_second_editor_of_the_same_version_is_refused(node):
    made = add_destination(node, WHO, PACS)
    change_destination(node, WHO, made.id, replace(PACS, port=11112), version=1)
    with pytest.raises(Conflict, match="Load it again"):
        change_destination(node, WHO, made.id, replace(PACS, port=4242), version=1)
    assert get_destination(node.database, made.id).port == 11112


def test_each_change_is_an_event_and_an_audited_act(node):
    made = add_destination(node, WHO, PACS)
    change_destination(node, WHO, made.id, replace(PACS, enabled=False))
    remove_destination(node, WHO, made.id, address="10.0.0.9")
    records = node.journal.of(f"destination/{made.id}")
    assert [record.type for record in records] == [
        "destination-changed/1",
        "destination-changed/1",
        "destination-removed/1",
    ]
    acts = node.database.read("SELECT person, act, address FROM audit")
    assert {text(act, "act"): text(act, "address") for act in acts} == {
        "add-destination": "",
        "change-destination": "",
        "remove-destination": "10.0.0.9",
    }


def test_removed_destination_takes_its_waiting_reports_out_visibly(node):
    made = add_destination(node, WHO, PACS)
    report = put_signed_report(node)
    make_documents(node, report.report_id)
    remove_destination(node, WHO, made.id)
    (row,) = node.database.read("SELECT state, last_error FROM delivery")
    assert row["state"] == "given-up"
    assert "removed" in text(row, "last_error")
    with pytest.raises(NotFound):
        get_destination(node.database, made.id)
