"""Extended M3U in UTF-8."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext

from recommender.exports.format import ExportFormat, FileEntry, FilePlaylist

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from catalog.models import Song
    from recommender.exports.format import ExportEntry

_LINE_BREAKS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")


def _write(
    entries: Sequence[ExportEntry],
    *,
    location: Callable[[Song], str],
    name: str = "",
    notes: Sequence[str] = (),
) -> str:
    """Return a list with `location(song)` as the line of each song.

    Line breaks and control characters in tags become spaces, so that no tag can add a line. A song
    without an address is a comment.
    """
    no_audio = gettext("no audio")
    lines = ["#EXTM3U"]
    if name:
        lines.append(f"#PLAYLIST:{_one_line(name)}")
    lines += [f"# {_one_line(note)}" for note in notes]
    for entry in entries:
        song = entry.song
        seconds = -1 if song.duration_seconds is None else round(song.duration_seconds)
        title = _one_line(song.title) or _one_line(song.relative_path.rpartition("/")[2])
        artist = _one_line(song.artist)
        shown = f"{artist} - {title}" if artist else title
        if where := _one_line(location(song)):
            lines += [f"#EXTINF:{seconds},{shown}", where]
        else:
            lines.append(f"# {shown}: {no_audio}")
    return "\n".join(lines) + "\n"


def _one_line(text: str) -> str:
    return _LINE_BREAKS.sub(" ", text).strip()


def _read(text: str) -> FilePlaylist:
    """Return a list of an M3U file; titles may be absent."""
    name, seconds, title, entries = "", "", "", []
    for line in map(str.strip, text.splitlines()):
        if line.startswith("#PLAYLIST:"):
            name = line.removeprefix("#PLAYLIST:").strip()
        elif line.startswith("#EXTINF:"):
            seconds, _, title = line.removeprefix("#EXTINF:").partition(",")
        elif line and not line.startswith("#"):
            artist, dash, rest = title.partition(" - ")
            entry = FileEntry(
                location=line,
                title=(rest if dash else title).strip(),
                artist=artist.strip() if dash else "",
                duration_seconds=_duration(seconds),
            )
            entries.append(entry)
            seconds = title = ""
    return FilePlaylist(name, tuple(entries))


def _duration(seconds: str) -> float | None:
    first = (seconds.split() or [""])[0]
    number = float(first) if re.fullmatch(r"\d{1,6}(\.\d{1,6})?", first) else 0.0
    return number or None


FORMAT: Final = ExportFormat(
    name="M3U8", suffix="m3u8", media_type="audio/x-mpegurl", write=_write, read=_read
)
