"""Every change that recommendations use is in the log, in the transaction that made it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from django.core.management import call_command
from django.db import connection, migrations, models, transaction
from django.utils import timezone

from catalog.changes import (
    changes_since,
    changes_trim,
    everything_changed,
    position_now,
    triggers_drop,
    triggers_install,
)
from catalog.models import Artist, Recording, Song, SongChange, SongCredit, SongEmotion
from tests.factories import (
    MODEL_VERSION,
    LibraryFactory,
    SongEmotionFactory,
    SongFactory,
    random_embedding,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.migrations.operations.base import Operation


def changed(position: str, *, model_version: str = MODEL_VERSION) -> set[int]:
    found = changes_since(position, model_version=model_version)
    assert not found.is_everything
    return set(found.song_ids)


def songs_of(**values: object) -> list[Song]:
    return [SongEmotionFactory(**values).song for _ in range(3)]


def credit(song: Song) -> SongCredit:
    artist = Artist.objects.create(name="A", key=f"a{song.pk}")
    return SongCredit.objects.create(song=song, artist=artist, position=0, name="A")


def update(**values: object) -> Callable[[Song], object]:
    return lambda song: Song.objects.filter(pk=song.pk).update(**values)


def update_emotion(**values: object) -> Callable[[Song], object]:
    return lambda song: SongEmotion.objects.filter(song=song).update(**values)


CHANGES = {
    "delete": lambda song: song.delete(),
    "delete in bulk": lambda song: Song.objects.filter(pk=song.pk).delete(),
    "delete the emotion": lambda song: song.emotions.all().delete(),
    "hide": update(is_available=False),
    "pending": update(status=Song.Status.PENDING),
    "artist": update(artist_key="someone else"),
    "genre": update(genre="polka"),
    "year": update(year=None),
    "length": update(duration_seconds=12.5),
    "tempo": update(bpm=99.0),
    "rank": update(recording_rank=3),
    "recording": lambda song: update(recording=Recording.objects.create())(song),
    "library": lambda song: update(library=LibraryFactory())(song),
    "valence": update_emotion(valence=0.123),
    "spread": update_emotion(valence_spread=None),
    "quadrants": update_emotion(quadrants={"Q1": 1.0}),
    "confidence": update_emotion(confidence=0.001),
    "embedding": update_emotion(fused_embedding=random_embedding(7).tobytes()),
    "credit": credit,
    "another version": lambda song: SongEmotionFactory(song=song, model_version="other"),
}


@pytest.mark.django_db
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_logged_once_it_is_made(name: str) -> None:
    song = songs_of()[1]
    number, position = song.pk, position_now()
    assert changed(position) == set()
    CHANGES[name](song)
    version = "other" if name == "another version" else MODEL_VERSION
    assert changed(position, model_version=version) == {number}
    assert changed(position_now()) == set()


@pytest.mark.django_db
def test_a_library_that_goes_takes_its_songs_along() -> None:
    songs, position = songs_of(), position_now()
    songs[0].library.delete()
    assert changed(position) == {songs[0].pk}


@pytest.mark.django_db
def test_new_songs_are_logged_when_they_are_analysed() -> None:
    position = position_now()
    song = SongFactory(status=Song.Status.PENDING)
    update(genre="polka")(song)
    credit(song)
    assert changed(position) == set()
    SongEmotion.objects.bulk_create([SongEmotionFactory.build(song=song)])
    assert changed(position) == {song.pk}
    between = position_now()
    # As `catalog.analysis` stores a second analysis.
    SongEmotion.objects.bulk_create(
        [SongEmotionFactory.build(song=song, valence=0.999)],
        update_conflicts=True,
        unique_fields=["song", "model_version"],
        update_fields=["valence"],
    )
    assert changed(between) == {song.pk}


@pytest.mark.django_db
def test_what_lists_do_not_use_is_not_logged() -> None:
    song, position = songs_of()[0], position_now()
    update(title="Other", updated_at=timezone.now(), leased_by="w", lyrics="la")(song)
    update(status=Song.Status.PENDING, keeps_emotion=True)(song)
    update_emotion(gates={}, timeline=[], input_sha256="x")(song)
    credit(song).delete()
    assert changed(position) == {song.pk}  # by its credits alone
    assert SongChange.objects.filter(song_id=song.pk).count() == 3


@pytest.mark.django_db
def test_another_version_is_another_log() -> None:
    song, position = songs_of()[0], position_now()
    SongEmotionFactory(song=song, model_version="other")
    assert changed(position) == set()
    assert changed(position, model_version="other") == {song.pk}


@pytest.mark.django_db
def test_trimmed_lines_do_not_come_again() -> None:
    songs, start = songs_of(), position_now()
    update(genre="polka")(songs[0])
    position = position_now()
    update(genre="polka")(songs[1])
    changes_trim([start, position])
    assert changed(start) == {songs[0].pk, songs[1].pk}
    assert changes_trim([position]) == 1
    assert changed(position) == {songs[1].pk}
    assert changed(start) == {songs[1].pk}
    assert changes_trim([position_now()]) == 1
    update(genre="ska")(songs[2])
    assert changed(position) == {songs[2].pk}


@pytest.mark.django_db(transaction=True)
def test_a_change_that_is_undone_is_not_logged() -> None:
    song, position = songs_of()[0], position_now()
    with transaction.atomic():
        update(genre="polka")(song)
        transaction.set_rollback(True)
    assert changed(position) == set()


@pytest.mark.django_db(transaction=True)
def test_a_late_commit_is_not_missed() -> None:
    """PostgreSQL numbers a line when it is written, which may be long before it can be seen."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    songs, position = songs_of(), position_now()
    is_written, may_commit = threading.Event(), threading.Event()

    def write_slowly() -> None:
        with transaction.atomic():
            update(genre="polka")(songs[0])
            is_written.set()
            may_commit.wait(10)
        connection.close()

    thread = threading.Thread(target=write_slowly)
    thread.start()
    is_written.wait(10)
    update(genre="polka")(songs[1])
    found = changes_since(position, model_version=MODEL_VERSION)
    assert found.song_ids == (songs[1].pk,)
    # A build of now neither holds nor forgets what is still to be committed.
    changes_trim([position_now()])
    may_commit.set()
    thread.join()
    assert changed(found.position) == {songs[0].pk}


