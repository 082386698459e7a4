"""XSPF 1, the XML Shareable Playlist Format (https://www.xspf.org/spec)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET
from xml.parsers import expat

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

_DEEPEST: Final = 50
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


def _read(text: str) -> FilePlaylist:
    """Return a list of an XSPF file; one that declares a type of document is refused."""
    root = _parsed(text)
    tracks = root.find("{*}trackList")
    if root.tag.rpartition("}")[2] != "playlist" or tracks is None:
        raise unreadable("XSPF")
    return FilePlaylist(_text(root, "title"), tuple(map(_entry, tracks.iterfind("{*}track"))))


def _parsed(text: str) -> ET.Element:
    """Return the tree of a document without entities: only a type of document can declare them."""
    builder = ET.TreeBuilder()
    parser = expat.ParserCreate("utf-8", "}")
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise unreadable("XSPF")
        builder.start(f"{{{tag}" if "}" in tag else tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(f"{{{tag}" if "}" in tag else tag)

    def refuse(*_: object) -> None:
        raise unreadable("DOCTYPE")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(text.encode(), True)  # noqa: FBT003  # it takes no names
    except expat.ExpatError as error:
        raise unreadable("XML") from error
    return builder.close()


def _entry(track: ET.Element) -> FileEntry:
    duration = _text(track, "duration")
    is_number = duration.isascii() and duration.isdecimal() and len(duration) < 10
    return FileEntry(
        location=_text(track, "location"),
        title=_text(track, "title"),
        artist=_text(track, "creator"),
        album=_text(track, "album"),
        identifiers=tuple((one.text or "").strip() for one in track.iterfind("{*}identifier")),
        duration_seconds=int(duration) / 1000 if is_number and int(duration) else None,
    )


def _text(parent: ET.Element, tag: str) -> str:
    return (parent.findtext(f"{{*}}{tag}") or "").strip()


FORMAT: Final = ExportFormat(
    name="XSPF", suffix="xspf", media_type="application/xspf+xml", write=_write, read=_read
)
