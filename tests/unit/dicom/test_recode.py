from __future__ import annotations

import io

import pytest
from pydicom import dcmread

from node.dicom.normal import normal_digest
from node.dicom.recode import recode
from node.dicom.texts_in import CHARSETS, text_in
from tests.kit.instances import (
    BIG,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    UNDEFINED,
    encode,
    encoding_of,
    make_ct,
    part10,
)

NAME = "Zhang^San=张^三=张^三"
SYNTAXES = (IMPLICIT, EXPLICIT, BIG, DEFLATED)


def written(data_set: bytes, syntax: str, charset: str) -> tuple[bytes, bool, bool]:
    recoded = recode(data_set, syntax, charset)
    assert recoded.size == len(b"".join(recoded.pieces))
    return b"".join(recoded.pieces), recoded.changed, recoded.held


def nested(syntax: str, *, delimited: bool, charset: str, label: str) -> bytes:
    """A data set with a text three levels down, one item of which names its own character set."""
    how = encoding_of(syntax)
    own = how.item(
        how.element(0x00080005, "CS", "ISO_IR 100"),
        how.element(0x00080104, "LO", "Müller", charset="latin-1"),
        delimited=delimited,
    )
    deep = how.sequence(
        0x00400555,
        how.item(
            how.element(0x00080104, "LO", "肺结节", charset=charset),
            how.sequence(0x00400260, own, how.item(), delimited=delimited),
            delimited=delimited,
        ),
        delimited=delimited,
    )
    plain = make_ct(patient_name=NAME, charset=label, python_charset=charset, transfer_syntax=syntax)
    at = plain.index(how.element(0x7FE00010, "OW", b"")[: 6 if how.explicit else 4])
    return plain[:at] + deep + plain[at:]


@pytest.mark.parametrize("delimited", [False, True])
@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
@pytest.mark.parametrize("charset", ["GB18030", "ISO_IR 192"])
def test_texts_at_every_depth_are_written_anew_and_nothing_else(syntax, delimited, charset):
    # GBK holds the ü of the item as well: each text is read in the set that its own place names.
    given = nested(syntax, delimited=delimited, charset="gb18030", label="GB18030")
    raw, changed, held = written(given, syntax, charset)
    assert changed
    assert held
    assert normal_digest(raw, syntax) == normal_digest(given, syntax)
    read = dcmread(io.BytesIO(part10(raw, transfer_syntax=syntax)))
    assert read.SpecificCharacterSet == charset
    assert str(read.PatientName) == NAME
    item = read[0x00400555].value[0]
    assert item[0x00080104].value == "肺结节"
    inner = item[0x00400260].value[0]
    assert (inner.SpecificCharacterSet, inner[0x00080104].value) == (charset, "Müller")
    assert raw.endswith(given[-32:])  # the pixels


@pytest.mark.parametrize("charset", CHARSETS[1:])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_text_is_written_in_each_set_or_not_at_all(syntax, charset):
    given = make_ct(patient_name=NAME, charset="ISO_IR 192", python_charset="utf-8", transfer_syntax=syntax)
    raw, changed, held = written(given, syntax, charset)
    if charset == "ISO_IR 100":
        assert (raw, changed, held) == (given, False, False)
        return
    assert held
    assert changed == (charset != "ISO_IR 192")
    read = dcmread(io.BytesIO(part10(raw, transfer_syntax=syntax)))
    assert str(read.PatientName).replace("\x1b$)A", "") == NAME  # pydicom leaves the escape sequences in
    assert normal_digest(raw, syntax) == normal_digest(given, syntax)


