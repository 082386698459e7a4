"""Songs as clients of AudioMuse-AI know them, and the calls that look them up."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext
from rest_framework.exceptions import NotFound, ParseError

from catalog.files.names import folded
from catalog.models import Song
from recommender.audiomuse.calls import Ask, call
from recommender.audiomuse.parameters import MOST_ROWS, song_id
from recommender.search import songs_search
from recommender.selectors import playable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from recommender.playlists import GeneratedPlaylist

_UNKNOWN: Final = "unknown"
_DEFAULT: Final = 20
_AT_ONCE: Final = 5_000
"""Ids of one query; databases take some ten thousand."""
_MOST_DEEP: Final = 100_000
_MOST_NAMED: Final = 200
"""Songs with every word of a title and an artist that are compared with them."""


def tracks_by_id(song_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Return songs by their ids, without those that are gone, in one query for many of them."""
    rest = iter(set(song_ids))
    found: dict[int, dict[str, Any]] = {}
    while taken := list(islice(rest, _AT_ONCE)):
        found |= _tracks(taken)
    return found


def _tracks(song_ids: list[int]) -> dict[int, dict[str, Any]]:
    songs = Song.objects.filter(pk__in=song_ids, **playable()).only(
        *("title", "artist", "album", "album_artist", "relative_path")
    )
    return {
        song.pk: {
            "item_id": str(song.pk),
            "title": song.shown_title,
            "author": song.artist,
            "album": song.album or _UNKNOWN,
            "album_artist": song.album_artist or _UNKNOWN,
        }
        for song in songs
    }


def tracks_shown(song_ids: Sequence[int]) -> list[dict[str, Any]]:
    """Return songs in the order of their ids."""
    found = tracks_by_id(song_ids)
    return [found[pk] for pk in song_ids if pk in found]


def tracks_measured(values: Mapping[int, float], name: str) -> list[dict[str, Any]]:
    """Return songs in the order of `values`, each with its value under a name."""
    found = tracks_by_id(values)
    return [{**found[pk], name: round(value, 6)} for pk, value in values.items() if pk in found]


def tracks_ranked(made: GeneratedPlaylist) -> list[dict[str, Any]]:
    """Return the songs of a list, the best match first; a full match has the distance 0."""
    best = sorted(made.entries, key=lambda entry: (-entry.score, entry.song_id))
    return tracks_measured({entry.song_id: 1.0 - entry.score for entry in best}, "distance")


def song_of(ask: Ask, name: str = "item_id") -> int:
    """Return the song that a call names by its id; ParseError if it names none."""
    text = ask.parameters.text(name)
    if not text:
        raise ParseError(gettext("The parameter %(name)s is missing.") % {"name": name})
    return song_id(text)


def song_named(title: str, artist: str) -> int:
    """Return the song with a title and an artist, whatever their case; NotFound without one."""
    found, is_near = songs_search(Song.objects.filter(**playable()), f"{artist} {title}")
    if not is_near:
        rows = found.order_by("pk").values_list("pk", "title", "artist")[:_MOST_NAMED]
        wanted = (folded(title), folded(artist))
        for pk, its_title, its_artist in rows:
            if (folded(its_title), folded(its_artist)) == wanted:
                return pk
    raise NotFound(
        gettext("There is no track “%(title)s” by %(artist)s.")
        % {"title": title[:200], "artist": artist[:200]}
    )


@call("GET", "api/search_tracks")
@call("GET", "external/search")
def search_tracks(ask: Ask) -> list[dict[str, Any]]:
    """Return songs with every word of a search in title, artist or album."""
    sent = ask.parameters
    words = sent.text("search_query") or f"{sent.text('artist')} {sent.text('title')}".strip()
    start, end = max(0, sent.number("start", 0)), sent.number("end", -1)
    count = _DEFAULT if end < 0 else min(end - start, MOST_ROWS)
    if not words or count <= 0 or start > _MOST_DEEP:
        return []
    found, _ = songs_search(Song.objects.filter(**playable()), words)
    page = found.order_by("artist_sort", "title_sort", "id").values_list("pk", flat=True)
    return tracks_shown(list(page[start : start + count]))


@call("GET", "api/track")
def track(ask: Ask) -> dict[str, Any]:
    shown = tracks_shown([song_of(ask)])
    if not shown:
        raise NotFound(
            gettext("There is no track with the id %(id)s.")
            % {"id": ask.parameters.text("item_id")[:60]}
        )
    return shown[0]
