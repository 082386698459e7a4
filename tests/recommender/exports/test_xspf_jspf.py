from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.exports import FORMATS
from recommender.exports.format import location_uri, plain_text
from recommender.exports.xspf import NAMESPACE
from recommender.playlists import ListedEntry
from tests.factories import SongFactory

if TYPE_CHECKING:
    from catalog.models import Song

ADDRESS = "https://music.example/songs/1/audio?a=1&b=2"


def written(suffix: str, *songs: Song, name: str = "Mine", location: str = ADDRESS) -> str:
    entries = [ListedEntry(n, song, None, None) for n, song in enumerate(songs)]
    return FORMATS[suffix].write(
        entries, location=lambda _: location, name=name, notes=["One is left out."]
    )


def xspf(*songs: Song, **given: str) -> ET.Element:
    return ET.fromstring(written("xspf", *songs, **given))  # our own


def texts(root: ET.Element, tag: str) -> list[str | None]:
    return [element.text for element in root.iter(f"{{{NAMESPACE}}}{tag}")]


SONG = {"title": "Tom & <Jerry>", "artist": 'O"Hara', "album": "]]>", "duration_seconds": 61.6}


def test_xspf_has_its_namespace_and_escapes() -> None:
    text = written("xspf", SongFactory.build(**SONG))
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<playlist ')
    root = xspf(SongFactory.build(**SONG))
    assert root.tag == f"{{{NAMESPACE}}}playlist"
    assert root.attrib == {"version": "1"}
    assert [child.tag.rpartition("}")[2] for child in root] == ["title", "annotation", "trackList"]
    assert texts(root, "title") == ["Mine", "Tom & <Jerry>"]
    assert texts(root, "annotation") == ["One is left out."]
    assert texts(root, "creator") == ['O"Hara']
    assert texts(root, "album") == ["]]>"]
    assert texts(root, "duration") == ["61600"]
    assert texts(root, "location") == [ADDRESS]


def test_jspf_has_its_shape() -> None:
    assert json.loads(written("jspf", SongFactory.build(**SONG))) == {
        "playlist": {
            "title": "Mine",
            "annotation": "One is left out.",
            "track": [
                {
                    "location": [ADDRESS],
                    "title": "Tom & <Jerry>",
                    "creator": 'O"Hara',
                    "album": "]]>",
                    "duration": 61600,
                }
            ],
        }
    }


def test_what_is_not_known_is_left_out() -> None:
    song = SongFactory.build(
        title="", artist="", album="", duration_seconds=None, relative_path="secret/folder/a.mp3"
    )
    assert texts(xspf(song), "title") == ["Mine", "a.mp3"]
    assert texts(xspf(song), "creator") == texts(xspf(song), "duration") == []
    track = json.loads(written("jspf", song))["playlist"]["track"][0]
    assert track == {"location": [ADDRESS], "title": "a.mp3"}
    assert "secret" not in written("xspf", song) + written("jspf", song)


@pytest.mark.parametrize("suffix", ["xspf", "jspf"])
def test_an_empty_list(suffix: str) -> None:
    assert "track" in written(suffix, name="")


@given(title=st.text(), artist=st.text(), name=st.text())
def test_any_tag_comes_back_without_control_characters(title: str, artist: str, name: str) -> None:
    song = SongFactory.build(title=title or "x", artist=artist)
    track = json.loads(written("jspf", song, name=name))["playlist"]["track"][0]
    assert track.get("title", "") == plain_text(title or "x")
    root = xspf(song, name=name)  # it is well formed
    # XML reads every line break as a line feed.
    expected = plain_text(artist).replace("\r\n", "\n").replace("\r", "\n")
    assert "".join(text or "" for text in texts(root, "creator")) == expected


def test_right_to_left_stays() -> None:
    song = SongFactory.build(title="ليلة \u200fطويلة", artist="להקת \u202bהשחר\u202c")
    assert texts(xspf(song), "title")[1] == "ليلة \u200fطويلة"
    assert texts(xspf(song), "creator") == ["להקת \u202bהשחר\u202c"]


def test_a_path_becomes_an_address() -> None:
    assert location_uri("/music/a b#1?.mp3") == "file:///music/a%20b%231%3F.mp3"
    assert location_uri("https://x.example/a b") == "https://x.example/a b"
    assert texts(xspf(SongFactory.build(), location="/m/é.mp3"), "location") == [
        "file:///m/%C3%A9.mp3"
    ]
