"""What studies are found by: keys, indexes, grams and ready answers; four migrations of `node.database.schema`."""

from __future__ import annotations

FINDING: tuple[str, ...] = (
    # What a study is found by follows from its words: node.catalogue.written writes it; derived is 0 where that is still
    # to be done, by node.catalogue.deriving. The keys are folded names, and dates of 8 digits or empty.
    "ALTER TABLE study ADD COLUMN sop_classes TEXT NOT NULL DEFAULT '[]'",
    "ALTER TABLE study ADD COLUMN name_key TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE study ADD COLUMN physician_key TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE study ADD COLUMN date_key TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE study ADD COLUMN birth_key TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE study ADD COLUMN derived INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX study_underived ON study (derived) WHERE derived = 0",
    # Each ends in first_at and, as every index of this table does, in the study's key: a page is chosen from the index
    # alone, whatever is skipped before it, and then its rows are read. Lists hold no rejected study.
    "CREATE INDEX study_by_origin ON study (origin, rejected, first_at)",
    "DROP INDEX study_recent",
    "CREATE INDEX study_recent ON study (rejected, first_at)",
    "DROP INDEX study_patient",
    "CREATE INDEX study_by_patient ON study (patient_issuer, patient_id, rejected, first_at)",
    "CREATE INDEX study_walk ON study (origin, rejected, first_at, study_uid, name_key, date_key, modalities)",
    "CREATE INDEX study_by_uid ON study (study_uid, rejected, first_at)",
    "CREATE INDEX study_by_id ON study (patient_id, rejected, first_at)",
    "CREATE INDEX study_by_accession ON study (accession, rejected, first_at)",
    "CREATE INDEX study_by_name ON study (name_key, rejected, first_at, date_key)",
    "CREATE INDEX study_by_physician ON study (physician_key, rejected, first_at)",
    "CREATE INDEX study_by_date ON study (date_key, rejected, first_at)",
    "CREATE INDEX study_by_birth ON study (birth_key, rejected, first_at)",
    "CREATE INDEX study_by_description ON study (description, rejected, first_at)",
    "CREATE INDEX study_by_modalities ON study (modalities, rejected, first_at)",
    "CREATE INDEX study_by_classes ON study (sop_classes, rejected, first_at)",
    # Texts that are as long as a pattern that asks for their length first: few, so that such a pattern is soon answered.
    "CREATE INDEX study_long_id ON study (patient_id, rejected, first_at) WHERE length(patient_id) >= 24",
    "CREATE INDEX study_long_accession ON study (accession, rejected, first_at) WHERE length(accession) >= 24",
    "CREATE INDEX study_long_name ON study (name_key, rejected, first_at) WHERE length(name_key) >= 24",
    "CREATE INDEX study_long_physician ON study (physician_key, rejected, first_at) WHERE length(physician_key) >= 24",
    "CREATE INDEX study_long_description ON study (description, rejected, first_at) WHERE length(description) >= 24",
    "CREATE INDEX series_by_uid ON series (series_uid)",
    # A study as DICOM JSON, ready for queries. Not a column of its row: rows of a table without rowid are best short.
    """CREATE TABLE study_answer (origin TEXT NOT NULL, study_uid TEXT NOT NULL, answer TEXT NOT NULL,
        PRIMARY KEY (origin, study_uid)) STRICT""",
    # Pairs of letters of names, and what Chinese names are typed by; of each name that some study has, once.
    """CREATE TABLE name_gram (gram TEXT NOT NULL, name TEXT NOT NULL,
        PRIMARY KEY (gram, name)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE name_sound (sound TEXT NOT NULL, name TEXT NOT NULL,
        PRIMARY KEY (sound, name)) STRICT, WITHOUT ROWID""",
)

STUDY_ID: tuple[str, ...] = (
    # Study ID (0020,0010), a required key. Of studies registered before, node.catalogue.deriving reads it from the instance
    # that gave the row its words; a peer's, of which no instance is here, has it from its next announcement.
    "ALTER TABLE study ADD COLUMN study_id TEXT NOT NULL DEFAULT ''",
    "UPDATE study SET derived = 0 WHERE source_digest <> ''",
    "CREATE INDEX study_by_study_id ON study (study_id, rejected, first_at)",
    "CREATE INDEX study_long_study_id ON study (study_id, rejected, first_at) WHERE length(study_id) >= 24",
)

BEGINNINGS: tuple[str, ...] = (
    # In place of the pair that a name's group begins with stands the whole group, so that a beginning of any length is
    # one range; and how many letters it has. A name's key is "=first=second=third="; groups may be empty.
    """WITH RECURSIVE part (name, rest) AS (SELECT DISTINCT name, name FROM name_gram
        UNION ALL SELECT name, substr(rest, 1 + instr(substr(rest, 2), '=')) FROM part WHERE length(rest) > 1),
        each (name, held) AS (SELECT name, substr(rest, 1, 1 + instr(substr(rest, 2), '=')) FROM part WHERE length(rest) > 1)
        INSERT OR IGNORE INTO name_gram (gram, name) SELECT held, name FROM each
        UNION ALL SELECT printf('==%03d', min(length(held) - 2, 999)), name FROM each WHERE length(held) > 2""",
    "DELETE FROM name_gram WHERE gram >= '=' AND gram < '>' AND length(gram) = 2",
    "DROP INDEX study_long_name",
    "DROP INDEX study_long_physician",
)

ALL_HERE: tuple[str, ...] = (
    # Studies on their way of which as many instances are here as were announced: a few, however many are on their way.
    "CREATE INDEX study_all_here ON study (state) WHERE state = 'receiving' AND expected > 0 AND instance_count >= expected",
)
