"""Songs by seeds, bounds and targets of single attributes, as Spotify's recommendations ask."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from catalog.files.names import folded
from catalog.models import Artist, Song
from mer.prediction import KEYS, MODES
from recommender.errors import PlaylistErrorCode, PlaylistRequestError
from recommender.index import index_snapshot
from recommender.playlists.generate import playlist_generate
from recommender.playlists.request import MAX_COUNT, PlaylistRequest
from recommender.playlists.targets import song_unusable_error
from recommender.selectors import songs_by_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.contrib.auth.models import AnonymousUser, User

_POOL: Final = 3
"""So many times the songs that are wanted are ranked by targets that lists do not have."""
_TEMPO_SHARE: Final = 0.1
"""Songs whose tempo differs by this share from a target are looked for first."""
_TONICS: Final = list(dict.fromkeys(tonic for tonic, _ in KEYS))
_SECOND: Final = 1000.0
_FASTEST: Final = 1000.0
_EMPTY: Final = (PlaylistErrorCode.NO_SONG_MATCHES, PlaylistErrorCode.CATALOG_EMPTY)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for; bounds and targets are of valence, energy, tempo, duration_ms, key, mode.

    A key is counted from C in semitones, and a mode is 1 for major. None is no bound or target.
    """

    limit: int
    song_ids: tuple[int, ...]
    artist_ids: tuple[int, ...]
    genres: tuple[str, ...]
    bounds: Mapping[str, tuple[float | None, float | None]]
    targets: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Seed:
    """A seed, and the number of songs here that it stands for; 0 if it is unknown."""

    id: str
    kind: str
    songs: int


@dataclass(frozen=True, slots=True)
class Recommendations:
    """Songs, the best first, and what is known of the seeds."""

    song_ids: list[int]
    seeds: list[Seed]


