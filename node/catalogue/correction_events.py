"""Corrections as events. Words stand in texts that they name by digest: what a person wrote, and whom it is about."""

from __future__ import annotations

from dataclasses import dataclass

from node.catalogue.correction_facts import Kind
from node.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Made(Event):
    """What all of them say. None is written as this."""

    correction: str
    """Its id."""
    words: str
    """Digest of the text."""
    by: str
    """Who: a person's name, or the device that sent a rejection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientsMerged(Made):
    """All of one patient's studies are another's. Subject ``patients/ORIGIN``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientCorrected(Made):
    """A patient's attributes are others. Subject ``patients/ORIGIN``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyMoved(Made):
    """A study is another patient's. Subject ``study/ORIGIN/UID``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyCorrected(Made):
    """A study's attributes are others. Subject ``study/ORIGIN/UID``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesCorrected(Made):
    """The attributes of a series are others. Subject ``study/ORIGIN/UID``."""

    series_uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InstancesRejected(Made):
    """Instances are found and served no more. Subject ``study/ORIGIN/UID``."""

    code: str
    """Of CID 7011."""
    series_uid: str
    instances: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentChosen(Made):
    """Of several contents of an instance, a person said which is right. Subject ``study/ORIGIN/UID``."""

    sop_uid: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRestated(Event):
    """A correction of its patient, made or undone, changed what a study shows. Subject ``study/ORIGIN/UID``."""

    correction: str
    kind: Kind
    undone: bool
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionUndone(Event):
    """A correction counts no more. Subject as that of the correction."""

    correction: str
    kind: Kind
    words: str
    """Digest of the text that says why."""
    by: str
