"""Which rows of a snapshot are in a list, in playing order: by one aim, or along a journey."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from recommender.index.arrays import smallest
from recommender.index.protocol import Nearest
from recommender.playlists import sequencing
from recommender.playlists.credited import credited_artists, song_seconds
from recommender.playlists.journeys import (
    NEAR_STEP,
    Candidates,
    Curve,
    journey_fit,
    progress_of_steps,
    travel,
)
from recommender.playlists.nearby import nearest_of_aim
from recommender.playlists.smooth import arrange_smoothly

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from recommender.index import IndexSnapshot
    from recommender.playlists.aims import Aim, Part
    from recommender.playlists.listener import Listener
    from recommender.playlists.request import PlaylistRequest

ALL_SCORED: Final = 20_000
"""In a larger catalogue only the songs nearest to the target in either space are scored."""
_CANDIDATES: Final = 5_000
_CANDIDATES_OF_EACH: Final = 3_000
"""So many songs of each space are scored if a target uses both spaces. In two catalogues of a
million songs, lists from seed songs were the same with twice as many, and others with 2,000."""
_ALL_ON_JOURNEY: Final = 10_000
"""A journey chooses among so many songs at most, which the seed draws."""
_DRAWN_FIRST: Final = 1.2
"""First about this many times `_ALL_ON_JOURNEY` songs are drawn, then exactly so many of those."""
_STOP_SONGS: Final = 8
"""A stop lies where these best matches of it lie."""
JOURNEY_TOLERANCE: Final = 0.1
"""At a distance of 0.12 from its step a song is at the floor of good matches."""
_FORWARD: Final = 0.9
"""A journey is made of fewer songs if less of its steps go forward."""
_FEWER_STEPS: Final = 0.85
_FEWEST_STEPS: Final = 5
_USUAL_SECONDS: Final = 210.0
"""The length of a song whose length is not known."""
_LENGTH_TRIES: Final = 4
MAX_SONGS: Final = 200


@dataclass(frozen=True, slots=True)
class Chosen:
    """Rows in playing order with their scores.

    `wanted` is the number of songs that was asked for, or that fills the minutes. `weaker` counts
    the songs that are left out because they match less than requested. `spacing` is that between
    songs of one artist. `progress` and `steps`, (rows, 2), are those of a journey.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float64]
    wanted: int
    weaker: int
    spacing: int
    progress: NDArray[np.float64] | None = None
    steps: NDArray[np.float64] | None = None


