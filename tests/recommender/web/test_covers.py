"""Covers, and songs in another format, as pages and players ask for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.urls import reverse

from recommender.media import transcoding
from recommender.media.turns import Pauses
from tests.factories import SongEmotionFactory, SongFactory, token_secret
from tests.made_audio import needs_ffmpeg, tones, write
from tests.made_pictures import HOSTILE, colour_of, embed, picture
from tests.recommender.web.test_media import body

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.test import Client
    from pytest_django.fixtures import SettingsWrapper

    from catalog.models import Song


def cover_url(song: Song, size: str = "small") -> str:
    return reverse("song-cover", args=[song.pk]) + f"?size={size}"


def test_the_picture_of_the_song(client: Client, wav_song: Song) -> None:
    embed(wav_song.path, picture())
    for size in ("small", "large"):
        response = client.get(cover_url(wav_song, size))
        assert response.status_code == 200
        assert response["Content-Type"] == "image/jpeg"
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Cache-Control"].startswith("private, max-age=6")
        assert colour_of(body(response)) == "red"
        again = client.get(cover_url(wav_song, size), headers={"If-None-Match": response["ETag"]})
        assert (again.status_code, again["ETag"]) == (304, response["ETag"])


def test_a_song_without_a_picture_is_drawn_by_its_mood(client: Client, wav_song: Song) -> None:
    before = client.get(cover_url(wav_song))
    assert before["Content-Type"] == "image/svg+xml"
    assert before["Cache-Control"] == "private, max-age=3600"
    SongEmotionFactory(song=wav_song, valence=0.9, arousal=0.9)
    after = client.get(cover_url(wav_song), headers={"If-None-Match": before["ETag"]})
    assert after.status_code == 200
    assert body(after) != body(before)
    again = client.get(cover_url(wav_song), headers={"If-None-Match": after["ETag"]})
    assert again.status_code == 304


@pytest.mark.django_db
def test_a_drawing_is_the_same_in_every_installation(client: Client) -> None:
    first, same, other = (
        SongFactory(artist=artist, title=title)
        for artist, title in (("Ada", "Rain"), ("ADA", "rain"), ("Ada", "Snow"))
    )
    drawing = body(client.get(cover_url(first)))
    assert body(client.get(cover_url(same))) == drawing
    assert body(client.get(cover_url(other))) != drawing
    nameless = [SongFactory(artist="", title="") for _ in range(2)]
    assert len({body(client.get(cover_url(song))) for song in nameless}) == 2


@pytest.mark.parametrize("name", HOSTILE)
def test_no_byte_of_a_hostile_picture_is_served(client: Client, wav_song: Song, name: str) -> None:
    embed(wav_song.path, HOSTILE[name])
    response = client.get(cover_url(wav_song))
    assert response["Content-Type"] == "image/svg+xml"
    assert b"script" not in body(response)


@pytest.mark.django_db
def test_a_song_whose_file_is_not_there_has_a_cover(client: Client) -> None:
    response = client.get(cover_url(SongFactory()))
    assert response.status_code == 200
    assert response["Content-Type"] == "image/svg+xml"
    assert client.get("/songs/999/cover").status_code == 404


@pytest.mark.parametrize("query", ["size=huge", "size=", "size=../../x"])
def test_an_unknown_size(client: Client, wav_song: Song, query: str) -> None:
    assert client.get(f"/songs/{wav_song.pk}/cover?{query}").status_code == 400


def test_covers_and_converted_songs_are_as_private_as_the_audio(
    client: Client, user: User, wav_song: Song, settings: SettingsWrapper
) -> None:
    settings.AFFETTI_PUBLIC = False
    audio = reverse("song-audio", args=[wav_song.pk]) + "?as=mp3"
    for address in (cover_url(wav_song), audio):
        assert client.get(address).status_code == 302
        wrong = {"Authorization": f"Token {token_secret(user, 'read')}"}
        assert client.get(address, headers=wrong).status_code == 302
    token = {"Authorization": f"Token {token_secret(user, 'listen')}"}
    assert client.get(cover_url(wav_song), headers=token).status_code == 200


def test_covers_have_a_rate_of_their_own(
    client: Client, wav_song: Song, settings: SettingsWrapper
) -> None:
    rates = {"covers": "2/min", "anon": "1/min", "stream": "1/min"}
    settings.AFFETTI_THROTTLE_RATES = settings.AFFETTI_THROTTLE_RATES | rates
    answers = [client.get(cover_url(wav_song)).status_code for _ in range(3)]
    assert answers == [200, 200, 429]


@needs_ffmpeg
def test_ranges_of_a_converted_song(client: Client, wav_song: Song) -> None:
    path = write(wav_song.path.with_name("x.wma"), tones(4.0))
    wav_song.relative_path, wav_song.media_type = path.name, "audio/x-ms-wma"
    wav_song.save()
    url = reverse("song-audio", args=[wav_song.pk]) + "?as=mp3"
    page = client.get(reverse("song", args=[wav_song.pk])).content.decode()
    assert f'data-transcoded-url="{url}"' in page
    whole = client.get(url)
    data = body(whole)
    assert (whole.status_code, whole["Content-Type"]) == (200, "audio/mpeg")
    assert whole["Content-Length"] == str(len(data))
    part = client.get(url, headers={"Range": "bytes=1000-1999"})
    assert part.status_code == 206
    assert part["Content-Range"] == f"bytes 1000-1999/{len(data)}"
    assert body(part) == data[1000:2000]
    assert client.get(url, headers={"If-None-Match": whole["ETag"]}).status_code == 304
    assert client.get(url, headers={"Range": "bytes=99999999-"}).status_code == 416
    own = client.get(reverse("song-audio", args=[wav_song.pk]))
    assert body(own) == path.read_bytes()


def test_without_ffmpeg_the_page_offers_nothing_and_says_so(
    client: Client, wav_song: Song, settings: SettingsWrapper
) -> None:
    settings.AFFETTI_FFMPEG = ""
    wav_song.media_type = "audio/x-ape"
    wav_song.save()
    page = client.get(reverse("song", args=[wav_song.pk])).content.decode()
    assert "data-transcoded-url" not in page
    response = client.get(reverse("song-audio", args=[wav_song.pk]) + "?as=mp3")
    assert response.status_code == 409
    assert "ffmpeg is not installed" in response.content.decode()


@pytest.mark.parametrize("target", ["wav", "../x", "MP3", "mp3 -i /etc/passwd"])
def test_an_unknown_format(client: Client, wav_song: Song, target: str) -> None:
    response = client.get(reverse("song-audio", args=[wav_song.pk]), {"as": target})
    assert response.status_code == 400


@needs_ffmpeg
def test_a_head_request_converts_nothing(
    client: Client, wav_song: Song, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_pauses", "_unplayable"):
        monkeypatch.setattr(transcoding, name, Pauses())
    url = reverse("song-audio", args=[wav_song.pk]) + "?as=mp3"
    with monkeypatch.context() as patch:
        patch.setattr(transcoding, "_convert", None)
        unknown = client.head(url)
    assert (unknown.status_code, unknown["Content-Type"]) == (200, "audio/mpeg")
    assert "Content-Length" not in unknown
    data = body(client.get(url))
    assert client.head(url)["Content-Length"] == str(len(data))

    for path in transcoding.transcoded_cache().folder.glob("*/*"):
        path.unlink()
    wav_song.path.write_bytes(b"no music")
    assert client.get(url).status_code == 409
    monkeypatch.setattr(transcoding, "_convert", None)
    assert client.head(url).status_code == 409
    transcoding._pauses.begin(f"{wav_song.sound_sha256}.mp3")
    ended = client.head(url)
    assert ended.status_code == 503
    assert int(ended["Retry-After"]) > 0


@needs_ffmpeg
def test_a_conversion_is_told_when_its_client_has_left(
    client: Client, wav_song: Song, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[bool] = []

    def converted(**arguments: object) -> None:
        told.append(arguments["is_wanted"]())  # type: ignore[operator]
        raise transcoding.MediaBusyError("left")

    monkeypatch.setattr("recommender.media.answers.song_transcoded", converted)
    url = reverse("song-audio", args=[wav_song.pk]) + "?as=mp3"
    for has_left in (True, False):
        environment = {"waitress.client_disconnected": lambda has_left=has_left: has_left}
        assert client.get(url, **environment).status_code == 503  # type: ignore[arg-type]
    assert told == [False, True]
