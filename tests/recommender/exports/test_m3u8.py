from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from recommender.exports.m3u8 import FORMAT
from recommender.playlists import ListedEntry
from tests.factories import SongFactory

if TYPE_CHECKING:
    from catalog.models import Song


def entries(*songs: Song) -> list[ListedEntry]:
    return [ListedEntry(n, song, 0.5, {"sentence": "Why."}) for n, song in enumerate(songs)]


def test_lines() -> None:
    songs = [
        SongFactory.build(title="Ça va", artist="Émile", duration_seconds=61.6),
        SongFactory.build(title="Alone", artist="", duration_seconds=None),
        SongFactory.build(title="", artist="X", relative_path="a/b/song.mp3", duration_seconds=9),
    ]
    text = FORMAT.write(
        entries(*songs), location=lambda song: f"/m/{song.relative_path}", name="Mine"
    )
    assert text.splitlines() == [
        "#EXTM3U",
        "#PLAYLIST:Mine",
        "#EXTINF:62,Émile - Ça va",
        f"/m/{songs[0].relative_path}",
        "#EXTINF:-1,Alone",
        f"/m/{songs[1].relative_path}",
        "#EXTINF:9,X - song.mp3",
        "/m/a/b/song.mp3",
    ]


@given(title=st.text(), artist=st.text(), name=st.text())
def test_no_tag_can_add_a_line(title: str, artist: str, name: str) -> None:
    song = SongFactory.build(title=title, artist=artist)
    text = FORMAT.write(entries(song, song), location=lambda _: "/m/a.mp3", name=name)
    lines = text.splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["/m/a.mp3"] * 2
    assert len(lines) in (5, 6)
    assert text.endswith("\n")
