"""Databases made before release 0.1.0 upgrade to its one migration an app, and keep every row."""

from __future__ import annotations

import datetime
import hashlib
from io import StringIO
from typing import Any

import pytest
from django.apps import apps
from django.core import serializers
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from catalog.corrections import emotion_correct
from catalog.models import (
    Album,
    Artist,
    BackgroundJob,
    Genre,
    IngestFailure,
    KnownCopy,
    LyricsLookup,
    ModelVersion,
    Recording,
    Song,
    SongChange,
    SongCredit,
    SongWaveform,
    StageTiming,
    TagRun,
    TagWrite,
)
from recommender.accounts import app_password_create, token_create, token_find
from recommender.feedback import artist_ban, song_like, song_skip
from recommender.models import (
    IndexBuild,
    Invitation,
    KeyedRequest,
    Listen,
    ListenImport,
    PlayerState,
    Playlist,
    PlaylistEntry,
    PlaylistVersion,
    ServiceHeartbeat,
    Star,
    Station,
    Token,
)
from tests.factories import SongEmotionFactory, UserFactory

NEW = "0001_squashed_0002_spread_and_lyric_lines"
FORMER = {"0001_initial", "0002_spread_and_lyric_lines"}
MOMENT = datetime.datetime(2026, 11, 1, 12, tzinfo=datetime.UTC)


def rows() -> str:
    """Return every row of both apps as text."""
    models = [
        m for app in ("catalog", "recommender") for m in apps.get_app_config(app).get_models()
    ]
    assert all(model.objects.exists() for model in models)
    return serializers.serialize(
        "json", [row for model in models for row in model.objects.order_by("pk")]
    )


def fill_every_table() -> None:
    user, song = UserFactory(), SongEmotionFactory().song
    Invitation.objects.create(created_by=user, expires_at=MOMENT)
    Station.objects.create(user=user, name="Mornings", request={})
    KeyedRequest.objects.create(user=user, key="0" * 64, digest="1" * 64)
    artist = Artist.objects.create(name="A", key="a")
    Album.objects.create(title="B", key="b", artist=artist)
    SongCredit.objects.create(song=song, artist=artist, position=0, name="A")
    song.genres.add(Genre.objects.create(name="Rock", key="rock"))
    IngestFailure.objects.create(
        library=song.library,
        relative_path="broken.mp3",
        file_size_bytes=1,
        file_mtime_ns=1,
        code="AUDIO_DECODE",
        message="broken",
    )
    StageTiming.objects.create(stage="read", items=1, seconds=1)
    KnownCopy.objects.create(
        library=song.library,
        relative_path="copy.mp3",
        file_size_bytes=1,
        file_mtime_ns=1,
        content_sha256=song.content_sha256,
    )
    Recording.objects.create()
    LyricsLookup.objects.create(song=song, outcome="absent", asked_at=MOMENT)
    SongWaveform.objects.create(song=song, sound_sha256=song.sound_sha256, peaks=b"\x07")
    emotion_correct(song_id=song.pk, valence=0.1, arousal=0.2, by=user)
    SongChange.objects.create(song_id=song.pk)
    BackgroundJob.objects.create(kind=BackgroundJob.Kind.INGEST, created_by=user)
    TagWrite.objects.create(
        run=TagRun.objects.create(choice={}, created_by=user),
        song=song,
        library=song.library,
        relative_path=song.relative_path,
        part_name=".affetti-tags-0123456789ab.flac",
        fields={},
        before_sha256="0" * 64,
        before_mtime_ns=1,
        after_sha256="1" * 64,
        back=b"\x00",
    )
    ModelVersion.objects.create(name="m", checkpoint="affetti", is_serving=True)
    IndexBuild.objects.create(
        model_version="m", directory="d", row_count=1, manifest_sha256="0" * 64, position="0"
    )
    playlist = Playlist.objects.create(user=user, name="p", request={}, seed=1, model_version="m")
    PlaylistEntry.objects.create(playlist=playlist, position=0, song=song, score=1.0)
    PlaylistVersion.objects.create(playlist=playlist, number=1, change="c", entries=[])
    brought = ListenImport.objects.create(user=user, file_name="listens.zip")
    Listen.objects.create(user=user, song=song, listened_at=MOMENT, imported_by=brought)
    song_like(user=user, song_id=song.pk)
    song_skip(user=user, song_id=song.pk)
    artist_ban(user=user, artist=artist)
    ServiceHeartbeat.objects.create(name="worker here", kind="worker", seen_at=MOMENT)
    token_create(user=user, name="t", scopes=["read"])
    app_password_create(user=user, name="Player")
    Star.objects.create(user=user, artist=artist)
    PlayerState.objects.create(user=user, song=song, queue=[song.pk])


