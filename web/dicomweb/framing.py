"""Parts of a multipart/related answer, and what stands around them.

Source: RFC 2387 (multipart/related), DICOM PS3.18 8.7.1.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from node.store.regions import size_of
from web.dicomweb.pieces import Piece

SHORT_BYTES = 4 << 10
"""What is shorter is joined with its neighbours."""
_HEAD = (
    "--{boundary}\r\nContent-Type: {media}\r\nContent-Location: {location}\r\nContent-Length: {size}\r\n\r\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a multipart answer."""

    media: str
    """Its Content-Type."""
    location: str
    size: int
    """Of its body, in bytes."""
    give: Callable[[], Sequence[Piece]]
    """Gives its body when it is its turn."""


def new_boundary() -> str:
    """Draw what no body holds."""
    return secrets.token_hex(16)


def multipart_type(media: str, boundary: str) -> str:
    """Give the Content-Type of parts of one media type. Source: RFC 2387."""
    return f'multipart/related; type="{media}"; boundary={boundary}'


def part_of_pieces(*, media: str, location: str, body: Sequence[Piece]) -> Part:
    """Give a part whose body is known."""
    return Part(media=media, location=location, size=size_of(body), give=lambda: body)


def framed(parts: Sequence[Part], boundary: str) -> Iterator[Piece]:
    """Give parts with what stands around them; what is short is joined with its neighbours."""
    short = b""
    for part in parts:
        short += head_of(part, boundary)
        for piece in part.give():
            if isinstance(piece, bytes) and len(piece) <= SHORT_BYTES:
                short += piece
            else:
                if short:
                    yield short
                yield piece
                short = b""
        short += b"\r\n"
        if len(short) > SHORT_BYTES:
            yield short
            short = b""
    yield short + f"--{boundary}--\r\n".encode()


def framed_size(parts: Sequence[Part], boundary: str) -> int:
    """Give the length of all that `framed` gives, in bytes."""
    around = len(_HEAD.format(boundary=boundary, media="", location="", size="") + "\r\n")
    said = sum(len(part.media) + len(part.location) + len(str(part.size)) + part.size for part in parts)
    return said + around * len(parts) + len(f"--{boundary}--\r\n")


def head_of(part: Part, boundary: str) -> bytes:
    """Give what stands before a part's body."""
    return _HEAD.format(boundary=boundary, media=part.media, location=part.location, size=part.size).encode(
        "ascii"
    )
