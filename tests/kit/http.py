"""A person's browser as far as the JSON routes go: a cookie, a CSRF token, an Origin."""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest


class Answer(Exception):
    """An answer that is not a success, with what it said."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body


@dataclass
class Visitor:
    """Speaks to one node's web address; raises `Answer` for anything but 2xx."""

    web: str
    cookie: str = ""
    csrf: str = ""
    bearer: str = ""
    timeout_s: float = 30.0
    headers: dict[str, str] = field(default_factory=dict)

    def login(self, user: str, password: str) -> dict[str, Any]:
        me: dict[str, Any] = self.post("/api/session", {"user": user, "password": password})
        self.csrf = me["csrf"]
        return me

    def get(self, path: str) -> Any:
        return self.call("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        return self.call("POST", path, {} if body is None else body)

    def put(self, path: str, body: Any) -> Any:
        return self.call("PUT", path, body)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        status, headers, content = self.raw(method, path, body)
        is_json = "json" in headers.get("content-type", "")
        answer = json.loads(content) if is_json and content else content
        if not 200 <= status < 300:
            raise Answer(status, answer)
        return answer

    def raw(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, str], bytes]:
        address = urlsplit(self.web)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=self.timeout_s)
        headers = {"Origin": self.web, **self.headers}
        if self.cookie:
            headers["Cookie"] = self.cookie
        if self.csrf:
            headers["X-CSRF"] = self.csrf
        if self.bearer:
            headers["Authorization"] = f"Bearer {self.bearer}"
        content = None
        if body is not None:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, content, headers)
            answer = connection.getresponse()
            data = answer.read()
            if (cookie := answer.getheader("Set-Cookie")) is not None:
                self.cookie = cookie.split(";")[0]
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, data
        finally:
            connection.close()


def wait_for(what: str, look: Any, *, timeout_s: float = 30.0, every_s: float = 0.05) -> Any:
    """Look until something true comes back, and give it; fail saying what was awaited."""
    deadline = time.monotonic() + timeout_s
    problem: object = None
    while time.monotonic() < deadline:
        try:
            if found := look():
                return found
        except (OSError, http.client.HTTPException, Answer) as error:
            problem = error
        time.sleep(every_s)
    raise AssertionError(f"waited {timeout_s:g} s for {what}; last: {problem}")


def refusal(visitor: Visitor, method: str, path: str, body: object = None) -> tuple[int, str]:
    """Give the status and the words with which a request is refused."""
    with pytest.raises(Answer) as answer:
        visitor.call(method, path, body)
    return answer.value.status, answer.value.body["error"]["message"]
