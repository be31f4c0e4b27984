"""A multipart body comes apart the same way however it is cut into chunks."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from web.dicomweb.multipart import HEADERS_BYTES, MultipartReader, read_content_type
from web.errors import Malformed

B = "edge"


class Parts:
    """Gathers what comes."""

    def __init__(self) -> None:
        self.ended: list[tuple[dict[str, str], bytes]] = []
        self._headers: dict[str, str] = {}
        self._body = b""

    def begin(self, headers: Mapping[str, str]) -> None:
        self._headers, self._body = dict(headers), b""

    def take(self, piece: memoryview) -> None:
        assert len(piece)
        self._body += bytes(piece)

    def end(self) -> None:
        self.ended.append((self._headers, self._body))


def taken(raw: bytes, *sizes: int) -> Parts:
    parts = Parts()
    reader = MultipartReader(B, parts)
    at = 0
    for size in sizes:
        reader.feed(raw[at : at + size])
        at += size
    reader.feed(raw[at:])
    reader.finish()
    return parts


def written(*bodies: bytes, preamble: bytes = b"") -> bytes:
    framed = b"".join(b"\r\n--edge \t\r\nContent-Type: a/b\r\nX: y:z\r\n\r\n" + body for body in bodies)
    return preamble + (framed if preamble else framed[2:]) + b"\r\n--edge--\r\nafterwards"


long = st.lists(
    st.sampled_from([b"\r\n--edg", b"\r\n", b"-", b"x" * 700, b"y" * 1024, b"z" * 2047]), max_size=6
).map(b"".join)
pieces = st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b"--", b"-", b"edge", b"\r\n--edg", b"\r\n-", b"x" * 50, b"\0"]),
    max_size=9,
).map(b"".join)
bodies = st.lists(
    pieces.filter(lambda body: b"\r\n--edge" not in body and not body.endswith(b"\r\n--edg")), max_size=4
)


@settings(deadline=None)
@given(
    bodies=bodies, sizes=st.lists(st.integers(1, 40), max_size=30), preamble=st.sampled_from([b"", b"before"])
)
def test_any_cut_gives_the_same_parts(bodies: list[bytes], sizes: list[int], preamble: bytes) -> None:
    parts = taken(written(*bodies, preamble=preamble), *sizes)
    assert [body for _, body in parts.ended] == bodies
    assert all(headers == {"content-type": "a/b", "x": "y:z"} for headers, _ in parts.ended)


def test_a_part_may_have_no_headers() -> None:
    assert taken(b"--edge\r\n\r\nbody\r\n--edge--").ended == [({}, b"body")]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"--edge",
        b"--edge\r\nX: y\r\n\r\nbody",
        b"--edge\r\nX: y\r\n\r\nbody\r\n--edge",
        b"--edgeX\r\nX: y\r\n\r\nbody\r\n--edge--",
        b"--edge\r\nno colon\r\n\r\nbody\r\n--edge--",
        b"--edge\r\n" + b"X: y\r\n" * HEADERS_BYTES,
        b"--edge" + b" " * 3 * HEADERS_BYTES,
    ],
)
def test_what_is_no_multipart_is_refused_in_words(raw: bytes) -> None:
    with pytest.raises(Malformed, match="multipart body was refused"):
        taken(raw, *[1000] * 200)


@pytest.mark.parametrize("boundary", ["", "x" * 71, "é"])
def test_a_boundary_must_be_one(boundary: str) -> None:
    with pytest.raises(Malformed, match="boundary"):
        MultipartReader(boundary, Parts())


def test_a_delimiter_that_never_comes_is_not_gathered() -> None:
    reader = MultipartReader(B, Parts())
    for _ in range(100):
        reader.feed(b"\r\n--edg" * 1000)
    assert len(reader._rest) < 100


@pytest.mark.parametrize(
    ("value", "media", "parameters"),
    [
        (
            'multipart/related; type="application/dicom"; boundary=x',
            "multipart/related",
            {"type": "application/dicom", "boundary": "x"},
        ),
        ("APPLICATION/DICOM;Transfer-Syntax=1.2", "application/dicom", {"transfer-syntax": "1.2"}),
        ("", "", {}),
        (";;;", "text/plain", {}),
    ],
)
def test_a_content_type_is_taken_apart(value: str, media: str, parameters: dict[str, str]) -> None:
    found = read_content_type(value)
    assert found[0] == media
    assert {name: text for name, text in found[1].items() if name} == parameters


@settings(deadline=None)
@given(
    st.lists(long.filter(lambda body: not body.endswith(b"\r\n--edg")), max_size=3),
    st.lists(st.sampled_from([1, 3, 9, 500, 1023, 1024, 1025, 1031, 2048, 3000]), max_size=9),
)
def test_long_bodies_come_apart_the_same_way_in_chunks_of_any_length(
    bodies: list[bytes], sizes: list[int]
) -> None:
    assert [body for _, body in taken(written(*bodies), *sizes).ended] == bodies
