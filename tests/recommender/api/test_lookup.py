"""Many songs at once by ids, recordings and fingerprints."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from catalog.models import Song
from tests.factories import SongEmotionFactory

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries
    from rest_framework.test import APIClient

pytestmark = pytest.mark.django_db
LOOKUP = "/api/v1/songs/lookup/"
RECORDING = "b1a9c0e9-d987-4042-ae91-78d6a3267d69"


def test_in_the_order_asked_for(
    api: APIClient, songs: list[Song], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    Song.objects.filter(pk__in=[songs[3].pk, songs[4].pk]).update(
        musicbrainz_recording_id=RECORDING
    )
    Song.objects.filter(pk=songs[1].pk).update(audio_sha256="a" * 64)
    Song.objects.filter(pk=songs[9].pk).update(is_available=False)
    body = {
        "ids": [songs[7].pk, songs[2].pk, 10**12, songs[9].pk, songs[7].pk],
        "musicbrainz_recording_ids": [RECORDING.upper(), str(uuid.UUID(int=1))],
        "audio_sha256": ["a" * 64, "b" * 64],
    }
    with django_assert_max_num_queries(4):
        answer = api.post(LOOKUP, body, format="json")
    assert answer.status_code == 200
    found = answer.json()
    wanted = [songs[n].pk for n in (7, 2, 3, 4, 1)]
    assert [song["id"] for song in found["songs"]] == wanted
    assert found["songs"][0]["emotion"] is not None
    assert found["unknown"] == [str(10**12), str(songs[9].pk), str(uuid.UUID(int=1)), "b" * 64]
    by_name = {one["asked"]: one["song_ids"] for one in found["found"]}
    assert by_name[RECORDING.upper()] == [songs[3].pk, songs[4].pk]


def test_names_come_back_as_they_were_sent(api: APIClient) -> None:
    unknown = str(uuid.UUID(int=0xABCDEF)).upper()
    found = api.post(LOOKUP, {"musicbrainz_recording_ids": [unknown]}, format="json").json()
    assert found["unknown"] == [unknown]
    assert found["found"] == [{"asked": unknown, "song_ids": []}]


def test_many_files_of_one_recording(api: APIClient, songs: list[Song]) -> None:
    Song.objects.update(musicbrainz_recording_id=RECORDING)
    found = api.post(LOOKUP, {"musicbrainz_recording_ids": [RECORDING]}, format="json").json()
    assert found["found"][0]["song_ids"] == [song.pk for song in songs[:10]]
    assert len(found["songs"]) == 10


def test_five_hundred(
    api: APIClient, songs: list[Song], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(20):
        SongEmotionFactory()
    ids = [*Song.objects.values_list("pk", flat=True), *range(10**6, 10**6 + 468)]
    with django_assert_max_num_queries(2):
        found = api.post(LOOKUP, {"ids": ids}, format="json").json()
    assert (len(found["songs"]), len(found["unknown"])) == (32, 468)
    assert api.post(LOOKUP, {"ids": [*ids, 1]}, format="json").status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"ids": []},
        {"ids": ["x"]},
        {"ids": ["1"]},
        {"ids": [1.0]},
        {"ids": [None]},
        {"musicbrainz_recording_ids": [0]},
        {"musicbrainz_recording_ids": ["b1a9c0e9d9874042ae9178d6a3267d69"]},
        {"audio_sha256": [" " + "a" * 64]},
        {"audio_sha256": ["a" * 64 + "\n"]},
        {"audio_sha256": [int("1" * 64)]},
        {"ids": [0]},
        {"ids": [2**63]},
        {"ids": [True]},
        {"ids": 5},
        {"ids": [1] * 250, "audio_sha256": ["a" * 64] * 251},
        {"musicbrainz_recording_ids": ["x"]},
        {"audio_sha256": ["A" * 64]},
        {"audio_sha256": ["a\0"]},
        {"isrc": ["x"]},
    ],
)
def test_what_is_refused(api: APIClient, songs: list[Song], body: Any) -> None:
    answer = api.post(LOOKUP, body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (400, "REQUEST_INVALID"), body
