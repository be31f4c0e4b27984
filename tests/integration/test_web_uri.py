"""WADO-URI as viewers write it: an object by its query, as a file or a picture, under the same guard."""

from __future__ import annotations

import io
from collections.abc import Iterator
from urllib.parse import urlencode

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.filebase import DicomBytesIO

from node.dicom.part10 import read_part10
from tests.integration.test_web_dicomweb import get
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.compressed import SYNTAXES, compressed_ct, ramp
from tests.kit.holding import hold, hold_ct
from tests.kit.http import Visitor
from tests.kit.instances import EXPLICIT, make_ct
from tests.kit.site import Site, add_quickly, open_site

STUDY, CINE, SQUEEZED, FOREIGN = "2.25.10", "2.25.11", "2.25.12", "2.25.13"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    node = bare_node(tmp_path_factory.mktemp("site"), "alpha", FrozenClock())
    hold_ct(node, study_uid=STUDY, slices=2)
    hold_ct(node, study_uid=FOREIGN, slices=1, origin="centre")
    cine = {"study_uid": CINE, "series_uid": f"{CINE}.1", "sop_uid": f"{CINE}.1.1"}
    pixels = b"".join(bytes([n, 0]) * 64 * 32 for n in range(1, 4))
    hold(node, [make_ct(**cine, rows=64, columns=32, pixels=pixels, change={0x00280008: ("IS", "3")})])
    squeezed = {"study_uid": SQUEEZED, "series_uid": f"{SQUEEZED}.1", "sop_uid": f"{SQUEEZED}.1.1"}
    hold(node, [compressed_ct("jpeg-ls", **squeezed)], transfer_syntax=SYNTAXES["jpeg-ls"])
    with open_site(node) as opened:
        yield opened


@pytest.fixture(scope="module")
def reader(site: Site) -> Visitor:
    return site.program()


def asked(study: str, *, root: str = "/dicomweb", **more: object) -> str:
    names = {"requestType": "WADO", "studyUID": study, "seriesUID": f"{study}.1", "objectUID": f"{study}.1.1"}
    return f"{root}/wado?{urlencode(names | more)}"


def test_a_file_comes_as_weasis_asks_for_it(reader: Visitor) -> None:
    path = asked(STUDY, contentType="application/dicom", transferSyntax=EXPLICIT)
    status, headers, body = get(reader, path, Accept="*/*")
    assert (status, headers["content-type"]) == (200, f"application/dicom; transfer-syntax={EXPLICIT}")
    assert read_part10(body).sop_uid == f"{STUDY}.1.1"
    assert get(reader, path, **{"If-None-Match": headers["etag"]})[0] == 304
    assert get(reader, path, Range="bytes=0-131")[2] == body[:132]


def test_a_compressed_one_is_decoded_unless_it_is_asked_for_as_stored(reader: Visitor) -> None:
    for transfer_syntax, given in (
        ({}, EXPLICIT),
        ({"transferSyntax": "*"}, SYNTAXES["jpeg-ls"]),
        ({"transferSyntax": SYNTAXES["jpeg-ls"]}, SYNTAXES["jpeg-ls"]),
    ):
        _, headers, body = get(reader, asked(SQUEEZED, contentType="application/dicom", **transfer_syntax))
        assert headers["content-type"].endswith(given)
        if given == EXPLICIT:
            shown = np.frombuffer(pydicom.dcmread(DicomBytesIO(body)).PixelData, "<u2")
            assert np.array_equal(shown.reshape(32, 32), ramp(0))
    other = asked(SQUEEZED, contentType="application/dicom", transferSyntax="1.2.840.10008.1.2.4.50")
    assert get(reader, other)[0] == 406


def test_a_picture_is_what_comes_otherwise(reader: Visitor) -> None:
    assert get(reader, asked(STUDY))[1]["content-type"] == "image/jpeg"
    _, headers, body = get(
        reader, asked(CINE, contentType="image/png", frameNumber=3, windowCenter=2, windowWidth=4)
    )
    picture = Image.open(io.BytesIO(body))
    assert (headers["content-type"], picture.size) == ("image/png", (32, 64))
    first = get(reader, asked(CINE, contentType="image/png", frameNumber=1, windowCenter=2, windowWidth=4))[2]
    assert np.asarray(picture).mean() > np.asarray(Image.open(io.BytesIO(first))).mean()
    for more, size in (
        ({"rows": 16}, (8, 16)),
        ({"columns": 16}, (16, 32)),
        ({"rows": 16, "columns": 16}, (8, 16)),
        ({"region": "0.5,0.5,1,1"}, (16, 32)),
    ):
        assert (
            Image.open(io.BytesIO(get(reader, asked(CINE, contentType="image/png", **more))[2])).size == size
        )
    best = get(reader, asked(STUDY, contentType="image/png;q=0.5,image/jpeg", imageQuality=50))
    assert best[1]["content-type"] == "image/jpeg"


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"requestType": "QIDO"}, 400),
        ({"objectUID": ""}, 400),
        ({"objectUID": "2.25.404"}, 404),
        ({"seriesUID": "2.25.404"}, 404),
        ({"contentType": "text/html"}, 406),
        ({"anonymize": "yes"}, 406),
        ({"frameNumber": "0"}, 422),
        ({"frameNumber": "7"}, 404),
        ({"rows": "x"}, 422),
        ({"windowCenter": "40"}, 422),
        ({"region": "1,1,0,0"}, 422),
        ({"imageQuality": "101"}, 422),
        ({"studyUID": "../../etc"}, 404),
        ({"studyUID": "2.25.404"}, 404),
    ],
)
def test_what_cannot_be_given_is_refused_in_words(reader: Visitor, more: dict[str, str], status: int) -> None:
    answered, _, body = get(reader, asked(STUDY, **more))
    assert (answered, b"error" in body) == (status, True)


def test_it_is_guarded_as_everything_else_is(site: Site, reader: Visitor) -> None:
    technician = site.signed_in(add_quickly(site.node, "wang", "technician"))
    assert get(technician, asked(STUDY))[0] == 200
    assert get(technician, asked(FOREIGN))[0] == 404
    assert get(technician, asked(FOREIGN, root="/dicomweb/from/centre"))[0] == 404
    assert get(reader, asked(FOREIGN, root="/dicomweb/from/centre"))[0] == 200
    assert get(site.visitor(), asked(STUDY))[0] == 401
    assert get(site.program("sender"), asked(STUDY))[0] == 404
