"""The listens of a file, whichever service exported it.

The fields of an entry decide which service it is from. The name of the file does not count: people
rename files, and services rename theirs.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from recommender.errors import FileRefusedError
from recommender.listening.heard import (
    Heard,
    Place,
    Unreadable,
    Why,
    heard,
    moment_of_epoch,
    text_of,
)
from recommender.listening.streams import (
    Entry,
    Source,
    json_lines,
    json_list,
    json_whole,
    sources,
    table,
)

if TYPE_CHECKING:
    from pathlib import Path
    from typing import TypeAlias

Row: TypeAlias = "tuple[Place, Heard | Why]"  # the listen, or why it is left out
_Read: TypeAlias = Callable[[Mapping[str, Any]], "Heard | None"]

_PEEK: Final = 64 * 1024
_JSON: Final = ("[", "{", "null\n", "null\r\n")
_MOST_TRIED: Final = 50
"""Entries at the start of JSON that may be something else than listens."""
_OTHER_FILE: Final = {str(why) for why in (Why.NO_JSON, Why.NO_CSV, Why.NO_UTF8, Why.LINE_TOO_LONG)}
"""Why a file that is no history cannot be read; an archive may have such a file beside history."""
_DEEPEST: Final = 3
"""Lists within lists: pages of a service's answers."""
_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "artist": ("artist", "artist_name", "artist name", "artistname"),
    "title": ("track", "track_name", "track name", "name", "title", "song", "trackname"),
    "album": ("album", "album_name", "album name", "release", "release_name"),
    "moment": (
        *("uts", "timestamp", "unix_timestamp", "time", "date", "utc_time", "datetime"),
        *("scrobbled_at", "listened_at", "date_time"),
    ),
}
_NAMELESS: Final = ("artist", "album", "title", "moment")
"""The columns of a table without a heading, as benjaminbenben's export of Last.fm has them."""
_LATEST: Final = 10**11
"""Seconds since 1970 in the year 5138; more are thousandths of seconds."""
_MOST_NUMBER: Final = 10**18
"""JSON has integers that are no float; nothing of a listen is as large as this."""
_DATES: Final = (
    *("%d %b %Y %H:%M", "%d %b %Y, %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"),
    *("%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M"),
)


def listens_of(path: Path, name: str) -> Iterator[Row]:
    """Return the listens of a file or an archive, with the places where they stand.

    Raises `FileRefusedError` where the file cannot be read on, or if no history is in it. Of an
    archive, files without history are passed over, and those that cannot be read before their first
    listen.
    """
    is_history = is_empty = False
    refused: FileRefusedError | None = None
    for source in sources(path, name):
        try:
            begun = _begun(source)
        except FileRefusedError as error:
            if error.details["why"] not in _OTHER_FILE:
                raise
            refused = refused or error
            continue
        is_empty |= begun.is_empty
        if begun.reader is not None:
            is_history = True
            for place in begun.others:
                yield place, Why.NO_LISTEN
            yield from _read(begun.entries, begun.reader)
    if refused is not None and not is_history:
        raise refused
    if not is_history and not is_empty:
        raise Place(name).refused(Why.NO_HISTORY)


class _Begun(NamedTuple):
    """A file of which the first entries were tried."""

    others: list[Place]
    """Of entries before the first listen."""
    entries: Iterator[Entry]
    """From the first listen on."""
    reader: _Read | None
    is_empty: bool
    """Whether it is a list of nothing, as of somebody who has heard nothing."""


def _begun(source: Source) -> _Begun:
    """Look for the first listen of a file. Only places are kept of what is before it."""
    text = _start(source)
    others: list[Place] = []
    entries = _entries(source, text)
    for entry in entries:
        reader = _reader_of(entry)
        if reader is not None:
            return _Begun(others, itertools.chain([entry], entries), reader, is_empty=False)
        others.append(entry.place)
        # Prose with commas would be a table if any row of it might be the first listen.
        if len(others) == _MOST_TRIED or not text.startswith(_JSON):
            break
    return _Begun(others, entries, None, is_empty=not others and text.startswith(_JSON))


