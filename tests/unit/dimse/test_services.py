"""What counts as storage, held against the standard's own dictionary."""

from __future__ import annotations

from pydicom._uid_dict import UID_dictionary

from node.dimse.services import is_storage

SERVICES_CALLED_STORAGE = {"Storage Commitment", "Storage Service Class"}


def test_every_class_that_is_called_storage_is_kept_and_no_other() -> None:
    for uid, (name, kind, *_) in UID_dictionary.items():
        if kind not in ("SOP Class", "Meta SOP Class", "Service Class") or not name.strip():
            continue
        called = "Storage" in name and not any(other in name for other in SERVICES_CALLED_STORAGE)
        assert is_storage(uid) == called or name == " SOP Class", (uid, name)


def test_what_nobody_knows_is_kept() -> None:
    assert is_storage("2.25.7000")
    assert is_storage("1.2.840.10008.5.1.4.1.1.999.1")
    assert is_storage("1.2.840.113619.4.26")
