"""The archive's tables: one migration of `node.database.schema`.

Packages and where they lie are catalogue: rebuilt from the packages. What becomes of studies, and
recalls, are local: decided again, asked again.
"""

from __future__ import annotations

ARCHIVE: tuple[str, ...] = (
    # Packages of a study, newest generation last. pack: the name that rows of its instances have while they are in the
    # archive alone. contents: digest of what it holds, so that a study that changed since is archived again.
    # online 0: the online copy is gone.
    """CREATE TABLE archived (origin TEXT NOT NULL, study_uid TEXT NOT NULL, generation INTEGER NOT NULL,
        digest TEXT NOT NULL, pack TEXT NOT NULL, contents TEXT NOT NULL, instances INTEGER NOT NULL,
        bytes INTEGER NOT NULL, online_bytes INTEGER NOT NULL, online INTEGER NOT NULL, at INTEGER NOT NULL,
        PRIMARY KEY (origin, study_uid, generation)) STRICT, WITHOUT ROWID""",
    "CREATE INDEX archived_pack ON archived (pack)",
    "CREATE INDEX archived_digest ON archived (digest)",
    # Where each package lies. stored: SHA-256 of the bytes as they lie there, and their name; wrapped_key: where they are
    # encrypted, their key under the node's archive key. state: verified, damaged, gone.
    """CREATE TABLE package_copy (digest TEXT NOT NULL, store TEXT NOT NULL, stored TEXT NOT NULL,
        bytes INTEGER NOT NULL, wrapped_key TEXT NOT NULL, state TEXT NOT NULL,
        verified_at INTEGER NOT NULL, PRIMARY KEY (digest, store)) STRICT, WITHOUT ROWID""",
    "CREATE INDEX package_copy_verified ON package_copy (verified_at)",
    # Content. The rules for copies, each version that ever counted; the newest counts.
    """CREATE TABLE archive_rules (version INTEGER PRIMARY KEY, body TEXT NOT NULL, at INTEGER NOT NULL,
        person TEXT NOT NULL) STRICT""",
    # Local. What becomes of each study's copies, as last decided, and when that is looked at again.
    """CREATE TABLE lifecycle (origin TEXT NOT NULL, study_uid TEXT NOT NULL, decision TEXT NOT NULL,
        reason TEXT NOT NULL, figures TEXT NOT NULL, decided_at INTEGER NOT NULL, next_at INTEGER,
        PRIMARY KEY (origin, study_uid)) STRICT, WITHOUT ROWID""",
    "CREATE INDEX lifecycle_next ON lifecycle (next_at) WHERE next_at IS NOT NULL",
    "CREATE INDEX audit_subject ON audit (subject, act, at)",
    # Local. Studies asked back from the archive. state: waiting, running, done, failed. who: a person, a program or an AE.
    """CREATE TABLE recall (id TEXT PRIMARY KEY, origin TEXT NOT NULL, study_uid TEXT NOT NULL, who TEXT NOT NULL,
        why TEXT NOT NULL, priority INTEGER NOT NULL, state TEXT NOT NULL, instances INTEGER NOT NULL,
        done INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL, words TEXT NOT NULL DEFAULT '', at INTEGER NOT NULL,
        began_at INTEGER, ended_at INTEGER) STRICT, WITHOUT ROWID""",
    "CREATE INDEX recall_study ON recall (origin, study_uid, state)",
    "CREATE INDEX recall_waiting ON recall (state, priority, at)",
    "CREATE INDEX package_copy_spoiled ON package_copy (digest) WHERE state <> 'verified'",
    # Local. How far the scrub is with each pack that rows mean; verified_at: when all of it was last compared. position:
    # what stands before it was compared in this turn. state: whole; damaged, its rows go to another pack; aside, they
    # went, and its file goes to damaged/.
    """CREATE TABLE scrubbed (pack TEXT PRIMARY KEY, bytes INTEGER NOT NULL, verified_at INTEGER NOT NULL,
        position INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL DEFAULT 'whole') STRICT, WITHOUT ROWID""",
    "CREATE INDEX scrubbed_oldest ON scrubbed (state, verified_at)",
    # Local. What the scrub leaves alone until a time. subject: store/NAME, store/NAME/DIGEST, package/DIGEST, pack/NAME.
    "CREATE TABLE scrub_later (subject TEXT PRIMARY KEY, until INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    # Catalogue. Records and copies that were found damaged, by whomever. tier: online, archive. subject: pack/NAME/OFFSET,
    # where the record stood, or store/NAME/DIGEST. state: found, healed, lost. Of a copy the study stays empty.
    """CREATE TABLE damage (subject TEXT NOT NULL, found_at INTEGER NOT NULL, tier TEXT NOT NULL, pack TEXT NOT NULL,
        origin TEXT NOT NULL DEFAULT '', study_uid TEXT NOT NULL DEFAULT '', sop_uid TEXT NOT NULL DEFAULT '',
        digest TEXT NOT NULL, state TEXT NOT NULL, ended_at INTEGER,
        PRIMARY KEY (subject, found_at)) STRICT, WITHOUT ROWID""",
    "CREATE INDEX damage_state ON damage (tier, state, pack)",
    "CREATE INDEX damage_study ON damage (origin, study_uid, state)",
)

COPIES_BY_NAME: tuple[str, ...] = (
    # What of a range of a store's names is meant: a store is compared with its rows a page at a time.
    "CREATE INDEX package_copy_stored ON package_copy (store, stored)",
)
