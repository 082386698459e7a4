"""The lyrics of a song: from its tags, else from an .lrc, else from a .txt beside the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from catalog.errors import PathError
from catalog.paths import resolve_inside
from mer.errors import LyricsError
from mer.lyrics import MAX_LYRICS_BYTES, read_lyrics

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Lyrics:
    """The lyrics of a song, plain or LRC.

    `source` is tag, lrc, txt or empty. `note` names a file that was ignored, with the reason.
    """

    text: str = ""
    source: str = ""
    note: str = ""


def lyrics_find(*, path: Path, root: Path, tag_lyrics: str) -> Lyrics:
    """Return the lyrics of the song at `path`; a file beside it that cannot be used is noted."""
    if tag_lyrics and len(tag_lyrics.encode()) <= MAX_LYRICS_BYTES:
        return Lyrics(tag_lyrics, "tag")
    note = ""
    for source in ("lrc", "txt"):
        sidecar = path.with_suffix(f".{source}")
        if not sidecar.is_file():
            continue
        try:
            text = read_lyrics(resolve_inside(root, sidecar))
        except (LyricsError, PathError) as error:
            note = f"{sidecar.name} ignored: {error}"
            continue
        if text.strip():
            return Lyrics(text.replace("\x00", "").strip(), source, note)
    return Lyrics(note=note)
