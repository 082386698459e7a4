"""Songs that are similar to one song."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
from django.utils.translation import gettext

from recommender.errors import PlaylistErrorCode, PlaylistRequestError
from recommender.index import index_snapshot
from recommender.index.protocol import PLAYABLE, SAME_RECORDING, Condition, Nearest
from recommender.playlists.alike import Sought
from recommender.playlists.availability import available_emotions, unavailable_rows
from recommender.playlists.banned import banned_conditions, banned_rows
from recommender.playlists.constraints import allowed_rows, conditions_of
from recommender.playlists.listed import with_songs
from recommender.playlists.targets import song_unusable_error

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.contrib.auth.models import AnonymousUser, User
    from numpy.typing import NDArray

    from catalog.models import Song
    from recommender.index import IndexSnapshot
    from recommender.playlists.fields import Values

_FILES: Final = 4
"""A vector database is asked for so many times the songs: some are files of one recording."""
_MOST_PLACES: Final = 30
"""Places of a way between two songs; each is one search."""


@dataclass(frozen=True, slots=True)
class SimilarSong:
    """A song and the cosine similarity of its embedding to that of another, in [-1, 1]."""

    song_id: int
    similarity: float
    model_version: str
    """The version that both embeddings are of, equal for all songs of an answer."""
    score: float = 1.0
    """The weighted mean of the parts, in [0, 1]."""
    parts: Mapping[str, float | None] = field(default_factory=dict)
    """How alike they are by each of `PARTS`, in [0, 1]; None where it is not known of both."""


def songs_similar(
    *,
    song_id: int,
    k: int = 20,
    user: User | AnonymousUser | None = None,
    is_playable: bool = False,
    limits: Values | None = None,
    weights: Mapping[str, float] | None = None,
) -> list[SimilarSong]:
    """Return the `k` other songs, or fewer, that are most similar, best first.

    They have the most similar fused embeddings, or by `weights` of `PARTS` the highest weighted
    mean of their parts. Each recording is there once, and that of the song itself is not. What
    `user` banned, or the constraints of `limits` do not allow, is left out, and so are songs
    without audio if they have to be playable.

    Raises `PlaylistRequestError` with SONG_NOT_FOUND or SONG_NOT_ANALYSED, and with REQUEST_INVALID
    if a part has a weight that is not known of the song.
    """
    weights = {name: one for name, one in (weights or {}).items() if one} or {"whole": 1.0}
    snapshot = index_snapshot()
    held = snapshot.narrowed([song_id])
    row = held.rows_of([song_id])
    if not len(row):
        raise song_unusable_error([song_id])
    sought = Sought.of(held, int(row[0]))
    _check_known(sought, weights)
    others = Condition(SAME_RECORDING, any_of=(song_id,), is_refused=True)
    own = [others, *([PLAYABLE] if is_playable else [])]
    limiting = conditions_of(snapshot, limits, user) if limits else banned_conditions(user)
    snapshot = snapshot.narrowed([song_id], sought.queries(weights, _FILES * k), [*own, *limiting])
    allowed = snapshot.alive.copy()
    for condition in own:
        allowed &= snapshot.passing(condition)
    if limits is not None:
        allowed &= allowed_rows(snapshot, limits, user)[0]
    elif (banned := banned_rows(snapshot, user)) is not None:
        allowed &= ~banned
    while True:
        if list(weights) == ["whole"]:
            rows = _nearest(snapshot, sought.fused, k, allowed)
        else:
            rows = sought.best(snapshot, weights, k, allowed)
        gone = unavailable_rows(snapshot, rows, available_emotions(snapshot, rows))
        if not gone:
            break
        allowed[gone] = False
    return _told(snapshot, sought, rows, weights)


def _check_known(sought: Sought, weights: Mapping[str, float]) -> None:
    for part in weights:
        if not sought.knows(part):
            raise PlaylistRequestError(
                PlaylistErrorCode.REQUEST_INVALID,
                gettext("%(part)s has a weight but is unknown for this song.") % {"part": part},
                {"field": part},
            )


def _told(
    snapshot: IndexSnapshot,
    sought: Sought,
    rows: NDArray[np.int64],
    weights: Mapping[str, float],
) -> list[SimilarSong]:
    """Return the songs of rows with their similarity and parts."""
    cosines = np.minimum(snapshot.fused(rows) @ sought.fused, 1.0)
    scores = sought.scores(snapshot, rows, weights)
    parts = sought.parts(snapshot, rows)
    return [
        SimilarSong(
            song_id=int(snapshot.song_ids[row]),
            similarity=float(cosines[at]),
            model_version=snapshot.model_version,
            score=float(scores[at]),
            parts={
                name: None if np.isnan(values[at]) else float(values[at])
                for name, values in parts.items()
            },
        )
        for at, row in enumerate(rows.tolist())
    ]


def songs_between(
    *, start_id: int, end_id: int, count: int, user: User | AnonymousUser | None = None
) -> list[SimilarSong]:
    """Return songs that lead from one to another by sound: `count` or fewer, with both at the ends.

    Each song between is one of the nearest that are left to a place on the way from embedding to
    embedding. A long way has `_MOST_PLACES` places with several songs each, since each is searched.
    Similarities are those to the first song, and fall. Each recording is there once, and what
    `user` banned is not, nor are songs without audio. Raises `PlaylistRequestError` as
    `songs_similar` does.
    """
    snapshot = index_snapshot()
    held = snapshot.narrowed([start_id, end_id])
    absent = [pk for pk in (start_id, end_id) if not len(held.rows_of([pk]))]
    if absent:
        raise song_unusable_error(absent)
    start, end = (held.fused(held.rows_of([pk]))[0] for pk in (start_id, end_id))
    ends = [SimilarSong(start_id, 1.0, snapshot.model_version)]
    if count == 1 or start_id == end_id:
        return ends
    last = SimilarSong(end_id, min(1.0, float(start @ end)), snapshot.model_version)
    shares = _shares(count - 2)
    steps = np.linspace(0.0, 1.0, len(shares) + 2)[1:-1, np.newaxis]
    places = (1 - steps) * start + steps * end
    # Between two embeddings that point away from each other the way has no direction.
    places /= np.maximum(np.linalg.norm(places, axis=1, keepdims=True), 1e-6)
    way = list(zip(places.astype(np.float32), shares, strict=True))
    between = _between(start_id, end_id, start, way, last.similarity, user)
    return [*ends, *between, last]


def _shares(songs: int) -> list[int]:
    """Return how many songs each place of a way has."""
    places = min(songs, _MOST_PLACES)
    return [songs * (at + 1) // places - songs * at // places for at in range(places)]


def _between(
    start_id: int,
    end_id: int,
    start: NDArray[np.float32],
    way: Sequence[tuple[NDArray[np.float32], int]],
    lowest: float,
    user: User | AnonymousUser | None,
) -> list[SimilarSong]:
    """Return songs for each place, less similar to the first song the later they come."""
    others = Condition(SAME_RECORDING, any_of=(start_id, end_id), is_refused=True)
    conditions = [others, PLAYABLE, *banned_conditions(user)]
    most = 1 + sum(share for _, share in way)
    nearest = [Nearest(place, _FILES * most) for place, _ in way]
    snapshot = index_snapshot().narrowed([start_id, end_id], nearest, conditions)
    allowed = snapshot.alive & snapshot.passing(others) & snapshot.passing(PLAYABLE)
    banned = banned_rows(snapshot, user)
    if banned is not None:
        allowed &= ~banned
    while True:
        rows = _rows_between(snapshot, start, way, lowest, allowed)
        gone = unavailable_rows(snapshot, rows, available_emotions(snapshot, rows))
        if not gone:
            break
        allowed[gone] = False
    similarities = snapshot.fused(rows) @ start
    order = np.lexsort((snapshot.song_ids[rows], -similarities))
    return [
        SimilarSong(
            int(snapshot.song_ids[rows[at]]), float(similarities[at]), snapshot.model_version
        )
        for at in order
    ]


def _rows_between(
    snapshot: IndexSnapshot,
    start: NDArray[np.float32],
    way: Sequence[tuple[NDArray[np.float32], int]],
    lowest: float,
    allowed: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Return the nearest rows to each place that no other place has, more similar than the end."""
    taken: dict[int, None] = {}
    most = 1 + sum(share for _, share in way)
    for place, share in way:
        near = _nearest(snapshot, place, most, allowed)
        is_before = snapshot.fused(near) @ start > lowest
        free = [row for row in near[is_before].tolist() if row not in taken]
        taken.update(dict.fromkeys(free[:share]))
    return np.array([*taken], np.int64)


def _nearest(
    snapshot: IndexSnapshot, query: NDArray[np.float32], k: int, allowed: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return the rows of the `k` most similar recordings, best first."""
    wanted = k
    while True:
        found = snapshot.search_fused(query, wanted, allowed)[1]
        once = snapshot.one_per_recording(found, allowed)
        if len(once) >= k or len(found) < wanted:
            order = np.lexsort((snapshot.song_ids[once], -(snapshot.fused(once) @ query)))
            return once[order][:k]
        wanted *= 2  # many of them are files of one recording


def similar_listed(found: Sequence[SimilarSong]) -> list[tuple[SimilarSong, Song]]:
    """Return similar songs with their songs loaded, as the version has them that found them.

    Another version may have begun to serve since.
    """
    return with_songs(found, model_version=found[0].model_version) if found else []
