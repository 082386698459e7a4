"""Orders with small steps of tempo and key."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.playlists.smooth import arrange_smoothly, key_distances, tempo_distances

C, G, F_SHARP, A_MINOR, E_FLAT_MINOR = 1, 8, 7, 22, 16


def snapshot(rng: np.random.Generator, count: int, *, unknown: float = 0.0) -> Any:
    tempos = rng.uniform(60, 190, count).astype(np.float32)
    keys = rng.integers(1, 25, count)
    is_unknown = rng.random(count) < unknown
    tempos[is_unknown], keys[is_unknown] = np.nan, 0
    return SimpleNamespace(affect=rng.random((count, 4)), tempos=tempos, keys=keys)


def mean_step(distances: np.ndarray, order: list[int]) -> float:
    return float(np.mean(distances[order[:-1], order[1:]]))


def test_tempi_are_compared_by_the_octave() -> None:
    distances = tempo_distances(np.array([60, 120, 30, 60 * 2**0.5, 66, np.nan, 0, -3]))

    assert distances[0, :4] == pytest.approx([0, 0, 0, 1], abs=1e-6)
    assert distances[1, 4] == pytest.approx(2 * np.log2(1.1))
    assert (distances[5:, :5] == 0.5).all()


def test_keys_are_compared_on_the_circle_of_fifths() -> None:
    distances = key_distances(np.array([C, G, F_SHARP, A_MINOR, E_FLAT_MINOR, 0])) * 7

    assert distances[0].tolist() == pytest.approx([0, 1, 6, 1, 7, 3.5])
    assert distances[2, 4] == pytest.approx(1)  # relatives


@given(keys=st.lists(st.integers(0, 24), min_size=1, max_size=12))
def test_distances_are_symmetric_and_between_0_and_1(keys: list[int]) -> None:
    tempi = np.array([60.0 + 7 * key if key else np.nan for key in keys])
    for found in (key_distances(np.array(keys)), tempo_distances(tempi)):
        assert (found == found.T).all()
        assert (np.diag(found) == 0).all()
        assert found.min() >= 0
        assert found.max() <= 1


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(0, 30),
    smooth=st.sampled_from([0.0, 0.3, 1.0]),
    seed=st.integers(0, 999),
    spacing=st.integers(0, 3),
)
def test_every_song_is_in_the_order_once_and_artists_stay_apart(
    count: int, smooth: float, seed: int, spacing: int
) -> None:
    rng = np.random.default_rng(seed)
    artists = rng.integers(0, 8, (count, 1))
    order, kept = arrange_smoothly(
        snapshot(rng, count, unknown=0.3),
        np.arange(count),
        artists,
        spacing=spacing,
        smooth=smooth,
    )

    assert sorted(order) == list(range(count))
    assert kept <= spacing
    named = artists[order, 0].tolist()
    for at, artist in enumerate(named):
        assert artist not in named[at + 1 : at + 1 + kept]


def test_smooth_orders_take_smaller_steps_of_tempo_and_key() -> None:
    steps: dict[float, list[tuple[float, float, float]]] = {0.0: [], 0.5: [], 1.0: []}
    for seed in range(20):
        songs = snapshot(np.random.default_rng(seed), 25)
        on_plane = np.linalg.norm(songs.affect[:, np.newaxis, :2] - songs.affect[:, :2], axis=2)
        tables = (tempo_distances(songs.tempos), key_distances(songs.keys), on_plane)
        for smooth, found in steps.items():
            rows, artists = np.arange(25), np.arange(25)[:, np.newaxis]
            order, _ = arrange_smoothly(songs, rows, artists, spacing=3, smooth=smooth)
            assert order[0] == 0  # the best match stays the first
            found.append(tuple(mean_step(table, order) for table in tables))
    plain, half, full = (np.mean(found, axis=0) for found in steps.values())

    assert full[0] < half[0] < plain[0]
    assert full[0] < 0.8 * plain[0]
    assert full[1] < plain[1]
    assert full[2] < 2 * plain[2]
