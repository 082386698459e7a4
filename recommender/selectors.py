"""Every query of the API and the pages."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypedDict, cast

from django.db.models import Count, F, FilteredRelation, Prefetch, Q

from catalog import analysis
from catalog import selectors as catalog_selectors
from catalog.models import BackgroundJob, Song, SongEmotion
from recommender.models import Listen, Playlist, Station, Token

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.contrib.auth.models import AnonymousUser, User
    from django.db.models import Expression, QuerySet

MAP_SONGS: Final = 2000
"""The most songs that the map of the plane shows."""
FAILURES_SHOWN: Final = 200
"""The most failures of a job that are shown at once."""

_LISTED: Final = frozenset(
    (
        *("id", "title", "artist", "album", "genre", "year", "duration_seconds", "status"),
        *("library", "relative_path", "media_type"),
    )
)
_LISTED_EMOTION: Final = frozenset(
    ("id", "song", "model_version", "valence", "arousal", "quadrant", "confidence", "emotions")
)
# `defer` rather than `only`, which Django refuses beside a FilteredRelation.
_NOT_LISTED: Final = (
    *("library__name", "library__created_at"),
    *(field.name for field in Song._meta.concrete_fields if field.name not in _LISTED),
    *(
        f"current_emotion__{field.name}"
        for field in SongEmotion._meta.concrete_fields
        if field.name not in _LISTED_EMOTION
    ),
)


class SongPlace(TypedDict):
    """A song on the plane."""

    id: int
    title: str
    artist: str
    valence: float
    arousal: float


def song_list(*, model_version: str | None = None) -> QuerySet[Song]:
    """Return the songs whose files are there, with what lists and exports of them show.

    Emotions are those of the model that serves, if no version is named.

    `current_emotion` and `Song.path` cost no query. Any other column costs one for each song.
    """
    return _songs(model_version or analysis.serving_version_in_sql()).defer(*_NOT_LISTED)


def song_details(*, model_version: str | None = None) -> QuerySet[Song]:
    """Return the songs of `song_list` with all that a page of one song shows."""
    songs = _songs(model_version or analysis.serving_version_in_sql())
    return songs.prefetch_related("credits", "genres").defer("current_emotion__fused_embedding")  # type: ignore[misc]


def _songs(model_version: str | Expression) -> QuerySet[Song]:
    return (
        Song.objects.filter(is_available=True)
        .annotate(
            current_emotion=FilteredRelation(
                "emotions", condition=Q(emotions__model_version=model_version)
            )
        )
        .select_related("current_emotion", "library")  # type: ignore[misc]
    )


def song_files() -> QuerySet[Song]:
    """Return the songs whose files are there, with what finds and identifies the file of each."""
    return (
        Song.objects.filter(is_available=True)
        .select_related("library")
        .only(
            *("relative_path", "library__root", "media_type"),
            *("content_sha256", "file_size_bytes", "file_mtime_ns"),
        )
    )


def current_emotion(song: Song) -> SongEmotion | None:
    """Return the emotion by the model now in use, of a song from `song_list` or `song_details`."""
    # Django leaves the attribute out where the join found nothing.
    return getattr(song, "current_emotion", None)


def songs_by_id(song_ids: Iterable[int], *, model_version: str | None = None) -> dict[int, Song]:
    """Return those songs of `song_list` that have one of the ids, by id."""
    songs = song_list(model_version=model_version).order_by()
    return {song.pk: song for song in songs.filter(pk__in=list(song_ids))}


def song_map() -> list[SongPlace]:
    """Return where the analysed songs lie, at most `MAP_SONGS` of them.

    From a large catalogue every n-th id is taken, so that the map stays much the same.
    """
    songs = song_list().filter(current_emotion__isnull=False)  # type: ignore[misc]
    step = max(1, math.ceil(analysed_song_count() / MAP_SONGS))
    places = (
        songs.annotate(remainder=F("pk") % step)
        .filter(remainder=0)
        .order_by("pk")
        .values(
            "id",
            "title",
            "artist",
            valence=F("current_emotion__valence"),
            arousal=F("current_emotion__arousal"),
        )
    )
    return cast("list[SongPlace]", list(places[:MAP_SONGS]))


def analysed_song_count() -> int:
    """Return how many songs can be played and have an emotion by the model now in use."""
    return SongEmotion.objects.filter(
        model_version=analysis.serving_version_in_sql(), song__is_available=True
    ).count()


def playlist_list(user: User | AnonymousUser) -> QuerySet[Playlist]:
    """Return the user's own playlists, newest first.

    `entry_count` is the number of the entries whose files are there, `kept_count` that of all.
    """
    if not user.is_authenticated:
        return Playlist.objects.none()
    return (
        Playlist.objects.filter(user=user)
        .annotate(
            entry_count=Count("entries", filter=Q(entries__song__is_available=True)),
            kept_count=Count("entries"),
        )
        .order_by("-created_at", "id")
    )


def playlists_saved(user: User | AnonymousUser) -> QuerySet[Playlist]:
    """Return those of `playlist_list` that are no versions of a station."""
    return playlist_list(user).filter(station__isnull=True)


def station_list(user: User | AnonymousUser) -> QuerySet[Station]:
    """Return the user's own stations, newest first, with the ids of their versions."""
    if not user.is_authenticated:
        return Station.objects.none()
    versions = Playlist.objects.only("station", "station_version").order_by()
    return (
        Station.objects.filter(user=user)
        .prefetch_related(Prefetch("versions", versions))
        .order_by("-created_at", "id")
    )


