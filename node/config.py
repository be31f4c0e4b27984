"""One documented ``meridian.toml`` per node: what it says, and whether it makes sense.

Secrets are never in it; they lie as files of mode 0600 in the state folder.
"""

from __future__ import annotations

import ipaddress
import re
import tomllib
from pathlib import Path

import msgspec

from node.archive.scrub.pacing import is_window
from node.archive.stores.described import DescribedStore, check_described
from node.errors import InvalidRequest
from node.names import NodeId, node_id

_TIME_OF_DAY = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


class NodeSection(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """``[node]``: who this is."""

    id: str
    name: str
    zone: str = "Asia/Shanghai"
    language: str = "zh-CN"
    trusted_issuer: bool = False


class DicomSection(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """``[dicom]``: where devices send to."""

    host: str = "127.0.0.1"
    port: int = 11112
    aet: str = ""
    also_called: tuple[str, ...] = ()
    """Other AE titles that this node answers to; a rule may be for one of them."""
    tls_port: int = 0
    """0: no listener with TLS. Source: 2762 is what DICOM PS3.15 B suggests."""
    tls_certificate: str = ""
    tls_key: str = ""
    tls_trust: str = ""
    """PEM of the authorities, or of the devices' certificates, that are accepted; without it none is asked for."""
    max_associations: int = 64
    release_barrier_s: float = 2.0


class WebSection(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """``[web]``: where people come to. Off loopback, a certificate is required."""

    host: str = "127.0.0.1"
    port: int = 8080
    certificate: str = ""
    key: str = ""
    origin: str = ""
    """The address people type, when a proxy stands before it."""


class AllianceSection(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """``[alliance]``: whether this node listens for peers. A clinic leaves it empty and dials out."""

    host: str = "127.0.0.1"
    port: int = 0
    """0: no listener."""
    advertise: str = ""
    """``host:port`` that peers dial, when it differs."""
    join_port: int = 0
    """Where newcomers ask while an invitation is open; 0: the port after ``port``."""


class StorageSection(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """``[storage]``: the disk under the packs."""

    reserve_mb: int = 2048
    """Below this much free space an instance is refused with 0xA700."""
    roll_mb: int = 1024
    """A pack that has grown past this is closed and a new one begun."""


class ArchiveSection(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """``[archive]``: where packages of studies are kept, as ``[[archive.store]]``; without any, in the state folder."""

    store: tuple[DescribedStore, ...] = ()
    copies: int = 0
    """In how many stores a package is verified before the online copy may go; 0: in two, or in the only one."""
    processes: int = 2
    """That code at once."""
    yields: bool = True
    """While others of this machine work, packages are made with a quarter of a core; false: as if nobody did."""
    scrub_mb_s: float = 20.0
    """So fast packs and packages are read to be compared; 0: never, unless somebody asks."""
    scrub_days: int = 14
    """What was verified within this time rests."""
    scrub_hours: str = ""
    """Hours of the day in the node's zone, as ``20-6``; empty: all day."""
    worklist_at: tuple[str, ...] = ("18:00", "05:00")
    """When worklists are asked whose earlier studies are wanted, in the node's zone; from noon on, about the next day."""

    @property
    def wanted(self) -> int:
        return self.copies or min(max(len(self.store), 1), 2)


class BackupSection(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """``[backup]``: after how long without one the administrator is told; 0: never."""

    within_days: int = 2
    drill_within_days: int = 190
    """Twice a year, and a week."""


class StudySection(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """``[study]``: when a study counts as complete."""

    quiet_s: float = 60.0


class ConsultSection(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """``[consult]``: clocks of a case."""

    claim_minutes: float = 20.0
    routine_hours: float = 24.0
    urgent_hours: float = 2.0


class Config(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A node's whole configuration; ``state`` is the folder it was read from."""

    node: NodeSection
    dicom: DicomSection = msgspec.field(default_factory=DicomSection)
    web: WebSection = msgspec.field(default_factory=WebSection)
    alliance: AllianceSection = msgspec.field(default_factory=AllianceSection)
    storage: StorageSection = msgspec.field(default_factory=StorageSection)
    archive: ArchiveSection = msgspec.field(default_factory=ArchiveSection)
    backup: BackupSection = msgspec.field(default_factory=BackupSection)
    study: StudySection = msgspec.field(default_factory=StudySection)
    consult: ConsultSection = msgspec.field(default_factory=ConsultSection)

    @property
    def id(self) -> NodeId:
        return NodeId(self.node.id)

    @property
    def aet(self) -> str:
        """The node's AE title: as configured, else its id in upper case."""
        return self.dicom.aet or self.node.id.upper()


def load_config(state: Path) -> Config:
    """Read and check ``meridian.toml`` in a node's state folder.

    Raises
    ------
    InvalidRequest
        Names the file, the field and what it must be.
    """
    path = state / "meridian.toml"
    try:
        config = msgspec.convert(tomllib.loads(path.read_text("utf-8")), Config)
    except FileNotFoundError as error:
        raise InvalidRequest(
            f"Reading {path} failed: there is none. Write one with 'meridian init'."
        ) from error
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise InvalidRequest(f"Reading {path} was refused: {error}.") from error
    check_config(config)
    return config


def check_config(config: Config) -> None:
    """Refuse what parses but cannot work or is not safe."""
    node_id(config.node.id)
    if not config.node.name.strip():
        raise InvalidRequest("Reading [node] name was refused: it is empty. Write the hospital's name.")
    if len(config.aet) > 16:
        raise InvalidRequest(f"Reading [dicom] aet was refused: {config.aet!r} is longer than 16 characters.")
    for title in config.dicom.also_called:
        if not 0 < len(title) <= 16 or not title.isascii() or not title.isprintable() or "\\" in title:
            raise InvalidRequest(
                f"Reading [dicom] also_called was refused: {title!r} is no AE title. Write 1 to 16 ASCII characters."
            )
    for section, port in (("dicom", config.dicom.port), ("web", config.web.port)):
        if not 0 < port < 65536:
            raise InvalidRequest(f"Reading [{section}] port was refused: {port} is not 1 to 65535.")
    _check_tls(config.dicom)
    _check_archive(config.archive)
    if not 0 <= config.backup.within_days <= 366 or not 0 <= config.backup.drill_within_days <= 3660:
        raise InvalidRequest(
            "Reading [backup] was refused: write 0 to 366 for within_days, 0 to 3660 for drill_within_days."
        )
    if bool(config.web.certificate) != bool(config.web.key):
        raise InvalidRequest("Reading [web] was refused: certificate and key must be given together.")
    if not is_loopback(config.web.host) and not config.web.certificate:
        raise InvalidRequest(
            f"Reading [web] was refused: plain HTTP on {config.web.host} would show patients' data."
            " Give certificate and key, or listen on 127.0.0.1."
        )


def _check_archive(archive: ArchiveSection) -> None:
    for described in archive.store:
        check_described(described)
    names = [described.name for described in archive.store]
    if len(set(names)) < len(names):
        raise InvalidRequest("Reading [[archive.store]] was refused: two have one name. Name each otherwise.")
    if not 0 <= archive.copies <= max(len(names), 1):
        raise InvalidRequest(
            f"Reading [archive] copies was refused: there are {max(len(names), 1)} stores. Write no more, or add one."
        )
    if not 1 <= archive.processes <= 64:
        raise InvalidRequest("Reading [archive] processes was refused: write 1 to 64.")
    if not 0 <= archive.scrub_mb_s <= 10_000 or not 1 <= archive.scrub_days <= 3650:
        raise InvalidRequest(
            "Reading [archive] was refused: write 0 to 10000 for scrub_mb_s, 1 to 3650 for scrub_days."
        )
    if not is_window(archive.scrub_hours):
        raise InvalidRequest(
            "Reading [archive] scrub_hours was refused: write two hours, as 20-6, or nothing."
        )
    if not all(_TIME_OF_DAY.fullmatch(each) for each in archive.worklist_at):
        raise InvalidRequest(
            'Reading [archive] worklist_at was refused: write times of the day, as ["18:00", "05:00"].'
        )


def _check_tls(dicom: DicomSection) -> None:
    if not 0 <= dicom.tls_port < 65536:
        raise InvalidRequest(f"Reading [dicom] tls_port was refused: {dicom.tls_port} is not 0 to 65535.")
    if dicom.tls_port and dicom.tls_port == dicom.port:
        raise InvalidRequest(
            f"Reading [dicom] tls_port was refused: {dicom.tls_port} is port already. Write another, as 2762."
        )
    if bool(dicom.tls_certificate) != bool(dicom.tls_key):
        raise InvalidRequest(
            "Reading [dicom] was refused: tls_certificate and tls_key must be given together."
        )
    if dicom.tls_port and not dicom.tls_certificate:
        raise InvalidRequest(
            "Reading [dicom] tls_port was refused: TLS needs a certificate. Give tls_certificate and tls_key."
        )


def is_loopback(host: str) -> bool:
    """Say whether an address can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