def _start(source: Source) -> str:
    start = source.stream.peek(_PEEK)[:_PEEK] if hasattr(source.stream, "peek") else b""
    return start.decode("utf-8", "ignore").lstrip("\ufeff \t\r\n")


def _entries(source: Source, start: str) -> Iterator[Entry]:
    """Return what stands in a file: values of JSON, or rows as mappings."""
    if start.startswith("["):
        return _flat(json_list(source), _DEEPEST)
    if not start.startswith(_JSON):
        return _headed(table(source))
    if _is_json_lines(start):
        return _flat(json_lines(source), _DEEPEST)
    return _flat(iter([Entry(Place(source.name), json_whole(source))]), _DEEPEST)


def _is_json_lines(text: str) -> bool:
    """Whether the first line is a whole value, or too long to tell."""
    line = text.split("\n", 1)[0].rstrip()
    is_cut = "\n" not in text and len(text) >= _PEEK // 2
    return is_cut or line == "null" or line.endswith("}")


def _flat(entries: Iterator[Entry], depth: int) -> Iterator[Entry]:
    """Take pages apart: lists of listens, and answers that hold one under `track`."""
    for entry in entries:
        inner = _page(entry.value) if depth else None
        if inner is None:
            yield entry
        else:
            yield from _flat((Entry(entry.place, value) for value in inner), depth - 1)


def _page(value: Any) -> list[Any] | None:
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        return None
    for name in ("recenttracks", "track", "scrobbles", "listens", "payload"):
        held = value.get(name)
        if isinstance(held, list) or (name in ("recenttracks", "payload") and held):
            return held if isinstance(held, list) else [held]
    return None


def _headed(rows: Iterator[Entry]) -> Iterator[Entry]:
    """Return rows as mappings, by the heading or by the usual order."""
    names: list[str] = []
    for place, row in rows:
        if not any(cell.strip() for cell in row):
            continue
        if not names:
            names = _heading(row) or list(_NAMELESS)
            if _heading(row):
                continue
        yield Entry(place, dict(zip(names, row, strict=False)) | {"row": True})


def _heading(row: list[str]) -> list[str]:
    """Return our names of the columns; none if the row is no heading.

    Of two columns with one meaning, such as a time in seconds and one in words, the first counts.
    """
    names: list[str] = []
    for cell in row:
        plain = cell.strip().lower()
        known = next((ours for ours, theirs in _COLUMNS.items() if plain in theirs), "")
        names.append(known if known and known not in names else plain)
    return names if {"artist", "title"} <= set(names) else []


def _read(entries: Iterator[Entry], reader: _Read) -> Iterator[Row]:
    for place, value in entries:
        try:
            if not isinstance(value, dict):
                raise Unreadable(Why.NO_LISTEN)
            found = reader(value)
        except Unreadable as error:
            yield place, error.why
        else:
            if found is not None:
                yield place, found


def _reader_of(entry: Entry) -> _Read | None:
    value = entry.value
    if not isinstance(value, dict):
        return None
    return next((read for keys, read in _READERS if keys <= value.keys()), None)


def _of_listenbrainz(value: Mapping[str, Any]) -> Heard:
    return heard_of_payload(value)


def heard_of_payload(value: Mapping[str, Any], moment: datetime | None = None) -> Heard:
    """Return a listen of ListenBrainz, of its export or of a program that submits it.

    `moment` stands for `listened_at`, which a track that is playing does not have. Raises
    `Unreadable`.
    """
    track = _mapping(value.get("track_metadata"))
    more = _mapping(track.get("additional_info"))
    mapped = _mapping(track.get("mbid_mapping"))
    length: Any = more.get("duration_ms")
    return heard(
        artist=track.get("artist_name"),
        title=track.get("track_name"),
        album=track.get("release_name"),
        moment=moment or moment_of_epoch(value.get("listened_at")),
        recording_id=more.get("recording_mbid") or mapped.get("recording_mbid"),
        seconds_played=more.get("duration_played"),
        duration_seconds=length / 1000 if _is_number(length) else more.get("duration"),
    )


