"""What peers say about their studies, applied here: announced, parts to fetch, complete there.

A peer speaks for its own studies alone; one that names another's is refused.
Every function gives statements for the inbox's batch, and is as good the second time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import msgspec

from federation.hosting import is_digest
from federation.messages import (
    AnnouncedSeries,
    AnnouncedStudy,
    PartOffered,
    PartWanted,
    Received,
    StudyAnnounced,
    StudyCompletedThere,
)
from federation.sharing import touch
from node.canonical import canonical_json
from node.catalogue.search import StudyRow, peek_study
from node.catalogue.written import ALWAYS, write_study
from node.database.port import Statement
from node.errors import InvalidRequest, Refused
from node.events import Event
from node.events import StudyAnnounced as StudyAnnouncedEvent
from node.names import NodeId, StudyKey, StudyUID, is_uid
from node.node import Node

TEXT_LIMIT = 4_000
"""Characters of any announced text."""
_DESCRIPTIVE = (
    "patient_issuer",
    "patient_id",
    "patient_name",
    "sex",
    "birth_date",
    "age",
    "study_date",
    "study_time",
    "accession_issuer",
    "accession",
    "study_id",
    "description",
    "referring_physician",
    "modalities",
    "body_parts",
    "department",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyCounted(Event):
    """The origin of a study told what a complete copy holds. Subject ``study/ORIGIN/UID``."""

    peer: str
    expected: int
    set_digest: str


def apply_study_announced(node: Node, received: Received, message: StudyAnnounced) -> list[Statement]:
    """Show a peer's study before its images, or as it looks now.

    What instances here say of the study is never overwritten by an announcement.

    Raises
    ------
    Refused, InvalidRequest
        It is another node's study, or not one.
    """
    key = own_study(received.sender, message.origin, message.study.study_uid)
    described = described_in(message.study, message.origin)
    held = peek_study(node.database, key)
    if held is not None and not _is_news(held, described):
        return []
    event = StudyAnnouncedEvent(peer=received.sender, expected=message.study.instance_count)
    version = node.journal.version(key.subject)
    cause = received.cause
    statements = node.journal.append(key.subject, [event], after=version, cause=cause)
    statements += write_study(
        _study_row(key, held, described, message, received),
        before=held,
        guard=ALWAYS if held is None else ("state = 'announced'", ()),
        refusal="Taking a study was refused: its instances came meanwhile. Read it again.",
    )
    return [*statements, *(_series_row(key, series) for series in message.series)]


def apply_part_offered(node: Node, received: Received, message: PartOffered) -> list[Statement]:
    """Note a part to be fetched; fetching is `federation.fetching`'s."""
    key = own_study(received.sender, message.origin, message.study_uid)
    if not is_digest(message.blob) or message.k < 1 or message.bytes < 1:
        raise InvalidRequest(f"Taking part {message.k} was refused: it is not named by a SHA-256 and a size.")
    return [
        Statement(
            "INSERT INTO part (peer, origin, study_uid, k, direction, blob, blob_key, bytes, instances,"
            " manifest_digest, state, at, cause) VALUES (?, ?, ?, ?, 'in', ?, ?, ?, ?, ?, 'offered', ?, ?)"
            " ON CONFLICT (peer, origin, study_uid, k, direction) DO NOTHING",
            (
                received.sender,
                key.origin,
                key.study_uid,
                message.k,
                message.blob,
                message.blob_key,
                message.bytes,
                message.instances,
                message.manifest_digest,
                received.at,
                received.cause,
            ),
        )
    ]


def apply_part_wanted(node: Node, received: Received, message: PartWanted) -> list[Statement]:
    """Let the instances of a part that the peer could not have go again in another."""
    if message.origin != node.id:
        raise Refused(f"Sending a part again was refused: {message.origin} is not this node.")
    where = (received.sender, message.origin, message.study_uid, message.k)
    key = StudyKey(origin=node.id, study_uid=StudyUID(message.study_uid))
    return [
        Statement(
            "UPDATE part SET state = 'withdrawn' WHERE peer = ? AND origin = ? AND study_uid = ? AND k = ?"
            " AND direction = 'out'",
            where,
        ),
        Statement(
            "DELETE FROM shared_instance WHERE peer = ? AND origin = ? AND study_uid = ? AND k = ?", where
        ),
        touch(received.sender, key),
    ]


