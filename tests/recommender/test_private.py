"""Without AFFETTI_PUBLIC nothing of the music is told or played to whoever is not logged in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.urls import get_resolver, resolve

from tests.factories import token_secret

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.test import Client
    from pytest_django.fixtures import SettingsWrapper
    from rest_framework.test import APIClient

    from catalog.models import Song

PAGES = (
    *("/", "/songs", "/songs/{}", "/songs/{}/audio", "/playlist?mood=calm", "/playlist.m3u8"),
    *("/playlist/panel?mood=calm", "/suggestions?q=to", "/songs/chosen?ids={}"),
)
API = ("songs/", "songs/{}/", "songs/{}/similar/", "songs/map/", "moods/", "playlists/")
OPEN = {
    *("login", "signup", "setup", "healthz", "readyz", "metrics", "admin/login/"),
    *("favicon.ico", "manifest.webmanifest", "worker.js", "language"),
}


@pytest.fixture(autouse=True)
def private(settings: SettingsWrapper) -> None:
    settings.AFFETTI_PUBLIC = False


@pytest.mark.parametrize("path", PAGES)
def test_pages_and_audio_lead_to_the_login(client: Client, wav_song: Song, path: str) -> None:
    response = client.get(path.format(wav_song.pk))
    assert response.status_code == 302
    assert response["Location"].startswith("/login?next=/")


@pytest.mark.parametrize("path", API)
def test_the_api_needs_a_login(api: APIClient, user: User, wav_song: Song, path: str) -> None:
    address = f"/api/v1/{path.format(wav_song.pk)}"
    assert api.get(address).json()["code"] == "NOT_AUTHENTICATED"
    api.force_authenticate(user)
    assert api.get(address).status_code in {200, 409}


def test_nobody_makes_a_playlist(api: APIClient, songs: list[Song]) -> None:
    response = api.post("/api/v1/playlists/", {"moods": ["calm"]}, format="json")
    assert response.status_code == 401


def test_everything_but_the_doors_is_closed(client: Client, db: None) -> None:
    for pattern in get_resolver().url_patterns:
        route = str(pattern.pattern)
        if "<" in route or route == "api/":
            continue
        view = resolve(f"/{route}").func
        is_open = not getattr(view, "login_required", True)
        assert is_open == (route in OPEN), route


def test_whoever_is_logged_in_hears(client: Client, user: User, wav_song: Song) -> None:
    client.force_login(user)
    assert client.get("/").status_code == 200
    response = client.get(f"/songs/{wav_song.pk}/audio")
    assert response.status_code == 200
    response.close()


def test_a_token_is_enough_for_audio(client: Client, user: User, wav_song: Song) -> None:
    token = token_secret(user, "listen")
    address = f"/songs/{wav_song.pk}/audio"
    response = client.get(address, headers={"Authorization": f"Token {token}"})
    assert response.status_code == 200
    response.close()
    assert client.get(address, headers={"Authorization": "Token x"}).status_code == 302


@pytest.mark.parametrize("path", ["/login", "/signup", "/healthz", "/api/docs/"])
def test_the_doors_are_open(client: Client, db: None, path: str) -> None:
    assert client.get(path).status_code == 200
