"""The service worker: what it keeps, what it does not, and the page without a connection."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.e2e.test_listening import wait_until_played

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page
    from pytest_django.live_server_helper import LiveServer

    from catalog.models import Song

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

READY = "navigator.serviceWorker.ready.then((one) => one.active.scriptURL)"
KEPT = """async () => {
  const names = await caches.keys();
  const kept = await Promise.all(names.map(async (name) => (await caches.open(name)).keys()));
  return { names, paths: kept.flat().map((one) => new URL(one.url).pathname) };
}"""


@pytest.fixture
def page(browser: Browser, live_server: LiveServer) -> Iterator[Page]:
    """A page of a browser that installs service workers."""
    context = browser.new_context(base_url=live_server.url)
    context.set_default_timeout(15_000)
    yield context.new_page()
    context.close()


def test_a_page_without_a_connection_is_ours(page: Page, songs: list[Song]) -> None:
    page.goto("/")
    assert page.evaluate(READY).endswith("/worker.js")
    page.context.set_offline(True)
    page.goto("/songs")
    expect(page.get_by_role("heading", level=1)).to_have_text("No connection")
    colour = page.get_by_role("link", name="Try again").evaluate(
        "one => getComputedStyle(one).borderRadius"
    )
    assert colour == "999px", "its style is kept, too"
    page.context.set_offline(False)
    page.get_by_role("link", name="Try again").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Library")


def test_no_page_no_audio_and_no_answer_of_the_api_is_kept(page: Page, songs: list[Song]) -> None:
    page.goto("/songs")
    page.evaluate(READY)
    page.reload()  # now every request goes by the worker
    page.locator("[data-entry] [data-play]").first.click()
    wait_until_played(page, 0.2)
    page.evaluate("fetch('/api/v1/songs/').then((one) => one.json())")
    page.wait_for_timeout(300)
    kept = page.evaluate(KEPT)
    assert len(kept["names"]) == 1
    assert "/offline/en-gb" in kept["paths"]
    allowed = re.compile(r"/static/|/texts/|/offline/")
    assert [path for path in kept["paths"] if not allowed.match(path)] == []


def test_another_release_has_another_cache(page: Page, songs: list[Song]) -> None:
    page.goto("/songs")
    page.evaluate(READY)
    (before,) = page.evaluate(KEPT)["names"]
    page.evaluate("caches.open('another')")  # of another application at this origin
    page.get_by_role("button", name="Deutsch").first.click()
    expect(page.locator("html")).to_have_attribute("lang", "de")
    kept = page.evaluate(KEPT)
    for _ in range(100):
        if before not in kept["names"]:
            break
        page.wait_for_timeout(100)
        kept = page.evaluate(KEPT)
    assert len(kept["names"]) == 2
    assert "another" in kept["names"]
    assert "/offline/de" in kept["paths"]
    assert "/offline/en-gb" not in kept["paths"]
