"""WADO-RS: whole instances as they are stored or corrected, or in explicit VR little endian; metadata and bulk data.

Bodies stream from the packs in bounded memory, whatever the study's size.

Source: DICOM PS3.18 10.4.
"""

from __future__ import annotations

from functools import partial

import msgspec
from aiohttp import web

from node.catalogue.exits import File, files_of, read_bulk, read_header
from node.catalogue.fresh import read_fresh
from node.catalogue.search import InstanceRow
from node.dicom.header import Header
from node.dicom.json_model import to_json
from web.answers import Later
from web.dicomweb.accept import DICOM, DICOM_JSON, OCTETS, check_json, choose_syntax, takes_one_object, wanted
from web.dicomweb.converted import explicit_file
from web.dicomweb.framing import Part, part_of_pieces
from web.dicomweb.held import etag_as_corrected
from web.dicomweb.named import with_held
from web.dicomweb.ranges import answer_ranged
from web.dicomweb.reading import note_read
from web.dicomweb.roots import at_both_roots, root_of
from web.dicomweb.stream import MadeParts, answer_parts
from web.routes import Call, NoBody

BATCH = 8
"""Instances whose metadata is written before the answer is fed."""
PRIVATE = "private, no-cache"
"""Kept by the browser alone, and asked about each time: who may see it can change."""


@at_both_roots("/studies/{study_uid}")
def retrieve_study(call: Call[NoBody]) -> Later | web.Response:
    """Give all instances of a study."""
    return with_held(call, lambda held: _retrieve(call, held))


@at_both_roots("/studies/{study_uid}/series/{series_uid}")
def retrieve_series(call: Call[NoBody]) -> Later | web.Response:
    """Give all instances of a series."""
    return with_held(call, lambda held: _retrieve(call, held), rest=False)


@at_both_roots("/studies/{study_uid}/series/{series_uid}/instances/{sop_uid}")
def retrieve_instance(call: Call[NoBody]) -> Later | web.Response:
    """Give one instance."""
    return with_held(call, lambda held: _retrieve(call, held, one=True), rest=False)


@at_both_roots("/studies/{study_uid}/metadata")
async def study_metadata(call: Call[NoBody]) -> web.StreamResponse:
    """Give the metadata of a study's instances."""
    return await _metadata(call)


@at_both_roots("/studies/{study_uid}/series/{series_uid}/metadata")
async def series_metadata(call: Call[NoBody]) -> web.StreamResponse:
    """Give the metadata of a series' instances."""
    return await _metadata(call)


@at_both_roots("/studies/{study_uid}/series/{series_uid}/instances/{sop_uid}/metadata")
async def instance_metadata(call: Call[NoBody]) -> web.StreamResponse:
    """Give the metadata of one instance."""
    return await _metadata(call)


@at_both_roots("/studies/{study_uid}/series/{series_uid}/instances/{sop_uid}/bulkdata/{path:.+}")
def retrieve_bulk(call: Call[NoBody]) -> Later | web.Response:
    """Give one value that the metadata names by address, or a range of it."""

    def use(held: list[InstanceRow]) -> Later | web.Response:
        tag = etag_as_corrected(call.node, held[:1], call.path["path"])
        note_read(call)
        if unchanged(call, tag):
            return not_modified(tag)
        headers = {"ETag": tag, "Cache-Control": PRIVATE, "Content-Type": OCTETS}
        value = call.around.frames.pixel_data(call.node, held[0], call.path["path"]) or [
            read_bulk(call.node, held[0], call.path["path"])
        ]
        return answer_ranged(call.request, value, threads=call.around.threads, headers=headers)

    return with_held(call, use)


