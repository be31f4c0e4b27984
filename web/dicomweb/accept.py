"""What a client would take, and whether what is stored is among it.

Objects are given in the transfer syntax they are stored in, never another:
asking for one that is not stored is answered 406 in words.

Source: DICOM PS3.18 8.3.3 (query parameter), 8.7.3 (media types), 8.7.3.5 (transfer syntax); RFC 9110 12.5.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from aiohttp import web

from node.dicom.syntax import EXPLICIT_LITTLE, is_encapsulated
from web.errors import NotAcceptable

DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"
OCTETS = "application/octet-stream"
MULTIPART = "multipart/related"
ANY = "*"
_PARAMETER = re.compile(r'\s*;\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;,"]*)')
_RANGE = re.compile(rf"\s*([^\s;,\"/]+/[^\s;,\"/]+)((?:{_PARAMETER.pattern})*)\s*(?:,|$)")
_STORED = {
    "1.2.840.10008.1.2.4.50": "image/jpeg",
    "1.2.840.10008.1.2.4.51": "image/jpeg",
    "1.2.840.10008.1.2.4.57": "image/jpeg",
    "1.2.840.10008.1.2.4.70": "image/jpeg",
    "1.2.840.10008.1.2.4.80": "image/jls",
    "1.2.840.10008.1.2.4.81": "image/jls",
    "1.2.840.10008.1.2.4.90": "image/jp2",
    "1.2.840.10008.1.2.4.91": "image/jp2",
    "1.2.840.10008.1.2.4.92": "image/jpx",
    "1.2.840.10008.1.2.4.93": "image/jpx",
    "1.2.840.10008.1.2.4.110": "image/jxl",
    "1.2.840.10008.1.2.4.111": "image/jxl",
    "1.2.840.10008.1.2.4.112": "image/jxl",
    "1.2.840.10008.1.2.4.201": "image/jphc",
    "1.2.840.10008.1.2.4.202": "image/jphc",
    "1.2.840.10008.1.2.4.203": "image/jphc",
    "1.2.840.10008.1.2.5": "image/dicom-rle",
}
"""Source: DICOM PS3.18 8.7.3.3.2, table 8.7.3-5."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaRange:
    """One thing a client would take."""

    media: str
    """``image/jpeg``, ``*/*``, ...; of a multipart, that of its parts."""
    multipart: bool
    transfer_syntax: str
    """Empty when none was named, ``*`` for any."""
    weight: float

    def takes(self, media: str) -> bool:
        return self.media in ("*/*", media, media.partition("/")[0] + "/*")

    def takes_syntax(self, stored: str) -> bool:
        return self.transfer_syntax in ("", ANY, stored)

    def takes_frames_of(self, stored: str) -> bool:
        """Native frames are given in little endian, whatever their object's syntax."""
        return self.takes_syntax(stored) or (
            self.transfer_syntax == EXPLICIT_LITTLE and not is_encapsulated(stored)
        )


def wanted(request: web.Request) -> list[MediaRange]:
    """Give what the request would take, best first; ``accept=`` in the address overrides the header."""
    header = request.query.get("accept") or ", ".join(request.headers.getall("Accept", [])) or "*/*"
    return parse_accept(header)


def parse_accept(header: str) -> list[MediaRange]:
    """Read an Accept header; what cannot be read is left out."""
    ranges = []
    for match in _RANGE.finditer(header):
        media = match[1].lower()
        parameters = {name.lower(): _unquoted(value) for name, value in _PARAMETER.findall(match[2])}
        multipart = media == MULTIPART
        ranges.append(
            MediaRange(
                media=parameters.get("type", "*/*").lower() if multipart else media,
                multipart=multipart,
                transfer_syntax=parameters.get("transfer-syntax", ""),
                weight=_weight(parameters.get("q", "1")),
            )
        )
    return sorted((range_ for range_ in ranges if range_.weight > 0), key=lambda range_: -range_.weight)


def check_objects(ranges: list[MediaRange], stored: set[str]) -> None:
    """Refuse unless whole objects in their stored syntaxes are among what the client would take.

    Raises
    ------
    NotAcceptable
        They are not.
    """
    for range_ in ranges:
        if range_.takes(DICOM) and all(range_.takes_syntax(syntax) for syntax in stored):
            return
    raise NotAcceptable(
        "Reading instances was refused: they are given as application/dicom in the transfer syntax they are"
        ' stored in. Ask for multipart/related; type="application/dicom"; transfer-syntax=*.'
    )


def choose_frame_media(ranges: list[MediaRange], stored: str) -> tuple[str, bool]:
    """Give the media type for frames of a stored syntax, and whether the answer is multipart.

    Raises
    ------
    NotAcceptable
        The client takes neither the stored bytes' own type nor octets of any syntax.
    """
    own = _STORED.get(stored, OCTETS) if is_encapsulated(stored) else OCTETS
    for range_ in ranges:
        single = not range_.multipart and range_.media != "*/*"
        if range_.takes(own) and range_.takes_frames_of(stored):
            return own, not single
        # As octets, compressed frames go only to a client that said it takes any syntax.
        if range_.takes(OCTETS) and range_.transfer_syntax in (ANY, stored):
            return OCTETS, not single
    raise NotAcceptable(
        f"Reading frames was refused: they are stored as {own} in {stored}."
        ' Ask for multipart/related; type="application/octet-stream"; transfer-syntax=*.'
    )


def choose_picture(ranges: list[MediaRange]) -> str:
    """Give the media type of a rendered picture.

    Raises
    ------
    NotAcceptable
        The client takes neither JPEG nor PNG.
    """
    for range_ in ranges:
        for media in ("image/jpeg", "image/png"):
            if not range_.multipart and range_.takes(media):
                return media
    raise NotAcceptable("Making a picture was refused: ask for image/jpeg or image/png.")


def check_json(ranges: list[MediaRange]) -> None:
    """Refuse a client that takes no DICOM JSON."""
    if not any(not r.multipart and (r.takes(DICOM_JSON) or r.takes("application/json")) for r in ranges):
        raise NotAcceptable("The request was refused: answers are application/dicom+json. Ask for that.")


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0
