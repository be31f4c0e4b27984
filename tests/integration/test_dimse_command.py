"""`meridian dimse` as an administrator types it, against dcmtk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from node.errors import InvalidRequest, NotFound, Refused
from ops.cli import app
from ops.compose import compose_node
from tests.integration.test_command_line import make_node
from tests.kit.query_peers import HOST, dcmqrscp, fill, slices, storescp
from tests.kit.receiving import admit_all, rule
from tests.kit.registering import register_pack
from tests.kit.worklist_peer import AET as RIS
from tests.kit.worklist_peer import Booked, wlmscpfs

pytestmark = pytest.mark.peer
run = CliRunner()
STUDY = "2.25.7"


def meridian(*words: object, code: int = 0) -> str:
    outcome = run.invoke(app, ["dimse", *map(str, words)], catch_exceptions=False)
    assert outcome.exit_code == code, outcome.output
    return outcome.stdout


def test_a_study_is_found_fetched_moved_and_sent(tmp_path: Path) -> None:
    state = tmp_path / "alpha"
    make_node(state, listens=False)
    admit_all(state, rule("QRSCP", HOST))
    data_sets = slices(
        5, series=2, patient_name="Zhang^San=张^三", charset="GB18030", python_charset="gb18030"
    )
    with (
        storescp(tmp_path / "third") as third,
        dcmqrscp(tmp_path / "pacs", movers=[("THIRD", third)]) as port,
    ):
        fill(port, "QRSCP", data_sets.items(), tmp_path / "files")
        assert "Added PACS" in meridian("add", state, HOST, port, "--name", "PACS", "--aet", "QRSCP")
        meridian("add", state, HOST, third, "--name", "Third", "--aet", "THIRD", "--charset", "ISO_IR 192")
        assert [one["aet"] for one in json.loads(meridian("list", state, "--json"))] == ["QRSCP", "THIRD"]
        assert json.loads(meridian("echo", state, "PACS", "--json"))["ok"]
        found = json.loads(meridian("find", state, "PACS", "-k", "PatientName=Zhang*", "--json"))
        assert [(one["StudyInstanceUID"], one["PatientName"]) for one in found["items"]] == [
            (STUDY, "Zhang^San=张^三")
        ]
        meridian("find", state, "PACS", "-k", "PatientName=Nobody", code=1)
        got = json.loads(meridian("get", state, "PACS", "--study", STUDY, "--json"))
        assert (got["state"], got["done"]) == ("done", 5)
        moved = json.loads(meridian("move", state, "PACS", "--study", STUDY, "--to", "THIRD", "--json"))
        assert (moved["done"], moved["failed"]) == (5, 0)
        for file in (tmp_path / "third").iterdir():
            file.unlink()
        node = compose_node(state)
        for pack in node.packs.landing():
            register_pack(node, pack)
        node.close()
        sent = json.loads(meridian("store", state, "Third", "--study", STUDY, "--json"))
        assert (sent["state"], sent["done"], sent["warned"]) == ("done", 5, 0)
        assert len(list((tmp_path / "third").iterdir())) == 5
    with wlmscpfs(tmp_path / "ris", [Booked(patient_id="A-17", day="20261201", modality="MR")]) as port:
        meridian("add", state, HOST, port, "--name", "本院RIS", "--aet", RIS, "--worklist", "--issuer", "his")
        said = json.loads(meridian("worklist", state, "本院RIS", "--day", "2026-12-01", "--recall", "--json"))
        assert said["expected"] == [{"patientId": "A-17", "issuer": "", "modalities": ["MR"]}]
        assert (said["day"], said["studies"], said["unreadable"]) == ("2026-12-01", 0, 0)
        assert "A-17\t\tMR" in meridian("worklist", state, "本院RIS", "--day", "2026-12-01")
        with pytest.raises(InvalidRequest, match="is no day"):
            run.invoke(
                app, ["dimse", "worklist", str(state), "RIS", "--day", "1.12."], catch_exceptions=False
            )
    with pytest.raises(NotFound, match="Known are: PACS, Third, 本院RIS"):
        run.invoke(app, ["dimse", "echo", str(state), "Nobody"], catch_exceptions=False)
    with dcmqrscp(tmp_path / "pacs2") as port:
        meridian("add", state, HOST, port, "--name", "Wrong", "--aet", "WRONG")
        with pytest.raises(Refused, match="it is not called so"):
            run.invoke(app, ["dimse", "echo", str(state), "Wrong"], catch_exceptions=False)
