"""Write CONFORMANCE.md from the code: what this node speaks, so that the statement cannot drift.

``python -m ops.conformance`` writes it; a test fails when the committed one differs.

Source: DICOM PS3.2 (the order of a conformance statement).
"""

from __future__ import annotations

import sys
from pathlib import Path

from node.catalogue.correction_drafts import REJECTIONS
from node.catalogue.matching import MOST_PATTERNS, QueryLevel, matched_keys
from node.dicom.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION
from node.dicom.texts_in import CHARSETS
from node.dimse.commands import (
    CANCELLED,
    IDENTIFIER_DOES_NOT_FIT,
    MOVE_DESTINATION_UNKNOWN,
    NO_SUB_OPERATION_SUCCEEDED,
    OUT_OF_RESOURCES,
    PENDING,
    PENDING_SOME_KEYS_UNKNOWN,
    SOME_FAILED,
    SUCCESS,
    UNABLE_TO_PROCESS,
)
from node.dimse.connection import ASSOCIATE_DEADLINE_S, IDLE_S, MAX_PDU_BYTES
from node.dimse.query_keys import KEYS
from node.dimse.query_scp import LEVELS, PATIENT_ROOT, PATIENT_STUDY_ONLY, STUDY_ROOT
from node.dimse.store_scp import ClassNotTaken
from node.dimse.worklist_scu import MODALITY_WORKLIST
from node.errors import Damaged, GridError, InvalidRequest, NotFound, Unavailable
from node.imaging.codecs import DECODABLE
from web.dicomweb.asking import PAGE, PAGE_LIMIT
from web.table import ROUTES

ROOT = Path(__file__).resolve().parent.parent
STATUSES: tuple[tuple[int, str], ...] = (
    (0x0000, "stored: written, synced and marked; or the same data set is here already"),
    (Unavailable.dimse, "out of resources: the disk reserve, or the disk itself; send again later"),
    (0xA900, "data set does not match the SOP class or instance that the command names"),
    (ClassNotTaken.dimse, "SOP class not supported: the rule of this device does not take it"),
    (
        InvalidRequest.dimse,
        "cannot understand: truncated, malformed, or no valid study, series or instance UID",
    ),
)
"""Every refusal also carries words in Error Comment (0000,0902)."""


QUERY_STATUSES: tuple[tuple[int, str], ...] = (
    (SUCCESS, "all of it was found, or sent"),
    (PENDING, "an answer; or sub-operations go on, told each half second"),
    (PENDING_SOME_KEYS_UNKNOWN, "an answer; not all keys are supported"),
    (CANCELLED, "cancelled"),
    (
        SOME_FAILED,
        "some sub-operations failed or came with warnings; Failed SOP Instance UID List says which failed",
    ),
    (OUT_OF_RESOURCES, "the catalogue cannot be read now; ask again later"),
    (NO_SUB_OPERATION_SUCCEEDED, "no sub-operation succeeded"),
    (MOVE_DESTINATION_UNKNOWN, "the move destination is no remote AE that studies are sent to"),
    (
        IDENTIFIER_DOES_NOT_FIT,
        "the identifier cannot be read, has no level of its model, or lacks its unique key",
    ),
    (UNABLE_TO_PROCESS, "a key is malformed"),
)


