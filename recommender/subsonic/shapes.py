"""Songs, albums and artists as clients know them; a page of each costs a few queries."""

from __future__ import annotations

from collections import defaultdict
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Count, Max, Min, Sum

from catalog import analysis
from catalog.models import Album, Artist, Song, SongCredit, SongEmotion
from mer.affect import AffectPoint
from recommender.feedback import SongMarks, marks_of_songs
from recommender.media.answers import media_type
from recommender.models import Listen, Star
from recommender.moods import mood_nearest
from recommender.selectors import playable
from recommender.subsonic.answers import moment_text, plain
from recommender.subsonic.parameters import MOST_ROWS
from recommender.subsonic.shelves import artists_in_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from django.contrib.auth.models import User

_EXPLICIT: Final[dict[bool | None, str | None]] = {True: "explicit", False: "clean", None: None}
VARIOUS: Final = "Various Artists"
_COLUMNS: Final = (
    *("title", "artist", "album", "genre", "year", "duration_seconds", "media_type"),
    *("relative_path", "file_size_bytes", "track_number", "disc_number", "created_at"),
    *("bpm", "estimated_bpm", "tempo_confidence", "is_explicit", "replaygain_db", "mood_tags"),
    *("musicbrainz_recording_id", "album_artist", "album_entry"),
    *("album_entry__title", "album_entry__artist", "album_entry__artist__name"),
)


def songs_shown(song_ids: Sequence[int], user: User) -> list[dict[str, Any]]:
    """Return songs in the order of their ids, without those that are gone."""
    found = songs_by_id(song_ids, user)
    return [found[pk] for pk in song_ids if pk in found]


def songs_by_id(song_ids: Iterable[int], user: User) -> dict[int, dict[str, Any]]:
    """Return songs by their ids, without those that are gone, in at most nine queries."""
    ids = [*set(song_ids)]
    songs = (
        Song.objects.filter(pk__in=ids, **playable())
        .select_related("album_entry__artist")
        .only(*_COLUMNS)
    )
    rows = {song.pk: song for song in songs}
    credits = _credits(rows)
    genres = _genres(rows)
    moods = _moods(rows)
    marks = marks_of_songs(user=user, song_ids=[*rows])
    played = _played(user, "song", rows)
    return {
        pk: _song(song, credits[pk], genres[pk], moods.get(pk), marks[pk], played.get(pk))
        for pk, song in rows.items()
    }


def _song(
    song: Song,
    artists: list[dict[str, Any]],
    genres: list[str],
    mood: str | None,
    marks: SongMarks,
    played: tuple[int, datetime] | None,
) -> dict[str, Any]:
    suffix = PurePosixPath(song.relative_path).suffix.lower().lstrip(".")
    seconds = round(song.duration_seconds or 0)
    album = song.album_entry
    moods = dict.fromkeys(filter(None, (mood, *_texts(song.mood_tags))))
    shown = {
        "id": str(song.pk),
        "parent": f"al-{album.pk}" if album else None,
        "isDir": False,
        "title": song.shown_title,
        "album": album.title if album else song.album,
        "artist": song.artist,
        "track": song.track_number,
        "year": song.year,
        "genre": song.genre,
        "coverArt": str(song.pk),
        "size": song.file_size_bytes,
        "contentType": media_type(song),
        "suffix": suffix,
        "duration": seconds,
        "bitRate": round(song.file_size_bytes / 125 / seconds) if seconds else None,
        "path": _path(song, suffix),
        "isVideo": False,
        "userRating": marks.stars,
        "playCount": played[0] if played else 0,
        "played": moment_text(played[1]) if played else None,
        "discNumber": song.disc_number,
        "created": moment_text(song.created_at),
        "starred": moment_text(marks.liked_at),
        "albumId": f"al-{album.pk}" if album else None,
        "artistId": artists[0]["id"] if artists else None,
        "type": "music",
        "mediaType": "song",
        "bpm": round(song.tempo_bpm) if song.tempo_bpm else None,
        "musicBrainzId": song.musicbrainz_recording_id,
        "displayArtist": song.artist,
        "displayAlbumArtist": song.album_artist,
        "explicitStatus": _EXPLICIT[song.is_explicit],
        "replayGain": {"trackGain": song.replaygain_db} if song.replaygain_db else None,
    }
    return {
        **plain(shown),
        "artists": artists,
        "albumArtists": [_artist_named(album.artist)] if album and album.artist else [],
        "genres": [{"name": name} for name in genres],
        "moods": [*moods],
    }


def _texts(values: Any) -> list[str]:
    return [one for one in values if isinstance(one, str)] if isinstance(values, list) else []


def _path(song: Song, suffix: str) -> str:
    """Return a path by the tags: where a file lies is not everybody's to know."""
    parts = (song.album_artist or song.artist or "-", song.album or "-", song.shown_title)
    path = "/".join(part.replace("/", "_") for part in parts)
    return path if path.endswith(f".{suffix}") or not suffix else f"{path}.{suffix}"


def _artist_named(artist: Artist) -> dict[str, Any]:
    return {"id": f"ar-{artist.pk}", "name": artist.name}


def _credits(songs: Iterable[int]) -> dict[int, list[dict[str, Any]]]:
    rows = SongCredit.objects.filter(song__in=list(songs)).order_by("song", "position")
    credits: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for song, artist, name in rows.values_list("song", "artist", "artist__name"):
        credits[song].append({"id": f"ar-{artist}", "name": name})
    return credits


