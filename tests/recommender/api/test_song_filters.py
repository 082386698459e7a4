"""Constraints of playlists as filters of the songs, and of similar songs; weights of parts."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from django.utils import timezone

from catalog.models import Recording, Song
from mer.affect import EMOTIONS
from recommender.api.constraints import CONSTRAINT_FIELDS
from recommender.feedback import song_like
from recommender.index import index_snapshot
from recommender.models import Listen
from recommender.playlists.constraints import allowed_rows, songs_allowed
from recommender.playlists.request import constraint_values
from recommender.selectors import song_list
from tests.factories import SongEmotionFactory, random_embedding

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from pytest_django import DjangoAssertMaxNumQueries as MaxQueries
    from rest_framework.test import APIClient

pytestmark = pytest.mark.django_db


@pytest.fixture
def many(user: User) -> list[Song]:
    """Forty songs that differ in what constraints are about; two are files of one recording."""
    rng = np.random.default_rng(3)
    recording = Recording.objects.create()
    made = []
    for n in range(40):
        song = SongEmotionFactory(
            valence=float(rng.random()), arousal=float(rng.random()), confidence=float(rng.random())
        ).song
        Song.objects.filter(pk=song.pk).update(
            genre=("Rock", "Rock; Indie", "Jazz", "")[n % 4],
            year=None if n % 5 == 0 else 1980 + n,
            duration_seconds=None if n % 7 == 0 else 100 + 10 * n,
            bpm=(None, 0, 90 + n)[n % 3],
            estimated_bpm=60 + n,
            tempo_confidence=(None, 0.2, 1.0, 1.0)[n % 4],
            estimated_key=n % 24,
            key_confidence=(None, 1.0)[n % 2],
            language=("", "en", "de")[n % 3],
            is_explicit=(None, True, False)[n % 3],
            recording=recording if n in {8, 9} else None,
        )
        made.append(song)
    Listen.objects.create(user=user, song=made[8], listened_at=timezone.now())
    Listen.objects.create(user=user, song=made[11], listened_at=timezone.now() - timedelta(days=90))
    song_like(user=user, song_id=made[12].pk)
    return made


LIMITS: list[dict[str, Any]] = [
    {"genre": "indie"},
    {"genre": "no such genre"},
    {"year_from": 1990},
    {"year_from": 1990, "year_to": 2000},
    {"decade": 1990},
    {"seconds_from": 200.0},
    {"seconds_to": 300.0},
    {"tempo_from": 100.0, "tempo_to": 120.0},
    {"tempo_to": 80.0},
    {"key": "A major"},
    {"language": "German"},
    {"not_explicit": True},
    {"library_ids": [1, 2, 3]},
    {"min_confidence": 0.5},
    {"min_valence": 0.3, "max_valence": 0.6},
    {"max_arousal": 0.4},
    {"exclude_song_ids": [1, 2, 9, 12]},
    {"exclude_heard_days": 30},
    {"never_heard": True},
    {"liked_only": True},
    {"year_from": 1990, "not_explicit": True, "min_arousal": 0.2},
]


def test_every_constraint_is_tried() -> None:
    assert {name for limits in LIMITS for name in limits} == set(CONSTRAINT_FIELDS)


@pytest.mark.parametrize("limits", LIMITS, ids=str)
@pytest.mark.parametrize("is_known", [True, False])
def test_in_sql_they_allow_what_they_allow_in_lists(
    many: list[Song], user: User, limits: dict[str, Any], is_known: bool
) -> None:
    if "library_ids" in limits:
        limits = {"library_ids": [song.library_id for song in many[3:9]]}
    if "exclude_song_ids" in limits:
        limits = {"exclude_song_ids": [many[9].pk, many[20].pk]}
    who = user if is_known else None
    values, snapshot = constraint_values(limits), index_snapshot()
    expected = set(snapshot.song_ids[np.flatnonzero(allowed_rows(snapshot, values, who)[0])])
    found = songs_allowed(song_list(), values, who).values_list("pk", flat=True)
    assert sorted(found) == sorted(expected)


def test_the_list_is_filtered_ordered_and_searched_at_once(
    api: APIClient, many: list[Song], django_assert_max_num_queries: MaxQueries
) -> None:
    query = "year_from=1990&min_arousal=0.2&genre=rock&ordering=-arousal&page_size=5"
    api.get(f"/api/v1/songs/?{query}")
    with django_assert_max_num_queries(7):
        body = api.get(f"/api/v1/songs/?{query}").json()
    places = [song["emotion"]["arousal"] for song in body["results"]]
    assert places == sorted(places, reverse=True)
    assert all(song["year"] >= 1990 and "Rock" in song["genre"] for song in body["results"])
    assert len(body["results"]) == 5
    both = f"/api/v1/songs/?library_ids={many[0].library_id},{many[1].library_id}"
    assert api.get(both).json()["count"] == 2


@pytest.mark.parametrize(
    "query",
    [
        "year_from=",
        "year_from=x",
        "year_from=null",
        "year_from=1e9",
        "not_explicit=yes",
        "not_explicit=1",
        "key=H",
        "language=Klingon",
        "library_ids=a",
        "library_ids=1,",
        "library_ids=",
        "min_valence=NaN",
        "min_valence=1.5",
        "min_valence=0.9&max_valence=0.1",
        "year_from=2000&year_to=1990",
        "key=%00",
        "exclude_song_ids=" + "9" * 30,
    ],
)
@pytest.mark.parametrize("path", ["songs/", "songs/{}/similar/"])
def test_what_is_no_constraint(api: APIClient, songs: list[Song], path: str, query: str) -> None:
    answer = api.get(f"/api/v1/{path.format(songs[0].pk)}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "REQUEST_INVALID"), query


class TestSimilar:
    @pytest.fixture
    def near(self, db: None) -> list[Song]:
        """Songs that are alike by one part each: whole, mood, sound, words."""
        own = random_embedding(1)
        parts = [
            {"fused_embedding": own},
            {"fused_embedding": own},
            {"valence": 0.9, "arousal": 0.9},
            {"alone": {"audio": _place(0.1), "lyrics": _place(0.9)}},
            {"alone": {"audio": _place(0.9), "lyrics": _place(0.1)}},
        ]
        made = []
        for n, part in enumerate(parts):
            plain = {
                "valence": 0.9 if n == 0 else 0.1,
                "arousal": 0.9 if n == 0 else 0.1,
                "fused_embedding": random_embedding(50 + n),
                "alone": {"audio": _place(0.1), "lyrics": _place(0.1)} if n == 0 else {},
                "emotions": dict.fromkeys(EMOTIONS, 0.0)
                | {"joy" if n in {0, 2} else "sadness": 1.0},
            }
            values = plain | part
            values["fused_embedding"] = values["fused_embedding"].astype("<f4").tobytes()
            made.append(SongEmotionFactory(**values).song)
        return made

    @pytest.mark.parametrize(
        ("weights", "best"),
        [("", 1), ("whole=1", 1), ("mood=1", 2), ("sound=1", 3), ("words=1", 4)],
    )
    def test_each_part_finds_its_song(
        self, api: APIClient, near: list[Song], weights: str, best: int
    ) -> None:
        body = api.get(f"/api/v1/songs/{near[0].pk}/similar/?{weights}").json()
        assert body[0]["song"]["id"] == near[best].pk
        assert body[0]["score"] == pytest.approx(1.0, abs=1e-5)
        scores = [one["score"] for one in body]
        assert scores == sorted(scores, reverse=True)

    def test_the_score_is_the_weighted_mean(self, api: APIClient, near: list[Song]) -> None:
        address = f"/api/v1/songs/{near[0].pk}/similar/?sound=0.3&whole=0.9"
        body = api.get(address).json()
        assert {one["song"]["id"] for one in body} == {near[3].pk, near[4].pk}
        for one in body:
            parts = one["parts"]
            mean = (0.3 * parts["sound"] + 0.9 * parts["whole"]) / 1.2
            assert one["score"] == pytest.approx(mean)
        plain = api.get(f"/api/v1/songs/{near[0].pk}/similar/").json()
        assert plain[0]["parts"]["sound"] is None

    def test_what_is_not_known_of_the_song(self, api: APIClient, near: list[Song]) -> None:
        answer = api.get(f"/api/v1/songs/{near[2].pk}/similar/?words=1")
        assert (answer.status_code, answer.json()["details"]) == (400, {"field": "words"})
        for query in ("whole=0", "whole=2", "sound=x", "mood=NaN", "lyrics=1"):
            answer = api.get(f"/api/v1/songs/{near[0].pk}/similar/?{query}")
            assert answer.status_code == 400, query

    def test_constraints_limit_them(self, api: APIClient, many: list[Song], user: User) -> None:
        api.force_authenticate(user)
        address = f"/api/v1/songs/{many[0].pk}/similar/?count=100"
        assert len(api.get(address).json()) == 38, "two are files of one recording"
        rock = api.get(f"{address}&genre=indie&year_from=1990").json()
        assert {song["song"]["genre"] for song in rock} == {"Rock; Indie"}
        assert all(song["song"]["year"] >= 1990 for song in rock)
        heard = api.get(f"{address}&never_heard=true&mood=1").json()
        assert {many[8].pk, many[9].pk, many[11].pk}.isdisjoint(
            {song["song"]["id"] for song in heard}
        )


def _place(value: float) -> dict[str, float]:
    return {"valence": value, "arousal": value}
