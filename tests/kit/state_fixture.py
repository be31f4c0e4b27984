"""A node's state folder kept as a small fixture, its database as text, and opened again; and what it answers with.

Git keeps neither modes nor empty folders, places are absolute and a database is binary: so a fixture is not the folder
itself. An earlier version runs this too: what it imports stays as little as can be.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

from node.archive.archived import is_archived
from node.archive.reading import peek_described, peek_frame
from node.canonical import canonical_json
from node.catalogue.exits import file_pieces
from node.catalogue.finding import match_instances, match_series, study_answers
from node.catalogue.fresh import read_fresh
from node.catalogue.search import EVERYTHING, InstanceRow, get_study, instances_of
from node.database.port import text
from node.dicom.json_model import to_json
from node.names import NodeId, StudyKey, StudyUID
from node.node import Node
from node.store.regions import read_pieces
from tests.kit.lost_index import TickingClock, exported, opened

NEAR, OUTSIDE = "near", "outside"
"""Folders of the stores, within the state folder."""
DUMP, SAID, EXPORT, STATE = "database.sql", "digests.json", "export.jsonl", "state"
INDEX = frozenset(
    {"study", "series", "study_identity", "instance", "said", "overlay", "archived", "package_copy"}
)
"""Tables of an export that are compared: what is said of studies, and where their bytes lie."""
_PLACE = "STATE"
_KEPT = ("meridian.toml", "blocks", "keys", "packs", "texts", NEAR, OUTSIDE)
Said = dict[str, Any]


def keep(state: Path, out: Path, clock: TickingClock) -> None:
    """Keep a state folder, and what the node answers with; it is asked in a copy, since who reads brings studies back."""
    (out / STATE).mkdir(parents=True)
    for name in _KEPT:
        if (state / name).is_dir():
            shutil.copytree(state / name, out / STATE / name, ignore=shutil.ignore_patterns("*lock*"))
        elif (state / name).exists():
            shutil.copyfile(state / name, out / STATE / name)
    configured = out / STATE / "meridian.toml"
    configured.write_text(configured.read_text().replace(str(state), _PLACE))
    with sqlite3.connect(state / "meridian.db") as database:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        lines = [*database.iterdump(), f"PRAGMA user_version = {version};", ""]
    database.close()
    (out / DUMP).write_text("\n".join(lines))
    node = opened(open_copy(out, out / "copy"), clock)
    (out / EXPORT).write_text("\n".join([*index_lines(node), ""]))
    said = {"lying": lying(node), **answers(node), "bytes": contents(node)}
    node.close()
    shutil.rmtree(out / "copy")
    (out / SAID).write_text(json.dumps(said, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def open_copy(fixture: Path, state: Path) -> Path:
    """Make a state folder of a fixture, as the version that wrote it left it; give it."""
    shutil.copytree(fixture / STATE, state)
    configured = state / "meridian.toml"
    configured.write_text(configured.read_text().replace(_PLACE, str(state)))
    for path in (state / "keys", *(state / "keys").rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    with sqlite3.connect(state / "meridian.db") as database:
        database.executescript((fixture / DUMP).read_text())
    database.close()
    return state


def said_by(fixture: Path) -> Said:
    """Give what the version that wrote a fixture answered."""
    found: Said = json.loads((fixture / SAID).read_text())
    return found


def index_lines(node: Node) -> list[str]:
    """Give what the index says of studies, and of where their bytes lie."""
    return [line for line in exported(node) if json.loads(line)["table"] in INDEX]


def answers(node: Node) -> Said:
    """Give what is answered of studies, series and instances, and what each study has, without bytes and places."""
    keys = _keys(node)
    studies = {key.study_uid: get_study(node.database, key) for key in keys}
    return {
        "answers": [
            json.loads(one.replace("\x01", ""))
            for one in study_answers(node.database, EVERYTHING, filters={})
        ],
        "counts": {
            uid: [row.series_count, row.instance_count, row.bytes, row.state, row.conflict]
            for uid, row in studies.items()
        },
        "series": sorted(
            [row.study_uid, row.series_uid, row.instance_count]
            for row in match_series(node.database, EVERYTHING, filters={})
        ),
        "found": sorted(row.sop_uid for row in match_instances(node.database, EVERYTHING, filters={})),
        "instances": {
            key.study_uid: [name_of(row) for row in instances_of(node.database, key, chosen_only=False)]
            for key in keys
        },
    }


def lying(node: Node) -> Said:
    """Give what is read of instances where they lie in the archive alone: words, and frames as their package has them."""
    return {name_of(row): _lying(node, row) for row in _rows(node) if is_archived(row.pack)}


def contents(node: Node) -> Said:
    """Give digests of each instance: file meta and data set as stored; the file as it leaves, with corrections.

    What lies in the archive alone comes back by that.
    """
    return {
        name_of(row): [
            _digest(read_fresh(node, row, lambda row: node.packs.read_file(row.location))),
            _digest(read_pieces(file_pieces(node, row))),
        ]
        for row in _rows(node)
    }


def name_of(row: InstanceRow) -> str:
    """Give the name of a content in what was said."""
    return f"{row.sop_uid} {row.digest[:12]}"


def _lying(node: Node, row: InstanceRow) -> list[str]:
    header, frame = peek_described(node, row), peek_frame(node, row, 1)
    assert header is not None
    assert frame is not None
    words = canonical_json(to_json(header, bulk=str))
    return [_digest(words.encode()), frame.transfer_syntax, _digest(frame.content)]


def _keys(node: Node) -> list[StudyKey]:
    rows = node.database.read("SELECT origin, study_uid FROM study ORDER BY origin, study_uid")
    return [
        StudyKey(origin=NodeId(text(row, "origin")), study_uid=StudyUID(text(row, "study_uid")))
        for row in rows
    ]


def _rows(node: Node) -> list[InstanceRow]:
    return [row for key in _keys(node) for row in instances_of(node.database, key, chosen_only=False)]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
