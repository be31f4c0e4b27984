"""Deletions on the command line: listed, certified, and the certificate checked where there is no node."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from node.archive.deletion.certificate import certificate_text
from node.errors import Damaged, GridError, NotFound
from node.people.accounts import OPERATOR
from ops.cli import app
from ops.compose import compose_node
from ops.configuration import write_configuration
from tests.kit.archived_study import hold_study
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.deleting import ask, delete, erase, erase_all


@pytest.fixture
def state(tmp_path: Path) -> Path:
    write_configuration(
        tmp_path / "alpha", id="alpha", name="湖滨医院", dicom_port=11112, web_port=8080, alliance_port=0
    )
    node = bare_node(tmp_path, "alpha", FrozenClock())
    hold_study(node)
    node.close()
    return tmp_path / "alpha"


def said(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def test_deletions_are_listed_with_what_is_left_and_certified_when_nothing_is(
    state: Path, tmp_path: Path
) -> None:
    clock = FrozenClock()
    node = bare_node(tmp_path, "alpha", clock)
    deleted = delete(node)
    erase(node, deleted)
    listed = said("archive", "deletions", state)
    assert deleted.id in listed
    assert "left: pack" in listed
    with pytest.raises(GridError, match="left to be erased"):
        said("archive", "certificate", state, deleted.id)
    clock.advance(3_600_000_000)
    done = erase_all(node, deleted, clock)
    assert "left:" not in said("archive", "deletions", state)
    written = said("archive", "certificate", state, done.id)
    assert written.strip() == certificate_text(node, done)
    assert "检查彻底删除证明" in said("archive", "certificate", state, done.id, "--html")
    key = node.keys.verify_key
    node.close()
    file = tmp_path / "certificate.json"
    file.write_text(written, "utf-8")
    checked = said("verify-certificate", file)
    assert "6 instances" in checked
    assert "does not prove" in checked
    assert "the one given" in said("verify-certificate", file, "--key", key)
    content = json.loads(written)
    content["certificate"]["deed"]["approved"]["by"] = "somebody"
    file.write_text(json.dumps(content), "utf-8")
    with pytest.raises(Damaged, match="altered"):
        said("verify-certificate", file)
    with pytest.raises(NotFound):
        said("verify-certificate", tmp_path / "nothing.json")


def test_nobody_deletes_from_the_command_line(state: Path) -> None:
    node = compose_node(state)
    try:
        with pytest.raises(GridError, match="nobody's account"):
            ask(node, by=OPERATOR)
    finally:
        node.close()
