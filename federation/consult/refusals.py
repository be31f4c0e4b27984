"""What a consult command refuses with more than words: details that a page shows."""

from __future__ import annotations

from node.clock import Micros
from node.errors import Conflict


class AlreadyClaimed(Conflict):
    """Another expert holds the case; says who, and until when at the latest."""

    def __init__(self, *, by: str, until: Micros) -> None:
        super().__init__(
            f"Claiming the case was refused: {by} holds it. Choose another, or wait until the claim lapses."
        )
        self.by = by
        self.until = until


class ClaimLost(Conflict):
    """The claim lapsed, was released, or another expert took it; what was written is kept."""


class CaseEnded(Conflict):
    """The case is signed, declined or cancelled; nothing more can be done with it."""

    def __init__(self, act: str, *, state: str) -> None:
        super().__init__(f"{act} was refused: the case is {state}. Load it again.")
        self.state = state


class StudyIncomplete(Conflict):
    """More images are awaited; asking again with the acknowledgement is taken."""

    def __init__(self, *, instances: int, expected: int | None) -> None:
        awaited = "" if expected is None else f" of {expected}"
        super().__init__(
            f"Requesting a consult was put off: the study is still arriving, {instances}{awaited} images are"
            " here. Wait until it is complete, or confirm that it is sent as it is."
        )
        self.instances = instances
        self.expected = expected


class PatientUncertain(Conflict):
    """Instances of the study disagree about the patient; a person must choose first."""
