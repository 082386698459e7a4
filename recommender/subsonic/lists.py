"""Calls for playlists: those of the listener, read and written; stations and moods, read alone."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction
from django.db.models import Count, Sum
from django.utils import timezone
from django.utils.translation import gettext

from catalog.models import Song
from recommender import selectors
from recommender.error_answers import error_answer
from recommender.feedback import feedback_of
from recommender.models import Playlist, PlaylistEntry, Scope
from recommender.moods import MOODS, said
from recommender.playlists import (
    Edit,
    PlaylistRequest,
    playlist_by_hand,
    playlist_edit,
    playlist_generate,
    playlist_rename,
    playlist_share,
    playlist_unshare,
)
from recommender.playlists.edits import MAX_ENTRIES
from recommender.selectors import playable
from recommender.stations import current_version
from recommender.subsonic.answers import Code, SubsonicError, moment_text, plain
from recommender.subsonic.calls import Ask, call
from recommender.subsonic.parameters import not_found, uuid_read
from recommender.subsonic.shapes import songs_shown
from recommender.subsonic.shelves import turn

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    from django.contrib.auth.models import User

_SAVED: Final = "pl-"
_STATION: Final = "st-"
_MOOD: Final = "mood-"
MOOD_SONGS: Final = 50
_SHOWN_MOODS: Final = ("joy", "excitement", "calmness", "sadness", "anger", "romantic", "dreamy")
_SHORT_SECONDS: Final = 600.0
"""A mood list that is not full is made again after this: more songs may be analysed."""
_MOST_KEPT: Final = 256
_lock: Final = threading.Lock()
_made: OrderedDict[tuple[Any, ...], tuple[float, list[int]]] = OrderedDict()


def forget() -> None:
    """Make every mood list again at the next use."""
    with _lock:
        _made.clear()


@call("getPlaylists", scope=Scope.PLAYLISTS)
def get_playlists(ask: Ask) -> dict[str, Any]:
    """Return the listener's own lists, stations, and one list for each of some moods."""
    if ask.parameters.text("username", ask.user.username) != ask.user.username:
        raise SubsonicError(Code.NOT_ALLOWED, gettext("You may see your own playlists alone."))
    lists = list(selectors.playlists_saved(ask.user))
    held = _held(one.pk for one in lists)
    saved = [_saved(one, *held.get(one.pk, (0, 0.0))) for one in lists]
    return {"playlists": {"playlist": [*saved, *_stations(ask.user), *_moods(ask.user)]}}


@call("getPlaylist", scope=Scope.PLAYLISTS)
def get_playlist(ask: Ask) -> dict[str, Any]:
    text = ask.parameters.text("id")
    if text.startswith(_MOOD):
        return {"playlist": _mood_whole(ask, text.removeprefix(_MOOD))}
    if text.startswith(_STATION):
        stations = selectors.station_list(ask.user)
        station = stations.filter(pk=uuid_read(text.removeprefix(_STATION))).first()
        version = station and current_version(station)
        if not station or not version:
            raise not_found()
        shown = {**_whole(ask, version), "id": text, "name": station.name, "readonly": True}
        return {"playlist": shown}
    return {"playlist": _whole(ask, _own(ask, text))}


def _own(ask: Ask, text: str) -> Playlist:
    found = selectors.playlists_saved(ask.user).filter(pk=uuid_read(text.removeprefix(_SAVED)))
    playlist = found.first()
    if playlist is None:
        raise not_found()
    return playlist


def _whole(ask: Ask, playlist: Playlist) -> dict[str, Any]:
    songs = songs_shown(_song_ids(playlist), ask.user)
    seconds = sum(song["duration"] for song in songs)
    return {**_saved(playlist, len(songs), seconds), "owner": ask.user.username, "entry": songs}


def _song_ids(playlist: Playlist) -> list[int]:
    """Return the songs of a list whose files are there, in order."""
    entries = playlist.entries.filter(**playable("song__")).order_by("position")
    return list(entries.values_list("song", flat=True))


