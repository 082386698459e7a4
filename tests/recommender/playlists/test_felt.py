"""Moods that are matched by what listeners would feel, where it is known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog import changes
from catalog.models import SongEmotion
from mer.affect import EMOTIONS, GEMS
from recommender.feedback import song_place
from recommender.index.builds import index_build
from recommender.index.reader import index_snapshot
from recommender.moods import MOODS
from recommender.playlists import PlaylistRequest, playlist_generate
from recommender.playlists.targets import plan_of_request
from recommender.words import understand
from tests.factories import SongEmotionFactory, UserFactory
from tests.recommender.playlists.test_targets import make_snapshot, some_quadrants

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from recommender.index import IndexSnapshot
    from recommender.playlists.scoring import Target

NOSTALGIA = GEMS.index("nostalgia")
TENDERNESS = GEMS.index("tenderness")
UNKNOWN = [float("nan")] * len(GEMS)


def snapshot_of(felt: NDArray[np.float64]) -> IndexSnapshot:
    """A catalogue of songs that differ in what listeners feel alone."""
    count = len(felt)
    places = np.tile([0.5, 0.32], (count, 1))
    return make_snapshot(places, np.full((count, 4), 0.25, np.float32), felt=felt)


def target_of(snapshot: IndexSnapshot, *moods: str) -> Target:
    request = PlaylistRequest(moods=tuple((mood, 1.0) for mood in moods))
    aim = plan_of_request(request, snapshot, None).aim
    assert aim is not None
    assert aim.target is not None
    return aim.target


def test_five_moods_ask_for_what_listeners_feel() -> None:
    felt = {name: dict(mood.felt) for name, mood in MOODS.items() if mood.felt}
    assert felt == {
        "nostalgic": {"nostalgia": 1.0},
        "tender": {"tenderness": 1.0},
        "powerful": {"power": 1.0},
        "amazed": {"amazement": 1.0},
        "solemn": {"solemnity": 1.0},
    }


def test_the_more_listeners_feel_it_the_better() -> None:
    felt = np.zeros((5, len(GEMS)))
    felt[:, NOSTALGIA] = [0.3, 0.9, 0.1, 0.7, 0.5]
    snapshot = snapshot_of(felt)
    scores = target_of(snapshot, "nostalgic").match(snapshot, np.arange(5))
    assert scores.argsort().tolist() == [2, 0, 4, 3, 1]
    # A third of the score is the emotion match: 0.1 at the lowest of five, 0.9 at the highest.
    assert scores.max() - scores.min() == pytest.approx(0.8 / 3)


def test_a_mood_without_felt_emotions_does_not_read_them() -> None:
    snapshot = snapshot_of(np.random.default_rng(0).random((9, len(GEMS))))
    target = target_of(snapshot, "calm")
    assert target.felt is None
    assert np.ptp(target.match(snapshot, np.arange(9))) == 0


@given(
    seed=st.integers(0, 999),
    moods=st.lists(st.sampled_from(sorted(MOODS)), min_size=1, max_size=3, unique=True),
)
def test_songs_without_felt_emotions_score_as_before(seed: int, moods: list[str]) -> None:
    rng = np.random.default_rng(seed)
    felt = rng.random((30, len(GEMS)))
    is_unknown = rng.random(30) < 0.5
    felt[is_unknown] = np.nan
    snapshot = make_snapshot(rng.random((30, 2)), some_quadrants(seed), felt=felt)
    target = target_of(snapshot, *moods)
    rows = np.arange(30)
    scores = target.match(snapshot, rows)
    assert np.all((scores >= 0) & (scores <= 1))
    before = replace(target, felt=None).match(snapshot, rows)
    assert np.array_equal(scores[is_unknown], before[is_unknown])
    if target.felt is not None:
        assert target.felt.sum() == pytest.approx(1.0)


def test_of_two_moods_each_counts_by_its_own() -> None:
    snapshot = snapshot_of(np.random.default_rng(0).random((9, len(GEMS))))
    felt = target_of(snapshot, "nostalgic", "sad").felt
    assert felt is not None
    named = dict(zip((*GEMS, *(f"e:{name}" for name in EMOTIONS)), felt.tolist(), strict=True))
    assert {name: share for name, share in named.items() if share} == {
        "nostalgia": 0.5, "e:sadness": 0.5,
    }  # fmt: skip


def test_words_name_what_listeners_feel() -> None:
    both = understand("tender and nostalgic")
    assert (both.felt, both.unfelt) == ({"tenderness": 1.0, "nostalgia": 1.0}, {})
    mixed = understand("nostalgic but happy")
    assert (mixed.felt, mixed.unfelt) == ({"nostalgia": 1.0}, {"joy": 1.0})
    for text in ("happy", "not nostalgic", "more nostalgic"):
        assert (understand(text).felt, understand(text).unfelt) == ({}, {})


@pytest.mark.parametrize(
    ("text", "mood"),
    [
        ("solemn music", "solemn"), ("something powerful", "powerful"), ("in awe", "amazed"),
        ("feierlich", "solemn"), ("musique solennelle", "solemn"), ("plechtig", "solemn"),
    ],
)  # fmt: skip
def test_the_new_moods_have_words(text: str, mood: str) -> None:
    assert [sense.name for sense in understand(text).targets] == [mood]


@pytest.mark.django_db
class TestCatalogue:
    @pytest.fixture
    def ids(self) -> list[int]:
        """Six songs at the place of "nostalgic"; of the last one nothing is known."""
        felt = [dict.fromkeys(GEMS, 0.1) | {"nostalgia": n / 10} for n in range(5)]
        return [
            SongEmotionFactory(valence=0.5, arousal=0.32, felt=one, seed=0).song_id
            for one in (*felt, {})
        ]

    def test_the_index_has_them(self, ids: list[int]) -> None:
        for _ in range(2):  # in memory, then in a build
            snapshot = index_snapshot()
            felt = snapshot.felt[snapshot.rows_of(ids)].astype(float)
            assert felt[:5, NOSTALGIA] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4], abs=1e-3)
            assert felt[:5, TENDERNESS] == pytest.approx(0.1, abs=1e-3)
            assert np.isnan(felt[5]).all()
            index_build()

    def test_reasons_say_what_listeners_feel(self, ids: list[int]) -> None:
        playlist = playlist_generate(
            request=PlaylistRequest(moods=(("nostalgic", 1.0),), count=6, min_match=0.0), user=None
        )
        said = {entry.song_id: entry.reason["sentence"] for entry in playlist.entries}
        assert "40% of listeners would feel nostalgia" in said[ids[4]]
        assert "30% of listeners would feel nostalgia" in said[ids[3]]
        assert not [pk for pk in (ids[0], ids[1], ids[5]) if "listeners" in said[pk]]

    def test_a_song_that_the_listener_moved_is_matched_by_its_place(self, ids: list[int]) -> None:
        user = UserFactory()
        song_place(user=user, song_id=ids[4], valence=0.5, arousal=0.3)
        playlist = playlist_generate(
            request=PlaylistRequest(moods=(("nostalgic", 1.0),), count=6, min_match=0.0), user=user
        )
        said = {entry.song_id: entry.reason["sentence"] for entry in playlist.entries}
        assert "listeners" not in said[ids[4]]
        assert "30% of listeners would feel nostalgia" in said[ids[3]]

    def test_the_change_log_has_it(self, ids: list[int]) -> None:
        before = changes.position_now()
        SongEmotion.objects.filter(song=ids[0]).update(felt={"nostalgia": 0.9})
        version = SongEmotion.objects.get(song=ids[0]).model_version
        assert changes.changes_since(before, model_version=version).song_ids == (ids[0],)


@pytest.mark.django_db
def test_a_text_may_refuse_all_emotions_of_its_moods() -> None:
    snapshot = snapshot_of(np.random.default_rng(1).random((9, len(GEMS))))
    reading = understand("nostalgic, but not sad and not calm")
    assert reading.felt
    assert not reading.emotions
    request = PlaylistRequest(text="nostalgic, but not sad and not calm")
    aim = plan_of_request(request, snapshot, None).aim
    assert aim is not None
    assert aim.target is not None
    assert aim.target.felt is None
    assert np.isfinite(aim.scores(snapshot, np.arange(9))[0]).all()
