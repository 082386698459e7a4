"""What is written as a file and read again: the same songs in the same order, in every format."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.models import Song
from recommender.exports import FORMATS, playlist_read
from recommender.exports.format import plain_text

_LINE_BREAKS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
TITLES = TEXTS.filter(lambda text: not text or plain_text(text).split())
"""Readers of tags store no title of blanks alone."""
SONGS = st.lists(st.tuples(TITLES, TEXTS, st.none() | st.floats(1.0, 36_000.0)), max_size=30)


def entries(songs: list[tuple[str, str, float | None]]) -> list[SimpleNamespace]:
    return [
        SimpleNamespace(
            position=n,
            score=None,
            reason=None,
            song=Song(
                title=title,
                artist=artist,
                duration_seconds=seconds,
                relative_path=f"album/{n}.flac",
            ),
        )
        for n, (title, artist, seconds) in enumerate(songs)
    ]


def address(song: Song) -> str:
    return f"http://host/audio/{song.relative_path}"


def as_told(text: str, suffix: str) -> str:
    """Return a text as a format may hold it: without what would be a line or a control."""
    if suffix == "m3u8":
        return " ".join(_LINE_BREAKS.sub(" ", text).split())
    return " ".join(plain_text(text).split())


@pytest.mark.parametrize("suffix", FORMATS)
@given(songs=SONGS, name=TEXTS)
def test_order_titles_and_durations_come_back(
    suffix: str, songs: list[tuple[str, str, float | None]], name: str
) -> None:
    text = FORMATS[suffix].write(entries(songs), location=address, name=name)
    found = playlist_read(text.encode())
    assert [entry.location for entry in found.entries] == [
        f"http://host/audio/album/{n}.flac" for n in range(len(songs))
    ]
    assert as_told(found.name, suffix) == as_told(name, suffix)
    for n, ((title, artist, seconds), entry) in enumerate(zip(songs, found.entries, strict=True)):
        wanted = as_told(title, suffix) or f"{n}.flac"
        by = as_told(artist, suffix)
        if suffix == "m3u8":  # it has one text for both; a dash tells them apart, if there is one
            told = f"{by} - {wanted}" if by else wanted
            read = f"{entry.artist} - {entry.title}" if entry.artist else entry.title
            assert " ".join(read.split()) == " ".join(told.split())
            tolerance = 0.5
        else:
            assert (as_told(entry.title, suffix), as_told(entry.artist, suffix)) == (wanted, by)
            tolerance = 0.0005
        if seconds is None:
            assert entry.duration_seconds is None
        else:
            assert entry.duration_seconds == pytest.approx(seconds, abs=tolerance)
