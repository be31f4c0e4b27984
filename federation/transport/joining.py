"""The second listener, for who is not in the roster yet: one call, no client certificate, open while an invitation is.

Carries bytes both ways; what they mean and whether to answer is `federation.joining`'s.
"""

from __future__ import annotations

import logging
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor

import grpc

from federation.invitation import SEALED_LIMIT_BYTES, read_answer, read_code
from federation.invitation import JoinAnswer as Answer
from federation.joining import invitation_open, take_request
from federation.transport.errors import error_of, status_of
from federation.transport.names import JOINING
from node.config import AllianceSection
from node.errors import GridError, Refused, Unavailable
from node.keys.certificates import certificate_digest
from node.names import NodeId
from node.node import Node

CALL_S = 20.0
WORKERS = 2
CALLS_LIMIT = 8
_OPTIONS: list[tuple[str, str | int]] = [
    ("grpc.max_receive_message_length", SEALED_LIMIT_BYTES + 1024),
    ("grpc.so_reuseport", 0),
]
_log = logging.getLogger(__name__)


def join_address(alliance: AllianceSection) -> str:
    """Give ``host:port`` of the listener for newcomers."""
    return f"{alliance.host}:{alliance.join_port or alliance.port + 1}"


class JoinDoor:
    """The listener, opened and shut as invitations come and go."""

    def __init__(self, node: Node, *, address: str) -> None:
        self._node = node
        self._address = address
        self._server: grpc.Server | None = None

    @property
    def is_open(self) -> bool:
        return self._server is not None

    def look(self) -> None:
        """Open while an invitation is open, shut otherwise; call it from one thread, at every ring.

        Raises
        ------
        Unavailable
            The address cannot be listened at.
        """
        wanted = invitation_open(self._node.database, self._node.now())
        if wanted and self._server is None:
            self._server = self._listening()
            _log.info("the door for newcomers is open at %s", self._address)
        elif not wanted:
            self.close()

    def close(self) -> None:
        """Shut it."""
        server, self._server = self._server, None
        if server is not None:
            server.stop(1.0).wait()
            _log.info("the door for newcomers is shut")

    def _listening(self) -> grpc.Server:
        server = grpc.server(
            ThreadPoolExecutor(WORKERS, thread_name_prefix="door"),
            options=_OPTIONS,
            maximum_concurrent_rpcs=CALLS_LIMIT,
        )
        ask_ = grpc.unary_unary_rpc_method_handler(self._ask, None, None)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(JOINING, {"Ask": ask_}),))
        keys = self._node.keys
        credentials = grpc.ssl_server_credentials([(keys.tls_key, keys.tls_certificate)])
        try:
            server.add_secure_port(self._address, credentials)
        except RuntimeError as error:
            raise Unavailable(
                f"Opening the door for newcomers at {self._address} failed: the address is taken. Set [alliance]"
                " join_port in meridian.toml."
            ) from error
        server.start()
        return server

    def _ask(self, sealed: bytes, context: grpc.ServicerContext) -> bytes:
        try:
            return take_request(self._node, sealed)
        except GridError as error:
            context.abort(status_of(error), error.message)


def ask_to_join(code: str, sealed: bytes) -> Answer:
    """Send a sealed request to who made the invitation, and open the answer; repeat it until it is admitted.

    Raises
    ------
    Refused
        Another certificate is shown there than the code says, or the invitation does not count any more.
    Unavailable
        Nobody listens there now.
    """
    invitation = read_code(code)
    certificate = _shown_certificate(invitation.address)
    if certificate_digest(certificate) != invitation.certificate:
        raise Refused(
            f"Asking to join was refused: {invitation.address} shows another certificate than the invitation says."
            " Somebody is between, or the code is old; ask for a new one."
        )
    credentials = grpc.ssl_channel_credentials(root_certificates=certificate.encode("ascii"))
    # Whose it is was checked by digest; the name that any node's certificate carries serves for TLS.
    options = [("grpc.ssl_target_name_override", "localhost")]
    with grpc.secure_channel(invitation.address, credentials, options=options) as channel:
        call = channel.unary_unary(f"/{JOINING}/Ask", request_serializer=None, response_deserializer=None)
        try:
            answer = call(sealed, timeout=CALL_S)
        except grpc.RpcError as error:
            raise error_of(error, NodeId(invitation.address)) from error
    return read_answer(code, answer)


def _shown_certificate(address: str) -> str:
    """Give the PEM certificate that a listener shows, believing nothing of it yet."""
    host, _, port = address.rpartition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    try:
        with (
            socket.create_connection((host.strip("[]"), int(port)), timeout=CALL_S) as plain,
            context.wrap_socket(plain) as secured,
        ):
            shown = secured.getpeercert(binary_form=True) or b""
    except (OSError, ValueError) as error:
        raise Unavailable(
            f"Asking to join failed: nobody answers at {address}. Ask whether the invitation is still open, then try"
            " again."
        ) from error
    return ssl.DER_cert_to_PEM_cert(shown)
