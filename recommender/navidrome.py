"""Smart playlists of Navidrome (.nsp): rules on the tags that `catalog.tagwriting` writes.

Navidrome finds the songs itself, so a list follows when tags of songs change.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext

from catalog.errors import PathError
from mer.files import written_aside
from recommender.terms import shown

if TYPE_CHECKING:
    from pathlib import Path

MOST_SONGS: Final = 500
_MARK: Final = "Made by Affetti"
"""The comment of our files begins with it; a file without it is not replaced."""


def smart_playlist(
    word: str, *, bpm: tuple[int, int] | None = None, count: int = 100, title: str = ""
) -> str:
    """Return the rules of a list of songs with a mood, and a tempo in a range, in any order."""
    rules: list[dict[str, Any]] = [{"is": {"mood": word}}]
    if bpm:
        rules.append({"inTheRange": {"bpm": list(bpm)}})
    playlist = {
        "name": title or shown(word).capitalize(),
        "comment": f"{_MARK}: songs whose tag says {word}",
        "all": rules,
        "sort": "random",
        "limit": count,
    }
    return json.dumps(playlist, ensure_ascii=False, indent=2) + "\n"


def smart_playlist_write(
    folder: Path, word: str, *, bpm: tuple[int, int] | None = None, count: int = 100
) -> Path:
    """Write the list of a mood into a folder, and return its path.

    A file of ours is replaced, another one is not: PathError. OSError if it cannot be written.
    """
    path = folder / f"affetti-{word}.nsp"
    if path.exists() and not _is_ours(path):
        raise PathError(
            gettext("%(path)s: is not of Affetti; move it, or choose another folder")
            % {"path": path}
        )
    with written_aside(path) as part:
        part.write_text(smart_playlist(word, bpm=bpm, count=count), encoding="utf-8")
    return path


def _is_ours(path: Path) -> bool:
    try:
        playlist = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(playlist, dict) and str(playlist.get("comment", "")).startswith(_MARK)