def _saved(playlist: Playlist, count: int, seconds: float) -> dict[str, Any]:
    created = moment_text(playlist.created_at)
    return {
        "id": f"{_SAVED}{playlist.pk}",
        "name": playlist.name,
        "public": playlist.share_token is not None,
        "songCount": count,
        "duration": round(seconds),
        "created": created,
        "changed": created,
        "coverArt": f"{_SAVED}{playlist.pk}",
    }


def _stations(user: User) -> list[dict[str, Any]]:
    versions = {
        version.pk: station
        for station in selectors.station_list(user)
        if (version := current_version(station))
    }
    held = _held(versions)
    # `station_list` loads no more of a version than its number.
    shown = Playlist.objects.only("name", "created_at", "share_token").in_bulk(list(versions))
    return [
        {
            **_saved(shown[pk], *held[pk]),
            "id": f"{_STATION}{station.pk}",
            "name": station.name,
            "created": moment_text(station.created_at),
            "changed": moment_text(station.created_at),
            "readonly": True,
        }
        for pk, station in versions.items()
        if pk in held and pk in shown
    ]


def _held(playlist_ids: Iterable[UUID]) -> dict[UUID, tuple[int, float]]:
    """Return the songs that lists show, and their seconds; lists without one are not in it."""
    entries = PlaylistEntry.objects.filter(playlist__in=list(playlist_ids), **playable("song__"))
    counted = (
        entries.order_by()
        .values_list("playlist")
        .annotate(count=Count("pk"), seconds=Sum("song__duration_seconds"))
    )
    return {pk: (count, seconds or 0.0) for pk, count, seconds in counted}


def _moods(user: User) -> list[dict[str, Any]]:
    """Return a list for each mood; with a comment, and without songs, where none can be made."""
    try:
        made = {mood: _mood_ids(mood, user) for mood in _SHOWN_MOODS}
    except Exception as error:  # the lists that are kept do not need the index
        told = error_answer(error)
        if told.is_bug:
            raise
        return [_mood(mood, 0, 0.0, comment=told.message) for mood in _SHOWN_MOODS]
    lengths = dict(
        Song.objects.filter(pk__in={pk for ids in made.values() for pk in ids}, **playable())
        .order_by()
        .values_list("pk", "duration_seconds")
    )
    return [
        _mood(mood, sum(pk in lengths for pk in ids), sum(lengths.get(pk) or 0.0 for pk in ids))
        for mood, ids in made.items()
    ]


def _mood(mood: str, count: int, seconds: float, comment: str = "") -> dict[str, Any]:
    today = moment_text(_today())
    return plain(
        {
            "id": f"{_MOOD}{mood}",
            "name": said(MOODS[mood]).capitalize(),
            "comment": comment,
            "public": False,
            "songCount": count,
            "duration": round(seconds),
            "created": today,
            "changed": today,
            "readonly": True,
        }
    )


def _mood_whole(ask: Ask, mood: str) -> dict[str, Any]:
    if mood not in _SHOWN_MOODS:
        raise not_found()
    songs = songs_shown(_mood_ids(mood, ask.user), ask.user)
    shown = _mood(mood, len(songs), sum(song["duration"] for song in songs))
    return {**shown, "owner": ask.user.username, "entry": songs}


def _mood_ids(mood: str, user: User) -> list[int]:
    """Return the songs of a mood: the same all day, unless the listener's marks change."""
    day = _today()
    key = (mood, user.pk, feedback_of(user).revision, day)
    with turn(f"{mood} {user.pk}"):
        made = _made.get(key)
        if made and (len(made[1]) == MOOD_SONGS or time.monotonic() - made[0] < _SHORT_SECONDS):
            return made[1]
        request = PlaylistRequest(moods=(mood,), count=MOOD_SONGS, seed=day.toordinal())
        ids = [entry.song_id for entry in playlist_generate(request=request, user=user).entries]
        with _lock:
            _made[key] = (time.monotonic(), ids)
            while len(_made) > _MOST_KEPT:
                _made.popitem(last=False)
    return ids


def _today() -> datetime:
    return timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)


