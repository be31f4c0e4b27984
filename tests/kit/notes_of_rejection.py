"""A rejection note: a Key Object Selection that lists instances of one study."""

from __future__ import annotations

from collections.abc import Sequence

from tests.kit.instances import EXPLICIT, LITTLE, encode

KOS = "1.2.840.10008.5.1.4.1.1.88.59"


def make_note(
    sop_uids: Sequence[str],
    *,
    code: str = "113001",
    study_uid: str = "2.25.1",
    listed_study: str = "",
    sop_uid: str = "2.25.1.9.1",
    patient_id: str = "A-17",
    patient_name: str = "Zhang^San",
) -> bytes:
    """Write a note; ``listed_study`` is that of what it lists, when it is another than its own."""
    how = LITTLE
    concept = how.item(
        how.element(0x00080100, "SH", code),
        how.element(0x00080102, "SH", "DCM"),
        how.element(0x00080104, "LO", "Rejected for Quality Reasons"),
    )
    sops = [
        how.item(
            how.element(0x00081150, "UI", "1.2.840.10008.5.1.4.1.1.2"), how.element(0x00081155, "UI", uid)
        )
        for uid in sop_uids
    ]
    series = how.item(how.sequence(0x00081199, *sops), how.element(0x0020000E, "UI", f"{study_uid}.1"))
    evidence = how.item(
        how.sequence(0x00081115, series), how.element(0x0020000D, "UI", listed_study or study_uid)
    )
    return encode(
        [
            (0x00080016, "UI", KOS),
            (0x00080018, "UI", sop_uid),
            (0x00080020, "DA", "20260302"),
            (0x00080060, "CS", "KO"),
            (0x00100010, "PN", patient_name),
            (0x00100020, "LO", patient_id),
            (0x00100030, "DA", "19610405"),
            (0x00100040, "CS", "M"),
            (0x0020000D, "UI", study_uid),
            (0x0020000E, "UI", f"{study_uid}.9"),
            (0x00200013, "IS", "1"),
            (0x0040A040, "CS", "CONTAINER"),
            (0x0040A043, "SQ", concept),
            (0x0040A375, "SQ", evidence),
        ],
        EXPLICIT,
    )
