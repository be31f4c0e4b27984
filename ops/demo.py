"""``make demo``: a clinic and a centre on this machine, a study sent by real C-STORE, what to click.

State lies in ``.demo`` and is kept; ``.demo/demo.json`` is there while all is ready.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from node.durable import put_file
from node.errors import Conflict, GridError, InvalidRequest
from node.names import NodeId
from ops.demo_people import Login, reader_token, staff_centre, staff_clinic
from ops.demo_send import load_or_sample, send_folder
from ops.founding import CLINIC_AND_CENTRE, found_on_this_machine
from ops.free_ports import free_ports
from ops.running import RunningNode, start_node, start_pacs, stop_on_signals

DIRECTORY = Path(".demo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What the demo prints, kept for its next start in a file of mode 0600."""

    logins: dict[str, dict[str, Login]]
    tokens: dict[str, str]
    pacs: tuple[str, str, int]


def main(arguments: list[str]) -> int:
    """Run the demo until Ctrl-C; give the exit code."""
    options = _options(arguments)
    with _only_one():
        return _run(options)


@contextmanager
def _only_one() -> Iterator[None]:
    """Hold the folder that ``.demo`` lies in: a second one would take the first one's state from under it."""
    descriptor = os.open(DIRECTORY.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(
                "Starting the demo was refused: one runs in this folder already. Its addresses and logins stand in"
                f" {DIRECTORY / 'demo.json'}; stop it with Ctrl-C to begin another."
            ) from error
        yield
    finally:
        os.close(descriptor)


def _run(options: argparse.Namespace) -> int:
    stopping = threading.Event()
    stop_on_signals(stopping)
    if options.reset:
        shutil.rmtree(DIRECTORY, ignore_errors=True)
    (DIRECTORY / "demo.json").unlink(missing_ok=True)
    fresh = not (DIRECTORY / "secrets.json").exists()
    secrets = _set_up(_pacs(options.pacs)) if fresh else _read_secrets()
    running: list[RunningNode] = []
    try:
        if not options.pacs:
            running.append(start_pacs(DIRECTORY / "pacs", secrets.pacs))
        print("Starting the centre and the clinic ...", flush=True)
        nodes = [start_node(DIRECTORY / place.id) for place in CLINIC_AND_CENTRE]
        running += nodes
        for node in nodes:
            node.wait_until_ready(stopping)
        if fresh or options.data:
            folder = load_or_sample(options.data, DIRECTORY / "sample")
            clinic = next(node for node in nodes if node.name == "alpha")
            send_folder(folder, clinic.dicom, stopping)
        _write_demo_json(nodes, secrets)
        _tell(nodes, secrets)
        while not stopping.wait(1.0):
            if ended := next((node for node in running if not node.alive), None):
                print(f"{ended.name} ended; stopping. Its lines stand in {ended.log}.", file=sys.stderr)
                return 1
    finally:
        (DIRECTORY / "demo.json").unlink(missing_ok=True)
        for node in reversed(running):
            node.stop()
    print("Stopped. State is kept in .demo; 'make demo' goes on, 'make demo RESET=1' starts over.")
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo")
    parser.add_argument("--data", type=Path, help="a folder of DICOM files to send instead of the sample")
    parser.add_argument("--pacs", help="AET@host:port that signed reports are sent to")
    parser.add_argument("--reset", action="store_true", help="start over")
    return parser.parse_args(arguments)


def _pacs(text: str | None) -> tuple[str, str, int]:
    if text is None:
        (port,) = free_ports(1)
        return "DEMOPACS", "127.0.0.1", port
    aet, _, address = text.partition("@")
    host, _, port_text = address.rpartition(":")
    if not (aet and host and port_text.isdigit()):
        raise InvalidRequest(f"Reading PACS={text} was refused: write AET@host:port.")
    return aet, host, int(port_text)


def _set_up(pacs: tuple[str, str, int]) -> Secrets:
    """Found the alliance, staff both hospitals; an interrupted set-up begins anew."""
    print("Founding an alliance of a clinic (alpha) and a centre ...", flush=True)
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    DIRECTORY.mkdir(mode=0o700)
    nodes = found_on_this_machine(DIRECTORY, CLINIC_AND_CENTRE)
    clinic, centre = nodes[NodeId("alpha")], nodes[NodeId("centre")]
    logins = {"centre": staff_centre(centre), "alpha": staff_clinic(clinic, pacs=pacs)}
    tokens = {str(node.id): reader_token(node) for node in nodes.values()}
    for node in nodes.values():
        node.close()
    secrets = Secrets(logins=logins, tokens=tokens, pacs=pacs)
    _write_private(DIRECTORY / "secrets.json", asdict(secrets))
    return secrets


def _read_secrets() -> Secrets:
    kept = json.loads((DIRECTORY / "secrets.json").read_text())
    logins = {
        node: {role: Login(**login) for role, login in people.items()}
        for node, people in kept["logins"].items()
    }
    aet, host, port = kept["pacs"]
    return Secrets(logins=logins, tokens=kept["tokens"], pacs=(aet, host, port))


def _write_demo_json(nodes: list[RunningNode], secrets: Secrets) -> None:
    described = [
        {
            "name": node.name,
            "pid": node.pid,
            "web": node.web,
            "dicom": {"host": node.dicom.host, "port": node.dicom.port, "aet": node.dicom.aet},
            "token": secrets.tokens[node.name],
            "logins": {role: asdict(login) for role, login in secrets.logins[node.name].items()},
        }
        for node in nodes
    ]
    _write_private(DIRECTORY / "demo.json", {"nodes": described})


def _write_private(path: Path, content: object) -> None:
    put_file(path, json.dumps(content, ensure_ascii=False, indent=2).encode(), mode=0o600)


def _tell(nodes: list[RunningNode], secrets: Secrets) -> None:
    """Print addresses, logins and what to click."""
    clinic = next(node for node in nodes if node.name == "alpha")
    centre = next(node for node in nodes if node.name == "centre")
    print(
        "\nMeridian 经络 is up. The clinic shares everything with the centre (a demo's policy; the default is"
    )
    print("referred studies only), and both admit any sender on this machine.\n")
    for title, node in (("Clinic 第一卫生院", clinic), ("Centre 中心医院", centre)):
        print(f"  {title:<18} {node.web:<26} DICOM {node.dicom.aet}@{node.dicom.host}:{node.dicom.port}")
        for login in secrets.logins[node.name].values():
            print(f"      {login.user:<16} {login.password}")
    aet, host, port = secrets.pacs
    print(f"  {'Clinic PACS':<18} {aet}@{host}:{port}\n")
    print("  1. At the clinic, sign in as technician, open the study, press 申请会诊 / Request.")
    print("  2. At the centre, sign in as expert, claim the case, read, write, sign (Ctrl+Enter).")
    print(
        "  3. Back at the clinic the signed report is on the study's page: print its PDF; the SR went to the PACS."
    )
    print(f"\n  Send your own: storescu -aec ALPHA 127.0.0.1 {clinic.dicom.port} FILES")
    print(
        "  Ask for it:    findscu -S -aec ALPHA -k QueryRetrieveLevel=STUDY -k PatientName -k StudyInstanceUID"
        f" 127.0.0.1 {clinic.dicom.port}"
    )
    print("  All of this stands in .demo/demo.json. Ctrl-C stops; state is kept.\n", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except GridError as error:
        sys.exit(str(error))
