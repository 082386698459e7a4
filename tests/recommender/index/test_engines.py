"""The same questions to FAISS and to Qdrant: to its engine in this process, and to its client."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from qdrant_client import QdrantClient

from mer.affect import AffectPoint
from recommender.errors import IndexMissingError, IndexUnreadableError
from recommender.index import IndexSnapshot, qdrant
from recommender.index.files import EmbeddingIndex
from recommender.index.overlay import Overlay
from recommender.index.points import formula_of, query_of
from recommender.index.protocol import (
    SAME_RECORDING,
    Condition,
    FarthestApart,
    Nearest,
    NearestByParts,
)
from recommender.index.remote import RemoteIndex, points_write
from recommender.index.rows import COLUMNS, Genres, Rows
from recommender.index.statistics import statistics_of
from recommender.playlists.scoring import PartWeights, Target, first_phase_of, scores_of
from recommender.playlists.targets import point_target
from recommender.playlists.views import WeighedSnapshot
from tests.edge import EdgeCollections, edge_folder
from tests.recommender.index.made_rows import make_rows, rows_with

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from recommender.index.points import Collections

GENRES = ("Jazz", "Rock", "Rock; Indie")
SONGS = 400

CONDITIONS = {
    "all": [],
    "range": [Condition("years", low=1960, high=1990)],
    "lower bound": [Condition("confidences", low=50)],
    "unknown numbers": [Condition("durations", low=0)],
    "set": [Condition("genres", any_of=(0, 2))],
    "empty set": [Condition("genres", any_of=())],
    "unknown genre": [Condition("genres", any_of=(77,))],
    "refused set": [Condition("libraries", any_of=tuple(range(50)), is_refused=True)],
    "by sound": [Condition("by_sound", low=0)],
    "by words": [Condition("by_words", low=0)],
    "credits": [Condition("credits", any_of=(1, 2, 3, 4))],
    "range and set": [
        Condition("years", low=1960),
        Condition("genres", any_of=(1,)),
        Condition("albums", any_of=tuple(range(10)), is_refused=True),
    ],
}


# A client without a server scans, and says so.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect"),
    pytest.mark.filterwarnings("ignore:Local mode performs exact"),
]


class Both(NamedTuple):
    """The same rows in files, as a snapshot, and in a collection."""

    rows: Rows
    snapshot: IndexSnapshot
    held: Collections
    remote: RemoteIndex


@pytest.fixture(scope="module", params=["edge", "client"])
def engine(request: pytest.FixtureRequest) -> Iterator[Collections]:
    with edge_folder() as folder:
        if request.param == "edge":
            yield EdgeCollections(folder)
        else:
            yield qdrant.ServerCollections(QdrantClient(":memory:"))


def built(held: Collections, name: str, rows: Rows, directory: Path) -> Both:
    genres = Genres(GENRES)
    EmbeddingIndex.build(directory, [rows], genres, model_version="v", position="")
    files = EmbeddingIndex.open(directory)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setattr(qdrant, "_SETTLE_SECONDS", 0)
        held.create(name)
        points_write(held, name, rows, genres, files.statistics)
        held.settle(name)
    snapshot = IndexSnapshot(
        model_version="v",
        build=files,
        overlay=Overlay().columns(),
        alive=np.ones(len(files), bool),
        statistics=files.statistics,
        restated_shares=None,
        genre_names=GENRES,
    )
    return Both(rows, snapshot, held, RemoteIndex(held, name, files.statistics))


@pytest.fixture(scope="module")
def both(engine: Collections, tmp_path_factory: pytest.TempPathFactory) -> Both:
    """Return random songs; no test changes them."""
    folder = tmp_path_factory.mktemp("files") / "build"
    return built(engine, "songs", make_rows(SONGS), folder)


def mask_of(snapshot: IndexSnapshot, conditions: list[Condition]) -> np.ndarray:
    allowed = snapshot.alive.copy()
    for condition in conditions:
        allowed &= snapshot.passing(condition)
    return allowed


def searches(rows: Rows, k: int) -> list[Nearest]:
    weights = np.array([1, 1, 0, 0.5, 0, 0, 0, 0.5, 0, 0], np.float32)
    target = np.array([0.8, 0.3, 0, 1, 0, 0, 0, 1, 0, 0], np.float32)
    return [Nearest(target, k, weights), Nearest(rows.fused[3], k)]


@pytest.mark.parametrize("name", CONDITIONS)
def test_both_find_the_same_songs(both: Both, name: str) -> None:
    rows, snapshot, _, remote = both
    conditions = CONDITIONS[name]
    allowed = mask_of(snapshot, conditions)
    affect, fused = searches(rows, 25)
    assert affect.weights is not None

    wanted = snapshot.search_affect(affect.target, affect.weights, 25, allowed)[1]
    assert remote.search(affect, conditions) == snapshot.song_ids[wanted].tolist()
    wanted = snapshot.search_fused(fused.target, 25, allowed)[1]
    assert remote.search(fused, conditions) == snapshot.song_ids[wanted].tolist()
    everything = remote.search(Nearest(fused.target, SONGS), conditions)
    assert sorted(everything) == snapshot.song_ids[np.flatnonzero(allowed)].tolist()


@pytest.mark.parametrize("words", [0.0, 0.3, 1.0])
def test_both_find_the_same_songs_by_sound_and_words(both: Both, words: float) -> None:
    _, snapshot, _, remote = both
    conditions = [Condition("by_words", low=0)]
    allowed = mask_of(snapshot, conditions)
    target, weights = np.array([0.7, 0.2], np.float32), np.array([1, 1, *np.zeros(8)], np.float32)
    view = WeighedSnapshot.of(snapshot, words)
    place = np.array([*target, *np.zeros(8)], np.float32)
    wanted = view.search_affect(place, weights, 25, allowed)[1]
    found = remote.search(NearestByParts(target, 25, words), conditions)
    assert found == snapshot.song_ids[wanted].tolist()


@pytest.mark.parametrize("is_sound_brighter", [True, False])
def test_songs_whose_sound_and_words_are_farthest_apart(
    both: Both, is_sound_brighter: bool
) -> None:
    rows, _, _, remote = both
    columns = rows.columns
    apart = (columns["by_sound"] - columns["by_words"])[:, 0] * (1 if is_sound_brighter else -1)
    known = np.flatnonzero(~np.isnan(apart))
    wanted = known[np.argsort(-apart[known])][:25]
    conditions = [Condition("by_sound", low=0), Condition("by_words", low=0)]
    found = remote.search(FarthestApart(25, is_sound_brighter), conditions)
    assert found == columns["song_ids"][wanted].tolist()


def test_no_file_of_a_recording_of_refused_songs_is_found(both: Both) -> None:
    rows, snapshot, _, remote = both
    some = tuple(snapshot.song_ids[np.arange(0, SONGS, 7)].tolist())
    for is_refused in (True, False):
        conditions = [Condition(SAME_RECORDING, any_of=(*some, 10**9), is_refused=is_refused)]
        allowed = mask_of(snapshot, conditions)
        found = remote.search(Nearest(rows.fused[0], SONGS), conditions)
        assert sorted(found) == snapshot.song_ids[np.flatnonzero(allowed)].tolist()


def test_gathered_songs_are_those_of_the_files(both: Both) -> None:
    rows, snapshot, _, remote = both
    named = snapshot.song_ids[[5, 6]].tolist()
    gathered = remote.gathered([*named, 10**9, -1], searches(rows, 10))
    ids = gathered.take("song_ids", slice(None))
    assert (np.diff(ids) > 0).all()
    assert {*named} <= {*ids.tolist()}
    at = snapshot.rows_of(ids.tolist())
    for name in (*COLUMNS, "shares"):
        if name != "genres":
            wanted = snapshot.build.take(name, at) if snapshot.build else None
            assert_array_equal(gathered.take(name, slice(None)), wanted, err_msg=name)
    tags = [gathered.genre_names[code] for code in gathered.take("genres", slice(None)).tolist()]
    assert tags == [GENRES[code] for code in snapshot.genres[at].tolist()]
    assert_array_equal(gathered.fused(np.arange(len(gathered))), snapshot.fused(at))
    # All files of each recording are there.
    shown = np.unique(snapshot.recordings[at][snapshot.recordings[at] >= 0])
    files = np.flatnonzero(snapshot.where("recordings", any_of=shown.tolist()))
    assert {*files.tolist()} <= {*at.tolist()}
    assert_array_equal(gathered.rows_of_recordings(shown), np.flatnonzero(np.isin(at, files)))


def test_counts_are_those_of_the_files(both: Both) -> None:
    _, snapshot, _, remote = both
    assert len(remote) == SONGS
    assert remote.counts("years") == snapshot.counts("years")
    assert remote.counts("genres") == snapshot.counts("genres")
    assert remote.genre_names == GENRES


def test_ties_are_as_near_as_those_of_the_files(engine: Collections, tmp_path: Path) -> None:
    ties = make_rows(SONGS, distinct=9)
    rows, snapshot, _, remote = built(engine, "ties", ties, tmp_path / "build")
    affect, fused = searches(rows, 60)
    assert affect.weights is not None
    wanted, _ = snapshot.search_affect(affect.target, affect.weights, 60, snapshot.alive)
    gathered = remote.gathered((), [affect])
    found, _ = gathered.search_affect(affect.target, affect.weights, 60)
    assert_allclose(found, wanted, atol=1e-6)
    wanted, _ = snapshot.search_fused(fused.target, 60, snapshot.alive)
    assert_allclose(remote.gathered((), [fused]).search_fused(fused.target, 60)[0], wanted, 1e-6)


@pytest.mark.parametrize("is_song", [False, True])
def test_the_formula_is_the_exact_score(both: Both, is_song: bool) -> None:
    rows, snapshot, held, remote = both
    target = point_target(AffectPoint(0.9, 0.2), snapshot)
    if is_song:
        target = Target(
            target.place,
            target.relative,
            np.array([0.5, 0.5, 0, 0, 0, 0, 0, 0]),
            rows.fused[9],
            PartWeights(0.5, 0.5, 1.0, 1.0),
            np.array([0.1, 0.2, 0.3, 0.4]),
        )
    first_phase = first_phase_of(target, snapshot)
    nearest = [Nearest(searches(rows, SONGS)[0].target, SONGS, np.ones(10, np.float32))]
    nearest.append(Nearest(rows.fused[9], SONGS))
    queries = [(*query_of(one), one.k) for one in nearest]
    found = held.search_ranked("songs", queries, None, formula_of(first_phase, 1), SONGS)
    assert len(found) == SONGS
    exact = scores_of(target, snapshot, snapshot.rows_of(point.song_id for point in found))
    total = sum(
        (first_phase.closeness, first_phase.emotion, first_phase.likeness, first_phase.quadrants)
    )
    assert_allclose([point.score / total for point in found], exact, atol=1e-5)
    gathered = remote.gathered((), nearest, (), first_phase)
    assert len(gathered) == SONGS


def test_changed_and_deleted_songs(engine: Collections, tmp_path: Path) -> None:
    made = built(engine, "changing", make_rows(SONGS), tmp_path / "build")
    rows, snapshot, held, remote = made
    ids = rows.columns["song_ids"]
    rng = np.random.default_rng(5)
    changed = rows_with(ids[:9], rows.fused[20:29], rng=rng, years=np.full(9, 2044))
    points_write(held, "changing", changed, Genres(GENRES), snapshot.statistics)
    held.remove("changing", [*ids[9:15].tolist(), 10**9])
    since = [Condition("years", low=2040)]
    assert sorted(remote.search(Nearest(rows.fused[0], SONGS), since)) == ids[:9].tolist()
    found = remote.search(Nearest(rows.fused[20], SONGS))
    assert len(found) == SONGS - 6
    assert {found[0], found[1]} == {int(ids[0]), int(ids[20])}
    assert not {*found} & {*ids[9:15].tolist()}
    assert len(RemoteIndex(held, "changing", snapshot.statistics)) == SONGS - 6


def test_a_search_in_the_graph_finds_nearly_all() -> None:
    """As the index in files: recall@20 is at least .99, under filters too."""
    rng = np.random.default_rng(0)
    count = 6_000
    fused = rng.standard_normal((60, 256))[rng.integers(60, size=count)] * 0.7
    fused += rng.standard_normal((count, 256))
    fused /= np.linalg.norm(fused, axis=1, keepdims=True)
    rows = rows_with(np.arange(1, count + 1), fused, rng=rng)
    with edge_folder() as folder:
        held = EdgeCollections(folder)
        held.create("songs")
        statistics = statistics_of(rows.columns, rows.fused)
        points_write(held, "songs", rows, Genres(GENRES), statistics)
        held.settle("songs")
        assert held._shard("songs").info().indexed_vectors_count >= count
        remote = RemoteIndex(held, "songs", statistics)
        for conditions in ([], [Condition("years", low=1950, high=1957)]):
            recalls = []
            for row in range(0, count, 150):
                weights = np.array([1, 1, *rng.integers(2, size=8)], np.float32)
                for nearest in (
                    Nearest(rows.fused[row], 20),
                    Nearest(rows.columns["affect"][row], 20, weights),
                    NearestByParts(rows.columns["affect"][row, :2], 20, float(rng.random())),
                    FarthestApart(20, bool(row % 300)),
                ):
                    true = remote.search(nearest, conditions, is_exact=True)
                    recalls.append(len({*true} & {*remote.search(nearest, conditions)}) / 20)
            assert np.mean(recalls) >= 0.99


def test_a_server_that_is_away_is_said_plainly() -> None:
    away = qdrant.ServerCollections(qdrant.client_of("http://127.0.0.1:9"))
    with pytest.raises(IndexUnreadableError, match="AFFETTI_QDRANT_URL"):
        away.count("songs")
    with pytest.raises(IndexMissingError, match="collection"):
        qdrant.ServerCollections(QdrantClient(":memory:")).count("songs")


def test_an_alias_goes_over_to_another_collection() -> None:
    client = QdrantClient(":memory:")
    held = qdrant.ServerCollections(client)
    for name in ("one", "two"):
        held.create(name)
        held.point_alias("songs", name)
        assert [alias.collection_name for alias in client.get_aliases().aliases] == [name]
    held.drop("one")
    assert held.names() == ["two"]
