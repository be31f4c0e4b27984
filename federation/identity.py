"""The alliance's root: the one key that says who is in, kept offline under a passphrase.

Its file, ``alliance-root.json``, holds the founding statement in clear and the
private key locked. It belongs on a stick in a drawer: no node needs it to run.

Source: RFC 8032 (Ed25519), RFC 7914 (scrypt).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from federation.roster import Roster
from federation.statements import (
    Act,
    AllianceFounded,
    KeysRotated,
    NodeAdmitted,
    RosterStatement,
    SignedStatement,
    founding_key,
    signed_bytes,
    statement_body,
)
from node.canonical import canonical_json
from node.clock import Micros
from node.errors import Conflict, Damaged, InvalidRequest, NotFound
from node.keys.encoding import to_base64
from node.keys.locked import lock, unlock
from node.keys.private_files import folder_lock, make_private_folder, read_private, write_private
from node.keys.public import check_public_keys
from node.keys.signing import PRIVATE_BYTES, new_signing_key, sign, verify_key_of

NAME = "alliance-root.json"
FORMAT = "meridian-root/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """The alliance's signing key in use; let go of it when the statement is signed."""

    founding: SignedStatement
    private: bytes = field(repr=False)

    @property
    def public(self) -> str:
        """Base64 of the verify key that every node pins."""
        return verify_key_of(self.private)

    def sign(self, act: Act, *, roster: Roster, at: Micros) -> SignedStatement:
        """Sign the roster's next statement, if it makes sense there.

        Raises
        ------
        InvalidRequest
            It does not: an id taken, a revoked node, a mailbox that nobody keeps, keys that cannot be used.
        NotFound
            It is about a node that was never admitted.
        Conflict
            The roster is another alliance's.
        """
        if roster.root != self.public:
            raise Conflict("Signing a roster statement was refused: this root founded another alliance.")
        if isinstance(act, NodeAdmitted | KeysRotated):
            check_public_keys(act.keys)
        signed = self._signed(RosterStatement(n=roster.n + 1, previous=roster.digest, at=at, act=act))
        roster.extended(signed)
        return signed

    def _signed(self, statement: RosterStatement) -> SignedStatement:
        return _sign(self.private, statement)


@dataclass(frozen=True, slots=True, kw_only=True)
class _RootFile:
    format: str
    founding: SignedStatement
    locked: str


def found_alliance(directory: Path, passphrase: str, *, name: str, at: Micros) -> Root:
    """Draw the root of a new alliance and write its file into a folder of mode 0700.

    Raises
    ------
    Conflict
        The folder holds a root already.
    InvalidRequest
        The passphrase is short, or the alliance has no name.
    """
    if not name.strip():
        raise InvalidRequest(
            "Founding an alliance was refused: it has no name. Give one that people will read."
        )
    private = new_signing_key()
    act = AllianceFounded(name=name, root=verify_key_of(private))
    founding = _sign(private, RosterStatement(n=0, previous="", at=at, act=act))
    content = _RootFile(format=FORMAT, founding=founding, locked=lock(private, passphrase, purpose=FORMAT))
    make_private_folder(directory)
    with folder_lock(directory):
        if (directory / NAME).exists():
            raise Conflict(
                f"Founding an alliance was refused: {directory} holds a root. Choose another folder."
            )
        write_private(directory / NAME, canonical_json(msgspec.to_builtins(content)).encode())
    return Root(founding=founding, private=private)


def open_root(directory: Path, passphrase: str) -> Root:
    """Open the root for signing.

    Raises
    ------
    NotFound
        The folder holds none.
    Refused
        Wrong passphrase, or others may read the file.
    Damaged
        The file is not whole, or its two halves do not belong together.
    """
    try:
        content = msgspec.json.decode(read_private(directory / NAME), type=_RootFile)
    except NotFound as error:
        raise NotFound(
            f"Opening the root failed: {directory} holds none. Give the folder it was founded in."
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Damaged("Opening the root failed: its file is not whole. Take its copy.") from error
    if content.format != FORMAT:
        raise Damaged(
            f"Opening the root failed: format {content.format!r}. Install the version that wrote it."
        )
    private = unlock(content.locked, passphrase, purpose=FORMAT)
    if len(private) != PRIVATE_BYTES or founding_key(content.founding) != verify_key_of(private):
        raise Damaged("Opening the root failed: its key is not the one that founded. Take its copy.")
    return Root(founding=content.founding, private=private)


def _sign(private: bytes, statement: RosterStatement) -> SignedStatement:
    body = statement_body(statement)
    return SignedStatement(body=body, signature=to_base64(sign(private, signed_bytes(body))))
