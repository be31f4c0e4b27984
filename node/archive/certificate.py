"""The certificate of a deletion: signed by the node, checked by anybody who has nothing but the file and the node's key.

It is written when nothing is left, and again when a peer answers later; each issue names all that was confirmed by then.

Source: RFC 8032; 医疗机构病历管理规定 (2013) 29; 个人信息保护法 47.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from node.archive.deed import Deed
from node.archive.deletions import Deletion, answers_of, steps_of
from node.canonical import canonical_json
from node.clock import SECOND, Micros
from node.errors import Conflict, Damaged, InvalidRequest
from node.failpoints import planted
from node.keys.encoding import to_base64
from node.keys.signing import verify
from node.names import Digest
from node.node import Node

PREFIX = b"meridian-deletion/1"
"""What the signature covers begins with this, and goes on with the canonical JSON of ``certificate``."""
FORMAT = "meridian-deletion/1"


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """A place, how many things went there, and when the last did. ``place``: ``store/NAME``, ``packs``, ``texts``, ``files``."""

    place: str
    things: int
    at: Micros


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A peer that held the study, or knew of it: ``told``, ``deleted``, ``kept`` with the code of its reason."""

    peer: str
    state: str
    code: str
    at: Micros | None


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """What is signed."""

    format: str
    issue: int
    issued_at: Micros
    deed: Deed
    removed: tuple[Removed, ...]
    completed_at: Micros
    peers: tuple[Answer, ...]
    backups_before: Micros
    """Backups that were made before this still hold the study, until each is removed."""
    verify_key: str
    """Base64 of the node's Ed25519 key."""


class Signed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file."""

    certificate: Certificate
    signature: str


_PLACES = {"pack": "packs", "strays": "packs", "text": "texts", "file": "files", "log": "database"}


def sign_certificate(node: Node, deletion: Deletion, *, issue: int, at: Micros) -> str:
    """Write the certificate of a deletion of which nothing is left; the text of its file."""
    deed = msgspec.json.decode(node.texts.get(Digest(deletion.deed)).encode(), type=Deed)
    certificate = Certificate(
        format=FORMAT,
        issue=issue,
        issued_at=at,
        deed=deed,
        removed=_removed(node, deletion),
        completed_at=deletion.done_at or at,
        peers=_answers(node, deletion),
        backups_before=deed.deleted_at,
        verify_key=node.keys.verify_key,
    )
    body = msgspec.to_builtins(certificate)
    signature = to_base64(node.keys.sign(_signed_bytes(body)))
    return canonical_json({"certificate": body, "signature": signature})


def read_certificate(content: str | bytes, *, key: str | None = None) -> Certificate:
    """Read a certificate and check that it is as its node signed it.

    Parameters
    ----------
    key
        The node's key, from elsewhere; without it, only that nobody changed the file since the key in it signed it.

    Raises
    ------
    InvalidRequest
        It is no certificate.
    Damaged
        It was altered, or signed by another key.
    """
    try:
        signed = msgspec.json.decode(content, type=Signed)
        written = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(
            f"Reading a certificate of deletion failed ({error}): this is not one. Download it again."
        ) from error
    if signed.certificate.format != FORMAT:
        raise InvalidRequest(
            "Reading a certificate of deletion failed: another version wrote it. Use that version to verify it."
        )
    if planted("certificate-believed"):
        return signed.certificate
    if key is not None and key != signed.certificate.verify_key:
        raise Damaged(
            "Verifying a certificate of deletion failed: another key signed it than the one given. Ask the hospital which"
            " keys it has had."
        )
    try:
        verify(signed.certificate.verify_key, _signed_bytes(written["certificate"]), signed.signature)
    except Damaged as error:
        raise Damaged(
            "Verifying a certificate of deletion failed: it was altered after it was signed. Ask the hospital for it again."
        ) from error
    return signed.certificate


def certificate_text(node: Node, deletion: Deletion) -> str:
    """Give the newest issue of a deletion's certificate.

    Raises
    ------
    Conflict
        Something is left to be erased; it says what.
    """
    if not deletion.certificate:
        left = [step for step in steps_of(node.database, deletion.id) if step.state != "done"]
        words = "; ".join(dict.fromkeys(step.words for step in left if step.words))
        raise Conflict(
            f"Reading the certificate was put off: {len(left)} things are left to be erased. {words or 'It goes on by itself.'}"
        )
    return node.texts.get(Digest(deletion.certificate))


def says_all(node: Node, deletion: Deletion) -> bool:
    """Say whether the newest issue names what each peer has answered by now."""
    return read_certificate(certificate_text(node, deletion)).peers == _answers(node, deletion)


def date_text(at: Micros | None) -> str:
    """Write a moment to the second, UTC."""
    if at is None:
        return "-"
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _answers(node: Node, deletion: Deletion) -> tuple[Answer, ...]:
    return tuple(
        Answer(peer=one.peer, state=one.state, code=one.code, at=one.at)
        for one in answers_of(node.database, deletion.id)
    )


def _removed(node: Node, deletion: Deletion) -> tuple[Removed, ...]:
    """Count what went by place, with the time of the last; the certificate names no digest of a text."""
    found: dict[str, list[Micros]] = {}
    for step in steps_of(node.database, deletion.id):
        place = f"store/{step.store}" if step.kind == "copy" else _PLACES[step.kind]
        found.setdefault(place, []).append(step.at or 0)
    return tuple(
        Removed(place=place, things=len(times), at=max(times)) for place, times in sorted(found.items())
    )


def _signed_bytes(body: object) -> bytes:
    return PREFIX + canonical_json(body).encode()
