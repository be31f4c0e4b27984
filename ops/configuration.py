"""Write a documented ``meridian.toml`` for a new node."""

from __future__ import annotations

from pathlib import Path

from node.config import ArchiveSection, Config, check_config
from node.dimse.tls import dicom_tls_context
from node.errors import Conflict
from node.names import NodeId, node_id

TEMPLATE = """\
# One node of Meridian. Check it with: meridian config check {state}
# Secrets are not here; they lie in keys/ beside this file, readable by this user only.

[node]
id = "{id}"                # chosen once, never changed: 2 to 15 of a-z 0-9 -
name = "{name}"            # the hospital, as people read it
zone = "{zone}"            # DICOM dates are local to it
language = "zh-CN"         # what a page shows before a person chooses: zh-CN or en

[dicom]
host = "{dicom_host}"      # the address devices send to
port = {dicom_port}
aet = "{aet}"              # at most 16 characters
also_called = []           # other AE titles this node answers to; a rule may be for one of them
tls_port = 0               # 0: no TLS; 2762 is the usual one
tls_certificate = ""       # PEM: the node's certificate, then those that signed it
tls_key = ""               # PEM without a passphrase, mode 0600
tls_trust = ""             # PEM: authorities, or devices' certificates; given, a device must show one of theirs
max_associations = 64
release_barrier_s = 2.0    # on release, wait this long for the index: store, release, query works

[web]
host = "{web_host}"        # off 127.0.0.1, certificate and key are required
port = {web_port}
certificate = ""           # PEM files
key = ""
origin = ""                # the address people type, when a proxy stands before it

[alliance]
host = "127.0.0.1"
port = {alliance_port}     # 0: no listener; a clinic dials out only
advertise = ""             # host:port that peers dial, when it differs

[storage]
reserve_mb = {reserve_mb}          # below this much free space instances are refused with words, nothing is lost
roll_mb = 1024

[archive]
copies = 0                 # stores that must hold a verified package before the online copy goes; 0: two, or the only one
processes = 2              # that code at once
yields = true              # while others of this machine work, packages are made with a quarter of a core; false: as if nobody did
scrub_mb_s = 20            # so fast packs and packages are read and compared with what was received; 0: never
scrub_days = 14            # what was verified within so many days rests
scrub_hours = ""           # "20-6": only at these hours of the day; empty: all day
worklist_at = ["18:00", "05:00"]  # when worklists of remote AEs are asked whose earlier studies to bring; from noon on, for tomorrow
# [[archive.store]]        # without any, packages lie in the state folder, on the same disk as the packs
# name = "nas"
# kind = "folder"          # or "s3", with endpoint, bucket, prefix, region, storage_class; its keys lie in keys/stores/NAME.json
# path = "/mnt/archive"    # then once: meridian archive prepare STATE
# leaves = false           # true: packages leave the building there, and are encrypted

[backup]
within_days = 2            # without a backup for so long the administrator is told; 0: never
drill_within_days = 190    # the same of trying one out

[study]
quiet_s = {quiet_s}            # no new instance for this long: complete

[consult]
claim_minutes = 20.0       # a claim lapses unless its page renews it
routine_hours = 24.0
urgent_hours = 2.0
"""


def write_configuration(
    state: Path,
    *,
    id: str,
    name: str,
    dicom_port: int = 11112,
    web_port: int = 8080,
    alliance_port: int = 0,
    quiet_s: float = 60.0,
    reserve_mb: int = 2048,
    zone: str = "Asia/Shanghai",
) -> NodeId:
    """Make a state folder with its configuration; an existing one is never overwritten."""
    checked = node_id(id)
    path = state / "meridian.toml"
    if path.exists():
        raise Conflict(
            f"Making node {checked} was refused: {path} exists. Edit it, or choose another folder."
        )
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_text(
        TEMPLATE.format(
            state=state,
            id=checked,
            name=name.replace("\\", "").replace('"', ""),
            zone=zone,
            dicom_host="127.0.0.1",
            dicom_port=dicom_port,
            aet=checked.upper(),
            web_host="127.0.0.1",
            web_port=web_port,
            alliance_port=alliance_port,
            reserve_mb=reserve_mb,
            quiet_s=quiet_s,
        ),
        "utf-8",
    )
    return checked


def describe(config: Config) -> list[str]:
    """Say in plain words what a configuration does, for ``meridian config check``."""
    check_config(config)
    listener = (
        f"listens for peers on port {config.alliance.port}" if config.alliance.port else "dials out only"
    )
    titles = " or ".join(dict.fromkeys((config.aet, *config.dicom.also_called)))
    return [
        f"{config.node.name} ({config.id}), {config.node.zone}",
        f"devices send to {titles} at {config.dicom.host}:{config.dicom.port}",
        *_tls_words(config),
        f"people come to {'https' if config.web.certificate else 'http'}://{config.web.host}:{config.web.port}",
        f"toward the alliance it {listener}",
        _archive_words(config.archive),
    ]


def _archive_words(archive: ArchiveSection) -> str:
    stores = ", ".join(f"{store.name} ({store.path or store.bucket})" for store in archive.store)
    where = stores or "the state folder alone, on the same disk as the packs"
    copies = "one copy is" if archive.wanted == 1 else f"{archive.wanted} copies are"
    return f"packages of archived studies are kept in {where}; an online copy goes when {copies} verified"


def _tls_words(config: Config) -> list[str]:
    """Say how devices come with TLS, once its files were found to work."""
    dicom = config.dicom
    if not dicom.tls_certificate:
        return []
    dicom_tls_context(config)
    whose = f"one that {dicom.tls_trust} vouches for" if dicom.tls_trust else "none"
    where = f"at {dicom.host}:{dicom.tls_port}" if dicom.tls_port else "nowhere: tls_port is 0"
    return [f"... with TLS {where}; certificate asked of them: {whose}"]
