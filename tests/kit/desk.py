"""What people and devices do at a running clinic and centre in tests: send, look, ask, administer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from node.config import load_config
from tests.kit.http import Answer, Visitor, wait_for
from tests.kit.instances import CT_IMAGE, EXPLICIT, make_ct
from tests.kit.raw_sender import RawSender, Sent
from tests.kit.rows import read_rows
from tests.kit.running import RunningAlliance
from tests.kit.walk import FORM


@dataclass
class Desk:
    """A running alliance with everybody signed in; every study it makes has a UID of its own."""

    alliance: RunningAlliance
    _numbers: Iterator[int] = field(default_factory=count)

    @cached_property
    def technician(self) -> Visitor:
        return self.alliance.visitor("alpha", "technician")

    @cached_property
    def expert(self) -> Visitor:
        return self.alliance.visitor("centre", "expert")

    @cached_property
    def expert2(self) -> Visitor:
        return self.alliance.visitor("centre", "expert2")

    @cached_property
    def administrators(self) -> dict[str, Visitor]:
        return {name: self.alliance.visitor(name, "administrator") for name in ("alpha", "centre")}

    def state(self, node: str) -> Path:
        return self.alliance.directory / node

    def rows(self, node: str, sql: str, *params: object) -> list[dict[str, Any]]:
        return read_rows(self.state(node), sql, params)

    def new_uid(self) -> str:
        return f"2.25.99{next(self._numbers):04d}"

    def send(
        self,
        *data_sets: bytes,
        sop_uids: Iterable[str] = (),
        node: str = "alpha",
        sop_class: str = CT_IMAGE,
        transfer_syntax: str = EXPLICIT,
    ) -> list[Sent]:
        """Send data sets, whatever they are, in one association; the command names ``sop_uids``, else 2.25.1.N."""
        named = list(sop_uids) or [f"2.25.1.{n}" for n in range(1, len(data_sets) + 1)]
        config = load_config(self.state(node))
        with RawSender(
            config.dicom.host,
            config.dicom.port,
            called=config.aet,
            calling="BADCT",
            contexts=[(sop_class, transfer_syntax)],
        ) as sender:
            answers = [
                sender.store(
                    sop_class=sop_class, sop_uid=sop_uid, transfer_syntax=transfer_syntax, data_set=content
                )
                for sop_uid, content in zip(named, data_sets, strict=True)
            ]
            sender.release()
        return answers

    def send_ct(self, uid: str, *, number: int = 1, node: str = "alpha", **attributes: Any) -> None:
        """Send one good slice of a study."""
        sop_uid = attributes.setdefault("sop_uid", f"{uid}.1.{number}")
        attributes.setdefault("patient_id", f"P{uid[-4:]}")
        content = make_ct(study_uid=uid, series_uid=f"{uid}.1", number=number, **attributes)
        syntax = attributes.get("transfer_syntax", EXPLICIT)
        (sent,) = self.send(content, sop_uids=[sop_uid], node=node, transfer_syntax=syntax)
        assert (sent.status, sent.comment) == (0, "")

    def wait_for_study(
        self, uid: str, *, node: str = "alpha", state: str = "complete", instances: int = 1
    ) -> None:
        def there() -> bool:
            sql = "SELECT state, instance_count FROM study WHERE study_uid = ?"
            return self.rows(node, sql, uid) == [{"state": state, "instance_count": instances}]

        wait_for(f"study {uid} {state} at {node}", there, timeout_s=40)

    def study(self, visitor: Visitor, uid: str, *, origin: str = "alpha") -> dict[str, Any]:
        """Give a study's page as somebody sees it."""
        page: dict[str, Any] = visitor.get(f"/api/studies/{origin}/{uid}")
        return page

    def ask(self, uid: str, **changes: object) -> dict[str, Any]:
        """Request a diagnosis of a study as the clinic's technician."""
        case: dict[str, Any] = self.technician.post(
            "/api/consults", {**FORM, "origin": "alpha", "studyUid": uid, **changes}
        )
        return case

    def problem(self, node: str, kind: str, about: str = "") -> dict[str, Any]:
        """Wait until an administrator is shown a problem of a kind; ``about`` is in its subject or words."""

        def shown() -> dict[str, Any] | None:
            items = self.administrators[node].get("/api/problems")["items"]
            fitting = (one for one in items if about in one["subject"] + " " + one["detail"])
            return next((one for one in fitting if one["kind"] == kind and not one["seenAt"]), None)

        problem: dict[str, Any] = wait_for(f"{kind} shown at {node}", shown)
        return problem


def refused(visitor: Visitor, method: str, path: str, body: object = None) -> dict[str, Any]:
    """Give what a person is told whose request is refused: status, code, message and details."""
    with pytest.raises(Answer) as answer:
        visitor.call(method, path, {} if body is None and method != "GET" else body)
    error = answer.value.body["error"]
    assert error["message"].rstrip().endswith("."), "it is said in words"
    return {"status": answer.value.status, **error}
