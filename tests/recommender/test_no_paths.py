"""Where files lie on the server is told to staff alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from django.utils import timezone

from catalog.models import Song
from recommender.models import Listen, Playlist, PlaylistEntry
from tests.factories import LibraryFactory, SongEmotionFactory, SongFactory, UserFactory
from tests.recommender.test_authorisation import API, PAGES, REASON

if TYPE_CHECKING:
    from pathlib import Path

    from django.contrib.auth.models import User
    from pytest_django.fixtures import SettingsWrapper

FOLDER = "secret-folder"


@pytest.fixture
def hidden(user: User, tmp_path: Path, settings: SettingsWrapper) -> dict[str, Any]:
    """Songs without titles, one of them failed, all in a folder whose name nobody may learn."""
    settings.AFFETTI_CATALOG_ROOTS = [tmp_path / FOLDER]
    library = LibraryFactory(root=str(tmp_path / FOLDER), name=FOLDER)
    kept = {"library": library, "title": "", "artist": "", "album": ""}
    failed = SongFactory(
        **kept,
        relative_path=f"{FOLDER}/one.flac",
        status=Song.Status.FAILED,
        failure_code="AUDIO_DECODE",
        failure_message=f"{tmp_path}/{FOLDER}/{FOLDER}/one.flac: not audio",
    )
    songs = [
        SongEmotionFactory(song=SongFactory(**kept, relative_path=f"{FOLDER}/{n}.flac")).song
        for n in range(3)
    ]
    playlist = Playlist.objects.create(user=user, name="Mine", request={}, seed=1)
    for position, song in enumerate(songs):
        PlaylistEntry.objects.create(
            playlist=playlist, position=position, song=song, score=1.0, reason=REASON
        )
        Listen.objects.create(user=user, song=song, listened_at=timezone.now())
    return {"failed": failed, "song": songs[0], "playlist": playlist}


def addresses(hidden: dict[str, Any]) -> list[str]:
    routes = [f"/{route}" for route, rules in PAGES.items() if "get" in rules]
    routes += [f"/api/v1/{name}" for name, (_, rules) in API.items() if "get" in rules]
    filled = set()
    for route in routes:
        owner = hidden["playlist"] if "playlist" in route else hidden["song"]
        for pk in (owner.pk, hidden["failed"].pk if owner is hidden["song"] else owner.pk):
            filled.add(re.sub(r"<\w+:pk>|\{pk\}", str(pk), route))
    more = ["/playlist?mood=calm&seed=1", "/playlist.m3u8?mood=calm&seed=1", "/api/nothing"]
    return sorted(filled) + more


def test_strangers_and_listeners_learn_no_path(hidden: dict[str, Any], user: User) -> None:
    seen = 0
    for person in (None, user, UserFactory()):
        client = Client()
        if person:
            client.force_login(person)
        for address in addresses(hidden):
            response = client.get(address)
            if response.streaming:
                continue
            seen += response.status_code == 200
            # The map of songs is no text.
            text = response.content.decode(errors="replace") + str(response.headers)
            assert FOLDER not in text, address
    assert seen > 40


def test_staff_are_told(hidden: dict[str, Any]) -> None:
    client = Client()
    client.force_login(UserFactory(is_staff=True))
    pk = hidden["failed"].pk
    for address in (f"/songs/{pk}", f"/api/v1/songs/{pk}/"):
        assert FOLDER in client.get(address).content.decode()
    client = Client()
    assert client.get(f"/api/v1/songs/{pk}/").json()["failure_message"] == "one.flac: not audio"
    assert "AUDIO_DECODE" in client.get(f"/songs/{pk}").content.decode()


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("{path}: all is silent", "one.flac: all is silent"),
        ("all is silent", "all is silent"),
        ("/mnt/else/tool failed", ""),
        ("", ""),
    ],
)
def test_a_failure_without_its_folder(db: None, message: str, shown: str) -> None:
    song = SongFactory(relative_path=f"{FOLDER}/one.flac")
    song.failure_message = message.format(path=song.path)
    assert song.shown_failure == shown