@call("createPlaylist", scope=Scope.PLAYLISTS)
@transaction.atomic
def create_playlist(ask: Ask) -> dict[str, Any]:
    """Keep songs as a new list, or let a list have these songs and no others."""
    songs = _distinct(ask.parameters.songs("songId"))
    if ask.parameters.has("playlistId"):
        playlist = _own(ask, _writable(ask.parameters.text("playlistId")))
        before = _song_ids(playlist)
        _length_check(playlist, "songId", removed=before, added=songs)
        if ask.parameters.has("name"):
            playlist_rename(playlist=playlist, name=_name(ask))
        playlist_edit(playlist=playlist, edits=_replaced(before, songs))
    else:
        playlist = playlist_by_hand(user=ask.user, name=_name(ask), song_ids=songs)
    return {"playlist": _whole(ask, playlist)}


def _distinct(songs: Sequence[int]) -> list[int]:
    """Return songs that are there, each once: a list has no song twice."""
    ids = list(dict.fromkeys(songs))
    if len(ids) > MAX_ENTRIES:
        raise SubsonicError(
            Code.GENERIC, gettext("A list has at most %(most)s songs.") % {"most": MAX_ENTRIES}
        )
    if Song.objects.filter(pk__in=ids, **playable()).count() != len(ids):
        raise not_found()
    return ids


def _length_check(
    playlist: Playlist, name: str, *, removed: Collection[int], added: Collection[int]
) -> None:
    """Raise an error about the parameter `name` if a list would have too many songs."""
    held = set(playlist.entries.values_list("song", flat=True))
    after = (held - {*removed}) | {*added}
    if len(after) > max(MAX_ENTRIES, len(held)):
        raise SubsonicError(
            Code.GENERIC,
            gettext("%(name)s would give the list more than %(most)s songs.")
            % {"name": name, "most": MAX_ENTRIES},
        )


def _replaced(before: Iterable[int], after: Sequence[int]) -> list[Edit]:
    kept = set(after)
    removed = [Edit("remove", pk) for pk in before if pk not in kept]
    had = set(before)
    # Each song that was there moves to its place; the others come at theirs.
    placed = [Edit("move" if pk in had else "add", pk, at) for at, pk in enumerate(after)]
    return [*removed, *placed]


def _name(ask: Ask) -> str:
    return ask.parameters.text("name").strip()[: Playlist._meta.get_field("name").max_length]


def _writable(text: str) -> str:
    if text.startswith((_MOOD, _STATION)):
        raise SubsonicError(
            Code.NOT_ALLOWED, gettext("Affetti makes this list itself; it cannot be changed.")
        )
    return text


@call("updatePlaylist", scope=Scope.PLAYLISTS)
@transaction.atomic
def update_playlist(ask: Ask) -> dict[str, Any]:
    """Rename a list, share it by a link or no more, add songs and remove some by their places."""
    playlist = _own(ask, _writable(ask.parameters.text("playlistId")))
    added = _distinct(ask.parameters.songs("songIdToAdd"))
    removed = _at_places(ask, _song_ids(playlist))
    _length_check(playlist, "songIdToAdd", removed=removed, added=added)
    is_public = ask.parameters.flag("public", default=playlist.share_token is not None)
    if ask.parameters.has("name"):
        playlist_rename(playlist=playlist, name=_name(ask))
    edits = [*(Edit("remove", pk) for pk in removed), *(Edit("add", pk) for pk in added)]
    if edits:
        playlist_edit(playlist=playlist, edits=edits)
    if is_public and playlist.share_token is None:
        playlist_share(playlist=playlist)
    elif not is_public and playlist.share_token is not None:
        playlist_unshare(playlist=playlist)
    return {}


def _at_places(ask: Ask, songs: Sequence[int]) -> list[int]:
    places = ask.parameters.texts("songIndexToRemove")
    if not all(place.isascii() and place.isdigit() and len(place) < 9 for place in places):
        raise SubsonicError(
            Code.GENERIC, gettext("songIndexToRemove must be a place in the list, from 0.")
        )
    return [songs[int(place)] for place in dict.fromkeys(places) if int(place) < len(songs)]


@call("deletePlaylist", scope=Scope.PLAYLISTS)
def delete_playlist(ask: Ask) -> dict[str, Any]:
    _own(ask, _writable(ask.parameters.text("id"))).delete()
    return {}
