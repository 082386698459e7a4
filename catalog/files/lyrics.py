"""Where the words of a song come from: its tags, else an .lrc, else a .txt beside the file."""

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
    """The words (plain or LRC), where they stood (tag, lrc, txt or nothing), and what was passed
    over: `note` is empty or says which file was ignored and why.
    """

    text: str = ""
    source: str = ""
    note: str = ""


def lyrics_find(*, path: Path, root: Path, tag_lyrics: str) -> Lyrics:
    """Return the lyrics of the song at `path`; a file beside it that is no lyrics is noted."""
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
