"""Signing in over HTTP: sessions, CSRF, Origin, lock-out, limits, and what a hostile request gets."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.people.accounts import OPERATOR, create_account, disable_account
from node.people.first_start import first_start_link
from ops.logs import configure_logs
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.http import Answer, Visitor
from tests.kit.logs import logs_as_before
from tests.kit.site import Site, add_quickly, open_site

PASSWORD = "a long enough 密码"


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def site(tmp_path: Path, clock: FrozenClock) -> Iterator[Site]:
    with open_site(bare_node(tmp_path, "alpha", clock)) as opened:
        yield opened


def refused(visitor: Visitor, method: str, path: str, body: object = None) -> tuple[int, str]:
    with pytest.raises(Answer) as answer:
        visitor.call(method, path, body)
    return answer.value.status, answer.value.body["error"]["code"]


def test_the_first_start_link_makes_the_administrator_and_is_spent(site: Site) -> None:
    visitor = site.visitor()
    assert visitor.get("/api/me")["setup"] is True
    token = first_start_link(site.node)
    form = {"token": token, "user": "root", "name": "管理员", "password": PASSWORD}
    me = visitor.post("/api/setup", form)
    assert (me["person"]["roles"], me["person"]["name"], me["setup"]) == (["administrator"], "管理员", False)
    assert refused(site.visitor(), "POST", "/api/setup", {**form, "user": "second"}) == (403, "refused")


def test_signing_in_gives_a_cookie_that_scripts_and_other_sites_cannot_use(site: Site) -> None:
    create_account(site.node, OPERATOR, user="wang", name="王技师", roles=["technician"], password=PASSWORD)
    visitor = site.visitor()
    status, headers, body = visitor.raw("POST", "/api/session", {"user": "wang", "password": PASSWORD})
    assert status == 200
    cookie = headers["set-cookie"]
    assert cookie.startswith("meridian-alpha=")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert headers["cache-control"] == "no-store"
    me = json.loads(body)
    assert me["person"]["user"] == "wang"
    visitor.csrf = me["csrf"]
    assert visitor.get("/api/me")["person"]["name"] == "王技师"
    visitor.call("DELETE", "/api/session")
    visitor.cookie = cookie.split(";")[0]
    assert visitor.get("/api/me")["person"] is None


def test_wrong_user_and_wrong_password_get_the_same_words_and_five_lock(site: Site) -> None:
    create_account(site.node, OPERATOR, user="wang", name="王", roles=["technician"], password=PASSWORD)
    words = set()
    for user in ("wang", "nobody", *["wang"] * 4):
        with pytest.raises(Answer) as answer:
            site.visitor().login(user, "wrong password")
        assert answer.value.status == 401
        words.add(json.dumps(answer.value.body))
    assert len(words) == 1
    assert refused(site.visitor(), "POST", "/api/session", {"user": "wang", "password": PASSWORD})[0] == 401


def test_a_disabled_person_is_out_at_once(site: Site) -> None:
    person = add_quickly(site.node, "wang", "technician")
    visitor = site.signed_in(person)
    assert visitor.get("/api/studies")["items"] == []
    disable_account(site.node, OPERATOR, person_id=person.id)
    assert refused(visitor, "GET", "/api/studies") == (401, "unauthenticated")


def test_a_change_needs_the_csrf_value_and_our_origin(site: Site) -> None:
    visitor = site.signed_in(add_quickly(site.node, "root", "administrator"))
    right = visitor.csrf
    form = {"user": "neu", "name": "Neu", "roles": ["technician"]}
    for csrf in ("", "wrong", right[:-1]):
        visitor.csrf = csrf
        assert refused(visitor, "POST", "/api/users", form) == (403, "refused")
    visitor.csrf = right
    for origin in ("https://evil.example", "null", site.web + ".evil.example", ""):
        visitor.headers = {"Origin": origin}
        assert refused(visitor, "POST", "/api/users", form) == (403, "refused")
    visitor.headers = {}
    assert visitor.post("/api/users", form)["person"]["mustChange"] is True


def test_a_given_password_opens_nothing_but_its_change(site: Site) -> None:
    made = create_account(site.node, OPERATOR, user="li", name="李", roles=["technician"])
    visitor = site.visitor()
    assert visitor.login("li", made.password)["person"]["mustChange"] is True
    assert refused(visitor, "GET", "/api/studies") == (403, "must-change")
    assert refused(visitor, "POST", "/api/password", {"old": made.password, "new": "short"}) == (
        422,
        "invalid",
    )
    assert (
        visitor.post("/api/password", {"old": made.password, "new": PASSWORD})["person"]["mustChange"]
        is False
    )
    assert visitor.get("/api/studies")["total"] == 0


def test_a_bearer_token_opens_dicomweb_and_nothing_else(site: Site) -> None:
    program = site.program()
    assert program.get("/dicomweb/studies") == []
    assert refused(program, "GET", "/api/studies") == (401, "unauthenticated")
    program.bearer += "x"
    assert refused(program, "GET", "/dicomweb/studies") == (401, "unauthenticated")


@pytest.mark.parametrize(
    "path", ["/", "/api/me", "/api/nothing", "/dicomweb/studies", "/studies/alpha/1.2.3"]
)
def test_every_answer_carries_its_safety_headers(site: Site, path: str) -> None:
    _, headers, _ = site.visitor().raw("GET", path)
    policy = headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-eval'" not in policy.replace("wasm-unsafe-eval'", "")
    assert "'unsafe-inline'" not in policy.partition("style-src")[0]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "malformed"),
        (b"\xff\xfe", 400, "malformed"),
        (b'{"user": 1, "password": "x"}', 422, "invalid"),
        (b"{}", 422, "invalid"),
        (b'{"user": "' + b"a" * (1 << 21) + b'", "password": "x"}', 413, "too-large"),
    ],
    ids=["cut", "not text", "number", "empty", "large"],
)
def test_bad_bodies_get_words(site: Site, body: bytes, status: int, code: str) -> None:
    assert refused(site.visitor(), "POST", "/api/session", body) == (status, code)


def test_unknown_addresses_and_methods_get_json(site: Site) -> None:
    assert refused(site.visitor(), "GET", "/api/nothing") == (404, "not-found")
    assert refused(site.visitor(), "GET", "/dicomweb/nothing/at/all") == (404, "not-found")
    assert refused(site.visitor(), "PUT", "/api/session", {}) == (405, "method-not-allowed")


def test_a_mistake_of_ours_is_told_by_an_id_without_the_exception_s_words(
    site: Site, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_arguments: object, **_more: object) -> None:
        raise RuntimeError("Zhang^San's row is odd")

    with logs_as_before():
        configure_logs("alpha", "test")
        visitor = site.signed_in(add_quickly(site.node, "wang", "technician"))
        monkeypatch.setattr("web.api.studies.find_visible", broken)
        with pytest.raises(Answer) as answer:
            visitor.get("/api/studies?text=Zhang")
    assert (answer.value.status, answer.value.body["error"]["code"]) == (500, "defect")
    cause = answer.value.body["error"]["message"].split()[-1].rstrip(".")
    (line,) = [json.loads(line) for line in capfd.readouterr().err.splitlines() if "defect" in line]
    assert (line["cause"], line["error"], line["route"]) == (cause, "RuntimeError", "/api/studies")
    assert "Zhang" not in json.dumps(line)


def test_plain_http_off_loopback_is_refused(tmp_path: Path, clock: FrozenClock) -> None:
    from node.errors import InvalidRequest
    from web.server import WebServer

    server = WebServer(bare_node(tmp_path, "beta", clock), host="0.0.0.0", port=0)
    with pytest.raises(InvalidRequest, match="plain HTTP"):
        server.start()


def test_a_taken_port_is_said_in_words(site: Site, tmp_path: Path, clock: FrozenClock) -> None:
    from node.errors import Unavailable
    from web.server import WebServer

    port = int(site.web.rpartition(":")[2])
    with pytest.raises(Unavailable, match="choose another"):
        WebServer(bare_node(tmp_path, "beta", clock), host="127.0.0.1", port=port).start()


def test_the_head_of_a_request_is_bounded(site: Site) -> None:
    host, _, port = site.web.removeprefix("http://").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    connection.request("GET", "/api/me", headers={"Cookie": "a=" + "b" * 100_000})
    assert connection.getresponse().status in (400, 431)
    connection.close()
