"""One C-STORE after the other through everything behind the socket: checked, stored, answered, registered, read back.

``python -m tests.kit.intake FOLDER SEED COUNT KIND`` prints what is found.

A finding is a sentence about something that must never be. What is looked at:
the status is one that the page of statuses knows and never a defect; no case
takes long or more steps than its bytes allow; what was accepted lies in its pack
byte for byte, names itself by valid UIDs, opens in pydicom, and is registered.
"""

from __future__ import annotations

import hashlib
import logging
import resource
import signal
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from types import FrameType

import pydicom

from actors.ingest import Ingest
from node.dicom import header as header_module
from node.dicom.attributes import read_attributes
from node.dicom.frames import frame_of
from node.dicom.header import Header, scan
from node.dicom.json_model import to_json
from node.dicom.normal import normal_digest
from node.dicom.walk import Walk
from node.dimse.refusals import FILE, RefusalLog
from node.dimse.rules import Admitted
from node.dimse.store_scp import Answer, Caller, Session, StoreRequest
from node.errors import GridError
from node.names import Cause, is_uid
from node.node import Node
from tests.kit.actors import Failures
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.malformed import Case
from tests.kit.soundness import unsound

CPU_SECONDS = 5.0
REFUSALS = {0xA700, 0xA900, 0xC000}
SPECIFIC_CHARACTER_SET = 0x00080005
JPIP_DEFLATED = ("1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205")
ADMITTED = Admitted(rule="CT1@*", version=1, issuer="HIS", trust_issuer=False, department="radiology")


class TooLong(BaseException):
    """A case took more than its seconds of this processor; no `except Exception` may hide it."""


class Intake:
    """A node without processes that takes cases, and what was found wrong with how it took them."""

    def __init__(self, folder: Path, name: str = "alpha", *, calling: str = "CT1") -> None:
        self.node: Node = bare_node(folder, name, FrozenClock())
        self.findings: list[str] = []
        self.statuses: Counter[int] = Counter()
        self.accepted: list[Case] = []
        self.explained: Counter[str] = Counter()
        self.session = self._session(calling)

    def take(self, case: Case) -> int:
        """Give the status with which a case is answered."""
        try:
            with deadline(), steps() as taken:
                answer = store(self.session, case)
        except TooLong:
            self.findings.append(f"{case.name}: took more than {CPU_SECONDS} s")
            return -1
        if taken() > _most_steps(case):
            self.findings.append(f"{case.name}: {taken()} steps for {len(case.data_set)} bytes")
        self.statuses[answer.status] += 1
        if answer.status == 0:
            self.accepted.append(case)
        elif answer.status not in REFUSALS:
            self.findings.append(f"{case.name}: status 0x{answer.status:04X} {answer.comment}")
        elif not answer.comment:
            self.findings.append(f"{case.name}: refused without a word")
        return answer.status

    def finish(self) -> None:
        """Register what was taken, and look whether it is what came."""
        self.session.close()
        failures = Failures()
        actor = Ingest(failures, self.node)
        for _ in range(10_000):
            try:
                if actor.step() is None and not self.node.packs.landing():
                    break
            except GridError as error:
                self.findings.append(f"registering failed: {error!r}")
                break
        else:
            self.findings.append("packs stay in the landing")
        self._compare()
        for case in self.accepted:
            self.findings += [f"{case.name}: {what}" for what in disagreements(case)]
            self.explained[explained(scan(case.data_set, case.transfer_syntax))] += 1

    def close(self) -> None:
        self.node.bell.close()
        self.node.database.close()  # type: ignore[attr-defined]  # an adapter, not the port

    def problems(self, kind: str) -> int:
        """Count the problems of a kind that are shown."""
        (row,) = self.node.database.read("SELECT count(*) AS n FROM problem WHERE kind = ?", (kind,))
        return int(row["n"] or 0)

    def _session(self, calling: str) -> Session:
        return Session(
            Caller(calling=calling, called="ALPHA", address="10.0.0.7"),
            ADMITTED,
            node=self.node.id,
            packs=self.node.packs,
            clock=self.node.clock,
            cause=Cause("cause"),
            refusals=RefusalLog(self.node.state / "landing" / FILE, self.node.clock),
            stored=lambda: None,
        )

    def _compare(self) -> None:
        """Look that the packs hold what was accepted, byte for byte, and that each record is a row, a repeat or a problem."""
        packs = self.node.packs
        kept = [r for name in packs.names() for r in packs.marked(name, 0)]
        if Counter(record.digest for record in kept) != Counter(
            hashlib.sha256(case.data_set).hexdigest() for case in self.accepted
        ):
            self.findings.append("what lies in the packs is not what was accepted")
        sent = {hashlib.sha256(case.data_set).hexdigest(): case for case in self.accepted}
        for record in kept:
            case = sent[record.digest]
            if packs.read_data_set(record.location) != case.data_set:
                self.findings.append(f"{case.name}: reads back otherwise")
            if not all(map(is_uid, (record.sop_uid, record.sop_class, record.facts.study_uid))):
                self.findings.append(f"{case.name}: kept under what is no UID")
        (rows,) = self.node.database.read("SELECT count(*) AS n FROM instance")
        (repeated,) = self.node.database.read("SELECT sum(times) AS n FROM repeated")
        registered = int(rows["n"] or 0) + int(repeated["n"] or 0) + self.problems("unreadable-instance")
        if registered != len(self.accepted):
            self.findings.append(f"{len(self.accepted)} were accepted, {registered} came to the catalogue")