def _of_lastfm(value: Mapping[str, Any]) -> Heard | None:
    """Return a listen of an answer of Last.fm, None for what is playing now."""
    if _mapping(value.get("@attr")).get("nowplaying"):
        return None
    date = value.get("date")
    moment = _mapping(date).get("uts") or value.get("uts") or value.get("timestamp") or date
    return heard(
        artist=_named(value.get("artist")),
        title=_named(value.get("name") or value.get("track") or value.get("title")),
        album=_named(value.get("album")),
        moment=_moment_of_text(moment),
        recording_id=value.get("mbid"),
    )


def _of_row(value: Mapping[str, Any]) -> Heard:
    return heard(
        artist=value.get("artist"),
        title=value.get("title"),
        album=value.get("album"),
        moment=_moment_of_text(value.get("moment")),
        recording_id=value.get("track_mbid"),
    )


def _of_spotify(value: Mapping[str, Any]) -> Heard | None:
    """Return a stream of the extended history, None for what is no music."""
    title = value.get("master_metadata_track_name")
    if title is None:
        return None
    return _ended(
        value.get("ts"),
        value.get("ms_played"),
        artist=value.get("master_metadata_album_artist_name"),
        title=title,
        album=value.get("master_metadata_album_album_name"),
    )


def _of_short_spotify(value: Mapping[str, Any]) -> Heard:
    return _ended(
        value.get("endTime"),
        value.get("msPlayed"),
        artist=value.get("artistName"),
        title=value.get("trackName"),
    )


def _ended(end: Any, milliseconds: Any, **names: Any) -> Heard:
    """Return a listen of which the end is known."""
    if not _is_number(milliseconds) or not 0 <= milliseconds < 10**9:
        raise Unreadable(Why.NO_TIME)
    try:
        moment = _moment_of_text(end) - timedelta(milliseconds=milliseconds)
    except OverflowError:  # of the year 1
        raise Unreadable(Why.NO_TIME) from None
    return heard(moment=moment.replace(microsecond=0), seconds_played=milliseconds / 1000, **names)


_READERS: Final[tuple[tuple[frozenset[str], _Read], ...]] = (
    (frozenset({"row", "artist", "title", "moment"}), _of_row),
    (frozenset({"track_metadata"}), _of_listenbrainz),
    (frozenset({"ts", "ms_played"}), _of_spotify),
    (frozenset({"endTime", "msPlayed", "trackName"}), _of_short_spotify),
    (frozenset({"artist", "name"}), _of_lastfm),
    (frozenset({"artist", "track"}), _of_lastfm),
    (frozenset({"artist", "title"}), _of_lastfm),
)


def _moment_of_text(value: Any) -> datetime:
    """Return a time that is seconds since 1970, or a date in words; without a zone it is UTC."""
    text = text_of(value) if isinstance(value, str) else ""
    if not text or text.replace(".", "", 1).isdecimal():
        seconds = float(text or value) if text or _is_number(value) else None
        # Some exports count milliseconds.
        return moment_of_epoch(seconds / 1000 if seconds and seconds > _LATEST else seconds)
    try:
        return _in_utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        pass
    for form in _DATES:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise Unreadable(Why.NO_TIME)


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _named(value: Any) -> Any:
    """Return a name that is a text, or an object of Last.fm that holds one."""
    held = _mapping(value)
    return held.get("#text") or held.get("name") if held else value


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_number(value: Any) -> bool:
    """Whether a value is a number that a listen may have; NaN and infinity are not."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and -_MOST_NUMBER < value < _MOST_NUMBER
