"""Likes, bans and corrections in a browser: without a new page, and with mouse or keys."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from recommender import feedback
from recommender.feedback import feedback_of
from recommender.models import Skip
from tests.e2e.test_listening import wait_until_played
from tests.factories import UserFactory

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from playwright.sync_api import Page

    from catalog.models import Song

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def ada(page: Page) -> User:
    user = UserFactory(username="ada")
    page.goto("/login")
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill("pass-word-1")
    page.get_by_role("button", name="Log in").click()
    page.get_by_text("Log out").wait_for()
    return user


def test_likes_and_bans_of_a_list(page: Page, songs: list[Song], ada: User) -> None:
    page.goto("/playlist?mood=calm&seed=1&min_match=0")
    entry = page.locator("[data-entry]").first
    like, ban = entry.locator(".tools > .marks .mark.like"), entry.locator(".mark.ban")
    with page.expect_response(lambda answer: answer.status == 204):
        like.click()
    expect(like).to_have_attribute("aria-pressed", "true")
    assert len(feedback_of(ada).likes) == 1
    entry.get_by_label("More about").click()
    with page.expect_response(lambda answer: answer.status == 204):
        ban.click()
    expect(ban).to_have_attribute("aria-pressed", "true")
    expect(like).to_have_attribute("aria-pressed", "false")
    expect(entry).to_have_class(re.compile("is-banned"))
    feedback = feedback_of(ada)
    assert (len(feedback.likes), len(feedback.banned_songs)) == (0, 1)
    count = page.locator("[data-entry]").count()
    page.reload()
    assert page.locator("[data-entry]").count() == count - 1


def test_a_mood_is_dragged_on_the_plane(page: Page, songs: list[Song], ada: User) -> None:
    page.goto(f"/songs/{songs[0].pk}")
    expect(page.get_by_text("Wrong mood? Drag the dot")).to_be_visible()
    expect(page.get_by_role("button", name="Place it here for me")).to_be_hidden()
    plane = page.locator("[data-place-plane]")
    plane.scroll_into_view_if_needed()
    box = plane.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.2 * box["height"], steps=4)
    page.mouse.up()
    page.get_by_role("button", name="Place it here for me").click()
    page.get_by_text("You placed it at").wait_for()
    (correction,) = feedback_of(ada).corrections
    assert correction.valence == pytest.approx(0.9, abs=0.03)
    assert correction.arousal == pytest.approx(0.8, abs=0.03)


def test_a_mood_is_moved_by_keys_and_put_back(page: Page, songs: list[Song], ada: User) -> None:
    page.goto(f"/songs/{songs[0].pk}")
    plane, valence = page.locator("[data-place-plane]"), page.locator("[name=valence]")
    was = valence.input_value()
    plane.focus()
    for _ in range(3):
        page.keyboard.press("Shift+ArrowRight")
    expect(page.locator("[data-place-words]")).to_contain_text("Here it is")
    assert float(valence.input_value()) == pytest.approx(float(was) + 0.3)
    page.get_by_role("button", name="Put it back").click()
    expect(page.get_by_text("Wrong mood? Drag the dot")).to_be_visible()
    assert valence.input_value() == was
    page.keyboard.press("Tab")
    plane.focus()
    page.keyboard.press("ArrowUp")
    page.get_by_role("button", name="Place it here for me").click()
    page.get_by_text("You placed it at").wait_for()
    assert len(feedback_of(ada).corrections) == 1


def test_a_song_that_is_left_early_is_skipped(page: Page, songs: list[Song], ada: User) -> None:
    page.goto("/playlist?mood=calm&seed=1&min_match=0")
    page.locator("[data-play]").first.click()
    wait_until_played(page, 0.8)
    # The songs are short: without this their first second lies near their end.
    page.evaluate("Object.defineProperty(document.querySelector('audio'), 'duration', {value: 99})")
    with page.expect_response(lambda answer: "/skips/" in answer.url and answer.status == 201):
        page.get_by_label("Next song").click()
    assert Skip.objects.get().user == ada


def queued(page: Page) -> list[str]:
    kept = page.evaluate("localStorage.getItem('affetti.queue')")
    return [item["title"] for item in json.loads(kept)["items"]]


def test_liked_songs_play_at_once_in_order_and_shuffled(
    page: Page, songs: list[Song], ada: User
) -> None:
    for song in songs[:4]:
        feedback.song_like(user=ada, song_id=song.pk)
    feedback.song_rate(user=ada, song_id=songs[0].pk, stars=5)
    feedback.song_rate(user=ada, song_id=songs[5].pk, stars=5)
    feedback.song_ban(user=ada, song_id=songs[6].pk)
    page.goto("/account/feedback")
    page.get_by_role("button", name="Play liked songs").click()
    wait_until_played(page, 0.1)
    assert queued(page) == ["Tone 3", "Tone 2", "Tone 1", "Tone 0"], "each once, no other"
    button = page.locator("[data-play-all]")
    expect(button).to_have_text("Pause")
    button.click()
    expect(button).to_have_text("Play liked songs")
    assert page.evaluate("document.querySelector('audio').paused")

    like = page.locator("[data-entry]", has_text="Tone 2").locator(".like").first
    like.click()
    expect(like).to_have_attribute("aria-pressed", "false")
    page.locator("[data-shuffle-all]").click()
    assert sorted(queued(page)) == ["Tone 0", "Tone 1", "Tone 3"], "it is liked no more"
    expect(page.locator("[data-player] [data-shuffle]")).to_have_attribute("aria-pressed", "true")
