"""Calls about artists: search, their songs, and who sounds alike."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Count
from django.utils.translation import gettext
from rest_framework.exceptions import NotFound, ParseError

from catalog.files.names import folded
from catalog.models import Artist, Song, SongCredit
from recommender.audiomuse.calls import Ask, call
from recommender.audiomuse.parameters import MOST_ROWS, artist_id
from recommender.audiomuse.tracks import tracks_by_id, tracks_shown
from recommender.errors import PlaylistErrorCode, PlaylistRequestError
from recommender.playlists import songs_similar
from recommender.selectors import playable

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHORTEST: Final = 2
_DEFAULT: Final = 20
_MOST: Final = 100
_MOST_DEEP: Final = 100_000
_SEEDS: Final = 5
"""Songs of an artist whose similar songs are looked up."""
_NEAR: Final = 60
_SHOWN: Final = 5


@call("GET", "api/search_artists")
def search_artists(ask: Ask) -> list[dict[str, Any]]:
    """Return artists with a text in their names, and how many songs they have."""
    text = folded(ask.parameters.text("query"))
    start, end = max(0, ask.parameters.number("start", 0)), ask.parameters.number("end", -1)
    count = _DEFAULT if end < 0 else min(end - start, _MOST)
    if len(text) < _SHORTEST and end != 1:  # clients look with one letter whether this is here
        return []
    if not text or count <= 0 or start > _MOST_DEEP:
        return []
    found = (
        Artist.objects.filter(key__contains=text, **playable("credits__song__"))
        .annotate(track_count=Count("credits__song", distinct=True))
        .order_by("key")
    )
    return [
        {"artist": one.name, "artist_id": f"ar-{one.pk}", "track_count": one.track_count}
        for one in found[start : start + count]
    ]


@call("GET", "api/artist_tracks")
def artist_tracks(ask: Ask) -> list[dict[str, Any]]:
    return tracks_shown(_songs_of(_artist(ask)))


@dataclass(slots=True)
class _Near:
    """An artist of similar songs: the least distance, the songs, and those that they resemble."""

    distance: float = 2.0
    songs: dict[int, None] = field(default_factory=dict)
    seeds: dict[int, None] = field(default_factory=dict)


@call("GET", "api/similar_artists")
def similar_artists(ask: Ask) -> list[dict[str, Any]]:
    """Return the artists of similar songs. The divergence is the least distance of two songs."""
    artist = _artist(ask)
    songs = _songs_of(artist)
    step = max(1, len(songs) // _SEEDS)
    near = _near(artist, songs[::step][:_SEEDS], ask)
    order = sorted(near.items(), key=lambda one: (one[1].distance, one[0]))
    kept = dict(order[: ask.parameters.size("n", 10, _MOST)])
    if not kept:
        raise NotFound(gettext("No artist sounds like “%(name)s”.") % {"name": artist.name})
    names = dict(Artist.objects.filter(pk__in=kept).values_list("pk", "name"))
    with_songs = ask.parameters.flag("include_component_matches", default=False)
    matches = _matches(kept) if with_songs else {}
    return [
        {
            "artist": names[pk],
            "artist_id": f"ar-{pk}",
            "divergence": round(one.distance, 6),
            **({"component_matches": matches[pk]} if with_songs else {}),
        }
        for pk, one in kept.items()
        if pk in names
    ]


def _near(artist: Artist, seeds: Sequence[int], ask: Ask) -> dict[int, _Near]:
    """Return the artists of the songs that are most similar to some songs."""
    found: list[tuple[int, int, float]] = []
    refused: PlaylistRequestError | None = None
    for seed in seeds:
        try:
            alike = songs_similar(song_id=seed, k=_NEAR, user=ask.user, is_playable=True)
        except PlaylistRequestError as error:
            if error.code != PlaylistErrorCode.SONG_NOT_ANALYSED:
                raise
            refused = error
            continue
        found += [(seed, one.song_id, 1.0 - one.similarity) for one in alike]
    if refused is not None and not found:
        raise refused
    leads = SongCredit.objects.filter(song__in={pk for _, pk, _ in found}, position=0)
    by_song = dict(leads.exclude(artist=artist).values_list("song", "artist"))
    near: dict[int, _Near] = {}
    for seed, pk, distance in sorted(found, key=lambda one: one[2]):
        if pk in by_song:
            one = near.setdefault(by_song[pk], _Near())
            one.distance = min(one.distance, distance)
            one.songs.setdefault(pk)
            one.seeds.setdefault(seed)
    return near


def _matches(near: dict[int, _Near]) -> dict[int, list[dict[str, Any]]]:
    """Return of each artist the songs that are alike, as plugins mix them."""
    named = tracks_by_id(pk for one in near.values() for pk in (*one.songs, *one.seeds))

    def songs(ids: Sequence[int]) -> list[dict[str, Any]]:
        return [
            {"item_id": named[pk]["item_id"], "title": named[pk]["title"]}
            for pk in ids
            if pk in named
        ]

    return {
        pk: [
            {
                "artist1_representative_songs": songs([*one.seeds]),
                "artist2_representative_songs": songs([*one.songs][:_SHOWN]),
            }
        ]
        for pk, one in near.items()
    }


def _artist(ask: Ask) -> Artist:
    """Return the artist that a call names by its name or its id."""
    text = ask.parameters.text("artist") or ask.parameters.text("artist_id")
    if not text:
        raise ParseError(gettext("Send artist or artist_id."))
    pk = artist_id(text)
    found = Artist.objects.filter(pk=pk) if pk is not None else None
    artist = (found or Artist.objects.filter(key=folded(text))).first()
    if artist is None:
        raise NotFound(gettext("There is no artist “%(name)s”.") % {"name": text[:200]})
    return artist


def _songs_of(artist: Artist) -> list[int]:
    songs = Song.objects.filter(credits__artist=artist, **playable()).distinct()
    order = songs.order_by("title_sort", "pk").values_list("pk", flat=True)
    return list(order[:MOST_ROWS])