def apply_study_completed_there(
    node: Node, received: Received, message: StudyCompletedThere
) -> list[Statement]:
    """Know how many instances the origin holds; the study completes here when as many have come."""
    key = own_study(received.sender, message.origin, message.study_uid)
    known = node.database.read(
        "SELECT set_digest FROM completed_there WHERE origin = ? AND study_uid = ?",
        (key.origin, key.study_uid),
    )
    if known and known[0]["set_digest"] == message.set_digest:
        return []
    event = StudyCounted(peer=received.sender, expected=message.instances, set_digest=message.set_digest)
    version = node.journal.version(key.subject)
    return [
        *node.journal.append(key.subject, [event], after=version, cause=received.cause),
        Statement(
            "INSERT INTO completed_there (origin, study_uid, instances, contents, set_digest, at)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (origin, study_uid) DO UPDATE SET instances = excluded.instances,"
            " contents = excluded.contents, set_digest = excluded.set_digest, at = excluded.at, agreed_at = NULL",
            (
                key.origin,
                key.study_uid,
                message.instances,
                message.contents,
                message.set_digest,
                received.at,
            ),
        ),
        Statement(
            "UPDATE study SET expected = ? WHERE origin = ? AND study_uid = ?",
            (message.instances, key.origin, key.study_uid),
        ),
    ]


def own_study(sender: NodeId, origin: str, study_uid: str) -> StudyKey:
    """Give the study that a peer speaks of, which must be its own."""
    if origin != sender:
        raise Refused(
            f"Taking a study was refused: {sender} speaks for one of {origin}. Tell its administrator."
        )
    if not is_uid(study_uid):
        raise InvalidRequest("Taking a study was refused: its Study Instance UID is not one.")
    return StudyKey(origin=sender, study_uid=StudyUID(study_uid))


def described_in(study: AnnouncedStudy, origin: str) -> dict[str, str]:
    """Give the columns that a peer's words may fill, after checking their form."""
    described = {name: str(getattr(study, name)) for name in _DESCRIPTIVE}
    if any(len(value) > TEXT_LIMIT for value in described.values()):
        raise InvalidRequest("Taking a study was refused: one of its texts is too long.")
    for issuer in (study.patient_issuer, study.accession_issuer):
        if issuer and not issuer.startswith(f"{origin}:"):
            raise Refused("Taking a study was refused: its issuer does not begin with its origin.")
    for listed in ("modalities", "body_parts"):
        try:
            names = msgspec.json.decode(described[listed].encode(), type=list[str])
        except msgspec.DecodeError as error:
            raise InvalidRequest(f"Taking a study was refused: its {listed} are not a JSON list.") from error
        described[listed] = canonical_json(names)
    return described


def _is_news(held: StudyRow, described: dict[str, str]) -> bool:
    """Say whether an announcement changes what is shown: never once instances have come."""
    return held.state == "announced" and any(
        getattr(held, name) != value for name, value in described.items()
    )


def _study_row(
    key: StudyKey,
    held: StudyRow | None,
    described: dict[str, str],
    message: StudyAnnounced,
    received: Received,
) -> StudyRow:
    """Give the row that an announcement makes, or makes of the one before it."""
    words: dict[str, Any] = {
        **described,
        "series_count": len(message.series),
        "expected": None if message.images else message.study.instance_count,
        "last_at": received.at,
    }
    if held is not None:
        return replace(held, **words)
    return StudyRow(
        **words,
        origin=key.origin,
        study_uid=key.study_uid,
        instance_count=0,
        bytes=0,
        state="announced",
        conflict=0,
        first_at=received.at,
        completed_at=None,
        cause=received.cause,
        source_at=0,
        source_digest="",
    )


def _series_row(key: StudyKey, series: AnnouncedSeries) -> Statement:
    if not is_uid(series.series_uid):
        raise InvalidRequest("Taking a study was refused: a Series Instance UID is not one.")
    return Statement(
        "INSERT INTO series (origin, study_uid, series_uid, modality, number, description, body_part, laterality,"
        " instance_count) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)"
        " ON CONFLICT (origin, study_uid, series_uid) DO NOTHING",
        (
            key.origin,
            key.study_uid,
            series.series_uid,
            series.modality[:TEXT_LIMIT],
            series.number,
            series.description[:TEXT_LIMIT],
            series.body_part[:TEXT_LIMIT],
            series.laterality[:TEXT_LIMIT],
        ),
    )
