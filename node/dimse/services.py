"""Which SOP classes are storage: everything that is no other service's.

A class that nobody here has heard of, private or of next year's standard, is
taken for storage and kept; so the list is of those that are something else.

Source: DICOM PS3.4 B.5 (Storage), PS3.6 table A-1.
"""

from __future__ import annotations

VERIFICATION = "1.2.840.10008.1.1"
UNCOMPRESSED = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
"""What Verification is agreed in; no data set is ever sent in it."""

_OTHER_SERVICES = (
    "1.2.840.10008.1.1",
    "1.2.840.10008.1.9",
    "1.2.840.10008.1.20",
    "1.2.840.10008.1.40",
    "1.2.840.10008.1.42",
    "1.2.840.10008.3.1",
    "1.2.840.10008.4",
    "1.2.840.10008.5.1.1",
    *(f"1.2.840.10008.5.1.4.1.1.200.{n}" for n in (4, 5, 6)),  # Protocol Approval query
    *(f"1.2.840.10008.5.1.4.1.1.201.{n}" for n in (2, 3, 4, 5, 6)),  # Inventory query and creation
    "1.2.840.10008.5.1.4.1.2",
    "1.2.840.10008.5.1.4.20",
    "1.2.840.10008.5.1.4.31",
    "1.2.840.10008.5.1.4.32",
    "1.2.840.10008.5.1.4.33",
    "1.2.840.10008.5.1.4.34",
    "1.2.840.10008.5.1.4.37",
    "1.2.840.10008.5.1.4.38",
    "1.2.840.10008.5.1.4.39",
    "1.2.840.10008.5.1.4.41",
    "1.2.840.10008.5.1.4.42",
    "1.2.840.10008.5.1.4.43",
    "1.2.840.10008.5.1.4.44",
    "1.2.840.10008.5.1.4.45",
    "1.2.840.10008.10",
)
_STORED_THERE = frozenset(
    (
        "1.2.840.10008.5.1.1.27",  # Stored Print
        "1.2.840.10008.5.1.1.29",  # Hardcopy Grayscale Image
        "1.2.840.10008.5.1.1.30",  # Hardcopy Color Image
        "1.2.840.10008.5.1.4.34.1",  # RT Beams Delivery Instruction, trial
        "1.2.840.10008.5.1.4.34.7",  # RT Beams Delivery Instruction
        "1.2.840.10008.5.1.4.34.10",  # RT Brachy Application Setup Delivery Instruction
        "1.2.840.10008.5.1.4.38.1",  # Hanging Protocol
        "1.2.840.10008.5.1.4.39.1",  # Color Palette
        "1.2.840.10008.5.1.4.43.1",  # Generic Implant Template
        "1.2.840.10008.5.1.4.44.1",  # Implant Assembly Template
        "1.2.840.10008.5.1.4.45.1",  # Implant Template Group
    )
)
"""Storage classes with numbers among other services'."""


_MODELS = tuple(f"1.2.840.10008.5.1.4.1.2.{n}" for n in (1, 2, 3))
_OPERATIONS = frozenset("123")


def is_query(sop_class: str) -> bool:
    """Say whether a class is C-FIND, C-MOVE or C-GET of an information model that is served here.

    Source: DICOM PS3.4 C.6 (Patient Root, Study Root, and the retired Patient/Study Only).
    """
    model, _, operation = sop_class.rpartition(".")
    return model in _MODELS and operation in _OPERATIONS


def is_storage(sop_class: str) -> bool:
    """Say whether instances of a class are kept here."""
    if sop_class in _STORED_THERE:
        return True
    return not any(sop_class == other or sop_class.startswith(f"{other}.") for other in _OTHER_SERVICES)
