"""Real Chromium as people have it before them: each in a window of their own, signed in through the form."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from node.people.sessions import open_session
from tests.kit.running import RunningAlliance
from tests.kit.site import Site, add_quickly

DESK = (1440, 900)
PHONE = (390, 844)
ZONE = "Asia/Shanghai"
LOCALES = {"zh": "zh-CN", "en": "en-GB"}
STAY_MS = 20_000
"""How long a page may take to show what it should."""
Sit = Callable[..., Page]
"""Seats somebody before a window of her own, signed in: a user's name, then her roles; by a role alone, one of that name."""
_FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
_ANSWERED = "Failed to load resource"
"""Chromium's line for an answer that is no success; pages ask such questions on purpose."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run Debian's Chromium without a screen, drawing in software."""
    program = shutil.which("chromium")
    assert program, "install chromium"
    expect.set_options(timeout=STAY_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def sitting(browser: Browser, site: Site, language: str) -> Iterator[Sit]:
    """Give windows of people at one node; a script that failed fails the test."""
    opened, complaints = list[BrowserContext](), list[str]()

    def window(user: str, *roles: str) -> Page:
        context = browser.new_context(
            base_url=site.web,
            locale=LOCALES[language],
            timezone_id=ZONE,
            viewport={"width": DESK[0], "height": DESK[1]},
        )
        context.set_default_timeout(STAY_MS)
        token = open_session(site.node, add_quickly(site.node, user, *(roles or (user,))))
        context.add_cookies([{"name": "meridian-alpha", "value": token, "url": site.web}])
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        opened.append(context)
        return page

    yield window
    for context in opened:
        context.close()
    assert complaints == []


@dataclass
class Office:
    """Everybody's windows on one alliance; closed together."""

    browser: Browser
    alliance: RunningAlliance
    complaints: list[str] = field(default_factory=list)
    """What the pages' scripts and their content policy complained of."""
    contexts: list[BrowserContext] = field(default_factory=list)

    def window(self, node: str, *, language: str = "zh", size: tuple[int, int] = DESK) -> Page:
        """Open an empty window at a node: nobody is signed in."""
        context = self.browser.new_context(
            base_url=self.alliance.nodes[node].web,
            locale=LOCALES[language],
            timezone_id=ZONE,
            viewport={"width": size[0], "height": size[1]},
            accept_downloads=True,
        )
        context.set_default_timeout(STAY_MS)
        self.contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        page.on("console", lambda message: self._hear(page, message))
        return page

    def sit(self, node: str, role: str, *, language: str = "zh", size: tuple[int, int] = DESK) -> Page:
        """Open a window and sign somebody in."""
        page = self.window(node, language=language, size=size)
        login = self.alliance.logins[node][role]
        page.goto("/login")
        sign_in(page, login.user, login.password)
        page.get_by_test_id("person-menu").wait_for()
        return page

    def close(self) -> None:
        for context in self.contexts:
            context.close()

    def _hear(self, page: Page, message: ConsoleMessage) -> None:
        if message.type == "error" and _ANSWERED not in message.text:
            self.complaints.append(f"{page.url}: {message.text}")


def sign_in(page: Page, user: str, password: str) -> None:
    """Type a name and a password and press the button."""
    page.get_by_test_id("login-user").fill(user)
    page.get_by_test_id("login-password").fill(password)
    page.get_by_test_id("login-submit").click()


def mark(page: Page) -> None:
    """Remember on the page that it was not loaded again since."""
    page.evaluate("window.stayed = true")


def stayed(page: Page) -> bool:
    """Tell whether the page is still the one that was marked."""
    return bool(page.evaluate("window.stayed === true"))
