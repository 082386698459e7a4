"""The emotion of a song in parts, each at an address of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catalog.models import Song
from tests.factories import SongEmotionFactory, SongFactory

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries
    from rest_framework.test import APIClient

pytestmark = pytest.mark.django_db
PARTS = ("emotion", "timeline", "explanation")
LINE = {"line": 3, "text": "la la", "valence": -0.03, "arousal": 0.04, "shift": 0.05}


@pytest.fixture
def song() -> Song:
    alone = {"audio": {"valence": 0.8, "arousal": 0.7}}
    song = SongEmotionFactory(
        valence=0.25, arousal=0.75, alone=alone, lyric_lines=[LINE],
        timeline=[
            {"start_seconds": 0.0, "valence": 0.2, "arousal": 0.3},
            {"start_seconds": 30.0, "valence": 0.6, "arousal": 0.9},
        ],
    ).song  # fmt: skip
    # What another version of the model says is not shown.
    SongEmotionFactory(song=song, model_version="affetti-11111111", valence=0.9)
    return song


def test_the_parts_are_those_of_the_whole(api: APIClient, song: Song) -> None:
    whole = api.get(f"/api/v1/songs/{song.pk}/").json()["emotion"]
    emotion, timeline, explanation = (
        api.get(f"/api/v1/songs/{song.pk}/{part}/").json() for part in PARTS
    )
    assert emotion == {name: whole[name] for name in emotion}
    assert {*whole} - {*emotion} == {"gates", "alone", "timeline", "lyric_lines"}
    assert explanation == {name: whole[name] for name in explanation}
    assert explanation["lyric_lines"] == [LINE]
    points = [{k: v for k, v in one.items() if k != "quadrant"} for one in timeline["sections"]]
    assert points == whole["timeline"]
    assert [one["quadrant"] for one in timeline["sections"]] == ["Q3", "Q1"]
    assert timeline["duration_seconds"] == song.duration_seconds
    assert timeline["model_version"] == whole["model_version"]


@pytest.mark.parametrize("part", PARTS)
def test_one_query(
    api: APIClient,
    song: Song,
    part: str,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_num_queries(1):
        assert api.get(f"/api/v1/songs/{song.pk}/{part}/").status_code == 200


@pytest.mark.parametrize("part", PARTS)
def test_without_an_emotion(api: APIClient, song: Song, part: str) -> None:
    waiting = SongFactory()
    answer = api.get(f"/api/v1/songs/{waiting.pk}/{part}/")
    assert (answer.status_code, answer.json()["code"]) == (409, "SONG_NOT_ANALYSED")
    Song.objects.filter(pk=song.pk).update(is_available=False)
    for absent in (song.pk, 0, 2**63, "9" * 40):
        answer = api.get(f"/api/v1/songs/{absent}/{part}/")
        assert (answer.status_code, answer.json()["code"]) == (404, "SONG_NOT_FOUND"), absent


@pytest.mark.parametrize("part", PARTS)
def test_a_private_site_asks_for_a_login(
    api: APIClient, song: Song, part: str, settings: object
) -> None:
    settings.AFFETTI_PUBLIC = False  # type: ignore[attr-defined]
    assert api.get(f"/api/v1/songs/{song.pk}/{part}/").status_code == 401
