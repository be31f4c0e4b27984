"""Bytes of text to text: Specific Character Set with its code extensions, and a guess where nothing is said.

Chinese devices often send GBK bytes without a label, or with the made-up terms
``GBK`` and ``GB2312``. Stored bytes are never changed; a guess is told to whoever
asks, so that it can be shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

UTF8, GB = "utf-8", "gb18030"

_CODECS = {
    "6": "ascii",
    "13": "shift_jis",
    "100": "latin-1",
    "101": "iso8859-2",
    "109": "iso8859-3",
    "110": "iso8859-4",
    "126": "iso8859-7",
    "127": "iso8859-6",
    "138": "iso8859-8",
    "144": "iso8859-5",
    "148": "iso8859-9",
    "166": "tis-620",
    "203": "iso8859-15",
    "192": UTF8,
    "58": GB,
    "149": "euc_kr",
    "87": "iso2022_jp",
    "159": "iso2022_jp_2",
}
"""By ISO registration number; PS3.3 C.12.1.1.2."""
_OTHER_NAMES = {"GB18030": GB, "GBK": GB, "GB2312": GB, "UTF-8": UTF8, "UTF8": UTF8}
_TERM = re.compile(r"ISO[ _-]?(2022)?[ _-]?(IR)?[ _-]?(\d+)", re.ASCII)

_ESCAPES = {
    b"(B": (0, "ascii"),
    b"(J": (0, "shift_jis"),
    b"$B": (0, "iso2022_jp"),
    b"$(D": (0, "iso2022_jp_2"),
    b")I": (1, "shift_jis"),
    b"$)C": (1, "euc_kr"),
    b"$)A": (1, GB),
    b"-A": (1, "latin-1"),
    b"-B": (1, "iso8859-2"),
    b"-C": (1, "iso8859-3"),
    b"-D": (1, "iso8859-4"),
    b"-L": (1, "iso8859-5"),
    b"-G": (1, "iso8859-6"),
    b"-F": (1, "iso8859-7"),
    b"-H": (1, "iso8859-8"),
    b"-M": (1, "iso8859-9"),
    b"-T": (1, "tis-620"),
    b"-b": (1, "iso8859-15"),
}
"""What follows ESC: which half of the code table it sets (low, high), and to what."""
_WIDE_LOW = {"iso2022_jp": b"\x1b$B", "iso2022_jp_2": b"\x1b$(D"}
_PIECES = re.compile(rb"\x1b(\$[()][A-Z]|\$[AB]|[()\-][A-Za-z])|([\\^=\r\n\f])|([^\x1b\\^=\r\n\f]+|\x1b)")
_WIDE_PIECES = re.compile(rb"\x1b(\$[()][A-Z]|\$[AB]|[()\-][A-Za-z])|([\r\n\f])|([^\x1b\r\n\f]+|\x1b)")


@dataclass(frozen=True, slots=True)
class Charset:
    """How the texts of one data set are encoded."""

    codecs: tuple[str, ...]
    """The first is in force at the start of each value; more than one only with escape sequences."""
    guessed: bool = False
    extended: bool = False
    """Whether escape sequences may switch."""

    def decode(self, raw: bytes) -> str:
        """Give the text; what cannot be read becomes U+FFFD."""
        text = self.exact(raw)
        if text is None:
            return raw.decode(self._fallback(raw), "replace").replace("\x1b", "\ufffd")
        return text

    def exact(self, raw: bytes) -> str | None:
        """Give the text, or None when the bytes are not of this character set."""
        try:
            if self.extended and b"\x1b" in raw:
                return _decode_extended(raw, self.codecs)
            return _decode_plain(raw, self.codecs[0] if raw.isascii() else self._high())
        except UnicodeDecodeError:
            return None

    def _high(self) -> str:
        """What bytes above 7F mean where no escape sequence said: the first codec that has them."""
        return next((codec for codec in self.codecs if codec not in ("ascii", *_WIDE_LOW)), "ascii")

    def _fallback(self, raw: bytes) -> str:
        """Read what its own label cannot as Chinese hospitals write it, else in its own label with gaps."""
        for codec in (UTF8, GB) if self.codecs[0] in ("ascii", UTF8, GB) else ():
            try:
                raw.decode(codec)
            except UnicodeDecodeError:
                continue
            return codec
        return self._high()


def read_charset(terms: str, samples: Iterable[bytes] = ()) -> Charset:
    r"""Read a Specific Character Set value; guess from all the texts together when it is empty.

    Parameters
    ----------
    terms
        Its value as text, ``\`` between the terms.
    samples
        Raw texts of the data set. More of them make a guess better: two Chinese
        characters in GBK can happen to be good UTF-8.

    Source: DICOM PS3.3 C.12.1.1.2, PS3.5 6.1.2.3; GBK is not a defined term.
    """
    labelled = _labelled(terms)
    if labelled is not None:
        return labelled
    joined = b"\n".join(sample for sample in samples if not sample.isascii())
    if not joined:
        return Charset(("ascii",))
    for codec in (UTF8, GB):
        try:
            joined.decode(codec)
        except UnicodeDecodeError:
            continue
        return Charset((codec,), guessed=True)
    return Charset(("latin-1",), guessed=True)


@lru_cache(maxsize=64)
def _labelled(terms: str) -> Charset | None:
    named = [term.strip(" \0").upper() for term in terms.split("\\")]
    codecs = tuple(dict.fromkeys(codec for term in named if (codec := _codec(term)) is not None))
    if codecs in ((), ("ascii",)):
        return None  # says nothing of bytes above 7F
    return Charset(codecs, extended=len(named) > 1 or "2022" in named[0])


def _codec(term: str) -> str | None:
    if not term:
        return "ascii"
    if term in _OTHER_NAMES:
        return _OTHER_NAMES[term]
    match = _TERM.fullmatch(term)
    return _CODECS.get(match[3]) if match else None


def _decode_plain(raw: bytes, codec: str) -> str:
    # An escape sequence where none is allowed is dropped with what it would switch to: ASCII is the same in all.
    if codec in _WIDE_LOW:
        return raw.decode("ascii")
    return raw.decode(codec)


def _decode_extended(raw: bytes, codecs: tuple[str, ...]) -> str:
    """Follow escape sequences; each delimiter goes back to the first codec (PS3.5 6.1.2.5.3)."""
    first_low, first_high = _halves(codecs[0])
    spare = next((codec for codec in codecs if _halves(codec)[1]), "")
    low, high = first_low, first_high
    at, parts = 0, []
    while at < len(raw):
        match = (_WIDE_PIECES if low in _WIDE_LOW else _PIECES).match(raw, at)
        assert match is not None  # the pattern takes every byte
        at = match.end()
        escape, delimiter, piece = match.groups()
        if escape:
            half, codec = _ESCAPES.get(escape, (0, "ascii"))
            low, high = (codec, high) if half == 0 else (low, codec)
            spare = codec if half else spare
        elif delimiter:
            low, high = first_low, first_high
            parts.append(delimiter.decode("ascii"))
        else:
            parts.append(_decode_piece(piece, low, high or spare))
    return "".join(parts)


def _decode_piece(piece: bytes, low: str, high: str) -> str:
    if low not in _WIDE_LOW:
        return piece.decode(high or "ascii")
    return "".join(
        (_WIDE_LOW[low] + run).decode("iso2022_jp_2") if run.isascii() else run.decode(high or "ascii")
        for run in re.findall(rb"[\x00-\x7f]+|[\x80-\xff]+", piece)
    )


def _halves(codec: str) -> tuple[str, str]:
    """Give what a codec puts in the low and the high half of the code table."""
    if codec in ("ascii", *_WIDE_LOW):
        return ("ascii", "")
    return ("shift_jis" if codec == "shift_jis" else "ascii", codec)
