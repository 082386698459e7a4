"""JSPF, which is XSPF as JSON (https://www.xspf.org/jspf)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from recommender.exports.format import ExportFormat, location_uri, plain_text

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


FORMAT: Final = ExportFormat(
    name="JSPF", suffix="jspf", media_type="application/jspf+json", write=_write
)
