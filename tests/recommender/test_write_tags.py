"""`manage.py write_tags`, and the words that it writes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command

from catalog.files.tags import read_fields
from catalog.models import Library, Song
from recommender.mood_tags import MOST_MOODS, moods_of_songs
from tests.catalog.conftest import ingest, sent, write_tone  # noqa: F401  # fixtures
from tests.factories import MODEL_VERSION, SongEmotionFactory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.django_db


def run(*arguments: object) -> str:
    out = io.StringIO()
    call_command("write_tags", *(str(argument) for argument in arguments), stdout=out)
    return out.getvalue()


@pytest.fixture
def file(music_dir: Path, ingest: Callable[..., Any]) -> Path:  # noqa: F811
    path = write_tone(music_dir / "a.flac")
    ingest()
    Song.objects.update(status=Song.Status.ANALYSED)
    SongEmotionFactory(
        song=Song.objects.get(),
        valence=0.7,
        arousal=0.2,
        novelty=0.0,
        emotions={"calmness": 0.6, "joy": 0.3, "anger": 0.1},
    )
    return path


def test_dry_run_apply_and_undo(file: Path) -> None:
    data, library = file.read_bytes(), Library.objects.get()
    with pytest.raises(CommandError, match="allow it first"):
        run()
    assert "may be written" in run("--allow", library.pk)
    out = run()
    assert "a.flac\n  + mood: calm\n  + mood: happy\n" in out
    assert "1 files would change, 0 are up to date, 0 are left alone" in out
    assert file.read_bytes() == data
    out = run("--apply", "--field", "mood", "--least", "0.5")
    assert "1 files written" in out
    assert out.startswith("Run ")  # known before the first file changes
    assert read_fields(file)[0]["mood"] == ["calm"]
    out = run("--runs")
    assert "1 files written, 0 left alone" in out
    pk = out.split()[0]
    assert "1 files restored, 0 are left as they are" in run("--undo", pk)
    assert file.read_bytes() == data
    run("--forbid", library.pk)
    with pytest.raises(CommandError, match="allow it first"):
        run("--apply")


def test_a_diff_names_what_is_taken_out_and_what_is_kept(file: Path) -> None:
    run("--allow", Library.objects.get().pk)
    run("--apply", "--field", "mood")
    SongEmotionFactory._meta.model.objects.update(valence=0.2, arousal=0.25, emotions={})
    assert "  - mood: calm\n  - mood: happy\n  + mood: sad\n" in run()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--undo", "77"], "no run 77"),
        (["--allow", "77"], "no library 77"),
        (["--least", "1.5"], "not a number from 0 to 1"),
        (["--least", "nan"], "not a number from 0 to 1"),
        (["--field", "title"], "invalid choice"),
        (["--apply", "--undo", "1"], "not allowed with"),
    ],
)
def test_wrong_arguments(file: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        run(*arguments)


def test_words_of_songs(django_assert_num_queries: Any) -> None:
    strong = {"anger": 0.3, "fear": 0.3, "sadness": 0.25, "joy": 0.1, "disgust": 0.3}
    angry = SongEmotionFactory(valence=0.15, arousal=0.85, novelty=0.0, emotions=strong)
    unknown = SongEmotionFactory(novelty=0.9)
    corrected = SongEmotionFactory(novelty=0.9, predicted={}, valence=0.7, arousal=0.2, emotions={})
    former = SongEmotionFactory(model_version="another")
    ids = [one.song_id for one in (angry, unknown, corrected, former)]
    assert angry.model_version == MODEL_VERSION
    with django_assert_num_queries(1):
        found = moods_of_songs(ids, least=0.25)
    assert found == {
        angry.song_id: ("angry", "bitter", "scary", "sad"),
        unknown.song_id: (),
        corrected.song_id: ("calm",),
    }
    assert len(found[angry.song_id]) == MOST_MOODS
