"""The player's queue, keys and memory."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from recommender.feedback import feedback_of
from tests.e2e.test_feedback import ada
from tests.e2e.test_listening import played, wait_until_played
from tests.factories import UserFactory

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from playwright.sync_api import Locator, Page, Route

    from catalog.models import Song

__all__ = ["ada"]

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

_FAILED = "Failed to load resource: the server responded with a status of "
SERVER_BUSY = f"{_FAILED}503 (Service Unavailable)"
NOT_THERE = f"{_FAILED}404 (Not Found)"


def now_playing(page: Page) -> Locator:
    return page.locator("[data-now-title]")


def is_paused(page: Page) -> bool:
    return bool(page.evaluate("document.querySelector('audio').paused"))


def queued(page: Page) -> list[str]:
    return page.locator("[data-row-title]").all_inner_texts()


@pytest.fixture
def titles(page: Page, songs: list[Song]) -> list[str]:
    """Titles of the queue, whose first song plays."""
    page.goto("/songs")
    page.locator("[data-play]").first.click()
    wait_until_played(page, 0.1)
    return page.locator("[data-entry] .title").all_inner_texts()


def test_the_queue_is_changed_with_keys_alone(page: Page, titles: list[str]) -> None:
    page.keyboard.press("q")
    assert queued(page) == titles
    last = page.locator("[data-row]").last.locator("[data-row-title]")
    last.focus()
    page.keyboard.press("Alt+ArrowUp")
    assert queued(page)[-2:] == [titles[-1], titles[-2]]
    expect(page.locator("[data-said]")).to_have_text(f"{titles[-1]}: place 7 of 8")
    page.keyboard.press("Alt+ArrowDown")
    assert queued(page) == titles

    page.get_by_role("button", name=f"Play next: {titles[-1]}").press("Enter")
    assert queued(page)[:2] == [titles[0], titles[-1]]
    page.get_by_role("button", name=f"Remove {titles[-1]}").press("Enter")
    assert queued(page) == titles[:-1]
    page.get_by_role("button", name=f"Move down: {titles[0]}").press("Enter")
    assert queued(page)[:2] == [titles[1], titles[0]]
    page.get_by_role("button", name="Clear").press("Enter")
    assert queued(page) == [titles[0]]
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Queue")).to_be_focused()


def test_the_queue_is_changed_by_dragging(page: Page, titles: list[str]) -> None:
    page.keyboard.press("q")
    handles = page.locator("[data-handle]")
    first, third = handles.nth(0).bounding_box(), handles.nth(2).bounding_box()
    assert first is not None
    assert third is not None
    x = first["x"] + first["width"] / 2
    page.mouse.move(x, first["y"] + first["height"] / 2)
    page.mouse.down()
    page.mouse.move(x, third["y"] + third["height"] / 2, steps=8)
    page.mouse.up()
    assert queued(page)[:3] == [titles[1], titles[2], titles[0]]
    expect(now_playing(page)).to_have_text(titles[0])


def test_shortcuts(page: Page, titles: list[str]) -> None:
    page.locator("main").focus()
    page.keyboard.press(" ")
    assert is_paused(page)
    page.keyboard.press("ArrowRight")
    assert played(page) > 5
    page.keyboard.press("n")
    expect(now_playing(page)).to_have_text(titles[1])
    page.keyboard.press("p")
    expect(now_playing(page)).to_have_text(titles[0])
    page.keyboard.press("m")
    assert page.evaluate("document.querySelector('audio').muted")
    page.keyboard.press("m")
    page.keyboard.press("Shift+ArrowDown")
    assert page.evaluate("document.querySelector('audio').volume") == pytest.approx(0.95)
    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="Keyboard shortcuts")).to_be_visible()
    page.get_by_label("Shortcuts are on").uncheck()
    page.keyboard.press("Escape")
    page.locator("main").focus()
    page.keyboard.press("n")
    expect(now_playing(page)).to_have_text(titles[0])


def test_typing_is_no_shortcut(page: Page, titles: list[str]) -> None:
    page.get_by_label("Title, artist or album").press_sequentially("nm q")
    expect(page.get_by_label("Title, artist or album")).to_have_value("nm q")
    expect(now_playing(page)).to_have_text(titles[0])
    assert not page.evaluate("document.querySelector('audio').muted")
    expect(page.locator("[data-drawer]")).to_be_hidden()


def test_a_song_follows_by_itself_and_repeats(page: Page, titles: list[str]) -> None:
    repeat = page.locator("[data-repeat]")
    repeat.click()
    repeat.click()
    expect(repeat).to_have_attribute("aria-label", "Repeat: this song")
    page.evaluate("document.querySelector('audio').currentTime = 7.5")
    wait_until_played(page, 7.6)
    page.wait_for_timeout(900)
    expect(now_playing(page)).to_have_text(titles[0])
    assert played(page) < 3
    repeat.click()
    page.evaluate("document.querySelector('audio').currentTime = 7.5")
    expect(now_playing(page)).to_have_text(titles[1])
    assert not is_paused(page)


def test_songs_are_faded_into_each_other(page: Page, titles: list[str]) -> None:
    page.keyboard.press("q")
    page.get_by_label("Fade songs into each other").fill("2")
    page.evaluate("document.querySelector('audio').currentTime = 6")
    expect(now_playing(page)).to_have_text(titles[1])
    decks = "[...document.querySelectorAll('audio')].filter(deck => !deck.paused).length"
    assert page.evaluate(decks) == 2
    page.wait_for_timeout(2500)
    assert page.evaluate(decks) == 1
    assert page.evaluate("document.querySelector('audio').volume") == 1


def test_shuffling_keeps_the_song_and_can_be_undone(page: Page, titles: list[str]) -> None:
    page.keyboard.press("q")
    shuffle = page.locator("[data-player]").get_by_role("button", name="Shuffle")
    shuffle.click()
    assert queued(page)[0] == titles[0]
    assert sorted(queued(page)) == sorted(titles)
    shuffle.click()
    assert queued(page) == titles


def test_a_reload_keeps_the_queue_and_its_place(page: Page, titles: list[str]) -> None:
    page.get_by_role("button", name="Next song").click()
    page.evaluate("document.querySelector('audio').currentTime = 4")
    wait_until_played(page, 4.1)
    page.reload()
    expect(now_playing(page)).to_have_text(titles[1])
    assert is_paused(page)
    page.get_by_role("region", name="Player").get_by_role("button", name="Play").click()
    wait_until_played(page, 4)
    page.keyboard.press("q")
    assert queued(page) == titles


def test_another_user_does_not_find_the_queue(page: Page, songs: list[Song], ada: User) -> None:
    page.goto("/songs")
    page.locator("[data-play]").first.click()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Main").get_by_role("link", name="Log in")).to_be_visible()
    expect(page.locator("[data-player]")).to_be_hidden()


def test_a_song_that_the_server_is_too_busy_for_is_waited_for(
    page: Page, songs: list[Song], expected_complaints: list[str]
) -> None:
    busy = {"status": 503, "headers": {"Retry-After": "1"}, "body": "{}"}
    answers: list[str] = []

    def answer(route: Route) -> None:
        answers.append(route.request.method)
        if len(answers) > 4:
            route.continue_()
        else:
            route.fulfill(**busy)  # type: ignore[arg-type]

    page.route("**/songs/*/audio*", answer)
    page.goto("/songs")
    first = page.locator("[data-entry] .title").first.inner_text()
    page.locator("[data-play]").first.click()
    expect(page.locator("[data-now-artist]")).to_have_text("The server is busy. Trying again…")
    expect(page.get_by_label("Pause", exact=True)).to_be_visible()
    wait_until_played(page, 0.3)
    expect(now_playing(page)).to_have_text(first)
    expect(page.locator("[data-now-artist]")).not_to_contain_text("busy")
    assert answers[:4] == ["GET", "HEAD", "GET", "HEAD"]
    expected_complaints += [SERVER_BUSY] * 4


def test_a_lost_connection_is_waited_for_and_no_song_is_left_out(
    page: Page, songs: list[Song], expected_complaints: list[str]
) -> None:
    page.goto("/songs")
    first = page.locator("[data-entry] .title").first.inner_text()
    page.route("**/songs/*/audio*", lambda route: route.abort("internetdisconnected"))
    page.locator("[data-play]").first.click()
    expect(page.locator("[data-now-artist]")).to_have_text("No connection. Trying again…")
    player = page.get_by_role("region", name="Player")
    player.get_by_role("button", name="Pause", exact=True).click()
    page.unroute("**/songs/*/audio*")
    page.wait_for_timeout(2500)
    assert is_paused(page)
    player.get_by_role("button", name="Play", exact=True).click()
    wait_until_played(page, 0.3)
    expect(now_playing(page)).to_have_text(first)
    expected_complaints += ["Failed to load resource: net::ERR_INTERNET_DISCONNECTED"] * 2


def test_a_server_that_does_not_say_why_is_as_good_as_away(
    page: Page, songs: list[Song], expected_complaints: list[str]
) -> None:
    unanswered: list[Route] = []

    def answer(route: Route) -> None:
        if route.request.method == "HEAD":
            unanswered.append(route)
        else:
            route.fulfill(status=404)

    page.route("**/songs/*/audio*", answer)
    page.goto("/songs")
    page.locator("[data-play]").first.click()
    words = page.locator("[data-now-artist]")
    expect(words).to_have_text("No connection. Trying again…", timeout=15_000)
    assert len(unanswered) == 1
    page.get_by_label("Pause", exact=True).click()
    expected_complaints += [NOT_THERE]


def test_a_song_that_cannot_be_played_is_left_out_at_once(
    page: Page, songs: list[Song], expected_complaints: list[str]
) -> None:
    page.route(f"**/songs/{songs[0].pk}/audio*", lambda route: route.fulfill(status=404))
    page.goto("/songs")
    titles = page.locator("[data-entry] .title").all_inner_texts()
    assert titles[0] == songs[0].title
    page.locator("[data-play]").first.click()
    expect(now_playing(page)).to_have_text(titles[1])
    wait_until_played(page, 0.3)
    expected_complaints += [NOT_THERE] * 2


def test_the_player_likes_and_leads_on(page: Page, songs: list[Song], ada: User) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto("/playlist?mood=calm&seed=1&min_match=0")
    page.locator("[data-play]").first.click()
    page.get_by_role("button", name="Open the player").click()
    expect(page.locator("[data-now-mood]")).to_have_text("calm")
    expect(page.get_by_role("slider", name="Volume")).to_be_hidden()
    like = page.get_by_role("button", name="Like this song")
    row = page.locator("[data-entry]").first.locator(".tools > .marks .mark.like")
    for is_liked in ("true", "false", "true"):
        with page.expect_response(lambda answer: answer.status == 204):
            like.click()
        expect(like).to_have_attribute("aria-pressed", is_liked)
        expect(row).to_have_attribute("aria-pressed", is_liked)
    assert len(feedback_of(ada).likes) == 1
    page.get_by_role("button", name="Next song").click()
    expect(like).to_have_attribute("aria-pressed", "false")
    page.get_by_role("button", name="More about this song").click()
    page.keyboard.press("Escape")
    expect(like).to_be_visible()
    page.get_by_role("button", name="More about this song").click()
    page.get_by_role("link", name="Playlist like this").click()
    expect(page).to_have_url(re.compile(r"/playlist\?like=\d+"))


def test_the_phone_has_a_whole_screen(page: Page, titles: list[str]) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.get_by_role("button", name="Open the player").click()
    player = page.locator("[data-player]")
    expect(player.get_by_role("button", name="Shuffle")).to_be_visible()
    cover = page.locator("[data-now-cover]").bounding_box()
    assert cover
    assert cover["width"] == pytest.approx(cover["height"], abs=1)
    assert cover["width"] > 200
    page.get_by_role("button", name="Next song").click()
    expect(now_playing(page)).to_have_text(titles[1])
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Open the player")).to_be_focused()
    page.get_by_role("button", name="Open the player").click()
    now_playing(page).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(titles[1])
    expect(page.get_by_label("Main").get_by_role("link", name="Home")).to_be_visible()


PATHS = (
    "/", "/songs", "/playlist?mood=calm&seed=1&min_match=0", "/playlists", "/stations", "/history",
    "/you", "/account", "/account/feedback", "/account/password", "/account/delete", "/manage/add",
    "/manage/jobs", "/manage/models", "/api/docs/",
)  # fmt: skip


def test_no_page_complains(page: Page, songs: list[Song]) -> None:
    UserFactory(username="root", is_staff=True, is_superuser=True)
    page.goto("/login")
    page.get_by_label("Username").fill("root")
    page.get_by_label("Password").fill("pass-word-1")
    page.get_by_role("button", name="Log in").click()
    page.get_by_text("Log out").wait_for()
    for path in (*PATHS, f"/songs/{songs[0].pk}"):
        page.goto(path)
        page.wait_for_load_state("networkidle")
        assert page.title(), path
    page.goto("/songs")
    for name in ("Home", "Library", "Playlists", "You", "Manage"):
        page.get_by_label("Main").get_by_role("link", name=name).click()
        expect(page.get_by_label("Main").get_by_role("link", name=name)).to_have_attribute(
            "aria-current", "page"
        )
        expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("."))