def test_code_extensions_are_said_before_each_component():
    """Source: DICOM PS3.5 K.2."""
    assert text_in("Zhang^XiaoDong=张^小东=", "ISO 2022 IR 58") == (
        b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab="
    )
    assert text_in("甲\\乙", "ISO 2022 IR 58") == b"\x1b$)A\xbc\xd7\\\x1b$)A\xd2\xd2"
    assert text_in("𠮷", "GBK") is None


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_latin_stays_latin(syntax):
    given = make_ct(
        patient_name="Müller^Jörg", charset="ISO_IR 192", python_charset="utf-8", transfer_syntax=syntax
    )
    raw, _, held = written(given, syntax, "ISO_IR 100")
    assert held
    read = dcmread(io.BytesIO(part10(raw, transfer_syntax=syntax)))
    assert (read.SpecificCharacterSet, str(read.PatientName)) == ("ISO_IR 100", "Müller^Jörg")


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_unlabelled_gbk_gets_its_label(syntax):
    given = make_ct(patient_name="张^三", python_charset="gb18030", transfer_syntax=syntax)
    raw, changed, _ = written(given, syntax, "ISO_IR 192")
    assert changed
    read = dcmread(io.BytesIO(part10(raw, transfer_syntax=syntax)))
    assert (read.SpecificCharacterSet, str(read.PatientName)) == ("ISO_IR 192", "张^三")


def test_ascii_without_a_label_is_as_it_was():
    given = make_ct()
    recoded = recode(given, EXPLICIT, "GB18030")
    assert recoded.pieces[0] is given
    assert (recoded.changed, recoded.held) == (False, True)


def test_no_set_asked_for_is_not_even_looked_through():
    assert recode(b"nonsense", EXPLICIT, "").pieces == (b"nonsense",)


def test_pixels_are_given_as_a_view_of_what_was_given():
    pixels = bytes(1 << 20)
    given = make_ct(
        patient_name="张^三",
        charset="GB18030",
        python_charset="gb18030",
        rows=1024,
        columns=512,
        pixels=pixels,
    )
    recoded = recode(memoryview(given), EXPLICIT, "ISO_IR 192")
    views = [piece for piece in recoded.pieces if isinstance(piece, memoryview)]
    assert [len(view) for view in views] == [len(pixels) + 12]
    assert views[0].obj is given


def test_encapsulated_pixels_that_look_like_texts_keep_their_bytes():
    how = encoding_of(EXPLICIT)
    pixels = how.item() + how.item("张三".encode("gb18030") * 8) + how.mark(0xE0DD)
    plain = make_ct(
        patient_name="张^三", charset="GB18030", python_charset="gb18030", change={0x7FE00010: None}
    )
    given = plain + how.element(0x7FE00010, "OB", pixels, length=UNDEFINED)
    raw, changed, _ = written(given, "1.2.840.10008.1.2.4.70", "ISO_IR 192")
    assert changed
    assert raw.endswith(pixels)


def test_group_lengths_that_would_lie_are_left_out():
    given = encode(
        [
            (0x00080005, "CS", "GB18030"),
            (0x00100000, "UL", 24),
            (0x00100010, "PN", "张^三"),
            (0x00100020, "LO", "1"),
        ],
        EXPLICIT,
        charset="gb18030",
    )
    raw, _, _ = written(given, EXPLICIT, "ISO_IR 192")
    assert raw == encode(
        [(0x00080005, "CS", "ISO_IR 192"), (0x00100010, "PN", "张^三"), (0x00100020, "LO", "1")],
        EXPLICIT,
        charset="utf-8",
    )


def test_a_text_that_its_own_set_cannot_read_leaves_all_as_it_is():
    given = make_ct(patient_name="Zhang", charset="ISO_IR 192", change={0x00081030: ("LO", b"\xff\xfe")})
    assert written(given, EXPLICIT, "GB18030") == (given, False, False)


def test_a_planted_text_left_in_its_old_set_is_caught():
    """The witness of the tests above: a text that was missed makes another content."""
    given = make_ct(patient_name=NAME, charset="GB18030", python_charset="gb18030")
    raw, _, _ = written(given, EXPLICIT, "ISO_IR 192")
    missed = raw.replace(NAME.encode(), NAME.encode("gb18030").ljust(len(NAME.encode())))
    assert missed != raw
    assert normal_digest(missed, EXPLICIT) != normal_digest(given, EXPLICIT)
