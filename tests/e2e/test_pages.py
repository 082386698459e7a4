"""Pages are swapped below a player that stays."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from catalog.models import Song
from tests.e2e.test_feedback import ada
from tests.e2e.test_listening import log_in_staff, played, wait_until_played
from tests.factories import SongFactory

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer


__all__ = ["ada"]

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


def heading(page: Page, text: str | re.Pattern[str]) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


def test_music_plays_on_while_pages_are_swapped(page: Page, songs: list[Song], ada: User) -> None:
    page.goto("/songs")
    first = page.locator("[data-entry]").first
    title = first.locator(".title").inner_text()
    first.locator("[data-play]").click()
    page.evaluate("document.querySelector('audio').loop = true")
    page.evaluate("window.wasNeverLeft = true")
    wait_until_played(page, 0.2)

    page.locator("[data-entry] .title a").first.click()
    heading(page, title)
    playing = page.locator(".song-head [data-play]")
    expect(playing).to_have_attribute("aria-pressed", "true")
    page.get_by_label("Main").get_by_role("link", name="Home").click()
    heading(page, "How should the music feel?")
    expect(page.locator("[data-map-total]")).to_have_text(f"{len(songs)} songs on the map")
    expect(page.get_by_label("Main").get_by_role("link", name="Home")).to_have_attribute(
        "aria-current", "page"
    )
    page.get_by_label("Main").get_by_role("link", name="Playlists").click()
    heading(page, "Playlists")
    page.go_back()
    heading(page, "How should the music feel?")
    expect(page.locator("[data-map-total]")).to_have_text(f"{len(songs)} songs on the map")
    page.go_back()
    heading(page, title)
    page.go_forward()
    heading(page, "How should the music feel?")

    assert page.evaluate("window.wasNeverLeft")
    assert not page.evaluate("document.querySelector('audio').paused")
    before = played(page)
    page.wait_for_timeout(300)
    assert played(page) != before


def test_focus_title_and_scroll_of_a_swapped_page(page: Page, songs: list[Song]) -> None:
    page.set_viewport_size({"width": 1100, "height": 300})
    page.goto("/songs")
    page.mouse.move(700, 150)
    page.mouse.wheel(0, 400)
    page.wait_for_timeout(400)  # the place is kept when scrolling has ended
    scrolled = page.evaluate("scrollY")
    assert scrolled > 0
    page.locator("[data-entry] .title a").nth(3).click()
    expect(page).to_have_title(re.compile(r"^Tone \d . Affetti$"))
    assert page.evaluate("document.activeElement.id") == "main"
    expect(page.locator("[data-announced]")).to_contain_text("Tone")
    assert page.evaluate("scrollY") == 0
    page.go_back()
    heading(page, "Library")
    page.wait_for_function("place => scrollY === place", arg=scrolled)


def test_errors_are_pages_and_logging_out_loads_the_page_whole(
    page: Page, songs: list[Song], ada: User, expected_complaints: list[str]
) -> None:
    page.goto("/songs")
    page.evaluate("window.wasNeverLeft = true")
    expected_complaints.append(
        "Failed to load resource: the server responded with a status of 404 (Not Found)"
    )
    page.evaluate("document.querySelector('[data-entry] .title a').href = '/songs/99999'")
    page.locator("[data-entry] .title a").first.click()
    heading(page, re.compile("Not found"))
    assert page.evaluate("window.wasNeverLeft")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Main").get_by_role("link", name="Log in")).to_be_visible()
    assert page.evaluate("window.wasNeverLeft") is None


def test_another_language_loads_the_page_whole(page: Page, songs: list[Song]) -> None:
    page.goto("/songs")
    assert page.evaluate("gettext('Play')") == "Play"
    page.evaluate("document.cookie = 'language=de; Path=/'")  # as a choice in another tab does
    page.get_by_label("Main").get_by_role("link", name="Home").click()
    expect(page.locator("html")).to_have_attribute("lang", "de")
    assert page.evaluate("""document.querySelector('script[src^="/texts/de."]') !== null""")


def test_a_choice_of_language_leads_back_to_the_page_that_is_shown(
    page: Page, songs: list[Song], ada: User
) -> None:
    page.goto("/")
    page.get_by_label("Main").get_by_role("link", name="Library").click()
    page.get_by_role("searchbox").fill("Title 1")
    page.get_by_role("searchbox").press("Enter")
    page.wait_for_url("**/songs?*q=Title+1*")
    address = page.url
    page.get_by_role("button", name="Deutsch").click()
    expect(page.locator("html")).to_have_attribute("lang", "de")
    assert page.url == address
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/account")
    page.locator("main").get_by_role("button", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en-gb")
    assert page.url.endswith("/account")
    expect(page.locator("main").get_by_role("button", name="Log out")).to_be_visible()


@pytest.mark.parametrize("path", ["/songs", "/manage/songs"])
def test_the_link_to_more_songs_opens_in_another_tab(
    page: Page, live_server: LiveServer, path: str
) -> None:
    SongFactory.create_batch(120)
    log_in_staff(page, live_server)
    page.route("**/*rows=1*", lambda route: None)  # scrolling there asks for them, in vain
    page.goto(path)
    link = page.get_by_role("link", name="More songs")
    ways: list[tuple[Any, Any]] = [(["Control"], "left"), (["Shift"], "left"), ([], "middle")]
    for modifiers, button in ways:
        with page.context.expect_page() as opened:
            link.click(modifiers=modifiers, button=button)
        expect(opened.value).to_have_url(re.compile(rf"{path}\?.*after="))
        expect(opened.value.get_by_role("heading", level=1)).to_be_visible()
        expect(page).to_have_url(re.compile(rf"{path}$"))


def test_a_link_opens_in_another_tab(page: Page, songs: list[Song]) -> None:
    page.goto("/songs")
    link = page.locator("[data-entry] .title a").first
    with page.context.expect_page() as opened:
        link.click(modifiers=["ControlOrMeta"])
    expect(opened.value.get_by_role("heading", level=1)).to_have_text("Tone 0")
    heading(page, "Library")


def test_what_scrolls_sideways_fades_where_there_is_more(
    page: Page, live_server: LiveServer, songs: list[Song]
) -> None:
    log_in_staff(page, live_server)
    page.set_viewport_size({"width": 600, "height": 800})
    page.goto("/you")
    tabs = page.locator("[data-strip]").first
    expect(tabs).not_to_have_class(re.compile("has-"))
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto("/manage/songs")
    expect(tabs).to_have_class(re.compile("has-before.*has-after"))
    tabs.evaluate("one => { one.scrollLeft = 0; }")
    expect(tabs).not_to_have_class(re.compile("has-before"))
    tabs.evaluate("one => { one.scrollLeft = 10000; }")
    expect(tabs).to_have_class("tabs has-before")
    page.set_viewport_size({"width": 1100, "height": 800})
    expect(tabs).to_have_class("tabs")


def test_the_current_tab_stays_in_sight_when_the_window_turns(
    page: Page, songs: list[Song], ada: User
) -> None:
    page.goto("/account")
    current = page.locator(".tabs [aria-current]")
    for width in (390, 900, 320):
        page.set_viewport_size({"width": width, "height": 800})
        expect(current).to_be_in_viewport(ratio=1)
    page.goto("/history")
    page.set_viewport_size({"width": 320, "height": 800})
    page.locator(".tabs").get_by_role("link", name="Imports").click()
    expect(current).to_have_text("Imports")
    page.set_viewport_size({"width": 330, "height": 800})
    middle = current.evaluate(
        "one => { const box = one.getBoundingClientRect(); return box.left + box.width / 2 }"
    )
    assert abs(middle - 330 / 2) < 40


def test_a_name_that_is_read_from_the_right_is_cut_at_its_end(
    page: Page, songs: list[Song]
) -> None:
    for song in songs:
        song.title = "أغنية الليل الطويل " * 4
    Song.objects.bulk_update(songs, ["title"])
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/songs")
    name = page.locator("[data-entry] .title bdi").first
    assert name.evaluate("(name) => getComputedStyle(name).direction") == "rtl"
    assert name.evaluate("(name) => name.scrollWidth > name.clientWidth"), "it cuts itself"
