"""A site on which every page has something to show, and the addresses of its pages."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from django.utils import timezone

from catalog.corrections import emotion_correct
from catalog.models import (
    Artist,
    BackgroundJob,
    IngestFailure,
    ModelVersion,
    Song,
    SongCredit,
    SongEmotion,
    TagRun,
    TagWrite,
)
from catalog.tagwriting.plan import Choice
from recommender import feedback
from recommender.history import listen_record
from recommender.models import ListenImport, Role
from recommender.people import invitation_create, invitation_key, password_link_keys
from recommender.playlists import (
    PlaylistRequest,
    playlist_generate,
    playlist_save,
    playlist_share,
)
from recommender.stations import station_create, station_refresh
from tests.factories import (
    MODEL_VERSION,
    SongEmotionFactory,
    SongFactory,
    UserFactory,
    token_secret,
)

if TYPE_CHECKING:
    from django.contrib.auth.models import User

ARABIC: Final = "أغنية الليل الطويل (نسخة حية)"
LONG: Final = ("A title that does not end, by a composer who was paid by the letter; " * 5)[:300]
UNBROKEN: Final = ("Donaudampfschifffahrt" * 15)[:300]
LYRICS: Final = f"[00:01.00]Rain on a tin roof\n[00:03.00]{ARABIC}\n\n[00:05.00]{UNBROKEN}"
API: Final = "/api/docs/"
NOWHERE: Final = "/nothing"
OTHER_VERSION: Final = "affetti-11111111"


class Site(NamedTuple):
    admin: User
    of_admin: dict[str, str]
    """Addresses of an admin's pages, by what they show."""
    of_stranger: dict[str, str]


def site_fill(songs: list[Song]) -> Site:
    """Fill the site for a new admin."""
    _names_harden(songs)
    admin = UserFactory(username="ada", is_staff=True, is_superuser=True)
    first, broken = songs[0], _broken_song(songs[0])
    _emotion_explain(first, admin)
    _feedback_give(admin, songs)
    calm = PlaylistRequest(moods=(("calm", 1.0),), min_match=0.0, seed=1)
    playlist, *_ = [
        playlist_save(user=admin, generated=playlist_generate(request=calm, user=admin), name=name)
        for name in (ARABIC, LONG[:200], UNBROKEN[:200])
    ]
    stations = [
        station_create(user=admin, request=calm, name=name) for name in (ARABIC, UNBROKEN[:200])
    ]
    for _ in range(2):
        station_refresh(station=stations[1])
    listener = UserFactory(username=UNBROKEN[:150])
    token_secret(admin)
    invitation = invitation_create(by=admin, role=Role.LISTENER, note=UNBROKEN[:100])
    uid, key = password_link_keys(user=listener, by=admin)
    shared = {
        "home": "/",
        "songs": "/songs",
        "no songs": "/songs?q=zzzz",
        "song": f"/songs/{first.pk}",
        "song that failed": f"/songs/{broken.pk}",
        "list": "/playlist?mood=calm&seed=1&min_match=0",
        "list of words": "/playlist?text=calm+rain&seed=1&min_match=0",
        "shared list": f"/shared/{playlist_share(playlist=playlist)}",
        "not found": NOWHERE,
    }
    of_admin = shared | {
        "API": API,
        "song of an endless name": f"/songs/{songs[2].pk}",
        "playlists": "/playlists",
        "playlist import": "/playlists/import",
        "playlist": f"/playlists/{playlist.pk}",
        "stations": "/stations",
        "new station": "/stations/new",
        "station": f"/stations/{stations[1].pk}",
        "moods": "/you",
        "account": "/account",
        "password": "/account/password",
        "deletion": "/account/delete",
        "feedback": "/account/feedback",
        "listening": "/history",
        "imports": "/history/imports",
        "import": f"/history/imports/{_import_of(admin, songs).pk}",
        "overview": "/manage",
        "adding music": "/manage/add",
        "libraries": "/manage/libraries",
        "tags": "/manage/tags",
        "run of tags": f"/manage/tags/{_tag_run(first, TagRun.State.DONE, broken).pk}",
        "preview of tags": f"/manage/tags/{_tag_run(first, TagRun.State.PLANNED, broken).pk}",
        "jobs": "/manage/jobs",
        "job": f"/manage/jobs/{_job(first).pk}",
        "models": f"/manage/models?compare={OTHER_VERSION}",
        "library": "/manage/songs",
        "people": "/manage/people",
    }
    of_stranger = shared | {
        "login": "/login",
        "sign up": "/signup",
        "invitation": f"/invitation/{invitation_key(invitation)}",
        "password link": f"/password/{uid}/{key}",
    }
    return Site(admin, of_admin, of_stranger)


