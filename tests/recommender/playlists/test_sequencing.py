from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.playlists import sequencing
from recommender.playlists.sequencing import NEAR_TIE, arrange, choose, seeded_some


def is_spaced(artists: list[int], spacing: int) -> bool:
    return all(
        artists[i] != artists[j]
        for i in range(len(artists))
        for j in range(i + 1, min(i + spacing + 1, len(artists)))
    )


def path_length(points: np.ndarray, order: list[int]) -> float:
    return float(np.linalg.norm(np.diff(points[order], axis=0), axis=1).sum())


@settings(max_examples=150, deadline=None)
@given(
    artists=st.lists(st.integers(0, 6), min_size=1, max_size=30),
    spacing=st.integers(0, 6),
    seed=st.integers(0, 999),
)
def test_order_holds_every_song_once_and_the_widest_spacing(
    artists: list[int], spacing: int, seed: int
) -> None:
    points = np.random.default_rng(seed).random((len(artists), 2))
    order, possible = arrange(points, np.array(artists)[:, np.newaxis], spacing)
    assert sorted(order) == list(range(len(artists)))
    assert is_spaced([artists[i] for i in order], possible)
    # The counting bound: the most frequent artists need so many places.
    counts = Counter(artists)
    most = max(counts.values())
    if most > 1:
        last = sum(count == most for count in counts.values())
        assert possible == min(spacing, max(0, (len(artists) - last) // (most - 1) - 1))
    else:
        assert possible == spacing


def test_order_starts_at_the_best_and_takes_small_steps() -> None:
    rng = np.random.default_rng(3)
    points = rng.random((25, 2))
    order, _ = arrange(points, np.arange(25)[:, np.newaxis], 3)
    assert order[0] == 0
    random_length = np.mean([path_length(points, rng.permutation(25).tolist()) for _ in range(20)])
    assert path_length(points, order) < 0.45 * random_length


def test_order_walks_a_line_from_one_end_to_the_other() -> None:
    line = np.array([0.0, 0.6, 0.2, 0.8, 0.4])
    order, _ = arrange(np.stack([line, line], axis=1), np.arange(5)[:, np.newaxis], 1)
    assert order == [0, 2, 4, 1, 3]


def pick(
    scores: list[float],
    *,
    song_ids: list[int] | None = None,
    artists: list[int] | None = None,
    featured: list[int] | None = None,
    fused: np.ndarray | None = None,
    count: int = 5,
    diversity: float = 0.0,
    max_per_artist: int = 3,
    seed: int = 0,
) -> list[int]:
    ids = np.array(song_ids or range(1, len(scores) + 1), np.int64)
    mains = np.array(artists or [-i for i in ids.tolist()], np.int64)
    others = np.array(featured or [-1] * len(ids), np.int64)
    vectors = np.eye(max(len(scores), 2), dtype=np.float32) if fused is None else fused
    places = choose(
        song_ids=ids,
        scores=np.array(scores),
        artists=mains,
        credits=lambda rows: np.stack([mains[rows], others[rows]], axis=1),
        fused=lambda rows: vectors[rows],
        count=count,
        diversity=diversity,
        max_per_artist=max_per_artist,
        seed=seed,
    )
    return ids[places].tolist()


def test_without_diversity_the_best_scores_are_chosen() -> None:
    assert pick([0.1, 0.9, 0.5, 0.7], count=3) == [2, 4, 3]


def test_at_most_so_many_by_one_artist() -> None:
    chosen = pick([0.9, 0.8, 0.7, 0.6, 0.1], artists=[1, 1, 1, 2, 2], max_per_artist=2)
    assert chosen == [1, 2, 4, 5]


def test_featured_artists_count() -> None:
    chosen = pick(
        [0.9, 0.8, 0.7, 0.6], artists=[1, 2, 3, 4], featured=[9, 9, 9, -1], max_per_artist=2
    )
    assert chosen == [1, 2, 4]


def test_at_most_so_many_of_one_album() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.6])
    places = choose(
        song_ids=np.arange(4),
        scores=scores,
        artists=np.arange(4),
        credits=lambda rows: rows[:, np.newaxis],
        albums=lambda rows: np.array([5, 5, 5, 0])[rows],
        fused=lambda rows: np.eye(4, dtype=np.float32)[rows],
        count=4,
        diversity=0.0,
        max_per_artist=3,
        max_per_album=2,
        seed=0,
    )
    assert places.tolist() == [0, 1, 3]


