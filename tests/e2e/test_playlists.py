"""A list from its making to a stranger who has its link."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from recommender.models import Playlist
from tests.e2e.test_listening import log_in_staff

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from pytest_django.live_server_helper import LiveServer

    from catalog.models import Song

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


def titles(page: Page) -> list[str]:
    return page.locator("[data-entry] .title").all_text_contents()


def test_made_changed_saved_shared(
    page: Page, browser: Browser, songs: list[Song], live_server: LiveServer
) -> None:
    log_in_staff(page, live_server)
    page.goto("/playlist?mood=calm&seed=1&min_match=0")
    first, second, third, *rest = made = titles(page)

    # by keys: the third to the top, then the last one away
    page.get_by_role("button", name=f"Move {third}.").focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(page).to_have_url(re.compile(r"edit=move\.\d+\.0"))
    expect(page.get_by_role("button", name=f"Move {third}.")).to_be_focused()
    assert titles(page) == [third, first, second, *rest]
    page.get_by_role("button", name=f"Move {made[-1]}.").focus()
    page.keyboard.press("Delete")
    expect(page.locator("[data-entry]")).to_have_count(len(made) - 1)
    page.keyboard.press("Control+z")
    expect(page.locator("[data-entry]")).to_have_count(len(made))

    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_label("Name").fill("For the night")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("For the night")
    assert titles(page) == [third, first, second, *rest]

    # from a row's menu by keys alone
    page.get_by_role("button", name=f"More about {third}").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Play next")).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.locator("[data-entry]")).to_have_count(len(made) - 1)
    expect(page.get_by_text(f"Removed “{third}”")).to_be_visible()

    page.get_by_role("button", name="Share").click()
    page.get_by_role("button", name="Make a link").click()
    expect(page.locator(".messages")).to_contain_text("Anyone who has the link")
    link = f"{live_server.url}/shared/{Playlist.objects.get().share_token}"

    stranger = browser.new_context().new_page()
    stranger.goto(link)
    expect(stranger.get_by_role("heading", level=1)).to_have_text("For the night")
    assert titles(stranger) == [first, second, *rest]
    stranger.get_by_role("button", name="Export").click()
    with stranger.expect_download() as download:
        stranger.get_by_role("link", name="Export XSPF").click()
    assert download.value.suggested_filename == "playlist.xspf"
    stranger.context.close()


def test_a_row_is_dragged_and_a_song_is_found(page: Page, songs: list[Song]) -> None:
    page.goto("/playlist?mood=calm&seed=1&min_match=0")
    expect(page.get_by_placeholder("Add a song")).to_be_visible()  # nothing moves any more
    made = titles(page)
    handles = page.locator("[data-handle]")
    start, end = handles.nth(0).bounding_box(), handles.nth(2).bounding_box()
    assert start is not None
    assert end is not None
    page.mouse.move(start["x"] + 5, start["y"] + 10)
    page.mouse.down()
    page.mouse.move(end["x"] + 5, end["y"] + end["height"], steps=12)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"edit=move\.\d+\.2"))
    expect(page.get_by_role("button", name="Undo")).to_be_visible()  # the new page is there
    assert titles(page)[:3] == [made[1], made[2], made[0]]

    page.get_by_placeholder("Add a song").fill(made[0])
    expect(page.get_by_role("button", name=f"Add {made[0]}")).to_be_disabled()
