"""What can be a remote AE: the row, the form an administrator fills, and what is wrong with it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from node.dicom.texts_in import CHARSETS
from node.errors import FieldMissing
from node.names import AETitle

LONGEST_NAME = 60
LONGEST_ISSUER = 64
RETRIEVE_BY = ("auto", "get", "move")
"""How studies are fetched from it; ``auto``: by C-GET where it offers that, else by C-MOVE."""
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:]{2,45}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """One row of table ``remote``."""

    id: str
    name: str
    aet: AETitle
    host: str
    port: int
    tls: bool = False
    calling: str = ""
    """The AE title we call it with; empty: the node's."""
    charset: str = ""
    """What its texts must be written in (`node.dicom.texts_in.CHARSETS`); empty: as each study has them."""
    retrieve_by: str = "auto"
    reports: bool = False
    """It gets signed reports."""
    query: bool = False
    """It may be asked for studies, and studies fetched from it."""
    send: bool = False
    """Studies may be sent to it."""
    worklist: bool = False
    """It is asked each evening who is expected the next day."""
    issuer: str = ""
    """Of the Patient IDs in its worklist, as rules of admission name it; empty: the hospital's own."""
    enabled: bool = True
    version: int = 1

    @property
    def uses(self) -> tuple[str, ...]:
        """What it is for: ``reports``, ``query``, ``send``, ``worklist``."""
        said = (
            ("reports", self.reports), ("query", self.query), ("send", self.send), ("worklist", self.worklist),
        )  # fmt: skip
        return tuple(name for name, yes in said if yes)

    @property
    def at(self) -> str:
        """Where it listens, for words."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteForm:
    """What an administrator typed; may still be wrong."""

    name: str
    aet: str
    host: str
    port: int
    tls: bool = False
    calling: str = ""
    charset: str = ""
    retrieve_by: str = "auto"
    reports: bool = False
    query: bool = False
    send: bool = False
    worklist: bool = False
    issuer: str = ""
    enabled: bool = True


def checked_remote(form: RemoteForm, *, id_: str, version: int) -> Remote:
    """Give what was typed, trimmed, if it can work.

    Raises
    ------
    FieldMissing
        Names the field that is empty or wrong.
    """
    name, aet, host, calling, issuer = (
        one.strip() for one in (form.name, form.aet, form.host, form.calling, form.issuer)
    )
    if not name or len(name) > LONGEST_NAME:
        raise _wrong("name", f"write 1 to {LONGEST_NAME} characters, such as 本院PACS")
    if not is_ae_title(aet):
        raise _wrong("aet", "an AE title has 1 to 16 characters of ASCII and no backslash")
    if calling and not is_ae_title(calling):
        raise _wrong("calling", "an AE title has 1 to 16 characters of ASCII and no backslash")
    if not _HOST.fullmatch(host):
        raise _wrong("host", "write a host name or an address, without port")
    if not 0 < form.port < 65536:
        raise _wrong("port", "it must be 1 to 65535; PACS often listen on 104 or 11112")
    if form.charset not in CHARSETS:
        raise _wrong("charset", f"choose none or one of {', '.join(filter(None, CHARSETS))}")
    if form.retrieve_by not in RETRIEVE_BY:
        raise _wrong("retrieve_by", f"choose one of {', '.join(RETRIEVE_BY)}")
    if len(issuer) > LONGEST_ISSUER or not issuer.isprintable():
        raise _wrong("issuer", f"write at most {LONGEST_ISSUER} characters, as the rules of admission do")
    return Remote(
        id=id_,
        name=name,
        aet=AETitle(aet),
        host=host,
        port=form.port,
        tls=form.tls,
        calling=calling,
        charset=form.charset,
        retrieve_by=form.retrieve_by,
        reports=form.reports,
        query=form.query,
        send=form.send,
        worklist=form.worklist,
        issuer=issuer,
        enabled=form.enabled,
        version=version,
    )


def is_ae_title(text: str) -> bool:
    """Say whether a text can be an AE title.

    Source: DICOM PS3.5 6.2 (AE).
    """
    return 0 < len(text) <= 16 and all(" " <= character <= "~" and character != "\\" for character in text)


def _wrong(field: str, advice: str) -> FieldMissing:
    return FieldMissing(f"Saving the remote AE was refused: {field} cannot be used; {advice}.", name=field)
