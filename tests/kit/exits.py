"""Every way out of a node: what each gives of one study, asked as people, programs and other PACS ask.

An exit says which routes, DIMSE commands and modules it goes through; `tests/architecture/test_exits_named.py` finds
what no exit here goes through, so that a new way out is asked too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from pydicom import Dataset, dcmread
from pynetdicom import AE, build_role, evt
from pynetdicom.events import Event

from node.catalogue.exits import corrected_file, file_pieces
from node.catalogue.search import instances_of
from node.dicom.attributes import read_attributes
from node.dicom.header import scan
from node.dicom.part10 import read_part10
from node.dimse.calling import called
from node.dimse.outgoing import outgoing_of
from node.dimse.remotes import peek_remote
from node.dimse.rules import EVERY_ORIGIN
from node.dimse.store_scu import Sent, store
from node.names import StudyKey, StudyUID
from node.store.regions import read_pieces
from tests.kit.http import Visitor
from tests.kit.instances import CT_IMAGE, EXPLICIT, IMPLICIT, make_ct, part10
from tests.kit.parts import parts_of
from tests.kit.receiving import config_for, receiving
from tests.kit.receiving import rule as any_rule
from tests.kit.shelf import add_destination, dcmtk, publish
from tests.kit.site import Site
from tests.kit.storescp import StoreScp, storescp

PATIENT_ID = "00100020"
STUDY_GET = "1.2.840.10008.5.1.4.1.2.2.3"
MULTIPART = 'multipart/related; type="{}"'
FILES = MULTIPART.format("application/dicom")
PLACE = "/dicomweb/studies/{study_uid}"
SERIES = f"{PLACE}/series/{{series_uid}}"
INSTANCE = f"{SERIES}/instances/{{sop_uid}}"
FRAME = f"{INSTANCE}/frames/{{numbers}}"
SENDING, OUTGOING = "node/dimse/sending.py", "node/dimse/outgoing.py"
CONVERTED, RETRIEVE = "web/dicomweb/converted.py", "web/dicomweb/retrieve.py"


class Gives(Enum):
    """What an exit gives, and so what a correction of the patient does to it."""

    IDS = "the Patient IDs that it names"
    LOOKS = "something that is another with another patient: a picture she is written on, an ETag"
    ALIKE = "nothing of the patient: it stays as it is"


@dataclass(frozen=True, kw_only=True)
class Doors:
    """A node that is open on all sides, for one study of two instances: explicit the first, implicit the second."""

    site: Site
    person: Visitor
    port: int
    """Of its receiver."""
    pacs: StoreScp
    folder: Path
    study: str

    @property
    def key(self) -> StudyKey:
        return StudyKey(origin=self.site.node.id, study_uid=StudyUID(self.study))

    def raw(self, path: str, accept: str, *, more: str = "", n: int = 1) -> tuple[dict[str, str], bytes]:
        """Ask for an address as a program; gives headers and body."""
        reader = self.site.program()
        names = {"series_uid": f"{self.study}.1", "sop_uid": f"{self.study}.1.{n}", "numbers": "1"}
        where = path.replace("{path:.+}", PATIENT_ID).format(study_uid=self.study, **names)
        asking = Visitor(reader.web, bearer=reader.bearer, headers={"Accept": accept})
        status, headers, body = asking.raw("GET", where + more)
        assert status == 200, (where, status, body[:200])
        return headers, body

    def files(self, folder: Path) -> set[str]:
        """Take the files that a program left, and give whose they are."""
        found = sorted(folder.iterdir())
        assert found, "nothing came"
        ids = {str(dcmread(path).PatientID) for path in found}
        for path in found:
            path.unlink()
        return ids


@dataclass(frozen=True, kw_only=True)
class Exit:
    """One way out."""

    name: str
    through: tuple[str, ...]
    """Routes as ``GET /dicomweb/...``, DIMSE commands as ``C-GET``, modules that read the corrected instance."""
    gives: Gives
    ask: Callable[[Doors], set[str]]


@contextmanager
def open_doors(site: Site, person: Visitor, folder: Path, study: str) -> Iterator[Doors]:
    """Let a site's node be asked by DIMSE too, and know a PACS to send to."""
    node = site.node
    publish(node, any_rule(), reads=EVERY_ORIGIN)
    with (
        receiving(node.state, config=config_for(), packs=node.packs, catalogue=lambda: node) as receiver,
        storescp(folder / "pacs") as pacs,
    ):
        add_destination(node, "PACS", pacs.port)
        yield Doors(site=site, person=person, port=receiver.port, pacs=pacs, folder=folder, study=study)


