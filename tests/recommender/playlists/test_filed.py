"""Playlist files of ours and of others become lists; a hostile file is refused with a reason."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from recommender.errors import FileRefusedError
from recommender.exports import FORMATS, playlist_read
from recommender.models import Playlist
from recommender.playlists import ListedEntry, filed, playlist_import
from tests.factories import SongFactory, token_secret

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.test import Client

    from catalog.models import Song

LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
BOMB = f'<?xml version="1.0"?><!DOCTYPE p [<!ENTITY l0 "lol">{LAUGHS}]><playlist>&l9;</playlist>'
REFUSED: dict[str, bytes] = {
    "nothing": b"",
    "a billion laughs": BOMB.encode(),
    "an outer entity": b'<!DOCTYPE p [<!ENTITY x SYSTEM "file:///etc/passwd">]><playlist>&x;</playlist>',
    "an unknown entity": b"<playlist>&x;</playlist>",
    "half a document": b"<playlist><trackList>",
    "another document": b"<html></html>",
    "elements 100,000 deep": b"<playlist>" * 100_000,
    "half an object": b'{"playlist": ',
    "another object": b'{"a": 1}',
    "objects 100,000 deep": b'{"a":' * 100_000,
    "tracks that are no list": b'{"playlist": {"track": 7}}',
    "tracks that are none": b'{"playlist": {"track": [7, null, "x"]}}',
    "no UTF-8": b"\xff\xfe\x00",
    "songs that are not here": b"/music/nothing.mp3\n",
    "an address that is none": b"http://[/songs/1/audio\n",
    "more songs than a list has": b"/music/a.mp3\n" * 2001,
}


@pytest.mark.django_db
@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case: str, user: User, songs: list[Song]) -> None:
    with pytest.raises(FileRefusedError):
        playlist_import(user=user, data=REFUSED[case])
    assert not Playlist.objects.exists()


_TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=20
).filter(lambda text: " - " not in text and text.strip() == text)


@given(
    suffix=st.sampled_from(sorted(FORMATS)),
    rows=st.lists(st.tuples(_TEXTS, _TEXTS, st.integers(1, 9999)), max_size=8),
    name=_TEXTS,
)
def test_a_file_of_ours_keeps_order_titles_and_durations(
    suffix: str, rows: list[tuple[str, str, int]], name: str
) -> None:
    entries = [
        ListedEntry(
            n, SongFactory.build(title=title, artist=artist, duration_seconds=seconds), None, None
        )
        for n, (artist, title, seconds) in enumerate(rows)
    ]
    places = {id(entry.song): f"https://a.example/songs/{entry.position}" for entry in entries}
    text = FORMATS[suffix].write(entries, location=lambda song: places[id(song)], name=name)
    read = playlist_read(text.encode())
    assert read.name == name
    assert [(one.artist, one.title, one.duration_seconds) for one in read.entries] == rows
    assert [one.location for one in read.entries] == list(places.values())


@pytest.mark.django_db
@pytest.mark.parametrize("suffix", sorted(FORMATS))
def test_an_export_comes_back_as_the_same_list(suffix: str, user: User, songs: list[Song]) -> None:
    order = [songs[n] for n in (5, 2, 9, 0)]
    entries = [ListedEntry(n, song, None, None) for n, song in enumerate(order)]
    text = FORMATS[suffix].write(
        entries, location=lambda song: f"http://testserver/songs/{song.pk}/audio", name="Mine"
    )
    made = playlist_import(user=user, data=text.encode())
    kept = made.playlist.entries.order_by("position")
    assert [entry.song_id for entry in kept] == [song.pk for song in order]
    assert (made.playlist.name, made.missing, made.playlist.notes) == ("Mine", [], [])


@pytest.mark.django_db
def test_songs_are_found_by_path_recording_and_name_but_not_by_anothers_address(
    user: User,
) -> None:
    by_path = SongFactory(relative_path="Abbey Road/01 Come.flac", title="Come")
    by_id = SongFactory(title="X", musicbrainz_recording_id="a" * 36)
    by_name = SongFactory(artist="Björk", title="Jóga")
    other = SongFactory(artist="Björk", title="Hunter")
    tracks: list[dict[str, Any]] = [
        {
            "title": "Jóga",
            "creator": "Bjork",
            "location": f"https://b.example/songs/{other.pk}/audio",
        },
        {"identifier": [f"https://musicbrainz.org/recording/{'a' * 36}"], "title": "Anything"},
        {"location": "file:///mnt/music/Abbey%20Road/01%20Come.flac"},
        {"title": "Nothing", "creator": "Nobody"},
        {"title": "Jóga", "creator": "Björk"},
    ]
    made = playlist_import(user=user, data=json.dumps({"playlist": {"track": tracks}}).encode())
    kept = made.playlist.entries.order_by("position")
    assert [entry.song_id for entry in kept] == [by_name.pk, by_id.pk, by_path.pk]
    assert made.missing == ["Nobody - Nothing"]
    assert made.playlist.notes[0].startswith("2 songs of the file")


@pytest.mark.django_db
def test_windows_paths_and_bare_names(user: User) -> None:
    song = SongFactory(relative_path="a/b.mp3")
    SongFactory(relative_path="b.mp3")
    data = b"#EXTM3U\nC:\\Music\\a\\b.mp3\nb.mp3\n"
    made = playlist_import(user=user, data=data, name="Windows")
    assert [entry.song_id for entry in made.playlist.entries.all()] == [song.pk]
    assert (made.playlist.name, made.missing) == ("Windows", ["b.mp3"])
    assert filed.MOST_SONGS >= 500


@pytest.mark.django_db
def test_by_api(user: User, songs: list[Song]) -> None:
    api = APIClient()
    api.credentials(HTTP_AUTHORIZATION=f"Token {token_secret(user, 'playlists')}")
    data = f"#EXTINF:180,{songs[3].artist} - {songs[3].title}\nx\n#EXTINF:1,A - B\ny\n".encode()
    url, kind = "/api/v1/playlists/import/?name=Mine", "application/octet-stream"
    answer = api.post(url, data, content_type=kind)
    assert answer.status_code == 201, answer.content
    assert (answer.json()["name"], answer.json()["missing"]) == ("Mine", ["A - B"])
    listed = api.get(f"/api/v1/playlists/{answer.json()['id']}/").json()
    assert [entry["song"]["id"] for entry in listed["entries"]] == [songs[3].pk]
    refused = api.post(url, BOMB.encode(), content_type=kind)
    assert (refused.status_code, refused.json()["code"]) == (400, "FILE_INVALID")


@pytest.mark.django_db
def test_by_page(client: Client, user: User, songs: list[Song]) -> None:
    client.force_login(user)
    text = f"#EXTINF:180,{songs[3].artist} - {songs[3].title}\nx\n"
    answer = client.post(
        "/playlists/import",
        {"file": SimpleUploadedFile("Summer.m3u", text.encode())},
        follow=True,
    )
    page = answer.content.decode()
    assert "Summer" in page
    assert songs[3].title in page
    more = {"file": SimpleUploadedFile("b.m3u", f"{text}#EXTINF:1,A - B\ny\n".encode())}
    assert "A - B" in client.post("/playlists/import", more).content.decode()
    for bad in ({}, {"file": SimpleUploadedFile("c.xspf", BOMB.encode())}):
        assert 'role="alert"' in client.post("/playlists/import", bad).content.decode()