def _import_of(user: User, songs: list[Song]) -> ListenImport:
    unknown = [
        {"artist": artist, "title": title, "count": 1}
        for artist, title in ((ARABIC, LONG), (UNBROKEN, ARABIC))
    ]
    counts = {"read": 9, "added": 3, "known": 1, "skipped": 1, "unmatched": 2, "left_out": 2}
    faults = [{"why": "IN_FUTURE", "name": UNBROKEN[:99], "line": 7, "entry": 0}]
    result = {**counts, "unmatched_songs": 2, "most_unmatched": unknown, "faults": faults}
    return ListenImport.objects.create(
        user=user, file_name=UNBROKEN[:200], result=result, is_done=True
    )


def _names_harden(songs: list[Song]) -> None:
    """Give songs the names that break pages: right to left, long, and without a space."""
    for song, name in zip(songs, (ARABIC, LONG, UNBROKEN), strict=False):
        song.title = song.artist = song.album = name
        song.genre = name[:200]
        song.save()
        artist = Artist.objects.create(name=name, key=name)
        SongCredit.objects.create(song=song, artist=artist, name=name, position=0)


def _broken_song(other: Song) -> Song:
    return SongFactory(
        library=other.library,
        title=UNBROKEN,
        status=Song.Status.FAILED,
        failure_code="AUDIO_BROKEN",
        failure_message=f"{UNBROKEN}: it cannot be decoded",
    )


def _emotion_explain(song: Song, admin: User) -> None:
    """Let everything be known of a song that its page can show."""
    Song.objects.filter(pk=song.pk).update(lyrics=LYRICS)
    SongEmotionFactory(song=song, model_version=OTHER_VERSION)
    SongEmotion.objects.filter(song=song).update(
        valence_interval=[0.1, 0.6],
        arousal_interval=[0.2, 0.7],
        lyric_lines=[
            {"line": 0, "text": LYRICS[10:28], "valence": 0.1, "arousal": -0.1, "shift": 0.14}
        ],
    )
    for name in (MODEL_VERSION, OTHER_VERSION):
        is_serving = name == MODEL_VERSION
        ModelVersion.objects.create(name=name, is_serving=is_serving, served_at=timezone.now())
    emotion_correct(song_id=song.pk, valence=0.3, arousal=0.4, by=admin, note=UNBROKEN)


def _feedback_give(admin: User, songs: list[Song]) -> None:
    first, long, endless, *others = songs
    now = timezone.now()
    for minutes, song in enumerate(songs):
        moment = now - timedelta(minutes=minutes)
        listen_record(user=admin, song_id=song.pk, listened_at=moment, seconds_played=8.0)
    feedback.song_like(user=admin, song_id=first.pk)
    feedback.song_rate(user=admin, song_id=endless.pk, stars=4)
    feedback.song_ban(user=admin, song_id=others[0].pk)
    feedback.song_skip(user=admin, song_id=long.pk, share_played=0.2)
    feedback.song_place(user=admin, song_id=first.pk, valence=0.2, arousal=0.3)
    feedback.artist_ban(user=admin, artist=Artist.objects.get(name=LONG))


def _tag_run(song: Song, state: str, broken: Song) -> TagRun:
    """Return a run of tags, or a preview, with what breaks tables."""
    song.library.is_writable = True
    song.library.save()
    message = "it was changed meanwhile; scan the library, then try again"
    choice = Choice(libraries=(song.library_id,), folder=UNBROKEN, may_overwrite=True)
    run = TagRun.objects.create(
        state=state,
        choice=choice.as_json(),
        refused=1,
        problems=[
            {"path": broken.relative_path, "code": "TAGS_FILE_CHANGED", "message": message},
            {"path": f"{UNBROKEN}.mp3", "code": "TAGS_FILE_CHANGED", "message": message},
        ],
    )
    is_preview = state == TagRun.State.PLANNED
    for name in (f"{UNBROKEN}.mp3", f"{ARABIC}.mp3"):
        TagWrite.objects.create(
            run=run,
            song=song,
            library=song.library,
            relative_path=name,
            state=TagWrite.State.PLANNED if is_preview else TagWrite.State.WRITTEN,
            fields={"mood": {"before": [UNBROKEN, ARABIC], "after": ["calm", "tender"]}},
            before_sha256="0" * 64,
            after_sha256="1" * 64,
            before_mtime_ns=1,
            back=b"",
        )
    return run


def _job(song: Song) -> BackgroundJob:
    IngestFailure.objects.create(
        library=song.library,
        relative_path=f"{UNBROKEN}.mp3",
        file_size_bytes=0,
        file_mtime_ns=0,
        code="AUDIO_EMPTY",
        message="no bytes; replace the file",
    )
    return BackgroundJob.objects.create(
        kind="ingest",
        status="succeeded",
        arguments={"path": song.library.root},
        result={
            "unread": 2,
            "unread_suffixes": {".mid": 2},
            "unread_files": [f"{UNBROKEN}.mid", f"{ARABIC}.mid"],
            "left_out": 2,
            "notes": [f"{UNBROKEN}.cue: cue sheets are not read"],
        },
        finished_at=timezone.now(),
    )
