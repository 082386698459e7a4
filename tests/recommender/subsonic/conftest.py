"""A music library with albums, and a player that knows Subsonic servers."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

from catalog.files.names import folded
from catalog.models import Album, Artist, Genre, SongCredit
from recommender.accounts import app_password_create
from tests.factories import LibraryFactory, SongEmotionFactory, SongFactory

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import User

    from catalog.models import Song


class Player:
    """Calls the server as players do: with a name, a salt and the MD5 of password and salt."""

    def __init__(self, username: str, password: str) -> None:
        self._username, self._password = username, password
        self.client = Client()

    def keys(self) -> dict[str, str]:
        salt = "c19b2d"
        token = hashlib.md5((self._password + salt).encode()).hexdigest()
        return {"u": self._username, "t": token, "s": salt, "v": "1.16.1", "c": "test"}

    def raw(self, name: str, /, **parameters: Any) -> Any:
        return self.client.get(f"/rest/{name}", {**self.keys(), "f": "json", **parameters})

    def answer(self, name: str, /, **parameters: Any) -> dict[str, Any]:
        response = self.raw(name, **parameters)
        assert response.status_code == 200, response.content[:500]
        body: dict[str, Any] = response.json()["subsonic-response"]
        return body

    def ok(self, name: str, /, **parameters: Any) -> dict[str, Any]:
        body = self.answer(name, **parameters)
        assert body["status"] == "ok", body
        return body

    def code(self, name: str, /, **parameters: Any) -> int:
        body = self.answer(name, **parameters)
        assert body["status"] == "failed", body
        code: int = body["error"]["code"]
        return code


@pytest.fixture
def player_of() -> Callable[[User], Player]:
    return lambda user: Player(user.username, app_password_create(user=user, name="Test")[1])


@pytest.fixture
def player(user: User, player_of: Callable[[User], Player]) -> Player:
    return player_of(user)


def collection_make() -> list[Song]:
    """Four artists with two albums of three songs each, in two genres; the songs are analysed."""
    library = LibraryFactory()
    songs = []
    for number in range(4):
        name = ("The Alpha", "Beta", "Ørsted", "4 Winds")[number]
        artist = Artist.objects.create(name=name, key=folded(name))
        for part in range(2):
            album = Album.objects.create(
                title=f"Album {number}{part}",
                key=f"album {number}{part}",
                artist=artist,
                year=2000 + 2 * number + part,
            )
            genre, _ = Genre.objects.get_or_create(
                key=("rock", "jazz")[part], defaults={"name": ("Rock", "Jazz")[part]}
            )
            for track in range(3):
                song = SongFactory(
                    library=library,
                    title=f"Song {number}{part}{track}",
                    artist=name,
                    album=album.title,
                    album_entry=album,
                    genre=genre.name,
                    track_number=track + 1,
                    year=album.year,
                    bpm=100.4 + track,
                    mood_tags=["rainy"],
                )
                song.genres.add(genre)
                SongCredit.objects.create(song=song, artist=artist, position=0, name=name)
                songs.append(SongEmotionFactory(song=song, valence=0.85, arousal=0.7).song)
    return songs


@pytest.fixture
def collection(db: None) -> list[Song]:
    return collection_make()
