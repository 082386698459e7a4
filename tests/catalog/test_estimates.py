"""Tempo and key: stored with an analysis, filled in by a command, and second to the tags."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

import pytest
from django.core.management import call_command
from django.db import connection

from catalog.analysis import songs_analyse
from catalog.estimates import estimates_store, songs_without_estimate
from catalog.files.tags import Tags, write_tags
from catalog.models import Song
from mer.prediction import SURE_FROM, TempoAndKey
from tests.catalog.conftest import write_tone
from tests.factories import LibraryFactory, SongFactory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from catalog.models import BackgroundJob
    from tests.fakes import FakePipeline

    Ingest = Callable[..., BackgroundJob]

pytestmark = pytest.mark.django_db


def test_an_analysis_stores_them(
    music_dir: Path, ingest: Ingest, fake_pipeline: FakePipeline
) -> None:
    write_tone(music_dir / "a.wav")
    ingest()
    pk = Song.objects.get().pk
    songs_analyse(song_ids=[pk], worker="w")
    (said,) = fake_pipeline.predict_prepared(fake_pipeline.seen[:1])
    song = Song.objects.get()
    found = said.tempo_and_key
    assert found is not None
    assert (song.estimated_bpm, song.tempo_confidence) == (found.tempo_bpm, 0.9)
    assert (song.estimated_key, song.key_confidence) == (found.tonic + 12, 0.8)  # type: ignore[operator]
    assert (song.tempo_bpm, song.tempo_source, song.mode) == (found.tempo_bpm, "estimate", "minor")


def test_the_tempo_in_the_tags_wins() -> None:
    song = SongFactory(bpm=140.0)
    estimates_store({song.pk: TempoAndKey(70.0, 0.9, 9, "minor", 0.9)})
    song.refresh_from_db()
    assert (song.tempo_bpm, song.tempo_source, song.bpm) == (140.0, "tag", 140.0)
    assert (song.key, song.mode, song.key_name) == ("A", "minor", "A minor")


def test_what_is_not_sure_is_not_used() -> None:
    less = SURE_FROM - 0.01
    song = SongFactory()
    estimates_store({song.pk: TempoAndKey(70.0, less, 9, "minor", less)})
    song.refresh_from_db()
    assert (song.tempo_bpm, song.tempo_source, song.key, song.key_name) == (None, "", "", "")
    assert song.estimated_bpm == 70.0


def test_another_sound_loses_them(
    music_dir: Path, ingest: Ingest, fake_pipeline: FakePipeline
) -> None:
    path = write_tone(music_dir / "a.flac", hz=200)
    ingest()
    songs_analyse(song_ids=[Song.objects.get().pk], worker="w")
    write_tags(path, Tags(title="Other tags"))
    ingest()
    assert Song.objects.get().tempo_confidence == 0.9
    write_tone(path, hz=300)
    ingest()
    song = Song.objects.get()
    assert (song.tempo_confidence, song.estimated_key, song.status) == (None, None, "pending")


def test_the_command_fills_them_in(music_dir: Path) -> None:
    library = LibraryFactory(root=str(music_dir))
    for number in range(3):
        path = write_tone(music_dir / f"{number}.wav", hz=220.0 + number)
        SongFactory(library=library, relative_path=path.name, status="analysed")
    (music_dir / "2.wav").write_bytes(b"no music")
    out, err = StringIO(), StringIO()
    call_command("tempo_and_key", "--at-most", "1", stdout=out, stderr=err)
    assert songs_without_estimate().count() == 2
    call_command("tempo_and_key", stdout=out, stderr=err)
    assert "1 songs estimated, 1 could not be read" in out.getvalue()
    assert "2.wav" in err.getvalue()
    (left,) = songs_without_estimate()
    assert left.relative_path == "2.wav"


def test_the_index_is_told_of_them() -> None:
    song = SongFactory(status="analysed")
    estimates_store({song.pk: TempoAndKey(70.0, 0.9, 9, "minor", 0.9)})
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM catalog_songchange WHERE song_id = %s", [song.pk])
        assert cursor.fetchone()[0] == 1
