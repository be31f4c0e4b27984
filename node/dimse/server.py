"""The receiver: listens for devices and workstations.

For what they send it needs nothing but the packs and one rules file, and keeps
receiving while the database is down. The catalogue is opened, for reading
alone, when somebody first asks what is in it.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from node.bell import Bell
from node.catalogue.visibility import studies_of
from node.clock import Clock, new_id
from node.config import Config
from node.dimse import refusals, rules
from node.dimse.at_once import AtOnce
from node.dimse.barrier import CaughtUp, wait_for_index
from node.dimse.intake import Blocks
from node.dimse.places import Places
from node.dimse.reception import Reception
from node.dimse.refusals import RefusalLog
from node.dimse.rules import Refusal, RulesFile, admit
from node.dimse.store_scp import Caller, Session
from node.errors import Unavailable
from node.names import Cause, NodeId
from node.store.packs import Packs

if TYPE_CHECKING:
    import ssl

    from node.dimse.inquiry import Inquirer
    from node.node import Node

_LOOK_S = 0.05
_BACKLOG = 1024
_LOG = logging.getLogger(__name__)
_END_S = 5.0


class Receiver:
    """Serves the devices and workstations that the rules admit."""

    def __init__(
        self,
        config: Config,
        state: Path,
        *,
        packs: Packs,
        clock: Clock,
        bell: Bell | None = None,
        caught_up: CaughtUp | None = None,
        catalogue: Callable[[], Node] | None = None,
    ) -> None:
        """Set one up; `start` makes it listen.

        Parameters
        ----------
        state
            The state folder: ``landing/`` below it holds the rules, and takes what was refused.
        packs
            Recovered by whoever opened them, before `start`.
        bell
            Rung after each instance, for the index.
        caught_up
            Whether the index has registered a pack up to an offset; without it a release waits for nothing.
        catalogue
            Gives the node whose studies are found and retrieved; called when somebody first asks. Without it
            nobody finds anything.
        """
        landing = state / "landing"
        self.places = Places(config.dicom.max_associations)
        self.config = config
        self._packs = packs
        self._clock = clock
        self._bell = bell
        self._caught_up = caught_up
        self._catalogue = catalogue
        self._node: Node | None = None
        self._rules = RulesFile(landing / rules.FILE)
        self._refusals = RefusalLog(landing / refusals.FILE, clock)
        self._blocks = Blocks()
        self._at_once = AtOnce()
        self._listening: list[socket.socket] = []
        self._receptions: dict[Reception, threading.Thread] = {}
        self._lock = threading.Lock()

    @property
    def port(self) -> int:
        """The port it listens on; 0 before `start` and after `stop`."""
        return int(self._listening[0].getsockname()[1]) if self._listening else 0

    @property
    def tls_port(self) -> int:
        """The port it listens on with TLS; 0 when it does not."""
        return int(self._listening[1].getsockname()[1]) if len(self._listening) > 1 else 0

    def start(self) -> None:
        """Listen, in threads of its own.

        Raises
        ------
        Unavailable
            An address cannot be had.
        InvalidRequest
            What the configuration says of TLS cannot be used.
        """
        dicom = self.config.dicom
        tls = dicom_tls(self.config) if dicom.tls_port else None
        self._listening = [_listen_at(dicom.host, dicom.port, "port")]
        if tls is not None:
            self._listening.append(_listen_at(dicom.host, dicom.tls_port, "tls_port"))
        for listening, context in zip(self._listening, (None, tls), strict=False):
            threading.Thread(
                target=self._listen, args=(listening, context), name="receiver", daemon=True
            ).start()

    def stop(self, drain_s: float) -> None:
        """Take no more callers; let those that are here finish for a while, then abort them."""
        listening, self._listening = self._listening, []
        if not listening:
            return
        for each in listening:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        until = time.monotonic() + drain_s
        while self._here() and time.monotonic() < until:
            time.sleep(_LOOK_S)
        with self._lock:
            left = dict(self._receptions)
        for reception in left:
            reception.abort()
        for thread in left.values():
            thread.join(timeout=_END_S)

    def _here(self) -> bool:
        with self._lock:
            return bool(self._receptions)

    def _listen(self, listening: socket.socket, tls: ssl.SSLContext | None) -> None:
        """Take callers in until the socket is closed."""
        while listening in self._listening:
            try:
                peer, found = listening.accept()
            except OSError as error:
                if listening in self._listening:
                    _LOG.error("Taking a caller in failed (%s); going on.", error.strerror)
                    time.sleep(_LOOK_S)
                continue
            address = str(found[0])
            if not self.places.connect(address):
                peer.close()
                continue
            try:
                self._receive(peer, address, tls)
            except (OSError, RuntimeError) as error:  # no thread, or the peer is gone
                _LOG.error("Taking a caller in failed (%s); going on.", error)
                self.places.leave(address, associated=False)
                peer.close()

    def _receive(self, peer: socket.socket, address: str, tls: ssl.SSLContext | None) -> None:
        reception = Reception(self, peer, address, tls=tls)

        def run() -> None:
            try:
                reception.run()
            finally:
                with self._lock:
                    del self._receptions[reception]

        thread = threading.Thread(target=run, name=f"association-{address}", daemon=True)
        with self._lock:
            self._receptions[reception] = thread
        try:
            thread.start()
        except RuntimeError:
            with self._lock:
                del self._receptions[reception]
            raise

    def open_session(self, caller: Caller) -> Session | Refusal:
        """Decide about a caller by the rules, and write it down."""
        who = {
            "calling": caller.calling,
            "called": caller.called,
            "address": caller.address,
            "certificate": caller.certificate,
        }
        verdict = admit(self._rules.current(), **who)
        if isinstance(verdict, Refusal):
            self._refusals.association(verdict.why, **who, rule=verdict.rule, words=verdict.words)
            self._ring()
            return verdict
        self._refusals.association("seen", **who, rule=verdict.rule)
        return Session(
            caller,
            verdict,
            node=self.config.id,
            packs=self._packs,
            clock=self._clock,
            cause=Cause(new_id(self._clock)),
            refusals=self._refusals,
            stored=self._ring,
            blocks=self._blocks,
        )

    def refuse_handshake(self, address: str, reason: str) -> None:
        """Write down that TLS with a caller failed; a scanner that tries every second is counted, not repeated."""
        words = (
            f"TLS with {address} failed ({reason}). Compare its certificate and settings with this node's."
        )
        self._refusals.association("handshake", calling="", called="", address=address, words=words)
        self._ring()

    def take_place(self, session: Session) -> bool:
        """Turn a connection into an association; False when all places, or those of its device, are taken."""
        caller = session.caller
        if not self._at_once.enter(session.admitted, calling=caller.calling, address=caller.address):
            return False
        if self.places.associate(caller.address):
            return True
        self._at_once.leave(session.admitted, calling=caller.calling, address=caller.address)
        return False

    def leave(self, address: str, session: Session | None) -> None:
        """Give its place back, as a connection or as an association."""
        self.places.leave(address, associated=session is not None)
        if session is not None:
            self._at_once.leave(session.admitted, calling=session.caller.calling, address=address)

    def inquirer(self, session: Session) -> Inquirer:
        """Say what an association may see.

        Raises
        ------
        Unavailable
            The catalogue cannot be read now.
        """
        from node.dimse.inquiry import Inquirer
        from node.dimse.remotes import peek_charset

        with self._lock:
            if self._node is None:
                if self._catalogue is None:
                    raise Unavailable(
                        "Answering a query failed: there is no catalogue here. Ask the grid's node."
                    )
                self._node = self._catalogue()
        caller, admitted = session.caller, session.admitted
        return Inquirer(
            node=self._node,
            calling=caller.calling,
            called=caller.called,
            condition=studies_of(NodeId(admitted.origin or self.config.id)),
            charset=peek_charset(self._node.database, caller.calling),
            note=session.note_sent,
        )

    def released(self, session: Session) -> None:
        """End the session's packs, and wait until the index knows what is in them, for a while."""
        session.close()
        self._ring()
        if self._caught_up is not None:
            wait_for_index(session.reached, self._caught_up, at_most_s=self.config.dicom.release_barrier_s)

    def _ring(self) -> None:
        if self._bell is not None:
            self._bell.ring()


def dicom_tls(config: Config) -> ssl.SSLContext:
    """Give the TLS of the second port; its module is read only where there is one."""
    from node.dimse.tls import dicom_tls_context

    return dicom_tls_context(config)


def _listen_at(host: str, port: int, setting: str) -> socket.socket:
    try:
        return socket.create_server((host, port), family=_family(host), backlog=_BACKLOG)
    except OSError as error:
        raise Unavailable(
            f"Listening on {host}:{port} failed ({error.strerror})."
            f" Set another [dicom] {setting}, or stop what holds it."
        ) from error


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
