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


def test_point_to_music(page: Page, songs: list[Song]) -> None:
    page.goto("/")
    expect(page.locator("[data-dots] circle")).to_have_count(len(songs))
    plane = page.locator("[data-plane]")
    box = plane.bounding_box()
    assert box is not None
    plane.click(position={"x": box["width"] * 0.75, "y": box["height"] * 0.25})

    expect(page).to_have_url(re.compile(r"/playlist\?valence=0\.75&arousal=0\.75&seed=\d+"))
    page.get_by_role("link", name="With weaker matches").click()
    entries = page.locator("[data-entry]")
    expect(entries.first).to_be_visible()
    entries.first.get_by_role("button", name="Play").click()
    wait_until_played(page, 0.3)

    with page.expect_response(lambda r: r.url.endswith("/audio") and r.status == 206):
        page.get_by_role("button", name="Next song").click()
    expect(entries.nth(1)).to_have_class(re.compile("is-playing"))
    wait_until_played(page, 0.1)
    page.evaluate("document.querySelector('audio').currentTime = 5")
    wait_until_played(page, 5.2)
    # and on by itself, to the third song
    expect(entries.nth(2)).to_have_class(re.compile("is-playing"))


def test_keys_alone_are_enough(page: Page, songs: list[Song]) -> None:
    page.goto("/")
    page.locator("[data-plane]").focus()
    for key in ("Shift+ArrowLeft", "ArrowRight", "Shift+ArrowUp", "ArrowDown"):
        page.keyboard.press(key)
    expect(page.locator("[data-plane-reading]")).to_have_text(
        "Pleasant 0.62, lively 0.43: calm, content"
    )
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"valence=0\.62&arousal=0\.43"))
    expect(page.locator("[data-entry]").first).to_be_visible()


def test_hovering_names_the_nearest_song(page: Page, songs: list[Song]) -> None:
    page.goto("/")
    expect(page.locator("[data-dots] circle")).to_have_count(len(songs))
    plane = page.locator("[data-plane]")
    box = plane.bounding_box()
    assert box is not None
    plane.hover(position={"x": box["width"] * 0.25, "y": box["height"] * 0.75})
    expect(page.locator("[data-plane-nearest]")).to_contain_text("Tone")
    plane.hover(position={"x": box["width"] * 0.5, "y": box["height"] * 0.5})
    expect(page.locator("[data-plane-nearest]")).to_be_empty()


def test_words_and_moods(page: Page, songs: list[Song]) -> None:
    page.goto("/")
    page.get_by_label("Words, a sentence").fill("rain on a tin roof")
    page.get_by_role("button", name="Play these words").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("rain on a tin roof")
    expect(page.locator("[data-entry]").first).to_be_visible()

    page.goto("/")
    page.get_by_role("button", name="peaceful").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Peaceful")
    page.get_by_role("link", name="More like this").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Like Tone")


def test_sign_up_listen_and_keep(page: Page, songs: list[Song]) -> None:
    page.goto("/")
    page.get_by_role("link", name="Sign up").first.click()
    page.get_by_label("Username").fill("grace")
    page.get_by_label("Password", exact=True).fill("hopper-1906")
    page.get_by_label("Password confirmation").fill("hopper-1906")
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_text("Play some songs first")).to_be_visible()

    page.get_by_role("button", name="peaceful").click()
    page.get_by_role("button", name="Play all").click()
    page.evaluate("document.querySelector('audio').playbackRate = 3")
    with page.expect_response("**/api/v1/listens/") as posted:
        wait_until_played(page, 4)
    assert posted.value.status == 201
    listen = Listen.objects.get()
    assert 3 <= (listen.seconds_played or 0) <= 6

    page.get_by_label("Name").fill("For the night")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("For the night")
    assert Playlist.objects.get().entries.count() == page.locator("[data-entry]").count()

    page.goto("/history")
    expect(page.get_by_role("link", name=re.compile("Tone"))).to_be_visible()
    page.get_by_role("link", name="Play from my listening").click()
    expect(page.locator("[data-entry]").first).to_be_visible()


def test_a_format_that_the_browser_does_not_play_is_said_beforehand_and_skipped(
    page: Page, songs: list[Song]
) -> None:
    Song.objects.filter(pk__in=[songs[0].pk, songs[1].pk]).update(
        media_type='audio/mp4; codecs="alac"'
    )
    page.goto(f"/songs/{songs[0].pk}")
    expect(page.get_by_text("This browser does not play ALAC.")).to_be_visible()
    page.goto("/songs")
    expect(page.get_by_text("This browser does not play ALAC.")).to_have_count(2)
    names = page.locator("[data-play]").evaluate_all("all => all.map(b => b.dataset.title)")
    page.get_by_role("button", name=f"Play {names[0]}").click()
    page.locator("[data-next]").click()
    expect(page.locator("[data-now-title]")).to_have_text(names[2 if names[1] == "Tone 1" else 1])


def test_timeline_seeks(page: Page, songs: list[Song]) -> None:
    page.goto(f"/songs/{songs[0].pk}")
    chart = page.locator("[data-timeline]")
    box = chart.bounding_box()
    assert box is not None
    chart.click(position={"x": box["width"] * 0.5, "y": box["height"] * 0.5})
    wait_until_played(page, 4.1)
    assert played(page) < 7


def test_the_plane_says_in_words_how_sure_a_place_is(page: Page, songs: list[Song]) -> None:
    SongEmotion.objects.filter(song=songs[0]).update(valence_spread=0.3)
    page.goto(f"/songs/{songs[0].pk}")
    plane = page.get_by_role("img", name="Pleasant 0.25 ± 0.30, lively 0.25 ± 0.08")
    expect(plane.locator("ellipse")).to_have_count(2)
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
    for path in ("/account", "/ingest", f"/ingest/{job.pk}", "/models"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 380, path


def test_job_page_follows_the_job(page: Page, live_server: LiveServer, music_dir: Path) -> None:
    log_in_staff(page, live_server)
    job = BackgroundJob.objects.create(kind="ingest", arguments={"path": str(music_dir)})
    page.goto(f"/ingest/{job.pk}")
    expect(page.locator("[data-status]")).to_contain_text("pending")
    BackgroundJob.objects.update(status="started", progress_done=3, progress_total=9)
    expect(page.locator("[data-done]")).to_have_text("3")
    expect(page.locator("[data-total]")).to_have_text("9")
    BackgroundJob.objects.update(status="succeeded", progress_done=9, finished_at=job.created_at)
    expect(page.locator("[data-status]")).to_have_text("succeeded")
    time.sleep(2)  # it asks no more, and reloads no more
    expect(page.locator("[data-job-url]")).to_have_count(0)
