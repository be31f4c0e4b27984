"""Errors on the wire, both ways: ours to a gRPC status, and back.

A peer's failure is never our defect: what it could not say better is `Unavailable` here.
"""

from __future__ import annotations

import grpc

from node.errors import (
    Conflict,
    Damaged,
    GridError,
    InvalidRequest,
    NotFound,
    Refused,
    Unauthenticated,
    Unavailable,
)
from node.names import NodeId

_CLASSES: dict[grpc.StatusCode, type[GridError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ABORTED: Conflict,
    grpc.StatusCode.PERMISSION_DENIED: Refused,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.DATA_LOSS: Damaged,
}


def status_of(error: GridError) -> grpc.StatusCode:
    """Give the status that says an error of ours."""
    return getattr(grpc.StatusCode, error.grpc, grpc.StatusCode.INTERNAL)


def error_of(error: grpc.RpcError, host: NodeId) -> GridError:
    """Read a failed call as an error of ours, in plain words.

    Source: gRPC status codes, https://grpc.github.io/grpc/core/md_doc_statuscodes.html.
    """
    code, details = error.code(), error.details() or ""
    if code in _CLASSES:
        return _CLASSES[code](details or f"Calling {host} was refused without a reason ({code.name}).")
    if code is grpc.StatusCode.UNAVAILABLE and details.startswith(_OURS):
        return Unavailable(details)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Unavailable(f"Reaching {host} failed: it did not answer in time. It is tried again.")
    if "handshake" in details.lower() or "certificate" in details.lower():
        return Unavailable(
            f"Reaching {host} failed: the certificates do not match the roster. It is tried again; if this stays,"
            " compare the rosters of both nodes."
        )
    return Unavailable(f"Reaching {host} failed: no connection ({code.name.lower()}). It is tried again.")


_OURS = ("Leaving", "Offering", "Sending", "Reading", "Writing", "Keeping")
"""How messages of our own begin when a host says not now."""
