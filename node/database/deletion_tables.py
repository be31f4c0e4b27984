"""Final deletion: one migration of `node.database.schema`.

All of it is content: who asked, what went, who confirmed it. Nothing here names a patient.
"""

from __future__ import annotations

DELETION: tuple[str, ...] = (
    # state: asked, withdrawn, lapsed; deleted, its rows are gone and steps are left; done, nothing is left; kept: a peer asked,
    # and something here bars it (code). by_peer: the origin that asked; empty for studies of this node. words: the reason as it
    # was written. seen: digest of the contents that were asked about. deed: digest of what the certificate begins with. cases:
    # JSON list of its consult cases. turn: how often what is left was tried. answered: 1 when the origin has our receipt.
    """CREATE TABLE deletion (id TEXT PRIMARY KEY, origin TEXT NOT NULL, study_uid TEXT NOT NULL, state TEXT NOT NULL,
        by_peer TEXT NOT NULL, code TEXT NOT NULL, words TEXT NOT NULL, asked_by TEXT NOT NULL, asked_name TEXT NOT NULL,
        asked_at INTEGER NOT NULL, ended_by TEXT NOT NULL, ended_name TEXT NOT NULL, ended_at INTEGER, seen TEXT NOT NULL,
        instances INTEGER NOT NULL, bytes INTEGER NOT NULL, deed TEXT NOT NULL, cases TEXT NOT NULL, done_at INTEGER,
        certificate TEXT NOT NULL, issue INTEGER NOT NULL DEFAULT 0, turn INTEGER NOT NULL DEFAULT 0,
        answered INTEGER NOT NULL DEFAULT 0, cause TEXT NOT NULL) STRICT, WITHOUT ROWID""",
    "CREATE UNIQUE INDEX deletion_open ON deletion (origin, study_uid) WHERE state = 'asked'",
    "CREATE INDEX deletion_study ON deletion (origin, study_uid, state)",
    "CREATE INDEX deletion_state ON deletion (state, asked_at)",
    "CREATE INDEX deletion_unanswered ON deletion (by_peer, state) WHERE answered = 0 AND by_peer <> ''",
    # What is left to be erased, each thing by itself. kind: copy (store, the name there), pack, file (below the state folder),
    # text, strays (packs without a row), log (of the database). words: why it did not go when it was last tried.
    """CREATE TABLE deletion_step (deletion TEXT NOT NULL, kind TEXT NOT NULL, store TEXT NOT NULL, what TEXT NOT NULL,
        state TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, words TEXT NOT NULL DEFAULT '', at INTEGER,
        PRIMARY KEY (deletion, kind, store, what)) STRICT, WITHOUT ROWID""",
    # Who was sent the study or told of it. state: due, told, deleted, kept (code says why). at: when the peer says it was.
    # mail: 1 when nothing that waits for, or was acknowledged by, the peer speaks of the study any more.
    """CREATE TABLE deletion_peer (deletion TEXT NOT NULL, peer TEXT NOT NULL, state TEXT NOT NULL, code TEXT NOT NULL DEFAULT '',
        at INTEGER, told_at INTEGER, answered_at INTEGER, mail INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (deletion, peer)) STRICT, WITHOUT ROWID""",
    "CREATE INDEX deletion_peer_state ON deletion_peer (peer, state, mail)",
)
