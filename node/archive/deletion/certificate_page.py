"""A certificate of deletion as a page to be read and printed, in Chinese or English; what counts is the signed file."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from html import escape
from typing import Literal

from node.archive.deletion.certificate import FORMATS, Certificate, date_text

Language = Literal["zh", "en"]
STYLE = (
    "body{font:15px/1.6 system-ui,'Noto Sans SC',sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#111}"
    "h1{font-size:1.5rem;text-align:center}table{border-collapse:collapse;width:100%}"
    "th,td{border:1px solid #999;padding:.35rem .6rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}"
    "th{width:11rem;font-weight:600;background:#f4f4f4}p{margin:.8rem 0}code{font-size:.85em;overflow-wrap:anywhere}"
)
STYLE_HASH = "sha256-" + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
"""For a policy that lets this style in, and no other."""
_WORDS: dict[str, tuple[str, str]] = {
    "title": ("检查彻底删除证明", "Certificate of final deletion"),
    "node": ("医疗机构", "Hospital"),
    "study": ("检查实例 UID", "Study Instance UID"),
    "instances": ("实例数", "Instances"),
    "bytes": ("字节数", "Bytes"),
    "digest": ("实例摘要（SHA-256）", "Digest of instances (SHA-256)"),
    "received": ("接收时间", "Received"),
    "asked": ("申请人", "Asked by"),
    "approved": ("批准人", "Approved by"),
    "reason": ("原因", "Reason"),
    "retention": ("保存期限", "Retention"),
    "years": ("{years} 年，至 {until}（规则“{rule}”第 {version} 版）", "{years} years, until {until} (rule “{rule}”, version {version})"),
    "over": ("已届满", "over"),
    "early": ("未届满", "not over"),
    "deleted": ("删除时间", "Deleted"),
    "removed": ("清除确认", "Confirmed by"),
    "completed": ("全部清除时间", "Nothing left since"),
    "peers": ("联盟内其他医院", "Hospitals of the alliance"),
    "nobody": ("未曾发送给其他医院", "It was sent to none"),
    "told": ("已通知，尚未回执", "told, no receipt yet"),
    "due": ("待通知", "to be told"),
    "peer-deleted": ("已删除", "deleted"),
    "kept": ("保留", "kept"),
    "backups": ("备份", "Backups"),
    "backups-how": (
        "{at} 之前的备份可能仍含该检查，直至该备份被清除。",
        "Backups made before {at} may hold the study, until they are removed.",
    ),
    "backups-none": (
        "本院节点没有该检查接收之后、清除之前的备份记录。",
        "This hospital’s node knows of none made between the study’s arrival and that moment.",
    ),
    "backups-there": (
        "{place}：最后一次备份 {at}（共 {there} 份），保留至被清除为止，未设期限",
        "{place}: last backup at {at} ({there} in all), kept until they are removed; no day is set",
    ),
    "backups-gone": (
        "{place}：最后一次备份 {at}，已于 {removed} 清除",
        "{place}: last backup at {at}, removed at {removed}",
    ),
    "issue": ("第 {issue} 次签发", "Issue {issue}"),
    "signed": (
        "本页供阅读和打印；具有效力的是签名文件，可用 meridian verify-certificate 离线核验。",
        "This page is for reading; what counts is the signed file: meridian verify-certificate checks it anywhere.",
    ),
    "key": ("签名公钥（Ed25519）", "Key (Ed25519)"),
    "things": ("{things} 项，{at}", "{things}, {at}"),
}  # fmt: skip
CODES: dict[str, tuple[str, str]] = {
    "retention-over": ("保存期届满", "its retention is over"),
    "rule": ("保存期届满，按规则删除", "its retention is over, by rule"),
    "person-asked": ("患者依法要求删除", "the patient asked, by law"),
    "mistaken": ("误传入", "it came by mistake"),
    "test": ("测试或体模图像", "a test or a phantom"),
    "ordered": ("法院或主管机关要求", "a court or an authority ordered it"),
    "origin": ("来源医院已删除", "its origin deleted it"),
    "report": ("已由该院签发报告", "its own report"),
    "case": ("会诊进行中", "an open case"),
    "hold": ("有保留要求", "a hold"),
}


def certificate_page(certificate: Certificate, *, language: Language) -> str:
    """Give the page."""

    def say(name: str, **values: object) -> str:
        return _WORDS[name][language == "en"].format(**values)

    title = escape(say("title"))
    rows = "".join(
        f"<tr><th>{escape(head)}</th><td>{'<br>'.join(map(escape, lines))}</td></tr>"
        for head, lines in _rows(certificate, language)
    )
    tongue = "zh-CN" if language == "zh" else "en"
    issued = f"{say('issue', issue=certificate.issue)} · {date_text(certificate.issued_at)}"
    return (
        f"<!doctype html><html lang='{tongue}'><head><meta charset='utf-8'><title>{title}</title><style>{STYLE}</style></head>"
        f"<body><h1>{title}</h1><p>{escape(issued)}</p><table>{rows}</table><p>{escape(say('signed'))}</p></body></html>"
    )


def _rows(certificate: Certificate, language: Language) -> Iterable[tuple[str, list[str]]]:
    deed = certificate.deed

    def say(name: str, **values: object) -> str:
        return _WORDS[name][language == "en"].format(**values)

    def code(name: str) -> str:
        return CODES[name][language == "en"] if name in CODES else name

    kept = deed.retention
    years = say("years", years=kept.years, until=date_text(kept.until), rule=kept.rule, version=kept.version)
    yield say("node"), [f"{deed.node_name} ({deed.node})"]
    yield say("study"), [deed.study_uid]
    yield say("instances"), [str(deed.instances)]
    yield say("bytes"), [str(deed.bytes)]
    yield say("digest"), [deed.set_digest]
    yield say("received"), [f"{date_text(deed.received_from)} – {date_text(deed.received_until)}"]
    yield say("asked"), [f"{deed.asked.by}, {date_text(deed.asked.at)}"]
    yield say("approved"), [f"{deed.approved.by}, {date_text(deed.approved.at)}"]
    yield say("reason"), [line for line in (code(deed.code), deed.words) if line]
    yield say("retention"), [years, say("over" if kept.over else "early")]
    yield say("deleted"), [date_text(deed.deleted_at)]
    things = [
        f"{one.place}: {say('things', things=one.things, at=date_text(one.at))}"
        for one in certificate.removed
    ]
    yield say("removed"), things
    yield say("completed"), [date_text(certificate.completed_at)]
    peers = [
        f"{one.peer}: {say('peer-deleted' if one.state == 'deleted' else one.state)}"
        f"{f' ({code(one.code)})' if one.code else ''} {date_text(one.at)}"
        for one in certificate.peers
    ]
    yield say("peers"), peers or [say("nobody")]
    yield say("backups"), list(_backups(certificate, language))
    yield say("key"), [certificate.verify_key]


def backup_lines(certificate: Certificate) -> list[str]:
    """Say in English which backups may hold the study, for the command line."""
    return list(_backups(certificate, "en"))


def _backups(certificate: Certificate, language: Language) -> Iterable[str]:
    english = language == "en"
    yield _WORDS["backups-how"][english].format(at=date_text(certificate.backups_before))
    if certificate.format != FORMATS[0] and not certificate.backups:
        yield _WORDS["backups-none"][english]
    for one in certificate.backups:
        name = "backups-there" if one.removed_at is None else "backups-gone"
        yield _WORDS[name][english].format(
            place=one.place,
            at=date_text(one.last_at),
            there=one.there,
            removed=date_text(one.removed_at),
        )
