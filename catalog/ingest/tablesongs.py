"""Songs without audio: a library that is a table, CSV or JSONL, each row a song.

A row has a key: its ``id``, else its MusicBrainz id, else its ISRC, else artist, title and album.
The key is the song's `relative_path`, and the song's bytes are a hash of library and key. What the
row says is hashed, too, and stands in place of the size and time of a file. So the same table
changes nothing, staff's corrections stay until the row itself changes, and a song is analysed again
only if the model's inputs differ.

The model analyses such a song by lyrics, title and artist. `Song.has_audio` is False.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from catalog.errors import PathError
from catalog.files.lyrics import ONLINE
from catalog.files.names import folded
from catalog.files.tags import Tags
from catalog.ingest.songtags import Names, SongTags, fresh_tags_write
from catalog.ingest.tablekeys import keys_of
from catalog.ingest.tablelock import table_held
from catalog.ingest.tables import (
    FIELDS,
    ROWS_AT_ONCE,
    Layout,
    Problem,
    RowError,
    TableReport,
    lyrics_size_check,
    number_of,
    records_of_file,
    records_of_text,
    text_at_most,
    text_of,
    values_of,
)
from catalog.ingest.upsert import libraries_lock
from catalog.keys import key_find
from catalog.models import NO_AUDIO_HASH, Library, LyricsLookup, Song, SongEmotion
from catalog.work.queue import PENDING_AGAIN, songs_dispatch
from mer.lyrics import clean_lyrics, lyrics_judge

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path

TABLE_ROOT: Final = "table:"
"""What the `root` of a table's library begins with; no path does."""
_MOST_NAME: Final = 200
_LIST_SEPARATOR: Final = re.compile(r"\s*[;|]\s*")
_CLOCK: Final = re.compile(r"(?:(\d{1,3}):)?(\d{1,3}):(\d{2}(?:[.,]\d{1,3})?)")
_LONGEST_SECONDS: Final = 7 * 24 * 3600
_MOST_VALUES: Final = 50


@dataclass(slots=True)
class SongTableReport(TableReport):
    """Numbers of rows, as of `TableReport`, and of songs that are no longer in the table."""

    added: int = 0
    restored: int = 0
    removed: int = 0
    """Rows of songs that staff removed; they stay removed."""
    missing: int = 0
    """Songs that have no row any more, and are marked as gone."""
    kept: int = 0
    """Songs that have no row any more, and stay; `kept_reason` says why."""
    kept_reason: str = ""
    is_blind: bool = False
    """Whether some row could not be read so far that its song is known."""

    def refuse(self, problem: Problem) -> None:
        """Count a row that is not used."""
        TableReport.refuse(self, problem)
        self.is_blind |= not problem.field


@dataclass(slots=True)
class _Run:
    """An import under way."""

    library: Library
    report: SongTableReport
    seen: dict[int, int] = field(default_factory=dict)
    """The line of each key, by the key's hash."""


class _Row(NamedTuple):
    line: int
    key: str
    others: tuple[str, ...]
    """The keys that it had if the columns of the first one were not there."""
    values: dict[str, Any] | None
    """What the row says, by column; None if it cannot be used."""


def table_library(*, name: str) -> Library:
    """Return the library of songs without audio that has this name, made if there is none.

    PathError for a name that no library can have.
    """
    clean = " ".join(name.replace("\0", " ").split())[:_MOST_NAME]
    if not clean:
        raise PathError(gettext("the library has no name; give it one"))
    with transaction.atomic():
        libraries_lock()
        tables = Library.objects.filter(kind=Library.Kind.TABLE, name=clean, is_going=False)
        known = tables.order_by("pk").first()
        return known or Library.objects.create(
            name=clean, kind=Library.Kind.TABLE, root=f"{TABLE_ROOT}{uuid.uuid4().hex}"
        )


def table_import(
    *,
    library: Library,
    file: Path,
    accept_empty: bool = False,
    advance: Callable[[int], object] | None = None,
) -> SongTableReport:
    """Make the songs of a library those of a table; `advance` gets the bytes that were read.

    Memory does not grow with the number of rows, but for two numbers a song. Songs without a row
    become unavailable, like songs whose file is gone. They stay if they are more than half of the
    library and `accept_empty` is False, or if the song of some row is not known. PathError if the
    file cannot be read.
    """
    report = SongTableReport()
    records = records_of_file(file, _LAYOUT, report, advance)
    return _imported(_Run(library, report), records, accept_empty=accept_empty, is_whole=True)