@pytest.mark.django_db(transaction=True)
def test_a_database_from_before_the_release_upgrades() -> None:
    fill_every_table()
    before = rows()
    recorder = MigrationRecorder(connection)
    # Django records what a migration replaces beside it, so only its own record is newer.
    recorder.record_unapplied("catalog", NEW)
    applied = {name for app, name in recorder.applied_migrations() if app == "catalog"}
    assert applied >= FORMER
    assert NEW not in applied
    out = StringIO()
    call_command("migrate", stdout=out)
    assert "No migrations to apply" in out.getvalue()
    assert ("catalog", NEW) in recorder.applied_migrations()
    assert rows() == before
    call_command("migrate", "--check", stdout=out)


@pytest.mark.django_db(transaction=True)
def test_songs_from_before_searching_can_be_found_and_sorted() -> None:
    call_command("migrate", "catalog", NEW, verbosity=0)
    try:
        former: Any = MigrationExecutor(connection).loader.project_state(("catalog", NEW)).apps
        library = former.get_model("catalog", "Library").objects.create(name="n", root="/n")
        songs = former.get_model("catalog", "Song").objects
        for number, artist in enumerate(["The Björk", "Земфира"]):
            songs.create(
                library=library,
                artist=artist,
                content_sha256=str(number),
                relative_path=str(number),
                file_size_bytes=1,
                file_mtime_ns=1,
            )
    finally:
        call_command("migrate", "catalog", verbosity=0)
    for song in Song.objects.all():
        made = song.search_text, bytes(song.artist_sort), bytes(song.title_sort)
        song.texts_fold()
        assert made == (song.search_text, song.artist_sort, song.title_sort)
        assert song.search_text


@pytest.mark.django_db
def test_a_new_database_begins_with_the_migration_of_the_release() -> None:
    graph = MigrationLoader(connection).graph
    for app, name in (("catalog", NEW), ("recommender", "0001_initial")):
        assert graph.root_nodes(app) == [(app, name)]
        assert len(graph.leaf_nodes(app)) == 1
    assert FORMER.isdisjoint(name for app, name in graph.nodes if app == "catalog")


@pytest.mark.django_db
def test_models_and_migrations_agree() -> None:
    call_command("makemigrations", "--check", "--dry-run", stdout=StringIO())


@pytest.mark.django_db(transaction=True)
def test_tokens_of_knox_keep_working() -> None:
    user, secret = UserFactory(), "0123456789abcdef" * 4
    call_command("migrate", "recommender", "0002_service_heartbeat", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE knox_authtoken (digest varchar(128) PRIMARY KEY, token_key varchar(25),"
            " created timestamp with time zone,"
            " expiry timestamp with time zone, user_id integer REFERENCES auth_user (id)"
            " DEFERRABLE INITIALLY DEFERRED)"
        )
        cursor.execute(
            "INSERT INTO knox_authtoken VALUES (%s, %s, %s, NULL, %s)",
            [
                hashlib.sha512(bytes.fromhex(secret)).hexdigest(),
                secret[:15],
                "2026-11-01 12:00:00+00",
                user.pk,
            ],
        )
    call_command("migrate", verbosity=0)
    token = token_find(secret.encode())
    assert token is not None
    assert token.user == user
    assert (token.scopes, token.prefix, token.created_at) == (["admin"], "01234567", MOMENT)
    assert "knox_authtoken" not in connection.introspection.table_names()
    user.delete()
    assert not Token.objects.exists()
