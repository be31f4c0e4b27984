"""gRPC over mutual TLS, the hosting side: who calls is who the certificate says, asked at every call.

The trust list is the roster as it stands at each handshake, so admissions need no
restart; a revoked caller is refused at its next call on a connection it still has.
One asyncio thread serves every open `Collect`, however many peers listen; what
touches the database or a file runs in a few worker threads.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import ParamSpec, TypeVar

import grpc
import grpc.aio

from federation.hosting import Hosting
from federation.roster import Roster
from federation.transport.errors import status_of
from federation.transport.grpcio import OPTIONS
from federation.transport.names import BLOB, MAILBOX, OFFSET
from federation.transport.port import BlobOffer, Delivery
from federation.transport.wire import mailbox_pb2 as wire
from node.database.port import integer, text
from node.errors import GridError, InvalidRequest, Unauthenticated, Unavailable
from node.keys.certificates import certificate_digest
from node.names import Digest, NodeId

WORKERS = 8
CALLS_LIMIT = 500
"""Calls in flight; above it a caller is told to come again."""
LOOK_S = 5.0
"""A bell may be lost; look for new mail by yourself this often."""
STOP_S = 2.0
P = ParamSpec("P")
T = TypeVar("T")
Context = grpc.aio.ServicerContext
