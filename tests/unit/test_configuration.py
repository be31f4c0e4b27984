from __future__ import annotations

from pathlib import Path

import pytest

from node.config import load_config
from node.errors import InvalidRequest
from node.keys.certificates import new_tls_pair
from node.names import NodeId
from ops.configuration import describe, write_configuration


@pytest.fixture
def state(tmp_path: Path) -> Path:
    write_configuration(tmp_path / "alpha", id="alpha", name="第一卫生院")
    pair = new_tls_pair(NodeId("alpha"), now=1_700_000_000_000_000)
    (tmp_path / "node.pem").write_text(pair.certificate)
    (tmp_path / "node.key").touch(mode=0o600)
    (tmp_path / "node.key").write_text(pair.key)
    return tmp_path / "alpha"


def write(state: Path, **settings: object) -> None:
    """Set values of [dicom] in the file that was written."""
    path = state / "meridian.toml"
    lines = path.read_text("utf-8").splitlines()
    for name, value in settings.items():
        (n,) = [n for n, line in enumerate(lines) if line.startswith(f"{name} ")]
        shown = f'"{value}"' if isinstance(value, str | Path) else value
        lines[n] = f"{name} = {shown}"
    path.write_text("\n".join(lines), "utf-8")


def test_a_new_node_has_no_tls_and_one_title(state: Path) -> None:
    config = load_config(state)
    assert (config.dicom.tls_port, config.dicom.also_called) == (0, ())
    assert not any("TLS" in line for line in describe(config))


def test_check_says_how_devices_come_with_tls_and_to_which_titles(state: Path) -> None:
    folder = state.parent
    write(
        state,
        tls_port=2762,
        tls_certificate=folder / "node.pem",
        tls_key=folder / "node.key",
        tls_trust=folder / "node.pem",
        also_called=["RESEARCH"],
    )
    said = describe(load_config(state))
    assert "devices send to ALPHA or RESEARCH at 127.0.0.1:11112" in said
    assert any("with TLS at 127.0.0.1:2762" in line and "vouches for" in line for line in said)


def test_check_refuses_files_that_do_not_work(state: Path) -> None:
    folder = state.parent
    write(state, tls_certificate=folder / "node.pem", tls_key=folder / "node.key")
    (folder / "node.key").chmod(0o644)
    with pytest.raises(InvalidRequest, match="chmod 600"):
        describe(load_config(state))
    (folder / "node.key").unlink()
    with pytest.raises(InvalidRequest, match="no file"):
        describe(load_config(state))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"tls_port": 2762}, "needs a certificate"),
        ({"tls_port": 11112, "tls_certificate": "a", "tls_key": "b"}, "is port already"),
        ({"tls_port": 70000}, "not 0 to 65535"),
        ({"tls_certificate": "a"}, "must be given together"),
        ({"also_called": ["A" * 17]}, "is no AE title"),
        ({"also_called": [""]}, "is no AE title"),
    ],
)
def test_what_cannot_work_is_refused_at_reading(state: Path, settings: dict[str, object], words: str) -> None:
    write(state, **settings)
    with pytest.raises(InvalidRequest, match=words):
        load_config(state)


@pytest.mark.parametrize("time", ["25:00", "6:00", "18", ""])
def test_a_time_that_is_none_is_refused_at_reading(state: Path, time: str) -> None:
    write(state, worklist_at=["18:00", time])
    with pytest.raises(InvalidRequest, match="write times of the day"):
        load_config(state)
