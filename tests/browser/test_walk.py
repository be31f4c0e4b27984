"""A study's whole walk as people see it: clinic, centre, and the clinic's PACS. 90 s.

Every page stays open from its first step to its last: what appears, appears by itself.
"""

from __future__ import annotations

import io
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pydicom
import pypdf
import pytest
from playwright.sync_api import Page, expect

from ops.free_ports import free_ports
from tests.kit.browser import ZONE, Office, mark, stayed
from tests.kit.http import wait_for
from tests.kit.rendering import agreement, read_slice, windowed
from tests.kit.running import RunningAlliance, storescu
from tests.kit.viewing import Viewing

pytestmark = pytest.mark.peer

SCRIPT = "<script>window.ran = true</script><img src=x onerror='window.ran = true'>"
REASON = f"咳嗽两周，加重三天 {SCRIPT}"
AIM = "明确右肺上叶结节性质，是否需要手术"
HISTORY = f"吸烟二十年，无发热。</dd></dl>{SCRIPT}"
DOCTOR = "孙医生 Dr. Sun"
CONSENTED_BY = "女儿 李某"
CONSENTED_AT = "2026-01-05"
FINDINGS = "右肺上叶尖段见磨玻璃结节，直径约 8 mm，边界清，邻近胸膜无牵拉。\n纵隔未见肿大淋巴结。"
IMPRESSION = "右肺上叶磨玻璃结节（GGN），建议三个月后复查 CT。 <b>&amp;</b>"
SLOW_MS = 60_000


@contextmanager
def storescp(folder: Path) -> Iterator[int]:
    """Run dcmtk's storage SCP, as the clinic's PACS, and give its port."""
    assert shutil.which("storescp"), "install dcmtk"
    (port,) = free_ports(1)
    folder.mkdir()
    process = subprocess.Popen(["storescp", "-aet", "CLINICPACS", "-od", str(folder), str(port)])
    try:
        wait_for("storescp", lambda: socket.create_connection(("127.0.0.1", port)).close() is None)
        yield port
    finally:
        process.terminate()
        process.wait()


def test_study_walks_to_the_centre_and_its_report_comes_home(
    office: Office, alliance: RunningAlliance, chest_ct: list[Path], tmp_path: Path
) -> None:
    with storescp(tmp_path / "pacs") as port:
        send_reports_to(office, port)
        technician = office.sit("alpha", "technician")
        expert, second = office.sit("centre", "expert"), office.sit("centre", "expert2")
        for waiting in (expert, second):
            expect(waiting.get_by_test_id("consults-empty")).to_be_visible()
            mark(waiting)

        see_study_arrive(technician, alliance, chest_ct)
        request_consult(technician)
        case = see_case_in_queue(expert, second)
        hold_back_news(second)
        claim_case(expert, case)
        refused_by_name_and_time(second, case)

        check_banner(expert)
        compare_with_files(expert, chest_ct)
        write_report(expert)
        sign_report(expert)

        see_report_come_home(technician)
        read_pdf(technician)
        read_report_in_pacs(technician, tmp_path / "pacs")


def send_reports_to(office: Office, port: int) -> None:
    """The administrator turns the clinic's destination to its new PACS, and tests it."""
    page = office.sit("alpha", "administrator")
    page.goto("/node/remotes")
    page.get_by_test_id("remote-edit").click()
    page.get_by_test_id("remote-aet").fill("CLINICPACS")
    field = page.get_by_test_id("remote-port")
    field = field if field.evaluate("each => each.tagName") == "INPUT" else field.locator("input")
    field.fill(str(port))
    page.get_by_test_id("remote-save").click()
    expect(page.get_by_text(f"127.0.0.1:{port}")).to_be_visible()
    page.get_by_test_id("remote-echo").click()
    expect(page.get_by_text("应答正常")).to_be_visible()
    page.context.close()


