"""Tags of audio files; the only module that imports mutagen.

Broken tags never fail a good file: a tag that cannot be read counts as absent, and the title and
artist come from the file's name.
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import mutagen
from mutagen.id3 import ID3
from mutagen.mp4 import MP4Tags

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MAX_CHARACTERS: Final = {"title": 300, "artist": 300, "album": 300, "genre": 200}
_KEYS: Final[dict[str, tuple[str, ...]]] = {
    # ID3 frame, Vorbis comment, MP4 atom
    "title": ("TIT2", "title", "\xa9nam"),
    "artist": ("TPE1", "artist", "\xa9ART", "TPE2", "albumartist", "aART"),
    "album": ("TALB", "album", "\xa9alb"),
    "genre": ("TCON", "genre", "\xa9gen"),
    "year": ("TDRC", "TYER", "date", "year", "\xa9day"),
    "lyrics": ("USLT", "lyrics", "unsyncedlyrics", "\xa9lyr"),
}
# Errors that mutagen's parsers raise on damaged tags, besides mutagen's own.
_PARSER_ERRORS: Final = (
    mutagen.MutagenError,
    OSError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    struct.error,
    zlib.error,
)
_YEAR: Final = re.compile(r"(?<!\d)(1\d{3}|2\d{3})(?!\d)")
_TRACK_NUMBER: Final = re.compile(r"^\d{1,3}(?:\s*[.)_-]\s*|\s+)(?=\S)")
_MILLISECONDS: Final = 2  # ID3v2.4, 4.9: time stamp format of SYLT


@dataclass(frozen=True, slots=True)
class Tags:
    """The tags of a file; empty or None where absent."""

    title: str = ""
    artist: str = ""
    album: str = ""
    genre: str = ""
    year: int | None = None
    lyrics: str = ""


def read_tags(path: Path) -> Tags:
    """Return the tags of `path`; a missing title and artist come from its name. Never raises."""
    values = _read(path)
    texts = {name: values.get(name, "")[:limit] for name, limit in _MAX_CHARACTERS.items()}
    if not texts["title"]:
        artist, texts["title"] = _from_name(path)
        texts["artist"] = texts["artist"] or artist
    year = _YEAR.search(values.get("year", ""))
    return Tags(**texts, year=int(year[1]) if year else None, lyrics=values.get("lyrics", ""))


def write_tags(path: Path, tags: Tags) -> None:
    """Write the texts of `tags` into an Ogg or FLAC file; other tags stay.

    Raises mutagen.MutagenError for a file of another format.
    """
    file = mutagen.File(path)
    if file is None or isinstance(file.tags, (ID3, MP4Tags)):
        raise mutagen.MutagenError(f"{path}: no Ogg or FLAC file, so no Vorbis comments")
    for name in ("title", "artist", "album", "genre", "lyrics"):
        text = getattr(tags, name)
        if text:
            file[name] = text
    file.save()


def _read(path: Path) -> dict[str, str]:
    try:
        file = mutagen.File(path)
        tags = file.tags if file is not None else None
    except _PARSER_ERRORS:
        return {}
    if tags is None:
        return {}
    values: dict[str, str] = {}
    for name, keys in _KEYS.items():
        for key in keys:
            try:
                text = _clean("\n" if name == "lyrics" else ", ", _texts(tags, key))
            except _PARSER_ERRORS:
                continue
            if text:
                values[name] = text
                break
    if isinstance(tags, ID3) and not values.get("lyrics"):
        values["lyrics"] = _timed_lyrics(tags)
    return values


def _texts(tags: Any, key: str) -> Iterator[str]:
    """Yield the texts under `key`, which belongs to one of the three tag formats."""
    if isinstance(tags, ID3):
        for frame in _frames(tags, key) if key.isupper() else ():
            text = frame.genres if key == "TCON" else frame.text
            yield from ([text] if isinstance(text, str) else map(str, text))
            if key == "USLT" and frame.text:
                return  # one language is enough
    elif isinstance(tags, MP4Tags) == (key.startswith("\xa9") or key == "aART"):
        yield from map(str, tags.get(key, ()))


def _frames(tags: ID3, key: str) -> list[Any]:
    return list(tags.getall(key))  # type: ignore[no-untyped-call]  # mutagen has half its types


def _timed_lyrics(tags: ID3) -> str:
    """Return synchronised lyrics (SYLT) in LRC form; empty if there are none."""
    try:
        for frame in _frames(tags, "SYLT"):
            if frame.format == _MILLISECONDS and frame.text:
                return "\n".join(
                    f"[{ms // 60000:02d}:{ms // 1000 % 60:02d}.{ms % 1000 // 10:02d}]"
                    + _clean("", [line])
                    for line, ms in frame.text
                )
    except _PARSER_ERRORS:
        pass
    return ""


def _clean(separator: str, texts: Iterator[str] | list[str]) -> str:
    """Join texts without what a database refuses: NUL and half surrogate pairs."""
    joined = separator.join(text.strip() for text in texts if text.strip())
    return joined.replace("\x00", " ").encode("utf-8", "replace").decode().strip()


def _from_name(path: Path) -> tuple[str, str]:
    """Return artist and title from ``Artist - Title`` or ``Title``, without a track number."""
    stem = path.stem.encode("utf-8", "replace").decode().replace("_", " ").strip()
    name = _TRACK_NUMBER.sub("", stem) or stem
    artist, separator, title = name.partition(" - ")
    if not (separator and artist.strip() and title.strip()):
        artist, title = "", name
    return artist.strip()[:300], title.strip()[:300]
