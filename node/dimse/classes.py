"""Which SOP classes a rule takes: all, families by name, single UIDs, and whether what no family names.

A family is what an administrator calls a kind of device or document. A class
that stands in none (private, or newer than this table) is *another*; a rule
says apart whether it takes those. A UID that a rule names is taken whatever it is.

Source: DICOM PS3.4 B.5, GG.3 (standard storage classes), PS3.6 A (their UIDs, retired ones too).
"""

from __future__ import annotations

from dataclasses import dataclass

from node.failpoints import planted

ANY = "*"
_ROOT = "1.2.840.10008.5.1.4.1.1."

FAMILIES: dict[str, str] = {
    "CT": "2 2.1 2.2",
    "MR": "4 4.1 4.2 4.3 4.4",
    "CR": "1",
    "DX": "1.1 1.1.1",
    "IO": "1.3 1.3.1",
    "MG": "1.2 1.2.1 13.1.3 13.1.4 13.1.5",
    "US": "3 3.1 6 6.1 6.2 6.3",
    "XA": "12.1 12.1.1 12.3 13.1.1",
    "RF": "12.2 12.2.1",
    "CBCT": "13.1.2",
    "NM": "5 20",
    "PT": "128 128.1 129 130",
    "IVOCT": "14.1 14.2",
    "OP": "77.1.5.1 77.1.5.2 77.1.5.3 77.1.5.4 77.1.5.5 77.1.5.6 77.1.5.7 77.1.5.8 78.1 78.2 78.3 78.4 78.5 78.6"
    " 78.7 78.8 79.1 80.1 81.1 82.1",
    "VL": "77.1 77.2 77.1.1 77.1.1.1 77.1.2 77.1.2.1 77.1.4 77.1.4.1 77.1.7",
    "SM": "77.1.3 77.1.6 77.1.8 77.1.9 91.1",
    "SC": "7 7.1 7.2 7.3 7.4",
    "WAVEFORM": "9.1 9.1.1 9.1.2 9.1.3 9.1.4 9.2.1 9.3.1 9.4.1 9.4.2 9.5.1 9.6.1 9.6.2 9.7.1 9.7.2 9.7.3 9.7.4 9.8.1",
    "SR": "88.1 88.2 88.3 88.4 88.11 88.22 88.33 88.34 88.35 88.40 88.50 88.65 88.67 88.68 88.69 88.70 88.71 88.72"
    " 88.73 88.74 88.75 88.76 88.77 90.1",
    "KO": "88.59",
    "PR": "11.1 11.2 11.3 11.4 11.5 11.6 11.7 11.8 11.9 11.10 11.11 11.12 131",
    "SEG": "30 66.4 66.5 66.6",
    "REG": "66.1 66.2 66.3",
    "RT": "481.1 481.2 481.3 481.4 481.5 481.6 481.7 481.8 481.9 481.10 481.11 481.12 481.13 481.14 481.15 481.16"
    " 481.17 481.18 481.19 481.20 481.21 481.22 481.23 481.24 481.25 1.2.840.10008.5.1.4.34.1"
    " 1.2.840.10008.5.1.4.34.7 1.2.840.10008.5.1.4.34.10",
    "DOC": "104.1 104.2",
    "MODEL": "68.1 68.2 104.3 104.4 104.5",
    "RAW": "66 67",
    "PROTOCOL": "200.1 200.2 200.3 200.7 200.8 201.1",
    "OLD": "8 9 10 11 1.2.840.10008.5.1.1.27 1.2.840.10008.5.1.1.29 1.2.840.10008.5.1.1.30",
    "DICOS": "501.1 501.2.1 501.2.2 501.3 501.4 501.5 501.6 601.1 601.2",
}
"""Name of a family to its classes: UIDs, those below the common root by their end."""

FAMILY_OF: dict[str, str] = {
    (end if end.startswith("1.2.840.") else _ROOT + end): family
    for family, ends in FAMILIES.items()
    for end in ends.split()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Classes:
    """What a rule takes."""

    names: tuple[str, ...] = (ANY,)
    """Names of families, UIDs of SOP classes; ``*`` for every family."""
    others: bool = True
    """Whether private classes, and those that no family names, are taken too."""

    def take(self, sop_class: str) -> bool:
        """Say whether an instance of this class is taken."""
        if planted("class-list-ignored") or sop_class in self.names:
            return True
        family = FAMILY_OF.get(sop_class)
        if family is None:
            return self.others
        return ANY in self.names or family in self.names


EVERYTHING = Classes()
