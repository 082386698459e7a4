"""Calls that browse: artists, their albums, the songs of these, and genres."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Count, Q
from django.utils.translation import gettext

from catalog.files.names import folded
from catalog.models import Album, Artist, Genre, Song, SongCredit
from recommender.models import Listen
from recommender.selectors import playable
from recommender.subsonic.answers import Code, SubsonicError, plain
from recommender.subsonic.calls import Ask, call
from recommender.subsonic.parameters import MOST_ROWS, not_found
from recommender.subsonic.shapes import (
    albums_as_folders,
    albums_shown,
    artists_as_folders,
    artists_shown,
    songs_shown,
)
from recommender.subsonic.shelves import artists_in_order, artists_mark
from recommender.subsonic.system import MUSIC

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from django.db.models import QuerySet

_ARTICLES: Final = "The"
_ALBUM_ORDER: Final = ("disc_number", "track_number", "relative_path", "pk")


@call("getArtists")
def get_artists(ask: Ask) -> dict[str, Any]:
    index = [{"name": letter, "artist": artists} for letter, artists in _indexed(ask)]
    return {"artists": {"ignoredArticles": _ARTICLES, "index": index}}


@call("getIndexes")
def get_indexes(ask: Ask) -> dict[str, Any]:
    changed = artists_mark()
    last = int(changed.timestamp() * 1000) if changed else 0
    answer = {"ignoredArticles": _ARTICLES, "lastModified": last}
    if ask.parameters.number("ifModifiedSince", 0) >= last > 0:
        return {"indexes": answer}
    index = [
        {"name": letter, "artist": artists_as_folders(artists)} for letter, artists in _indexed(ask)
    ]
    return {"indexes": {**answer, "index": index}}


def _indexed(ask: Ask) -> Iterable[tuple[str, list[dict[str, Any]]]]:
    """Yield the artists by the first letters of their names; # is for what is no letter."""
    rows = artists_in_order()
    shown = {one["id"]: one for one in artists_shown([row.pk for row in rows], ask.user)}
    letters: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if one := shown.get(f"ar-{row.pk}"):
            first = row.key[:1].upper()
            letters.setdefault(first if first.isalpha() else "#", []).append(one)
    return letters.items()


@call("getArtist")
def get_artist(ask: Ask) -> dict[str, Any]:
    item = ask.parameters.item()
    shown = artists_shown([item.pk], ask.user) if item.kind == "artist" else []
    if not shown:
        raise not_found()
    albums = albums_shown(_albums_of(item.pk), ask.user)
    return {"artist": {**shown[0], "albumCount": len(albums), "album": albums}}


def _albums_of(artist_id: int) -> list[int]:
    """Return the albums of an artist, and those with songs that credit the artist, by year."""
    credited = SongCredit.objects.filter(artist=artist_id, **playable("song__"))
    albums = Album.objects.filter(
        Q(artist=artist_id) | Q(pk__in=credited.values("song__album_entry"))
    )
    return list(albums.order_by("year", "key", "pk").values_list("pk", flat=True))


@call("getAlbum")
def get_album(ask: Ask) -> dict[str, Any]:
    item = ask.parameters.item()
    shown = albums_shown([item.pk], ask.user) if item.kind == "album" else []
    if not shown:
        raise not_found()
    return {"album": {**shown[0], "song": songs_shown(album_song_ids(item.pk), ask.user)}}


def album_song_ids(album_id: int) -> list[int]:
    """Return the songs of an album whose files are there, as they are played."""
    songs = Song.objects.filter(album_entry=album_id, **playable())
    return list(songs.order_by(*_ALBUM_ORDER).values_list("pk", flat=True))


def artist_song_ids(artist_id: int) -> list[int]:
    """Return songs that credit an artist, `MOST_ROWS` at most."""
    credited = SongCredit.objects.filter(artist=artist_id, **playable("song__"))
    songs = credited.order_by("song__artist_sort", "song__title_sort", "song")
    return list(songs.values_list("song", flat=True)[:MOST_ROWS])


@call("getSong")
def get_song(ask: Ask) -> dict[str, Any]:
    shown = songs_shown([ask.parameters.song()], ask.user)
    if not shown:
        raise not_found()
    return {"song": shown[0]}


