from __future__ import annotations

import gzip
import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest

from recommender import song_map
from recommender.index import index_build
from tests.factories import SongEmotionFactory

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import DjangoAssertNumQueries
    from pytest_django.fixtures import SettingsWrapper

    from catalog.models import Song

pytestmark = pytest.mark.django_db
PATH = "/api/v1/songs/map/"


def read(body: bytes) -> tuple[int, dict[int, tuple[float, float]]]:
    """Return the number of all songs, and valence and arousal by id, as the page's script reads."""
    magic, count, total = struct.unpack_from("<4sII", body)
    assert magic == b"ASM1"
    assert len(body) == 12 + 8 * count
    ids = np.cumsum(np.frombuffer(body, "<u4", count, 12), dtype=np.int64)
    valence, arousal = np.frombuffer(body, "<u2", 2 * count, 12 + 4 * count).reshape(2, count)
    return total, {
        int(pk): (v / 65_535, a / 65_535) for pk, v, a in zip(ids, valence, arousal, strict=True)
    }


def test_every_song_at_its_place(client: Client, songs: list[Song]) -> None:
    gone = songs[5]
    gone.is_available = False
    gone.save()
    response = client.get(PATH)
    assert response["Content-Type"] == "application/octet-stream"
    total, places = read(response.content)
    assert total == 11
    assert places.keys() == {song.pk for song in songs} - {gone.pk}
    for song in songs[:5]:
        emotion = song.emotions.get()
        assert places[song.pk] == pytest.approx((emotion.valence, emotion.arousal), abs=1e-5)


def test_no_songs(client: Client) -> None:
    assert read(client.get(PATH).content) == (0, {})


def test_the_extremes_of_the_plane(client: Client) -> None:
    made = SongEmotionFactory(valence=0.0, arousal=1.0)
    assert read(client.get(PATH).content)[1] == {made.song_id: (0.0, 1.0)}


def test_compressed_for_those_who_take_it(client: Client, songs: list[Song]) -> None:
    plain = client.get(PATH)
    assert not plain.has_header("Content-Encoding")
    small = client.get(PATH, headers={"Accept-Encoding": "br, gzip"})
    assert small["Content-Encoding"] == "gzip"
    assert gzip.decompress(small.content) == plain.content
    assert small["ETag"] != plain["ETag"]
    assert "Accept-Encoding" in small["Vary"]


def test_a_map_that_is_known_is_not_sent_again(client: Client, songs: list[Song]) -> None:
    first = client.get(PATH)
    assert first["Cache-Control"] == "private, no-cache"
    again = client.get(PATH, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    SongEmotionFactory()
    changed = client.get(PATH, headers={"If-None-Match": first["ETag"]})
    assert changed.status_code == 200
    assert read(changed.content)[0] == 13


def test_the_number_of_queries_does_not_grow(
    client: Client, songs: list[Song], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client.get(PATH)
    for _ in range(30):
        SongEmotionFactory()
    index_build()
    # In tests each request looks for changes itself; none of these queries is the map's.
    with django_assert_max_num_queries(6):
        assert read(client.get(PATH).content)[0] == 42


def test_a_large_catalogue_is_an_even_choice(
    client: Client, songs: list[Song], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(song_map, "MAP_SONGS", 5)
    total, few = read(client.get(PATH).content)
    assert total == 12
    assert 2 <= len(few) <= 5
    assert few.keys() <= {song.pk for song in songs}
    assert read(client.get(PATH).content)[1] == few


def test_private_sites_keep_it_private(
    client: Client, songs: list[Song], settings: SettingsWrapper
) -> None:
    settings.AFFETTI_PUBLIC = False
    assert client.get(PATH).status_code in {401, 403}