def statement() -> str:
    """Give the whole statement as Markdown."""
    lines = [
        "# DICOM conformance statement",
        "",
        "Made from the code by `python -m ops.conformance`; a test holds it against the code.",
        "",
        f"Implementation Class UID `{IMPLEMENTATION_CLASS_UID}`, version name `{IMPLEMENTATION_VERSION}`.",
        "",
        "## Network: DIMSE",
        "",
        "| service | role | SOP classes | transfer syntaxes |",
        "|---|---|---|---|",
        "| Verification | SCP, SCU | 1.2.840.10008.1.1 | implicit and explicit VR little endian |",
        "| Storage | SCP | every one proposed, standard, retired or private | every one proposed; stored as received |",
        "| Storage | SCU | every one held | as stored where the peer takes that, else explicit or implicit VR little endian |",
        *(
            f"| {name} | SCP, SCU | {uids} | implicit and explicit VR little endian |"
            for name, uids in _query_classes()
        ),
        f"| Modality Worklist C-FIND | SCU | {MODALITY_WORKLIST} | implicit and explicit VR little endian |",
        "",
        f"Maximum PDU {MAX_PDU_BYTES // 1024} KiB; a connection that has not associated after {ASSOCIATE_DEADLINE_S:g} s, or says",
        f"nothing for {IDLE_S:g} s, is closed. Callers are admitted by rules over calling AE title, called AE title,",
        "address or network and certificate; an unknown caller is rejected (calling AE title not recognised) and shown",
        "to the administrator. A rule may name the SOP classes that it takes.",
        "",
        "### C-STORE statuses",
        "",
        "| status | meaning |",
        "|---|---|",
        *(f"| 0x{status:04X} | {meaning} |" for status, meaning in STATUSES),
        "",
        "Data sets are kept byte for byte. The preamble and file meta of a stored file are this node's own.",
        "",
        *_queries(),
        "## Web: DICOMweb (PS3.18)",
        "",
        "Below `/dicomweb` own studies, below `/dicomweb/from/NODE` those received from a peer. Session or bearer token.",
        "",
        "| method | address |",
        "|---|---|",
        *(f"| {route.method} | `{route.path}` |" for route in ROUTES if route.path.startswith("/dicomweb")),
        "",
        *_matching(),
        "Objects are returned in the transfer syntax they were received in, or to who names it in explicit VR little endian;",
        "frames are decoded for that from these syntaxes:",
        "",
        *(f"- {syntax}" for syntax in sorted(DECODABLE)),
        "",
        "Stored by STOW-RS: `application/dicom`, alone or in multipart/related, in every transfer syntax, kept byte for byte;",
        "`application/dicom+json` with bulk data parts, written in explicit VR little endian, or in the syntax of its",
        "compressed frames. 200 all stored, 202 some, 409 none, 503 none for want of room; failure reasons are the",
        "statuses of C-STORE, their words in Error Comment (0000,0902). Answers are DICOM JSON or XML.",
        "",
        "## Corrections",
        "",
        "What a person corrected is spliced into the header of every object that leaves; all else keeps its bytes. An item of",
        "the Original Attributes Sequence (0400,0561) says what was. Where the character set cannot hold a corrected text",
        "all texts of the header are written in ISO_IR 192.",
        "",
        "`DELETE` rejects and erases nothing; `reason` is one of these codes of CID 7011 (113001 if none), `comment` the words:",
        "",
        "| code | meaning |",
        "|---|---|",
        *(f"| {code} | {meaning} |" for code, meaning in REJECTIONS.items()),
        "",
        "A Key Object Selection whose title is one of them, sent by a device, rejects what it lists (IHE RAD TF-3 4.66).",
        "",
        "## Character sets",
        "",
        "Read: the repertoires of PS3.3 C.12.1.1.2 including GB18030, GBK and ISO 2022 IR 58; text without a declared set",
        "is read as UTF-8 where it is valid, else as GB18030, and never rewritten where it is kept. Written (SR): ISO_IR 192.",
        f"Texts sent to a remote AE that reads one set only are written in it: {', '.join(filter(None, CHARSETS))}; a data set with",
        "a text that the set does not hold goes as it is, with a warning.",
        "",
        "## Errors of the program interface",
        "",
        "| kind | HTTP | DIMSE | gRPC |",
        "|---|---|---|---|",
        *(_error_row(kind) for kind in (InvalidRequest, NotFound, Unavailable, Damaged)),
        "",
        "## Security",
        "",
        "Web: TLS with given files or the node's own certificate; off loopback plain HTTP is refused. Between nodes: mutual",
        "TLS with the roster as trust list, envelopes sealed for one recipient (see federation/PROTOCOL.md). DIMSE: plain,",
        "and on a second port TLS 1.2 and 1.3 with the cipher suites of RFC 9325; callers' certificates are required when",
        "a trust list is given, and rules may name them.",
    ]
    return "\n".join(lines) + "\n"