def _retrieve(call: Call[NoBody], held: list[InstanceRow], *, one: bool = False) -> Later | web.Response:
    """Give instances as parts; one alone when it may come so, also a range of it."""
    ranges = wanted(call.request)
    syntaxes = {each: choose_syntax(ranges, each) for each in {one.transfer_syntax for one in held}}
    single = one and takes_one_object(ranges)
    tag = etag_as_corrected(call.node, held, "file" if single else "files", *sorted(set(syntaxes.values())))
    if unchanged(call, tag):
        return not_modified(tag)
    headers = {"ETag": tag, "Cache-Control": PRIVATE}
    threads, heavy = call.around.threads, call.around.heavy
    if single:
        part = part_of(call, held[0], syntaxes[held[0].transfer_syntax])
        return answer_ranged(
            call.request, part.give(), threads=threads, headers={**headers, "Content-Type": part.media}
        )
    if any(given != stored for stored, given in syntaxes.items()):
        makers = [partial(part_of, call, each, syntaxes[each.transfer_syntax]) for each in held]
        return MadeParts(media=DICOM, makers=makers, threads=threads, heavy=heavy, headers=headers)
    root, files = root_of(call), files_of(call.node, held)
    parts = [_part(root, each, file) for each, file in zip(held, files, strict=True)]
    return answer_parts(parts, media=DICOM, threads=threads, headers=headers)


def part_of(call: Call[NoBody], held: InstanceRow, syntax: str) -> Part:
    """Give an instance as a file in a transfer syntax: its own, or explicit VR little endian. Blocks."""
    if syntax == held.transfer_syntax:
        return _part(root_of(call), held, files_of(call.node, [held])[0])
    body = explicit_file(call.node, held, call.around.heavy)
    return part_of_pieces(media=_media(syntax), location=address_of(call, held), body=body)


def _part(root: str, held: InstanceRow, file: File) -> Part:
    return Part(
        media=_media(held.transfer_syntax), location=_address(root, held), size=file.size, give=file.pieces
    )


def _media(syntax: str) -> str:
    return f"{DICOM}; transfer-syntax={syntax}"


async def _metadata(call: Call[NoBody]) -> web.StreamResponse:
    check_json(wanted(call.request))

    def prepare(held: list[InstanceRow]) -> tuple[list[InstanceRow], str, bytes]:
        tag = etag_as_corrected(call.node, held, "metadata", root_of(call))
        note_read(call)
        return held, tag, b"" if unchanged(call, tag) else _written(call, held[:BATCH])

    held, tag, first = await call.run(lambda: with_held(call, prepare, brought=False))
    if not first:
        return not_modified(tag)
    response = web.StreamResponse(headers={"ETag": tag, "Cache-Control": PRIVATE})
    response.content_type = DICOM_JSON
    response.enable_compression()
    await response.prepare(call.request)
    await response.write(b"[" + first)
    for start in range(BATCH, len(held), BATCH):
        batch = held[start : start + BATCH]
        await response.write(b"," + await call.run(partial(_written, call, batch)))
    await response.write(b"]")
    await response.write_eof()
    return response


def _written(call: Call[NoBody], held: list[InstanceRow]) -> bytes:
    return b",".join(
        msgspec.json.encode(
            to_json(_read_fresh(call, one), bulk=partial(_bulk_address, address_of(call, one)))
        )
        for one in held
    )


def _read_fresh(call: Call[NoBody], held: InstanceRow) -> Header:
    return read_fresh(call.node, held, partial(read_header, call.node))


def _bulk_address(instance: str, path: str) -> str:
    return f"{instance}/bulkdata/{path}"


def unchanged(call: Call[NoBody], tag: str) -> bool:
    """Say whether the client has this answer already. Source: RFC 9110 13.1.2."""
    known = call.request.headers.get("If-None-Match", "")
    return known == "*" or tag in (part.strip().removeprefix("W/") for part in known.split(","))


def not_modified(tag: str) -> web.Response:
    """Say that the client's copy is still right."""
    return web.Response(status=304, headers={"ETag": tag, "Cache-Control": PRIVATE})


def address_of(call: Call[NoBody], held: InstanceRow) -> str:
    """Give the address of an instance."""
    return _address(root_of(call), held)


def _address(root: str, held: InstanceRow) -> str:
    return f"{root}/studies/{held.study_uid}/series/{held.series_uid}/instances/{held.sop_uid}"


ROUTES = (
    *retrieve_study,
    *retrieve_series,
    *retrieve_instance,
    *study_metadata,
    *series_metadata,
    *instance_metadata,
    *retrieve_bulk,
)