def test_featured_artists_do_not_empty_a_pool() -> None:
    """Of 300 songs the best 200 feature one artist: the pool of 100 alone would give one song."""
    scores = np.linspace(1.0, 0.1, 300).tolist()
    featured = [9] * 200 + [-1] * 100
    assert len(pick(scores, featured=featured, count=5, max_per_artist=1)) == 5


@settings(max_examples=100, deadline=None)
@given(
    credits=st.lists(st.lists(st.integers(-1, 6), min_size=2, max_size=2), min_size=1, max_size=20),
    spacing=st.integers(0, 5),
)
def test_songs_that_share_any_artist_keep_the_spacing(
    credits: list[list[int]], spacing: int
) -> None:
    points = np.random.default_rng(len(credits)).random((len(credits), 2))
    order, kept = arrange(points, np.array(credits), spacing)
    assert sorted(order) == list(range(len(credits)))
    assert 0 <= kept <= spacing
    named = [{code for code in credits[place] if code >= 0} for place in order]
    for place, artists in enumerate(named):
        for other in named[place + 1 : place + 1 + kept]:
            assert artists.isdisjoint(other)


def test_diversity_passes_over_what_sounds_the_same() -> None:
    fused = np.zeros((4, 4), np.float32)
    fused[0, 0] = fused[1, 0] = fused[2, 1] = fused[3, 2] = 1.0
    scores = [0.9, 0.85, 0.6, 0.5]
    assert pick(scores, fused=fused, count=3) == [1, 2, 3]
    assert pick(scores, fused=fused, count=3, diversity=0.5) == [1, 3, 4]


@given(
    count=st.integers(1, 12),
    diversity=st.floats(0, 1),
    seed=st.integers(0, 2**53 - 1),
    songs=st.integers(1, 12),
)
def test_choice_depends_on_songs_and_seed_not_on_their_order(
    count: int, diversity: float, seed: int, songs: int
) -> None:
    rng = np.random.default_rng(songs)
    scores = rng.random(songs).round(2)
    fused = rng.standard_normal((songs, 256)).astype(np.float32)
    fused /= np.linalg.norm(fused, axis=1, keepdims=True)
    ids = list(range(10, 10 + songs))
    one = pick(
        scores.tolist(), song_ids=ids, fused=fused, count=count, diversity=diversity, seed=seed
    )
    turned = pick(
        scores[::-1].tolist(),
        song_ids=ids[::-1],
        fused=fused[::-1].copy(),
        count=count,
        diversity=diversity,
        seed=seed,
    )
    assert one == turned
    assert len(one) == len(set(one)) == min(count, songs)


def test_seed_decides_between_near_ties_only() -> None:
    tied = {tuple(pick([0.5] * 6, count=3, seed=seed)) for seed in range(30)}
    assert len(tied) > 5
    apart = [0.5 - 1.01 * NEAR_TIE * i for i in range(6)]
    assert {tuple(pick(apart, count=3, seed=seed)) for seed in range(30)} == {(1, 2, 3)}


@pytest.mark.parametrize("diversity", [0.0, 0.5, 1.0])
def test_first_is_the_best_match_whatever_the_diversity(diversity: float) -> None:
    assert pick([0.2, 0.9, 0.4], diversity=diversity)[0] == 2


@settings(max_examples=100, deadline=None)
@given(count=st.integers(0, 25), seed=st.integers(0, 999))
def test_gains_are_what_reversed_stretches_save(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, path = rng.random((count, 2)), rng.permutation(count).tolist()
    steps = np.linalg.norm(points[:, np.newaxis] - points[np.newaxis], axis=2)
    gains = sequencing._gains(path, steps)
    for start in range(count):
        for end in range(count):
            if 0 < start < end:
                turned = [*path[:start], *reversed(path[start : end + 1]), *path[end + 1 :]]
                saved = path_length(points, path) - path_length(points, turned)
                assert gains[start, end] == pytest.approx(saved, abs=1e-9)
            else:
                assert gains[start, end] == -np.inf


@given(seed=st.integers(0, 2**31), share=st.floats(0.01, 1.0), step=st.sampled_from([1, 7, 1000]))
def test_some_songs_are_a_share_of_them_by_their_ids_alone(
    seed: int, share: float, step: int
) -> None:
    song_ids = 1 + step * np.arange(5_000)
    some = seeded_some(song_ids, seed, share)
    assert np.mean(some) == pytest.approx(share, abs=0.05)
    np.testing.assert_array_equal(seeded_some(song_ids[::-1], seed, share), some[::-1])
    assert seeded_some(song_ids, seed, 1.0).all()
