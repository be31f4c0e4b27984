from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace

import pytest

from node.database.port import text
from node.database.schema import MIGRATIONS
from node.dimse.remote_form import RemoteForm
from node.dimse.remotes import (
    add_remote,
    change_remote,
    get_remote,
    get_remote_named,
    list_remotes,
    peek_remote,
    remove_remote,
)
from node.errors import Conflict, FieldMissing, NotFound
from node.reporting.document import make_documents
from tests.kit.reports import put_signed_report


@dataclass(frozen=True)
class Administrator:
    id: str = "person-1"


WHO = Administrator()
PACS = RemoteForm(reports=True, name="本院PACS", aet="PACS", host="10.0.0.5", port=104)


def test_added_remote_is_listed_as_it_was_typed(node):
    made = add_remote(node, WHO, replace(PACS, name=" 本院PACS ", aet=" PACS "))
    assert list_remotes(node.database) == [made]
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
        ("calling", "影像"),
        ("charset", "KLINGON"),
        ("retrieve_by", "pigeon"),
        ("issuer", "his\x00"),
        ("issuer", "长" * 65),
    ],
)
def test_field_that_cannot_work_is_named(node, field, value):
    with pytest.raises(FieldMissing) as refused:
        add_remote(node, WHO, replace(PACS, **{field: value}))
    assert refused.value.name == field
    assert list_remotes(node.database) == []


@pytest.mark.parametrize("host", ["pacs", "pacs.hospital.cn", "127.0.0.1", "::1", "fe80::1"])
def test_host_may_be_a_name_or_an_address(node, host):
    assert add_remote(node, WHO, replace(PACS, host=host)).host == host


def test_second_editor_of_the_same_version_is_refused(node):
    made = add_remote(node, WHO, PACS)
    change_remote(node, WHO, made.id, replace(PACS, port=11112), version=1)
    with pytest.raises(Conflict, match="Load it again"):
        change_remote(node, WHO, made.id, replace(PACS, port=4242), version=1)
    assert get_remote(node.database, made.id).port == 11112


def test_each_change_is_an_event_and_an_audited_act(node):
    made = add_remote(node, WHO, PACS)
    change_remote(node, WHO, made.id, replace(PACS, enabled=False))
    remove_remote(node, WHO, made.id, address="10.0.0.9")
    records = node.journal.of(f"remote/{made.id}")
    assert [record.type for record in records] == [
        "remote-changed/1",
        "remote-changed/1",
        "remote-removed/1",
    ]
    acts = node.database.read("SELECT person, act, address FROM audit")
    assert {text(act, "act"): text(act, "address") for act in acts} == {
        "add-remote": "",
        "change-remote": "",
        "remove-remote": "10.0.0.9",
    }


def test_removed_destination_takes_its_waiting_reports_out_visibly(node):
    made = add_remote(node, WHO, PACS)
    report = put_signed_report(node)
    make_documents(node, report.report_id)
    remove_remote(node, WHO, made.id)
    (row,) = node.database.read("SELECT state, last_error FROM delivery")
    assert row["state"] == "given-up"
    assert "removed" in text(row, "last_error")
    with pytest.raises(NotFound):
        get_remote(node.database, made.id)


def test_two_remotes_never_have_one_title(node):
    made = add_remote(node, WHO, PACS)
    with pytest.raises(Conflict, match="AE title"):
        add_remote(node, WHO, replace(PACS, name="other"))
    other = add_remote(node, WHO, replace(PACS, name="other", aet="OTHER"))
    with pytest.raises(Conflict, match="AE title"):
        change_remote(node, WHO, other.id, replace(PACS, name="other"))
    change_remote(node, WHO, made.id, replace(PACS, port=4242))
    assert [(one.aet, one.port) for one in list_remotes(node.database)] == [("OTHER", 104), ("PACS", 4242)]


def test_a_move_goes_only_to_whom_one_may_send(node):
    made = add_remote(node, WHO, PACS)
    assert peek_remote(node.database, "PACS") is None
    change_remote(node, WHO, made.id, replace(PACS, send=True, tls=True, charset="GB18030"))
    found = peek_remote(node.database, " PACS ")
    assert found is not None
    assert (found.host, found.port, found.tls, found.charset) == ("10.0.0.5", 104, True, "GB18030")
    change_remote(node, WHO, made.id, replace(PACS, send=True, enabled=False))
    assert peek_remote(node.database, "PACS") is None


def test_a_remote_is_found_by_the_name_people_type(node):
    made = add_remote(node, WHO, PACS)
    assert get_remote_named(node.database, "本院PACS") == get_remote_named(node.database, "PACS") == made
    with pytest.raises(NotFound, match="Known are: 本院PACS"):
        get_remote_named(node.database, "PACSX")


def test_destinations_of_earlier_versions_are_remotes_that_get_reports(tmp_path):
    database = sqlite3.connect(tmp_path / "meridian.db")
    for migration in MIGRATIONS[:3]:
        for statement in migration:
            database.execute(statement)
    database.execute("PRAGMA user_version = 3")
    database.execute("INSERT INTO destination VALUES ('d1', '本院PACS', 'PACS', '10.0.0.5', 104, 1, 4)")
    for statement in next(one for one in MIGRATIONS if any("INSERT INTO remote" in line for line in one)):
        database.execute(statement)
    database.row_factory = sqlite3.Row
    row = dict(database.execute("SELECT * FROM remote").fetchone())
    database.close()
    assert (row["id"], row["aet"], row["version"], row["charset"]) == ("d1", "PACS", 4, "")
    assert (row["reports"], row["query"], row["send"], row["enabled"]) == (1, 0, 0, 1)
