"""What a client would take, and whether what is stored is among it.

Objects are given in the transfer syntax they are stored in, or to whoever names
it in explicit VR little endian; asking for another is answered 406 in words.

Source: DICOM PS3.18 8.3.3 (query parameter), 8.7.3 (media types), 8.7.3.5 (transfer syntax); RFC 9110 12.5.1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from aiohttp import web

from node.dicom.syntax import EXPLICIT_LITTLE, is_encapsulated
from node.imaging.decompress import can_be_native
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
_PICTURES = ("image/jpeg", "image/png")


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


def wanted(request: web.Request) -> tuple[MediaRange, ...]:
    """Give what the request would take, best first; ``accept=`` in the address overrides the header."""
    header = request.query.get("accept") or ", ".join(request.headers.getall("Accept", [])) or "*/*"
    return parse_accept(header)


@lru_cache(maxsize=256)
def parse_accept(header: str) -> tuple[MediaRange, ...]:
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
    return tuple(sorted((one for one in ranges if one.weight > 0), key=lambda one: -one.weight))


def choose_syntax(ranges: Sequence[MediaRange], stored: str) -> str:
    """Give the transfer syntax in which an instance is given: as it is stored, or explicit VR little endian.

    Of what the client likes equally the stored one is better. A client that names none takes it as it is.

    Raises
    ------
    NotAcceptable
        It takes neither.
    """
    objects = [range_ for range_ in ranges if range_.takes(DICOM)]
    for weight in dict.fromkeys(range_.weight for range_ in objects):
        liked = [range_ for range_ in objects if range_.weight == weight]
        if any(range_.takes_syntax(stored) for range_ in liked):
            return stored
        if can_be_native(stored) and any(range_.transfer_syntax == EXPLICIT_LITTLE for range_ in liked):
            return EXPLICIT_LITTLE
    raise NotAcceptable(
        f"Reading instances was refused: they are given as application/dicom, as stored in {stored}, or if that can be"
        f" decoded here in {EXPLICIT_LITTLE}. Ask for"
        ' multipart/related; type="application/dicom"; transfer-syntax=*.'
    )


def takes_one_object(ranges: Sequence[MediaRange]) -> bool:
    """Say whether an instance comes without being a part: for whoever names application/dicom alone first."""
    first = next((range_ for range_ in ranges if range_.takes(DICOM)), None)
    return first is not None and not first.multipart and first.media == DICOM


@lru_cache(maxsize=256)
def choose_frame_media(ranges: tuple[MediaRange, ...], stored: str) -> tuple[str, bool]:
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


def choose_picture(ranges: Sequence[MediaRange]) -> str:
    """Give the media type of a rendered picture.

    Raises
    ------
    NotAcceptable
        The client takes neither JPEG nor PNG.
    """
    return _picture_media([range_ for range_ in ranges if not range_.multipart])


def choose_pictures(ranges: Sequence[MediaRange]) -> str:
    """Give the media type of pictures that come as parts; who names a picture alone is understood.

    Raises
    ------
    NotAcceptable
        The client takes neither JPEG nor PNG.
    """
    return _picture_media(ranges)


def takes_one_picture(ranges: Sequence[MediaRange]) -> bool:
    """Say whether a picture may come without being a part; it may for whoever asks for none that there is."""
    fitting = [range_ for range_ in ranges if any(range_.takes(media) for media in _PICTURES)]
    return not fitting or not fitting[0].multipart


def _picture_media(ranges: Sequence[MediaRange]) -> str:
    for range_ in ranges:
        for media in _PICTURES:
            if range_.takes(media):
                return media
    raise NotAcceptable("Making a picture was refused: ask for image/jpeg or image/png.")


def check_json(ranges: Sequence[MediaRange]) -> None:
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