@pytest.mark.django_db(transaction=True)
def test_after_a_migration_everything_may_have_changed() -> None:
    song, position = songs_of()[0], position_now()
    call_command("migrate", "catalog", "0011", verbosity=0)
    update(genre="polka")(song)
    call_command("migrate", "catalog", verbosity=0)
    assert changes_since(position, model_version=MODEL_VERSION).is_everything
    position = position_now()
    update(genre="ska")(song)
    assert changed(position) == {song.pk}
    call_command("migrate", verbosity=0)  # without anything to do
    assert changed(position) == {song.pk}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("operation", "is_everything"),
    [
        (migrations.AddIndex("song", models.Index(fields=["bpm"], name="by_bpm")), False),
        (migrations.CreateModel("Other", [("id", models.AutoField(primary_key=True))]), False),
        (migrations.AlterField("backgroundjob", "status", models.CharField(max_length=9)), False),
        (migrations.AlterField("song", "genre", models.CharField(max_length=9)), True),
        (migrations.RunPython(migrations.RunPython.noop), True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_migration_that_rebuilds_no_watched_table_keeps_the_log(
    operation: Operation, is_everything: bool
) -> None:
    song, position = songs_of()[0], position_now()
    migration = migrations.Migration("9999_next", "catalog")
    migration.operations = [operation]
    triggers_drop(using="default", plan=[(migration, False)])
    triggers_install(using="default")
    update(genre="polka")(song)
    found = changes_since(position, model_version=MODEL_VERSION)
    assert found.is_everything == (is_everything and connection.vendor == "sqlite")
    if not found.is_everything:
        assert set(found.song_ids) == {song.pk}


@pytest.mark.django_db
def test_a_position_of_another_server_says_nothing() -> None:
    songs_of()
    now = position_now()
    later = "99999999" if "|" not in now else "99999999999:99999999999:|0|0"
    assert changes_since(later, model_version=MODEL_VERSION).is_everything
    other = "1:1:|0|0" if "|" not in now else "7"
    assert changes_since(other, model_version=MODEL_VERSION).is_everything


@pytest.mark.django_db
def test_a_restore_says_that_everything_changed() -> None:
    songs_of()
    position = position_now()
    everything_changed()
    assert changes_since(position, model_version=MODEL_VERSION).is_everything
    assert not changes_since(position_now(), model_version=MODEL_VERSION).is_everything
