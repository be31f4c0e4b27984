"""How DICOM's values read on paper in a Chinese hospital. Pure.

A value that is not of the form the standard gives is shown as it was written:
a date is never guessed at.

Source: DICOM PS3.5 6.2 (AS, CS, DA, PN, TM).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from node.clock import Micros

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SEXES = {"M": "男", "F": "女", "O": "其他"}
_AGE_UNITS = {"Y": "岁", "M": "个月", "W": "周", "D": "天"}
_BODY_PARTS = {
    "ABDOMEN": "腹部",
    "ANKLE": "踝关节",
    "BRAIN": "颅脑",
    "BREAST": "乳腺",
    "CHEST": "胸部",
    "CSPINE": "颈椎",
    "ELBOW": "肘关节",
    "FOOT": "足部",
    "HAND": "手部",
    "HEAD": "头部",
    "HEART": "心脏",
    "HIP": "髋关节",
    "KNEE": "膝关节",
    "LSPINE": "腰椎",
    "LUNG": "肺部",
    "NECK": "颈部",
    "PELVIS": "盆腔",
    "SHOULDER": "肩关节",
    "SKULL": "头颅",
    "SPINE": "脊柱",
    "TSPINE": "胸椎",
    "WRIST": "腕关节",
}


def name_parts(person_name: str) -> tuple[str, str]:
    """Give a PN as people read it: the ideographic form, else the Latin one; and the Latin one beside it."""
    latin, _, rest = person_name.partition("=")
    ideographic = rest.split("=", 1)[0]
    latin, joined = _spoken(latin, " "), _spoken(ideographic, "")
    return (joined, latin) if joined else (latin, "")


def sex(value: str) -> str:
    """Give ``M`` as 男."""
    return _SEXES.get(value, value)


def age(value: str) -> str:
    """Give ``058Y`` as 58岁."""
    found = re.fullmatch(r"(\d{3})([DWMY])", value)
    return f"{int(found[1])}{_AGE_UNITS[found[2]]}" if found else value


def date(value: str) -> str:
    """Give ``20260302`` as 2026-03-02."""
    return f"{value[:4]}-{value[4:6]}-{value[6:]}" if re.fullmatch(r"\d{8}", value) else value


def moment(day: str, time: str) -> str:
    """Give a DA and a TM as one."""
    found = re.match(r"(\d{2})(\d{2})", time)
    return f"{date(day)} {found[1]}:{found[2]}" if found and day else date(day)


def body_part(value: str) -> str:
    """Give a defined term in Chinese, another text as it is."""
    return _BODY_PARTS.get(value.replace(" ", "").upper(), value)


def local_time(at: Micros, zone: str) -> datetime:
    """Give a time in a hospital's zone; in UTC when this machine does not know the zone."""
    utc = _EPOCH + timedelta(microseconds=at)
    try:
        return utc.astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError):
        return utc


def clock_time(at: datetime) -> str:
    """Give a time as printed; UTC says so."""
    return at.strftime("%Y-%m-%d %H:%M:%S") + (" UTC" if at.tzinfo is UTC else "")


def _spoken(group: str, between: str) -> str:
    return between.join(part.strip() for part in group.split("^") if part.strip())