def store(session: Session, case: Case) -> Answer:
    """Give a session a case as an association does, piece by piece, and its answer."""
    request = StoreRequest(
        sop_class=case.sop_class, sop_uid=case.sop_uid, transfer_syntax=case.transfer_syntax
    )
    intake, left = session.intake(request), memoryview(case.data_set)
    while left:
        place = intake.place(len(left))
        place[:] = left[: len(place)]
        intake.filled(len(place))
        left = left[len(place) :]
    return session.finish(request, intake)


def disagreements(case: Case) -> list[str]:
    """Read an accepted data set with each reader behind the door, and with pydicom; give what is not as it must be."""
    header = scan(case.data_set, case.transfer_syntax)
    found = unsound(header)
    readers: tuple[Callable[[], object], ...] = (
        lambda: read_attributes(header),
        lambda: to_json(header, bulk=str),
        lambda: normal_digest(case.data_set, case.transfer_syntax),
        lambda: frame_of(header, 1),
    )
    for reader in readers:
        try:
            with deadline():
                reader()
        except GridError:
            continue
        except TooLong:
            found.append(f"reading took more than {CPU_SECONDS} s")
        except Exception as error:
            found.append(f"reading failed with {error!r}")
    return found if explained(header) else [*found, *_pydicom(case, set(header.elements))]


def explained(header: Header) -> str:
    """Say why pydicom opens an accepted data set otherwise or not at all; empty when it has no reason."""
    charset = header.elements.get(SPECIFIC_CHARACTER_SET)
    if header.transfer_syntax in JPIP_DEFLATED:
        return "pydicom does not know that this syntax is deflated (PS3.5 A.7, A.9)"
    if charset is not None and charset.vr not in ("", "CS"):
        return "pydicom reads the character set when it opens, and fails where its VR is a number's"
    if b"\0" in (header.value(SPECIFIC_CHARACTER_SET) or b"").rstrip(b"\0"):
        return "pydicom looks a codec up by what the character set says, and fails where that has a NUL"
    return ""


def _pydicom(case: Case, tags: set[int]) -> list[str]:
    """Open it with pydicom as the file that it would leave as."""
    from node.dicom.part10 import PREAMBLE, write_file_meta

    meta = write_file_meta(
        sop_class=case.sop_class, sop_uid=case.sop_uid, transfer_syntax=case.transfer_syntax
    )
    try:
        with warnings.catch_warnings(), deadline():
            warnings.simplefilter("ignore")
            theirs = pydicom.dcmread(BytesIO(PREAMBLE + meta + case.data_set))
    except Exception as error:
        return [f"pydicom cannot open it: {error!r}"]
    seen = set(map(int, theirs.keys()))
    seen -= {0} - tags  # zeros after the end read as (0000,0000) there
    return [] if seen == tags else [f"pydicom sees other elements: {sorted(map(hex, seen ^ tags))[:5]}"]


@contextmanager
def deadline(cpu_seconds: float = CPU_SECONDS) -> Iterator[None]:
    """Raise `TooLong` in this thread when it has used that much of the processor; what others use does not count."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def too_long(_signal: int, _frame: FrameType | None) -> None:
        raise TooLong

    before = signal.signal(signal.SIGPROF, too_long)
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@contextmanager
def steps() -> Iterator[Callable[[], int]]:
    """Count the elements and items that walks step over."""
    walks: list[Walk] = []

    class Counted(Walk):
        def __init__(self, *args: object, **options: object) -> None:
            super().__init__(*args, **options)  # type: ignore[arg-type]
            walks.append(self)

    header_module.Walk = Counted  # type: ignore[misc]
    try:
        yield lambda: sum(walk._count for walk in walks)
    finally:
        header_module.Walk = Walk  # type: ignore[misc]


def _most_steps(case: Case) -> int:
    """Two steps go over 8 bytes at least; two more for the end. Deflated bytes swell."""
    deflated = case.transfer_syntax.endswith(".99")
    return (header_module.MAX_INFLATED_BYTES if deflated else len(case.data_set)) // 4 + 2


def resident_bytes() -> int:
    """Give how much memory this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def main(arguments: list[str]) -> int:
    from tests.kit.malformed import cases

    logging.disable(logging.CRITICAL)
    intake = Intake(Path(arguments[0]))
    seed, count = map(int, arguments[1:3])
    for case in cases(count, seed=seed, kind=arguments[3]):
        intake.take(case)
    intake.finish()
    intake.close()
    print("\n".join(intake.findings))
    return 1 if intake.findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
