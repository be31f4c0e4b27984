"""Orthanc as a provider, in a network of its own, since it listens on every address: ``python -m tests.kit.orthanc_peer FOLDER``.

Sends it a study, asks for it, and fetches it by C-GET and by C-MOVE; prints what came of it as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from node.catalogue.matching import QueryLevel
from node.clock import SystemClock
from node.dimse.calling import called
from node.dimse.echo_scu import echo
from node.dimse.find_scu import find
from node.dimse.remote_form import RemoteForm
from node.dimse.remotes import add_remote, change_remote
from node.names import StudyKey, StudyUID
from node.node import Node
from node.people.accounts import OPERATOR
from node.transfers.retrieving import retrieve_study
from node.transfers.sending import send_study
from node.transfers.transfers import ask_retrieve, ask_send, get_transfer
from ops.free_ports import free_ports
from tests.kit.bare_node import bare_node
from tests.kit.http import wait_for
from tests.kit.listeners import is_listened_at
from tests.kit.query_peers import HOST, slices
from tests.kit.receiving import admit_all, receiving, rule
from tests.kit.registering import facts, marked, receive, register_pack

STUDY = "2.25.7"
NAME = "Zhang^San=张^三"


def command(folder: Path) -> list[str]:
    """Give the command that runs this in a network of its own."""
    root = [] if os.geteuid() == 0 else ["--map-root-user"]
    inside = [sys.executable, "-m", "tests.kit.orthanc_peer", str(folder)]
    return ["unshare", *root, "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *inside]


def main(folder: Path) -> int:
    data_sets = slices(6, series=2, patient_name=NAME, charset="GB18030", python_charset="gb18030")
    sender = bare_node(folder, "alpha", SystemClock())
    receive(sender, *data_sets.values(), given=facts(sender, study_uid=STUDY))
    taker = bare_node(folder / "taker", "alpha", SystemClock())
    admit_all(taker.state, rule("ORTHANC", HOST))
    (port,) = free_ports(1)
    with receiving(taker.state, packs=taker.packs) as receiver:
        process = start(folder, port, receiver.port)
        try:
            said = walk(sender, taker, port)
        finally:
            process.terminate()
            process.wait(30)
    held = {taker.packs.read_data_set(record.location) for record in all_of(taker)}
    print(json.dumps({**said, "same": held == set(data_sets.values()), "records": len(all_of(taker))}))
    return 0


def start(folder: Path, port: int, ours: int) -> subprocess.Popen[bytes]:
    storage = folder / "storage"
    storage.mkdir()
    said = {
        "StorageDirectory": str(storage),
        "IndexDirectory": str(storage),
        "DicomPort": port,
        "DicomAet": "ORTHANC",
        "HttpServerEnabled": False,
        "DicomAlwaysAllowGet": True,
        "DicomAlwaysAllowMove": True,
        "DicomAlwaysAllowFind": True,
        "DefaultEncoding": "Utf8",
        "DicomModalities": {"alpha": ["ALPHA", HOST, ours]},
    }
    (folder / "orthanc.json").write_text(json.dumps(said))
    with (folder / "lines").open("wb") as lines:
        process = subprocess.Popen(
            ["/usr/sbin/Orthanc", str(folder / "orthanc.json")], stdout=lines, stderr=lines
        )
    wait_for("Orthanc to listen", lambda: is_listened_at(port))
    return process


def walk(sender: Node, taker: Node, port: int) -> dict[str, object]:
    form = {"name": "Orthanc", "aet": "ORTHANC", "host": HOST, "port": port, "calling": "ALPHA"}
    to = add_remote(sender, OPERATOR, RemoteForm(**form, send=True))  # type: ignore[arg-type]
    echo(called(sender.config, to))
    sent = ask_send(sender, OPERATOR, StudyKey(origin=sender.id, study_uid=StudyUID(STUDY)), to.id)
    send_study(sender, sent.id)
    of = add_remote(taker, OPERATOR, RemoteForm(**form, query=True, retrieve_by="get", charset="ISO_IR 192"))  # type: ignore[arg-type]
    (found,) = find(
        called(taker.config, of), QueryLevel.STUDY, {"PatientID": "A-17"}, charset=of.charset
    ).items
    got = fetch(taker, of.id)
    by_move = RemoteForm(**form, query=True, retrieve_by="move")  # type: ignore[arg-type]
    change_remote(taker, OPERATOR, of.id, by_move)
    moved = fetch(taker, of.id)
    return {
        "sent": get_transfer(sender.database, sent.id).done,
        "name": found["PatientName"],
        "instances": found["NumberOfStudyRelatedInstances"],
        "got": got,
        "moved": moved,
    }


def fetch(taker: Node, remote: str) -> list[object]:
    one = ask_retrieve(taker, OPERATOR, STUDY, remote)
    done = threading.Event()

    def follow() -> None:
        while not done.wait(0.05):
            for pack in taker.packs.landing():
                if marked(taker, pack):
                    register_pack(taker, pack)

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        retrieve_study(taker, one.id)
    finally:
        done.set()
        thread.join()
    ended = get_transfer(taker.database, one.id)
    return [ended.state, ended.done, ended.failed, ended.words]


def all_of(node: Node) -> list[object]:
    return [record for pack in node.packs.names() for record in node.packs.marked(pack, 0)]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
