"""Two client libraries that others wrote, against a server that runs."""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import libopensonic
import numpy as np
import pytest
from knuckles import Subsonic

from recommender.accounts import app_password_create
from recommender.models import Listen
from tests.factories import UserFactory, token_secret
from tests.recommender.subsonic.conftest import collection_make

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_django.live_server_helper import LiveServer

    from catalog.models import Song

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def songs(live_server: LiveServer, music_dir: Path) -> list[Song]:
    """The songs of `collection`; the first one has a file."""
    songs = collection_make()
    path = music_dir / "tone.wav"
    tone = np.sin(np.arange(8_000) * 2 * np.pi * 440 / 8000) * 8000
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(tone.astype("<i2").tobytes())
    first = songs[0]
    first.library.root = str(music_dir)
    first.library.save()
    first.relative_path = "tone.wav"
    first.lyrics = "[00:01.00]One\n[00:02.00]Two\n[00:03.00]Three"
    first.file_size_bytes = path.stat().st_size
    first.save()
    return songs


@pytest.fixture(params=["app password", "API key"])
def opensonic(live_server: LiveServer, request: Any) -> Iterator[Any]:
    address = urlsplit(live_server.url)
    user = UserFactory(username="ada")
    keys: dict[str, Any] = {"api_key": token_secret(user)}
    if request.param == "app password":
        _, secret = app_password_create(user=user, name="py-opensonic")
        keys = {"username": "ada", "password": secret}
    host = f"{address.scheme}://{address.hostname}"
    client = libopensonic.Connection(host, port=address.port, **keys)
    yield client
    client.cleanup()
    client._loop.close()  # it stops its loop and leaves it open


def test_py_opensonic(opensonic: Any, songs: list[Song]) -> None:
    pk = str(songs[0].pk)
    assert opensonic.ping()
    assert [one.name for one in opensonic.get_artists().index] == ["#", "A", "B", "O"]
    albums = opensonic.get_album_list2(ltype="alphabeticalByName", size=3)
    assert [one.name for one in albums] == ["Album 00", "Album 01", "Album 10"]
    album = opensonic.get_album(albums[0].id)
    assert [one.title for one in album.song] == ["Song 000", "Song 001", "Song 002"]
    assert album.song[0].moods == ["happy", "rainy"]
    assert len(opensonic.search3("", song_count=100).song) == 24
    opensonic.star(sids=[pk])
    assert [one.id for one in opensonic.get_starred2().song] == [pk]
    opensonic.scrobble(pk)
    assert Listen.objects.count() == 1
    opensonic.create_playlist(name="Mine", song_ids=[pk])
    listed = {one.name: one.id for one in opensonic.get_playlists()}
    assert "Happy" in listed
    assert [one.id for one in opensonic.get_playlist(listed["Mine"]).entry] == [pk]
    assert len(opensonic.get_similar_songs2(pk, count=5)) == 5
    similar = opensonic.get_sonic_similar_tracks(pk, count=4)
    assert len(similar) == 4
    assert all(0 <= one.similarity <= 1 for one in similar)
    last = str(songs[-1].pk)
    path = opensonic.find_sonic_path(pk, last, count=6)
    assert (path[0].entry.id, path[0].similarity, path[-1].entry.id) == (pk, 1.0, last)
    assert opensonic.get_lyrics_by_song_id(pk)[0].synced


def test_knuckles(live_server: LiveServer, songs: list[Song], tmp_path: Path) -> None:
    user = UserFactory(username="ada")
    _, secret = app_password_create(user=user, name="knuckles")
    client = Subsonic(
        url=live_server.url, user="ada", password=secret, client="knuckles", use_https=False
    )
    pk = str(songs[0].pk)
    assert client.system.ping().status == "ok"
    song = client.browsing.get_song(pk)
    assert (song.title, song.bpm, song.moods) == ("Song 000", 100, ["happy", "rainy"])
    assert len(client.searching.search(song_count=100).songs or []) == 24
    assert song.star()
    assert [one.id for one in client.lists.get_starred().songs or []] == [pk]
    client.media_annotation.scrobble([pk], [songs[0].created_at])
    assert Listen.objects.count() == 1
    file = tmp_path / "song.wav"
    client.media_retrieval.download(pk, file)
    assert file.stat().st_size == songs[0].file_size_bytes