def see_study_arrive(page: Page, alliance: RunningAlliance, files: list[Path]) -> None:
    expect(page.get_by_test_id("studies-empty")).to_be_visible()
    mark(page)
    storescu(alliance.nodes["alpha"], files)
    row = page.locator("tr[data-testid^=study-row-]")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("LungFCP-01-0001")
    expect(row.get_by_test_id("study-state")).to_have_text("接收中")
    expect(row.get_by_test_id("study-state")).to_have_text("已收齐", timeout=SLOW_MS)
    expect(row.get_by_test_id("study-images")).to_contain_text(str(len(files)))
    row.click()
    expect(page.get_by_test_id("banner-name")).to_have_text("LungFCP-01-0001")
    assert stayed(page)


def request_consult(page: Page) -> None:
    """Leave a field out, be told which, fill it, send."""
    page.get_by_test_id("request-consult").click()
    expect(page.get_by_role("dialog")).to_contain_text("影像诊断中心 Radiology")
    for choice in ("kind-diagnosis", "urgency-emergency", "consent-guardian"):
        page.locator(f"label:has([data-testid={choice}])").click()
    for name, words in {
        "reason": REASON,
        "aim": AIM,
        "requestingDoctor": DOCTOR,
        "consent.who": CONSENTED_BY,
        "consent.at": CONSENTED_AT,
    }.items():
        page.get_by_test_id(f"field-{name}").fill(words)
    page.get_by_test_id("request-submit").click()
    expect(page.locator(".ant-form-item-has-error")).to_have_count(1)
    page.get_by_test_id("field-history").fill(HISTORY)
    page.get_by_test_id("request-submit").click()
    card = page.locator("article[data-testid^=case-]")
    expect(card.get_by_test_id("form-reason")).to_have_text(REASON)
    expect(card.get_by_test_id("form-history")).to_have_text(HISTORY)
    expect(card.get_by_test_id("form-consent")).to_have_text(
        f"{CONSENTED_BY}，{CONSENTED_AT}，监护人或近亲属书面同意"
    )
    assert stayed(page)
    assert not page.evaluate("window.ran"), "what somebody wrote ran as a script"


def see_case_in_queue(expert: Page, second: Page) -> str:
    for page in (expert, second):
        row = page.locator("tr[data-testid^=consult-row-]")
        expect(row).to_have_count(1, timeout=SLOW_MS)
        expect(row.get_by_test_id("case-urgency")).to_have_text("急")
        expect(row).to_contain_text("LungFCP-01-0001")
        expect(page).to_have_title(re.compile(r"\(1\)"))
        assert stayed(page)
    name = expert.locator("tr[data-testid^=consult-row-]").get_attribute("data-testid") or ""
    return name.removeprefix("consult-row-")


def hold_back_news(page: Page) -> None:
    """As on a slow line: the list stays as it was for as long as the second expert needs to press."""
    page.context.route("**/api/consults?box=*", lambda route: None)


def claim_case(page: Page, case: str) -> None:
    page.get_by_test_id("claim").click()
    page.wait_for_url(f"**/read/{case}")
    expect(page.get_by_test_id("findings")).to_be_visible()


def refused_by_name_and_time(page: Page, case: str) -> None:
    with page.expect_response(f"**/api/consults/{case}/claim") as answered:
        page.get_by_test_id("claim").click()
    assert answered.value.status == 409
    until = datetime.fromtimestamp(answered.value.json()["error"]["until"] / 1e6, ZoneInfo(ZONE))
    expect(page.get_by_test_id("claim-refused")).to_contain_text(
        re.compile(
            rf"陈主任 Chen 已接受此会诊，至 (\d\d/\d\d )?{until:%H:%M}"
        )  # with its day when that is tomorrow
    )
    page.context.unroute_all(behavior="ignoreErrors")
    assert stayed(page)


def check_banner(page: Page) -> None:
    facts = {
        "name": "LungFCP-01-0001",
        "sex": "男",
        "age": "85岁",
        "id": "LungFCP-01-0001",
        "issuer": "alpha:HIS",
        "date": "1999-07-24 10:07",
        "accession": "2819497684894126",
        "hospital": "第一卫生院 First Clinic",
    }
    for name, words in facts.items():
        expect(page.get_by_test_id(f"banner-{name}")).to_have_text(words)


