"""Words that a scan finds gone from a song are gone from what explains it, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catalog.models import Song
from tests.catalog.conftest import write_tone
from tests.factories import SongEmotionFactory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from catalog.models import BackgroundJob, SongEmotion

pytestmark = pytest.mark.django_db


@pytest.fixture
def path(music_dir: Path, ingest: Callable[..., BackgroundJob]) -> Path:
    """Give a song with words beside it, as it was ingested."""
    path = write_tone(music_dir / "a.wav")
    path.with_suffix(".txt").write_text("words")
    ingest()
    return path


@pytest.fixture
def emotion(path: Path) -> SongEmotion:
    line = {"line": 0, "text": "words", "valence": 0.1, "arousal": 0.0, "shift": 0.1}
    song = Song.objects.get()
    return SongEmotionFactory(song=song, model_version="affetti-of-old", lyric_lines=[line])


@pytest.mark.parametrize("are_bytes_new", [False, True])
def test_lines_go_with_the_words_of_a_file(
    path: Path, emotion: SongEmotion, ingest: Callable[..., BackgroundJob], *, are_bytes_new: bool
) -> None:
    write_tone(path, hz=300)
    ingest()
    emotion.refresh_from_db()
    assert emotion.lyric_lines[0]["text"] == "words"  # the same words to other sound

    path.with_suffix(".txt").unlink()
    if are_bytes_new:
        write_tone(path, hz=310)
    ingest()
    emotion.refresh_from_db()
    assert Song.objects.get().lyrics == ""
    assert emotion.lyric_lines == []
