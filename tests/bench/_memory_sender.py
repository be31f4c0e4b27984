"""A sender that costs next to nothing while it sends: every message lies ready in memory, one ``sendall`` each.

``python -m tests.bench._memory_sender HOST PORT AET FILE...`` says ``ready``, and sends when it reads a line.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from tests.kit.raw_sender import Context, FileParts, RawSender, read_file


class Tape:
    """Stands where a sender's socket was, and keeps what would have been sent."""

    def __init__(self) -> None:
        self.taken = bytearray()

    def sendall(self, piece: bytes) -> None:
        self.taken += piece


def contexts_of(files: Sequence[FileParts]) -> list[Context]:
    """Give what must be negotiated for files."""
    return list(dict.fromkeys((file.sop_class, file.transfer_syntax) for file in files))


def recorded(sender: RawSender, files: Sequence[FileParts]) -> list[bytearray]:
    """Give the messages of files as this sender would send them: its contexts, the longest PDU its peer takes."""
    real, messages = sender.socket, []
    try:
        for file in files:
            tape = Tape()
            sender.socket = cast(socket.socket, tape)
            sender.send_store(
                sop_class=file.sop_class,
                sop_uid=file.sop_uid,
                transfer_syntax=file.transfer_syntax,
                data_set=file.data_set,
            )
            messages.append(tape.taken)
    finally:
        sender.socket = real
    return messages


def main(arguments: list[str]) -> int:
    """Send files; 0 when every one was stored."""
    host, port, aet = arguments[0], int(arguments[1]), arguments[2]
    files = [read_file(Path(name)) for name in arguments[3:]]
    contexts = contexts_of(files)
    with RawSender(host, port, called=aet, contexts=contexts) as sender:
        messages = recorded(sender, files)
        sender.release()
    print("ready", flush=True)
    sys.stdin.readline()
    with RawSender(host, port, called=aet, contexts=contexts) as sender:
        for message in messages:
            sender.socket.sendall(message)
            answer = sender.answer()
            if answer.status:
                print(f"{answer.status:04X} {answer.comment}", file=sys.stderr)
                return 1
        sender.release()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
