"""What a client would take, and what it is given."""

from __future__ import annotations

import pytest

from web.dicomweb.accept import choose_frame_media, choose_picture, choose_syntax, parse_accept
from web.errors import NotAcceptable

EXPLICIT, IMPLICIT, BIG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
JPEG_LS = "1.2.840.10008.1.2.4.80"
VIDEO = "1.2.840.10008.1.2.4.102"
OCTETS = "application/octet-stream"


def test_quoted_parameters_and_weights_are_read() -> None:
    header = 'image/jpeg;q=0.5, multipart/related; type="application/dicom"; transfer-syntax=*;q=0.9, x/y;q=0'
    first, second = parse_accept(header)
    assert (first.media, first.multipart, first.transfer_syntax) == ("application/dicom", True, "*")
    assert (second.media, second.multipart, second.weight) == ("image/jpeg", False, 0.5)


def test_nonsense_is_left_out_and_does_not_hang() -> None:
    assert parse_accept(";;;===," * 900) == ()
    assert parse_accept('a/b; c="' + "\\" * 8000) == ()
    assert len(parse_accept("a/b;c=d " * 1000)) <= 1


@pytest.mark.parametrize(
    "header",
    [
        "*/*",
        "application/dicom",
        'multipart/related; type="application/dicom"',
        'multipart/related; type="application/dicom"; transfer-syntax=*',
        f'multipart/related; type="application/dicom"; transfer-syntax={JPEG_LS}',
    ],
)
def test_objects_are_given_as_stored(header: str) -> None:
    assert choose_syntax(parse_accept(header), JPEG_LS) == JPEG_LS


@pytest.mark.parametrize(
    ("header", "stored", "given"),
    [
        (f"application/dicom; transfer-syntax={EXPLICIT}", JPEG_LS, EXPLICIT),
        (f"application/dicom; transfer-syntax={EXPLICIT}", BIG, EXPLICIT),
        (f"application/dicom; transfer-syntax={EXPLICIT}, application/dicom; transfer-syntax=*", BIG, BIG),
        (
            f"application/dicom; transfer-syntax={EXPLICIT}, application/dicom; transfer-syntax=*;q=0.5",
            BIG,
            EXPLICIT,
        ),
        (
            f"application/dicom; transfer-syntax={EXPLICIT};q=0.2, application/dicom; transfer-syntax=*;q=0.5",
            BIG,
            BIG,
        ),
        (f"image/jpeg, application/dicom; transfer-syntax={IMPLICIT};q=0.1, */*;q=0.05", BIG, BIG),
    ],
)
def test_the_better_liked_of_two_syntaxes_is_given(header: str, stored: str, given: str) -> None:
    assert choose_syntax(parse_accept(header), stored) == given


@pytest.mark.parametrize(
    "header",
    [
        f'multipart/related; type="application/dicom"; transfer-syntax={IMPLICIT}',
        f'multipart/related; type="application/dicom"; transfer-syntax={JPEG_LS}',
        "image/jpeg",
        "text/html",
    ],
)
def test_objects_in_another_syntax_are_refused_in_words(header: str) -> None:
    with pytest.raises(NotAcceptable, match=r"transfer-syntax=\*"):
        choose_syntax(parse_accept(header), VIDEO)


@pytest.mark.parametrize(
    ("header", "stored", "expected"),
    [
        ("*/*", EXPLICIT, (OCTETS, True)),
        ("*/*", JPEG_LS, ("image/jls", True)),
        (OCTETS, EXPLICIT, (OCTETS, False)),
        ("image/jls", JPEG_LS, ("image/jls", False)),
        ('multipart/related; type="application/octet-stream"', IMPLICIT, (OCTETS, True)),
        (
            f'multipart/related; type="application/octet-stream"; transfer-syntax={EXPLICIT}',
            IMPLICIT,
            (OCTETS, True),
        ),
        (
            f'multipart/related; type="application/octet-stream"; transfer-syntax={EXPLICIT}',
            BIG,
            (OCTETS, True),
        ),
        ('multipart/related; type="application/octet-stream"; transfer-syntax=*', JPEG_LS, (OCTETS, True)),
        ('multipart/related; type="image/jls", */*;q=0.1', JPEG_LS, ("image/jls", True)),
    ],
)
def test_frames_come_in_their_own_type_or_as_octets(
    header: str, stored: str, expected: tuple[str, bool]
) -> None:
    assert choose_frame_media(parse_accept(header), stored) == expected


@pytest.mark.parametrize("header", [OCTETS, f'multipart/related; type="{OCTETS}"', "image/jp2"])
def test_compressed_frames_never_pass_for_plain_octets(header: str) -> None:
    with pytest.raises(NotAcceptable, match="image/jls"):
        choose_frame_media(parse_accept(header), JPEG_LS)


def test_pictures_come_as_the_better_liked_type() -> None:
    assert choose_picture(parse_accept("image/*")) == "image/jpeg"
    assert choose_picture(parse_accept("image/png, image/jpeg;q=0.3")) == "image/png"
    with pytest.raises(NotAcceptable):
        choose_picture(parse_accept("image/gif"))
