"""A study whose every text wants to be something else: script, SQL, markup, control characters."""

from __future__ import annotations

from tests.kit.instances import Value, make_ct

STUDY = "2.25.666"
SCRIPT = '<img src=x onerror="window.hostile=1"><script>window.hostile=1</script>'
SQL = "x'); DROP TABLE study; --"
BLOB = "x'414243'"
CONTROL = "a\x01b\x02c\x07\x1fd\x7fe"
TURNED = "a\u202eb\u2066c"
TEMPLATE = "{{7*7}}${7*7}%s%n"
PATH = "../../../../etc/passwd"
CELL = '=cmd|"/c calc"!A1'
HEADER = "a\r\nSet-Cookie: hostile=1"
LONG = "龍" * 5000
TEXTS = (SCRIPT, SQL, BLOB, CONTROL, TURNED, TEMPLATE, PATH, CELL, HEADER, LONG)


def hostile_data_set(text: str, *, study_uid: str = STUDY, number: int = 1) -> bytes:
    """Give a slice with a text in every place that anything shows, searches or sends."""
    texts: dict[int, tuple[str, Value] | None] = {
        0x00080060: ("CS", text),
        0x00080080: ("LO", text),
        0x00080090: ("PN", text),
        0x00081010: ("SH", text),
        0x0008103E: ("LO", text),
        0x00081090: ("LO", text),
        0x00100021: ("LO", text),
        0x00100030: ("DA", text),
        0x00100040: ("CS", text),
        0x00101010: ("AS", text),
        0x00104000: ("LT", text),
        0x00180015: ("CS", text),
        0x00181030: ("LO", text),
        0x00200010: ("SH", text),
        0x00200060: ("CS", text),
    }
    change = {
        tag: (vr, str(value).encode("utf-8"))
        for tag, given in texts.items()
        if given
        for vr, value in [given]
    }
    padded: dict[int, tuple[str, Value] | None] = {
        tag: (vr, value + b" " * (len(value) % 2)) for tag, (vr, value) in change.items()
    }
    return make_ct(
        study_uid=study_uid,
        series_uid=f"{study_uid}.1",
        sop_uid=f"{study_uid}.1.{number}",
        number=number,
        patient_id=text,
        patient_name=text,
        accession=text,
        description=text,
        study_date=text[:8].encode("ascii", "replace").decode(),
        charset="ISO_IR 192",
        python_charset="utf-8",
        change=padded,
    )