def recommendations(*, wish: Wish, user: User | AnonymousUser | None = None) -> Recommendations:
    """Return at most `wish.limit` songs; none if no song fits.

    Seeds that are unknown are left out; `PlaylistRequestError` if all seed songs and artists are,
    and there is nothing else to go by.
    """
    seeds, known, artists = _seeds(wish)
    keys = _keys(wish)
    if keys == []:
        return Recommendations([], seeds)
    base = _request(wish, known, artists)
    if keys is not None:
        base["key"] = ", ".join(keys)
    genres = wish.genres or ("",)
    share = -(-_count(wish) // len(genres))
    lists = [_nearest(base, genre, share, user, wish) for genre in genres]
    # In turn, so that every genre has its songs at the beginning, too.
    mixed = [pk for row in itertools.zip_longest(*lists) for pk in row if pk is not None]
    return Recommendations(_ranked(list(dict.fromkeys(mixed)), wish)[: wish.limit], seeds)


def lists_of(wish: Wish) -> int:
    """Return how many lists are made for a wish at most."""
    return max(1, len(wish.genres)) * (1 if wish.targets["tempo"] is None else 2)


def _count(wish: Wish) -> int:
    return min(MAX_COUNT, wish.limit * _POOL) if _is_ranked(wish) else wish.limit


def _is_ranked(wish: Wish) -> bool:
    """Whether something is wanted of the songs that no field of a list says."""
    return any(wish.targets[name] is not None for name in ("tempo", "duration_ms", "key", "mode"))


def _keys(wish: Wish) -> list[str] | None:
    """Return the names of the keys that the bounds allow; None without bounds."""
    bounds = (wish.bounds["key"], wish.bounds["mode"])
    if bounds == ((None, None), (None, None)):
        return None
    (low, high), (least, most) = bounds
    return [
        f"{tonic} {mode}"
        for tonic, mode in KEYS
        if (low or 0) <= _TONICS.index(tonic) <= (11 if high is None else high)
        and (least or 0) <= int(mode == MODES[0]) <= (1 if most is None else most)
    ]


def _seeds(wish: Wish) -> tuple[list[Seed], list[int], list[str]]:
    """Return what is known of the seeds, the songs that can be, and the names of the artists."""
    snapshot = index_snapshot()
    held = snapshot.narrowed(wish.song_ids)
    known = [pk for pk in wish.song_ids if len(held.rows_of([pk]))]
    names = dict(Artist.objects.filter(pk__in=wish.artist_ids).values_list("pk", "name"))
    unknown = len(known) < len(wish.song_ids) or len(names) < len(wish.artist_ids)
    has_targets = any(value is not None for value in wish.targets.values())
    if unknown and not (known or names or wish.genres or has_targets):
        raise song_unusable_error(wish.song_ids or wish.artist_ids)
    by_artist = {
        pk: Song.objects.filter(is_available=True, credits__artist=pk).count() for pk in names
    }
    seeds = [
        *(
            Seed(str(pk), "TRACK", snapshot.song_count if pk in known else 0)
            for pk in wish.song_ids
        ),
        *(Seed(str(pk), "ARTIST", by_artist.get(pk, 0)) for pk in wish.artist_ids),
        *(Seed(genre, "GENRE", _of_genre(genre)) for genre in wish.genres),
    ]
    return seeds, known, [*names.values()]


def _of_genre(genre: str) -> int:
    return Song.objects.filter(is_available=True, genres__key=folded(genre)).count()


def _request(wish: Wish, songs: Sequence[int], artists: Sequence[str]) -> dict[str, Any]:
    """Return the request of a list, without its genre and length."""
    wanted: dict[str, Any] = {
        "min_match": 0.0,
        "relax": False,
        "song_ids": list(songs),
        "artists": list(artists),
    }
    valence, arousal = wish.targets["valence"], wish.targets["energy"]
    if valence is not None and arousal is not None:
        wanted["point"] = {"valence": valence, "arousal": arousal}
    elif valence is not None:
        wanted["box"] = {"valence": [valence, valence]}
    elif arousal is not None:
        wanted["box"] = {"arousal": [arousal, arousal]}
    elif not songs and not artists:
        wanted["box"] = {"valence": [0.0, 1.0]}  # wherever on the plane
    for name, (low, high), scale in (
        ("valence", ("min_valence", "max_valence"), 1.0),
        ("energy", ("min_arousal", "max_arousal"), 1.0),
        ("tempo", ("tempo_from", "tempo_to"), 1.0),
        ("duration_ms", ("seconds_from", "seconds_to"), _SECOND),
    ):
        for field, bound in zip((low, high), wish.bounds[name], strict=True):
            if bound is not None:
                wanted[field] = bound / scale
    return wanted


def _nearest(
    base: dict[str, Any], genre: str, count: int, user: User | AnonymousUser | None, wish: Wish
) -> list[int]:
    """Return songs of a genre: those about the target's tempo, and others if there are too few."""
    target, found = wish.targets["tempo"], []
    if target is not None:
        low = max(target * (1 - _TEMPO_SHARE), base.get("tempo_from", 0.0))
        high = min(target * (1 + _TEMPO_SHARE), base.get("tempo_to", _FASTEST))
        if low < high:
            found = _songs({**base, "tempo_from": low, "tempo_to": high}, genre, count, user)
    if len(found) < count:
        found += _songs(base, genre, count, user)
    return list(dict.fromkeys(found))


def _songs(
    base: dict[str, Any], genre: str, count: int, user: User | AnonymousUser | None
) -> list[int]:
    request = PlaylistRequest.from_json({**base, "genre": genre, "count": count})
    try:
        made = playlist_generate(request=request, user=user)
    except PlaylistRequestError as error:
        if error.code in _EMPTY:
            return []
        raise
    return [entry.song_id for entry in made.entries]


def _ranked(song_ids: list[int], wish: Wish) -> list[int]:
    """Return the songs that are there, the nearest to the targets first.

    Songs of which something that is wanted is not known come last.
    """
    if not _is_ranked(wish):
        return song_ids
    songs = songs_by_id(song_ids)
    return sorted((pk for pk in song_ids if pk in songs), key=lambda pk: _distance(songs[pk], wish))


def _attributes(song: Song) -> dict[str, float | None]:
    seconds = song.duration_seconds
    return {
        "tempo": song.tempo_bpm,
        "duration_ms": None if seconds is None else seconds * _SECOND,
        "key": float(_TONICS.index(song.key)) if song.key else None,
        "mode": float(song.mode == MODES[0]) if song.mode else None,
    }


def _distance(song: Song, wish: Wish) -> float:
    """Return how far a song is from the targets: for each, the share of it by which it differs."""
    held, apart = _attributes(song), 0.0
    for name, value in held.items():
        target = wish.targets[name]
        if target is None:
            continue
        if value is None:
            apart += 1.0
        elif name in ("key", "mode"):
            apart += float(value != target)
        else:
            apart += min(1.0, abs(value - target) / max(target, 1.0))
    return apart
