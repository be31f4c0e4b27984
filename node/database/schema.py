"""The tables, as numbered migrations.

Four kinds of rows; which table is which, `ops.rebuild.tables` says. *Catalogue*: rebuilt from packs. *Projections*: rebuilt from
events. *Content*: texts, drafts, accounts, rules, roster, outbox, mailbox; only
a backup brings it back. *Local*: jobs, leases, sessions, cursors; may be lost.

Columns are INTEGER, REAL or TEXT only; times are microseconds UTC; flags are 0
or 1; JSON is canonical text.
"""

from __future__ import annotations

from node.database.archive_tables import ARCHIVE, COPIES_BY_NAME
from node.database.backup_tables import BACKUP, BACKUPS_REMOVED
from node.database.deletion_tables import DELETION
from node.database.finding_tables import ALL_HERE, BEGINNINGS, FINDING, STUDY_ID
from node.database.instance_tables import INSTANCES
from node.database.lifecycle_tables import LIFECYCLE
from node.database.rebuild_tables import REBUILD
from node.database.watch_tables import WATCH
from node.database.worklist_tables import WORKLIST

Migration = tuple[str, ...]

_MACHINERY: Migration = (
    # Local. A batch inserts its key first; a repeat fails here and nowhere else.
    "CREATE TABLE write_key (key TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE INDEX write_key_at ON write_key (at)",
    # Never holds a row: the guard of `expect` inserts here and fails when it may not pass.
    "CREATE TABLE expectation (met INTEGER NOT NULL CONSTRAINT expectation_met CHECK (met = 1)) STRICT",
    "CREATE TABLE cursor (reader TEXT PRIMARY KEY, position INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    """CREATE TABLE lease (name TEXT PRIMARY KEY, holder TEXT NOT NULL, until INTEGER NOT NULL,
        epoch INTEGER NOT NULL) STRICT, WITHOUT ROWID""",
    # Durable jobs: the queue of actors/jobs/broker.py. state: waiting, leased, done, failed.
    """CREATE TABLE job (id TEXT PRIMARY KEY, queue TEXT NOT NULL, name TEXT NOT NULL, args TEXT NOT NULL,
        cause TEXT NOT NULL, state TEXT NOT NULL, priority INTEGER NOT NULL, not_before INTEGER NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0, epoch INTEGER NOT NULL DEFAULT 0, lease_until INTEGER,
        last_error TEXT, at INTEGER NOT NULL) STRICT, WITHOUT ROWID""",
    "CREATE INDEX job_due ON job (queue, state, not_before, priority)",
)

_JOURNAL: Migration = (
    """CREATE TABLE journal (seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL,
        origin TEXT NOT NULL, type TEXT NOT NULL, subject TEXT NOT NULL, version INTEGER NOT NULL,
        cause TEXT NOT NULL, body TEXT NOT NULL, digest TEXT NOT NULL,
        CONSTRAINT journal_version UNIQUE (subject, version)) STRICT""",
    "CREATE INDEX journal_cause ON journal (cause)",
    # Signed, hash-linked runs of records; written by a later capability, read by `verify`.
    """CREATE TABLE block (n INTEGER PRIMARY KEY, first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL,
        previous TEXT NOT NULL, digest TEXT NOT NULL, signature TEXT NOT NULL, at INTEGER NOT NULL) STRICT""",
    # Content: a person's words, named by digest from events so that they can be erased.
    """CREATE TABLE text (digest TEXT PRIMARY KEY, kind TEXT NOT NULL, body TEXT NOT NULL,
        at INTEGER NOT NULL) STRICT, WITHOUT ROWID""",
)

_CATALOGUE: Migration = (
    # state: announced (a peer told us), receiving, complete. expected: instances announced, NULL unknown.
    # source: the earliest instance, whose words the row shows; empty while only a peer's announcement speaks.
    # conflict: 0 none, 1 an instance exists with two contents, 2 the patient differs (red, blocks sealing and signing).
    """CREATE TABLE study (origin TEXT NOT NULL, study_uid TEXT NOT NULL, patient_issuer TEXT NOT NULL,
        patient_id TEXT NOT NULL, patient_name TEXT NOT NULL, sex TEXT NOT NULL, birth_date TEXT NOT NULL,
        age TEXT NOT NULL, study_date TEXT NOT NULL, study_time TEXT NOT NULL, accession_issuer TEXT NOT NULL,
        accession TEXT NOT NULL, description TEXT NOT NULL, referring_physician TEXT NOT NULL,
        modalities TEXT NOT NULL, body_parts TEXT NOT NULL, department TEXT NOT NULL,
        series_count INTEGER NOT NULL, instance_count INTEGER NOT NULL, bytes INTEGER NOT NULL,
        expected INTEGER, state TEXT NOT NULL, conflict INTEGER NOT NULL DEFAULT 0,
        first_at INTEGER NOT NULL, last_at INTEGER NOT NULL, completed_at INTEGER, cause TEXT NOT NULL,
        source_at INTEGER NOT NULL DEFAULT 0, source_digest TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (origin, study_uid)) STRICT, WITHOUT ROWID""",
    "CREATE INDEX study_recent ON study (first_at)",
    "CREATE INDEX study_patient ON study (patient_issuer, patient_id)",
    "CREATE INDEX study_receiving ON study (state, last_at)",
    """CREATE TABLE series (origin TEXT NOT NULL, study_uid TEXT NOT NULL, series_uid TEXT NOT NULL,
        modality TEXT NOT NULL, number INTEGER, description TEXT NOT NULL, body_part TEXT NOT NULL,
        laterality TEXT NOT NULL, instance_count INTEGER NOT NULL,
        source_at INTEGER NOT NULL DEFAULT 0, source_digest TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (origin, study_uid, series_uid)) STRICT, WITHOUT ROWID""",
    # Every patient that instances of a study speak of; more than one who differ make it red.
    """CREATE TABLE study_identity (origin TEXT NOT NULL, study_uid TEXT NOT NULL, patient_issuer TEXT NOT NULL,
        patient_id TEXT NOT NULL, patient_name TEXT NOT NULL, birth_date TEXT NOT NULL, sex TEXT NOT NULL,
        first_at INTEGER NOT NULL, PRIMARY KEY (origin, study_uid, patient_issuer, patient_id, patient_name,
        birth_date, sex)) STRICT, WITHOUT ROWID""",
    # state: chosen, alternative (same content written otherwise), conflict. offset is the record's place in its
    # pack; data_offset and data_bytes are the data set's, so that a reader needs one pread.
    """CREATE TABLE instance (origin TEXT NOT NULL, study_uid TEXT NOT NULL, sop_uid TEXT NOT NULL,
        digest TEXT NOT NULL, normal_digest TEXT NOT NULL, series_uid TEXT NOT NULL, sop_class TEXT NOT NULL,
        transfer_syntax TEXT NOT NULL, number INTEGER, frames INTEGER NOT NULL, rows INTEGER, columns INTEGER,
        pack TEXT NOT NULL, offset INTEGER NOT NULL, meta_bytes INTEGER NOT NULL, data_offset INTEGER NOT NULL,
        data_bytes INTEGER NOT NULL, state TEXT NOT NULL, door TEXT NOT NULL, received_at INTEGER NOT NULL,
        PRIMARY KEY (origin, study_uid, sop_uid, digest)) STRICT, WITHOUT ROWID""",
    "CREATE INDEX instance_series ON instance (origin, study_uid, series_uid, number)",
    "CREATE INDEX instance_pack ON instance (pack, offset)",
    # How often the very same data set came again.
    """CREATE TABLE repeated (origin TEXT NOT NULL, study_uid TEXT NOT NULL, sop_uid TEXT NOT NULL,
        digest TEXT NOT NULL, times INTEGER NOT NULL, last_at INTEGER NOT NULL,
        PRIMARY KEY (origin, study_uid, sop_uid, digest)) STRICT, WITHOUT ROWID""",
    # What was not taken, and why; shown to the administrator until seen. detail holds no patient data.
    """CREATE TABLE problem (id TEXT PRIMARY KEY, kind TEXT NOT NULL, subject TEXT NOT NULL, detail TEXT NOT NULL,
        at INTEGER NOT NULL, seen_at INTEGER) STRICT, WITHOUT ROWID""",
    # Content: devices seen, and the rule an administrator gave them. rule: unknown, admitted, blocked.
    """CREATE TABLE device (calling TEXT NOT NULL, address TEXT NOT NULL, called TEXT NOT NULL, rule TEXT NOT NULL,
        version INTEGER NOT NULL, issuer TEXT NOT NULL, trust_issuer INTEGER NOT NULL DEFAULT 0,
        department TEXT NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL, refusals INTEGER NOT NULL,
        PRIMARY KEY (calling, address)) STRICT, WITHOUT ROWID""",
    # Whoever needs a study's copy says so here, in its own batch.
    """CREATE TABLE hold (origin TEXT NOT NULL, study_uid TEXT NOT NULL, reason TEXT NOT NULL, who TEXT NOT NULL,
        until INTEGER, PRIMARY KEY (origin, study_uid, reason, who)) STRICT, WITHOUT ROWID""",
)

_PEOPLE: Migration = (
    # subject: person/ID, pool/NODE/NAME, principal/NAME. until NULL: while the row stands.
    """CREATE TABLE access (subject TEXT NOT NULL, origin TEXT NOT NULL, study_uid TEXT NOT NULL,
        reason TEXT NOT NULL, until INTEGER, PRIMARY KEY (subject, origin, study_uid, reason)) STRICT, WITHOUT ROWID""",
    "CREATE INDEX access_study ON access (origin, study_uid)",
    "CREATE TABLE membership (person TEXT NOT NULL, pool TEXT NOT NULL, PRIMARY KEY (person, pool)) STRICT, WITHOUT ROWID",
    # roles: JSON list of technician, expert, administrator. state: active, disabled.
    """CREATE TABLE account (id TEXT PRIMARY KEY, user TEXT NOT NULL CONSTRAINT account_user UNIQUE, name TEXT NOT NULL,
        roles TEXT NOT NULL, password TEXT NOT NULL, must_change INTEGER NOT NULL, state TEXT NOT NULL,
        failures INTEGER NOT NULL, locked_until INTEGER NOT NULL, version INTEGER NOT NULL,
        at INTEGER NOT NULL) STRICT, WITHOUT ROWID""",
    # Cookies and bearer tokens are kept as digests: a copy of the table lets nobody in.
    """CREATE TABLE session (token_digest TEXT PRIMARY KEY, person TEXT NOT NULL, csrf TEXT NOT NULL,
        at INTEGER NOT NULL, last_at INTEGER NOT NULL, until INTEGER NOT NULL, address TEXT NOT NULL) STRICT, WITHOUT ROWID""",
    "CREATE INDEX session_person ON session (person)",
    "CREATE TABLE bearer (token_digest TEXT PRIMARY KEY, principal TEXT NOT NULL, at INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE TABLE setup_link (token_digest TEXT PRIMARY KEY, until INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    """CREATE TABLE audit (id TEXT PRIMARY KEY, at INTEGER NOT NULL, person TEXT NOT NULL, act TEXT NOT NULL,
        subject TEXT NOT NULL, outcome TEXT NOT NULL, address TEXT NOT NULL) STRICT, WITHOUT ROWID""",
)

_FEDERATION: Migration = (
    # The roster: statements signed by the alliance's offline root, in order.
    """CREATE TABLE roster_statement (n INTEGER PRIMARY KEY, body TEXT NOT NULL, signature TEXT NOT NULL,
        at INTEGER NOT NULL) STRICT""",
    # What nodes say of their own keys between statements of the root.
    """CREATE TABLE key_rotation (node TEXT NOT NULL, rotation INTEGER NOT NULL, body TEXT NOT NULL,
        signature TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (node, rotation)) STRICT, WITHOUT ROWID""",
    # state: open, requested, admitted, refused. join_key: base64, opens the request and nothing else.
    """CREATE TABLE invitation (secret_digest TEXT PRIMARY KEY, node TEXT NOT NULL, until INTEGER NOT NULL,
        request TEXT, state TEXT NOT NULL, join_key TEXT NOT NULL, at INTEGER NOT NULL) STRICT, WITHOUT ROWID""",
    # grant: nothing, referred, metadata, everything. modalities and departments: JSON lists, empty means all.
    """CREATE TABLE policy (peer TEXT PRIMARY KEY, grant_ TEXT NOT NULL, modalities TEXT NOT NULL,
        departments TEXT NOT NULL, version INTEGER NOT NULL) STRICT, WITHOUT ROWID""",
    # outcome: nothing, metadata, everything, blocked. What follows is how far the peer has been told: told is the
    # digest of the newest announcement, completed the set last told as complete; pending: changes not yet all told.
    """CREATE TABLE decision (peer TEXT NOT NULL, origin TEXT NOT NULL, study_uid TEXT NOT NULL, outcome TEXT NOT NULL,
        reason TEXT NOT NULL, at INTEGER NOT NULL, told TEXT NOT NULL DEFAULT '', told_at INTEGER NOT NULL DEFAULT 0,
        completed TEXT NOT NULL DEFAULT '', pending INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (peer, origin, study_uid)) STRICT, WITHOUT ROWID""",
    "CREATE INDEX decision_pending ON decision (peer, pending)",
    # A study that a case sends to a peer, whatever the policy's default.
    """CREATE TABLE referral (peer TEXT NOT NULL, origin TEXT NOT NULL, study_uid TEXT NOT NULL, case_id TEXT NOT NULL,
        PRIMARY KEY (peer, origin, study_uid, case_id)) STRICT, WITHOUT ROWID""",
    # One row per envelope until the recipient's receipt. message: what was said, kept so that it can be sealed again.
    # state: waiting, sealed, deposited, received. envelope: base64 of the sealed bytes; envelope_digest: of that text.
    # digest: of what was signed, which names the envelope in the chain and stays the same when it is sealed again.
    """CREATE TABLE outbox (peer TEXT NOT NULL, inc TEXT NOT NULL, n INTEGER NOT NULL, type TEXT NOT NULL,
        message TEXT NOT NULL, cause TEXT NOT NULL, state TEXT NOT NULL, digest TEXT, envelope TEXT,
        envelope_digest TEXT, at INTEGER NOT NULL, deposited_at INTEGER, received_at INTEGER,
        PRIMARY KEY (peer, inc, n)) STRICT, WITHOUT ROWID""",
    "CREATE INDEX outbox_state ON outbox (peer, state, n)",
    "CREATE INDEX outbox_cause ON outbox (cause)",
    # Where this node's own count toward each peer stands: n counted, digest of the last one sealed, received_n and
    # receipt_at from the peer's newest receipt.
    """CREATE TABLE outgoing (peer TEXT PRIMARY KEY, inc TEXT NOT NULL, n INTEGER NOT NULL, digest TEXT NOT NULL,
        received_n INTEGER NOT NULL, receipt_at INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID""",
    # The last envelope applied from each peer; inc is empty before the first. receipt_n: the n it was last told,
    # -1 when it must be told again; again 1: it is to be asked to seal again what follows; asked_at: when it last was.
    """CREATE TABLE incoming (peer TEXT PRIMARY KEY, inc TEXT NOT NULL, n INTEGER NOT NULL, digest TEXT NOT NULL,
        at INTEGER NOT NULL, receipt_n INTEGER NOT NULL DEFAULT -1, again INTEGER NOT NULL DEFAULT 0,
        asked_at INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID""",
    # Envelopes from peers that could not be applied in their turn. state: early (an earlier one is missing),
    # refused (forged, damaged, from a stranger), skipped (opened, and its message not accepted).
    """CREATE TABLE inbox (sender TEXT NOT NULL, inc TEXT NOT NULL, n INTEGER NOT NULL, digest TEXT NOT NULL,
        state TEXT NOT NULL, reason TEXT NOT NULL, envelope TEXT NOT NULL, at INTEGER NOT NULL,
        PRIMARY KEY (sender, inc, n, digest)) STRICT, WITHOUT ROWID""",
    # Mailboxes hosted here. n = 0 is a receipt: not numbered, the newest replaces the last.
    """CREATE TABLE mailbox (recipient TEXT NOT NULL, sender TEXT NOT NULL, inc TEXT NOT NULL, n INTEGER NOT NULL,
        arrival INTEGER NOT NULL, bytes INTEGER NOT NULL, envelope TEXT NOT NULL, envelope_digest TEXT NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (recipient, sender, inc, n)) STRICT, WITHOUT ROWID""",
    "CREATE UNIQUE INDEX mailbox_arrival ON mailbox (recipient, arrival)",
    # Arrivals ever counted at each mailbox hosted here, so that a number is never used twice.
    "CREATE TABLE mailbox_count (recipient TEXT PRIMARY KEY, arrival INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    # Sealed files here: made by this node, hosted for others, or fetched. readers: JSON list of node ids.
    # state: sealing, ready, deposited, fetched, applied. key_text: base64, only at sender and recipient.
    """CREATE TABLE blob (digest TEXT PRIMARY KEY, path TEXT NOT NULL, bytes INTEGER NOT NULL, owner TEXT NOT NULL,
        readers TEXT NOT NULL, state TEXT NOT NULL, at INTEGER NOT NULL) STRICT, WITHOUT ROWID""",
    # Which instances went to which peer, in which part. direction: out, in. state: out sealed, offered, withdrawn
    # (its instances go again in another); in offered, applied, done (its
    # host was told), wanted (asked for again).
    """CREATE TABLE part (peer TEXT NOT NULL, origin TEXT NOT NULL, study_uid TEXT NOT NULL, k INTEGER NOT NULL,
        direction TEXT NOT NULL, blob TEXT NOT NULL, blob_key TEXT NOT NULL, bytes INTEGER NOT NULL,
        instances INTEGER NOT NULL, manifest_digest TEXT NOT NULL, state TEXT NOT NULL, at INTEGER NOT NULL,
        cause TEXT NOT NULL, PRIMARY KEY (peer, origin, study_uid, k, direction)) STRICT, WITHOUT ROWID""",
    "CREATE INDEX part_state ON part (direction, state)",
    # What the origin of a received study said it holds; agreed_at: when the same set was found here.
    """CREATE TABLE completed_there (origin TEXT NOT NULL, study_uid TEXT NOT NULL, instances INTEGER NOT NULL,
        contents INTEGER NOT NULL, set_digest TEXT NOT NULL, at INTEGER NOT NULL, agreed_at INTEGER,
        PRIMARY KEY (origin, study_uid)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE shared_instance (peer TEXT NOT NULL, origin TEXT NOT NULL, study_uid TEXT NOT NULL,
        sop_uid TEXT NOT NULL, digest TEXT NOT NULL, k INTEGER NOT NULL,
        PRIMARY KEY (peer, origin, study_uid, sop_uid, digest)) STRICT, WITHOUT ROWID""",
    # Link state as the alliance page shows it, written at change and at most once a second.
    """CREATE TABLE link (peer TEXT PRIMARY KEY, state TEXT NOT NULL, since INTEGER NOT NULL, last_ok INTEGER NOT NULL,
        next_try INTEGER NOT NULL, error TEXT NOT NULL) STRICT, WITHOUT ROWID""",
)

_CONSULT: Migration = (
    "CREATE TABLE pool (id TEXT PRIMARY KEY, name TEXT NOT NULL, specialty TEXT NOT NULL) STRICT, WITHOUT ROWID",
    # Projection, at the clinic and at the pool's home. state: requested, offered, claimed, signed, declined,
    # cancelled; cancelling: 1 while the clinic has asked and home has not answered. form: digest of the request's words.
    # reason: why it was declined or cancelled. version: events of the case at its home, as far as known here.
    # amended: how often the study changed after it was asked about.
    """CREATE TABLE consult_case (case_id TEXT PRIMARY KEY, clinic TEXT NOT NULL, home TEXT NOT NULL, pool TEXT NOT NULL,
        origin TEXT NOT NULL, study_uid TEXT NOT NULL, kind TEXT NOT NULL, urgency TEXT NOT NULL, specialty TEXT NOT NULL,
        form TEXT NOT NULL, state TEXT NOT NULL, cancelling INTEGER NOT NULL, amended INTEGER NOT NULL,
        requested_at INTEGER NOT NULL, requested_by TEXT NOT NULL, due INTEGER NOT NULL, reason TEXT NOT NULL,
        claimed_by TEXT NOT NULL, claimed_name TEXT NOT NULL, claimed_at INTEGER, report_id TEXT, returned_at INTEGER,
        clinic_name TEXT NOT NULL DEFAULT '', overdue INTEGER NOT NULL DEFAULT 0,
        version INTEGER NOT NULL, cause TEXT NOT NULL) STRICT, WITHOUT ROWID""",
    "CREATE INDEX case_due ON consult_case (home, state, due)",
    "CREATE INDEX case_study ON consult_case (origin, study_uid)",
    "CREATE INDEX case_pool ON consult_case (pool, state, due)",
    # The lease of a claim; home only. `until` is renewed here each minute and lapses only by an event home writes.
    """CREATE TABLE claim (case_id TEXT PRIMARY KEY, person TEXT NOT NULL, name TEXT NOT NULL, epoch INTEGER NOT NULL,
        until INTEGER NOT NULL) STRICT, WITHOUT ROWID""",
    # What home told the clinic, as dated facts; the clinic's side of the story.
    """CREATE TABLE case_fact (case_id TEXT NOT NULL, n INTEGER NOT NULL, at INTEGER NOT NULL, node TEXT NOT NULL,
        type TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (case_id, n)) STRICT, WITHOUT ROWID""",
)

_REPORTING: Migration = (
    # Content at the pool's home, under an expected version; not an event.
    """CREATE TABLE draft (case_id TEXT PRIMARY KEY, version INTEGER NOT NULL, findings TEXT NOT NULL,
        impression TEXT NOT NULL, person TEXT NOT NULL, at INTEGER NOT NULL) STRICT, WITHOUT ROWID""",
    # Content: words that could not become the draft (claim lost, older version, another writer); never overwritten.
    """CREATE TABLE draft_aside (case_id TEXT NOT NULL, person TEXT NOT NULL, digest TEXT NOT NULL,
        findings TEXT NOT NULL, impression TEXT NOT NULL, why TEXT NOT NULL, at INTEGER NOT NULL,
        PRIMARY KEY (case_id, person, digest)) STRICT, WITHOUT ROWID""",
    # state: signed, reviewed. sr_uid, sr_series_uid, pdf_uid are drawn once, in the signing batch.
    # signature: the home node's, over the canonical signed report. documents: waiting, made; elsewhere at a home that
    # is not the clinic.
    """CREATE TABLE report (report_id TEXT PRIMARY KEY, case_id TEXT NOT NULL, origin TEXT NOT NULL, study_uid TEXT NOT NULL,
        home TEXT NOT NULL, home_name TEXT NOT NULL DEFAULT '', version INTEGER NOT NULL, state TEXT NOT NULL,
        text TEXT NOT NULL, signer TEXT NOT NULL,
        signer_name TEXT NOT NULL, signed_at INTEGER NOT NULL, reviewer TEXT NOT NULL, reviewer_name TEXT NOT NULL,
        reviewed_at INTEGER, sr_uid TEXT NOT NULL, sr_series_uid TEXT NOT NULL, pdf_uid TEXT NOT NULL,
        late_cancel INTEGER NOT NULL, signature TEXT NOT NULL, documents TEXT NOT NULL, pdf_path TEXT,
        cause TEXT NOT NULL) STRICT, WITHOUT ROWID""",
    "CREATE INDEX report_study ON report (origin, study_uid)",
    # Content: where signed reports go. accepts: JSON list of sr, pdf.
    """CREATE TABLE destination (id TEXT PRIMARY KEY, name TEXT NOT NULL, aet TEXT NOT NULL, host TEXT NOT NULL,
        port INTEGER NOT NULL, enabled INTEGER NOT NULL, version INTEGER NOT NULL) STRICT, WITHOUT ROWID""",
    # state: waiting, delivered, failing, given-up.
    """CREATE TABLE delivery (id TEXT PRIMARY KEY, report_id TEXT NOT NULL, destination TEXT NOT NULL, kind TEXT NOT NULL,
        state TEXT NOT NULL, attempts INTEGER NOT NULL, next_at INTEGER NOT NULL, last_error TEXT NOT NULL,
        delivered_at INTEGER, cause TEXT NOT NULL,
        CONSTRAINT delivery_once UNIQUE (report_id, destination, kind)) STRICT, WITHOUT ROWID""",
)

_MERGING: Migration = (
    # Local. Packs whose records stand in another now: no row means them, and they are unlinked when due.
    """CREATE TABLE retired_pack (pack TEXT PRIMARY KEY, successor TEXT NOT NULL, due INTEGER NOT NULL)
        STRICT, WITHOUT ROWID""",
    "CREATE INDEX retired_due ON retired_pack (due)",
)

_ADMISSION: Migration = (
    # Content: devices seen, and the rules an administrator gave. A rule is for calling, address (or network),
    # certificate and for_called, ``*`` for any; certificate also ``some``. classes: JSON list of families and UIDs.
    # others: whether what no family names is taken. called, shown: what was called and which certificate shown last.
    """CREATE TABLE device_ruled (calling TEXT NOT NULL, address TEXT NOT NULL, certificate TEXT NOT NULL DEFAULT '*',
        for_called TEXT NOT NULL DEFAULT '*', rule TEXT NOT NULL, version INTEGER NOT NULL, issuer TEXT NOT NULL,
        trust_issuer INTEGER NOT NULL DEFAULT 0, department TEXT NOT NULL, classes TEXT NOT NULL DEFAULT '["*"]',
        others INTEGER NOT NULL DEFAULT 1, at_once INTEGER NOT NULL DEFAULT 0, called TEXT NOT NULL,
        shown TEXT NOT NULL DEFAULT '', first_at INTEGER NOT NULL, last_at INTEGER NOT NULL,
        refusals INTEGER NOT NULL, PRIMARY KEY (calling, address, certificate, for_called)) STRICT, WITHOUT ROWID""",
    """INSERT INTO device_ruled (calling, address, rule, version, issuer, trust_issuer, department, called, first_at,
        last_at, refusals) SELECT calling, address, rule, version, issuer, trust_issuer, department, called, first_at,
        last_at, refusals FROM device""",
    "DROP TABLE device",
    "ALTER TABLE device_ruled RENAME TO device",
)

_REMOTES: Migration = (
    # Content: remote AEs, whom this node calls. reports, query, send: what it is for. calling: our AE title, empty for
    # the node's. charset: what texts are written in for it, empty as they are. retrieve_by: auto, get, move.
    """CREATE TABLE remote (id TEXT PRIMARY KEY, name TEXT NOT NULL, aet TEXT NOT NULL, host TEXT NOT NULL,
        port INTEGER NOT NULL, tls INTEGER NOT NULL DEFAULT 0, calling TEXT NOT NULL DEFAULT '',
        charset TEXT NOT NULL DEFAULT '', retrieve_by TEXT NOT NULL DEFAULT 'auto', reports INTEGER NOT NULL DEFAULT 0,
        query INTEGER NOT NULL DEFAULT 0, send INTEGER NOT NULL DEFAULT 0, enabled INTEGER NOT NULL,
        version INTEGER NOT NULL) STRICT, WITHOUT ROWID""",
    "CREATE INDEX remote_aet ON remote (aet)",
    """INSERT INTO remote (id, name, aet, host, port, reports, enabled, version)
        SELECT id, name, aet, host, port, 1, enabled, version FROM destination""",
    "DROP TABLE destination",
    # Local. Studies on their way to or from a remote AE, as people see it. kind: send, get. state: waiting, running,
    # done, failed, cancelled. label: what the study is called in the list. asked: how many instances are to come or
    # go, NULL while unknown; by: the person. Rows live 30 days.
    """CREATE TABLE transfer (id TEXT PRIMARY KEY, kind TEXT NOT NULL, remote TEXT NOT NULL, remote_name TEXT NOT NULL,
        origin TEXT NOT NULL, study_uid TEXT NOT NULL, series TEXT NOT NULL, label TEXT NOT NULL, by TEXT NOT NULL,
        by_name TEXT NOT NULL, state TEXT NOT NULL, stop INTEGER NOT NULL DEFAULT 0, asked INTEGER,
        done INTEGER NOT NULL DEFAULT 0, warned INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0,
        bytes INTEGER NOT NULL DEFAULT 0, words TEXT NOT NULL DEFAULT '', attempts INTEGER NOT NULL DEFAULT 0,
        next_at INTEGER NOT NULL, at INTEGER NOT NULL, began_at INTEGER, ended_at INTEGER, seen_at INTEGER NOT NULL,
        cause TEXT NOT NULL) STRICT, WITHOUT ROWID""",
    "CREATE INDEX transfer_at ON transfer (at)",
    # What a send need not send again when it goes on. outcome: stored, warned.
    """CREATE TABLE transferred (transfer TEXT NOT NULL, sop_uid TEXT NOT NULL, outcome TEXT NOT NULL,
        PRIMARY KEY (transfer, sop_uid)) STRICT, WITHOUT ROWID""",
)

_READING: Migration = (
    # Content. What a device may find and retrieve: nothing, own, every-origin.
    "ALTER TABLE device ADD COLUMN reads TEXT NOT NULL DEFAULT 'nothing'",
)

_CORRECTIONS: Migration = (
    # Projection. Facts of corrections (node/catalogue/correction_facts.py), also those undone. study_uid is empty for
    # facts of patients. words: digest of the text that says what is corrected. code: of CID 7011, why it is rejected.
    # n: their order.
    """CREATE TABLE correction (id TEXT PRIMARY KEY, n INTEGER NOT NULL CONSTRAINT correction_n UNIQUE, kind TEXT NOT NULL, origin TEXT NOT NULL, study_uid TEXT NOT NULL,
        series_uid TEXT NOT NULL, patient_issuer TEXT NOT NULL, patient_id TEXT NOT NULL, words TEXT NOT NULL,
        code TEXT NOT NULL, person TEXT NOT NULL, at INTEGER NOT NULL, undone_at INTEGER, undone_by TEXT NOT NULL,
        undone_words TEXT NOT NULL, cause TEXT NOT NULL) STRICT, WITHOUT ROWID""",
    "CREATE INDEX correction_study ON correction (origin, study_uid)",
    "CREATE INDEX correction_patient ON correction (patient_issuer, patient_id)",
    # Projection. Which standing facts count for a study.
    """CREATE TABLE study_correction (origin TEXT NOT NULL, study_uid TEXT NOT NULL, correction TEXT NOT NULL,
        PRIMARY KEY (origin, study_uid, correction)) STRICT, WITHOUT ROWID""",
    "CREATE INDEX study_correction_fact ON study_correction (correction)",
    # Projection. What the facts come to: see node/catalogue/overlays.py. Of a peer's study: as its origin told.
    """CREATE TABLE overlay (origin TEXT NOT NULL, study_uid TEXT NOT NULL, digest TEXT NOT NULL, body TEXT NOT NULL,
        at INTEGER NOT NULL, PRIMARY KEY (origin, study_uid)) STRICT, WITHOUT ROWID""",
    # Catalogue. The words that a corrected study's instances say, as registration keeps them; series_uid is empty for
    # the study's own. There only while a fact counts for the study.
    """CREATE TABLE said (origin TEXT NOT NULL, study_uid TEXT NOT NULL, series_uid TEXT NOT NULL, words TEXT NOT NULL,
        PRIMARY KEY (origin, study_uid, series_uid)) STRICT, WITHOUT ROWID""",
    "CREATE INDEX study_identity_patient ON study_identity (patient_issuer, patient_id)",
    # 1 when every instance of it is rejected.
    "ALTER TABLE study ADD COLUMN rejected INTEGER NOT NULL DEFAULT 0",
    # Digest of the corrections that the peer was last told; empty: none.
    "ALTER TABLE decision ADD COLUMN corrected TEXT NOT NULL DEFAULT ''",
)

_BLOCKS: Migration = (
    # Which of the node's keys signed a block (base64); digest, previous, signature: see node/journal/README.md.
    "ALTER TABLE block ADD COLUMN verify_key TEXT NOT NULL DEFAULT ''",
    # Which block an envelope tells of, fixed when it is first sealed: sealed again it must keep its digest. Empty: none,
    # as in all that an earlier version sealed; NULL: not sealed yet.
    "ALTER TABLE outbox ADD COLUMN head TEXT",
    "UPDATE outbox SET head = ''",
    # Content. The newest block of its journal that a peer told of. stream: numbered, receipts.
    """CREATE TABLE peer_head (peer TEXT NOT NULL, stream TEXT NOT NULL, inc TEXT NOT NULL, n INTEGER NOT NULL,
        digest TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (peer, stream)) STRICT, WITHOUT ROWID""",
)

MIGRATIONS: tuple[Migration, ...] = (
    _MACHINERY + _JOURNAL + _CATALOGUE + _PEOPLE + _FEDERATION + _CONSULT + _REPORTING,
    _MERGING,
    _ADMISSION,
    _REMOTES,
    _READING,
    _CORRECTIONS,
    FINDING,
    STUDY_ID,
    BEGINNINGS,
    ALL_HERE,
    ARCHIVE,
    _BLOCKS,
    BACKUP,
    LIFECYCLE,
    WATCH,
    DELETION,
    REBUILD,
    INSTANCES,
    BACKUPS_REMOVED,
    COPIES_BY_NAME,
    WORKLIST,
)
"""Migration n is ``MIGRATIONS[n - 1]``; one that has shipped is never edited, a new one is appended."""
