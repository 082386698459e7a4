"""Every query of the API and the pages."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.db.models import (
    Case,
    Count,
    Exists,
    F,
    FilteredRelation,
    OuterRef,
    Prefetch,
    Q,
    Subquery,
    Sum,
    When,
)
from django.db.models.functions import Coalesce, Lower

from catalog import analysis
from catalog import selectors as catalog_selectors
from catalog.models import BackgroundJob, Library, Song, SongEmotion, TagRun, TagWrite
from catalog.tagwriting.run import runs_listed
from mer.affect import AffectPoint
from recommender.models import (
    AppPassword,
    IndexBuild,
    Listen,
    Playlist,
    PlaylistEntry,
    PlaylistVersion,
    SongFeedback,
    Station,
    Token,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    from django.contrib.auth.models import AnonymousUser, User
    from django.db.models import Expression, QuerySet

    from catalog.models import StageTiming

FAILURES_SHOWN: Final = 200
"""The most failures of a job that are shown at once."""

COVERS: Final = 4
"""Songs whose covers make the picture of a list."""
_NEWEST: Final = ("-created_at", "id")
PLAYLIST_ORDERS: Final[Mapping[str, tuple[Expression | str, ...]]] = {
    "name": (Lower("name"), "id"),
    "length": ("-entry_count", *_NEWEST),
}

_LISTED: Final = frozenset(
    (
        *("id", "title", "artist", "album", "genre", "year", "duration_seconds", "status"),
        *("library", "relative_path", "is_available", "media_type", "album_entry"),
        *("bpm", "estimated_bpm", "tempo_confidence", "estimated_key", "key_confidence"),
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


_LARGE: Final = tuple(
    f"current_emotion__{name}" for name in ("timeline", "lyric_lines", "fused_embedding", "alone")
)


def song_list(*, model_version: str | None = None, quadrant: str = "") -> QuerySet[Song]:
    """Return the songs whose files are there, with what lists and exports of them show.

    Emotions are those of the model that serves, if no version is named. With a `quadrant`, only
    the songs whose point lies there: it may be another one than the most probable, which is
    `current_emotion.quadrant`.

    `current_emotion` and `Song.path` cost no query. Any other column costs one for each song.
    """
    version = model_version or analysis.serving_version_in_sql()
    songs = _songs(version).defer(*_NOT_LISTED)
    if not quadrant:
        return songs
    sides = {"valence": quadrant in {"Q1", "Q4"}, "arousal": quadrant in {"Q1", "Q2"}}
    steps = {f"{name}__{'gte' if is_high else 'lt'}": 0.5 for name, is_high in sides.items()}
    # Not by the join: a database would begin with all emotions of the quadrant, and sort them.
    there = SongEmotion.objects.filter(song=OuterRef("pk"), model_version=version, **steps)
    return songs.filter(Exists(there))


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


def playable(prefix: str = "") -> dict[str, Any]:
    """Return the condition of songs that can be played; `prefix` leads from a row to its song."""
    return {f"{prefix}is_available": True, f"{prefix}library__kind": Library.Kind.FOLDER}


def song_files() -> QuerySet[Song]:
    """Return the songs that are there, with what finds and identifies the file of each.

    A song of a table has no file: it has a cover, which is drawn, and no sound.
    """
    return (
        Song.objects.filter(is_available=True)
        .select_related("library")
        .only(
            *("relative_path", "library__root", "library__kind", "media_type", "title", "artist"),
            *("content_sha256", "audio_sha256", "file_size_bytes", "file_mtime_ns"),
        )
    )


def song_place(song_id: int) -> AffectPoint | None:
    """Return where a song lies on the plane; None if it is not analysed."""
    place = _emotions_of(song_id).values_list("valence", "arousal").first()
    return None if place is None else AffectPoint(*place)


def song_emotion(song_id: int, *, without: Sequence[str] = ()) -> SongEmotion | None:
    """Return the emotion of a song whose file is there, by the model that serves; None if none is.

    The columns in `without` are not read, nor is the embedding.
    """
    emotions = _emotions_of(song_id).filter(song__is_available=True)
    return emotions.defer("fused_embedding", *without).first()


def song_timeline(song_id: int) -> list[dict[str, float]]:
    """Return the timeline of a song, in order; empty if it is not analysed."""
    return _emotions_of(song_id).values_list("timeline", flat=True).first() or []


def song_moods(song_id: int) -> tuple[str, float | None, list[dict[str, float]]] | None:
    """Return model version, length and timeline of a song; None if it is not here or analysed."""
    emotions = _emotions_of(song_id).filter(song__is_available=True)
    return emotions.values_list("model_version", "song__duration_seconds", "timeline").first()


def _emotions_of(song_id: int) -> QuerySet[SongEmotion]:
    return SongEmotion.objects.filter(song=song_id, model_version=analysis.serving_version_in_sql())


def current_emotion(song: Song) -> SongEmotion | None:
    """Return the emotion by the model now in use, of a song from `song_list` or `song_details`."""
    # Django leaves the attribute out where the join found nothing.
    return getattr(song, "current_emotion", None)


def songs_by_id(song_ids: Iterable[int], *, model_version: str | None = None) -> dict[int, Song]:
    """Return those songs of `song_list` that have one of the ids, by id."""
    songs = song_list(model_version=model_version).order_by()
    return {song.pk: song for song in songs.filter(pk__in=list(song_ids))}


def songs_credited(song_ids: Iterable[int]) -> dict[int, Song]:
    """Return songs with their credits and the numbers of their tracks, by id, in two queries."""
    songs = song_details().filter(pk__in=list(song_ids)).order_by().defer("lyrics", *_LARGE)
    return {song.pk: song for song in songs}


def song_ids_by(column: str, values: Sequence[str]) -> dict[str, list[int]]:
    """Return the songs whose files are there and that have each value in a column, by value."""
    found: dict[str, list[int]] = {}
    songs = Song.objects.filter(is_available=True, **{f"{column}__in": values}).order_by("pk")
    for value, pk in songs.values_list(column, "pk"):
        found.setdefault(str(value), []).append(pk)
    return found


def song_places(*, model_version: str, step: int, most: int) -> list[tuple[int, float, float]]:
    """Return id, valence and arousal of the songs whose id `step` divides, in the order of ids."""
    places = (
        SongEmotion.objects.filter(model_version=model_version, song__is_available=True)
        .annotate(remainder=F("song_id") % step)
        .filter(remainder=0)
        .order_by("song_id")
        .values_list("song_id", "valence", "arousal")
    )
    return list(places[:most])


def songs_are_analysed() -> bool:
    """Whether a song can be played and has an emotion by the model now in use."""
    return SongEmotion.objects.filter(
        model_version=analysis.serving_version_in_sql(), song__is_available=True
    ).exists()


def songs_newest(count: int) -> QuerySet[Song]:
    """Return the analysed songs that were added last, the newest first."""
    # Two queries: a join of all songs in this order is not stopped early by every database.
    newest = (
        SongEmotion.objects.filter(
            model_version=analysis.serving_version_in_sql(), song__is_available=True
        )
        .order_by("-song_id")
        .values_list("song_id", flat=True)[:count]
    )
    return song_list().filter(pk__in=list(newest)).order_by("-pk")


def playlist_list(user: User | AnonymousUser) -> QuerySet[Playlist]:
    """Return the user's own playlists, newest first.

    `entry_count` is the number of the entries whose files are there, `kept_count` that of all.
    """
    if not user.is_authenticated:
        return Playlist.objects.none()
    return _counted(Playlist.objects.filter(user=user)).order_by("-created_at", "id")


def _counted(playlists: QuerySet[Playlist]) -> QuerySet[Playlist]:
    # Not by a join: a page of lists would count the songs of all lists.
    entries = PlaylistEntry.objects.filter(playlist=OuterRef("pk"))
    return playlists.annotate(
        entry_count=_count(entries.filter(song__is_available=True), "playlist"),
        kept_count=_count(entries, "playlist"),
    )


def playlists_saved(user: User | AnonymousUser, *, order: str = "") -> QuerySet[Playlist]:
    """Return those of `playlist_list` that are no versions of a station, with `total_seconds`.

    `order` is a name of `PLAYLIST_ORDERS`; without one the newest is first.
    """
    saved = playlist_list(user).filter(station__isnull=True)
    seconds = Sum(
        "entries__song__duration_seconds", filter=Q(entries__song__is_available=True), default=0.0
    )
    return saved.annotate(total_seconds=seconds).order_by(*PLAYLIST_ORDERS.get(order, _NEWEST))


def playlist_covers(playlist_ids: Iterable[UUID]) -> dict[UUID, list[int]]:
    """Return the first songs of lists whose files are there, `COVERS` of each at most."""
    entries = PlaylistEntry.objects.filter(
        playlist__in=list(playlist_ids), position__lt=3 * COVERS, song__is_available=True
    )
    covers: dict[UUID, list[int]] = defaultdict(list)
    for playlist_id, song_id in entries.order_by("position").values_list("playlist_id", "song_id"):
        if len(covers[playlist_id]) < COVERS:
            covers[playlist_id].append(song_id)
    return covers


def playlist_versions(playlist: Playlist) -> QuerySet[PlaylistVersion]:
    """Return the versions of a playlist without their songs, newest first."""
    return (
        playlist.history.defer("entries", "told")
        .annotate(is_current=Case(When(number=playlist.version, then=True), default=False))
        .order_by("-number")
    )


def playlist_shared(token: str) -> QuerySet[Playlist]:
    """Return the playlist of an address that was shared, with the numbers of `playlist_list`."""
    return _counted(Playlist.objects.filter(share_token=token, user__is_active=True))


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
        .select_related("song__library")
        .only(
            *("song", "listened_at", "seconds_played"),
            *("song__title", "song__artist", "song__relative_path"),
            *("song__media_type", "song__is_available", "song__status", "song__duration_seconds"),
            *("song__album", "song__album_entry", "song__library__kind"),
        )
        .order_by("-listened_at", "-id")
    )


def token_list(user: User | AnonymousUser) -> QuerySet[Token]:
    """Return the user's own tokens, newest first."""
    if not user.is_authenticated:
        return Token.objects.none()
    return Token.objects.filter(user=user).order_by("-created_at", "id")


