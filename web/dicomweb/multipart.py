"""A multipart body taken apart while it comes in: parts go to a sink in pieces, nothing is gathered.

Pure: bytes in, calls out. A search for the delimiter in each chunk is all that
is done to most bytes.

Source: RFC 2046 5.1.1, RFC 2387.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.message import Message
from enum import Enum
from functools import lru_cache
from typing import Protocol

from web.errors import Malformed

HEADERS_BYTES = 16 << 10
"""All headers of one part."""
_JOINED = 1 << 10
"""So much of a chunk is joined with what is left of the one before: more than a delimiter, less than is worth a thought."""
BOUNDARY_CHARACTERS = 70
"""Source: RFC 2046 5.1.1."""


class Sink(Protocol):
    """Takes the parts in their order."""

    def begin(self, headers: Mapping[str, str]) -> None:
        """Begin a part; header names are in lower case."""

    def take(self, piece: memoryview) -> None:
        """Take the next bytes of its body; they are gone when this returns."""

    def end(self) -> None:
        """End it: all its bytes were taken."""


class _At(Enum):
    PREAMBLE = 0
    DELIMITED = 1
    """Behind a delimiter: the end, or the rest of its line."""
    HEADERS = 2
    BODY = 3
    EPILOGUE = 4


class MultipartReader:
    """Feeds a sink; for one body."""

    def __init__(self, boundary: str, sink: Sink) -> None:
        if not 0 < len(boundary) <= BOUNDARY_CHARACTERS or not boundary.isascii():
            raise Malformed(
                "Reading a multipart body was refused: its Content-Type names no boundary of 1 to 70 characters."
                " Correct the header."
            )
        self._delimiter = b"\r\n--" + boundary.encode()
        self._sink = sink
        self._at = _At.PREAMBLE
        self._rest = b"\r\n"
        """What may be the beginning of a delimiter; the first one needs no line before it."""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes.

        Raises
        ------
        Malformed
            They are no multipart body.
        """
        # What is left of the bytes before is joined with a few of these alone: copying all of them is what costs.
        joined = self._rest + chunk[:_JOINED]
        left = len(joined) - self._steps(joined, 0)
        if left <= min(_JOINED, len(chunk)):
            buffer, at = chunk, min(_JOINED, len(chunk)) - left
        else:
            buffer, at = joined[len(joined) - left :] + chunk[_JOINED:], 0
        at = self._steps(buffer, at)
        self._rest = buffer[at:] if self._at is not _At.EPILOGUE else b""
        self._check_rest()

    def finish(self) -> None:
        """Say that nothing more comes.

        Raises
        ------
        Malformed
            The last delimiter has not come.
        """
        if self._at is not _At.EPILOGUE:
            raise Malformed(
                "Reading a multipart body was refused: it ends before its last boundary. Send it again whole."
            )

    def _steps(self, buffer: bytes, at: int) -> int:
        """Go on from a place as far as these bytes lead; give where that is."""
        while (reached := self._step(buffer, at)) is not None:
            at = reached
        return at

    def _step(self, buffer: bytes, at: int) -> int | None:
        """Go on from a place; give how far that went, None when more bytes are needed."""
        match self._at:
            case _At.PREAMBLE | _At.BODY:
                return self._search(buffer, at)
            case _At.DELIMITED:
                return self._line(buffer, at)
            case _At.HEADERS:
                return self._headers(buffer, at)
            case _At.EPILOGUE:
                return None

    def _search(self, buffer: bytes, at: int) -> int | None:
        found = buffer.find(self._delimiter, at)
        if found < 0:
            # What stands before a possible beginning of the delimiter is given away, and the step ends there.
            safe = max(len(buffer) - len(self._delimiter) + 1, at)
            if safe == at:
                return None
            self._give(buffer, at, safe)
            return safe
        self._give(buffer, at, found)
        if self._at is _At.BODY:
            self._sink.end()
        self._at = _At.DELIMITED
        return found + len(self._delimiter)

    def _give(self, buffer: bytes, start: int, stop: int) -> None:
        if self._at is _At.BODY and stop > start:
            self._sink.take(memoryview(buffer)[start:stop])

    def _line(self, buffer: bytes, at: int) -> int | None:
        """Read what follows a delimiter: two hyphens at the end, else white space up to the end of the line."""
        if len(buffer) < at + 2:
            return None
        if buffer[at : at + 2] == b"--":
            self._at = _At.EPILOGUE
            return at + 2
        end = buffer.find(b"\r\n", at, at + HEADERS_BYTES)
        if end < 0:
            return None
        if buffer[at:end].strip(b" \t"):
            raise _malformed("a boundary is followed by other characters")
        self._at = _At.HEADERS
        return end

    def _headers(self, buffer: bytes, at: int) -> int | None:
        end = buffer.find(b"\r\n\r\n", at)
        if end < 0:
            return None
        self._at = _At.BODY
        self._sink.begin(_read_headers(buffer[at:end]))
        return end + 4

    def _check_rest(self) -> None:
        if self._at in (_At.DELIMITED, _At.HEADERS) and len(self._rest) > HEADERS_BYTES:
            raise _malformed("the headers of a part have no end")


@lru_cache(maxsize=64)
def read_content_type(value: str) -> tuple[str, Mapping[str, str]]:
    """Take a Content-Type apart: media type in lower case, parameters.

    Source: RFC 9110 8.3.1.
    """
    message = Message()
    message["content-type"] = value
    parameters = message.get_params(failobj=[], header="content-type", unquote=True) or []
    return message.get_content_type() if value else "", {name.lower(): text for name, text in parameters[1:]}


def _read_headers(raw: bytes) -> dict[str, str]:
    found = {}
    for line in raw.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if colon:
            found[name.strip().lower().decode("latin-1")] = value.strip().decode("latin-1")
        elif line.strip():
            raise _malformed("a part has a header without a colon")
    return found


def _malformed(what: str) -> Malformed:
    return Malformed(f"Reading a multipart body was refused: {what}. Correct it, then send it again.")
