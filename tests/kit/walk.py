"""The whole way of one study, by the routes that the pages use; each step may be repeated after a crash."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.kit.http import Answer, Visitor, wait_for
from tests.kit.running import RunningAlliance, first_study, storescu

FINDINGS = "右肺上叶见一磨玻璃结节，直径约 8 mm，边界清。"
IMPRESSION = "右肺上叶磨玻璃结节，建议三个月后复查。"
FORM = {
    "kind": "diagnosis",
    "reason": "咳嗽两周",
    "aim": "明确肺部病变性质",
    "history": "吸烟二十年",
    "urgency": "routine",
    "specialty": "radiology",
    "pool": "centre/radiology",
    "requestingDoctor": "孙医生",
    "consent": {"who": "患者本人", "at": "2026-01-05", "how": "written"},
}


def send(alliance: RunningAlliance, files: list[Path]) -> None:
    """Send until every file was accepted: a sender that met a crash sends again."""

    def tried() -> bool:
        storescu(alliance.nodes["alpha"], files)
        return True

    wait_for("the study accepted", lambda: _quietly(tried), timeout_s=60, every_s=0.5)


def complete_study(technician: Visitor, *, instances: int, study_uid: str = "") -> dict[str, Any]:
    """Wait until a study, or the newest one, is complete at the clinic."""

    def complete() -> dict[str, Any] | None:
        path = f"/api/studies/alpha/{study_uid}"
        study = technician.get(path)["study"] if study_uid else first_study(technician)
        done = study and study["state"] == "complete" and study["instances"] >= instances
        return study if done else None

    return wait_for("the study complete at the clinic", complete, timeout_s=60)


def request(technician: Visitor, study: dict[str, Any], **words: str) -> str:
    """Ask for a diagnosis; asked again after a crash, it finds the case already there.

    Parameters
    ----------
    words
        Fields of the form that differ from `FORM`.
    """

    def asked() -> str | None:
        for sent in technician.get("/api/consults?box=sent")["items"]:
            if (sent["origin"], sent["studyUid"]) == (study["origin"], study["studyUid"]):
                return str(sent["caseId"])
        body = {**FORM, **words, "origin": study["origin"], "studyUid": study["studyUid"]}
        return str(technician.post("/api/consults", body)["caseId"])

    return str(wait_for("the case requested", asked))


def claim(expert: Visitor, case_id: str) -> dict[str, Any]:
    """Claim a case once it is in the queue; one's own claim is claimed again."""
    return wait_for("the case claimed", lambda: expert.post(f"/api/consults/{case_id}/claim"), timeout_s=60)


def images_at_centre(expert: Visitor, case_id: str, *, instances: int) -> dict[str, Any]:
    """Wait until every image of the case's study can be read at the centre."""

    def there() -> dict[str, Any] | None:
        study = expert.get(f"/api/consults/{case_id}")["study"]
        return study if study and study["instances"] >= instances else None

    return wait_for("all images at the centre", there, timeout_s=60)


def sign(expert: Visitor, case_id: str, *, findings: str = FINDINGS, impression: str = IMPRESSION) -> None:
    """Write and sign; signed already counts as done."""

    def signed() -> bool:
        if expert.get(f"/api/consults/{case_id}")["state"] == "signed":
            return True
        claim(expert, case_id)
        draft = expert.get(f"/api/consults/{case_id}/draft")
        words = {"findings": findings, "impression": impression, "version": draft["version"]}
        expert.post(f"/api/consults/{case_id}/sign", words)
        return True

    wait_for("the report signed", signed)


def report_at_clinic(technician: Visitor, case_id: str) -> dict[str, Any]:
    """Wait until the signed report is at the clinic and its SR was delivered to the PACS."""

    def delivered() -> dict[str, Any] | None:
        case = technician.get(f"/api/consults/{case_id}")
        if not case["reportId"]:
            return None
        report = technician.get(f"/api/reports/{case['reportId']}")
        done = report["documents"] == "made" and report["deliveries"]
        return report if done and all(d["state"] == "delivered" for d in report["deliveries"]) else None

    return wait_for("the report home and delivered", delivered, timeout_s=90)


def walk(alliance: RunningAlliance, files: list[Path]) -> dict[str, Any]:
    """Go the whole way and give the report as the clinic has it."""
    send(alliance, files)
    technician = alliance.visitor("alpha", "technician")
    study = complete_study(technician, instances=len(files))
    case_id = request(technician, study)
    expert = alliance.visitor("centre", "expert")
    claim(expert, case_id)
    images_at_centre(expert, case_id, instances=len(files))
    sign(expert, case_id)
    return report_at_clinic(technician, case_id)


def _quietly(act: Any) -> Any:
    import subprocess

    try:
        return act()
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired, Answer):
        return None