def chosen_for_aim(
    request: PlaylistRequest,
    seed: int,
    snapshot: IndexSnapshot,
    aim: Aim,
    allowed: NDArray[np.bool_],
    listener: Listener | None = None,
) -> Chosen:
    """Return the rows that fit an aim best, and differ as much as the request says.

    With a listener who gave feedback, `snapshot` is that listener's.
    """
    scored, scores = _scored(snapshot, aim, allowed, request.min_match)
    is_good = scores >= request.min_match
    candidates, good_scores = scored[is_good], scores[is_good]
    ranked = good_scores if listener is None else listener.ranked(good_scores, snapshot, candidates)

    held: tuple[NDArray[np.int64], NDArray[np.int64]] = (candidates[:0], candidates[:0])

    def credits(places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the codes of credited artists, read once for the songs that may be chosen."""
        nonlocal held
        if not np.isin(places, held[0]).all():
            held = (places, credited_artists(snapshot, candidates[places]))
        order = np.argsort(held[0])
        return np.asarray(held[1][order[np.searchsorted(held[0], places, sorter=order)]])

    def choose(count: int) -> NDArray[np.int64]:
        return sequencing.choose(
            song_ids=snapshot.song_ids[candidates],
            scores=ranked,
            artists=snapshot.artists[candidates],
            credits=credits,
            albums=lambda places: snapshot.albums[candidates[places]],
            max_per_album=request.max_per_album,
            fused=lambda places: snapshot.fused(candidates[places]),
            count=count,
            diversity=request.diversity,
            max_per_artist=request.max_per_artist,
            seed=seed,
        )

    if request.minutes is None:
        chosen, wanted = choose(request.count), request.count
    else:
        chosen = choose(_most_songs(request.minutes))
        lengths = song_seconds(snapshot, candidates[chosen], unknown=_USUAL_SECONDS)
        count, wanted = _count_for(request.minutes, lengths)
        chosen = chosen[:count]
    order, spacing = arrange_smoothly(
        snapshot,
        candidates[chosen],
        credits(chosen),
        spacing=request.artist_spacing,
        smooth=request.smooth,
    )
    chosen = chosen[order]
    with_weaker = sequencing.most_places(snapshot.artists[scored], request.max_per_artist)
    weaker = max(0, min(wanted, with_weaker) - len(chosen))
    return Chosen(candidates[chosen], good_scores[chosen], wanted, weaker, spacing)


def _most_songs(minutes: int) -> int:
    """Return a number of songs that is hardly ever too short for so many minutes."""
    return min(MAX_SONGS, int(minutes * 60 / _USUAL_SECONDS * 2) + 5)


def _count_for(minutes: int, lengths: NDArray[np.float64]) -> tuple[int, int]:
    """Return how many of the songs come nearest to the minutes, and how many are wanted."""
    if not len(lengths):
        return 0, _most_songs(minutes) // 2
    ends = np.cumsum(lengths)
    count = int(np.argmin(np.abs(ends - minutes * 60))) + 1
    missing = minutes * 60 - float(ends[-1])
    mean = float(np.mean(lengths))
    # All of them are too short together: so many more would have been needed.
    return count, count + max(0, round(missing / mean)) if count == len(lengths) else count


def _scored(
    snapshot: IndexSnapshot, aim: Aim, allowed: NDArray[np.bool_], least: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return rows with their scores, without those that the aim refuses."""
    rows = snapshot.one_per_recording(_candidates(snapshot, aim, allowed, least), allowed)
    scores, is_refused = aim.scores(snapshot, rows)
    return rows[~is_refused], scores[~is_refused]


def _candidates(
    snapshot: IndexSnapshot, aim: Aim, allowed: NDArray[np.bool_], least: float
) -> NDArray[np.int64]:
    """Return the rows to score: all, or in a large catalogue the nearest in each space.

    If the aim wants a contrast, only rows count that may have a score of `least` by it.
    """
    found = []
    for share, part in aim.contrasts:
        if np.count_nonzero(allowed) <= ALL_SCORED:
            break
        matches = part.all_matches(snapshot)
        allowed = allowed & (matches >= least ** (1 / share))
        np.negative(matches, out=matches)
        np.putmask(matches, ~allowed, np.inf)
        found.append(smallest(matches, _CANDIDATES, snapshot.song_ids))
    if np.count_nonzero(allowed) <= ALL_SCORED:
        return np.flatnonzero(allowed)
    searches = nearest_of_aim(aim)
    k = _CANDIDATES if len(searches) == 1 else _CANDIDATES_OF_EACH
    found += [
        snapshot.search_fused(one.target, k, allowed)[1]
        if one.weights is None
        else snapshot.search_affect(one.target, one.weights, k, allowed)[1]
        for one in searches
        if isinstance(one, Nearest)
    ]
    return np.unique(np.concatenate(found))


def chosen_on_journey(
    request: PlaylistRequest,
    seed: int,
    snapshot: IndexSnapshot,
    stops: Sequence[Part],
    aim: Aim | None,
    allowed: NDArray[np.bool_],
    listener: Listener | None = None,
) -> Chosen:
    """Return rows along the curve through `stops`; `aim` is what else is wanted of them.

    With a listener who gave feedback, `snapshot` is that listener's.
    """
    rows = snapshot.one_per_recording(_drawn(snapshot, allowed, seed), allowed)
    misfit = np.zeros(len(rows))
    if aim is not None:
        scores, is_refused = aim.scores(snapshot, rows)
        rows, misfit = rows[~is_refused], 1.0 - scores[~is_refused]
    if listener is not None:
        misfit = 1.0 - (1.0 - misfit) * listener.likings(snapshot, rows)
    matches = [stop.match(snapshot, rows) for stop in stops]
    places = snapshot.affect[rows, :2].astype(np.float64)
    corners = np.array(
        [_stop_place(stop, match, places) for stop, match in zip(stops, matches, strict=True)]
    )
    way = _Way(Curve.through(corners, request.journey_shape), rows, places, matches, misfit)
    if request.minutes is None:
        return _travelled(request, seed, snapshot, way, request.count)
    return _of_length(
        lambda count: _travelled(request, seed, snapshot, way, count), request.minutes, snapshot
    )


def _drawn(snapshot: IndexSnapshot, allowed: NDArray[np.bool_], seed: int) -> NDArray[np.int64]:
    """Return at most `_ALL_ON_JOURNEY` allowed rows, which the seed draws by the ids of songs."""
    count = np.count_nonzero(allowed)
    if count <= _ALL_ON_JOURNEY:
        return np.flatnonzero(allowed)
    share = _DRAWN_FIRST * _ALL_ON_JOURNEY / count
    rows = _some_rows(snapshot, allowed, seed, share)
    while len(rows) < _ALL_ON_JOURNEY:  # the ids are not spread evenly
        share *= 2
        rows = _some_rows(snapshot, allowed, seed, share)
    chance = sequencing.seeded_uniform(snapshot.song_ids[rows], seed)
    return np.sort(rows[np.argpartition(chance, _ALL_ON_JOURNEY - 1)[:_ALL_ON_JOURNEY]])


def _some_rows(
    snapshot: IndexSnapshot, allowed: NDArray[np.bool_], seed: int, share: float
) -> NDArray[np.int64]:
    """Return about this share of the allowed rows; a block at a time, in the processor's cache."""
    found = [
        part.start
        + np.flatnonzero(
            allowed[part] & sequencing.seeded_some(snapshot.song_ids[part], seed, share)
        )
        for part in snapshot.blocks()
    ]
    return np.concatenate(found)


def _stop_place(
    stop: Part, match: NDArray[np.float64], places: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return where on the plane the songs are that match a stop best.

    Predictions lie around the middle of the plane: at the place of a mood itself is often no song.
    """
    if not len(match):
        return stop.place
    best = np.argsort(-match, kind="stable")[:_STOP_SONGS]
    return np.asarray(np.average(places[best], axis=0, weights=match[best] + 1e-9))


@dataclass(frozen=True, slots=True)
class _Way:
    """A journey's curve, and the rows that may be on it, with their place and their matches."""

    curve: Curve
    rows: NDArray[np.int64]
    places: NDArray[np.float64]
    matches: list[NDArray[np.float64]]
    misfit: NDArray[np.float64]


def _travelled(
    request: PlaylistRequest, seed: int, snapshot: IndexSnapshot, way: _Way, count: int
) -> Chosen:
    """Return a journey of at most so many songs; of fewer, if it would go to and fro."""
    asked, wanted = count, min(count, len(way.rows))
    steps = way.curve.at(progress_of_steps(wanted, request.journey_shape))
    nearest = _distances(way, steps).min(axis=0, initial=np.inf)
    # More steps than songs near the curve would scatter the songs around it.
    count = min(wanted, int(np.count_nonzero(nearest <= _distance_at(request.min_match))))
    while True:
        chosen = _walked(request, seed, snapshot, way, count)
        made = snapshot.affect[chosen.rows][:, :2].astype(np.float64)
        if (
            not request.min_match
            or count <= _FEWEST_STEPS
            or chosen.steps is None
            or journey_fit(made, chosen.steps).forward >= _FORWARD
        ):
            break
        count = max(_FEWEST_STEPS, int(count * _FEWER_STEPS))
    weaker = wanted - len(chosen.rows) if request.min_match else 0
    return replace(chosen, wanted=asked, weaker=weaker)


def _walked(
    request: PlaylistRequest, seed: int, snapshot: IndexSnapshot, way: _Way, count: int
) -> Chosen:
    progress = progress_of_steps(count, request.journey_shape)
    steps = way.curve.at(progress)
    pool, songs = _pool(request, snapshot, way, progress, steps, seed)
    path = np.full(len(steps), -1)
    spacing = request.artist_spacing
    while len(steps):
        path = travel(steps, songs, spacing=spacing)
        if (path >= 0).all() or not spacing:
            break
        spacing //= 2
    distances = np.linalg.norm(songs.places[path] - steps, axis=1)
    kept = (path >= 0) & (distances <= _distance_at(request.min_match))
    return Chosen(
        rows=way.rows[pool[path[kept]]],
        scores=np.exp(-(distances[kept] ** 2) / (2 * JOURNEY_TOLERANCE**2)),
        wanted=count,
        weaker=0,
        spacing=spacing,
        progress=progress[kept],
        steps=steps[kept],
    )


def _distance_at(score: float) -> float:
    """Return the distance from its step at which a song has a score."""
    return JOURNEY_TOLERANCE * float(np.sqrt(-2 * np.log(score))) if score > 0 else np.inf


def _distances(way: _Way, steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (steps, rows) distances."""
    squares = np.zeros((len(steps), len(way.rows)))
    for axis in (0, 1):
        # One axis after the other: a sum over a last dimension of two is ten times as slow.
        difference = np.subtract.outer(steps[:, axis], np.ascontiguousarray(way.places[:, axis]))
        squares += np.square(difference, out=difference)
    return np.sqrt(squares, out=squares)


def _pool(
    request: PlaylistRequest,
    snapshot: IndexSnapshot,
    way: _Way,
    progress: NDArray[np.float64],
    steps: NDArray[np.float64],
    seed: int,
) -> tuple[NDArray[np.int64], Candidates]:
    """Return the candidates of all steps: their places among the rows, and their arrays."""
    distances = _distances(way, steps)
    k = min(NEAR_STEP, len(way.rows))
    nearest = np.argpartition(distances, k - 1, axis=1)[:, :k] if k else distances.astype(np.int64)
    pool, near = np.unique(nearest, return_inverse=True)
    # How far a step is from one stop to the next, and how songs match the two.
    at = np.interp(progress, way.curve.progress_of_stops, np.arange(len(way.matches)))
    first = np.minimum(at.astype(np.int64), len(way.matches) - 2)
    share = (at - first)[:, np.newaxis]
    matches = np.stack([match[pool] for match in way.matches])
    match = (1 - share) * matches[first] + share * matches[first + 1]
    artists, artist_count = _counted(credited_artists(snapshot, way.rows[pool]), lowest=0)
    albums, album_count = _counted(snapshot.albums[way.rows[pool]][:, np.newaxis], lowest=1)
    return pool, Candidates(
        places=way.places[pool],
        artists=artists,
        albums=np.where(albums < 0, -1, albums + artist_count)[:, 0],
        most=np.repeat(
            [request.max_per_artist, request.max_per_album], [artist_count, album_count]
        ),
        misfit=1.0 - match * (1.0 - way.misfit[pool]),
        near=near.reshape(nearest.shape),
        chance=sequencing.seeded_uniform(snapshot.song_ids[way.rows[pool]], seed),
    )


def _counted(codes: NDArray[np.int64], *, lowest: int) -> tuple[NDArray[np.int64], int]:
    """Return codes counted from 0, and their number; -1 for those below `lowest`."""
    known, numbers = np.unique(codes, return_inverse=True)
    return np.where(codes < lowest, -1, numbers.reshape(codes.shape)), len(known)


def _of_length(travelled: Callable[[int], Chosen], minutes: int, snapshot: IndexSnapshot) -> Chosen:
    """Return a journey whose songs are together about so many minutes long."""
    count = max(1, round(minutes * 60 / _USUAL_SECONDS))
    tries: list[tuple[float, Chosen]] = []
    while len(tries) < _LENGTH_TRIES:
        chosen = travelled(min(count, MAX_SONGS))
        lengths = song_seconds(snapshot, chosen.rows, unknown=_USUAL_SECONDS)
        total = float(lengths.sum())
        missing = minutes * 60 - total
        tries.append((abs(missing), chosen))
        better = max(1, count + round(missing / (total / len(lengths)))) if len(lengths) else count
        if better == count or len(lengths) < count:
            break
        count = better
    return min(tries, key=lambda one: one[0])[1]
