"""The whole way: from an empty database to a list that others open and players read."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from catalog.models import Song
from recommender.models import Playlist
from tests.catalog.conftest import write_tone
from tests.catalog.ingest.test_again import tag
from tests.e2e.test_listening import wait_until_played
from tests.e2e.test_manage import analyse, become_first_admin, scan
from tests.e2e.test_playlists import titles

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from pytest_django.fixtures import SettingsWrapper
    from pytest_django.live_server_helper import LiveServer

    from mer.prediction import EmotionPrediction, SongInput
    from tests.fakes import FakePipeline

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

SONGS = 14
LISTED = 5
MOOD = f"/playlist?mood=calm&seed=1&min_match=0&count={LISTED}"


@pytest.fixture
def steady_pipeline(fake_pipeline: FakePipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a song's emotion depend on its name, not on the folder of this test."""
    predict = fake_pipeline._predict

    def of_name(song: SongInput) -> EmotionPrediction:
        return predict(replace(song, path=song.path and Path(Path(song.path).name)))

    monkeypatch.setattr(fake_pipeline, "_predict", of_name)


def music(folder: Path) -> list[Path]:
    paths = []
    for number in range(SONGS):
        path = write_tone(folder / f"{number}.flac", hz=220.0 + 20 * number, seconds=6)
        tag(path, title=f"Song {number}", artist=f"Artist {number % 5}", genre="Pop")
        paths.append(path)
    return paths


def exported(text: str) -> list[tuple[str, str]]:
    """Return what each #EXTINF line of an M3U8 says, and the address below it."""
    first, *lines = text.splitlines()
    assert first == "#EXTM3U"
    pairs = []
    for number, line in enumerate(lines):
        if line.startswith("#EXTINF:"):
            pairs.append((line.partition(",")[2], lines[number + 1]))
    return pairs


def test_from_nothing_to_a_shared_list(
    page: Page,
    browser: Browser,
    live_server: LiveServer,
    tmp_path: Path,
    settings: SettingsWrapper,
    steady_pipeline: Any,
) -> None:
    settings.AFFETTI_DISK_FREE_BYTES = 0
    become_first_admin(page)
    page.locator("[data-upload-input]").set_input_files(music(tmp_path / "mine"))
    expect(page).to_have_url(re.compile(r"/manage/jobs/[0-9a-f-]+"))
    job = page.url
    page.goto("about:blank")  # no page asks while the tables of the test are written
    scan()
    analyse(SONGS)
    assert Song.objects.filter(status="analysed").count() == SONGS
    page.goto(job)
    page.locator(".job-live").get_by_role("link", name="Play by mood").click()

    # A mood plays at once.
    page.get_by_role("button", name="Calm", exact=True).click()
    expect(page.locator("[data-panel] [data-entry]").first).to_be_visible()
    wait_until_played(page, 0.2)

    # A like changes the next list of the same mood.
    page.goto(MOOD)
    before = titles(page)
    assert len(before) == LISTED
    liked = page.locator("[data-entry]").last
    with page.expect_response(lambda answer: answer.status == 204):
        liked.locator(".tools > .marks .mark.like").click()
    page.goto(MOOD)
    expect(page.locator("[data-entry]")).to_have_count(LISTED)
    kept = titles(page)
    assert kept != before
    assert before[-1] in kept

    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_label("Name").fill("My calm")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("My calm")
    assert titles(page) == kept
    page.get_by_role("button", name="Share").click()
    page.get_by_role("button", name="Make a link").click()
    expect(page.locator(".messages")).to_contain_text("Anyone who has the link")

    page.get_by_role("button", name="More about this list").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Export M3U8").click()
    check_export(download.value.path().read_text("utf-8"), kept)

    context = browser.new_context()
    stranger = context.new_page()
    stranger.goto(f"{live_server.url}/shared/{Playlist.objects.get().share_token}")
    expect(stranger.get_by_role("heading", level=1)).to_have_text("My calm")
    assert titles(stranger) == kept
    stranger.get_by_role("button", name="Export").click()
    with stranger.expect_download() as download:
        stranger.get_by_role("link", name="Export M3U8").click()
    check_export(download.value.path().read_text("utf-8"), kept)
    context.close()


def check_export(text: str, names: list[str]) -> None:
    found = exported(text)
    songs = {song.title: song for song in Song.objects.all()}
    assert [said for said, _ in found] == [f"{songs[name].artist} - {name}" for name in names]
    for (_, address), name in zip(found, names, strict=True):
        assert urlsplit(address).path == f"/songs/{songs[name].pk}/audio"
