"""A backup is whole, holds only what is new, is read by its key alone, and comes back whole or not at all."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from node.catalogue.moving import PINNED_FOR, RETIRED_FOR, merge_packs, retire_packs
from node.errors import Conflict, Damaged, InvalidRequest, NotFound, Refused, Unavailable
from node.keys.backup_key import open_backup_key, read_backup_key
from node.node import Node
from ops.backup.checking import check_backup
from ops.backup.known import is_remembered
from ops.backup.opening import label_of, open_folder_place
from ops.backup.packs import reach_of
from ops.compose import compose_node
from tests.kit.alliance_keys import PASSPHRASE
from tests.kit.backing import Backed, arrive, everything_in, read_everything, wrong_in
from tests.kit.clock import FrozenClock
from tests.kit.merging import KEY, findings, packs_meant, scatter
from tests.kit.planting import planted


def test_what_was_restored_is_what_was_there(backed: Backed, node: Node) -> None:
    arrive(node, 1, 1, 2, 3)
    node.write([node.texts.put("finding", "两肺清晰。")[1]])
    (backed.state / "later").mkdir()
    (backed.state / "later" / "one").write_bytes(b"what a later capability keeps")
    before = read_everything(node)
    made = backed.make(node)
    restored = backed.restore()
    assert restored.name == made.name
    assert wrong_in(restored.state) == []
    assert everything_in(restored.state) == before
    assert len(before) == 3
    assert (restored.state / "later" / "one").read_bytes() == b"what a later capability keeps"
    for kept in ("meridian.toml", "keys/archive-keys.json"):
        assert (restored.state / kept).exists() == (backed.state / kept).exists()
    assert (restored.state / "keys").stat().st_mode & 0o777 == 0o700
    assert (restored.state / "keys" / "node-keys.json").stat().st_mode & 0o777 == 0o600


def test_a_restored_node_has_its_keys_and_a_later_incarnation(backed: Backed, node: Node) -> None:
    backed.make(node)
    first, second = backed.restore("first"), backed.restore("second")
    again = compose_node(first.state)
    assert again.keys.verify_key == node.keys.verify_key
    assert again.keys.incarnation == first.incarnation
    again.close()
    assert node.keys.incarnation < first.incarnation < second.incarnation


def test_a_second_backup_copies_only_what_is_new(backed: Backed, node: Node) -> None:
    for study in range(1, 6):
        arrive(node, study, *range(1, 5), size=512)
    whole = backed.make(node)
    held = sum(path.stat().st_size for path in (backed.state / "packs").glob("*.pack"))
    assert whole.put_bytes > held
    objects = backed.objects()
    arrive(node, 6, 1, size=512)
    grown = sum(path.stat().st_size for path in (backed.state / "packs").glob("*.pack")) - held
    more = backed.make(node)
    restored = backed.restore().state
    rows = (restored / "meridian.db").stat().st_size
    assert grown > 512 * 512 * 2
    assert grown <= more.put_bytes <= grown + rows, (
        "the new pack, of the database what changed, and nothing else"
    )
    new = {name: raw for name, raw in backed.objects().items() if name not in objects}
    assert sum(map(len, new.values())) < more.put_bytes + 64 * 1024
    assert more.manifest.parent == whole.name
    assert wrong_in(restored) == []
    assert wrong_in(backed.restore("before", backup=whole.name).state) == []


def test_of_a_pack_that_grew_only_what_it_grew_by_is_copied(backed: Backed, node: Node) -> None:
    from tests.kit.instances import CT_IMAGE, file_meta, make_ct
    from tests.kit.registering import facts

    given = facts(node)
    writer = node.packs.open_writer(study_uid=given.study_uid, cause=given.cause)
    stored = None
    sizes = []
    for n in range(1, 4):
        content = make_ct(sop_uid=f"2.25.1.1.{n}", number=n, rows=512 * n)
        stored = writer.append(
            given,
            sop_class=CT_IMAGE,
            sop_uid=f"2.25.1.1.{n}",
            file_meta=file_meta(sop_uid=f"2.25.1.1.{n}"),
            data_set=content,
        )
        made = backed.make(node)
        sizes.append((made.put_bytes, len(content)))
    assert stored is not None
    pack = stored.location.pack
    assert not reach_of(node, pack, 0).ended
    rows = (backed.state / "meridian.db").stat().st_size
    assert all(content < put < content + rows + 8192 for put, content in sizes[1:]), sizes
    restored = backed.restore().state / "packs" / f"{pack}.pack"
    assert restored.read_bytes() == node.packs.path(pack).read_bytes()[: stored.next_offset]
    writer.close()


def test_packs_that_are_merged_meanwhile_stay_until_they_are_copied(
    backed: Backed, node: Node, clock: FrozenClock
) -> None:
    scatter(node, 6)
    before = read_everything(node)
    waits: list[float | None] = []

    def merge_them(what: str, count: int) -> None:
        if what == "rows":
            merge_packs(node, KEY, sorted(packs_meant(node)))
            clock.advance(RETIRED_FOR + 1)
            waits.append(retire_packs(node))

    backed.make(node, progress=merge_them)
    assert waits == [clock.now() + PINNED_FOR]
    assert len(node.packs.names()) == 7
    retire_packs(node)
    assert len(node.packs.names()) == 1, "they go when the backup has ended"
    assert findings(node) == []
    state = backed.restore().state
    assert wrong_in(state) == []
    assert everything_in(state) == before


def test_a_planted_copying_of_packs_before_the_rows_that_mean_them_is_caught(
    backed: Backed, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(node, 1, 1)

    def arrives(what: str, count: int) -> None:
        if what in ("rows", "packs"):
            arrive(node, 2 if what == "rows" else 3, 1)

    backed.make(node, progress=arrives)
    assert wrong_in(backed.restore("right").state) == []
    planted(monkeypatch, "backup-rows-last")
    arrive(node, 4, 1)
    backed.make(node, progress=lambda what, count: arrive(node, 5, 1) if what == "packs" else None)
    state = backed.restore("wrong").state
    node_there = compose_node(state)
    assert any("2.25.5" in finding.line for finding in findings(node_there))
    node_there.close()


def test_every_file_of_a_backup_counts(backed: Backed, node: Node) -> None:
    arrive(node, 1, 1, 2)
    backed.make(node)
    arrive(node, 2, 1)
    made = backed.make(node)
    used = [made.manifest.table, *_named(backed, made.manifest.table)]
    for name in used:
        path = backed.folder / "backups" / "objects" / name[:2] / name
        whole = path.read_bytes()
        for at in (0, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:at] + bytes((whole[at] ^ 1,)) + whole[at + 1 :])
            with pytest.raises(Damaged, match="backup failed"):
                backed.restore("never")
        path.unlink()
        with pytest.raises(Damaged, match="is not at"):
            backed.restore("never")
        path.write_bytes(whole)
    manifest = next((backed.folder / "backups" / "manifests").glob(f"*/{made.name}"))
    whole = manifest.read_bytes()
    for at in range(0, len(whole), 7):
        manifest.write_bytes(whole[:at] + bytes((whole[at] ^ 1,)) + whole[at + 1 :])
        with pytest.raises(Damaged, match="altered"):
            backed.restore("never")
    manifest.write_bytes(whole)
    assert list((backed.folder / "never").iterdir()) == []
    assert wrong_in(backed.restore("at-last").state) == []


def _named(backed: Backed, table: str) -> list[str]:
    objects = json.loads(backed.objects()[table])["objects"]
    assert len(objects) > 2
    return [one["name"] for one in objects]


def test_check_needs_no_passphrase_and_finds_each_damage(backed: Backed, node: Node) -> None:
    arrive(node, 1, 1)
    made = backed.make(node)
    place = backed.place()
    key = read_backup_key(backed.drawer)
    assert list(check_backup(place, place.backup(), key=key)) == []
    for name in [made.manifest.table, *_named_any(backed, made.manifest.table)]:
        path = backed.folder / "backups" / "objects" / name[:2] / name
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes((whole[-1] ^ 1,)))
        assert len(list(check_backup(place, place.backup(), key=key))) == 1
        path.write_bytes(whole)


def _named_any(backed: Backed, table: str) -> list[str]:
    return [one["name"] for one in json.loads(backed.objects()[table])["objects"]]


def test_a_backup_that_another_node_signed_is_refused(backed: Backed, tmp_path: Path, node: Node) -> None:
    arrive(node, 1, 1)
    (tmp_path / "other").mkdir()
    other = Backed.begin(tmp_path / "other")
    (other.state / "keys" / "backup-key.json").write_bytes(
        (backed.state / "keys" / "backup-key.json").read_bytes()
    )
    other.make()
    place = other.place()
    (wrong,) = check_backup(place, place.backup(), key=read_backup_key(backed.drawer))
    assert "is not signed by alpha" in wrong
    other_key = Backed(backed.folder)
    with pytest.raises(Damaged, match="is not signed by alpha"):
        _restore_from(other, other_key)


def _restore_from(made_at: Backed, opened_by: Backed) -> None:
    from ops.backup.restoring import restore

    restore(made_at.place(), made_at.folder / "never", key=opened_by.key())


def test_nothing_of_a_node_is_in_the_clear(backed: Backed, node: Node) -> None:
    arrive(node, 1, 1)
    digest, statement = node.texts.put("finding", "右肺上叶结节，建议随访。")
    node.write([statement])
    backed.make(node)
    secrets = json.loads((backed.state / "keys" / "node-keys.json").read_text())
    lying = b"".join(path.read_bytes() for path in (backed.folder / "backups").rglob("*") if path.is_file())
    for word in (secrets["signing"], secrets["hpke"][0]["private"], digest, "2.25.1.1", "Zhang", "右肺"):
        assert word.encode() not in lying, word
    assert node.keys.verify_key.encode() in lying, "the search finds what is there"


def test_it_is_read_by_its_key_and_passphrase_alone(backed: Backed, node: Node) -> None:
    backed.make(node)
    with pytest.raises(Refused, match="wrong passphrase"):
        open_backup_key(backed.drawer, "another long passphrase")
    with pytest.raises(Refused, match="only seals"):
        open_backup_key(backed.state / "keys", PASSPHRASE)
    with pytest.raises(Conflict, match="holds one"):
        backed.draw()
    (backed.drawer / "backup-key.json").unlink()
    with pytest.raises(NotFound, match="meridian backup key"):
        backed.key()


def test_without_a_backup_key_nothing_is_put(backed: Backed, node: Node) -> None:
    (backed.state / "keys" / "backup-key.json").unlink()
    with pytest.raises(NotFound, match="meridian backup key"):
        backed.make(node)
    assert backed.objects() == {}


def test_a_place_in_the_state_folder_is_refused(backed: Backed, node: Node) -> None:
    inside = backed.state / "backups"
    inside.mkdir()
    beside = backed.folder / "linked"
    beside.symlink_to(inside)
    for root in (inside, beside):
        with pytest.raises(InvalidRequest, match="lies in the node's own state folder"):
            backed.make(node, place=open_folder_place(root, begin=True))


def test_a_planted_backup_in_its_own_state_folder_is_caught_by_its_size(
    backed: Backed, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, "backup-inside")
    inside = backed.state / "backups"
    inside.mkdir()
    first, again = (backed.make(node, place=open_folder_place(inside, begin=True)) for _ in range(2))
    assert again.manifest.bytes > first.manifest.bytes + first.put_bytes // 2


def test_a_folder_that_holds_something_is_never_restored_into(backed: Backed, node: Node) -> None:
    backed.make(node)
    state = backed.restore().state
    with pytest.raises(Conflict, match="is not empty"):
        backed.restore()
    assert wrong_in(state) == []


def test_a_disk_that_fills_while_restoring_leaves_nothing(
    backed: Backed, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(node, 1, 1, 2)
    backed.make(node)
    pwrite, left = os.pwrite, [100_000]

    def full(descriptor: int, content: bytes, at: int) -> int:
        left[0] -= len(content)
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return pwrite(descriptor, content, at)

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(Unavailable, match="No space left"):
        backed.restore()
    monkeypatch.undo()
    assert list((backed.folder / "restored").iterdir()) == []
    assert wrong_in(backed.restore().state) == []


def test_a_place_that_fills_keeps_the_earlier_backup_and_the_next_one_goes_on(
    backed: Backed, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(node, 1, 1)
    first = backed.make(node)
    arrive(node, 2, 1)

    def full(descriptor: int, content: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(Unavailable):
        backed.make(node)
    monkeypatch.undo()
    assert backed.place().backup().name == first.name
    assert list((backed.state / "backup" / "work").iterdir()) == []
    backed.make(node)
    assert wrong_in(backed.restore().state) == []


def test_a_disk_that_is_not_mounted_is_not_begun_anew(backed: Backed, node: Node) -> None:
    backed.make(node)
    assert is_remembered(backed.state / "backup", label_of(str(backed.folder / "backups")))
    (backed.folder / "backups").rename(backed.folder / "elsewhere")
    (backed.folder / "backups").mkdir()
    with pytest.raises(Unavailable, match="Mount the disk"):
        open_folder_place(backed.folder / "backups")
    assert list((backed.folder / "backups").iterdir()) == []


def test_what_the_place_lost_is_put_again(backed: Backed, node: Node) -> None:
    arrive(node, 1, 1)
    first = backed.make(node)
    for path in (backed.folder / "backups" / "objects").glob("*/*"):
        path.unlink()
    second = backed.make(node)
    assert second.put_bytes >= first.put_bytes - 4096
    assert wrong_in(backed.restore().state) == []


def test_two_at_once_and_two_nodes_in_one_place_are_refused(
    backed: Backed, node: Node, tmp_path: Path
) -> None:
    refused: list[str] = []

    def again(what: str, count: int) -> None:
        if what == "rows":
            with pytest.raises(Conflict) as error:
                backed.make(node)
            refused.append(str(error.value))

    backed.make(node, progress=again)
    assert "another one of this node runs" in refused[0]
    from ops.backup.making import back_up
    from ops.configuration import write_configuration

    write_configuration(tmp_path / "x" / "beta", id="beta", name="Beta")
    (tmp_path / "x" / "beta" / "keys").mkdir(mode=0o700)
    beta = compose_node(tmp_path / "x" / "beta")
    key = (backed.state / "keys" / "backup-key.json").read_bytes()
    (beta.state / "keys" / "backup-key.json").write_bytes(key)
    (beta.state / "keys" / "backup-key.json").chmod(0o600)
    with pytest.raises(Conflict, match="holds those of alpha"):
        back_up(beta, backed.place())
    beta.close()


def test_a_restored_node_goes_on_with_the_backups_of_its_place(backed: Backed, node: Node) -> None:
    for study in (1, 2):
        arrive(node, study, 1, size=512)
    first = backed.make(node)
    state = backed.restore().state
    again = compose_node(state)
    for pack in again.packs.landing():
        if not again.packs.is_finished(pack, reach_of(again, pack, 0).marked):
            raise AssertionError(pack)
    arrive(again, 3, 1)
    second = backed.make(again)
    again.close()
    assert second.manifest.parent == first.name
    assert second.put_bytes < 512 * 512 * 2
    assert wrong_in(backed.restore("once-more").state) == []


def test_a_folder_on_another_disk_is_in_the_backup(backed: Backed, node: Node) -> None:
    elsewhere = backed.folder / "elsewhere"
    node.write([node.texts.put("finding", "one")[1]])
    (backed.state / "texts").rename(elsewhere)
    (backed.state / "texts").symlink_to(elsewhere)
    backed.make(node)
    assert wrong_in(backed.restore().state) == []
