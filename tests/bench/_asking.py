"""A client that costs next to nothing: it asks by C-FIND and counts, without looking into data sets."""

from __future__ import annotations

import socket
import struct

from tests.kit.instances import Encoding
from tests.kit.raw_sender import RawSender

STUDY_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
EXPLICIT = "1.2.840.10008.1.2.1"
_PENDING = (0xFF00, 0xFF01)
Key = tuple[int, str, str]


class Asker(RawSender):
    """One association for C-FIND in the Study Root model."""

    def __init__(self, port: int, called: str) -> None:
        super().__init__(
            "127.0.0.1",
            port,
            calling="BENCH",
            called=called,
            contexts=[(STUDY_FIND, EXPLICIT)],
            timeout_s=120,
        )
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)

    def find(self, *keys: Key) -> int:
        """Ask, read every answer, and give how many there were."""
        encoding = Encoding()
        self.send_find((STUDY_FIND, EXPLICIT), b"".join(encoding.element(*key) for key in sorted(keys)))
        count = 0
        buffer, at = bytearray(), 0
        while True:
            while len(buffer) - at < 6 or len(buffer) - at < 6 + struct.unpack_from(">L", buffer, at + 2)[0]:
                if at > 1 << 20:
                    del buffer[:at]
                    at = 0
                more = self.socket.recv(1 << 18)
                if not more:
                    raise ConnectionError("the server hung up")
                buffer += more
            kind, length = struct.unpack_from(">BxL", buffer, at)
            assert kind == 4, f"PDU of type {kind}"
            end, at = at + 6 + length, at + 6
            while at < end:
                (size,) = struct.unpack_from(">L", buffer, at)
                if buffer[at + 5] & 1:
                    status = _status(buffer, at + 6, at + 4 + size)
                    if status not in _PENDING:
                        assert status == 0, f"status 0x{status:04X}"
                        return count
                    count += 1
                at += 4 + size


def _status(command: bytearray, at: int, end: int) -> int:
    while at < end:
        _, element, length = struct.unpack_from("<HHL", command, at)
        if element == 0x0900:
            return int.from_bytes(command[at + 8 : at + 10], "little")
        at += 8 + length
    raise AssertionError("a response without a status")
