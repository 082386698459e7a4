"""The map in bytes, as JSON and in tiles."""

from __future__ import annotations

import gzip
import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest

from catalog.models import SongEmotion
from recommender import song_map
from tests.factories import SongEmotionFactory

if TYPE_CHECKING:
    from pytest_django import DjangoAssertMaxNumQueries as MaxQueries
    from rest_framework.test import APIClient

    from catalog.models import Song

pytestmark = pytest.mark.django_db
MAP = "/api/v1/songs/map/"


def read(body: bytes) -> tuple[bytes, int, list[int], list[float], list[float]]:
    magic, count, total = struct.unpack_from("<4sII", body)
    ids = np.frombuffer(body, "<u4", count, 12).cumsum().tolist()
    places = np.frombuffer(body, "<u2", 2 * count, 12 + 4 * count).reshape(2, count) / 65_535
    assert len(body) == 12 + 8 * count
    return magic, total, ids, places[0].tolist(), places[1].tolist()


@pytest.mark.parametrize("zoom", [0, 2, 5, 16])
def test_a_tile_has_the_songs_of_its_square(api: APIClient, songs: list[Song], zoom: int) -> None:
    for place in ((0.0, 0.0), (1.0, 1.0), (0.0, 1.0), (0.5, 0.25), (0.49999, 0.75)):
        SongEmotionFactory(valence=place[0], arousal=place[1])
    side = 2**zoom
    held: dict[tuple[int, int], list[int]] = {}
    for emotion in SongEmotion.objects.order_by("song_id"):
        at = np.array([emotion.valence, emotion.arousal], np.float32)
        column, row = np.minimum(at * side, side - 1).astype(int).tolist()
        held.setdefault((column, row), []).append(emotion.song_id)
    assert sum(map(len, held.values())) == 17
    for (column, row), wanted in held.items():
        _, total, ids, _, _ = read(api.get(f"{MAP}tiles/{zoom}/{column}/{row}/").content)
        assert (total, ids) == (len(wanted), wanted)


@pytest.mark.parametrize("path", [MAP, f"{MAP}tiles/0/0/0/"])
def test_both_forms_say_the_same(api: APIClient, songs: list[Song], path: str) -> None:
    magic, total, ids, valence, arousal = read(api.get(path).content)
    assert magic == (b"ASM1" if path == MAP else b"AST1")
    found = api.get(f"{path}?form=json").json()
    assert (found["total"], found["ids"]) == (total, ids) == (12, [song.pk for song in songs])
    assert found["valence"] == pytest.approx(valence, abs=1e-4)
    assert found["arousal"] == pytest.approx(arousal, abs=1e-4)


def test_a_song_is_in_one_tile_of_each_zoom(api: APIClient, songs: list[Song]) -> None:
    SongEmotionFactory(valence=1.0, arousal=1.0)
    SongEmotionFactory(valence=0.0, arousal=0.5)
    for zoom in (0, 1, 2, 3):
        seen: list[int] = []
        for column in range(2**zoom):
            for row in range(2**zoom):
                path = f"{MAP}tiles/{zoom}/{column}/{row}/?form=json"
                found = api.get(path).json()
                side = 2**-zoom
                assert all(column * side <= v <= (column + 1) * side for v in found["valence"])
                assert all(row * side <= a <= (row + 1) * side for a in found["arousal"])
                assert found["total"] == len(found["ids"])
                seen += found["ids"]
        assert len(seen) == len(set(seen)) == 14


def test_a_full_tile_has_songs_that_its_parts_have(
    songs: list[Song], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(song_map, "TILE_SONGS", 5)
    _, total, few, _, _ = read(song_map.map_tile(0, 0, 0).body)
    assert (total, len(few)) == (12, 5)
    inside: set[int] = set()
    for column, row in ((0, 0), (0, 1), (1, 0), (1, 1)):
        inside.update(read(song_map.map_tile(1, column, row).body)[2])
    assert set(few) <= inside


@pytest.mark.parametrize("query", ["", "?form=json"])
@pytest.mark.parametrize("path", [MAP, f"{MAP}tiles/1/0/0/"])
def test_conditional_and_compressed(
    api: APIClient,
    songs: list[Song],
    path: str,
    query: str,
    django_assert_max_num_queries: MaxQueries,
) -> None:
    plain = api.get(path + query)
    packed = api.get(path + query, headers={"Accept-Encoding": "gzip"})
    assert gzip.decompress(packed.content) == plain.content
    assert packed["Content-Encoding"] == "gzip"
    assert len({plain["ETag"], packed["ETag"]}) == 2
    with django_assert_max_num_queries(4):  # they say whether the snapshot is of now
        again = api.get(path + query, headers={"If-None-Match": plain["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again["ETag"] == plain["ETag"]
    SongEmotionFactory(valence=0.2, arousal=0.2)
    changed = api.get(path + query, headers={"If-None-Match": plain["ETag"]})
    assert changed.status_code == 200


@pytest.mark.parametrize(
    "path", ["tiles/17/0/0/", "tiles/0/1/0/", "tiles/1/0/2/", "tiles/3/8/0/", "tiles/99999999/0/0/"]
)
def test_no_such_tile(api: APIClient, songs: list[Song], path: str) -> None:
    assert api.get(f"{MAP}{path}").status_code == 404
    assert api.get(f"{MAP}tiles/0/0/0/?form=svg").status_code == 400


def test_a_hundred_thousand_songs_are_small() -> None:
    """Made-up places, which compress worse than those of songs."""
    rng = np.random.default_rng(1)
    ids = np.cumsum(rng.integers(1, 30, 100_000))
    made = song_map._made(ids, rng.random((100_000, 2)), 100_000)
    assert len(made.compressed) <= 1_200_000
    assert len(made.body) <= 1_200_000
