"""The built client as files: one page for all addresses, hashed files for ever, nothing outside the build."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.errors import InvalidRequest
from tests.kit.bare_node import bare_node
from tests.kit.clock import FrozenClock
from tests.kit.site import Site, open_site
from web.server import OWN, WebServer

PAGE = "<!doctype html><title>Meridian</title>"


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    (folder / "assets").mkdir()
    (folder / "index.html").write_text(PAGE)
    (folder / "icon.svg").write_text("<svg/>")
    (folder / "assets" / "main-DpgbgfWB.js").write_text("export {}")
    (folder.parent / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(folder.parent / "secret.txt")
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, build: Path) -> Iterator[Site]:
    with open_site(bare_node(tmp_path_factory.mktemp("node"), "alpha", FrozenClock()), pages=build) as opened:
        yield opened


def get(site: Site, path: str, accept: str = "text/html,*/*") -> tuple[int, dict[str, str], bytes]:
    visitor = site.visitor()
    visitor.headers = {"Accept": accept}
    return visitor.raw("GET", path)


@pytest.mark.parametrize("path", ["/", "/studies", "/studies/alpha/1.2.840.99", "/reading/case-1?x=1"])
def test_every_address_of_the_client_gives_its_page(site: Site, path: str) -> None:
    status, headers, body = get(site, path)
    assert (status, body.decode()) == (200, PAGE)
    assert headers["cache-control"] == "no-cache"
    assert "script-src 'self' 'wasm-unsafe-eval'" in headers["content-security-policy"]


def test_hashed_files_are_kept_for_ever_and_others_asked_about(site: Site) -> None:
    status, headers, _ = get(site, "/assets/main-DpgbgfWB.js")
    assert (status, headers["content-type"].partition(";")[0]) == (200, "text/javascript")
    assert "immutable" in headers["cache-control"]
    assert get(site, "/icon.svg")[1]["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    [
        "/assets/gone-AAAAAAAA.js",
        "/%2e%2e/secret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "/link.txt",
        "/a%00.js",
    ],
)
def test_nothing_but_the_build_is_served(site: Site, path: str) -> None:
    status, _, body = get(site, path, accept="*/*")
    assert status == 404
    assert b"secret" not in body.replace(b"secret.txt", b"")


def test_without_a_build_the_page_says_what_to_do(tmp_path: Path) -> None:
    with open_site(bare_node(tmp_path, "beta", FrozenClock()), pages=tmp_path / "none") as site:
        status, headers, body = get(site, "/studies")
    assert (status, headers["content-type"]) == (503, "text/html; charset=utf-8")
    assert "make client" in body.decode()


def test_under_tls_the_node_s_own_certificate_serves_and_the_cookie_is_secure(tmp_path: Path) -> None:
    node = bare_node(tmp_path, "alpha", FrozenClock())
    node.config.web.certificate = node.config.web.key = OWN
    server = WebServer(node, host="127.0.0.1", port=0)
    server.start()
    try:
        context = ssl.create_default_context(cadata=node.keys.tls_certificate.decode())
        connection = http.client.HTTPSConnection("localhost", server.port, context=context, timeout=10)
        connection.request("GET", "/api/me")
        answer = connection.getresponse()
        assert answer.status == 200
        assert "max-age" in answer.headers["Strict-Transport-Security"]
        connection.close()
    finally:
        server.stop()


def test_a_certificate_that_cannot_be_read_is_said_in_words(tmp_path: Path) -> None:
    node = bare_node(tmp_path, "alpha", FrozenClock())
    node.config.web.certificate = node.config.web.key = str(tmp_path / "none.pem")
    with pytest.raises(InvalidRequest, match="PEM"):
        WebServer(node, host="127.0.0.1", port=0).start()
