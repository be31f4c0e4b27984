from __future__ import annotations

import subprocess
import sys

import grpc
import pytest

from federation.transport.errors import error_of, status_of
from node.errors import (
    Conflict,
    Damaged,
    Defect,
    GridError,
    InvalidRequest,
    NotFound,
    Refused,
    Unauthenticated,
    Unavailable,
)
from node.names import NodeId

CENTRE = NodeId("centre")


class Failed(grpc.RpcError):
    """What a call raises."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__()
        self._code, self._details = code, details

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details


@pytest.mark.parametrize(
    "kind", [InvalidRequest, NotFound, Conflict, Refused, Unauthenticated, Damaged, Unavailable]
)
def test_an_error_comes_back_as_it_was_sent(kind: type[GridError]) -> None:
    sent = kind("Reading blob 7 failed: it is not here. Ask its sender for it again.")
    came = error_of(Failed(status_of(sent), sent.message), CENTRE)
    assert type(came) is kind
    assert came.message == sent.message


@pytest.mark.parametrize("code", list(grpc.StatusCode), ids=str)
def test_no_status_of_a_peer_is_our_defect(code: grpc.StatusCode) -> None:
    came = error_of(Failed(code, ""), CENTRE)
    assert not isinstance(came, Defect)
    assert came.message


def test_certificates_that_do_not_match_are_said_in_plain_words() -> None:
    came = error_of(Failed(grpc.StatusCode.UNAVAILABLE, "Ssl handshake failed: CERTIFICATE_VERIFY"), CENTRE)
    assert "certificates do not match the roster" in came.message


def test_the_committed_code_is_taken_by_this_runtime_without_a_warning() -> None:
    command = [sys.executable, "-W", "error", "-c", "import federation.transport.wire.mailbox_pb2"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