def compare_with_files(page: Page, files: list[Path]) -> None:
    """What the centre shows is what the clinic's scanner wrote."""
    viewing = Viewing(page, size=512)
    viewing.open()
    viewing.one_to_one()
    assert viewing.markers() == {"left": "R", "right": "L", "top": "A", "bottom": "P"}
    for number, (center, width) in [(20, (-600, 1500)), (70, (40, 400))]:
        viewing.go(number)
        viewing.set_window(center, width)
        expected = windowed(read_slice(files[number - 1]).values(), center=center, width=width)
        assert agreement(viewing.shown(), expected) >= 0.999
    page.get_by_test_id("tool-length").click()
    start, end = (90, 140), (420, 350)
    viewing.click(start)
    viewing.click(end)
    (shown,) = viewing.lengths_mm()
    true = read_slice(files[69]).distance_mm(start, end)
    assert true > 100
    assert abs(shown - true) <= 0.1


def write_report(page: Page) -> None:
    """Type, see it saved, lose the page, find the words again."""
    page.get_by_test_id("findings").fill(FINDINGS)
    page.get_by_test_id("impression").press_sequentially(IMPRESSION)
    expect(page.get_by_test_id("draft-saved")).to_contain_text("已保存")
    page.reload()
    expect(page.get_by_test_id("findings")).to_have_value(FINDINGS)
    expect(page.get_by_test_id("impression")).to_have_value(IMPRESSION)


def sign_report(page: Page) -> None:
    page.get_by_test_id("impression").press("Control+Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_test_id("sign-patient")).to_contain_text("LungFCP-01-0001")
    expect(dialog).to_contain_text(IMPRESSION)
    expect(page.get_by_test_id("signed")).to_have_count(0)
    page.get_by_test_id("sign-confirm").click()
    expect(page.get_by_test_id("signed")).to_be_visible()


def see_report_come_home(page: Page) -> None:
    expect(page.get_by_test_id("report-findings")).to_have_text(FINDINGS, timeout=SLOW_MS)
    expect(page.get_by_test_id("report-impression")).to_have_text(IMPRESSION)
    expect(page.get_by_test_id("report-pdf")).to_be_visible(timeout=SLOW_MS)
    assert stayed(page)


def read_pdf(page: Page) -> None:
    with page.expect_download() as downloaded:
        page.get_by_test_id("report-pdf").click(modifiers=["Alt"])
    path = downloaded.value.path()
    written = subprocess.run(["pdftotext", path, "-"], check=True, capture_output=True, text=True).stdout
    text = _packed(written)
    for part in (FINDINGS, IMPRESSION, DOCTOR, "陈主任 Chen", "LungFCP-01-0001", "第一卫生院 First Clinic"):
        assert _packed(part) in text, part
    reader = pypdf.PdfReader(io.BytesIO(path.read_bytes()))
    assert _packed(IMPRESSION) in _packed("".join(page.extract_text() for page in reader.pages))


def read_report_in_pacs(page: Page, folder: Path) -> None:
    expect(page.get_by_test_id("delivery-state")).to_have_text("已推送", timeout=SLOW_MS)
    (received,) = folder.iterdir()
    verdict = subprocess.run(["dciodvfy", received], check=False, capture_output=True, text=True)
    lines = (verdict.stdout + verdict.stderr).splitlines()
    assert [line for line in lines if line.startswith("Error")] == []
    document = pydicom.dcmread(received)
    assert document.Modality == "SR"
    assert document.VerificationFlag == "VERIFIED"
    assert document.StudyInstanceUID == page.url.rsplit("/", 1)[-1].partition("?")[0]
    words = [item.TextValue.replace("\r\n", "\n") for item in _items(document) if item.ValueType == "TEXT"]
    assert FINDINGS in words
    assert IMPRESSION in words


def _items(item: pydicom.Dataset) -> Iterator[pydicom.Dataset]:
    for each in item.get("ContentSequence", []):
        yield each
        yield from _items(each)


def _packed(text: str) -> str:
    """Without the spaces and line ends that a page's lines bring."""
    return re.sub(r"\s+", "", text)
