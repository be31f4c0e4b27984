"""WADO-RS in depth: the transfer syntax that a client names, an instance alone, ranges, pictures and thumbnails."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.filebase import DicomBytesIO

from node.dicom.part10 import read_part10
from node.people.accounts import OPERATOR
from node.people.sessions import end_all, revoke_bearers
from tests.integration.test_web_dicomweb import AS_STORED, get
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.compressed import SYNTAXES, compressed_ct, ramp
from tests.kit.holding import hold, hold_ct
from tests.kit.http import Visitor
from tests.kit.instances import BIG, DEFLATED, EXPLICIT, IMPLICIT, LITTLE, gradient, make_ct
from tests.kit.parts import parts_of
from tests.kit.site import Site, add_quickly, open_site

STUDY = "2.25.10"
INSTANCE = f"/dicomweb/studies/{STUDY}/series/{STUDY}.1/instances/{STUDY}.1.1"
ALONE = "application/dicom"
AS_EXPLICIT = f"application/dicom; transfer-syntax={EXPLICIT}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    node = bare_node(tmp_path_factory.mktemp("site"), "alpha", FrozenClock())
    hold_ct(node, study_uid=STUDY, slices=3, name="Wang^XiaoDong=王^小东")
    with open_site(node) as opened:
        yield opened


@pytest.fixture(scope="module")
def reader(site: Site) -> Visitor:
    return site.program()


def held_as(site: Site, uid: str, data_set: bytes, transfer_syntax: str) -> str:
    hold(site.node, [data_set], transfer_syntax=transfer_syntax)
    return f"/dicomweb/studies/{uid}/series/{uid}.1/instances/{uid}.1.1"


def uids(uid: str) -> dict[str, str]:
    return {"study_uid": uid, "series_uid": f"{uid}.1", "sop_uid": f"{uid}.1.1"}


def test_an_instance_comes_alone_to_who_asks_for_that(reader: Visitor) -> None:
    status, headers, body = get(reader, INSTANCE, Accept=ALONE)
    assert (status, headers["content-type"]) == (200, f"application/dicom; transfer-syntax={EXPLICIT}")
    assert read_part10(body).sop_uid == f"{STUDY}.1.1"
    _, _, parts = get(reader, INSTANCE, **AS_STORED)
    assert body in parts


@pytest.mark.parametrize("transfer_syntax", [IMPLICIT, BIG, DEFLATED])
def test_native_instances_are_given_in_explicit_little_endian(
    site: Site, reader: Visitor, transfer_syntax: str
) -> None:
    uid = f"2.25.30.{len(transfer_syntax)}"
    sequence = (0x00081140, ("SQ", b""))
    if transfer_syntax != DEFLATED:
        little = transfer_syntax != BIG
        item = (LITTLE if little else type(LITTLE)(little=False)).item()
        sequence = (0x00081140, ("SQ", item))
    data_set = make_ct(
        **uids(uid), transfer_syntax=transfer_syntax, patient_name="王^小东", charset="ISO_IR 192",
        python_charset="utf-8", change=dict([sequence]),
    )  # fmt: skip
    path = held_as(site, uid, data_set, transfer_syntax)
    status, headers, body = get(reader, path, Accept=AS_EXPLICIT)
    assert (status, headers["content-type"]) == (200, f"application/dicom; transfer-syntax={EXPLICIT}")
    assert int(headers["content-length"]) == len(body)
    read = pydicom.dcmread(DicomBytesIO(body))
    assert (read.file_meta.TransferSyntaxUID, read.PatientName) == (EXPLICIT, "王^小东")
    assert (read.PixelData, read.Rows, read.BitsStored) == (gradient(4, 4), 4, 12)
    assert get(reader, path, Accept=f"{ALONE}; transfer-syntax=*")[1]["content-type"].endswith(
        transfer_syntax
    )


@pytest.mark.parametrize("name", SYNTAXES)
def test_compressed_instances_are_decoded_for_who_asks(site: Site, reader: Visitor, name: str) -> None:
    uid = f"2.25.31.{sorted(SYNTAXES).index(name) + 1}"
    data_set = compressed_ct(name, frames=3, **uids(uid))
    path = held_as(site, uid, data_set, SYNTAXES[name])
    status, headers, body = get(reader, path, Accept=AS_EXPLICIT)
    assert (status, int(headers["content-length"])) == (200, len(body))
    read = pydicom.dcmread(DicomBytesIO(body))
    assert read.file_meta.TransferSyntaxUID == EXPLICIT
    shown = np.frombuffer(read.PixelData, "<u2").reshape(3, 32, 32).astype(int)
    allowed = 0 if "lossy" not in name else 6
    for number in range(3):
        assert np.abs(shown[number] - ramp(number)).max() <= allowed
    _, headers, whole = get(
        reader,
        f"/dicomweb/studies/{uid}",
        Accept=f'multipart/related; type="{ALONE}"; transfer-syntax={EXPLICIT}',
    )
    ((media, file),) = parts_of(headers, whole)
    assert media.endswith(EXPLICIT)
    assert pydicom.dcmread(DicomBytesIO(file)).PixelData == read.PixelData


def test_colours_are_told_as_they_come_out_of_the_codec(site: Site, reader: Visitor) -> None:
    uid = "2.25.32"
    path = held_as(
        site, uid, compressed_ct("jpeg-colour-lossy", frames=1, **uids(uid)), "1.2.840.10008.1.2.4.50"
    )
    read = pydicom.dcmread(DicomBytesIO(get(reader, path, Accept=AS_EXPLICIT)[2]))
    assert (read.PhotometricInterpretation, read.PlanarConfiguration) == ("RGB", 0)
    red = np.frombuffer(read.PixelData, np.uint8).reshape(32, 32, 3)
    assert red[..., 0].mean() > 180
    assert red[..., 1].mean() < 60


def test_what_cannot_be_decoded_is_refused_in_words(site: Site, reader: Visitor) -> None:
    uid = "2.25.33"
    broken = compressed_ct("jpeg-ls", frames=1, spoil=True, **uids(uid))
    path = held_as(site, uid, broken, SYNTAXES["jpeg-ls"])
    for accept in (AS_EXPLICIT, f'multipart/related; type="{ALONE}"; transfer-syntax={EXPLICIT}'):
        status, _, body = get(reader, path, Accept=accept)
        assert status == 406
        assert "stored" in json.loads(body)["error"]["message"]
    assert get(reader, path, Accept=ALONE)[0] == 200


@pytest.mark.parametrize(
    ("asked", "status", "first", "last"),
    [
        ("bytes=0-9", 206, 0, 9),
        ("bytes=140-", 206, 140, -1),
        ("bytes=-10", 206, -10, -1),
        ("bytes=5-99999999", 206, 5, -1),
        ("bytes=9-5", 200, 0, -1),
        ("bytes=0-1,4-5", 200, 0, -1),
        ("lines=1-2", 200, 0, -1),
        ("bytes=-", 200, 0, -1),
    ],
)
def test_a_range_of_an_instance_and_of_bulk_data(
    reader: Visitor, asked: str, status: int, first: int, last: int
) -> None:
    for path in (INSTANCE, f"{INSTANCE}/bulkdata/7FE00010"):
        accept = {"Accept": ALONE if path == INSTANCE else "*/*"}
        _, _, whole = get(reader, path, **accept)
        if "140" in asked and len(whole) < 200:
            continue
        given, headers, body = get(reader, path, **accept, Range=asked)
        assert (given, headers["accept-ranges"]) == (status, "bytes")
        expected = whole[first:] if last == -1 else whole[first : last + 1]
        assert body == expected
        if status == 206:
            start = first % len(whole)
            assert headers["content-range"] == f"bytes {start}-{start + len(body) - 1}/{len(whole)}"


def test_a_range_behind_the_end_and_one_of_another_content(reader: Visitor) -> None:
    status, headers, _ = get(reader, INSTANCE, Accept=ALONE, Range="bytes=999999-")
    assert status == 416
    assert headers["content-range"].startswith("bytes */")
    tag = get(reader, INSTANCE, Accept=ALONE)[1]["etag"]
    assert get(reader, INSTANCE, Accept=ALONE, Range="bytes=0-1", **{"If-Range": tag})[0] == 206
    assert get(reader, INSTANCE, Accept=ALONE, Range="bytes=0-1", **{"If-Range": '"old"'})[0] == 200


def test_a_range_of_a_large_instance_and_of_a_decoded_one(site: Site, reader: Visitor) -> None:
    uid = "2.25.34"
    path = held_as(site, uid, make_ct(**uids(uid), rows=512, columns=512), EXPLICIT)
    whole = get(reader, path, Accept=ALONE)[2]
    assert get(reader, path, Accept=ALONE, Range="bytes=1000-400000")[2] == whole[1000:400001]
    bulk = get(reader, f"{path}/bulkdata/7FE00010", Range="bytes=7-200006")[2]
    assert bulk == gradient(512, 512)[7:200007]
    uid = "2.25.35"
    path = held_as(site, uid, compressed_ct("jpeg-ls", frames=2, **uids(uid)), SYNTAXES["jpeg-ls"])
    whole = get(reader, path, Accept=AS_EXPLICIT)[2]
    assert get(reader, path, Accept=AS_EXPLICIT, Range="bytes=900-3000")[2] == whole[900:3001]


def opened(body: bytes) -> Image.Image:
    return Image.open(io.BytesIO(body))


def test_a_study_and_a_series_are_rendered_as_parts(site: Site, reader: Visitor) -> None:
    for path in (
        f"/dicomweb/studies/{STUDY}/rendered",
        f"/dicomweb/studies/{STUDY}/series/{STUDY}.1/rendered",
    ):
        for accept, media in (('multipart/related; type="image/png"', "image/png"), ("*/*", "image/jpeg")):
            status, headers, body = get(reader, path, Accept=accept)
            parts = parts_of(headers, body)
            assert (status, [each for each, _ in parts]) == (200, [media] * 3)
            assert all(opened(content).size == (4, 4) for _, content in parts)
    uid = "2.25.36"
    hold(site.node, [make_ct(**uids(uid), change={0x7FE00010: None, 0x00280010: None})])
    assert get(reader, f"/dicomweb/studies/{uid}/rendered")[0] == 406
    assert get(reader, f"/dicomweb/studies/{uid}/thumbnail")[0] == 406


def test_all_frames_are_rendered_as_parts_or_the_named_ones(site: Site, reader: Visitor) -> None:
    uid = "2.25.37"
    pixels = b"".join(bytes([n, 0]) * 16 for n in range(1, 4))
    cine = make_ct(**uids(uid), pixels=pixels, change={0x00280008: ("IS", "3")})
    path = held_as(site, uid, cine, EXPLICIT)
    parts = {"Accept": 'multipart/related; type="image/png"'}
    _, headers, body = get(reader, f"{path}/rendered", **parts)
    assert len(parts_of(headers, body)) == 3
    _, headers, body = get(reader, f"{path}/frames/3,1/rendered", **parts)
    assert len(parts_of(headers, body)) == 2
    assert get(reader, f"{path}/rendered")[1]["content-type"] == "image/jpeg"
    assert get(reader, f"{path}/frames/3,1/rendered")[0] == 406
    assert get(reader, f"{path}/frames/2/rendered")[0] == 200


def test_a_viewport_cuts_scales_and_mirrors(site: Site, reader: Visitor) -> None:
    uid = "2.25.38"
    path = held_as(site, uid, make_ct(**uids(uid), rows=64, columns=32), EXPLICIT) + "/rendered"
    png = {"Accept": "image/png"}
    whole = np.asarray(opened(get(reader, path, **png)[2]))
    assert opened(get(reader, f"{path}?viewport=16,16", **png)[2]).size == (8, 16)
    assert opened(get(reader, f"{path}?viewport=128,128", **png)[2]).size == (64, 128)
    part = np.asarray(opened(get(reader, f"{path}?viewport=8,8,4,2,8,8", **png)[2]))
    assert np.array_equal(part, whole[2:10, 4:12])
    mirrored = np.asarray(opened(get(reader, f"{path}?viewport=32,64,,,-32,64", **png)[2]))
    assert np.array_equal(mirrored, whole[:, ::-1])
    for wrong in ("1", "0,5", "9999,5", "a,b", "8,8,40,40,8,8", "8,8,1", "nan,4", "8,8,1e300,0,1,1"):
        assert get(reader, f"{path}?viewport={wrong}", **png)[0] == 422


def test_words_are_written_on_a_picture(site: Site, reader: Visitor) -> None:
    uid = "2.25.39"
    data_set = make_ct(
        **uids(uid), rows=256, columns=256, pixels=bytes(2 * 256 * 256), patient_name="Wang^XiaoDong=王^小东",
        charset="ISO_IR 192", python_charset="utf-8",
    )  # fmt: skip
    path = held_as(site, uid, data_set, EXPLICIT) + "/rendered"
    png = {"Accept": "image/png"}
    plain = np.asarray(opened(get(reader, path, **png)[2]))
    patient = np.asarray(opened(get(reader, f"{path}?annotation=patient", **png)[2]))
    both = np.asarray(opened(get(reader, f"{path}?annotation=patient,technique", **png)[2]))
    assert (patient != plain)[:80, :128].sum() > 200
    assert (patient == plain)[:, 160:].all()
    assert (both != plain)[:80, 160:].sum() > 100
    assert get(reader, f"{path}?annotation=all", **png)[0] == 422


def test_thumbnails_at_every_level(reader: Visitor) -> None:
    series = f"/dicomweb/studies/{STUDY}/series/{STUDY}.1"
    for path in (f"/dicomweb/studies/{STUDY}", series, INSTANCE, f"{INSTANCE}/frames/1"):
        status, headers, body = get(reader, f"{path}/thumbnail")
        assert (status, headers["content-type"]) == (200, "image/jpeg")
        assert opened(body).size == (160, 160)
        assert opened(get(reader, f"{path}/thumbnail?viewport=32,20")[2]).size == (20, 20)
        assert get(reader, f"{path}/thumbnail", **{"If-None-Match": headers["etag"]})[0] == 304
        assert get(reader, f"{path}/thumbnail?viewport=1,2,3,4,5,6")[0] == 422
    assert get(reader, f"{INSTANCE}/frames/2/thumbnail")[0] == 404


def test_a_picture_is_made_once(site: Site, reader: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    uid = "2.25.40"
    path = held_as(site, uid, compressed_ct("jpeg-ls", frames=1, **uids(uid)), SYNTAXES["jpeg-ls"])
    first = get(reader, f"{path}/rendered?quality=80")[2]

    def never(*_args: object, **_named: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr("node.imaging.render.decode_frame", never)
    assert get(reader, f"{path}/rendered?quality=80")[2] == first
    assert get(reader, f"{path}/rendered?window=100,20")[0] == 200


def test_a_frame_answered_at_once_is_guarded_as_the_first_was(site: Site) -> None:
    """Its place is known by then, and the answer needs no thread; who may no longer see it is told so at once."""
    frame = f"{INSTANCE}/frames/1"
    program = site.program("reader/passing")
    technician = add_quickly(site.node, "passing", "technician")
    person = site.signed_in(technician)
    for visitor in (program, person):
        first, again = get(visitor, frame), get(visitor, frame)
        assert (first[0], again[0]) == (200, 200)
        assert first[1]["etag"] == again[1]["etag"]
    alone = {"Accept": "application/octet-stream"}
    assert get(program, frame, **alone)[2] == get(program, frame, **alone)[2] == gradient(4, 4)
    revoke_bearers(site.node, OPERATOR, principal="reader/passing")
    end_all(site.node, technician.id)
    for visitor in (program, person, site.visitor()):
        assert get(visitor, frame)[0] == 401
    assert get(site.program("sender/passing"), frame)[0] == 404
    assert get(site.program(), f"{INSTANCE}/frames/2")[0] == 404
    other = INSTANCE.replace(f"series/{STUDY}.1", f"series/{STUDY}.9")
    assert get(site.program(), f"{other}/frames/1")[0] == 404
