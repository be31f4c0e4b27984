"""The receiver: listens for devices, and needs nothing but the packs and one rules file.

It keeps receiving while the database is down. pynetdicom and pydicom come in
with `start`, since importing them takes half of this process's memory.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import sys
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

from node.bell import Bell
from node.clock import Clock, new_id
from node.config import Config
from node.dicom.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION
from node.dimse import refusals, rules
from node.dimse.barrier import CaughtUp, wait_for_index
from node.dimse.places import Places
from node.dimse.refusals import RefusalLog
from node.dimse.rules import Refusal, RulesFile, admit
from node.dimse.spool import Spool
from node.dimse.store_scp import Caller, Session
from node.errors import Unavailable
from node.names import Cause
from node.store.packs import Packs

if TYPE_CHECKING:
    from node.dimse.association import ReceivingAssociation, ReceivingServer

IDLE_S = 600.0
"""An association without a word is closed after this; an ultrasound keeps one open while a patient is examined."""
ASSOCIATE_S = 10.0
"""A connection that has not associated after this is closed."""
_M_ARENA_MAX = -8
_VERIFICATION = "1.2.840.10008.1.1"
_NO_LIMIT = 100_000
_LOOK_S = 0.05
_END_S = 5.0


class Receiver:
    """Takes C-ECHO and C-STORE from the devices that the rules admit."""

    def __init__(
        self,
        config: Config,
        state: Path,
        *,
        packs: Packs,
        clock: Clock,
        bell: Bell | None = None,
        caught_up: CaughtUp | None = None,
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
        """
        landing = state / "landing"
        self.places = Places(config.dicom.max_associations)
        self._config = config
        self._packs = packs
        self._spools = state / "packs"
        self._clock = clock
        self._bell = bell
        self._caught_up = caught_up
        self._rules = RulesFile(landing / rules.FILE)
        self._refusals = RefusalLog(landing / refusals.FILE, clock)
        self._server: ReceivingServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port it listens on; 0 before `start`."""
        return int(self._server.server_address[1]) if self._server is not None else 0

    def start(self) -> None:
        """Listen, in threads of its own.

        Raises
        ------
        Unavailable
            The address cannot be had.
        """
        dicom = self._config.dicom
        try:
            self._server = _listen(self, (dicom.host, dicom.port), aet=self._config.aet)
        except OSError as error:
            raise Unavailable(
                f"Listening on {dicom.host}:{dicom.port} failed ({error.strerror})."
                " Set another [dicom] port, or stop what holds it."
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="receiver", daemon=True)
        self._thread.start()

    def stop(self, drain_s: float) -> None:
        """Take no more callers; let those that are here finish for a while, then abort them."""
        server, self._server = self._server, None
        if server is None:
            return
        server.shutdown()
        until = time.monotonic() + drain_s
        while (left := server.active_associations) and time.monotonic() < until:
            time.sleep(_LOOK_S)
        for association in left:
            if association.is_established:
                association.abort(block=False)
        time.sleep(_LOOK_S if left else 0)
        for association in left:
            cast("ReceivingAssociation", association).hang_up()
        for association in left:
            association.join(timeout=_END_S)

    def open_session(self, caller: Caller) -> Session | Refusal:
        """Decide about a caller by the rules, and write it down."""
        who = {"calling": caller.calling, "called": caller.called, "address": caller.address}
        verdict = admit(self._rules.current(), **who)
        if isinstance(verdict, Refusal):
            self._refusals.association(verdict.why, **who, rule=verdict.rule, words=verdict.words)
            self._ring()
            return verdict
        self._refusals.association("seen", **who, rule=verdict.rule)
        return Session(
            caller,
            verdict,
            node=self._config.id,
            packs=self._packs,
            clock=self._clock,
            cause=Cause(new_id(self._clock)),
            refusals=self._refusals,
            stored=self._ring,
        )

    def new_spool(self) -> Spool:
        """Give something to take a data set in."""
        return Spool(self._spools, self._packs.check_room)

    def released(self, session: Session) -> None:
        """End the session's packs, and wait until the index knows what is in them, for a while."""
        session.close()
        self._ring()
        if self._caught_up is not None:
            wait_for_index(session.reached, self._caught_up, at_most_s=self._config.dicom.release_barrier_s)

    def _ring(self) -> None:
        if self._bell is not None:
            self._bell.ring()


def stay_small() -> None:
    """Import pynetdicom without NumPy and Pillow, and give back what importing took: 52 MB in place of 95.

    Only for a process that receives and does nothing else: pydicom decodes no pixels in it afterwards. Two arenas
    keep the memory of many associations from being held in as many places.
    """
    kept_out = [name for name in ("numpy", "PIL") if name not in sys.modules]
    for name in kept_out:
        sys.modules[name] = None  # type: ignore[assignment]  # import then fails, as if it were not installed
    try:
        import pynetdicom  # noqa: F401
    finally:
        for name in kept_out:
            del sys.modules[name]
    gc.collect()
    libc = ctypes.CDLL(None)
    with suppress(AttributeError):  # not every C library has these
        libc.mallopt(_M_ARENA_MAX, 2)
        libc.malloc_trim(0)


def _listen(receiver: Receiver, address: tuple[str, int], *, aet: str) -> ReceivingServer:
    """Make pynetdicom's server, set for storage of everything.

    Source: DICOM PS3.4 B (Storage), A (Verification); unknown SOP classes are stored as PS3.4 B.4.1 allows.
    """
    from pynetdicom import AE, _config, evt, sop_class

    from node.dimse.association import ReceivingHandler, ReceivingServer, on_acse, on_store

    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # what peers do wrong is no error of ours
    _config.UNRESTRICTED_STORAGE_SERVICE = True
    # Taken in, so that what has no study is refused with words and on the list, not by a context that nobody sees.
    sop_class._STORAGE_CLASSES.update(sop_class._NON_PATIENT_OBJECT_CLASSES)
    sop_class._STORAGE_CLASSES.update(sop_class._MEDIA_STORAGE_CLASSES)
    _config.LOG_HANDLER_LEVEL = "none"
    # A command's UID that is too long would abort the association; the data set's is checked, and refused with words.
    _config.VALIDATORS["UI"] = lambda _: (True, "")
    warnings.filterwarnings("ignore", module="pydicom.valuerep")
    ae = AE(ae_title=aet)
    ae.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    ae.implementation_version_name = IMPLEMENTATION_VERSION
    ae.add_supported_context(_VERIFICATION)
    ae.maximum_associations = _NO_LIMIT  # its own count takes in connections that have not associated
    ae.acse_timeout = ASSOCIATE_S
    ae.network_timeout = IDLE_S
    server = cast(
        "ReceivingServer",
        ae.make_server(
            address,
            evt_handlers=[(evt.EVT_C_STORE, on_store), (evt.EVT_ACSE_RECV, on_acse)],
            server_class=ReceivingServer,
            request_handler=ReceivingHandler,
        ),
    )
    server.desk = receiver
    ae._servers.append(server)
    return server