def _query_classes() -> list[tuple[str, str]]:
    """Give the SOP classes of query and retrieval by model."""
    names = {
        PATIENT_ROOT: "Patient Root",
        STUDY_ROOT: "Study Root",
        PATIENT_STUDY_ONLY: "Patient/Study Only (retired)",
    }
    return [
        (f"{names[model]} C-FIND, C-MOVE, C-GET", ", ".join(f"{model}.{n}" for n in (1, 2, 3)))
        for model in LEVELS
    ]


def _queries() -> list[str]:
    """Say what C-FIND, C-GET and C-MOVE do and leave."""
    return [
        "### C-FIND, C-GET, C-MOVE",
        "",
        "A rule says whether its devices may query and retrieve, and whose studies: this node's under its own AE titles,",
        "another hospital's under the AE title of its node (its id in capitals). Queries are always relational. Extended",
        "negotiation is answered for relational queries and for dates and times as one range; neither fuzzy matching of names",
        "nor time zones. C-CANCEL is taken at any time. Every answer holds Retrieve AE Title and Instance Availability",
        "(`ONLINE`, or `UNAVAILABLE` while only another hospital's announcement is here), and the unique keys of its level and",
        "those above. Texts are written in the character set set for the remote AE, else in that of the query, else in",
        "ISO_IR 192. Status 0xFF01 where a key is neither matched on nor answered.",
        "",
        "| level | attributes answered |",
        "|---|---|",
        *(
            f"| {level} | {', '.join(f'`{key.keyword}`' for key in KEYS.values() if key.level is level)} |"
            for level in QueryLevel
        ),
        "",
        "C-GET and C-MOVE take unique keys alone, single values or lists of UIDs. Instances go as they are stored where the",
        "peer takes that transfer syntax, else uncompressed. A Patient ID that several issuers gave must come with its Issuer",
        "of Patient ID. C-MOVE sends to AEs that an administrator has entered as ones that studies are sent to, and to no other.",
        "",
        "| status | meaning |",
        "|---|---|",
        *(f"| 0x{status:04X} | {meaning} |" for status, meaning in QUERY_STATUSES),
        "",
    ]


def _matching() -> list[str]:
    """Say what queries are matched on, and what PS3.4 C.2.2.2 leaves to each implementation."""
    lines, known = ["Matched on in queries:", ""], frozenset[str]()
    for level in QueryLevel:
        keys = matched_keys(level)
        lines.append(f"- {level.name.lower()}: {', '.join(f'`{key}`' for key in sorted(keys - known))}")
        known = keys
    return [
        *lines,
        "",
        "Keys of higher levels go together with those of lower ones. Person names match in any of their component groups,",
        "whatever the case and the accents of Latin, Greek and Cyrillic letters; a key with several groups asks each filled",
        "one of the same group. Other texts match exactly. A date or time of less precision is the whole of what it names,",
        "alone and at either end of a range. A malformed date, time or number, and a range that ends before it begins, are",
        f"refused. Of several values any may match; at most {MOST_PATTERNS} with wildcards, names, dates or times.",
        "A name that is held with combining characters matches as if it were composed.",
        "",
        "QIDO-RS: a malformed value is answered 400; instances across more studies than can be looked through, 413. Every answer carries all that the catalogue knows of its level, and of the",
        "levels above where the address does not name them; `includefield` of anything else, and keys that are not matched on,",
        f"are named in `Warning`. At most {PAGE_LIMIT} answers at once, {PAGE} unless `limit` says otherwise. `fuzzymatching=true` also finds",
        "Chinese names by pinyin, in full or by initials, and names that sound alike.",
        "",
    ]


def _error_row(kind: type[GridError]) -> str:
    return f"| {kind.__name__} | {kind.http} | 0x{kind.dimse:04X} | {kind.grpc} |"


if __name__ == "__main__":
    (ROOT / "CONFORMANCE.md").write_text(statement(), "utf-8")
    sys.exit(0)