def asked(doors: Doors, *gives: Gives, study: str = "") -> dict[str, set[str]]:
    """Ask at every exit that gives one of these; give what came, by the exit's name."""
    of = replace(doors, study=study or doors.study)
    return {one.name: one.ask(of) for one in EXITS if one.gives in gives}


def _files(path: str, syntax: str, *, n: int = 1) -> Callable[[Doors], set[str]]:
    def ask(doors: Doors) -> set[str]:
        headers, body = doors.raw(path, f"{FILES}; transfer-syntax={syntax}", n=n)
        return _patients([part for _, part in parts_of(headers, body)], syntax)

    return ask


def _uri(syntax: str, *, n: int) -> Callable[[Doors], set[str]]:
    def ask(doors: Doors) -> set[str]:
        query = {"contentType": "application/dicom", "transferSyntax": syntax}
        _, body = doors.raw("/dicomweb/wado", "*/*", more=f"?{_named(doors, n)}&{urlencode(query)}")
        return _patients([body], syntax)

    return ask


def _patients(files: Sequence[bytes], syntax: str) -> set[str]:
    """Give whose files these are, each in the syntax that was asked for."""
    read = [dcmread(BytesIO(file)) for file in files]
    assert read
    assert all(syntax in ("*", str(one.file_meta.TransferSyntaxUID)) for one in read)
    return {str(one.PatientID) for one in read}


def _json(path: str, *, more: str = "") -> Callable[[Doors], set[str]]:
    def ask(doors: Doors) -> set[str]:
        found = doors.site.program().get(
            path.format(study_uid=doors.study, series_uid=f"{doors.study}.1", sop_uid=f"{doors.study}.1.1")
            + more.format(study=doors.study)
        )
        assert found
        return {one[PATIENT_ID]["Value"][0] for one in found}

    return ask


def _bulk(doors: Doors) -> set[str]:
    _, body = doors.raw(f"{INSTANCE}/bulkdata/{{path:.+}}", "*/*")
    return {body.decode().strip()}


def _pictures(path: str, *, several: bool = False) -> Callable[[Doors], set[str]]:
    """Ask for pictures that the patient is written on."""

    def ask(doors: Doors) -> set[str]:
        accept = MULTIPART.format("image/png") if several else "image/png"
        headers, body = doors.raw(path, accept, more="?annotation=patient")
        return _digests((part for _, part in parts_of(headers, body)) if several else [body])

    return ask


def _picture_by_uri(doors: Doors) -> set[str]:
    more = f"?{_named(doors, 1)}&contentType=image/png&annotation=patient"
    return _digests([doors.raw("/dicomweb/wado", "*/*", more=more)[1]])


def _tag(path: str) -> Callable[[Doors], set[str]]:
    return lambda doors: {doors.raw(path, "image/jpeg")[0]["etag"]}


def _bodies(path: str, accept: str) -> Callable[[Doors], set[str]]:
    return lambda doors: _digests([doors.raw(path, accept)[1]])


def _digests(bodies: Iterable[bytes]) -> set[str]:
    found = {hashlib.sha256(body).hexdigest() for body in bodies}
    assert found
    return found


