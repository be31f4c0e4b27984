"""What a remote AE's status says, in words: of a store, of a query, of a retrieval.

Source: DICOM PS3.4 tables B.2-1, C.4-1, C.4-2, C.4-3; PS3.7 C.
"""

from __future__ import annotations

_STORE = {
    0x0117: "it says that the SOP Instance UID is not valid",
    0x0122: "it does not take this SOP class",
    0x0124: "it does not let this AE title store",
    0xA700: "it is out of room",
    0xA900: "it finds that the data set does not fit its SOP class",
    0xC000: "it cannot understand the data set",
}
_QUERY = {
    0x0122: "it does not serve this",
    0x0124: "it does not let this AE title ask",
    0xA700: "it is out of resources",
    0xA701: "it cannot count the matches",
    0xA702: "it cannot send the instances",
    0xA801: "it does not know the AE title that is to receive them",
    0xA900: "it finds that the question does not fit",
    0xC000: "it cannot carry it out",
    0xFE00: "it was cancelled",
}


def meaning_of(status: int) -> str:
    """Say what a storage SCP answered; some statuses are a range."""
    mask = 0xF000 if status >= 0xC000 else 0xFF00 if status >= 0xA000 else 0xFFFF
    return _said(_STORE.get(status & mask), status)


def meaning_of_query(status: int) -> str:
    """Say what a query or retrieve SCP answered."""
    mask = 0xF000 if 0xC000 <= status < 0xD000 else 0xFFFF
    found = _QUERY.get(status & mask) or (_QUERY[0xA900] if status & 0xFF00 == 0xA900 else None)
    return _said(found, status)


def _said(words: str | None, status: int) -> str:
    return f"{words or 'it says no more'} (status 0x{status:04X})"
