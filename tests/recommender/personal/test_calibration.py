"""A listener's plane: near everybody's with few corrections, invertible, within the plane."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recommender.personal.calibration import (
    FEWEST,
    MOST_SHIFT,
    Calibration,
    calibration_fit,
    distances_after,
)

UNIT = st.floats(0, 1)


def places(count: int) -> st.SearchStrategy[np.ndarray]:
    return arrays(np.float64, (count, 2), elements=UNIT)


corrections = st.integers(FEWEST, 40).flatmap(lambda n: st.tuples(places(n), places(n)))


def fitted(said: np.ndarray, felt: np.ndarray) -> Calibration:
    found = calibration_fit(said, felt)
    assert found is not None
    return found


def test_fewer_than_five_corrections_change_nothing() -> None:
    said = np.full((FEWEST - 1, 2), 0.2)
    assert calibration_fit(said, said + 0.5) is None


@given(places(20))
def test_songs_that_stay_leave_the_plane_as_it_is(said: np.ndarray) -> None:
    plane = fitted(said, said)
    assert plane.places(said) == pytest.approx(said)


@given(st.tuples(places(FEWEST), places(FEWEST)), places(8))
def test_the_fewest_corrections_move_no_song_far(
    moved: tuple[np.ndarray, np.ndarray], songs: np.ndarray
) -> None:
    plane = fitted(*moved)
    # The prior: five corrections from corner to corner shift by a fifth of the plane at most.
    assert np.abs(plane.places(songs) - songs).max() < 0.25


@given(corrections, places(8))
def test_places_stay_in_the_plane(moved: tuple[np.ndarray, np.ndarray], songs: np.ndarray) -> None:
    plane = fitted(*moved)
    for found in (plane.places(songs), plane.sources(songs)):
        assert ((found >= 0) & (found <= 1)).all()
    assert (np.abs(plane.shift) <= MOST_SHIFT).all()


@given(corrections, arrays(np.float64, (8, 2), elements=st.floats(0.4, 0.6)))
def test_the_way_back_is_the_inverse(
    moved: tuple[np.ndarray, np.ndarray], songs: np.ndarray
) -> None:
    plane = fitted(*moved)
    there = plane.places(songs)
    is_inside = ((there > 0) & (there < 1)).all(axis=1)
    assert plane.sources(there)[is_inside] == pytest.approx(songs[is_inside])


def test_many_like_corrections_are_followed() -> None:
    said = np.random.default_rng(0).uniform(0.2, 0.7, (200, 2))
    felt = said + np.array([0.2, -0.1])
    plane = fitted(said, felt)
    assert plane.shift == pytest.approx([0.2, -0.1], abs=0.03)
    assert distances_after(said, felt).mean() < 0.05


@given(corrections)
def test_each_song_is_left_out_of_its_own_fit(moved: tuple[np.ndarray, np.ndarray]) -> None:
    said, felt = moved
    one_by_one = []
    for number in range(len(said)):
        others = np.arange(len(said)) != number
        plane = calibration_fit(said[others], felt[others])
        place = said[number] if plane is None else plane.places(said[number])
        one_by_one.append(np.linalg.norm(place - felt[number]))
    assert distances_after(said, felt) == pytest.approx(np.array(one_by_one), abs=1e-9)


def test_tens_of_thousands_of_corrections_take_no_time() -> None:
    said, felt = np.random.default_rng(0).random((2, 50_000, 2))
    start = time.process_time()
    assert len(distances_after(said, felt)) == 50_000
    assert time.process_time() - start < 5


def test_what_a_plane_is_worth_is_told_without_the_song_itself() -> None:
    """Corrections at random are no plane: the distance does not fall."""
    rng = np.random.default_rng(1)
    said, felt = rng.random((30, 2)), rng.random((30, 2))
    before = np.linalg.norm(said - felt, axis=1).mean()
    told = np.mean([np.linalg.norm(fitted(said, felt).places(said) - felt, axis=1).mean()])
    after = distances_after(said, felt).mean()
    assert after > told
    assert after > 0.8 * before