def _named(doors: Doors, n: int) -> str:
    uids = {"studyUID": doors.study, "seriesUID": f"{doors.study}.1", "objectUID": f"{doors.study}.1.{n}"}
    return urlencode({"requestType": "WADO", **uids})


def _page(doors: Doors) -> set[str]:
    return {doors.person.get(f"/api/studies/{doors.key.origin}/{doors.study}")["study"]["patientId"]}


def _list(doors: Doors) -> set[str]:
    found = doors.person.get("/api/studies")["items"]
    return {one["patientId"] for one in found if one["studyUid"] == doors.study}


def _found(doors: Doors) -> set[str]:
    """Ask by findscu at each level; answers hold the unique keys of the levels above."""
    out = _folder(doors, "found")
    ids = set()
    levels = {"STUDY": "", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}
    for level, key in levels.items():
        keys = [f"StudyInstanceUID={doors.study}", "PatientID", *([key] if key else [])]
        words = [word for one in (f"QueryRetrieveLevel={level}", *keys) for word in ("-k", one)]
        dcmtk("findscu", "-S", "-X", "-aec", "ALPHA", *words, "127.0.0.1", str(doors.port), cwd=out)
        ids |= doors.files(out)
    return ids


def _got(doors: Doors) -> set[str]:
    out = _folder(doors, "got")
    words = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={doors.study}")
    where = ("-od", str(out), "127.0.0.1", str(doors.port))
    dcmtk("getscu", "-S", "+B", "-aec", "ALPHA", *words, *where, cwd=out)
    return doors.files(out)


def _got_as_implicit(doors: Doors) -> set[str]:
    """Get as one that takes implicit VR alone."""
    got: list[Dataset] = []

    def on_store(event: Event) -> int:
        got.append(event.dataset)
        return 0

    ae = AE(ae_title="WS")
    ae.add_requested_context(STUDY_GET)
    ae.add_requested_context(CT_IMAGE, IMPLICIT)
    association = ae.associate(
        "127.0.0.1", doors.port, ae_title="ALPHA",
        ext_neg=[build_role(CT_IMAGE, scp_role=True)], evt_handlers=[(evt.EVT_C_STORE, on_store)],
    )  # fmt: skip
    wanted = Dataset()
    wanted.QueryRetrieveLevel, wanted.StudyInstanceUID = "STUDY", doors.study
    *_, (last, _) = association.send_c_get(wanted, STUDY_GET)
    association.release()
    assert (last.Status, len(got)) == (0, len(instances_of(doors.site.node.database, doors.key)))
    return {str(one.PatientID) for one in got}


def _moved(doors: Doors) -> set[str]:
    words = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={doors.study}", "-aem", "PACS")
    dcmtk("movescu", "-S", "-aec", "ALPHA", *words, "127.0.0.1", str(doors.port), cwd=doors.folder)
    return doors.files(doors.pacs.folder)


def _sent(doors: Doors) -> set[str]:
    """Send as a transfer does."""
    node, sent = doors.site.node, list[Sent]()
    remote = peek_remote(node.database, "PACS")
    assert remote is not None
    rows = instances_of(node.database, doors.key)

    def told(one: Sent) -> bool:
        sent.append(one)
        return True

    store(
        called(node.config, remote),
        [outgoing_of(node, row) for row in rows],
        directory=node.state,
        charset="",
        told=told,
    )
    assert [one.status for one in sent] == [0] * len(rows)
    return doors.files(doors.pacs.folder)


def _delivered(doors: Doors) -> set[str]:
    """Give a report of the study as its delivery takes it."""
    report = part10(
        make_ct(study_uid=doors.study, series_uid=f"{doors.study}.1", sop_uid=f"{doors.study}.1.9")
    )
    sent = read_part10(corrected_file(doors.site.node, doors.key, series_uid=f"{doors.study}.1", file=report))
    return {read_attributes(scan(sent.data_set, sent.transfer_syntax)).study.patient_id}


