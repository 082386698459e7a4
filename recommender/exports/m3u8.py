"""Playlists as files for other players."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from catalog.models import Song

_LINE_BREAKS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")


def playlist_m3u8(*, songs: Iterable[Song], location: Callable[[Song], str], name: str = "") -> str:
    """Return an extended M3U list in UTF-8, with `location(song)` as the line of each song.

    Titles and artists come from files that anyone may have tagged: line breaks and control
    characters in them become spaces, so that no tag can add a line of its own.
    """
    lines = ["#EXTM3U"]
    if name:
        lines.append(f"#PLAYLIST:{_one_line(name)}")
    for song in songs:
        seconds = -1 if song.duration_seconds is None else round(song.duration_seconds)
        title = _one_line(song.title) or _one_line(song.relative_path.rpartition("/")[2])
        artist = _one_line(song.artist)
        lines.append(
            f"#EXTINF:{seconds},{artist} - {title}" if artist else f"#EXTINF:{seconds},{title}"
        )
        lines.append(_one_line(location(song)))
    return "\n".join(lines) + "\n"


def _one_line(text: str) -> str:
    return _LINE_BREAKS.sub(" ", text).strip()
