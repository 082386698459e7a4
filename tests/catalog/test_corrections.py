"""What staff correct holds for everybody and every version, is recorded, and can be undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog import changes
from catalog.corrections import (
    CORRECTION_SPREAD,
    EMOTION_QUADRANTS,
    corrections_of,
    emotion_correct,
    emotion_correction_undo,
    quadrants_at,
)
from catalog.models import EmotionCorrection, Recording, Song, SongEmotion
from catalog.work.queue import songs_analyse_again
from mer.affect import EMOTIONS, AffectPoint
from mer.errors import InputError
from recommender.moods import MOODS
from tests.catalog.conftest import write_tone
from tests.catalog.test_analysis import analyse
from tests.factories import MODEL_VERSION, SongEmotionFactory, SongFactory, UserFactory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from catalog.models import BackgroundJob
    from tests.fakes import FakePipeline

pytestmark = pytest.mark.django_db

NOT_CORRECTED = {"updated_at", "predicted"}


def values(row: SongEmotion) -> dict[str, object]:
    row.refresh_from_db()
    return {
        field.name: getattr(row, field.name)
        for field in SongEmotion._meta.concrete_fields
        if field.name not in NOT_CORRECTED
    }


def test_it_is_in_force_at_once_and_undone_exactly() -> None:
    staff = UserFactory(username="sam")
    even = dict.fromkeys(EMOTIONS, 1 / len(EMOTIONS))
    intervals = {"valence_interval": [0.6, 1.0], "arousal_interval": [0.5, 0.9]}
    row = SongEmotionFactory(valence=0.9, arousal=0.8, emotions=even, **intervals)
    before = values(row)
    emotion_correct(song_id=row.song_id, valence=0.2, arousal=0.3, by=staff, note="a lament")
    row.refresh_from_db()
    assert (row.valence, row.arousal, row.quadrant) == (0.2, 0.3, "Q3")
    assert row.valence_spread == row.arousal_spread == CORRECTION_SPREAD
    assert row.valence_interval is row.arousal_interval is None
    assert row.quadrants["Q3"] == row.confidence == max(row.quadrants.values()) > 0.9
    assert sum(row.quadrants.values()) == pytest.approx(1.0)
    assert sum(row.emotions.values()) == pytest.approx(1.0)
    assert max(row.emotions, key=row.emotions.__getitem__) == "sadness"
    assert row.predicted is not None
    assert (row.predicted["valence"], row.predicted["quadrant"]) == (0.9, "Q1")
    emotion_correction_undo(song_id=row.song_id, by=staff)
    assert values(row) == before
    assert row.predicted is None


def test_every_step_is_recorded() -> None:
    first, second, row = UserFactory(username="a"), UserFactory(username="b"), SongEmotionFactory()
    said = row.valence
    emotion_correct(song_id=row.song_id, valence=0.2, arousal=0.3, by=first, note="one")
    emotion_correct(song_id=row.song_id, valence=0.4, arousal=0.5, by=second, note="two")
    emotion_correction_undo(song_id=row.song_id, by=first)
    two, one = corrections_of(row.song_id)
    assert [(c.valence, c.said_valence, c.note) for c in (one, two)] == [
        (0.2, said, "one"),
        (0.4, 0.2, "two"),
    ]
    assert [(c.corrected_by_name, c.ended_by_name) for c in (one, two)] == [("a", "b"), ("b", "a")]
    assert one.ended_at <= two.ended_at
    first.delete()
    one.refresh_from_db()
    assert (one.corrected_by, one.corrected_by_name) == (None, "a")


def test_it_holds_for_every_version_and_every_file() -> None:
    recording = Recording.objects.create()
    songs = [SongFactory(recording=recording) for _ in range(2)]
    rows = [
        SongEmotionFactory(song=song, model_version=version)
        for song in songs
        for version in ("m-1", "m-2")
    ]
    other = SongEmotionFactory()
    before = [values(row) for row in (*rows, other)]
    staff = UserFactory()
    emotion_correct(song_id=songs[0].pk, valence=0.3, arousal=0.6, by=staff)
    for row in rows:
        row.refresh_from_db()
        assert (row.valence, row.arousal) == (0.3, 0.6)
    assert values(other) == before[-1]
    emotion_correction_undo(song_id=songs[1].pk, by=staff)
    assert [values(row) for row in (*rows, other)] == before


def test_it_is_kept_over_another_analysis(
    music_dir: Path, ingest: Callable[..., BackgroundJob], fake_pipeline: FakePipeline
) -> None:
    write_tone(music_dir / "Artist - One.wav")
    ingest()
    song = Song.objects.get()
    analyse([song.pk])
    predicted = values(song.emotions.get())
    staff = UserFactory()
    emotion_correct(song_id=song.pk, valence=0.25, arousal=0.75, by=staff)
    songs_analyse_again(song_ids=[song.pk])
    analyse([song.pk])
    assert len(fake_pipeline.batches) == 2
    row = song.emotions.get()
    assert (row.valence, row.arousal) == (0.25, 0.75)
    assert row.predicted is not None
    assert row.predicted["valence"] == predicted["valence"]
    fake_pipeline.model_version = "affetti-11111111"
    songs_analyse_again(song_ids=[song.pk])
    analyse([song.pk])
    assert {row.valence for row in song.emotions.all()} == {0.25}
    emotion_correction_undo(song_id=song.pk, by=staff)
    assert {row.valence for row in song.emotions.all()} == {predicted["valence"]}


def test_a_song_may_be_corrected_before_its_analysis() -> None:
    song = SongFactory(status=Song.Status.PENDING)
    emotion_correct(song_id=song.pk, valence=0.25, arousal=0.75, by=UserFactory())
    correction = EmotionCorrection.objects.get()
    assert (correction.said_valence, correction.said_version) == (None, "")


def test_the_change_log_has_it() -> None:
    row = SongEmotionFactory()
    position = changes.position_now()
    emotion_correct(song_id=row.song_id, valence=0.1, arousal=0.1, by=UserFactory())
    found = changes.changes_since(position, model_version=MODEL_VERSION)
    assert found.song_ids == (row.song_id,)
    emotion_correction_undo(song_id=row.song_id, by=UserFactory())
    found = changes.changes_since(found.position, model_version=MODEL_VERSION)
    assert found.song_ids == (row.song_id,)


def test_what_is_off_the_plane_is_refused() -> None:
    row = SongEmotionFactory()
    for place in ((1.1, 0.5), (0.5, float("nan"))):
        with pytest.raises(InputError):
            emotion_correct(
                song_id=row.song_id, valence=place[0], arousal=place[1], by=UserFactory()
            )
    assert not EmotionCorrection.objects.exists()


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_likeliest_quadrant_is_that_of_the_place(valence: float, arousal: float) -> None:
    quadrants = quadrants_at(valence, arousal)
    assert sum(quadrants.values()) == pytest.approx(1.0)
    own = quadrants[str(AffectPoint(valence, arousal).quadrant)]
    assert own == pytest.approx(max(quadrants.values()))


def test_emotions_lie_where_the_moods_have_them() -> None:
    assert set(EMOTION_QUADRANTS) == set(EMOTIONS)
    for name, quadrant in EMOTION_QUADRANTS.items():
        assert AffectPoint(MOODS[name].valence, MOODS[name].arousal).quadrant == quadrant
