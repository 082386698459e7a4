"""The lyrics of a song: from its tags, else from a file beside it, if they are lyrics at all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from catalog.errors import STORE_ERRORS, FileUnusableError, PathError
from catalog.paths import entries_in, file_held, folder_stamp, seen_stamp
from mer.errors import LyricsError
from mer.lyrics import (
    MAX_LYRICS_BYTES,
    SUBTITLES,
    lrc_from_subtitles,
    lyrics_judge,
    read_lyrics,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ONLINE: Final = "lrclib"
"""`Song.lyrics_source` of lyrics that a server had; those of the file win."""
ONLINE_REFUSED: Final = "the lyrics of LRCLIB ignored: "
LYRICS_SUFFIXES: Final = ("lrc", *SUBTITLES, "txt")


@dataclass(frozen=True, slots=True)
class Lyrics:
    """The lyrics of a song, plain or LRC.

    `source` is tag, the suffix of a file, or empty. `note` says what was ignored and why.
    """

    text: str = ""
    source: str = ""
    note: str = ""


def lyrics_find(*, path: Path, root: Path, tag_lyrics: str) -> Lyrics:
    """Return the lyrics of the song at `path`; what cannot be used is noted with the reason.

    Files are ``song.lrc`` and ``song.mp3.lrc`` in any case, also as .srt, .vtt, .ttml and .txt.
    """
    notes: list[str] = []
    if len(tag_lyrics.encode()) > MAX_LYRICS_BYTES:
        notes.append(f"the lyrics in the tags ignored: more than {MAX_LYRICS_BYTES} bytes")
    elif tag_lyrics:
        text, reason = lyrics_judge(tag_lyrics)
        if text:
            return Lyrics(text, "tag")
        notes += [f"the lyrics in the tags ignored: {reason}"] if reason else []
    for source, sidecar in _sidecars(path):
        try:
            with file_held(root, sidecar, known=seen_stamp(sidecar)) as here:
                text = read_lyrics(here)
        except STORE_ERRORS:
            raise
        except (LyricsError, PathError, FileUnusableError) as error:
            # Listeners read the note: it names the file, not its folders.
            reason = str(error).rpartition(f"{sidecar.name}: ")[2]
            notes.append(f"{sidecar.name} ignored: {reason}")
            continue
        if source in SUBTITLES:
            text = lrc_from_subtitles(text)
        text, reason = lyrics_judge(text.replace("\x00", ""))
        if text:
            return Lyrics(text, source, "; ".join(notes))
        notes += [f"{sidecar.name} ignored: {reason}"] if reason else []
    return Lyrics(note="; ".join(notes))


def _sidecars(path: Path) -> Iterator[tuple[str, Path]]:
    """Yield the lyrics files beside a song, the preferred one first."""
    try:
        stamp = folder_stamp(path.parent)
    except OSError:
        return
    names = _lyrics_files(path.parent, stamp)
    for suffix in LYRICS_SUFFIXES:
        for stem in (path.stem, path.name):
            for name in names.get(f"{stem}.{suffix}".casefold(), ()):
                yield suffix, path.parent / name


@lru_cache(maxsize=32)
def _lyrics_files(folder: Path, _stamp: int) -> dict[str, list[str]]:
    """Return the names of the lyrics files in a folder, by the name without case."""
    names: dict[str, list[str]] = {}
    try:
        with entries_in(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                suffix = entry.name.rpartition(".")[2].lower()
                if suffix in LYRICS_SUFFIXES and entry.is_file():
                    names.setdefault(entry.name.casefold(), []).append(entry.name)
    except OSError:
        return {}
    return names
