"""The page of a song in a browser: its waveform, its lyrics, songs that have to be converted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from catalog.models import Song
from tests.made_audio import needs_ffmpeg, tones, write

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

LRC = "[00:00.20]First line\n[00:02.00]Second line\n[00:05.00]Third line\n"


def wait(page: Page, condition: str) -> None:
    """Wait until something holds of the `audio`; Playwright's own wait needs eval in the page."""
    end = time.monotonic() + 10
    script = f"audio => {condition}"
    while not page.locator("audio").first.evaluate(script):
        assert time.monotonic() < end, condition
        page.wait_for_timeout(50)


def test_waveform_and_lyrics_seek_and_follow(page: Page, songs: list[Song]) -> None:
    Song.objects.filter(pk=songs[0].pk).update(lyrics=LRC)
    page.goto(f"/songs/{songs[0].pk}")
    slider = page.get_by_label("Through the song").get_by_role("slider")
    expect(page.locator(".waveform.is-loaded")).to_be_visible()
    box = slider.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 0.7 * box["width"], box["y"] + 20)
    wait(page, "audio.currentTime > 5.4")
    page.evaluate("document.querySelector('audio').pause()")
    expect(slider).to_have_attribute("aria-valuetext", "0:05, sad")
    expect(page.get_by_role("button", name="Third line")).to_have_attribute("aria-current", "true")
    slider.focus()
    page.keyboard.press("Home")
    wait(page, "audio.currentTime < 2 && audio.paused")
    page.keyboard.press("Space")
    wait(page, "!audio.paused")
    page.get_by_role("button", name="Second line").click()
    wait(page, "audio.currentTime >= 2")
    expect(page.get_by_role("button", name="Second line")).to_have_attribute("aria-current", "true")


def test_a_song_whose_file_is_gone_has_a_page(
    page: Page, songs: list[Song], expected_complaints: list[str]
) -> None:
    songs[0].path.unlink()
    page.goto(f"/songs/{songs[0].pk}")
    expect(page.get_by_text("The file of this song is not there.")).to_be_visible()
    expected_complaints.append(
        "Failed to load resource: the server responded with a status of 404 (Not Found)"
    )


@needs_ffmpeg
def test_a_song_that_the_browser_cannot_play_is_converted(page: Page, songs: list[Song]) -> None:
    path = write(songs[0].path.with_suffix(".aiff"), tones(6.0))
    Song.objects.filter(pk=songs[0].pk).update(
        relative_path=path.name, media_type="audio/aiff", duration_seconds=6.0
    )
    page.goto(f"/songs/{songs[0].pk}")
    expect(page.locator(".unplayable")).to_have_count(0)
    page.locator(".song-head [data-play]").click()
    wait(page, "audio.currentTime > 0.3")
    assert page.evaluate("document.querySelector('audio').src").endswith("?as=mp3")
    page.locator("[data-waveform]").focus()
    page.keyboard.press("ArrowRight")
    wait(page, "audio.currentTime > 5")
