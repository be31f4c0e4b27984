"""Instances that STOW-RS brings as DICOM JSON with their bulk data in other parts.

The metadata is held under a cap; bulk data goes through one file without a name
beside the packs, and from there into the instances, once all of it has come:
which instance a part is of, and in which transfer syntax, is known only then.

Source: DICOM PS3.18 10.5.2 (metadata and bulk data), 8.7.3.2, F.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

import msgspec

from node.dicom.header import SOP_CLASS_UID, SOP_INSTANCE_UID
from node.dicom.json_data_set import Piece, data_set_of, text_of
from node.dicom.syntax import EXPLICIT_LITTLE, IMPLICIT_LITTLE, is_encapsulated
from node.dimse.spool import Spool
from node.dimse.store_scp import StoreRequest
from node.errors import GridError, InvalidRequest
from web.dicomweb.accept import DICOM_JSON
from web.dicomweb.deposit import Deposit, Receiving, feed
from web.errors import Malformed, TooLarge

METADATA_BYTES = 32 << 20
MOST_PARTS = 100_000
"""Bulk data parts of a request: where each lies is kept."""
_TRANSFER_SYNTAX = 0x00020010
_OF_MEDIA = {
    "image/jpeg": "1.2.840.10008.1.2.4.50",
    "image/jls": "1.2.840.10008.1.2.4.80",
    "image/jp2": "1.2.840.10008.1.2.4.90",
    "image/jpx": "1.2.840.10008.1.2.4.92",
    "image/jphc": "1.2.840.10008.1.2.4.201",
    "image/dicom-rle": "1.2.840.10008.1.2.5",
}
"""What a compressed part is when it does not say. Source: DICOM PS3.18 table 8.7.3-5 (defaults)."""


class DescribedInstances:
    """Gathers the parts, and stores what they describe."""

    def __init__(self, new_spool: Callable[[], Spool]) -> None:
        self._new_spool = new_spool
        self._metadata = bytearray()
        self._came = False
        self._bulk: dict[str, list[_Bulk]] = {}
        self._spool: Spool | None = None
        self._parts = 0

    def part(self, media: str, parameters: Mapping[str, str], location: str) -> Receiving:
        """Begin a part: the metadata, or a value that it names by the part's Content-Location."""
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise TooLarge(
                f"Storing instances was refused: their bulk data has more than {MOST_PARTS} parts. Send fewer."
            )
        if media in (DICOM_JSON, "application/json"):
            if self._came:
                raise Malformed(
                    "Storing instances was refused: their metadata comes twice. Send one list of them."
                )
            self._came = True
            return _Metadata(self._metadata)
        if self._spool is None:
            self._spool = self._new_spool()
        bulk = _Bulk(self._spool, parameters.get("transfer-syntax", "") or _OF_MEDIA.get(media, ""))
        self._bulk.setdefault(_plain(location), []).append(bulk)
        return bulk

    def finish(self, deposit: Deposit) -> None:
        """Store what the metadata describes."""
        try:
            if self._came:
                spooled = self._spool.view() if self._spool is not None else memoryview(b"")
                for instance in self._instances():
                    self._store(deposit, instance, spooled)
            elif self._bulk:
                raise Malformed(
                    "Storing instances was refused: bulk data came without metadata. Send application/dicom+json first."
                )
        finally:
            self.drop()

    def drop(self) -> None:
        """Let go of everything."""
        spool, self._spool = self._spool, None
        if spool is not None:
            spool.close()
        self._bulk.clear()
        self._metadata.clear()

    def _instances(self) -> list[Mapping[str, object]]:
        wrong = Malformed(
            "Storing instances was refused: their metadata is no list of DICOM JSON objects. Correct it."
        )
        try:
            found = msgspec.json.decode(bytes(self._metadata))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise wrong from error
        listed = found if isinstance(found, list) else [found]
        if not listed or not all(isinstance(one, dict) for one in listed):
            raise wrong
        return listed

    def _store(self, deposit: Deposit, instance: Mapping[str, object], spooled: memoryview) -> None:
        request = StoreRequest(
            sop_class=text_of(instance, SOP_CLASS_UID),
            sop_uid=text_of(instance, SOP_INSTANCE_UID),
            transfer_syntax=EXPLICIT_LITTLE,
        )
        named: set[str] = set()

        def bulk(uri: str) -> Sequence[Piece]:
            parts = self._named(uri)
            named.add(parts[0].transfer_syntax)
            return [spooled[part.start : part.stop] for part in parts]

        try:
            pieces = data_set_of(instance, bulk=bulk, encapsulated=self._is_encapsulated)
            request = msgspec.structs.replace(
                request, transfer_syntax=_one_syntax(named, text_of(instance, _TRANSFER_SYNTAX))
            )
        except GridError as error:
            deposit.refuse(error, request)
            return
        opened = deposit.open(request)
        try:
            for piece in pieces:
                feed(opened.intake, memoryview(piece))
        except BaseException:
            opened.intake.drop()
            raise
        deposit.store(opened)

    def _named(self, uri: str) -> list[_Bulk]:
        parts = self._bulk.get(_plain(uri))
        if not parts:
            raise InvalidRequest(
                "Storing an instance was refused: no part has the Content-Location that a BulkDataURI names."
                " Send all its bulk data."
            )
        if self._spool is not None and self._spool.refusal is not None:
            raise self._spool.refusal
        return parts

    def _is_encapsulated(self, uri: str) -> bool:
        return is_encapsulated(self._named(uri)[0].transfer_syntax or EXPLICIT_LITTLE)


class _Metadata:
    """The part that describes; under its cap."""

    def __init__(self, place: bytearray) -> None:
        self._place = place

    def take(self, piece: memoryview) -> None:
        if len(self._place) + len(piece) > METADATA_BYTES:
            raise TooLarge(
                f"Storing instances was refused: their metadata is larger than {METADATA_BYTES >> 20} MiB."
                " Send fewer at a time."
            )
        self._place += piece

    def end(self) -> None:
        """It is read when everything has come."""

    def drop(self) -> None:
        self._place.clear()


class _Bulk:
    """A value on its way to its instance: where it lies among what has come."""

    def __init__(self, spool: Spool, transfer_syntax: str) -> None:
        self.transfer_syntax = transfer_syntax
        """As its part says; empty when it does not."""
        self.start = self.stop = spool.size
        self._spool = spool

    def take(self, piece: memoryview) -> None:
        self.stop += self._spool.write(piece)

    def end(self) -> None:
        """It waits for the others."""

    def drop(self) -> None:
        """What holds it is dropped as one."""


def _plain(location: str) -> str:
    """Give a location as it is compared: some senders write it once with its host and once without."""
    try:
        return urlsplit(location.strip()).path.strip("/") or location.strip()
    except ValueError:
        return location.strip()


def _one_syntax(named: set[str], said: str) -> str:
    """Give the transfer syntax of an instance: that of its compressed pixels, else explicit little endian."""
    compressed = {syntax for syntax in named if syntax and is_encapsulated(syntax)}
    if len(compressed) > 1 or named - compressed - {"", EXPLICIT_LITTLE, IMPLICIT_LITTLE}:
        raise InvalidRequest(
            "Storing an instance was refused: its bulk data comes in several transfer syntaxes, or in one that is"
            " not for values alone. Send explicit VR little endian."
        )
    if compressed:
        return compressed.pop()
    if said and is_encapsulated(said):
        raise InvalidRequest(
            f"Storing an instance was refused: it says {said}, and its pixels come without a transfer syntax."
            " Name it in their Content-Type."
        )
    return EXPLICIT_LITTLE
