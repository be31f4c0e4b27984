"""An invitation code, and the two sealed texts that pass under it before a node is in the roster.

Mutual TLS shuts a stranger out, so its request comes over TLS without a client
certificate, sealed under keys derived from the code's secret. The secret keeps
strangers away; it does not prove who asks. That is what comparing the fingerprint
is for: both people read the same digits, made from the root's key, the host's, and all that the newcomer asked with.

The code: ``meridian1-`` and base32 (RFC 4648 6, lower case, no padding, a hyphen
every eight) of secret (20 bytes), certificate digest (32), address (UTF-8), and the
first 4 bytes of the SHA-256 of all before. Case, hyphens and blanks do not matter.
"""

from __future__ import annotations

import base64
import re
import secrets
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from federation.statements import SignedStatement
from node.canonical import canonical_json, digest_of
from node.errors import Damaged, InvalidRequest
from node.keys.aead import NONCE_BYTES, decrypt, encrypt, new_nonce
from node.keys.derivation import derive_key
from node.keys.encoding import from_base64, to_base64
from node.keys.public import PublicKeys, check_public_keys
from node.keys.signing import verify
from node.keys.store import KeyStore
from node.keys.words import fingerprint_words
from node.names import Digest, NodeId, node_id

MARK = "meridian1-"
PREFIX = b"meridian-join/1"
"""What the request's signature covers begins with this."""
VERSION = 1
SECRET_BYTES = 20
SEALED_LIMIT_BYTES = 256 << 10
_DIGEST_BYTES = 32
_SUM_BYTES = 4
_ADDRESS = re.compile(r"[^\s:]+:[0-9]{1,5}|\[[0-9a-fA-F:.]+\]:[0-9]{1,5}")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """What a code holds."""

    address: str
    """``host:port`` of the listener that takes the request."""
    certificate: Digest
    """SHA-256 of the DER certificate that it must show."""
    secret: bytes = field(repr=False)

    @property
    def locator(self) -> Digest:
        """Names the invitation without giving its secret away."""
        return digest_of(derive_key(self.secret, "meridian-join/1|locator"))

    @property
    def join_key(self) -> bytes:
        """From which both sealing keys come; what the host keeps in place of the secret."""
        return derive_key(self.secret, "meridian-join/1|key")

    @property
    def code(self) -> str:
        """What a person sends to the hospital that is invited."""
        content = self.secret + bytes.fromhex(self.certificate) + self.address.encode()
        content += bytes.fromhex(digest_of(content))[:_SUM_BYTES]
        text = base64.b32encode(content).decode("ascii").rstrip("=").lower()
        return MARK + "-".join(text[at : at + 8] for at in range(0, len(text), 8))


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinRequest:
    """A node asks to be admitted with these keys."""

    node: NodeId
    name: str
    keys: PublicKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinAnswer:
    """What the host says to a request, each time it comes."""

    state: str
    """``requested``, ``admitted`` or ``refused``."""
    host: NodeId
    host_verify_key: str
    statements: tuple[SignedStatement, ...]
    """The founding alone until the node is admitted; then the whole roster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sealed:
    v: int
    locator: str
    nonce: str
    sealed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _SignedRequest:
    request: JoinRequest
    signature: str


def new_invitation(address: str, certificate: Digest) -> Invitation:
    """Draw an invitation to a listener.

    Raises
    ------
    InvalidRequest
        The address is not ``host:port``.
    """
    if not _ADDRESS.fullmatch(address):
        raise InvalidRequest(
            f"Inviting was refused: {address!r} is not host:port. Give what the other can dial."
        )
    return Invitation(address=address, certificate=certificate, secret=secrets.token_bytes(SECRET_BYTES))


def read_code(code: str) -> Invitation:
    """Read a code as a person pasted or typed it.

    Raises
    ------
    InvalidRequest
        It is not one, or a character is wrong or missing.
    """
    text = "".join(code.split()).lower()
    letters = text.removeprefix(MARK).replace("-", "").upper()
    wrong = "Reading the invitation code was refused: a part is missing or wrong. Copy the whole code again."
    if not text.startswith(MARK):
        raise InvalidRequest(wrong)
    try:
        content = base64.b32decode(letters + "=" * (-len(letters) % 8))
    except ValueError as error:
        raise InvalidRequest(wrong) from error
    content, sum_ = content[:-_SUM_BYTES], content[-_SUM_BYTES:]
    fixed = SECRET_BYTES + _DIGEST_BYTES
    if len(content) <= fixed or bytes.fromhex(digest_of(content))[:_SUM_BYTES] != sum_:
        raise InvalidRequest(wrong)
    return Invitation(
        secret=content[:SECRET_BYTES],
        certificate=Digest(content[SECRET_BYTES:fixed].hex()),
        address=content[fixed:].decode("utf-8", "replace"),
    )


def join_request(keys: KeyStore, code: str, *, name: str) -> bytes:
    """Give the sealed request of a node; repeat it as often as needed, each answer says how things stand.

    Raises
    ------
    InvalidRequest
        The code or the name is not one.
    """
    invitation = read_code(code)
    if not name.strip():
        raise InvalidRequest("Asking to join was refused: the hospital has no name. Write [node] name.")
    request = JoinRequest(node=keys.node, name=name, keys=keys.public_keys)
    signature = to_base64(keys.sign(_signed_bytes(request, invitation.locator)))
    said = _SignedRequest(request=request, signature=signature)
    return _seal(invitation.join_key, invitation.locator, "request", said)


def locator_of(sealed: bytes) -> Digest:
    """Give the name of the invitation that a sealed text belongs to.

    Raises
    ------
    InvalidRequest
        The bytes are not such a text.
    """
    return Digest(_parse(sealed).locator)


def read_join_request(sealed: bytes, join_key: bytes) -> JoinRequest:
    """Open a request and check all that it says of itself.

    Raises
    ------
    Damaged
        It was not sealed under this invitation, or its node did not sign it.
    InvalidRequest
        Its id, name or keys are not ones that could be admitted.
    """
    said = _open(join_key, "request", sealed, _SignedRequest)
    request = said.request
    node_id(request.node)
    check_public_keys(request.keys)
    if not request.name.strip() or len(request.name) > 200:
        raise InvalidRequest(
            f"Joining by {request.node} was refused: its name is empty or over 200 characters."
        )
    verify(request.keys.verify_key, _signed_bytes(request, locator_of(sealed)), said.signature)
    return request


def seal_answer(join_key: bytes, locator: Digest, answer: JoinAnswer) -> bytes:
    """Seal what the host says to a request."""
    return _seal(join_key, locator, "answer", answer)


def read_answer(code: str, sealed: bytes) -> JoinAnswer:
    """Open the host's answer.

    Raises
    ------
    Damaged
        It does not come from who made the invitation.
    """
    return _open(read_code(code).join_key, "answer", sealed, JoinAnswer)


def join_words(root: str, host: str, request: JoinRequest) -> str:
    """Give the fingerprint that both people compare: the same digits on both sides, or somebody is between.

    ``root`` and ``host`` are verify keys; all else the root's statements vouch for.
    """
    said = {
        "v": VERSION,
        "root": root,
        "host": host,
        "request": msgspec.to_builtins(request),
    }
    return fingerprint_words(PREFIX + canonical_json(said).encode())


def _signed_bytes(request: JoinRequest, locator: Digest) -> bytes:
    return PREFIX + locator.encode() + canonical_json(msgspec.to_builtins(request)).encode()


def _seal(join_key: bytes, locator: Digest, way: str, said: JoinAnswer | _SignedRequest) -> bytes:
    nonce = new_nonce()
    content = canonical_json(msgspec.to_builtins(said)).encode()
    ciphertext = encrypt(_way_key(join_key, way), content, nonce=nonce, aad=locator.encode())
    text = _Sealed(v=VERSION, locator=locator, nonce=to_base64(nonce), sealed=to_base64(ciphertext))
    return canonical_json(msgspec.to_builtins(text)).encode()


def _open(join_key: bytes, way: str, sealed: bytes, shape: type[T]) -> T:
    text = _parse(sealed)
    nonce, ciphertext = from_base64(text.nonce, size_bytes=NONCE_BYTES), from_base64(text.sealed)
    content = decrypt(_way_key(join_key, way), ciphertext, nonce=nonce, aad=text.locator.encode())
    try:
        return msgspec.json.decode(content, type=shape)
    except msgspec.DecodeError as error:
        raise Damaged(
            f"Reading a join {way} failed ({error}): both nodes must run the same version."
        ) from error


def _parse(sealed: bytes) -> _Sealed:
    try:
        if len(sealed) > SEALED_LIMIT_BYTES:
            raise InvalidRequest("Reading a join text was refused: it is too long.")
        text = msgspec.json.decode(sealed, type=_Sealed)
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"Reading a join text was refused ({error}): copy the code again.") from error
    if text.v != VERSION or not re.fullmatch(r"[0-9a-f]{64}", text.locator):
        raise InvalidRequest("Reading a join text was refused: another version wrote it. Update both nodes.")
    return text


def _way_key(join_key: bytes, way: str) -> bytes:
    return derive_key(join_key, f"meridian-join/1|{way}")
