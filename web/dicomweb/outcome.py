"""What the answer to STOW-RS says: which instances are stored and where, which are not and why.

Source: DICOM PS3.18 10.5.3, table 10.5.3-1 (status), I (Store Instances Response Module), F, A.4 of PS3.19 (XML).
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as Xml

import msgspec
from aiohttp import web

from node.canonical import Json
from node.errors import Unavailable
from web.dicomweb.accept import DICOM_JSON, MediaRange
from web.dicomweb.deposit import Outcome
from web.errors import NotAcceptable

DICOM_XML = "application/dicom+xml"
OUT_OF_RESOURCES = Unavailable.dimse
_KEYWORDS = {
    "00000902": "ErrorComment",
    "00081150": "ReferencedSOPClassUID",
    "00081155": "ReferencedSOPInstanceUID",
    "00081190": "RetrieveURL",
    "00081197": "FailureReason",
    "00081198": "FailedSOPSequence",
    "00081199": "ReferencedSOPSequence",
    "0008119A": "OtherFailuresSequence",
}
Module = dict[str, Json]


def choose_answer(ranges: Sequence[MediaRange]) -> str:
    """Give the media type of the answer, before anything is stored.

    Raises
    ------
    NotAcceptable
        The client takes neither DICOM JSON nor XML.
    """
    for range_ in ranges:
        for media in (DICOM_JSON, DICOM_XML, "application/json"):
            if range_.takes(media) or range_.takes("application/dicom"):  # some name what they send
                return DICOM_JSON if media == "application/json" else media
    raise NotAcceptable(
        f"Storing instances was refused: the answer is {DICOM_JSON} or {DICOM_XML}. Ask for one."
    )


def answer_of(outcomes: Sequence[Outcome], *, root: str, media: str) -> web.Response:
    """Write the answer."""
    module = module_of(outcomes, root)
    body = msgspec.json.encode(module) if media == DICOM_JSON else _xml(module)
    response = web.Response(body=body, status=status_of(outcomes), content_type=media)
    if response.status == Unavailable.http:
        response.headers["Retry-After"] = "60"
    return response


def status_of(outcomes: Sequence[Outcome]) -> int:
    """Give 200 when all are stored, 202 when some are, 409 when none is; 503 when that was for want of room alone."""
    failed = [one.status for one in outcomes if one.status]
    if not failed:
        return 200
    if len(failed) < len(outcomes):
        return 202
    return Unavailable.http if set(failed) == {OUT_OF_RESOURCES} else 409


def module_of(outcomes: Sequence[Outcome], root: str) -> Module:
    """Give the module as DICOM JSON."""
    stored = [one for one in outcomes if one.status == 0]
    failed = [one for one in outcomes if one.status and one.sop_uid]
    nameless = [one for one in outcomes if one.status and not one.sop_uid]
    module: Module = {}
    studies = {one.stored.study_uid for one in stored if one.stored is not None}
    if len(studies) == 1:
        module["00081190"] = _text("UR", f"{root}/studies/{studies.pop()}")
    for tag, items in (
        ("00081198", [_reference(one) | _failure(one) for one in failed]),
        ("00081199", [_reference(one) | _place(one, root) for one in stored]),
        ("0008119A", [_failure(one) for one in nameless]),
    ):
        if items:
            values: list[Json] = list(items)
            module[tag] = {"vr": "SQ", "Value": values}
    return module


def _reference(one: Outcome) -> Module:
    return {"00081150": _text("UI", one.sop_class), "00081155": _text("UI", one.sop_uid)}


def _failure(one: Outcome) -> Module:
    reason: Module = {"00081197": {"vr": "US", "Value": [one.status]}}
    # No element of the module holds words; the comment of C-STORE is what others put here.
    return reason | ({"00000902": _text("LO", one.words)} if one.words else {})


def _place(one: Outcome, root: str) -> Module:
    if one.stored is None:
        return {}
    uids = one.stored
    address = f"{root}/studies/{uids.study_uid}/series/{uids.series_uid}/instances/{uids.sop_uid}"
    return {"00081190": _text("UR", address)}


def _text(vr: str, text: str) -> Json:
    return {"vr": vr, "Value": [text]} if text else {"vr": vr}


def _xml(module: Module) -> bytes:
    root = Xml.Element("NativeDicomModel")
    _write_xml(root, module)
    return bytes(Xml.tostring(root, encoding="utf-8", xml_declaration=True))


def _write_xml(parent: Xml.Element, module: Module) -> None:
    for tag, entry in sorted(module.items()):
        assert isinstance(entry, dict)
        said = {"tag": tag, "vr": str(entry["vr"]), "keyword": _KEYWORDS[tag]}
        element = Xml.SubElement(parent, "DicomAttribute", said)
        values = entry.get("Value", [])
        assert isinstance(values, list)
        for number, value in enumerate(values, start=1):
            if isinstance(value, dict):
                _write_xml(Xml.SubElement(element, "Item", number=str(number)), value)
            else:
                Xml.SubElement(element, "Value", number=str(number)).text = str(value)
