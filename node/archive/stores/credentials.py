"""Credentials of an object store: a file of mode 0600 in the node's key folder, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from node.canonical import canonical_json
from node.errors import Damaged, NotFound
from node.keys.private_files import folder_lock, make_private_folder, read_private, write_private

_FOLDER = "stores"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What ``stores/NAME.json`` says."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)


def keep_credentials(keys_folder: Path, name: str, credentials: Credentials) -> None:
    """Write them, whole, in place of what was there."""
    folder = keys_folder / _FOLDER
    make_private_folder(keys_folder)
    make_private_folder(folder)
    with folder_lock(folder):
        content = canonical_json(msgspec.to_builtins(credentials))
        write_private(folder / f"{name}.json", content.encode())


def read_credentials(keys_folder: Path, name: str) -> Credentials:
    """Read them.

    Raises
    ------
    NotFound
        There are none yet.
    Refused
        Others may read the file or enter its folder.
    Damaged
        It is not what it must be.
    """
    try:
        content = read_private(keys_folder / _FOLDER / f"{name}.json")
    except NotFound as error:
        raise NotFound(
            f"Reading the credentials of archive store {name!r} failed: there is no {_FOLDER}/{name}.json in the key"
            " folder. Write it, with mode 0600."
        ) from error
    try:
        return msgspec.json.decode(content, type=Credentials)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Damaged(
            f"Reading the credentials of archive store {name!r} failed: {_FOLDER}/{name}.json is not JSON with"
            " access_key_id and secret_access_key. Write it again."
        ) from error
