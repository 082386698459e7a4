"""Calls for songs that sound alike, by the distances of the index and by nothing else."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from django.utils.translation import gettext
from rest_framework.exceptions import NotFound, ParseError

from catalog import analysis
from catalog.models import Song, SongEmotion
from mer.affect import AffectPoint
from recommender import selectors
from recommender.audiomuse.calls import Ask, call
from recommender.audiomuse.parameters import song_id
from recommender.audiomuse.tracks import (
    song_named,
    song_of,
    tracks_measured,
    tracks_ranked,
    tracks_shown,
)
from recommender.moods import MOODS, mood_find
from recommender.playlists import (
    PlaylistRequest,
    playlist_generate,
    songs_between,
    songs_similar,
)
from recommender.playlists.request import MAX_COUNT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from recommender.moods import Mood
    from recommender.playlists import SimilarSong

_OF_ARTIST: Final = 3
"""Songs by one artist, where a client wants no duplicates."""
_MORE: Final = 4
"""So many times the songs are looked up where some are left out."""
_PATH: Final = 25
_MOST_STEPS: Final = 200
_BEST: Final[dict[str, Any]] = {
    "diversity": 0.0,
    "artist_spacing": 0,
    "max_per_artist": MAX_COUNT,
    "seed": 0,
    "relax": False,
    "min_match": 0.0,
}
"""The nearest songs, however far they are: each is told with its distance."""


@call("GET", "api/similar_tracks")
def similar_tracks(ask: Ask) -> list[dict[str, Any]]:
    """Return the most similar songs to a song, or to the place of a mood, the best first."""
    count = ask.parameters.size("n", 10)
    mood = ask.parameters.text("mood")
    if mood and ask.parameters.text("centroid_index"):
        return _like_mood(ask, _mood(mood), min(count, MAX_COUNT))
    if ask.parameters.text("anchor_id"):
        raise NotFound(gettext("Affetti keeps no anchors; send item_id, or title and artist."))
    title, artist = ask.parameters.text("title"), ask.parameters.text("artist")
    if ask.parameters.text("item_id") or not (title and artist):
        seed = song_of(ask)
    else:
        seed = song_named(title, artist)
    is_varied = ask.parameters.flag("eliminate_duplicates", default=True)
    found = songs_similar(
        song_id=seed, k=count * (_MORE if is_varied else 1), user=ask.user, is_playable=True
    )
    kept = _few_by_artist(found) if is_varied else found
    return tracks_measured(_distances(kept[:count]), "distance")


def _distances(found: Iterable[SimilarSong]) -> dict[int, float]:
    """Return the cosine distance of each song: 0 the same, 1 unrelated, 2 the opposite."""
    return {one.song_id: 1.0 - one.similarity for one in found}


def _few_by_artist(found: Sequence[SimilarSong]) -> list[SimilarSong]:
    rows = Song.objects.filter(pk__in=[one.song_id for one in found])
    artists = dict(rows.values_list("pk", "artist"))
    times: Counter[str] = Counter()
    kept = []
    for one in found:
        artist = artists.get(one.song_id, "").casefold()
        times[artist] += 1
        if not artist or times[artist] <= _OF_ARTIST:
            kept.append(one)
    return kept


def _mood(name: str) -> Mood:
    found = mood_find(name)
    if found is None:
        raise ParseError(
            gettext("Unknown mood “%(mood)s”. These are known: %(moods)s.")
            % {"mood": name[:60], "moods": ", ".join(MOODS)}
        )
    return found


def _like_mood(ask: Ask, mood: Mood, count: int) -> list[dict[str, Any]]:
    if ask.parameters.number("centroid_index", -1) != 0:
        raise ParseError(gettext("Each mood has one place, with centroid_index 0."))
    request = PlaylistRequest(moods=((mood.name, 1.0),), count=count, **_BEST)
    made = playlist_generate(request=request, user=ask.user)
    return tracks_ranked(made)


@call("GET", "api/mood_centroids")
def mood_centroids(ask: Ask) -> dict[str, Any]:
    """Return the moods that have a name. Each has one place, which is not a cluster of songs."""
    asked = ask.parameters.text("mood").lower()
    moods = {asked: _mood(asked)} if asked else MOODS
    return {
        name: [
            {
                "index": 0,
                "cluster_id": 0,
                "top_tags": [mood.name, *mood.aliases][:5],
                "n_songs": None,
                "mood_score": 1.0,
                "valence": mood.valence,
                "arousal": mood.arousal,
            }
        ]
        for name, mood in moods.items()
    }


@call("POST", "api/sem_grove/search")
def sem_grove_search(ask: Ask) -> dict[str, Any]:
    """Return a song and those that are most similar to it by sound and words together."""
    seed, count = song_of(ask), ask.parameters.size("limit", 50)
    found = songs_similar(song_id=seed, k=count, user=ask.user, is_playable=True)
    values = {seed: 1.0, **{one.song_id: one.similarity for one in found}}
    rows = tracks_measured(values, "similarity")
    results = [{**row, "is_seed": row["item_id"] == str(seed)} for row in rows[:count]]
    return {"results": results, "count": len(results)}


@call("GET", "api/find_path", throttle="paths")
def find_path(ask: Ask) -> dict[str, Any]:
    """Return songs that lead from one to another. A mood at an end is the song nearest to it."""
    start, end = _ends(ask)
    if start == end:
        raise ParseError(gettext("Start and end are the same song."))
    count = min(max(2, ask.parameters.number("max_steps", _PATH)), _MOST_STEPS)
    path = songs_between(start_id=start, end_id=end, count=count, user=ask.user)
    ids = [one.song_id for one in path]
    rows = [{**row, "embedding_vector": []} for row in tracks_shown(ids)]
    return {"path": rows, "total_distance": round(_length(ids), 6)}


def _ends(ask: Ask) -> tuple[int, int]:
    sent = ask.parameters
    ids = {side: sent.text(f"{side}_song_id") for side in ("start", "end")}
    moods = {side: sent.text(f"{side}_mood") for side in ("start", "end") if not ids[side]}
    if not all(ids[side] or moods.get(side) for side in ("start", "end")):
        raise ParseError(gettext("Send a song or a mood for the start and for the end."))
    known = {side: song_id(text) for side, text in ids.items() if text}
    for side, name in moods.items():
        other = known.get("end" if side == "start" else "start")
        known[side] = _nearest_to(ask, _mood(name), other)
    return known["start"], known["end"]


def _nearest_to(ask: Ask, mood: Mood, other: int | None) -> int:
    """Return the song nearest to a mood, or to the place a part of the way to it from `other`."""
    place = AffectPoint(mood.valence, mood.arousal)
    start = selectors.song_place(other) if other is not None else None
    if start is not None:
        share = min(max(10, ask.parameters.number("mood_pct", 100)), 100) / 100
        place = AffectPoint(
            start.valence + share * (place.valence - start.valence),
            start.arousal + share * (place.arousal - start.arousal),
        )
    request = PlaylistRequest(
        point=place,
        count=1,
        exclude_song_ids=() if other is None else (other,),
        **_BEST,
    )
    entries = playlist_generate(request=request, user=ask.user).entries
    if not entries:
        raise NotFound(gettext("No song is analysed yet."))
    return entries[0].song_id


def _length(song_ids: Sequence[int]) -> float:
    """Return the sum of the cosine distances from each song to the next."""
    emotions = SongEmotion.objects.filter(
        song__in=song_ids, model_version=analysis.serving_version_in_sql()
    )
    rows = emotions.values_list("song", "fused_embedding")
    vectors = {pk: np.frombuffer(bytes(held), "<f4") for pk, held in rows}
    return sum(
        1.0 - float(vectors[one] @ vectors[other])
        for one, other in pairwise(song_ids)
        if one in vectors and other in vectors
    )
