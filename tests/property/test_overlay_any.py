"""Any data set, in any encoding, corrected: only what is named differs, whichever part of it was read."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from node.dicom.header import scan
from node.dicom.overlay import is_too_short, overlaid
from tests.kit.instances import BIG, EXPLICIT, IMPLICIT, encoding_of
from tests.kit.overlaying import corrected, differences, joined, rescanned, whole
from tests.property.test_data_set_encodings import TREES, Node, write

TEXTS = (0x00100010, 0x00100020, 0x00081030, 0x00080050)
CODES = (0x00080060, 0x00080020, 0x00100040)
VALUES = st.builds(
    lambda texts, codes: {**texts, **codes},
    st.dictionaries(
        st.sampled_from(TEXTS),
        st.sampled_from(["", "B-42", "Wang^Wu", "王^五", "Crâne", "x" * 16]),
        min_size=1,
    ),
    st.dictionaries(st.sampled_from(CODES), st.sampled_from(["", "MR", "20260302"])),
)


@settings(max_examples=150, deadline=None)
@given(
    tree=TREES,
    values=VALUES,
    syntax=st.sampled_from([EXPLICIT, IMPLICIT, BIG]),
    delimited=st.booleans(),
    charset=st.sampled_from(["", "ISO_IR 100", "GB18030", "ISO_IR 192"]),
    pixels=st.integers(0, 60),
)
def test_only_what_is_named_differs(
    tree: Node, values: dict[int, str], syntax: str, delimited: bool, charset: str, pixels: int
) -> None:
    how = encoding_of(syntax)
    first = how.element(0x00080005, "CS", charset) if charset else b""
    last = how.element(0x7FE00010, "OW", bytes(2 * pixels))
    plain = first + write(tree, how, delimited=delimited) + last
    header = scan(plain, syntax)
    raw = whole(header, plain, values)
    after = rescanned(raw, header)
    named = {f"{tag:08X}" for tag in values}
    assert differences(header, after) <= named | {"04000561", "00080005"}
    for tag, value in values.items():
        said = after.value(tag) or b""
        label = after.text(0x00080005)
        codec = {"ISO_IR 192": "utf-8", "GB18030": "gb18030", "ISO_IR 100": "latin-1"}.get(label, "ascii")
        assert said.decode(codec).rstrip(" ") == value or value in ("", said.decode(codec).strip(" ^="))
    assert whole(after, raw, values) == raw, "what says it already is left as it is"
    beginning = scan(plain[: len(plain) // 2], syntax, size=len(plain))
    if not is_too_short(beginning, corrected(values)):
        assert joined(overlaid(beginning, corrected(values), size=len(plain)), plain) == raw