def _genres(songs: Iterable[int]) -> dict[int, list[str]]:
    rows = Song.genres.through.objects.filter(song__in=list(songs)).order_by("pk")
    genres: dict[int, list[str]] = defaultdict(list)
    for song, name in rows.values_list("song", "genre__name"):
        genres[song].append(name)
    return genres


def _moods(songs: Iterable[int]) -> dict[int, str]:
    """Return the nearest mood of each analysed song, as it is said of music, in English."""
    rows = SongEmotion.objects.filter(
        song__in=list(songs), model_version=analysis.serving_version_in_sql()
    )
    return {
        song: mood_nearest(AffectPoint(valence, arousal))
        for song, valence, arousal in rows.values_list("song", "valence", "arousal")
    }


def _played(user: User, by: str, keys: Iterable[int]) -> dict[int, tuple[int, datetime]]:
    """Return how often the listener heard each song or album, and when last."""
    rows = Listen.objects.filter(user=user, **{f"{by}__in": list(keys)}).order_by().values(by)
    return {
        row[by]: (row["times"], row["last"])
        for row in rows.annotate(times=Count("pk"), last=Max("listened_at"))
    }


def albums_shown(album_ids: Sequence[int], user: User) -> list[dict[str, Any]]:
    """Return albums in the order of their ids, without those that have no song, in five queries."""
    rows = {one.pk: one for one in Album.objects.filter(pk__in=album_ids).select_related("artist")}
    songs = Song.objects.filter(album_entry__in=rows, **playable()).order_by()
    held = {
        row["album_entry"]: row
        for row in songs.values("album_entry").annotate(
            count=Count("pk"),
            seconds=Sum("duration_seconds"),
            created=Min("created_at"),
            cover=Min("pk"),
            first=Min("year"),
        )
    }
    genres: dict[int, list[str]] = defaultdict(list)
    named = Song.genres.through.objects.filter(
        song__album_entry__in=held, **playable("song__")
    ).order_by("song__album_entry", "genre__key")
    for album, name in named.values_list("song__album_entry", "genre__name").distinct():
        genres[album].append(name)
    stars = dict(Star.objects.filter(user=user, album__in=rows).values_list("album", "starred_at"))
    played = _played(user, "song__album_entry", rows)
    return [
        _album(rows[pk], held[pk], genres[pk], stars.get(pk), played.get(pk))
        for pk in album_ids
        if pk in held
    ]


def _album(
    album: Album,
    held: Mapping[str, Any],
    genres: list[str],
    starred: datetime | None,
    played: tuple[int, datetime] | None,
) -> dict[str, Any]:
    artist = album.artist
    name = artist.name if artist else VARIOUS
    shown = {
        "id": f"al-{album.pk}",
        "name": album.title,
        "artist": name,
        "artistId": f"ar-{artist.pk}" if artist else None,
        "coverArt": f"al-{album.pk}",
        "songCount": held["count"],
        "duration": round(held["seconds"] or 0),
        "playCount": played[0] if played else 0,
        "played": moment_text(played[1]) if played else None,
        "created": moment_text(held["created"]),
        "starred": moment_text(starred),
        "year": album.year or held["first"],
        "genre": genres[0] if genres else None,
        "musicBrainzId": album.musicbrainz_id,
        "displayArtist": name,
        "isCompilation": album.is_compilation,
    }
    return {
        **plain(shown),
        "genres": [{"name": one} for one in genres],
        "artists": [_artist_named(artist)] if artist else [],
    }


def albums_as_folders(albums: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return albums as clients know them that browse by folders."""
    kept = ("id", "artist", "artistId", "coverArt", "created", "starred", "year", "genre")
    return [
        {
            **{name: album[name] for name in kept if name in album},
            **({"parent": album["artistId"]} if "artistId" in album else {}),
            "isDir": True,
            "title": album["name"],
            "album": album["name"],
            "duration": album["duration"],
            "playCount": album["playCount"],
            "mediaType": "album",
        }
        for album in albums
    ]


def artists_shown(artist_ids: Sequence[int], user: User) -> list[dict[str, Any]]:
    """Return artists in the order of their ids, in three queries."""
    # Of many, all are read: no database takes a list of any length.
    is_page = len(artist_ids) <= MOST_ROWS
    asked = Artist.objects.filter(pk__in=artist_ids) if is_page else Artist.objects.all()
    columns = ("pk", "name", "sort_name", "musicbrainz_id")
    rows = {row[0]: row for row in asked.order_by().values_list(*columns)}
    counts = {row.pk: row.albums for row in artists_in_order()}
    stars = dict(
        Star.objects.filter(user=user).exclude(artist=None).values_list("artist", "starred_at")
    )
    return [
        plain(
            {
                "id": f"ar-{pk}",
                "name": name,
                "coverArt": f"ar-{pk}",
                "albumCount": counts.get(pk, 0),
                "starred": moment_text(stars.get(pk)),
                "musicBrainzId": musicbrainz_id,
                "sortName": sort_name,
            }
        )
        for pk, name, sort_name, musicbrainz_id in (rows[pk] for pk in artist_ids if pk in rows)
    ]


def artists_as_folders(artists: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return artists as clients know them that browse by folders."""
    kept = ("id", "name", "starred")
    return [{name: one[name] for name in kept if name in one} for one in artists]
