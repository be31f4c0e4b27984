"""What an overlay rules about the contents of a study's instances, for `repeats.settle`."""

from __future__ import annotations

from typing import Protocol

from node.catalogue.identity import Patient
from node.catalogue.overlays import Choice, Overlay, change_for, is_rejected, touched_tags
from node.catalogue.search import InstanceRow
from node.dicom.overlay import ORIGINAL_ATTRIBUTES

_PATIENT_GROUP = 0x0010


class Meanings(Protocol):
    """Reads contents back, as far as a ruling needs them."""

    def digest_without(self, row: InstanceRow, tags: frozenset[int], *, patient: bool) -> str:
        """Give a content's normal digest without some tags, and without what it says of the patient."""

    def patient(self, row: InstanceRow) -> Patient | None:
        """Give the patient a content speaks of; None when it cannot be read."""


class OverlayRuling:
    """The rulings of one study; contents are compared as they would leave."""

    def __init__(self, overlay: Overlay, contents: Meanings) -> None:
        self._overlay = overlay
        self._contents = contents
        self._tags = touched_tags(overlay) | {ORIGINAL_ATTRIBUTES}
        self._known: dict[tuple[str, str], str] = {}

    def is_rejected(self, row: InstanceRow) -> bool:
        return is_rejected(self._overlay, row)

    def choice(self, sop_uid: str) -> Choice | None:
        return self._overlay.choices.get(sop_uid)

    def meaning(self, row: InstanceRow) -> str:
        """Digest a content without what is corrected, with the patient that it leaves with.

        Of a patient who became another nothing of what the content says of her counts: a study that was moved
        and is sent again under the right patient says the same in all that is shown.
        """
        if not self._overlay.changes_attributes:
            return row.normal_digest
        place = (row.sop_uid, row.digest)
        if place not in self._known:
            self._known[place] = self._meant(row)
        return self._known[place]

    def _meant(self, row: InstanceRow) -> str:
        if not self._overlay.patients:
            return self._contents.digest_without(row, self._tags, patient=False)
        patient = self._contents.patient(row)
        if patient is None:
            return f"unread:{row.digest}"
        change = change_for(self._overlay, patient.key.id)
        key = (patient if change is None else change.on(patient)).key
        return f"{self._contents.digest_without(row, self._tags, patient=True)}/{key.issuer}/{key.id}"


def is_of_patient(tag: int) -> bool:
    """Say whether an element stands among those that describe the patient."""
    return tag >> 16 == _PATIENT_GROUP
