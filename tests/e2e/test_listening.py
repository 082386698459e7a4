"""What a listener does, in a real browser."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest
from django.conf import settings as django_settings
from django.test import Client
from playwright.sync_api import expect

from catalog.models import BackgroundJob, ModelVersion, Song, SongEmotion
from recommender.models import Listen, Playlist
from tests.factories import UserFactory

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page
    from pytest_django.fixtures import SettingsWrapper
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

PATIENCE_SECONDS = 15


def played(page: Page) -> float:
    return float(page.evaluate("document.querySelector('audio').currentTime"))


def wait_until_played(page: Page, seconds: float) -> None:
    # Not page.wait_for_function: it evaluates strings, which the pages' policy forbids.
    deadline = time.monotonic() + PATIENCE_SECONDS
    while played(page) <= seconds:
        assert time.monotonic() < deadline, f"stuck at {played(page)} s, before {seconds} s"
        page.wait_for_timeout(50)


def test_words_and_moods(page: Page, songs: list[Song]) -> None:
    page.goto("/playlist?text=rain on a tin roof&min_match=0")
    expect(page.get_by_role("heading", level=1)).to_contain_text("rain on a tin roof")
    expect(page.locator("[data-entry]").first).to_be_visible()

    page.goto("/playlist?mood=peaceful&min_match=0")
    expect(page.get_by_role("heading", level=1)).to_have_text("Peaceful")
    page.locator("[data-entry]").first.get_by_role("button", name="More about").click()
    page.get_by_role("link", name="More like this").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Like Tone")


def test_sign_up_listen_and_keep(page: Page, songs: list[Song]) -> None:
    page.goto("/")
    page.get_by_role("link", name="Sign up").first.click()
    page.get_by_label("Username").fill("grace")
    page.get_by_label("Password", exact=True).fill("hopper-1906")
    page.get_by_label("Password again").fill("hopper-1906")
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_role("heading", name="Continue")).to_have_count(0)

    page.get_by_role("button", name="Calm", exact=True).click()
    page.evaluate("document.querySelector('audio').playbackRate = 3")
    with page.expect_response("**/api/v1/listens/") as posted:
        wait_until_played(page, 4)
    assert posted.value.status == 201
    listen = Listen.objects.get()
    assert 3 <= (listen.seconds_played or 0) <= 6

    page.get_by_label("Keep it as").fill("For the night")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("For the night")
    assert Playlist.objects.get().entries.count() == page.locator("[data-entry]").count()

    page.goto("/history")
    expect(page.locator("main").get_by_role("link", name=re.compile("Tone"))).to_be_visible()
    page.get_by_role("link", name="Play from my listening").click()
    expect(page.locator("[data-entry]").first).to_be_visible()


def test_a_format_that_the_browser_does_not_play_is_said_beforehand_and_skipped(
    page: Page, songs: list[Song], settings: SettingsWrapper
) -> None:
    settings.AFFETTI_FFMPEG = ""
    Song.objects.filter(pk__in=[songs[0].pk, songs[1].pk]).update(
        media_type='audio/mp4; codecs="alac"'
    )
    page.goto(f"/songs/{songs[0].pk}")
    expect(page.locator(".opinion").get_by_text("does not play ALAC.")).to_be_visible()
    page.goto("/songs")
    expect(page.get_by_text("This browser does not play ALAC.")).to_have_count(2)
    names = page.locator("[data-play]").evaluate_all("all => all.map(b => b.dataset.title)")
    page.get_by_role("button", name=f"Play {names[0]}").click()
    page.locator("[data-next]").click()
    expect(page.locator("[data-now-title]")).to_have_text(names[2 if names[1] == "Tone 1" else 1])


def test_timeline_seeks(page: Page, songs: list[Song]) -> None:
    page.goto(f"/songs/{songs[0].pk}")
    page.get_by_role("heading", name="Details").click()
    chart = page.locator("[data-timeline]")
    box = chart.bounding_box()
    assert box is not None
    chart.click(position={"x": box["width"] * 0.5, "y": box["height"] * 0.5})
    wait_until_played(page, 4.1)
    assert played(page) < 7


def test_the_plane_says_in_words_how_sure_a_place_is(page: Page, songs: list[Song]) -> None:
    SongEmotion.objects.filter(song=songs[0]).update(valence_spread=0.3)
    page.goto(f"/songs/{songs[0].pk}")
    plane = page.get_by_role("img", name="On the map: pleasant 0.25 ± 0.30, lively 0.25 ± 0.08")
    expect(plane.locator(".reach")).to_have_count(1)
    # what lies beyond the plane is cut off
    assert plane.locator("svg").evaluate("drawn => getComputedStyle(drawn).overflow") == "hidden"


OVERLAPS = """
() => [...document.querySelectorAll(".entry")].flatMap(entry => {
  const boxes = [...entry.children].map(child => [child.className, child.getBoundingClientRect()])
  return boxes.flatMap(([one, a], number) => boxes.slice(number + 1)
    .filter(([_, b]) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
      && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1)
    .map(([other]) => `${one} and ${other}`))
})
"""


@pytest.mark.parametrize("width", [390, 1440])
def test_no_part_of_a_song_lies_on_another(page: Page, songs: list[Song], width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    for address in ("mood=calm&min_match=0", "journey=sad&journey=happy&min_match=0"):
        page.goto(f"/playlist?{address}&seed=1")
        expect(page.locator("[data-entry]").first).to_be_visible()
        assert page.evaluate(OVERLAPS) == []


def test_phone_has_no_sideways_scroll(page: Page, songs: list[Song]) -> None:
    page.set_viewport_size({"width": 380, "height": 780})
    for path in ("/", "/songs", f"/songs/{songs[0].pk}", "/playlist?mood=calm&seed=1", "/signup"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 380, path


def log_in_staff(page: Page, live_server: LiveServer) -> None:
    client = Client()
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    name = django_settings.SESSION_COOKIE_NAME
    page.context.add_cookies(
        [{"name": name, "value": client.cookies[name].value, "url": live_server.url}]
    )


def test_phone_has_no_sideways_scroll_on_pages_of_staff(
    page: Page, songs: list[Song], live_server: LiveServer, music_dir: Path
) -> None:
    log_in_staff(page, live_server)
    job = BackgroundJob.objects.create(kind="ingest", arguments={"path": str(music_dir)})
    version = songs[0].emotions.get().model_version
    ModelVersion.objects.update_or_create(name=version, defaults={"is_serving": True})
    page.set_viewport_size({"width": 380, "height": 780})
    for path in (
        *("/account", "/manage", "/manage/add", "/manage/jobs", f"/manage/jobs/{job.pk}"),
        *("/manage/models", "/manage/songs", "/manage/people"),
    ):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 380, path
