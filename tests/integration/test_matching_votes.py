"""What matches, by four votes over all open sets: C-FIND, QIDO-RS, a plain telling of the standard, and dcmqrscp.

400 generated identifiers, 10,000 with ``MERIDIAN_LONG=1``; the first three must agree on each. dcmqrscp
votes on those that it can be asked; where it disagrees, one of the reasons in `EXPLAINED` must hold.
"""

from __future__ import annotations

import os
import random
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import urlencode

import pytest

from node.catalogue.finding import match_instances, match_series, match_studies
from node.catalogue.search import EVERYTHING, StudyRow
from node.clock import SystemClock
from node.dicom.header import scan
from node.dimse.query_keys import KEYS as TAGS
from node.dimse.rules import OWN
from node.node import Node
from ops.free_ports import free_ports
from tests.kit.asking import Asking
from tests.kit.bare_node import bare_node
from tests.kit.catalogued import Catalogue
from tests.kit.corpus import readable, register_corpus
from tests.kit.http import Answer, Visitor, wait_for
from tests.kit.instances import EXPLICIT, LITTLE, Value
from tests.kit.raw_sender import send_files
from tests.kit.receiving import receiving, rule
from tests.kit.reference_matching import KEYS, Malformed, find
from tests.kit.shelf import publish
from tests.kit.site import open_site
from tests.kit.storescp import listens

COUNT = 10_000 if os.environ.get("MERIDIAN_LONG") else 400
DCMQRSCP_COUNT = COUNT // 4
UIDS = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}
TAG_OF = {key.keyword: (tag, key.vr.decode()) for tag, key in TAGS.items()}
Identifier = tuple[str, dict[str, str]]
pytestmark = pytest.mark.peer


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fdatasync", lambda _descriptor: None)  # durability is shown elsewhere
        node = bare_node(tmp_path_factory.mktemp("held"), "alpha", SystemClock())
        assert register_corpus(node, readable()) >= 725
    yield node
    node.close()


@pytest.fixture(scope="module")
def catalogue(held: Node) -> Catalogue:
    database = held.database
    return Catalogue(
        studies=match_studies(database, EVERYTHING, filters={}, limit=10_000),
        series=match_series(database, EVERYTHING, filters={}, limit=10_000),
        instances=match_instances(database, EVERYTHING, filters={}, limit=10_000),
    )


def identifiers(catalogue: Catalogue, count: int) -> Iterator[Identifier]:
    """Make identifiers of what is held, most of them changed a little; the same ones each time."""
    chance = random.Random(20260302)
    pools: dict[str, list[str]] = {}
    for name, key in KEYS.items():
        rows = {"PATIENT": catalogue.studies, "STUDY": catalogue.studies, "SERIES": catalogue.series}
        pools[name] = sorted(
            {str(getattr(row, key.field)) for row in rows.get(key.level, catalogue.instances)} - {"", "None"}
        )
    pools["ModalitiesInStudy"] = sorted({one for row in catalogue.studies for one in row.modality_list})
    pools["SOPClassesInStudy"] = sorted({one for row in catalogue.studies for one in row.sop_class_list})
    levels = [*["STUDY"] * 3, "SERIES", "IMAGE"]
    for _ in range(count):
        level = chance.choice(levels)
        names = [name for name in KEYS if pools[name] and _stands(KEYS[name].level, level)]
        chosen = chance.sample(names, chance.choice([1, 1, 2, 3]))
        yield (
            level,
            {
                name: _changed(chance, KEYS[name].vr, chance.choice(pools[name]), pools[name])
                for name in chosen
            },
        )


def _stands(of_key: str, level: str) -> bool:
    order = ["PATIENT", "STUDY", "SERIES", "IMAGE"]
    return order.index(of_key) <= order.index(level)


