"""What is liked after likes and skips: properties of the fit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.feedback import Feedback, Like, Rating, SkippedSong
from recommender.personal.evidence import MOST_SONGS, evidence_of, nudges_of
from recommender.personal.taste import Songs, genres_in, taste_fit

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KINDS = 4
MEAN = np.zeros(256, np.float32)


def songs_of(kinds: list[int], seed: int = 0) -> Songs:
    """Songs around one vector a kind, with a genre a kind; kinds are orthogonal."""
    rng = np.random.default_rng(seed)
    fused = np.zeros((len(kinds), 256), np.float32)
    fused[np.arange(len(kinds)), kinds] = 1.0
    fused[:, KINDS:] = rng.normal(0, 0.01, (len(kinds), 256 - KINDS))
    fused /= np.linalg.norm(fused, axis=1, keepdims=True)
    return Songs(fused, np.arange(len(kinds)) + 1, np.array(kinds), ["pop", "rock", "jazz", "rap"])


def joined(*parts: Songs) -> Songs:
    return Songs(
        np.concatenate([part.fused for part in parts]),
        np.arange(sum(len(part.artists) for part in parts)) + 1,
        np.concatenate([part.genres for part in parts]),
        parts[0].tags,
    )


said = st.lists(
    st.tuples(st.integers(0, KINDS - 1), st.sampled_from([-1.0, 1.0])), min_size=1, max_size=12
)


@given(said, st.integers(0, KINDS - 1))
def test_one_more_like_never_lowers_its_kind(said: list[tuple[int, float]], kind: int) -> None:
    heard = songs_of([one for one, _ in said])
    likings = np.array([liking for _, liking in said])
    unheard = songs_of([number % KINDS for number in range(40)], seed=9)
    unheard = Songs(unheard.fused, -np.arange(1, 41), unheard.genres, unheard.tags)
    before = taste_fit(heard, likings, np.ones(len(said)), MEAN)
    more = joined(heard, songs_of([kind], seed=5))
    after = taste_fit(more, np.append(likings, 1.0), np.ones(len(said) + 1), MEAN)
    assert before is not None
    assert after is not None
    rose = after.of(unheard) - before.of(unheard)
    of_kind = unheard.genres == kind
    assert rose[of_kind].mean() >= -1e-6
    # Nor does another kind overtake it by that.
    assert rose[of_kind].mean() >= rose[~of_kind].mean() - 1e-3


@given(said)
def test_tastes_are_bounded(said: list[tuple[int, float]]) -> None:
    taste = taste_fit(
        songs_of([one for one, _ in said]),
        np.array([liking for _, liking in said]),
        np.ones(len(said)),
        MEAN,
    )
    assert taste is not None
    found = taste.of(songs_of(list(range(KINDS))))
    assert (np.abs(found) <= 1).all()


def test_one_like_says_little_and_many_say_more() -> None:
    other = songs_of([0], seed=3)
    other = Songs(other.fused, np.array([-1]), other.genres, other.tags)
    found = []
    for count in (1, 3, 30):
        taste = taste_fit(songs_of([0] * count), np.ones(count), np.ones(count), MEAN)
        assert taste is not None
        found.append(float(taste.of(other)[0]))
    assert found == sorted(found)
    assert found[0] < 0.75
    assert found[2] > 0.95 * (0.3 + 0.6)


def test_nothing_is_known_of_what_has_nothing_in_common() -> None:
    taste = taste_fit(songs_of([0, 0]), np.ones(2), np.ones(2), MEAN)
    assert taste is not None
    other = Songs(songs_of([1]).fused, np.array([-1]), np.array([1]), ["pop", "rock"])
    assert taste.of(other)[0] == pytest.approx(0, abs=0.01)
    assert taste_fit(songs_of([]), np.ones(0), np.ones(0), MEAN) is None


def test_a_liked_artist_is_liked() -> None:
    songs = Songs(songs_of([0]).fused, np.array([7]), np.array([0]), ["", "pop"])
    taste = taste_fit(songs, np.ones(1), np.ones(1), MEAN)
    assert taste is not None
    other = songs_of([1, 1]).fused
    same, another = taste.of(Songs(other, np.array([7, 8]), np.array([0, 0]), ["", "pop"]))
    assert same > another
    assert taste.genres == {}


@pytest.mark.parametrize(
    ("tag", "genres"),
    [
        ("Rock; Indie", {"rock", "indie"}),
        ("Pop/Rock", {"pop", "rock"}),
        ("Jazz", {"jazz"}),
        ("", set()),
    ],
)
def test_the_genres_of_a_tag(tag: str, genres: set[str]) -> None:
    assert genres_in(tag) == genres


def test_what_was_said_last_counts_most() -> None:
    old = NOW - timedelta(days=360)
    feedback = Feedback("r", likes=(Like(1, old), Like(2, NOW)), skips=(SkippedSong(3, 0.1, NOW),))
    found = evidence_of(feedback, {4: 0.5})
    assert found[1].weight == pytest.approx(0.25)
    assert found[2].weight == 1
    assert found[3].liking == pytest.approx(-0.9)
    assert 0 < found[4].liking < found[2].liking
    assert found[4].weight < found[3].weight < found[2].weight


def test_only_so_many_songs_count() -> None:
    likes = tuple(Like(number, NOW) for number in range(MOST_SONGS + 50))
    assert len(evidence_of(Feedback("r", likes=likes), {})) == MOST_SONGS


def test_many_bans_leave_room_for_likes() -> None:
    old = NOW - timedelta(days=360)
    likes = tuple(Like(number, old) for number in range(300))
    bans = tuple(range(1000, 1000 + MOST_SONGS + 50))
    found = evidence_of(Feedback("r", likes=(*likes, Like(999, NOW)), banned_songs=bans), {})
    assert len(found) == MOST_SONGS
    assert sum(one.liking > 0 for one in found.values()) == MOST_SONGS // 2
    assert 999 in found
    few = evidence_of(Feedback("r", likes=likes[:3], banned_songs=bans), {})
    assert sum(one.liking > 0 for one in few.values()) == 3
    assert len(few) == MOST_SONGS


def test_a_like_and_a_bad_rating_are_weighed() -> None:
    feedback = Feedback("r", likes=(Like(1, NOW),), ratings=(Rating(1, 1, NOW),))
    assert evidence_of(feedback, {})[1].liking == pytest.approx(0)


def test_a_skipped_song_comes_back() -> None:
    early, late = SkippedSong(1, 0.0, NOW), SkippedSong(1, 0.9, NOW)
    likes = (Like(9, NOW + timedelta(days=7)),)
    at_once = nudges_of(Feedback("r", skips=(early,)))[1]
    assert at_once < nudges_of(Feedback("r", skips=(late,)))[1] < 0
    assert nudges_of(Feedback("r", skips=(early,), likes=likes))[1] == pytest.approx(at_once / 2)
    assert nudges_of(Feedback("r", likes=likes))[9] > 0
