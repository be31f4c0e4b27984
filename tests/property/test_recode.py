"""Any data set in any native encoding, recoded, is byte for byte the one written in the other set to begin with."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from node.dicom.recode import recode
from node.dicom.texts_in import label_of, text_in
from node.errors import GridError
from tests.kit.instances import BIG, DEFLATED, EXPLICIT, IMPLICIT, Encoding, Value, deflate, encoding_of
from tests.property.test_data_set_encodings import TREES, VRS, Node

SETS = ("GB18030", "GBK", "ISO_IR 192", "ISO 2022 IR 58")
_CHINESE = str.maketrans({"A": "张", "B": "啊", "C": "丂", "x": "éü", "y": "𠮷"})
"""Of these 丂 has a backslash for its second byte in GBK; é, 丂 and 𠮷 are not in every set."""


def write(node: Node, how: Encoding, *, delimited: bool, charset: str) -> bytes:
    """Write a tree with its texts in a character set; a text that does not fit raises `KeyError`."""
    parts = [
        (tag, how.element(tag, VRS.get(tag, vr), in_set(VRS.get(tag, vr), value, charset)))
        for tag, vr, value in node.leaves
    ]
    for tag, items in node.items:
        written = (
            how.item(write(item, how, delimited=delimited, charset=charset), delimited=delimited)
            for item in items
        )
        parts.append((tag, how.sequence(tag, *written, delimited=delimited)))
    return b"".join(raw for _, raw in sorted(parts, key=lambda part: part[0]))


def in_set(vr: str, value: Value, charset: str) -> Value:
    if vr not in ("LO", "LT", "PN"):
        return value
    raw = text_in(str(value).translate(_CHINESE), charset)
    if raw is None:
        raise KeyError(charset)
    return raw + b" " * (len(raw) % 2)


def labelled(tree: Node, syntax: str, charset: str, *, delimited: bool) -> bytes:
    how = encoding_of(syntax)
    raw = how.element(0x00080005, "CS", label_of(charset)) + write(
        tree, how, delimited=delimited, charset=charset
    )
    return deflate(raw) if syntax == DEFLATED else raw


@settings(max_examples=200, deadline=None)
@given(
    tree=TREES,
    syntax=st.sampled_from([EXPLICIT, IMPLICIT, BIG]),
    delimited=st.booleans(),
    pair=st.permutations(SETS),
)
def test_recoding_writes_what_the_other_set_would_have_been(
    tree: Node, syntax: str, delimited: bool, pair: list[str]
) -> None:
    one, other = pair[:2]
    try:
        before = labelled(tree, syntax, one, delimited=delimited)
    except KeyError:
        return
    recoded = recode(before, syntax, other)
    try:
        want = labelled(tree, syntax, other, delimited=delimited)
    except KeyError:
        assert not recoded.held
        assert recoded.pieces == (before,)
        return
    assert recoded.held
    assert b"".join(recoded.pieces) == want


@settings(max_examples=300, deadline=None)
@given(
    tree=TREES,
    syntax=st.sampled_from([EXPLICIT, IMPLICIT, BIG]),
    at=st.integers(0, 400),
    noise=st.binary(max_size=6),
)
def test_no_bytes_make_it_do_worse_than_refuse(tree: Node, syntax: str, at: int, noise: bytes) -> None:
    raw = bytearray(labelled(tree, syntax, "ISO_IR 192", delimited=True))
    raw[at : at + len(noise)] = noise
    try:
        recoded = recode(bytes(raw), syntax, "GB18030")
    except GridError:
        return
    assert recoded.size > 0 or not raw