def app_password_list(user: User | AnonymousUser) -> QuerySet[AppPassword]:
    """Return the user's own app passwords, newest first; there are few."""
    if not user.is_authenticated:
        return AppPassword.objects.none()
    return AppPassword.objects.filter(user=user).order_by("-created_at", "id")


@dataclass(frozen=True, slots=True)
class JobDetail:
    """A job; of an ingest also how far it is, and the files that failed in what it covers."""

    job: BackgroundJob
    progress: catalog_selectors.JobProgress | None
    failures: list[catalog_selectors.Failure]
    """The first `FAILURES_SHOWN` of them."""
    stages: list[StageTiming]
    """How long the stages of the work take, by all jobs so far."""
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
        stages=catalog_selectors.stage_timings(),
        failure_count=catalog_selectors.job_failure_count(job=job),
        unread_count=job.result.get("unread", 0),
        # PostgreSQL keeps no order of keys.
        unread_suffixes=dict(sorted(job.result.get("unread_suffixes", {}).items())),
        unread_files=job.result.get("unread_files", []),
        notes=job.result.get("notes", []),
    )


def library_list(*, with_all: bool = False) -> QuerySet[Library]:
    """Return the libraries by name, with ``song_count``: the songs whose files are there.

    `with_all` adds what goes with a library: ``all_songs``, also those whose files are gone,
    ``list_places``, their places in saved lists, and ``marks``, their likes and bans.
    """
    songs = Song.objects.filter(library=OuterRef("pk"))
    libraries = Library.objects.annotate(
        song_count=_count(songs.filter(is_available=True), "library")
    ).order_by(Lower("name"), "pk")
    if not with_all:
        return libraries
    places = PlaylistEntry.objects.filter(song__library=OuterRef("pk"))
    marks = SongFeedback.objects.filter(song__library=OuterRef("pk"))
    return libraries.annotate(
        all_songs=_count(songs, "library"),
        list_places=_count(places, "song__library"),
        marks=_count(marks, "song__library"),
    )


def _count(rows: QuerySet[Any], by: str) -> Coalesce:
    """Return the number of rows of a subquery that belong to the outer row."""
    counted = rows.order_by().values(by).annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(counted), 0)


def index_build_list() -> QuerySet[IndexBuild]:
    """Return every build of the index, newest first."""
    return IndexBuild.objects.order_by("-created_at", "id")


def job_list() -> QuerySet[BackgroundJob]:
    """Return every job, newest first."""
    return BackgroundJob.objects.order_by("-created_at", "id")


def tag_run_list() -> QuerySet[TagRun]:
    """Return the runs of tags and their previews, newest first, with the numbers of their files."""
    return runs_listed().select_related("job", "created_by")


def tag_run_files(run: TagRun) -> QuerySet[TagWrite]:
    """Return the files that a run changes, or would change, in its order."""
    return run.writes.defer("back").order_by("pk")
