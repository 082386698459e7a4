from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mutagen
import pytest

from catalog.models import Library, Song, TagRun
from catalog.tagwriting.plan import Choice
from catalog.tagwriting.run import run_begin, run_write
from tests.catalog.conftest import write_tone
from tests.factories import SongEmotionFactory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

WORDS = ("calm", "tender")
ESTIMATES = {
    "estimated_bpm": 120.4,
    "tempo_confidence": 0.9,
    "estimated_key": 18,  # F# minor
    "key_confidence": 0.9,
}


def moods(song_ids: Sequence[int], *, least: float) -> Mapping[int, tuple[str, ...]]:
    """Return the same two moods for every song."""
    return dict.fromkeys(song_ids, WORDS)


def analysed(**values: Any) -> None:
    """Say of every song that it was analysed, with tempo and key."""
    Song.objects.update(**{"status": Song.Status.ANALYSED, **ESTIMATES, **values})
    for song in Song.objects.filter(emotions=None):
        SongEmotionFactory(song=song, input_sha256=song.input_sha256)


def written(words: Callable[..., Any] = moods, **choice: Any) -> TagRun:
    """Write the songs of a choice, and return the run."""
    run = run_begin(choice=Choice(**choice))
    assert run_write(run=run, moods=words)
    return run


def tag(path: Path, **tags: str | list[str]) -> None:
    file: Any = mutagen.File(path)
    for name, value in tags.items():
        file[name] = value
    file.save()


@pytest.fixture
def songs(music_dir: Path, ingest: Callable[..., Any]) -> list[Path]:
    """Return the files of three analysed songs, which may be written."""
    paths = [write_tone(music_dir / f"{n}.flac", hz=300 + n) for n in range(3)]
    for path in paths:
        tag(path, title=path.stem, artist="Artist")
    ingest()
    Library.objects.update(is_writable=True)
    analysed()
    return paths