def _changed(chance: random.Random, vr: str, value: str, pool: list[str]) -> str:
    """Ask for a held value as it is, by a part of it, for several, or by a range."""
    other = chance.choice(pool)
    at = chance.randrange(len(value) + 1)
    ways: dict[str, list[Callable[[], str]]] = {
        "PN": [lambda: value, value.upper, value.lower, lambda: value[:at] + "*", lambda: "*" + value[at:],
               lambda: value[:at] + "?" + value[at + 1 :], lambda: f"{value}\\{other}", lambda: f"*{value[at : at + 2]}*"],
        "DA": [lambda: value, lambda: f"{value}-", lambda: f"-{value}", lambda: "-".join(sorted((value, other))),
               lambda: value[:4], lambda: value[:6], lambda: f"{value[:4]}-{other[:6]}", lambda: f"{value}\\{other}"],
        "TM": [lambda: value, lambda: f"{value}-", lambda: f"-{value}", lambda: "-".join(sorted((value, other))),
               lambda: value[:2], lambda: value[:4]],
        "UI": [lambda: value, lambda: f"{value}\\{other}", lambda: value[:-1]],
        "IS": [lambda: value, lambda: "0" + value, lambda: f"{value}\\{other}"],
        "US": [lambda: value],
        "CS": [lambda: value, value.lower, lambda: f"{value}\\{other}", lambda: value[:1] + "*", lambda: "*"],
    }  # fmt: skip
    plain: list[Callable[[], str]] = [
        lambda: value, lambda: value[:at] + "*", lambda: "*" + value[at:], lambda: value[:at] + "?" + value[at + 1 :],
        lambda: f"{value}\\{other}", value.swapcase, lambda: "", lambda: f"*{value[at : at + 3]}*",
    ]  # fmt: skip
    return chance.choice(ways.get(vr, plain))()


def written(level: str, filters: Mapping[str, str]) -> bytes:
    """Write an identifier as a workstation does."""
    elements: dict[int, tuple[str, Value]] = {
        0x00080005: ("CS", "ISO_IR 192"),
        0x00080052: ("CS", level),
        TAG_OF[UIDS[level]][0]: ("UI", ""),
    }
    for name, value in filters.items():
        tag, vr = TAG_OF[name]
        elements[tag] = (vr, [int(value)] if vr == "US" and value else value if vr != "US" else b"")
    return b"".join(
        LITTLE.element(tag, vr, value, charset="utf-8") for tag, (vr, value) in sorted(elements.items())
    )


def by_find(asking: Asking, level: str, filters: Mapping[str, str]) -> set[str] | None:
    """Give what C-FIND finds; None when it refuses."""
    answers = asking.find(written(level, filters))
    if asking.last[0] != 0:
        assert asking.last[0] == 0xC000, asking.last
        return None
    tag = TAG_OF[UIDS[level]][0]
    found = [scan(content, EXPLICIT).text(tag) for _, content in answers]
    assert len(found) == len(set(found)) or level != "STUDY"
    return set(found)


def by_qido(reader: Visitor, level: str, filters: Mapping[str, str]) -> set[str] | None:
    """Give what QIDO-RS finds; None when it refuses."""
    path = {"STUDY": "studies", "SERIES": "series", "IMAGE": "instances"}[level]
    tag = f"{TAG_OF[UIDS[level]][0]:08X}"
    found: set[str] = set()
    while True:
        query = urlencode({**filters, "limit": 1000, "offset": len(found)})
        try:
            page = reader.get(f"/dicomweb/{path}?{query}")
        except Answer as answer:
            if answer.status != 400:
                raise
            return None
        found |= {one[tag]["Value"][0] for one in page}
        if len(page) < 1000:
            return found


def by_reference(catalogue: Catalogue, level: str, filters: Mapping[str, str]) -> set[str] | None:
    """Give what the standard says; None where a key has no meaning."""
    try:
        rows = find(catalogue, filters, level)
    except Malformed:
        return None
    return {
        getattr(row, {"STUDY": "study_uid", "SERIES": "series_uid", "IMAGE": "sop_uid"}[level])
        for row in rows
    }


