"""The certificate of a deletion: signed by the node, checked by anybody who has nothing but the file and the node's key.

It is written when nothing is left, again when a peer answers later, and again when the last backup that may hold the study
was removed; each issue names all that was confirmed by then. Version 1 says of backups no more than a moment; it verifies as
it was signed.

Source: RFC 8032; 医疗机构病历管理规定 (2013) 29; 个人信息保护法 47.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from node.archive.deletion.deed import Deed
from node.archive.deletion.deletions import Deletion, answers_of, steps_of
from node.canonical import canonical_json
from node.clock import SECOND, Micros
from node.errors import Conflict, Damaged, InvalidRequest
from node.failpoints import planted
from node.keys.encoding import to_base64
from node.keys.signing import verify
from node.names import Digest
from node.node import Node
from node.watch.backups import places_before

FORMATS = ("meridian-deletion/1", "meridian-deletion/2")
"""Each is what the signature of its certificates begins with; it goes on with the canonical JSON of ``certificate``."""
FORMAT = FORMATS[-1]


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """A place, how many things went there, and when the last did. ``place``: ``store/NAME``, ``keys``, ``packs``, ``texts``, ``files``, ``database``."""

    place: str
    things: int
    at: Micros


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A peer that held the study, or knew of it: ``told``, ``deleted``, ``kept`` with the code of its reason."""

    peer: str
    state: str
    code: str
    at: Micros | None


class Backups(msgspec.Struct, frozen=True, kw_only=True):
    """A place of backups that may hold the study, as far as the node knows: what it made since the study came."""

    place: str
    there: int
    """How many are kept there; nothing sets a day by which they go."""
    last_at: Micros
    """When the last of them was made; of all that were, once none is left."""
    removed_at: Micros | None
    """When the last was removed; None while one is there."""


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
    """Backups that were made before this may hold the study, until each is removed. Version 1: when the study was deleted; from 2 on,
    when nothing was left of it."""
    backups: tuple[Backups, ...] = ()
    """From version 2 on."""
    verify_key: str
    """Base64 of the node's Ed25519 key."""


class Signed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file."""

    certificate: Certificate
    signature: str


_PLACES = {
    "key": "keys",
    "pack": "packs",
    "strays": "packs",
    "text": "texts",
    "file": "files",
    "log": "database",
}


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
        backups_before=deletion.done_at or at,
        backups=_backups(node, deed, before=deletion.done_at or at),
        verify_key=node.keys.verify_key,
    )
    body = msgspec.to_builtins(certificate)
    signature = to_base64(node.keys.sign(_signed_bytes(FORMAT, body)))
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
    if signed.certificate.format not in FORMATS:
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
        verify(
            signed.certificate.verify_key,
            _signed_bytes(signed.certificate.format, written["certificate"]),
            signed.signature,
        )
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
    """Say whether the newest issue names what each peer has answered by now, and that no backup is left when none is."""
    said = read_certificate(certificate_text(node, deletion))
    return said.peers == _answers(node, deletion) and not _are_gone(node, said)


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


def _are_gone(node: Node, said: Certificate) -> bool:
    """Say whether the last backup that it says to be kept was removed since; that some were is no news."""
    if all(one.removed_at is not None for one in said.backups):
        return False
    now = _backups(node, said.deed, before=said.backups_before)
    return bool(now) and all(one.removed_at is not None for one in now)


def _backups(node: Node, deed: Deed, *, before: Micros) -> tuple[Backups, ...]:
    """Give the places of backups that may hold a study: made since it came, and before nothing was left of it."""
    if planted("backups-not-said"):
        return ()
    return tuple(
        Backups(place=one.place, there=one.there, last_at=one.last_at, removed_at=one.removed_at)
        for one in places_before(node.database, since=deed.received_from, before=before)
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


def _signed_bytes(format_: str, body: object) -> bytes:
    return format_.encode() + canonical_json(body).encode()