def table_take(
    *, library: Library, text: str, kind: str, is_whole: bool = True, accept_empty: bool = False
) -> SongTableReport:
    """Do the same with the text of a table that staff send; `kind` is csv or jsonl.

    Unless it `is_whole`, songs without a row stay as they are.
    """
    report = SongTableReport()
    records = records_of_text(text, kind, _LAYOUT, report)
    return _imported(_Run(library, report), records, accept_empty=accept_empty, is_whole=is_whole)


def _imported(
    run: _Run,
    records: Iterator[tuple[int, Mapping[str, Any]]],
    *,
    accept_empty: bool,
    is_whole: bool,
) -> SongTableReport:
    if run.library.has_audio:
        wrong = gettext("%(name)s: is a folder of audio files; give the table another name")
        raise PathError(wrong % {"name": run.library.name})
    with table_held(run.library):
        rows = _rows(run, records)
        while batch := list(islice(rows, ROWS_AT_ONCE)):
            _write(run, batch)
            songs_dispatch()
        if is_whole:
            _missing_mark(run, accept_empty=accept_empty)
    Library.objects.filter(pk=run.library.pk).update(scanned_at=timezone.now())
    return run.report


def _rows(run: _Run, records: Iterator[tuple[int, Mapping[str, Any]]]) -> Iterator[_Row]:
    """Yield the rows whose key is known; those without one are refused."""
    for line, record in records:
        try:
            texts = _joined(record)
            key, *others = keys_of(texts)
        except RowError as error:
            run.report.refuse(Problem(line, error.name, str(error)))
            run.report.is_blind = True
            continue
        try:
            yield _Row(line, key, tuple(others), _values(texts))
        except RowError as error:
            run.report.refuse(Problem(line, error.name, str(error)))
            yield _Row(line, key, tuple(others), None)


