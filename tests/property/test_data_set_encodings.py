"""Any data set, written in any native way, says the same; and no bytes make a reader do worse than refuse."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from node.dicom.attributes import read_attributes
from node.dicom.frames import frame_of
from node.dicom.header import scan
from node.dicom.json_model import to_json
from node.dicom.native import write_native
from node.dicom.normal import normal_digest
from node.errors import GridError, InvalidRequest
from tests.kit.instances import (
    BIG,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    JPEG_BASELINE,
    RLE,
    Encoding,
    Value,
    deflate,
    encoding_of,
    make_ct,
)
from tests.kit.native import joined, syntax_of, written_native

WORDS = st.text(alphabet="ABCxyz 019^-.", max_size=12).map(str.strip)
NUMBERS = st.lists(st.integers(0, 65535), min_size=1, max_size=4)
LEAVES = st.one_of(
    st.tuples(st.sampled_from([0x00081030, 0x00104000, 0x00180015]), st.just("LO"), WORDS),
    st.tuples(st.just(0x00100010), st.just("PN"), WORDS),
    st.tuples(st.just(0x00280010), st.just("US"), NUMBERS),
    st.tuples(st.just(0x00186028), st.just("FD"), st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=3)),
    st.tuples(
        st.just(0x00091001), st.just("OB"), st.binary(max_size=20).map(lambda raw: raw + bytes(len(raw) % 2))
    ),
)
VRS = {0x00104000: "LT", 0x00180015: "CS"}
SEQUENCES = (0x00081140, 0x00400555)


@dataclass(frozen=True)
class Node:
    leaves: tuple[tuple[int, str, Value], ...]
    items: tuple[tuple[int, tuple[Node, ...]], ...] = ()


def nodes(children: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    sequences = st.lists(
        st.tuples(st.sampled_from(SEQUENCES), st.lists(children, max_size=3).map(tuple)),
        max_size=2,
        unique_by=lambda s: s[0],
    )
    return st.builds(lambda leaves, items: Node(tuple(leaves), tuple(items)), leaf_lists(), sequences)


def leaf_lists() -> st.SearchStrategy[list[tuple[int, str, Value]]]:
    return st.lists(LEAVES, max_size=4, unique_by=lambda leaf: leaf[0])


TREES = st.recursive(st.builds(lambda leaves: Node(tuple(leaves)), leaf_lists()), nodes, max_leaves=12)


def write(node: Node, how: Encoding, *, delimited: bool) -> bytes:
    parts = [(tag, how.element(tag, VRS.get(tag, vr), value)) for tag, vr, value in node.leaves]
    for tag, items in node.items:
        written = (how.item(write(item, how, delimited=delimited), delimited=delimited) for item in items)
        parts.append((tag, how.sequence(tag, *written, delimited=delimited)))
    return b"".join(raw for _, raw in sorted(parts, key=lambda part: part[0]))


@settings(max_examples=150, deadline=None)
@given(tree=TREES)
def test_all_native_encodings_have_one_digest_and_one_json(tree: Node) -> None:
    plain = write(tree, Encoding(), delimited=False)
    digest, model = normal_digest(plain, EXPLICIT), to_json(scan(plain, EXPLICIT), bulk=str)
    for syntax in (EXPLICIT, IMPLICIT, BIG, DEFLATED):
        for delimited in (True, False):
            written = write(tree, encoding_of(syntax), delimited=delimited)
            written = deflate(written) if syntax == DEFLATED else written
            assert normal_digest(written, syntax) == digest
            if syntax != IMPLICIT:
                assert written_native(written, syntax, explicit=True) == plain
            assert written_native(written, syntax, explicit=False) == write(
                tree, Encoding(explicit=False), delimited=False
            )
            if syntax != IMPLICIT:  # where a private element's VR is not told
                assert to_json(scan(written, syntax), bulk=str) == model


@settings(max_examples=150, deadline=None)
@given(one=TREES, other=TREES)
def test_two_contents_have_two_digests(one: Node, other: Node) -> None:
    first, second = (
        normal_digest(write(tree, Encoding(), delimited=False), EXPLICIT) for tree in (one, other)
    )
    assert (first == second) == (_content(one) == _content(other))


@settings(max_examples=300, deadline=None)
@given(
    syntax=st.sampled_from([EXPLICIT, IMPLICIT, BIG, JPEG_BASELINE, RLE]),
    tree=TREES,
    at=st.integers(0, 400),
    noise=st.one_of(
        st.binary(max_size=6),
        st.sampled_from(
            [
                b"\xfe\xff\x00\xe0",
                b"\xfe\xff\x0d\xe0\0\0\0\0",
                b"\xfe\xff\xdd\xe0\0\0\0\0",
                b"\xff\xff\xff\xff",
                b"SQ\0\0",
                b"UN\0\0",
            ]
        ),
    ),
    cut=st.integers(0, 30),
)
def test_no_bytes_do_worse_than_a_refusal(syntax: str, tree: Node, at: int, noise: bytes, cut: int) -> None:
    data = write(tree, encoding_of(syntax), delimited=True) + make_ct(
        transfer_syntax=syntax if syntax in (IMPLICIT, BIG) else EXPLICIT
    )
    at %= len(data)
    data = data[:at] + noise + data[at + len(noise) : len(data) - cut]
    for size in (None, len(data) + 100):
        try:
            header = scan(data, syntax, size=size)
        except InvalidRequest:
            continue
        for read in (read_attributes, lambda h: to_json(h, bulk=str), lambda h: frame_of(h, 1)):
            try:
                read(header)
            except GridError:
                continue
        for explicit in (True, False):
            try:
                again = joined(write_native(header, explicit=explicit))
            except GridError:
                continue
            assert scan(again, syntax_of(explicit=explicit)).whole


def _content(tree: Node) -> object:
    leaves = {
        tag: value if isinstance(value, str | bytes) else tuple(map(repr, value))
        for tag, _, value in tree.leaves
    }  # type: ignore[union-attr,arg-type]
    return sorted(leaves.items()), sorted(
        (tag, tuple(map(repr, map(_content, items)))) for tag, items in tree.items
    )
