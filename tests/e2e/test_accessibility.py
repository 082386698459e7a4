"""No page has a fault of accessibility, in any theme and width, or scrolls sideways on a phone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.urls import resolve
from playwright.sync_api import expect

from recommender.first_run import setup_code, setup_forget
from recommender.web.navigation import PAGES
from tests.e2e.site import API, NOWHERE, Site, site_fill
from tests.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.contrib.auth.models import User
    from playwright.sync_api import Browser, Page
    from pytest_django.live_server_helper import LiveServer

    from catalog.models import Song

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

AXE = ROOT / "tests/e2e/vendor/axe-core-4.14.1/axe.min.js"
PHONE, DESKTOP = 390, 1440
CHECK = """async ([only, ignored]) => {
  const off = Object.fromEntries(ignored.map((rule) => [rule, {enabled: false}]));
  const {violations} = await axe.run({
    resultTypes: ["violations"],
    ...(only.length ? {runOnly: only} : {rules: {"target-size": {enabled: true}, ...off}}),
  });
  return violations.flatMap(({id, nodes}) => nodes.map(({target, failureSummary, html}) =>
    `${id}: ${target} ${html.slice(0, 200)} ${failureSummary.replace(/\\s+/g, " ")}`));
}"""
OF_COLOURS = ("color-contrast", "link-in-text-block")
RULES: dict[Literal["light", "dark"], tuple[str, ...]] = {"light": (), "dark": OF_COLOURS}
"""Rules by theme, all if none is named: themes differ in nothing but colours."""
UNFOLD = "() => document.querySelectorAll('details').forEach((one) => { one.open = true; })"
NEXT_FRAME = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
"""A script that follows the theme has run then."""
HEIGHT = "() => document.scrollingElement.scrollHeight"
EXCESS = "() => document.scrollingElement.scrollWidth - innerWidth"
IN_SWAGGER = ("heading-order", "nested-interactive", "region")
"""Faults of Swagger UI's own elements, which its style sheet cannot mend."""
ANSWERED_TO_POST = {
    "token-create",
    "invite",
    "person-password",
    "library-edit",
    "library-catalogue",
}
"""Names of addresses that show a page of another name."""


@pytest.fixture
def page(browser: Browser, live_server: LiveServer) -> Iterator[Page]:
    context = browser.new_context(base_url=live_server.url, reduced_motion="reduce")
    context.set_default_timeout(15_000)
    context.add_init_script(path=AXE)
    yield context.new_page()
    context.close()


def faults(page: Page, name: str, ignored: tuple[str, ...] = ()) -> list[str]:
    """Return what is wrong with the page that is shown, its foldable parts open."""
    page.evaluate(UNFOLD)
    found = []
    for width in (PHONE, DESKTOP):
        page.set_viewport_size({"width": width, "height": 900})
        # High enough to see all of it: what is fixed to the screen then covers nothing.
        page.set_viewport_size({"width": width, "height": page.evaluate(HEIGHT)})
        if (excess := page.evaluate(EXCESS)) > 0:
            found.append(f"{name}, {width} px: {excess} px wider than the screen")
        for theme, only in RULES.items():
            page.emulate_media(color_scheme=theme)
            page.evaluate(NEXT_FRAME)
            broken = page.evaluate(CHECK, [only, ignored])
            found += [f"{name}, {width} px, {theme}: {one}" for one in broken]
    return found


def visit(page: Page, path: str) -> None:
    answer = page.goto(path)
    assert answer is not None
    assert answer.status == (404 if path == NOWHERE else 200), path
    if path == API:
        page.locator(".opblock").last.wait_for()


def log_in(page: Page, user: User, live_server: LiveServer) -> None:
    client = Client()
    client.force_login(user)
    name = django_settings.SESSION_COOKIE_NAME
    cookie: Any = {"name": name, "value": client.cookies[name].value, "url": live_server.url}
    page.context.add_cookies([cookie])


def test_every_page_is_accessible(page: Page, songs: list[Song], live_server: LiveServer) -> None:
    setup_forget()
    setup = f"/setup?code={setup_code()}"
    page.goto(setup)
    found = faults(page, "setup")
    visit(page, "/offline/de")
    found += faults(page, "no connection")
    site = site_fill(songs)
    for name, path in site.of_stranger.items():
        visit(page, path)
        found += faults(page, f"{name} of a stranger")
    log_in(page, site.admin, live_server)
    for name, path in site.of_admin.items():
        visit(page, path)
        found += faults(page, name, IN_SWAGGER if name == "API" else ())
    found += faults_of_states(page, site)
    found += too_wide_in_german(page, site)
    assert not found, "\n".join(found)
    paths = {setup, *site.of_admin.values(), *site.of_stranger.values()} - {NOWHERE}
    shown = {resolve(path.partition("?")[0]).url_name for path in paths}
    assert shown >= PAGES - ANSWERED_TO_POST, "every page of the navigation is checked"


def too_wide_in_german(page: Page, site: Site) -> list[str]:
    """Return the pages that German words, which are longer, make wider than a phone."""
    page.context.add_cookies([{"name": "language", "value": "de", "url": page.url}])
    page.set_viewport_size({"width": PHONE, "height": 900})
    found = []
    for name, path in site.of_admin.items():
        visit(page, path)
        page.evaluate(UNFOLD)
        if name != "API":
            expect(page.locator("html")).to_have_attribute("lang", "de")
        if (excess := page.evaluate(EXCESS)) > 0:
            found.append(f"{name} in German: {excess} px wider than the phone")
    return found


def faults_of_states(page: Page, site: Site) -> list[str]:
    """Return what is wrong with pages after something was pressed there."""
    page.goto(site.of_admin["song"])
    page.locator("main [data-play]").first.click()
    page.locator("[data-open-drawer]").click()
    found = faults(page, "queue")
    page.locator("[data-close-drawer]").click()
    page.locator("[data-show-keys]").click()
    found += faults(page, "keys")
    page.goto(site.of_admin["station"])
    page.get_by_role("button", name="Adjust").click()
    found += faults(page, "adjusting a station")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="More about this station").click()
    page.get_by_role("button", name="Delete this station").click()
    found += faults(page, "deletion of a station")
    page.goto(site.of_admin["stations"])
    page.get_by_role("button", name="New station").click()
    found += faults(page, "new station in place")
    page.goto(site.of_admin["people"])
    page.get_by_role("button", name="Make a link").click()
    page.locator("[role=status] [data-copied]").wait_for()
    found += faults(page, "new link")
    page.goto(site.of_admin["account"])
    page.get_by_text("New token").click()
    page.get_by_label("Name").first.fill("phone")
    page.get_by_role("button", name="Make it").click()
    page.locator("[role=status] code.secret").wait_for()
    return found + faults(page, "new token")
