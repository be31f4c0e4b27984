"""Names and words in every character set that hospitals write: metadata and QIDO-RS give them in UTF-8, whatever is stored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pydicom
import pytest

from node.dicom.part10 import read_part10
from tests.integration.test_web_dicomweb import get
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.holding import hold
from tests.kit.http import Visitor
from tests.kit.instances import EXPLICIT, IMPLICIT, LITTLE, make_ct
from tests.kit.site import Site, open_site

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "data" / "dicom" / "o26-charsets-clunie"
NAME = "Wang^XiaoDong=王^小东"
WORDS = "胸部平扫"
ESCAPED = b"Wang^XiaoDong=\x1b$)A\xcd\xf5^\x1b$)A\xd0\xa1\xb6\xab"
WAYS = {
    "gb18030": ("GB18030", NAME.encode("gb18030"), WORDS.encode("gb18030")),
    "gbk": ("GBK", NAME.encode("gbk"), WORDS.encode("gbk")),
    "utf-8": ("ISO_IR 192", NAME.encode(), WORDS.encode()),
    "iso 2022 ir 58": ("\\ISO 2022 IR 58", ESCAPED, b"\x1b$)A" + WORDS.encode("gb2312")),
    "gbk without a label": ("", NAME.encode("gbk"), WORDS.encode("gbk")),
    "gbk under a wrong label": ("ISO_IR 6", NAME.encode("gbk"), WORDS.encode("gbk")),
    "utf-8 without a label": ("", NAME.encode(), WORDS.encode()),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    node = bare_node(tmp_path_factory.mktemp("site"), "alpha", FrozenClock())
    for number, way in enumerate(WAYS, start=1):
        for syntax, last in ((EXPLICIT, 1), (IMPLICIT, 2)):
            hold(node, [written(way, f"2.25.{number}.{last}", syntax)], transfer_syntax=syntax)
    with open_site(node) as opened:
        yield opened


@pytest.fixture(scope="module")
def reader(site: Site) -> Visitor:
    return site.program()


def written(way: str, uid: str, transfer_syntax: str = EXPLICIT) -> bytes:
    """Write a data set whose texts stand at its top, in a sequence, and several in one value."""
    charset, name, words = WAYS[way]
    how = type(LITTLE)(explicit=transfer_syntax == EXPLICIT)
    both = name + b"\\" + name
    item = how.item(how.element(0x00400007, "LO", even(words)), how.element(0x00400006, "PN", even(both)))
    return make_ct(
        study_uid=uid,
        series_uid=f"{uid}.1",
        sop_uid=f"{uid}.1.1",
        patient_name="",
        charset=charset,
        transfer_syntax=transfer_syntax,
        change={
            0x00081030: ("LO", even(words)),
            0x00081050: ("PN", even(both)),
            0x00100010: ("PN", even(name)),
            0x00400275: ("SQ", item),
        },
    )


def even(raw: bytes) -> bytes:
    return raw + b" " * (len(raw) % 2)


def uids() -> list[tuple[str, str]]:
    return [(way, f"2.25.{number}.{last}") for number, way in enumerate(WAYS, start=1) for last in (1, 2)]


GROUPS = {"Alphabetic": "Wang^XiaoDong", "Ideographic": "王^小东"}


@pytest.mark.parametrize(("way", "uid"), uids())
def test_metadata_is_utf_8_at_every_depth_and_for_every_value(reader: Visitor, way: str, uid: str) -> None:
    status, headers, body = get(reader, f"/dicomweb/studies/{uid}/metadata")
    assert (status, headers["content-type"]) == (200, "application/dicom+json")
    (facts,) = json.loads(body.decode("utf-8", "strict"))
    assert facts["00080005"]["Value"] == ["ISO_IR 192"]
    assert facts["00100010"]["Value"] == [GROUPS]
    assert facts["00081050"]["Value"] == [GROUPS, GROUPS]
    assert facts["00081030"]["Value"] == [WORDS]
    (item,) = facts["00400275"]["Value"]
    assert item["00400007"]["Value"] == [WORDS]
    assert item["00400006"]["Value"] == [GROUPS, GROUPS]


@pytest.mark.parametrize(("way", "uid"), uids())
def test_queries_find_and_show_the_name_in_either_writing(reader: Visitor, way: str, uid: str) -> None:
    for wanted in ("王*", "Wang^XiaoDong", "*小东"):
        found = reader.get(f"/dicomweb/studies?PatientName={quote(wanted)}&StudyInstanceUID={uid}")
        assert [study["00100010"]["Value"] for study in found] == [[GROUPS]]
        assert found[0]["00081030"]["Value"] == [WORDS]
    assert reader.get(f"/dicomweb/studies?PatientName={quote('李*')}&StudyInstanceUID={uid}") == []


def test_all_of_them_are_found_at_once(reader: Visitor) -> None:
    assert len(reader.get(f"/dicomweb/studies?PatientName={quote('王^小东')}")) == 2 * len(WAYS)


@pytest.mark.parametrize("path", sorted(SAMPLES.iterdir()), ids=lambda path: path.name)
def test_samples_of_others_read_as_another_library_reads_them(
    site: Site, reader: Visitor, path: Path
) -> None:
    file = read_part10(path.read_bytes())
    key = hold(site.node, [bytes(file.data_set)], transfer_syntax=file.transfer_syntax)
    name = pydicom.dcmread(path).PatientName
    (facts,) = reader.get(
        f"/dicomweb/studies/{key.study_uid}/series/{series_of(path)}/instances/{file.sop_uid}/metadata"
    )
    told = facts["00100010"]["Value"][0]
    groups = {"Alphabetic": name.alphabetic, "Ideographic": name.ideographic, "Phonetic": name.phonetic}
    assert told == {group: text for group, text in groups.items() if text}


def series_of(path: Path) -> str:
    return str(pydicom.dcmread(path).SeriesInstanceUID)