@call("getMusicDirectory")
def get_music_directory(ask: Ask) -> dict[str, Any]:
    """Return what is in the folder of all music, of an artist, or of an album.

    It is the artists, the artist's albums and songs without an album, or the album's songs.
    """
    if ask.parameters.text("id") == str(MUSIC["id"]):
        artists = [one for _, listed in _indexed(ask) for one in artists_as_folders(listed)]
        children = [{**one, "title": one["name"], "isDir": True} for one in artists]
        return {"directory": {"id": str(MUSIC["id"]), "name": MUSIC["name"], "child": children}}
    item = ask.parameters.item()
    if item.kind == "album":
        album = get_album(ask)["album"]
        parent = {"parent": album["artistId"]} if "artistId" in album else {}
        return _directory(album, parent, album["song"])
    if item.kind == "artist":
        artist = get_artist(ask)["artist"]
        loose = _loose_songs(item.pk)
        children = [*albums_as_folders(artist["album"]), *songs_shown(loose, ask.user)]
        return _directory(artist, {"parent": str(MUSIC["id"])}, children)
    raise not_found()


def _directory(
    shown: Mapping[str, Any], parent: Mapping[str, str], children: list[dict[str, Any]]
) -> dict[str, Any]:
    kept = {name: shown.get(name) for name in ("id", "name", "starred", "playCount")}
    return {"directory": {**plain(kept), **parent, "child": children}}


def _loose_songs(artist_id: int) -> list[int]:
    songs = Song.objects.filter(credits__artist=artist_id, album_entry=None, **playable())
    return list(songs.order_by("title_sort", "pk").values_list("pk", flat=True)[:MOST_ROWS])


@call("getGenres")
def get_genres(_ask: Ask) -> dict[str, Any]:
    here = Q(**playable("songs__"))
    genres = Genre.objects.annotate(
        count=Count("songs", filter=here, distinct=True),
        albums=Count("songs__album_entry", filter=here, distinct=True),
    ).filter(count__gt=0)
    rows = genres.order_by("key").values_list("name", "count", "albums")
    return {
        "genres": {
            "genre": [
                {"value": name, "songCount": count, "albumCount": albums}
                for name, count, albums in rows
            ]
        }
    }


@call("getTopSongs")
def get_top_songs(ask: Ask) -> dict[str, Any]:
    """Return the songs of an artist that the listener heard most, then the others."""
    count = ask.parameters.size("count", 50)
    artist = _artist_asked(ask)
    if artist is None or not count:
        return {"topSongs": {"song": []}}
    heard = _heard_most(artist).filter(user=ask.user)
    ids = dict.fromkeys(heard.values_list("song", flat=True)[:count])
    ids.update(dict.fromkeys(itertools.islice(artist_song_ids(artist), count)))
    return {"topSongs": {"song": songs_shown([*ids][:count], ask.user)}}


def _heard_most(artist_id: int) -> QuerySet[Listen, Any]:
    listens = Listen.objects.filter(
        song__credits__artist=artist_id, **playable("song__")
    ).order_by()
    return listens.values("song").annotate(times=Count("pk")).order_by("-times", "song")


def _artist_asked(ask: Ask) -> int | None:
    """Return the artist that `id` or `artist` names; None if nobody has the name."""
    if ask.parameters.has("id"):
        item = ask.parameters.item()
        if item.kind != "artist" or not Artist.objects.filter(pk=item.pk).exists():
            raise not_found()
        return item.pk
    if not ask.parameters.has("artist"):
        raise SubsonicError(Code.PARAMETER_MISSING, gettext("Send id or artist."))
    key = folded(ask.parameters.text("artist"))
    return Artist.objects.filter(key=key).values_list("pk", flat=True).first()


@call("getAlbumInfo", "getAlbumInfo2")
def get_album_info(ask: Ask) -> dict[str, Any]:
    """Return what is known of an album besides its songs, which is little."""
    item = ask.parameters.item()
    album = Album.objects.filter(pk=item.pk).first() if item.kind == "album" else None
    if item.kind == "song":
        album = Album.objects.filter(songs=item.pk).first()
    if album is None:
        raise not_found()
    return {"albumInfo": plain({"musicBrainzId": album.musicbrainz_id})}
