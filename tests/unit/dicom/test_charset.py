"""Names as Asian hospitals write them, labelled rightly, oddly, or not at all."""

from __future__ import annotations

import pytest

from node.dicom.charset import read_charset

WANG = "Wang^XiaoDong=王^小东"


@pytest.mark.parametrize(
    ("terms", "raw", "text"),
    [
        ("", b"Zhang^San", "Zhang^San"),
        ("ISO_IR 100", "Müller^Jörg".encode("latin-1"), "Müller^Jörg"),
        ("ISO-IR 100", "Müller^Jörg".encode("latin-1"), "Müller^Jörg"),
        ("ISO_IR 144", "Люкceмбypг".encode("iso8859-5"), "Люкceмбypг"),
        ("ISO_IR 192", WANG.encode(), WANG),
        ("GB18030", WANG.encode("gb18030"), WANG),
        ("GBK", WANG.encode("gbk"), WANG),
        ("GB2312", WANG.encode("gb2312"), WANG),
        ("gbk ", WANG.encode("gbk"), WANG),
        ("ISO_IR 13\\ISO 2022 IR 87", b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎"),
        ("\\ISO 2022 IR 87", b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", "Yamada^Tarou=山田^太郎"),
        ("\\ISO 2022 IR 149", b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7", "Hong^Gildong=洪^吉洞"),
        ("\\ISO 2022 IR 58", b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab", "Zhang^XiaoDong=张^小东"),
        ("ISO 2022 IR 6\\ISO 2022 IR 58", b"=\x1b$)A\xd5\xc5^\x1b$)A\xc8\xfd", "=张^三"),
        ("ISO 2022 IR 100\\ISO 2022 IR 144", b"Dionysos \x1b-L\xbb\xee", "Dionysos Лю"),
    ],
)  # fmt: skip
def test_labelled_text_is_read(terms: str, raw: bytes, text: str) -> None:
    assert read_charset(terms).decode(raw) == text


def test_escape_forgotten_after_a_delimiter_is_still_read() -> None:
    """Some senders set the code once and go on after ``^``, where it has lapsed by the standard."""
    raw = b"Zhang=\x1b$)A\xd5\xc5^\xd0\xa1\xb6\xab"
    assert read_charset("\\ISO 2022 IR 58").decode(raw) == "Zhang=张^小东"


def test_second_byte_of_a_gbk_character_that_looks_like_a_delimiter_is_none() -> None:
    raw = "俓^乗".encode("gbk")  # their second bytes are 5C and 5C
    assert b"\\" in raw
    assert read_charset("GBK").decode(raw) == "俓^乗"


@pytest.mark.parametrize("codec", ["utf-8", "gbk", "gb18030"])
def test_unlabelled_chinese_is_guessed_and_said_to_be(codec: str) -> None:
    raw = WANG.encode(codec)
    charset = read_charset("", [raw])
    assert charset.decode(raw) == WANG
    assert charset.guessed


def test_all_texts_together_make_the_guess() -> None:
    short, long = "卢陆".encode("gbk"), "影像科检查".encode("gbk")
    assert short.decode("utf-8")  # two characters in GBK that are good UTF-8
    assert read_charset("", [short, long]).decode(short) == "卢陆"


def test_label_of_plain_ascii_does_not_stop_a_guess() -> None:
    raw = WANG.encode("gbk")
    assert read_charset("ISO_IR 6", [raw]).decode(raw) == WANG
    assert read_charset("NONSENSE", [raw]).guessed


def test_plain_text_needs_no_guess() -> None:
    assert not read_charset("", [b"Zhang^San"]).guessed


def test_bytes_of_no_character_set_are_shown_as_gaps() -> None:
    assert read_charset("ISO_IR 192").decode(b"Zhang\xff") == "Zhang\ufffd"
    assert read_charset("ISO_IR 192").exact(b"Zhang\xff") is None
    assert read_charset("\\ISO 2022 IR 87").exact(b"\x1b$B;") is None


def test_utf8_label_over_gbk_bytes_is_read_as_what_they_are() -> None:
    assert read_charset("ISO_IR 192").decode("王小东".encode("gbk")) == "王小东"


def test_stray_escapes_never_raise() -> None:
    for raw in (b"\x1b", b"A\x1b", b"\x1b$", b"\x1b$B;", b"\x1b(Z", b"\x1b$)C\xff", b"\x1b$B^=\\\x1b(B"):
        for terms in ("", "ISO_IR 100", "\\ISO 2022 IR 87", "\\ISO 2022 IR 149", "ISO 2022 IR 58"):
            assert isinstance(read_charset(terms, [raw]).decode(raw), str)
