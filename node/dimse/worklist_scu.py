"""C-FIND of the modality worklist: who is expected on a day, as a hospital's RIS says.

Only what tells a patient and what is planned for her is asked for: numbers and kinds of devices, no names.

Source: DICOM PS3.4 K.4.1, K.6.1.2 (Modality Worklist Information Model, its keys).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial

from node.dicom.encoding import Encoding
from node.dicom.header import scan
from node.dicom.syntax import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from node.dicom.texts_in import label_of
from node.dicom.tree import Branch, Leaf, read_tree
from node.dicom.values import SPECIFIC_CHARACTER_SET
from node.dimse.calling import Called, Proposal
from node.dimse.exchange import exchange
from node.dimse.find_scu import MOST_ANSWERS, Query
from node.dimse.identifier import read_identifier

MODALITY_WORKLIST = "1.2.840.10008.5.1.4.31"
STEPS = 0x00400100
"""Scheduled Procedure Step Sequence."""
START_DATE, START_TIME, MODALITY = 0x00400002, 0x00400003, 0x00080060
_STEP = ((MODALITY, "CS"), (0x00400001, "AE"), (START_DATE, "DA"), (START_TIME, "TM"), (0x00400009, "SH"))
_REQUEST = (
    (0x00080050, "SH"),
    (0x00100020, "LO"),
    (0x00100021, "LO"),
    (0x0020000D, "UI"),
    (0x00401001, "SH"),
)
"""Of the request: accession number, patient with issuer, study, requested procedure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A patient as the RIS numbers her, and the modalities that are planned for her on the day."""

    patient_id: str
    issuer: str
    """Issuer of Patient ID, as said."""
    modalities: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Worklist:
    """What a worklist says of a day."""

    expected: tuple[Expected, ...]
    """Each patient once, by the time of the first that is planned for her."""
    complete: bool
    """False when there is more than the limit."""
    unreadable: int
    """Answers that could not be read, or name no patient."""


def ask_worklist(whom: Called, day: date, *, charset: str = "", limit: int = MOST_ANSWERS) -> Worklist:
    """Ask a remote AE who is expected on a day.

    Parameters
    ----------
    charset
        What its texts are written in, where they do not say so.

    Raises
    ------
    Unavailable, Refused
        It cannot be reached, does not answer, or has no worklist.
    """
    about = "Asking " + whom.who + " for its worklist"
    with exchange(whom, [Proposal(MODALITY_WORKLIST, (EXPLICIT_LITTLE, IMPLICIT_LITTLE))]) as asking:
        context = asking.agreed[0]  # without it the association would have been given up
        read = partial(_read_step, charset=charset)
        answers = Query(asking, context, read, about=about, limit=limit).run(
            write_question(day, charset=charset, explicit=context.syntax == EXPLICIT_LITTLE)
        )
    expected, nameless = _patients(answers.items, day)
    return Worklist(expected=expected, complete=answers.complete, unreadable=answers.unreadable + nameless)


def write_question(day: date, *, charset: str = "", explicit: bool) -> bytes:
    """Write the identifier: the day is matched on, all else is asked for."""
    how = Encoding(explicit=explicit, little=True)
    wanted = {START_DATE: f"{day:%Y%m%d}"}
    step = b"".join(how.element(tag, vr, wanted.get(tag, "").encode()) for tag, vr in _STEP)
    elements = {tag: how.element(tag, vr, b"") for tag, vr in _REQUEST}
    elements[STEPS] = how.element(STEPS, "SQ", how.item(step))
    if charset:  # some answer in the set that they are asked in
        elements[SPECIFIC_CHARACTER_SET] = how.element(
            SPECIFIC_CHARACTER_SET, "CS", label_of(charset).encode()
        )
    return b"".join(elements[tag] for tag in sorted(elements))


def _read_step(raw: bytes, transfer_syntax: str, *, charset: str) -> Mapping[str, str]:
    """Read an answer: the patient, and a line for each of its steps: date, time and modality between tabs."""
    found = read_identifier(raw, transfer_syntax, charset=charset)
    steps = [
        {leaf.tag: _plain(leaf) for leaf in item if isinstance(leaf, Leaf)}
        for branch in read_tree(scan(raw, transfer_syntax))
        if isinstance(branch, Branch) and branch.tag == STEPS
        for item in branch.items
    ]
    lines = ["\t".join(step.get(tag, "") for tag in (START_DATE, START_TIME, MODALITY)) for step in steps]
    return {
        "PatientID": found.get("PatientID", ""),
        "IssuerOfPatientID": found.get("IssuerOfPatientID", ""),
        "steps": "\n".join(lines or ["\t\t"]),
    }


def _plain(leaf: Leaf) -> str:
    """Give a date, a time or a code; what such a value cannot hold is left out."""
    return "".join(letter for letter in bytes(leaf.value).decode("latin-1") if "!" <= letter <= "~")


def _patients(answers: Iterable[Mapping[str, str]], day: date) -> tuple[tuple[Expected, ...], int]:
    """Give each patient with all that is planned for her on the day, and how many answers name nobody."""
    planned: dict[tuple[str, str], list[tuple[str, str]]] = {}
    nameless = 0
    for answer in answers:
        steps = [line.split("\t") for line in answer["steps"].split("\n")]
        here = [(at, modality) for on, at, modality in steps if on in ("", f"{day:%Y%m%d}")]
        if not here:
            continue  # it matched on less than was asked
        if not answer["PatientID"]:
            nameless += 1
            continue
        planned.setdefault((answer["IssuerOfPatientID"], answer["PatientID"]), []).extend(here)
    in_turn = sorted(planned.items(), key=lambda who: (min(who[1]), who[0]))
    expected = tuple(
        Expected(
            patient_id=patient_id,
            issuer=issuer,
            modalities=frozenset(modality for _, modality in steps if modality),
        )
        for (issuer, patient_id), steps in in_turn
    )
    return expected, nameless
