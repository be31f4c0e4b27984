"""What a restored state folder needs before it is started: a new life toward peers, and packs to be looked at.

Peers may hold mail that this node does not remember sending. A new incarnation says so at the first word, and what is not
acknowledged is numbered anew in it. Packs that the restored rows may lag behind are landed, so that the index looks at
them; a pack whose writer was amid it has no end yet, and gets one when that kind of process starts.
"""

from __future__ import annotations

import shutil
from pathlib import Path, PurePosixPath

from federation.outbox import begin_incarnation
from node.database.port import Statement, text
from node.journal.cursors import position
from node.names import Cause, NodeId
from node.node import Node
from node.store.packs import index_cursor
from ops.backup.manifest import Contents
from ops.backup.packs import FOLDER
from ops.compose import compose_node, run_directory


def revive(state: Path, contents: Contents) -> str:
    """Make a state folder that was just written one that may be started; give its incarnation."""
    node = compose_node(state)
    try:
        _land(node, contents)
        incarnation = node.keys.new_incarnation()
        node.write(begin_again(node, incarnation))
        return incarnation
    finally:
        node.close()
        shutil.rmtree(run_directory(state), ignore_errors=True)


def _land(node: Node, contents: Contents) -> None:
    """Let the index look at each pack that its rows may not know to the end."""
    for entry in contents.files:
        path = PurePosixPath(entry.path)
        if path.parent != PurePosixPath(FOLDER) or path.suffix != ".pack":
            continue
        registered = position(node.database, index_cursor(path.stem))
        if not entry.ended or registered < entry.marked:
            node.packs.directory.land(path.stem)


def begin_again(node: Node, incarnation: str) -> list[Statement]:
    """Give the statements that begin a new life toward each peer that was ever written to."""
    peers = [
        NodeId(text(row, "peer")) for row in node.database.read("SELECT peer FROM outgoing ORDER BY peer")
    ]
    if not peers:
        return []
    statements = [one for peer in peers for one in begin_incarnation(node, peer, inc=incarnation)]
    detail = (
        "Restoring from a backup began a new life of this node: what it did after the backup is not in it, and peers"
        " may know more. Check that no other copy of it runs."
    )
    return [
        *statements,
        *node.problem("node-restored", about=f"node/{node.id}", detail=detail, cause=Cause(incarnation)),
    ]
