"""One call of every operation of the API, with what it is about.

`CALLS` has a row for each operation id of the schema. The client in `clients/python` makes every
call against a live server, and the examples of the schema are recorded from their answers.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import yaml
from django.utils import timezone

from catalog.corrections import emotion_correct
from catalog.demo.pieces import PIECES
from catalog.models import (
    Artist,
    BackgroundJob,
    IngestFailure,
    Library,
    ModelVersion,
    Song,
    SongCredit,
    TagRun,
    TagWrite,
)
from catalog.tagwriting.jobs import tag_run_start
from catalog.tagwriting.plan import Choice
from catalog.tagwriting.run import run_begin
from recommender import feedback
from recommender.accounts import app_password_create, token_create
from recommender.history import listen_record
from recommender.index import index_build
from recommender.models import ListenImport, Playlist, Station
from recommender.playlists import (
    Edit,
    PlaylistRequest,
    playlist_edit,
    playlist_generate,
    playlist_save,
)
from recommender.stations import station_create, station_refresh
from tests.catalog.conftest import write_tone
from tests.factories import (
    MODEL_VERSION,
    LibraryFactory,
    SongEmotionFactory,
    SongFactory,
    UserFactory,
)
from tests.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from django.contrib.auth.models import User

PASSWORD: Final = "pass-word-1"
SCHEMA: Final[dict[str, Any]] = yaml.safe_load((ROOT / "docs/openapi.yaml").read_text())
MAP_FORM: Final = "binary"
"""The form that comes first in the schema, which is the one that the Python client reads."""
OTHER_VERSION: Final = "affetti-11111111"
_CALM: Final = PlaylistRequest(moods=(("calm", 1.0),), min_match=0.0, count=3, seed=7)


@dataclass(frozen=True, slots=True)
class Operation:
    method: str
    path: str
    described: Mapping[str, Any]


OPERATIONS: Final[dict[str, Operation]] = {
    operation["operationId"]: Operation(method, path, operation)
    for path, operations in SCHEMA["paths"].items()
    for method, operation in operations.items()
}


@dataclass(frozen=True, slots=True)
class Call:
    """The arguments of an operation; `user` makes it, an admin if it is None."""

    path: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    user: User | None = None


class World:
    """A catalogue of demo pieces, and rows that a call may change or delete."""

    def __init__(self, music: Path) -> None:
        self.music = music
        self.folder = music / "demo"
        self.admin = UserFactory(username="ada", is_staff=True, is_superuser=True)
        self.library = LibraryFactory(name="Music", root=str(self.folder))
        self.songs = [self._song(number) for number in range(len(PIECES))]
        self.song = self.songs[0]
        write_tone(self.folder / self.song.relative_path)
        artist = Artist.objects.create(name=self.song.artist, key=self.song.artist.casefold())
        self.artist = artist
        SongCredit.objects.create(song=self.song, artist=artist, name=artist.name, position=0)

    def _song(self, number: int) -> Song:
        piece = PIECES[number]
        song = SongFactory(
            library=self.library,
            relative_path=f"{number:02}.wav",
            title=piece.title,
            artist=piece.artist,
            album="Demo",
            genre=piece.genre,
            lyrics=piece.lyrics,
            duration_seconds=piece.seed % 120 + 120.0,
        )
        place = piece.intended
        SongEmotionFactory(song=song, valence=place.valence, arousal=place.arousal)
        return song

    def someone(self) -> User:
        return UserFactory(username=f"eve-{uuid.uuid4().hex[:8]}")

    def playlist(self) -> Playlist:
        """Return a playlist of two versions."""
        generated = playlist_generate(request=_CALM, user=self.admin)
        playlist = playlist_save(user=self.admin, generated=generated, name="Calm evening")
        edit = Edit("add", self.song.pk, 0)
        playlist_edit(playlist=playlist, edits=[edit])
        return playlist

    def station(self) -> Station:
        """Return a station of two versions."""
        station = station_create(user=self.admin, request=_CALM, name="Every evening")
        for _ in range(2):
            station_refresh(station=station)
        return station

    def job(self, status: str = "started") -> BackgroundJob:
        return BackgroundJob.objects.create(
            kind=BackgroundJob.Kind.INGEST,
            arguments={"path": str(self.folder)},
            status=status,
            created_by=self.admin,
        )

    def listen(self) -> Any:
        return listen_record(user=self.admin, song_id=self.song.pk)

    def listens_imported(self) -> ListenImport:
        counts = {"read": 2, "added": 1, "unmatched": 1, "unmatched_songs": 1}
        unknown = [{"artist": "Nobody", "title": "Nothing", "count": 1}]
        return ListenImport.objects.create(
            user=self.admin,
            file_name="history.json",
            result={**counts, "most_unmatched": unknown, "faults": []},
            is_done=True,
        )

    def writable(self) -> Library:
        self.library.is_writable = True
        self.library.save()
        return self.library

    def tag_run(self) -> TagRun:
        """Return a run of the tags of one file."""
        choice = Choice(libraries=(self.writable().pk,), songs=(self.song.pk,), fields=("mood",))
        run = run_begin(choice=choice, user=self.admin)
        TagRun.objects.filter(pk=run.pk).update(state=TagRun.State.DONE, ended_at=timezone.now())
        TagWrite.objects.create(
            run=run,
            song=self.song,
            library=self.library,
            relative_path=self.song.relative_path,
            state=TagWrite.State.WRITTEN,
            fields={"mood": {"before": [], "after": ["calm"]}},
            before_sha256="0" * 64,
            after_sha256="1" * 64,
            before_mtime_ns=1,
            back=b"",
        )
        return run

    def other_library(self) -> Library:
        return LibraryFactory(name="Disk", root=str(self.music.parent / f"disk-{uuid.uuid4()}"))


def _of_song(world: World) -> dict[str, Any]:
    return {"id": world.song.pk}


def _fed_back(world: World) -> None:
    feedback.song_like(user=world.admin, song_id=world.songs[1].pk)
    feedback.song_rate(user=world.admin, song_id=world.songs[2].pk, stars=5)


def _feedback_list(world: World) -> Call:
    _fed_back(world)
    return Call(query={"kind": "like"})


def _profile(world: World) -> Call:
    for song in world.songs[3:9]:
        feedback.song_rate(user=world.admin, song_id=song.pk, stars=5)
    return Call()


def _corrected(world: World) -> Call:
    song = world.songs[4]
    emotion_correct(song_id=song.pk, by=world.admin, valence=0.8, arousal=0.3, note="Checked.")
    return Call({"id": song.pk})


def _listens(world: World) -> Call:
    world.listen()
    return Call(query={"page_size": 1})


def _tokens(world: World) -> Call:
    token_create(user=world.admin, name="Phone", scopes=["read"])
    return Call(query={"page_size": 1})


def _token(world: World) -> Call:
    return Call({"id": token_create(user=world.admin, name="Old", scopes=["read"])[0].pk})


def _app_passwords(world: World) -> Call:
    app_password_create(user=world.admin, name="Feishin")
    return Call()


def _listed_jobs(world: World) -> Call:
    world.job()
    return Call(query={"kind": "ingest", "page_size": 1})


def _retried(world: World) -> Call:
    (world.folder / "bad.mp3").write_bytes(b"x")
    IngestFailure.objects.get_or_create(
        library=world.library,
        relative_path="bad.mp3",
        defaults={
            "file_size_bytes": 1,
            "file_mtime_ns": 1,
            "code": "AUDIO_UNREADABLE",
            "message": "Broken.",
        },
    )
    job = world.job("succeeded")
    job.finished_at = timezone.now()
    job.save()
    return Call({"id": job.pk}, body={"path": "bad.mp3"})


def _versions(world: World) -> Call:
    """Let there be a version of the model that served before, and analysed a song."""
    now = timezone.now()
    for name in (MODEL_VERSION, OTHER_VERSION):
        ModelVersion.objects.get_or_create(
            name=name,
            defaults={"checkpoint": "", "is_serving": name == MODEL_VERSION, "served_at": now},
        )
    if not world.song.emotions.filter(model_version=OTHER_VERSION).exists():
        SongEmotionFactory(song=world.song, model_version=OTHER_VERSION)
    return Call()


def _history(world: World) -> bytes:
    names = {"artist_name": world.song.artist, "track_name": world.song.title}
    return json.dumps({"listened_at": 1_700_000_000, "track_metadata": names}).encode()


def _m3u(world: World) -> bytes:
    song = world.songs[5]
    return f"#EXTM3U\n#EXTINF:1,{song.artist} - {song.title}\nsomewhere.mp3\n".encode()


def _tags_cancelled(world: World) -> Call:
    choice = Choice(libraries=(world.writable().pk,))
    return Call({"id": tag_run_start(choice=choice, is_preview=True, user=world.admin).pk})


def _new_library(world: World) -> Call:
    folder = world.music / "more"
    folder.mkdir()
    return Call(body={"path": str(folder), "name": "More"})


CALLS: Final[dict[str, Callable[[World], Call]]] = {
    "account_delete_create": lambda w: Call(body={"password": PASSWORD}, user=w.someone()),
    "account_export_retrieve": lambda w: Call(user=w.someone()),
    "account_password_create": lambda w: Call(
        body={"old_password": PASSWORD, "new_password": "a-much-better-one"}, user=w.someone()
    ),
    "app_passwords_list": _app_passwords,
    "app_passwords_create": lambda w: Call(body={"name": "Symfonium"}),
    "app_passwords_destroy": lambda w: Call(
        {"id": app_password_create(user=w.admin, name="Amperfy")[0].pk}
    ),
    "artists_ban_update": lambda w: Call({"id": w.artist.pk}),
    "artists_ban_destroy": lambda w: Call({"id": w.artist.pk}),
    "audio_features_list": lambda w: Call(query={"ids": f"{w.song.pk},{w.songs[1].pk}"}),
    "audio_features_retrieve": lambda w: Call(_of_song(w)),
    "auth_login_create": lambda w: Call(
        body={"username": w.admin.username, "password": PASSWORD, "scopes": ["read", "playlists"]}
    ),
    "auth_logout_create": lambda w: Call(user=w.someone()),
    "facets_retrieve": lambda w: Call(),
    "feedback_list": _feedback_list,
    "feedback_destroy_all": lambda w: Call(query={"kind": "skip"}),
    "imports_list": lambda w: (w.listens_imported(), Call())[1],
    "imports_create": lambda w: Call(query={"name": "history.jsonl"}, body=_history(w)),
    "imports_retrieve": lambda w: Call({"id": w.listens_imported().pk}),
    "imports_destroy": lambda w: Call({"id": w.listens_imported().pk}),
    "index_builds_list": lambda w: (index_build(), Call())[1],
    "index_builds_create": lambda w: Call(),
    "ingest_jobs_create": lambda w: Call(body={"path": str(w.folder), "priority": "high"}),
    "jobs_list": _listed_jobs,
    "jobs_retrieve": lambda w: Call({"id": w.job().pk}),
    "jobs_failures_list": lambda w: replace(_retried(w), body=None),
    "jobs_cancel_create": lambda w: Call({"id": w.job().pk}),
    "jobs_pause_create": lambda w: Call({"id": w.job().pk}),
    "jobs_priority_create": lambda w: Call({"id": w.job().pk}, body={"priority": "next"}),
    "jobs_resume_create": lambda w: Call({"id": w.job("paused").pk}),
    "jobs_retry_create": _retried,
    "libraries_list": lambda w: Call(),
    "libraries_create": _new_library,
    "libraries_retrieve": lambda w: Call({"id": w.library.pk}),
    "libraries_partial_update": lambda w: Call(
        {"id": w.other_library().pk}, body={"name": "Archive", "rescan_hours": 24}
    ),
    "libraries_destroy": lambda w: Call({"id": w.other_library().pk}),
    "libraries_catalogue_create": lambda w: Call(
        {"id": w.library.pk}, body={"kind": "csv", "text": "path;year\n00.wav;1994\n"}
    ),
    "libraries_rescan_create": lambda w: Call({"id": w.library.pk}),
    "libraries_table_create": lambda w: Call(
        body={
            "name": "Records",
            "kind": "csv",
            "text": "title,artist\nStill Water,Brass Umbrella\n",
        }
    ),
    "listens_list": _listens,
    "listens_create": lambda w: Call(body={"song_id": w.song.pk, "seconds_played": 151.5}),
    "listens_bulk_create": lambda w: Call(
        body={"listens": [{"song_id": w.song.pk, "listened_at": "2026-02-01T20:15:00Z"}]}
    ),
    "listens_destroy_range": lambda w: Call(query={"until": "2001-01-01T00:00:00Z"}),
    "listens_destroy": lambda w: Call({"id": w.listen().pk}),
    "me_retrieve": lambda w: Call(),
    "models_list": _versions,
    "models_rollback_create": _versions,
    "models_switch_create": lambda w: replace(_versions(w), body={"name": OTHER_VERSION}),
    "moods_list": lambda w: Call(),
    "playlists_list": lambda w: (w.playlist(), Call(query={"page_size": 1}))[1],
    "playlists_create": lambda w: Call(
        body={"moods": ["calm"], "count": 2, "min_match": 0, "name": "Sunday", "seed": 7}
    ),
    "playlists_retrieve": lambda w: Call({"id": w.playlist().pk}),
    "playlists_partial_update": lambda w: Call(
        {"id": w.playlist().pk}, body={"name": "Late evening"}
    ),
    "playlists_destroy": lambda w: Call({"id": w.playlist().pk}),
    "playlists_edit_create": lambda w: Call(
        {"id": w.playlist().pk},
        body={"edits": [{"kind": "add", "song_id": w.songs[3].pk, "position": 0}]},
    ),
    "playlists_export.jspf_retrieve": lambda w: Call({"id": w.playlist().pk}),
    "playlists_export.m3u8_retrieve": lambda w: Call({"id": w.playlist().pk}),
    "playlists_export.xspf_retrieve": lambda w: Call({"id": w.playlist().pk}),
    "playlists_regenerate_create": lambda w: Call(
        {"id": w.playlist().pk}, body={"pinned_song_ids": [w.song.pk], "seed": 8}
    ),
    "playlists_restore_create": lambda w: Call({"id": w.playlist().pk}, body={"version": 1}),
    "playlists_share_update": lambda w: Call({"id": w.playlist().pk}),
    "playlists_share_destroy": lambda w: Call({"id": w.playlist().pk}),
    "playlists_versions_list": lambda w: Call({"id": w.playlist().pk}),
    "playlists_import_create": lambda w: Call(query={"name": "From a file"}, body=_m3u(w)),
    "profile_retrieve": _profile,
    "profile_moods_retrieve": lambda w: (w.listen(), Call(query={"time_zone": "Europe/Rome"}))[1],
    "recommendations_retrieve": lambda w: Call(
        query={"seed_tracks": str(w.song.pk), "limit": 2, "target_valence": 0.8}
    ),
    "songs_lookup_create": lambda w: Call(body={"ids": [w.song.pk]}),
    "songs_map_tiles_retrieve": lambda w: Call(
        {"zoom": 0, "column": 0, "row": 0}, query={"form": MAP_FORM}
    ),
    "songs_list": lambda w: Call(query={"quadrant": "Q1", "page_size": 2, "ordering": ["title"]}),
    "songs_retrieve": lambda w: Call(_of_song(w)),
    "songs_emotion_retrieve": lambda w: Call(_of_song(w)),
    "songs_explanation_retrieve": lambda w: Call(_of_song(w)),
    "songs_timeline_retrieve": lambda w: Call(_of_song(w)),
    "songs_ban_update": lambda w: Call(_of_song(w)),
    "songs_ban_destroy": lambda w: Call(_of_song(w)),
    "songs_correction_list": _corrected,
    "songs_correction_update": lambda w: Call(
        {"id": w.songs[6].pk}, body={"mood": "happy", "note": "It dances."}
    ),
    "songs_correction_destroy": _corrected,
    "songs_like_update": lambda w: Call(_of_song(w)),
    "songs_like_destroy": lambda w: Call(_of_song(w)),
    "songs_mood_update": lambda w: Call(_of_song(w), body={"valence": 0.7, "arousal": 0.25}),
    "songs_mood_destroy": lambda w: Call(_of_song(w)),
    "songs_rating_update": lambda w: Call(_of_song(w), body={"stars": 4}),
    "songs_rating_destroy": lambda w: Call(_of_song(w)),
    "songs_similar_list": lambda w: Call(_of_song(w), query={"count": 2}),
    "songs_skips_create": lambda w: Call(_of_song(w), body={"seconds_played": 12}),
    "songs_waveform_retrieve": lambda w: Call(_of_song(w)),
    "songs_map_retrieve": lambda w: Call(query={"form": MAP_FORM}),
    "stations_list": lambda w: (w.station(), Call(query={"page_size": 1}))[1],
    "stations_create": lambda w: Call(
        body={"name": "Mornings", "request": {"moods": ["happy"], "count": 5}, "hour": 7}
    ),
    "stations_retrieve": lambda w: Call({"id": w.station().pk}),
    "stations_partial_update": lambda w: Call({"id": w.station().pk}, body={"name": "Nights"}),
    "stations_destroy": lambda w: Call({"id": w.station().pk}),
    "stations_refresh_create": lambda w: Call({"id": w.station().pk}),
    "stations_restore_create": lambda w: Call({"id": w.station().pk}, body={"version": 1}),
    "stations_versions_list": lambda w: Call({"id": w.station().pk}),
    "tag_runs_list": lambda w: (w.tag_run(), Call(query={"page_size": 1}))[1],
    "tag_runs_create": lambda w: Call(
        body={"library_ids": [w.writable().pk], "fields": ["mood"], "is_preview": True}
    ),
    "tag_runs_retrieve": lambda w: Call({"id": w.tag_run().pk}),
    "tag_runs_files_list": lambda w: Call({"id": w.tag_run().pk}, query={"page_size": 1}),
    "tag_runs_undo_create": lambda w: Call({"id": w.tag_run().pk}),
    "tag_runs_cancel_create": _tags_cancelled,
    "tokens_list": _tokens,
    "tokens_create": lambda w: Call(body={"name": "Phone", "scopes": ["read"]}),
    "tokens_destroy_all": lambda w: Call(user=w.someone()),
    "tokens_destroy": _token,
}
