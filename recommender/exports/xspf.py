"""XSPF 1, the XML Shareable Playlist Format (https://www.xspf.org/spec)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from recommender.exports.format import ExportFormat, location_uri, plain_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from catalog.models import Song
    from recommender.exports.format import ExportEntry

NAMESPACE: Final = "http://xspf.org/ns/0/"


def _write(
    entries: Sequence[ExportEntry],
    *,
    location: Callable[[Song], str],
    name: str = "",
    notes: Sequence[str] = (),
) -> str:
    """Return a list as XML; characters that XML cannot hold are left out."""
    playlist = ET.Element("playlist", {"version": "1", "xmlns": NAMESPACE})
    _add(playlist, "title", name)
    _add(playlist, "annotation", " ".join(notes))
    tracks = ET.SubElement(playlist, "trackList")
    for entry in entries:
        song = entry.song
        track = ET.SubElement(tracks, "track")
        _add(track, "location", location_uri(location(song)))
        _add(track, "title", song.shown_title)
        _add(track, "creator", song.artist)
        _add(track, "album", song.album)
        if song.duration_seconds is not None:
            _add(track, "duration", str(round(1000 * song.duration_seconds)))
    ET.indent(playlist)
    text = ET.tostring(playlist, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _add(parent: ET.Element, tag: str, text: str) -> None:
    """Add an element, unless it would be empty."""
    if text := plain_text(text):
        ET.SubElement(parent, tag).text = text


FORMAT: Final = ExportFormat(
    name="XSPF", suffix="xspf", media_type="application/xspf+xml", write=_write
)
