from __future__ import annotations

import wave
from typing import TYPE_CHECKING

import numpy as np
import pytest
from django.contrib.auth.models import Permission
from django.db.backends.base.base import BaseDatabaseWrapper
from rest_framework.test import APIClient

from catalog import analysis
from recommender import search
from recommender.index import reader
from recommender.subsonic import lists, shelves
from tests.factories import (
    MODEL_VERSION,
    LibraryFactory,
    SongEmotionFactory,
    SongFactory,
    UserFactory,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from django.contrib.auth.models import User

    from catalog.models import Song


@pytest.fixture(autouse=True)
def open_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the connection of the transaction that the test is in: requests that end would close it.

    The receiver of Django's signal would come back: its test client connects it at every request.
    """
    close = BaseDatabaseWrapper.close_if_unusable_or_obsolete

    def close_outside(wrapper: BaseDatabaseWrapper) -> None:
        if not wrapper.in_atomic_block:
            close(wrapper)

    monkeypatch.setattr(BaseDatabaseWrapper, "close_if_unusable_or_obsolete", close_outside)


@pytest.fixture(autouse=True)
def fresh_snapshot(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test reads its own catalogue, by the factories' model, and sees a change at once."""
    monkeypatch.setattr(analysis, "model_version", lambda: MODEL_VERSION)
    monkeypatch.setattr(reader, "IS_FOLLOWED", False)
    reader.index_snapshot_forget()
    search._vocabulary.forget()
    shelves.forget()
    lists.forget()
    yield
    reader.index_snapshot_forget()


@pytest.fixture
def api() -> APIClient:
    return APIClient()


@pytest.fixture
def user(db: None) -> User:
    return UserFactory(username="ada")


@pytest.fixture
def staff(db: None) -> User:
    """Someone who may look at ingest jobs and start them."""
    staff = UserFactory(username="staff", is_staff=True)
    staff.user_permissions.set(
        Permission.objects.filter(codename__in=["view_backgroundjob", "add_backgroundjob"])
    )
    return staff


@pytest.fixture
def songs(db: None) -> list[Song]:
    """Twelve analysed songs of twelve artists, spread over the plane."""
    library = LibraryFactory()
    return [
        SongEmotionFactory(
            song=SongFactory(library=library, artist=f"Artist {n}"),
            valence=0.1 + 0.8 * (n % 4) / 3,
            arousal=0.1 + 0.8 * (n // 4) / 2,
        ).song
        for n in range(12)
    ]


@pytest.fixture
def wav_song(db: None, music_dir: Path) -> Song:
    """A song whose file is there: four seconds of a tone, 64,044 bytes."""
    path = music_dir / "tone.wav"
    tone = np.sin(np.arange(32_000) * 2 * np.pi * 440 / 8000) * 8000
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(tone.astype("<i2").tobytes())
    status = path.stat()
    return SongFactory(
        library=LibraryFactory(root=str(music_dir)),
        relative_path="tone.wav",
        title="Tone",
        file_size_bytes=status.st_size,
        file_mtime_ns=status.st_mtime_ns,
        duration_seconds=4.0,
    )