def test_c_find_qido_and_the_standard_agree(held: Node, catalogue: Catalogue) -> None:
    publish(held, rule(), reads=OWN)
    counted: Counter[str] = Counter()
    with (
        receiving(held.state, packs=held.packs, catalogue=lambda: held) as receiver,
        open_site(held) as site,
        Asking(receiver.port) as asking,
    ):
        reader = site.program()
        for level, filters in identifiers(catalogue, COUNT):
            expected = by_reference(catalogue, level, filters)
            assert by_find(asking, level, filters) == expected, (level, filters)
            assert by_qido(reader, level, filters) == expected, (level, filters)
            counted["refused" if expected is None else "none" if not expected else "found"] += 1
    print(f"{COUNT} identifiers: {dict(counted)}")
    assert counted["found"] > COUNT / 4


EXPLAINED: dict[str, Callable[[StudyRow, Mapping[str, str]], bool]] = {
    "it compares names letter by letter, with case and accents (PS3.4 C.2.2.2.1 leaves that open)": lambda row, asked: (
        "PatientName" in asked
    ),
    "it takes several values for one that has backslashes (PS3.4 C.2.2.2.8 note 4)": lambda row, asked: any(
        "\\" in value for name, value in asked.items() if name != "StudyInstanceUID"
    ),
    "it compares times as texts": lambda row, asked: "StudyTime" in asked,
    "it compares dates as texts, so one of less precision is not what it names": lambda row, asked: (
        any(len(part) not in (0, 8) for part in asked.get("StudyDate", "").split("-"))
        or len(row.study_date) != 8
    ),
}
"""By what dcmqrscp does: whether a disagreement about a study may come from it."""
ASKED_OF_IT = ("PatientName", "PatientID", "StudyDate", "StudyTime", "AccessionNumber", "StudyInstanceUID")


@pytest.fixture(scope="module")
def dcmqrscp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Run dcmtk's archive with the instances of the corpus that it takes."""
    folder = tmp_path_factory.mktemp("dcmqrscp")
    (port,) = free_ports(1)
    (folder / "held").mkdir()
    (folder / "config").write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\nHostTable BEGIN\nHostTable END\n"
        f"VendorTable BEGIN\nVendorTable END\nAETable BEGIN\nALPHA {folder}/held RW (2000, 4096mb) ANY\nAETable END\n"
    )
    process = subprocess.Popen(
        ["dcmqrscp", "-c", str(folder / "config")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for("dcmqrscp listens", lambda: listens(port))
        sent = [one.path for one in readable() if len(one.data_set) < 4 << 20]
        assert sum(answer.status == 0 for answer in send_files(sent, "127.0.0.1", port)) > 400
        yield port
    finally:
        process.terminate()
        process.wait(10)


def test_dcmqrscp_agrees_or_it_is_known_why(held: Node, catalogue: Catalogue, dcmqrscp: int) -> None:
    publish(held, rule(), reads=OWN)
    counted: Counter[str] = Counter()
    with (
        receiving(held.state, packs=held.packs, catalogue=lambda: held) as receiver,
        Asking(receiver.port) as ours,
        Asking(dcmqrscp) as theirs,
    ):
        there = by_find(theirs, "STUDY", {}) or set()
        rows = {str(row.study_uid): row for row in catalogue.studies}
        assert len(there & rows.keys()) > 80
        for level, filters in identifiers(catalogue, DCMQRSCP_COUNT * 4):
            if level != "STUDY" or not filters.keys() <= set(ASKED_OF_IT):
                continue
            found, vote = by_find(ours, level, filters), by_find(theirs, level, filters)
            if found is None or vote is None:
                counted["refused"] += 1
                continue
            for uid in (found ^ vote) & there & rows.keys():
                reasons = [why for why, holds in EXPLAINED.items() if holds(rows[uid], filters)]
                assert reasons, (filters, uid, "found here" if uid in found else "found by dcmqrscp")
                counted[reasons[0]] += 1
            counted["asked"] += 1
    for why, times in counted.most_common():
        print(f"{times:6} {why}")
    assert counted["asked"] > DCMQRSCP_COUNT / 10
