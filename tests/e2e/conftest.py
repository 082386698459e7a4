"""A browser on a live server with eight short songs that really play."""

from __future__ import annotations

import os
import shutil
import wave
from typing import TYPE_CHECKING

import numpy as np
import pytest
from django.core.cache import cache
from django.db import connections
from playwright.sync_api import sync_playwright

from recommender.index import reader
from tests.factories import LibraryFactory, SongEmotionFactory, SongFactory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, ConsoleMessage, Page
    from pytest_django.live_server_helper import LiveServer

    from catalog.models import Song
    from tests.fakes import FakePipeline

# Playwright keeps an event loop in this thread, beside which Django would refuse its ORM.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"

SONG_SECONDS = 8
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep SQLite's database in a file, as it is used: one in memory locks whole tables."""
    database = connections["default"]
    if database.vendor == "sqlite":
        name = str(tmp_path_factory.mktemp("e2e") / "affetti.sqlite3")
        database.settings_dict["TEST"]["NAME"] = name


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        pytest.skip(f"no Chromium is on the PATH (looked for {', '.join(NAMES)})")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-gpu", "--mute-audio"]
        )
        yield browser
        browser.close()


@pytest.fixture
def expected_complaints() -> list[str]:
    """What the browser complains of rightly; a test adds to it."""
    return []


@pytest.fixture
def page(
    browser: Browser, live_server: LiveServer, expected_complaints: list[str]
) -> Iterator[Page]:
    """A page of its own session; what the browser complains of otherwise fails the test."""
    context = browser.new_context(
        base_url=live_server.url,
        viewport={"width": 1100, "height": 900},
        service_workers="block",  # it would stand between a test's routes and the page
    )
    context.set_default_timeout(15_000)
    page = context.new_page()
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        # Without a graphics card the driver says that reading pictures back is slow.
        is_driver = "GL Driver Message" in message.text
        is_worker = "Service Worker registration blocked" in message.text
        if message.type in {"error", "warning"} and not is_driver and not is_worker:
            complaints.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == expected_complaints


@pytest.fixture(autouse=True)
def fresh_start(fake_pipeline: FakePipeline) -> Iterator[None]:
    """The fake model, and nothing remembered of another test's catalogue."""
    cache.clear()
    reader.index_snapshot_forget()
    yield
    reader.index_snapshot_forget()


@pytest.fixture
def songs(live_server: LiveServer, music_dir: Path) -> list[Song]:
    """Eight songs, two in each quadrant."""
    library = LibraryFactory(root=str(music_dir))
    return [_song(library, number, music_dir / f"{number}.wav") for number in range(8)]


def _song(library: object, number: int, path: Path) -> Song:
    rate = 8000
    tone = np.sin(np.arange(SONG_SECONDS * rate) * 2 * np.pi * 220 * (number + 1) / rate) * 8000
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(tone.astype("<i2").tobytes())
    status = path.stat()
    song = SongFactory(
        library=library,
        relative_path=path.name,
        title=f"Tone {number}",
        artist=f"Artist {number}",
        duration_seconds=float(SONG_SECONDS),
        file_size_bytes=status.st_size,
        file_mtime_ns=status.st_mtime_ns,
    )
    valence, arousal = 0.25 + 0.5 * (number % 2), 0.25 + 0.5 * (number // 2 % 2)
    return SongEmotionFactory(song=song, valence=valence, arousal=arousal).song
