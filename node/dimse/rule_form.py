"""What an administrator writes about a device, and whether it can be a rule; each refusal names its field."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from node.dimse.classes import FAMILIES
from node.dimse.networks import ANY, normal_address
from node.dimse.rules import NOTHING, READS, SOME, rule_name
from node.errors import FieldMissing
from node.names import Subject, is_uid

LONGEST_AE_TITLE = 16
LONGEST_WORDS = 64
MOST_CLASSES = 200
MOST_AT_ONCE = 1000
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleKey:
    """Whom a rule is for; no two rules are for the same."""

    calling: str
    address: str
    certificate: str = ANY
    called: str = ANY

    @property
    def name(self) -> str:
        return rule_name(self.calling, self.address, certificate=self.certificate, called=self.called)

    @property
    def subject(self) -> Subject:
        rest = self.name.removeprefix(f"{self.calling}@{self.address}")
        return Subject(f"device/{self.calling}/{self.address}{rest}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleForm:
    """A whole rule as it is edited."""

    key: RuleKey
    admitted: bool
    issuer: str = ""
    trust_issuer: bool = False
    department: str = ""
    classes: tuple[str, ...] = (ANY,)
    """Names of families, UIDs; ``*`` for every family."""
    others: bool = True
    at_once: int = 0
    reads: str = NOTHING
    """What it may find and retrieve."""


def checked_form(form: RuleForm, *, called: tuple[str, ...]) -> RuleForm:
    """Give the form as it is kept.

    Parameters
    ----------
    called
        The AE titles of this node.

    Raises
    ------
    FieldMissing
        Names the field that cannot be used.
    """
    if not 0 <= form.at_once <= MOST_AT_ONCE:
        raise _refused("at_once", f"associations at once must be 0 (no limit) to {MOST_AT_ONCE}")
    if form.reads not in READS:
        raise _refused("reads", f"right to find and retrieve must be one of {', '.join(READS)}")
    return replace(
        form,
        key=checked_key(form.key, called=called),
        issuer=_words("issuer", form.issuer),
        department=_words("department", form.department),
        classes=_classes(form.classes, others=form.others),
    )


def checked_key(key: RuleKey, *, called: tuple[str, ...] | None = None) -> RuleKey:
    """Give whom a rule is for as it is kept; without ``called`` any AE title may be the called one.

    Raises
    ------
    FieldMissing
        Names the field that cannot be used.
    """
    title = ae_title("called", key.called)
    if called is not None and title not in (ANY, *called):
        raise _refused(
            "called", f"called AE title must be one of this node's ({', '.join(called)}), or '*' for any"
        )
    return RuleKey(
        calling=ae_title("calling", key.calling),
        address=_address(key.address),
        certificate=_certificate(key.certificate),
        called=title,
    )


def ae_title(name: str, text: str) -> str:
    """Check an AE title.

    Source: DICOM PS3.5 table 6.2-1 (AE).
    """
    title = text.strip(" ")
    fits = 0 < len(title) <= LONGEST_AE_TITLE and title.isascii() and title.isprintable()
    if not fits or "\\" in title:
        raise _refused(
            name,
            f"{name} AE title must be 1 to 16 printable ASCII characters without a backslash, or '*' for any",
        )
    return title


def _address(text: str) -> str:
    try:
        return normal_address(text.strip())
    except ValueError as error:
        which = (
            f"{error}"
            if "write" in str(error) or "zone" in str(error)
            else "give an IP address, a network as 10.1.0.0/16"
        )
        raise _refused("address", f"address cannot be used: {which}, or '*' for any") from error


def _certificate(text: str) -> str:
    digest = re.sub(r"[:\s]", "", text).lower()
    if digest in (ANY, SOME) or _DIGEST.fullmatch(digest):
        return digest
    raise _refused(
        "certificate",
        "certificate must be its SHA-256 (64 hex digits, colons allowed), 'some' for whichever is trusted,"
        " or '*' for none needed",
    )


def _classes(names: tuple[str, ...], *, others: bool) -> tuple[str, ...]:
    wanted = tuple(dict.fromkeys(text for name in names if (text := name.strip())))
    for name in wanted:
        if name != ANY and name not in FAMILIES and not is_uid(name):
            raise _refused("classes", f"SOP class {name!r} is neither a UID nor one of {', '.join(FAMILIES)}")
    if not wanted and not others:
        raise _refused("classes", "rule would take nothing: name SOP classes, or block the device")
    if len(wanted) > MOST_CLASSES:
        raise _refused("classes", f"list of SOP classes may have at most {MOST_CLASSES} entries")
    return (ANY, *sorted(name for name in wanted if is_uid(name))) if ANY in wanted else tuple(sorted(wanted))


def _words(name: str, text: str) -> str:
    words = text.strip()
    if len(words) > LONGEST_WORDS or not words.isprintable():
        raise _refused(name, f"{name} must be at most {LONGEST_WORDS} printable characters")
    return words


def _refused(name: str, words: str) -> FieldMissing:
    camel = re.sub(r"_(\w)", lambda match: match[1].upper(), name)
    return FieldMissing(f"Deciding about a device was refused: its {words}.", name=camel)
