"""Which table of the database a rebuild writes again, which only a backup brings back, and which may be lost.

The one list of them: an architecture test holds it against the schema, `copying` copies by it, and `export` shows what is
rebuilt. Where an old database can be read, content and what is wanted of the local rows is copied from it.
"""

from __future__ import annotations

REBUILT = {
    "study": "packs and packages; state and counts announced, from events",
    "series": "packs and packages",
    "study_identity": "packs and packages",
    "online_instance": "packs and packages",
    "archived_series": "packages; `online_instance` and these are exported as `instance`, the view of both",
    "repeated": "packs; of what lies in the archive alone nobody knows how often it came",
    "said": "corrections, and what they are about",
    "study_answer": "study",
    "name_gram": "study",
    "name_sound": "study",
    "journal": "blocks; what no block holds, from an old database",
    "block": "blocks",
    "text": "text files that events name, and an old database",
    "correction": "events and texts",
    "study_correction": "corrections",
    "overlay": "corrections; of a peer's study the text that its event names",
    "archived": "packages",
    "package_copy": "what lies in the stores; the keys of sealed ones, from their notes",
    "problem": "events, as if nobody had seen them; which were, from an old database",
    "retired_pack": "merged packs that say whose place they took",
    "lifecycle": "decided again",
    "consult_case": "events of the case at either end, and texts",
    "case_fact": "events of the case at either end, and texts",
    "claim": "events; how often it was renewed, from an old database",
    "referral": "events at the clinic",
    "hold": "events of cases; what else keeps a study, from an old database",
    "access": "events of cases; what else shows a study, from an old database",
    "report": "events and texts",
    "delivery": "events; how often it was tried, from an old database",
}
"""Written again; from what."""

CONTENT = frozenset(
    {
        "account", "archive_rules", "audit", "backup_made", "bearer", "blob",
        "completed_there", "damage", "decision", "deletion", "deletion_peer", "deletion_step",
        "device", "draft", "draft_aside", "drill", "inbox", "incoming", "invitation", "key_rotation", "mailbox",
        "mailbox_count", "membership", "outbox", "outgoing", "part", "peer_head", "policy", "pool", "remote",
        "roster_statement", "shared_instance", "tier_size",
    }
)  # fmt: skip
"""Only a backup brings it back: people, pools, rules, peers and their mail, drafts, what was found."""

WANTED = frozenset({"cursor", "job", "recall", "transfer", "transferred", "write_key"})
"""Local, and copied where an old database has it; of cursors those of the index are written again."""

LOCAL = frozenset(
    {
        "alarm", "expectation", "lease", "link", "look_ahead", "orphan_package", "pressure", "scrub_later", "scrubbed", "session",
        "setup_link", "tier_forecast",
    }
)  # fmt: skip
"""Lost, and made again: people sign in again, and both tiers are compared from their beginning."""

EXPORTED: dict[str, tuple[str, ...]] = {
    "study": ("origin", "study_uid"),
    "series": ("origin", "study_uid", "series_uid"),
    "study_identity": (
        "origin", "study_uid", "patient_issuer", "patient_id", "patient_name", "birth_date", "sex",
    ),
    "instance": ("origin", "study_uid", "sop_uid", "digest"),
    "repeated": ("origin", "study_uid", "sop_uid", "digest"),
    "said": ("origin", "study_uid", "series_uid"),
    "study_answer": ("origin", "study_uid"),
    "name_gram": ("gram", "name"),
    "name_sound": ("sound", "name"),
    "journal": ("seq",),
    "block": ("n",),
    "text": ("digest",),
    "correction": ("n",),
    "study_correction": ("origin", "study_uid", "correction"),
    "overlay": ("origin", "study_uid"),
    "archived": ("origin", "study_uid", "generation"),
    "package_copy": ("digest", "store"),
    "problem": ("id",),
    "consult_case": ("case_id",),
    "case_fact": ("case_id", "n"),
    "claim": ("case_id",),
    "referral": ("peer", "origin", "study_uid", "case_id"),
    "hold": ("origin", "study_uid", "reason", "who"),
    "access": ("subject", "origin", "study_uid", "reason"),
    "report": ("report_id",),
    "delivery": ("id",),
}  # fmt: skip
"""What an export holds, each with its key: all that is rebuilt but what is decided again."""