def station_versions(station: Station) -> QuerySet[Playlist]:
    """Return the versions of a station, newest first, with the numbers of `playlist_list`."""
    return playlist_list(station.user).filter(station=station).order_by("-station_version")


def listen_list(user: User | AnonymousUser) -> QuerySet[Listen]:
    """Return the user's own listens with their songs, newest first."""
    if not user.is_authenticated:
        return Listen.objects.none()
    return (
        Listen.objects.filter(user=user)
        .select_related("song")
        .only(
            *("song", "listened_at", "seconds_played"),
            *("song__title", "song__artist", "song__relative_path"),
        )
        .order_by("-listened_at", "-id")
    )


def token_list(user: User | AnonymousUser) -> QuerySet[Token]:
    """Return the user's own tokens, newest first."""
    if not user.is_authenticated:
        return Token.objects.none()
    return Token.objects.filter(user=user).order_by("-created_at", "id")


@dataclass(frozen=True, slots=True)
class JobDetail:
    """A job; of an ingest also how far it is, and the files that failed in what it covers."""

    job: BackgroundJob
    progress: catalog_selectors.JobProgress | None
    failures: list[catalog_selectors.Failure]
    """The first `FAILURES_SHOWN` of them."""
    failure_count: int
    unread_count: int
    unread_suffixes: dict[str, int]
    unread_files: list[str]
    notes: list[str]


def job_detail(job: BackgroundJob) -> JobDetail:
    """Return how a job stands; cheap enough to be read every second."""
    is_ingest = job.kind == BackgroundJob.Kind.INGEST
    return JobDetail(
        job=job,
        progress=catalog_selectors.job_progress(job) if is_ingest else None,
        failures=catalog_selectors.job_failures(job=job, most=FAILURES_SHOWN),
        failure_count=catalog_selectors.job_failure_count(job=job),
        unread_count=job.result.get("unread", 0),
        # PostgreSQL keeps no order of keys.
        unread_suffixes=dict(sorted(job.result.get("unread_suffixes", {}).items())),
        unread_files=job.result.get("unread_files", []),
        notes=job.result.get("notes", []),
    )


def job_list() -> QuerySet[BackgroundJob]:
    """Return every job, newest first."""
    return BackgroundJob.objects.order_by("-created_at", "id")
