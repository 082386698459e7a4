from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from mer.affect import EMOTIONS, QUADRANTS, AffectPoint
from recommender.index import snapshot as snapshot_module
from recommender.index.files import EmbeddingIndex
from recommender.index.rows import Genres
from recommender.index.state import State
from recommender.moods import MOODS
from recommender.playlists.refusals import QUADRANT_MOODS, REGION_RADIUS, refused_rows
from tests.recommender.index.made_rows import make_rows

if TYPE_CHECKING:
    from pathlib import Path

    from recommender.index import IndexSnapshot


@pytest.fixture
def snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> IndexSnapshot:
    """Songs of a build, some of them changed, in several blocks; many emotions are equal."""
    monkeypatch.setattr(snapshot_module, "BLOCK_ROWS", 37)
    rows = make_rows(200, distinct=60)
    rows.columns["affect"] = rows.columns["affect"].round(1)
    EmbeddingIndex.build(
        tmp_path / "build", [rows], Genres(["pop", "rock", "jazz"]), model_version="m", position="0"
    )
    state = State("m", EmbeddingIndex.open(tmp_path / "build"))
    changed = make_rows(30, seed=4)
    state.remove(changed.columns["song_ids"].tolist())
    state.add([changed])
    return state.snapshot()


@pytest.mark.parametrize("place", [None, (0.3, 0.2), (0.9, 0.9)])
@pytest.mark.parametrize("name", ["sadness", "anger", "fear", "melancholy"])
def test_refused_are_those_of_the_region_the_quadrant_and_the_emotion(
    snapshot: IndexSnapshot, name: str, place: tuple[float, float] | None
) -> None:
    mood = MOODS[name]
    centre = np.array([mood.valence, mood.arousal])
    shares = np.stack([np.asarray(snapshot.shares(axis)) for axis in (0, 1)], axis=1)
    affect = np.asarray(snapshot.affect)
    distances = np.linalg.norm(shares - centre, axis=1)
    wanted = distances <= REGION_RADIUS
    is_near = place is not None and np.linalg.norm(place - centre) <= REGION_RADIUS
    if name in QUADRANT_MOODS:
        sides = centre >= 0.5
        number = QUADRANTS.index(AffectPoint(*centre.tolist()).quadrant)
        wanted |= ((affect[:, :2] >= 0.5) == sides).all(axis=1)
        wanted |= np.asarray(snapshot.quadrants).argmax(axis=1) == number
        is_near = place is not None and bool(((np.array(place) >= 0.5) == sides).all())
    if name in EMOTIONS:
        wanted |= affect[:, 2:].argmax(axis=1) == EMOTIONS.index(name)
    if is_near:
        wanted &= distances < np.linalg.norm(shares - np.array(place), axis=1)
    found = refused_rows([name], None if place is None else np.array(place), snapshot)
    np.testing.assert_array_equal(found, wanted)
    assert 0 < np.count_nonzero(found) < len(found)
    several = refused_rows([name, "joy"], None, snapshot)
    np.testing.assert_array_equal(
        several, refused_rows([name], None, snapshot) | refused_rows(["joy"], None, snapshot)
    )


def test_nothing_refused_is_no_row(snapshot: IndexSnapshot) -> None:
    assert not refused_rows([], None, snapshot).any()