def _joined(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row whose lists of texts, which JSON may have, are texts."""
    texts = dict(record)
    for name in _LISTS:
        if isinstance(value := texts.get(name), list):
            texts[name] = "; ".join(text_of(name, one) for one in value[:_MOST_VALUES])
    return texts


def _values(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a row says, by column; RowError if a field cannot be used."""
    values = values_of(record, _FIELDS)
    if not values.get("title"):
        raise RowError("title", gettext("is empty; name the song"))
    return values


@transaction.atomic
def _write(run: _Run, batch: Sequence[_Row]) -> None:
    """Write rows in one transaction; one import of a library writes at a time."""
    library = Library.objects.select_for_update().filter(pk=run.library.pk).first()
    if library is None or library.is_going:
        raise PathError(gettext("%(name)s: is being removed") % {"name": run.library.name})
    known = _known(library, {row.key for row in batch})
    known |= _rekeyed(run, library, known, batch)
    names, fresh = Names(), list[tuple[Song, SongTags]]()
    wanted = [row.values for row in batch if row.values and row.key not in known]
    names.learn(*({folded(one.get(name, "")) for one in wanted} for name in ("artist", "album")))
    for row in batch:
        if _is_second(run, row) or row.values is None:
            continue
        stamp = _stamp(row.values)
        song = known.get(row.key)
        if song is None:
            fresh.append(_new_song(library, row, stamp, names))
        elif song.is_removed:
            run.report.removed += 1
        elif (song.file_size_bytes, song.file_mtime_ns) != stamp:
            _change(song, row.values, stamp, names)
            run.report.changed += 1
        elif song.is_available:
            run.report.unchanged += 1
        else:
            Song.objects.filter(pk=song.pk).update(is_available=True, updated_at=timezone.now())
            run.report.restored += 1
    Song.objects.bulk_create([song for song, _ in fresh])
    fresh_tags_write([told for _, told in fresh])
    run.report.added += len(fresh)


def _known(library: Library, keys: Collection[str]) -> dict[str, Song]:
    found = Song.objects.filter(library=library, relative_path__in=keys)
    return {song.relative_path: song for song in found.order_by("is_available", "pk")}


def _rekeyed(
    run: _Run, library: Library, known: Mapping[str, Song], batch: Sequence[_Row]
) -> dict[str, Song]:
    """Give songs the keys of rows that are new, and had others before a column was added."""
    rows = [row for row in batch if row.key not in known]
    others = {key for row in rows for key in row.others} - {row.key for row in batch}
    former = _known(library, [key for key in others if hash(key) not in run.seen])
    moved: dict[str, Song] = {}
    for row in rows:
        name = next((key for key in row.others if key in former), None)
        if row.key in moved or name is None:
            continue
        song = moved[row.key] = former.pop(name)
        before = song.input_sha256
        song.relative_path, song.content_sha256 = row.key, _content(library, row.key)
        song.save(update_fields=["relative_path", "content_sha256", "updated_at"])
        # The model reads the same; the hash names the key, too.
        told = SongEmotion.objects.filter(song=song, input_sha256=before)
        told.update(input_sha256=song.input_sha256)
    return moved


def _content(library: Library, key: str) -> str:
    """Return what stands for the bytes of a song."""
    return hashlib.sha256(f"{library.root}\0{key}".encode()).hexdigest()


def _is_second(run: _Run, row: _Row) -> bool:
    """Remember the line of a key; a row of one that was there before is refused."""
    first = run.seen.setdefault(hash(row.key), row.line)
    if first == row.line:
        return False
    if row.values is not None:
        again = gettext("line %(line)s names the same song; delete one of the rows, or give ids")
        run.report.refuse(Problem(row.line, "id", again % {"line": first}))
    return True


def _stamp(values: Mapping[str, Any]) -> tuple[int, int]:
    """Return what stands for the size and the time of the file of a song."""
    text = json.dumps([_VERSION, values], sort_keys=True).encode()
    return len(text), int.from_bytes(hashlib.sha256(text).digest()[:8]) >> 1


def _new_song(
    library: Library, row: _Row, stamp: tuple[int, int], names: Names
) -> tuple[Song, SongTags]:
    """Return a song that is not saved, and what else its row says."""
    song = Song(library=library, relative_path=row.key, audio_sha256=NO_AUDIO_HASH)
    song.content_sha256 = _content(library, row.key)
    song.file_size_bytes, song.file_mtime_ns = stamp
    values = row.values or {}
    told = _told(song, values, names, {**_columns(values), **_lyrics_columns(values)})[0]
    song.texts_fold()
    song.artist_key, song.is_recording_checked = told.artist_key, True
    return song, told


def _change(song: Song, values: Mapping[str, Any], stamp: tuple[int, int], names: Names) -> None:
    """Save what a changed row says; the song is analysed again if the model's inputs differ."""
    before, names_before = song.input_sha256, (song.title, song.artist)
    size, moment = stamp
    columns = {
        **_columns(values),
        "file_size_bytes": size,
        "file_mtime_ns": moment,
        "is_available": True,
    }
    is_renamed = names_before != (columns["title"], columns["artist"])
    if is_renamed:
        LyricsLookup.objects.filter(song=song).delete()  # it is another question
    keeps_online = song.lyrics_source == ONLINE and not is_renamed and not values.get("lyrics")
    if song.lyrics_source != _BY_STAFF and not keeps_online:
        columns |= _lyrics_columns(values)
        if clean_lyrics(song.lyrics) != clean_lyrics(str(columns["lyrics"])):
            song.forget_lyrics()
    told, columns = _told(song, values, names, columns)
    if before != song.input_sha256 or song.status == Song.Status.FAILED:
        columns |= PENDING_AGAIN
        for name, value in PENDING_AGAIN.items():
            setattr(song, name, value)
    song.save(update_fields=[*columns, "updated_at"])
    told.write(is_new=False)


def _told(
    song: Song, values: Mapping[str, Any], names: Names, columns: dict[str, Any]
) -> tuple[SongTags, dict[str, Any]]:
    """Set the columns of a song; return its artists and genres, and all columns."""
    for name, value in columns.items():
        setattr(song, name, value)
    told = SongTags(song, _tags(values), names)
    for name, value in told.values.items():
        setattr(song, name, value)
    return told, {**columns, **told.values}


def _columns(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a song that are no tags in the tables of artists and genres."""
    key = values.get("key")
    genres = "; ".join(values.get("genres", ()))[:200]
    return {
        **{name: values.get(name, "") for name in ("title", "artist", "album")},
        "genre": genres or values.get("genre", ""),
        "year": values.get("year"),
        "duration_seconds": values.get("duration_seconds"),
        "estimated_key": key,
        "key_confidence": None if key is None else 1.0,
    }


def _lyrics_columns(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the lyrics of a row, or why they are refused; a song without lyrics is one, too."""
    text, reason = lyrics_judge(values.get("lyrics", "").replace("\r\n", "\n"))
    return {
        "lyrics": text,
        "lyrics_source": "table" if text else "",
        "lyrics_note": "" if text or not values.get("lyrics") else reason or "",
    }


def _tags(values: Mapping[str, Any]) -> Tags:
    columns = _columns(values)
    return Tags(
        **{name: columns[name] for name in ("title", "artist", "album", "genre", "year")},
        artist_values=(columns["artist"],),
        genres=values.get("genres") or _split("genre", columns["genre"]),
        moods=values.get("moods", ()),
        is_explicit=values.get("is_explicit"),
        bpm=values.get("bpm"),
        replaygain_db=values.get("replaygain_db"),
        track_number=values.get("track_number"),
        disc_number=values.get("disc_number"),
        **{name: values.get(name, "") for name in ("album_artist", "language", _MBID)},
    )


def _missing_mark(run: _Run, *, accept_empty: bool) -> None:
    """Mark the songs that have no row any more, or say why they stay."""
    songs = Song.objects.filter(library=run.library, is_available=True)
    keys = songs.order_by().values_list("pk", "relative_path").iterator()
    total, gone = 0, list[int]()
    for pk, key in keys:
        total += 1
        if hash(key) not in run.seen:
            gone.append(pk)
    if gone and run.report.is_blind:
        reason = gettext("some rows could not be read, so their songs are not known; correct them")
    elif 2 * len(gone) > total and not accept_empty:
        reason = gettext("more than half of the songs would go; say that the table is whole")
    else:
        for at in range(0, len(gone), ROWS_AT_ONCE):
            some = Song.objects.filter(pk__in=gone[at : at + ROWS_AT_ONCE])
            run.report.missing += some.update(is_available=False, updated_at=timezone.now())
        return
    run.report.kept, run.report.kept_reason = len(gone), reason


def _seconds(name: str, text: str) -> float:
    clock = _CLOCK.fullmatch(text)
    if clock:
        hours, minutes = int(clock[1] or 0), int(clock[2])
        seconds = 3600 * hours + 60 * minutes + number_of(clock[3])
    else:
        seconds = number_of(text)
    if not 0 < seconds <= _LONGEST_SECONDS:
        wrong = gettext("%(text)s: is no length; write seconds, or 3:25")
        raise RowError(name, wrong % {"text": text[:40]})
    return seconds


def _musical_key(name: str, text: str) -> int:
    if (code := key_find(text[:40])) is None:
        wrong = gettext("%(text)s: is no key; write it as A minor, F# major or 8A")
        raise RowError(name, wrong % {"text": text[:40]})
    return code


def _split(name: str, text: str) -> tuple[str, ...]:
    parts = [text_at_most(name, part, 100) for part in _LIST_SEPARATOR.split(text) if part]
    return tuple(dict.fromkeys(parts))[:_MOST_VALUES]


def _whole(name: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", text):
        wrong = gettext("%(text)s: is no whole number below 10,000")
        raise RowError(name, wrong % {"text": text[:40]})
    return int(text)


def _gain(name: str, text: str) -> float:
    gain = number_of(text.lower().removesuffix("db").strip())
    if not -60 <= gain <= 60:
        wrong = gettext("%(text)s: is no gain; write decibels, -60 to 60")
        raise RowError(name, wrong % {"text": text[:40]})
    return gain


def _raw_lyrics(name: str, text: str) -> str:
    lyrics_size_check(name, text)
    return text


_VERSION: Final = 1
"""Of what is read of a row; with another one every row counts as changed."""
_BY_STAFF: Final = "admin"
"""`Song.lyrics_source` of lyrics that staff typed; they stay."""
_MBID: Final = "musicbrainz_recording_id"
_WHOLES: Final = ("track_number", "disc_number")
_LISTS: Final = ("genre", "genres", "moods")
_FIELDS: Final[dict[str, tuple[str, Callable[[str, str], Any]]]] = {
    **FIELDS,
    "lyrics": ("lyrics", _raw_lyrics),
    "genres": ("genres", _split),
    "moods": ("moods", _split),
    "duration_seconds": ("duration_seconds", _seconds),
    "key": ("key", _musical_key),
    "replaygain_db": ("replaygain_db", _gain),
    **{name: (name, _whole) for name in _WHOLES},
}
"""The column for each field of a row, and what reads it."""
_LAYOUT: Final = Layout(("id", "isrc", *_FIELDS), "title")
