"""A small storage SCP that keeps each instance as one file: what a PACS looks like to a sender.

For demonstrations and tests. It promises nothing that `node.store` promises, and
no device of a hospital sends here.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from node.names import is_uid

if TYPE_CHECKING:
    from pynetdicom import evt
    from pynetdicom.transport import ThreadedAssociationServer


class FileStore:
    """Listens once started; writes ``STUDY/SOPUID.dcm`` below its folder."""

    def __init__(self, directory: Path, *, aet: str, address: tuple[str, int]) -> None:
        self._directory = directory
        self._aet = aet
        self._address = address
        self._server: ThreadedAssociationServer | None = None

    def start(self) -> None:
        """Listen, in threads of its own."""
        from pynetdicom import AE, _config, evt
        from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import

        _config.UNRESTRICTED_STORAGE_SERVICE = True
        ae = AE(ae_title=self._aet)
        ae.add_supported_context(Verification)
        self._server = ae.start_server(
            self._address, block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)]
        )

    def stop(self) -> None:
        """Take no more."""
        if self._server is not None:
            self._server.shutdown()

    def _store(self, event: evt.Event) -> int:
        request: Any = event.request
        sop_uid = str(request.AffectedSOPInstanceUID)
        if not is_uid(sop_uid):
            return 0xC000
        path = self._directory / f"{sop_uid}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(f".{os.getpid()}.part")
        scratch.write_bytes(event.encoded_dataset())
        scratch.rename(path)
        return 0
