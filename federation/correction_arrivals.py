"""What the origin of a study corrected, applied here: stored bytes stay, what is shown and given on follows.

Who merged whom stays at the origin. A peer gets what that comes to for each study it was told of.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from federation.arrivals import TEXT_LIMIT, described_in, own_study
from federation.messages import Received, StudyCorrectedThere
from node.catalogue.contents import StoredContents
from node.catalogue.corrected_growth import TOLD
from node.catalogue.correction_facts import SERIES_VALUES, STUDY_VALUES
from node.catalogue.overlays import (
    Overlay,
    decode_overlay,
    encode_overlay,
    write_overlay,
)
from node.catalogue.resolving import Resolution
from node.catalogue.restating import Present, read_present, resolve_present, restate, restated_statements
from node.catalogue.said import Said
from node.catalogue.search import peek_study
from node.database.port import Statement
from node.errors import Damaged, InvalidRequest, Refused
from node.events import Event
from node.node import Node

_OVERLAY_LIMIT = 2 << 20
"""Characters of a study's overlay; 20,000 rejected instances fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionsTold(Event):
    """The origin of a study corrected it. Subject ``study/ORIGIN/UID``."""

    peer: str
    overlay: str
    """Digest of the text that says what the corrections come to; versions before kept no such text."""


def apply_study_corrected_there(
    node: Node, received: Received, message: StudyCorrectedThere
) -> list[Statement]:
    """Show a peer's study as its origin corrected it, and keep that for what comes later.

    Raises
    ------
    Refused, InvalidRequest
        It is another node's study, or says what no origin may say.
    """
    key = own_study(received.sender, message.origin, message.study.study_uid)
    overlay = _checked(message)
    words = described_in(message.study, message.origin)
    digest, text = node.texts.put("overlay", encode_overlay(overlay)[1])
    event = CorrectionsTold(peer=received.sender, overlay=digest)
    if peek_study(node.database, key) is None:
        version = node.journal.version(key.subject)
        told = node.journal.append(key.subject, [event], after=version, cause=received.cause)
        return [text, write_overlay(key, overlay if overlay != Overlay() else None), *told]
    present = read_present(node, key, every_instance=True)
    if not present.row.source_digest:  # no instance here has given the row its words: its origin does
        present = replace(present, said=_said(present, message, words=dict(words)))
    resolution = Resolution(overlay=overlay, red=False, facts=(TOLD,))
    if overlay == Overlay():
        resolution = resolve_present(present, [])
    restated = restate(present, resolution, contents=StoredContents(node))
    version = present.held.version
    return [
        text,
        *restated_statements(key, present, restated, resolution),
        *node.journal.append(key.subject, [event], after=version, cause=received.cause),
    ]


def _checked(message: StudyCorrectedThere) -> Overlay:
    if len(message.overlay) > _OVERLAY_LIMIT:
        raise InvalidRequest("Taking corrections was refused: they are too long.")
    try:
        overlay = decode_overlay(message.overlay)
    except Damaged as error:
        raise InvalidRequest(
            "Taking corrections was refused: they cannot be read. Update this node."
        ) from error
    for change in overlay.patients.values():
        texts = (change.issuer, change.id, change.name, change.birth_date, change.sex)
        if any(text is not None and len(text) > TEXT_LIMIT for text in texts):
            raise InvalidRequest("Taking corrections was refused: one of their texts is too long.")
        if change.issuer is not None and not change.issuer.startswith(f"{message.origin}:"):
            raise Refused("Taking corrections was refused: an issuer does not begin with their origin.")
    _check_values([overlay.study], STUDY_VALUES)
    _check_values(overlay.series.values(), SERIES_VALUES)
    return overlay


def _check_values(changes: Iterable[Mapping[str, str]], known: Collection[str]) -> None:
    """Refuse what no exit here could say: half of a correction is none."""
    for values in changes:
        if not values.keys() <= set(known):
            raise InvalidRequest(
                "Taking corrections was refused: they change what is not known here. Update this node."
            )
        if any(len(text) > TEXT_LIMIT for text in values.values()):
            raise InvalidRequest("Taking corrections was refused: one of their texts is too long.")


def _said(present: Present, message: StudyCorrectedThere, *, words: dict[str, object]) -> Said:
    """Give the rows of a study as its origin says that its instances do."""
    series = {one.series_uid: one for one in message.series}
    return Said(
        study=replace(present.said.study, **words),  # type: ignore[arg-type]  # names and types are the columns'
        series={
            uid: row
            if row.source_digest or uid not in series
            else replace(
                row,
                modality=series[uid].modality[:TEXT_LIMIT],
                description=series[uid].description[:TEXT_LIMIT],
                body_part=series[uid].body_part[:TEXT_LIMIT],
                laterality=series[uid].laterality[:TEXT_LIMIT],
            )
            for uid, row in present.said.series.items()
        },
    )
