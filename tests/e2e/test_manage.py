"""The first run in a browser: account, upload, a job that is paused, goes on and is tried again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from catalog.analysis import songs_analyse
from catalog.ingest.run import ingest_run, ingests_settle
from catalog.models import BackgroundJob, Song
from catalog.work.jobs import job_start
from catalog.work.queue import songs_waiting
from recommender.first_run import setup_code
from tests.catalog.conftest import write_tone
from tests.e2e.test_feedback import ada

__all__ = ["ada"]

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page, Route
    from pytest_django.fixtures import SettingsWrapper

    from tests.fakes import FakePipeline

expect.set_options(timeout=15_000)
pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


def scan() -> None:
    """What a worker does first."""
    for job in BackgroundJob.objects.filter(status="pending"):
        ingest_run(job=job_start(job_id=job.pk, worker="e2e"))


def analyse(most: int) -> None:
    """What a worker does then."""
    songs_analyse(song_ids=list(songs_waiting().values_list("pk", flat=True)[:most]), worker="e2e")
    ingests_settle()


def become_first_admin(page: Page) -> None:
    page.goto("/")
    expect(page.get_by_text("Nobody manages this installation yet.")).to_be_visible()
    page.goto(f"/setup?code={setup_code()}")
    page.get_by_label("Password", exact=True).fill("a-long-word-1")
    page.get_by_label("Password again").fill("a-long-word-1")
    page.get_by_role("button", name="Make the account").click()
    expect(page.get_by_role("heading", name="Choose your music")).to_be_visible()


def uploaded(settings: SettingsWrapper) -> list[str]:
    folder = settings.AFFETTI_UPLOAD_DIR
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_from_an_empty_database_to_songs(
    page: Page, tmp_path: Path, settings: SettingsWrapper, fake_pipeline: FakePipeline
) -> None:
    settings.AFFETTI_DISK_FREE_BYTES = 0
    become_first_admin(page)
    tones = [write_tone(tmp_path / f"{n}.wav", hz=300.0 + n) for n in range(2)]
    # More than one piece, and no audio, though its name says so.
    bad = tmp_path / "bad.mp3"
    bad.write_bytes(b"no sound" * 200_000)
    page.locator("[data-upload-input]").set_input_files([*tones, bad])
    expect(page).to_have_url(re.compile(r"/manage/jobs/[0-9a-f-]+"))
    assert uploaded(settings) == ["0.wav", "1.wav", "bad.mp3"]
    assert (settings.AFFETTI_UPLOAD_DIR / "bad.mp3").read_bytes() == bad.read_bytes()

    live = page.locator(".job-live")
    expect(live).to_contain_text("Waiting for a worker")
    scan()
    expect(live).to_contain_text("1 of 3 files")
    expect(page.locator(".failure")).to_contain_text("bad.mp3")
    page.get_by_role("button", name="Pause").click()
    expect(live).to_contain_text("Paused")
    analyse(9)
    assert not Song.objects.filter(status="analysed").exists()
    page.get_by_role("button", name="Resume").click()
    expect(live).to_have_attribute("data-live-state", "started")
    analyse(1)
    expect(live).to_contain_text("2 of 3 files")
    expect(live).to_contain_text("a minute")
    analyse(1)
    expect(live.get_by_role("link", name="Play by mood")).to_be_visible()

    # The file is mended, and tried again.
    write_tone(tmp_path / "whole.wav", hz=900.0).replace(settings.AFFETTI_UPLOAD_DIR / "bad.mp3")
    page.get_by_role("button", name="Try again bad.mp3").click()
    expect(page.locator(".messages")).to_contain_text("Tried again. Follow it here.")
    scan()
    analyse(1)
    expect(page.locator("[data-live-state=succeeded]")).to_be_visible()
    page.goto("/manage/songs")
    expect(page.locator(".song-table tbody tr")).to_have_count(3)


def test_songs_are_selected_and_corrected(page: Page, songs: list[Song]) -> None:
    page.goto(f"/setup?code={setup_code()}")
    page.get_by_label("Password", exact=True).fill("a-long-word-1")
    page.get_by_label("Password again").fill("a-long-word-1")
    page.get_by_role("button", name="Make the account").click()
    page.wait_for_url("**/manage/add?welcome")
    page.goto("/manage")  # the first run has no tabs
    page.get_by_role("link", name="Songs", exact=True).click()
    page.get_by_label("Select Tone 1").check()
    page.get_by_label("Select Tone 3").click(modifiers=["Shift"])
    expect(page.locator("[data-selected]")).to_have_text("3 selected")
    page.get_by_text("Edit details").click()
    page.get_by_role("textbox", name="Genre").fill("Ambient")
    page.get_by_role("button", name="Correct", exact=True).click()
    expect(page.locator(".messages")).to_contain_text("3 songs corrected.")
    assert Song.objects.filter(genre="Ambient").count() == 3
    page.get_by_role("link", name=re.compile("Ambient")).click()
    expect(page.locator(".song-table tbody tr")).to_have_count(3)


def test_an_upload_whose_last_answer_is_lost_makes_one_file(
    page: Page,
    tmp_path: Path,
    settings: SettingsWrapper,
    expected_complaints: list[str],
    ada: User,
) -> None:
    settings.AFFETTI_DISK_FREE_BYTES = 0
    User.objects.filter(pk=ada.pk).update(is_staff=True, is_superuser=True)
    page.goto("/manage/add")
    lost = []

    def answer(route: Route) -> None:
        """Lose the first answer to a last piece on its way back."""
        response = route.fetch()
        if response.status == 201 and not lost:
            lost.append(route.request.url)
            route.abort()
        else:
            route.fulfill(response=response)

    page.route("**/manage/upload?*", answer)
    page.locator("[data-upload-input]").set_input_files(write_tone(tmp_path / "a.wav", seconds=90))
    expect(page).to_have_url(re.compile(r"/manage/jobs/[0-9a-f-]+"))
    assert "offset=0" not in lost[0]
    assert uploaded(settings) == ["a.wav"]
    expected_complaints.append("Failed to load resource: net::ERR_FAILED")


def drop(page: Page, files: list[Path]) -> None:
    """Drop files from the desktop on the field for uploads."""
    page.evaluate(
        """() => { const chosen = document.createElement("input");
                   chosen.type = "file"; chosen.multiple = true; chosen.id = "desktop";
                   document.body.append(chosen); }"""
    )
    page.locator("#desktop").set_input_files(files)
    page.evaluate(
        """() => { const chosen = document.getElementById("desktop");
                   const dataTransfer = new DataTransfer();
                   for (const file of chosen.files) dataTransfer.items.add(file);
                   chosen.remove();
                   const field = document.querySelector("[data-upload]");
                   for (const type of ["dragenter", "dragover", "drop"])
                     field.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true,
                                                               cancelable: true })); }"""
    )


def test_two_hundred_files_are_dropped_stopped_and_dropped_again(
    page: Page, tmp_path: Path, settings: SettingsWrapper, ada: User
) -> None:
    settings.AFFETTI_DISK_FREE_BYTES = 0
    User.objects.filter(pk=ada.pk).update(is_staff=True, is_superuser=True)
    files = [
        write_tone(tmp_path / f"{n:03d}.wav", hz=200.0 + n, seconds=90 if n == 120 else 4)
        for n in range(200)
    ]
    page.goto("/manage/add")
    stopped: list[str] = []

    def stop_in_the_middle(route: Route) -> None:
        """Stop while a large file is half way."""
        if "offset=0" in route.request.url or stopped:
            route.continue_()
        else:
            stopped.append(route.request.url)
            page.get_by_role("button", name="Stop").click(no_wait_after=True)

    page.route("**/manage/upload?*name=120.wav*", stop_in_the_middle)
    drop(page, files)
    status = page.locator("[data-upload-state]")
    expect(page.locator("[data-notice]")).to_contain_text("120 files have come.", timeout=60_000)
    expect(status).to_contain_text("120 of 200 files")
    assert uploaded(settings) == [file.name for file in files[:120]]

    drop(page, files)
    expect(page).to_have_url(re.compile(r"/manage/jobs/[0-9a-f-]+"), timeout=60_000)
    assert uploaded(settings) == [file.name for file in files]
    for file in files:
        assert (settings.AFFETTI_UPLOAD_DIR / file.name).read_bytes() == file.read_bytes()
    page.goto("about:blank")  # the page of the job would read tables that are written
    job = BackgroundJob.objects.get()
    ingest_run(job=job_start(job_id=job.pk, worker="e2e"))
    job.refresh_from_db()
    assert (job.progress_total, job.result["added"], job.result["failed"]) == (200, 200, 0)
