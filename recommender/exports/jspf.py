"""JSPF, which is XSPF as JSON (https://www.xspf.org/jspf)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from recommender.exports.format import (
    ExportFormat,
    FileEntry,
    FilePlaylist,
    location_uri,
    plain_text,
    unreadable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from catalog.models import Song
    from recommender.exports.format import ExportEntry


def _write(
    entries: Sequence[ExportEntry],
    *,
    location: Callable[[Song], str],
    name: str = "",
    notes: Sequence[str] = (),
) -> str:
    """Return a list as JSON, with the members that it has a value for."""
    tracks = [_track(entry.song, location_uri(location(entry.song))) for entry in entries]
    playlist = _filled({"title": plain_text(name), "annotation": plain_text(" ".join(notes))})
    whole = {"playlist": {**playlist, "track": tracks}}
    return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"


def _track(song: Song, uri: str) -> dict[str, Any]:
    seconds = song.duration_seconds
    return _filled(
        {
            "location": [uri] if uri else None,
            "title": plain_text(song.shown_title),
            "creator": plain_text(song.artist),
            "album": plain_text(song.album),
            "duration": None if seconds is None else round(1000 * seconds),
        }
    )


def _filled(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value not in (None, "")}


def _read(text: str) -> FilePlaylist:
    """Return a list of a JSPF file."""
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise unreadable("JSON") from error
    playlist = whole.get("playlist") if isinstance(whole, dict) else None
    tracks = playlist.get("track", []) if isinstance(playlist, dict) else None
    if not isinstance(playlist, dict) or not isinstance(tracks, list):
        raise unreadable("JSPF")
    entries = (_entry(track) for track in tracks if isinstance(track, dict))
    return FilePlaylist(_text(playlist.get("title")), tuple(entries))


def _entry(track: dict[str, Any]) -> FileEntry:
    duration: Any = track.get("duration")
    is_number = isinstance(duration, int | float) and not isinstance(duration, bool)
    return FileEntry(
        location=next(iter(_texts(track.get("location"))), ""),
        title=_text(track.get("title")),
        artist=_text(track.get("creator")),
        album=_text(track.get("album")),
        identifiers=tuple(_texts(track.get("identifier"))),
        duration_seconds=duration / 1000 if is_number and 0 < duration < 10**9 else None,
    )


def _texts(value: Any) -> list[str]:
    """Return one text or many, as a list; some programs write the one without a list."""
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


FORMAT: Final = ExportFormat(
    name="JSPF", suffix="jspf", media_type="application/jspf+json", write=_write, read=_read
)
