"""Files, covers and lyrics."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import PIL.Image
import pytest

from catalog.models import Song
from recommender.media import transcoding
from tests.made_audio import needs_ffmpeg

if TYPE_CHECKING:
    from tests.recommender.subsonic.conftest import Player

TIMED = "[00:01.50]First line\n[00:03.00]Second line\n\n[01:02.00]Third line\n"


def content(response: Any) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


class TestStream:
    @pytest.mark.parametrize("name", ["stream", "stream.view", "download"])
    def test_the_file_whole_and_in_parts(self, player: Player, wav_song: Song, name: str) -> None:
        whole = player.raw(name, id=wav_song.pk)
        assert (whole.status_code, whole["Content-Type"]) == (200, "audio/wav")
        data = content(whole)
        assert len(data) == 64_044
        keys = {**player.keys(), "id": str(wav_song.pk)}
        part = player.client.get(f"/rest/{name}", keys, headers={"Range": "bytes=100-199"})
        assert (part.status_code, part["Content-Range"]) == (206, "bytes 100-199/64044")
        assert content(part) == data[100:200]
        head = player.client.head(f"/rest/{name}", keys)
        assert head["Content-Length"] == "64044"

    @pytest.mark.parametrize("number", ["0", "999999", str(2**63), "al-1", "x"])
    def test_what_is_not_there(self, player: Player, wav_song: Song, number: str) -> None:
        for name in ("stream", "download", "getCoverArt"):
            if number != "al-1" or name != "getCoverArt":
                assert player.code(name, id=number) == 70

    def test_a_file_that_is_gone(self, player: Player, wav_song: Song) -> None:
        wav_song.path.unlink()
        assert player.code("stream", id=wav_song.pk) == 70

    @needs_ffmpeg
    def test_converted_if_the_client_wants_less(self, player: Player, wav_song: Song) -> None:
        for sent, kind in (
            ({"format": "mp3"}, "audio/mpeg"),
            ({"maxBitRate": 96}, 'audio/ogg; codecs="opus"'),
            ({"maxBitRate": 320}, "audio/wav"),
            ({"maxBitRate": 96, "format": "raw"}, "audio/wav"),
        ):
            response = player.raw("stream", id=wav_song.pk, **sent)
            assert response["Content-Type"] == kind, sent
            assert content(response)

    def test_as_it_is_where_nothing_is_converted(
        self, player: Player, wav_song: Song, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(transcoding, "_ffmpeg", lambda _: None)
        response = player.raw("stream", id=wav_song.pk, maxBitRate=96)
        assert len(content(response)) == 64_044


class TestCovers:
    def test_every_song_has_one(self, player: Player, wav_song: Song) -> None:
        for size in (None, 100, 600, 10**12):
            sent = {} if size is None else {"size": size}
            response = player.raw("getCoverArt", id=wav_song.pk, **sent)
            # Players know no SVG.
            assert response["Content-Type"] == "image/jpeg"
            with PIL.Image.open(io.BytesIO(content(response))) as picture:
                assert picture.size == ((160, 160) if size == 100 else (640, 640))

    def test_albums_and_artists_have_that_of_a_song(
        self, player: Player, collection: list[Song]
    ) -> None:
        album = collection[0].album_entry
        assert album is not None
        for of in (f"al-{album.pk}", f"ar-{album.artist_id}"):
            assert player.raw("getCoverArt", id=of)["Content-Type"].startswith("image/")
        assert player.code("getCoverArt", id="al-999") == 70


class TestLyrics:
    def test_timed(self, player: Player, wav_song: Song) -> None:
        Song.objects.filter(pk=wav_song.pk).update(lyrics=TIMED, language="eng")
        (lyrics,) = player.ok("getLyricsBySongId", id=wav_song.pk)["lyricsList"]["structuredLyrics"]
        assert (lyrics["synced"], lyrics["lang"]) == (True, "eng")
        assert lyrics["line"] == [
            {"start": 1500, "value": "First line"},
            {"start": 3000, "value": "Second line"},
            {"start": 62000, "value": "Third line"},
        ]

    def test_plain(self, player: Player, wav_song: Song) -> None:
        Song.objects.filter(pk=wav_song.pk).update(lyrics="One\nTwo")
        (lyrics,) = player.ok("getLyricsBySongId", id=wav_song.pk)["lyricsList"]["structuredLyrics"]
        assert lyrics["synced"] is False
        assert lyrics["line"] == [{"value": "One"}, {"value": "Two"}]
        found = player.ok("getLyrics", artist=wav_song.artist, title="tone")["lyrics"]
        assert found["value"] == "One\nTwo"

    def test_none(self, player: Player, wav_song: Song) -> None:
        assert player.ok("getLyricsBySongId", id=wav_song.pk)["lyricsList"] == {
            "structuredLyrics": []
        }
        assert player.ok("getLyrics", artist="x", title="y")["lyrics"]["value"] == ""
        assert player.code("getLyricsBySongId", id=999_999) == 70
