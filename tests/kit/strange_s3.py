"""A server that speaks as much of S3 as a store asks for, and answers as no honest one does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from node.archive.stores.port import MARKER

_ERROR = b"<Error><Code>%s</Code><Message>No.</Message></Error>"
"""Source: Amazon S3 API, REST error responses."""


@contextmanager
def strange_s3(store: str, habit: str) -> Iterator[str]:
    """Give the endpoint of a server that has the marker of a store, and one of these habits.

    ``short``: says of each object that it has one byte less. ``full``, ``failing``: answers 507 or 500 to what is put.
    ``cold``: has each object, and gives none before it is restored. ``unclassed``: knows no storage class.
    ``silent``: takes what is put, and says nothing. ``cut``: says of each object that it has 100 bytes, then that it ends at 60.
    """
    sizes: dict[str, int] = {}
    done = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            sizes[self.path] = len(content)
            if habit == "silent":
                done.wait(60)
                self.close_connection = True
                return
            if habit == "unclassed" and "x-amz-storage-class" in self.headers:
                self._answer(400, _ERROR % b"InvalidStorageClass")
                return
            self._answer({"full": 507, "failing": 500}.get(habit, 200))

        def do_HEAD(self) -> None:
            if habit in ("cut", "cold"):
                self._answer(200, size=100)
            elif self.path in sizes:
                self._answer(200, size=sizes[self.path] - (habit == "short"))
            else:
                self._answer(404)

        def do_GET(self) -> None:
            if self.path.endswith(MARKER):
                self._answer(200, f"{store}\n".encode())
            elif habit == "cut":
                self._answer(206, bytes(60), {"Content-Range": "bytes 0-59/60"})
            elif habit == "cold":
                self._answer(403, _ERROR % b"InvalidObjectState")
            else:
                self._answer(404)

        def _answer(
            self, status: int, content: bytes = b"", headers: dict[str, str] | None = None, *, size: int = 0
        ) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content) or size))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("ETag", '"0"')
            self.send_header("Last-Modified", "Mon, 02 Mar 2026 04:00:00 GMT")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, name="strange-s3", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        done.set()
        server.shutdown()
        server.server_close()
        thread.join()
