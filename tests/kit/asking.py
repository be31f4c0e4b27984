"""A client that asks by C-FIND with whatever bytes, and gives the answers' bytes."""

from __future__ import annotations

import struct

from tests.kit.instances import EXPLICIT
from tests.kit.raw_sender import RawSender

STUDY_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
PATIENT_FIND = "1.2.840.10008.5.1.4.1.2.1.1"


class Asking(RawSender):
    """One association for C-FIND."""

    def __init__(
        self,
        port: int,
        *,
        called: str = "ALPHA",
        calling: str = "ASKER",
        model: str = STUDY_FIND,
        syntax: str = EXPLICIT,
    ) -> None:
        super().__init__("127.0.0.1", port, calling=calling, called=called, contexts=[(model, syntax)])
        self._context = (model, syntax)
        self.last = (-1, "")
        """Status and comment of the last final answer."""

    def find(self, identifier: bytes) -> list[tuple[int, bytes]]:
        """Ask; give status and identifier of each answer but the final one."""
        self.send_find(self._context, identifier)
        answers: list[tuple[int, bytes]] = []
        pending = -1
        command, content = b"", b""
        while True:
            for control, piece in self.fragments():
                if control & 1:
                    command += piece
                else:
                    content += piece
                if control == 3:
                    elements, command = self.elements(command), b""
                    (status,) = struct.unpack("<H", elements[0x0900])
                    if status not in (0xFF00, 0xFF01):
                        self.last = (status, elements.get(0x0902, b"").decode("latin-1").strip(" \0"))
                        return answers
                    pending = status
                elif control == 2:
                    answers.append((pending, content))
                    content = b""