def _as_file(doors: Doors) -> set[str]:
    node = doors.site.node
    rows = instances_of(node.database, doors.key)
    return {str(dcmread(BytesIO(read_pieces(file_pieces(node, row)))).PatientID) for row in rows}


def _folder(doors: Doors, name: str) -> Path:
    folder = doors.folder / name
    folder.mkdir(exist_ok=True)
    return folder


def _exit(name: str, *through: str, ask: Callable[[Doors], Any], gives: Gives = Gives.IDS) -> Exit:
    return Exit(name=name, through=through, gives=gives, ask=ask)


_METADATA = (("study", PLACE), ("series", SERIES), ("instance", INSTANCE))
_WITHIN = {
    "series of a study": f"{PLACE}/series",
    "instances of a study": f"{PLACE}/instances",
    "instances of a series": f"{SERIES}/instances",
}
EXITS: tuple[Exit, ...] = (
    *(
        _exit(f"WADO-RS {name}", f"GET {path}", RETRIEVE, ask=_files(path, "*"))
        for name, path in (("study", PLACE), ("series", SERIES), ("instance", INSTANCE))
    ),
    *(
        _exit(f"WADO-RS {name} as explicit", f"GET {path}", CONVERTED, ask=_files(path, EXPLICIT, n=2))
        for name, path in (("study", PLACE), ("series", SERIES), ("instance", INSTANCE))
    ),
    *(
        _exit(f"metadata of {name}", f"GET {path}/metadata", RETRIEVE, ask=_json(f"{path}/metadata"))
        for name, path in _METADATA
    ),
    _exit("bulk data", f"GET {INSTANCE}/bulkdata/{{path:.+}}", RETRIEVE, ask=_bulk),
    _exit("WADO-URI", "GET /dicomweb/wado", RETRIEVE, ask=_uri("*", n=1)),
    _exit("WADO-URI as explicit", "GET /dicomweb/wado", CONVERTED, ask=_uri(EXPLICIT, n=2)),
    *(
        _exit(f"QIDO-RS {level}", f"GET {path}", ask=_json(path, more="?StudyInstanceUID={study}"))
        for level, path in ((level, f"/dicomweb/{level}") for level in ("studies", "series", "instances"))
    ),
    _exit("page", ask=_page),
    _exit("list", ask=_list),
    _exit("C-FIND", "C-FIND", ask=_found),
    _exit("C-GET", "C-GET", SENDING, ask=_got),
    _exit("C-GET as implicit", "C-GET", SENDING, OUTGOING, ask=_got_as_implicit),
    _exit("C-MOVE", "C-MOVE", SENDING, ask=_moved),
    _exit("C-STORE", "C-STORE", OUTGOING, ask=_sent),
    _exit("delivery", "node/reporting/delivery.py", ask=_delivered),
    _exit("file", ask=_as_file),
    *(
        _exit(
            f"pictures of {name}",
            f"GET {path}/rendered",
            "web/dicomweb/pictures.py",
            ask=_pictures(f"{path}/rendered", several=several),
            gives=Gives.LOOKS,
        )
        for name, path, several in (
            ("study", PLACE, True),
            ("series", SERIES, True),
            ("instance", INSTANCE, False),
            ("frame", FRAME, False),
        )
    ),
    _exit("picture by WADO-URI", "GET /dicomweb/wado", ask=_picture_by_uri, gives=Gives.LOOKS),
    *(
        _exit(
            f"ETag of thumbnail of {name}",
            f"GET {path}/thumbnail",
            ask=_tag(f"{path}/thumbnail"),
            gives=Gives.LOOKS,
        )
        for name, path in (*_METADATA, ("frame", FRAME))
    ),
    _exit("frames", f"GET {FRAME}", ask=_bodies(FRAME, "application/octet-stream"), gives=Gives.ALIKE),
    *(
        _exit(name, f"GET {path}", ask=_bodies(path, "application/dicom+json"), gives=Gives.ALIKE)
        for name, path in _WITHIN.items()
    ),
)
