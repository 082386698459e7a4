"""A catalogue file, CSV or JSONL: what it says of files corrects and completes their tags.

Each row names an audio file of a library. Its texts, lyrics and numbers win over the file's tags
until the file itself changes, as corrections by staff do. An empty field leaves the song as it is.
A row that cannot be used is reported with its line and field, and the others go on.
"""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext

from catalog.errors import PathError
from catalog.ingest.editing import song_complete
from catalog.models import Song
from catalog.paths import shown, to_stored
from catalog.retold import retold
from catalog.selectors import library_find
from catalog.storable import storable_text
from mer.lyrics import MAX_LYRICS_BYTES, language_code, lyrics_judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from catalog.models import Library

MAX_SENT_BYTES: Final = 1_000_000
"""Of a catalogue file that is sent; the command reads one of any size."""
MAX_PROBLEMS: Final = 1000
"""So many rows that cannot be used are named; all are counted."""
_ROWS_AT_ONCE: Final = 500
_TEXTS: Final = {"title": 300, "artist": 300, "album": 300, "album_artist": 300, "genre": 200}
"""Columns of text, and the most characters of each."""
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TRUTHS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, slots=True)
class Problem:
    """A row that is not used: where, which field, and what to do."""

    line: int
    field: str
    message: str


@dataclass(slots=True)
class CatalogueReport:
    """Numbers of rows; `refused` rows have a problem, of which the first are here."""

    changed: int = 0
    unchanged: int = 0
    refused: int = 0
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, problem: Problem) -> None:
        """Count a row that is not used."""
        self.refused += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)


class _RowError(Exception):
    """A field that cannot be used, and what to do."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    path: str
    """Of the song, below its library's root, as stored."""
    values: dict[str, Any]


def catalogue_import(*, file: Path, root: Path) -> CatalogueReport:
    """Correct and complete the songs that a catalogue file names; again, only what differs.

    Paths of its rows are below `root`, or absolute and inside it. Memory does not grow with the
    number of rows, but for one number a song. PathError if the file cannot be read, is neither
    ``.csv`` nor ``.jsonl``, or `root` is in no library.
    """
    root = root.resolve()
    library = library_find(root)
    if library is None:
        raise PathError(
            f"{shown(root)}: is in no library; ingest the folder first, or name it by --root"
        )
    report = CatalogueReport()
    return _imported(library, root, _records(file, report), report)


def catalogue_take(*, library: Library, text: str, kind: str) -> CatalogueReport:
    """Do the same with the text of a catalogue file that staff send; `kind` is csv or jsonl.

    Paths of its rows are below the library's root. PathError if its first line names no paths.
    """
    report = CatalogueReport()
    lines = io.StringIO(text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}"), newline="")
    records = _READERS[f".{kind}"](lines, report)
    return _imported(library, library.path.resolve(), records, report)


def _imported(
    library: Library,
    root: Path,
    records: Iterator[tuple[int, Mapping[str, Any]]],
    report: CatalogueReport,
) -> CatalogueReport:
    rows = _parsed(library, root, records, report)
    seen: dict[int, int] = {}
    while batch := list(islice(rows, _ROWS_AT_ONCE)):
        _apply(library, batch, seen, report)
    return report


def _apply(
    library: Library, batch: list[_Row], seen: dict[int, int], report: CatalogueReport
) -> None:
    """Write a batch; `seen` has the line of each song that an earlier row named."""
    songs = Song.objects.filter(library=library, is_available=True).select_related("album_entry")
    by_path = {s.relative_path: s for s in songs.filter(relative_path__in={r.path for r in batch})}
    for row in batch:
        song = by_path.get(row.path)
        if song is None:
            unknown = gettext(
                "%(path)s: no song of the library has this path; ingest the folder, or correct the "
                "path"
            )
            report.refuse(Problem(row.line, "path", unknown % {"path": row.path}))
        elif song.pk in seen:
            again = gettext("%(path)s: line %(line)s names it, too; delete one of the rows")
            values = {"path": row.path, "line": seen[song.pk]}
            report.refuse(Problem(row.line, "path", again % values))
        else:
            seen[song.pk] = row.line
            if song_complete(song=song, values=row.values):
                report.changed += 1
            else:
                report.unchanged += 1


def _parsed(
    library: Library,
    root: Path,
    records: Iterator[tuple[int, Mapping[str, Any]]],
    report: CatalogueReport,
) -> Iterator[_Row]:
    for line, record in records:
        try:
            path = _path(library, root, record.get("path"))
            values = {
                column: value
                for name, (column, read) in _FIELDS.items()
                if (text := _text(name, record.get(name))) and (value := read(name, text)) != ""
            }
        except _RowError as error:
            report.refuse(Problem(line, error.name, str(error)))
        else:
            yield _Row(line, path, values)


def _records(file: Path, report: CatalogueReport) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield each row with the line on which it begins."""
    read = _READERS.get(file.suffix.lower())
    if read is None:
        raise PathError(f"{file}: is neither .csv nor .jsonl; save it as one of the two")
    try:
        # A byte that is no UTF-8 becomes half of a surrogate pair, which `_text` refuses.
        with file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
            yield from read(lines, report)
    except OSError as error:
        raise PathError(f"{file}: cannot be read ({error.strerror}); check the path") from error


def _csv_records(lines: Any, report: CatalogueReport) -> Iterator[tuple[int, Mapping[str, Any]]]:
    csv.field_size_limit(4 * MAX_LYRICS_BYTES)
    first = lines.readline()
    separator = max(",;\t", key=first.count)
    names = [name.strip().lower() for name in next(csv.reader([first], delimiter=separator), [])]
    _names_check(1, names, report)
    reader = csv.reader(lines, delimiter=separator)
    while True:
        line = reader.line_num + 2
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            wrong = gettext("is no row of CSV (%(reason)s); correct its quotes")
            report.refuse(Problem(line, "", wrong % {"reason": error}))
            continue
        if len(values) > len(names):
            more = gettext("has %(count)s fields, the first line %(names)s; quote its separators")
            report.refuse(Problem(line, "", more % {"count": len(values), "names": len(names)}))
        elif any(values):
            yield line, dict(zip(names, values, strict=False))


def _json_records(lines: Any, report: CatalogueReport) -> Iterator[tuple[int, Mapping[str, Any]]]:
    known: set[str] = set()
    for line, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            wrong = gettext("is no JSON (%(reason)s); write one object a line")
            report.refuse(Problem(line, "", wrong % {"reason": error}))
            continue
        if not isinstance(record, dict):
            wrong = gettext('is no object; write {"path": …} on a line')
            report.refuse(Problem(line, "", wrong))
            continue
        fresh = [name for name in record if name not in known]
        known.update(fresh)
        _names_check(line, fresh, report, is_header=False)
        yield line, record


_READERS: Final[dict[str, Callable[..., Iterator[tuple[int, Mapping[str, Any]]]]]] = {
    ".csv": _csv_records,
    ".jsonl": _json_records,
}


def _names_check(
    line: int, names: list[str], report: CatalogueReport, *, is_header: bool = True
) -> None:
    """Name the columns that are not read, each once; they stop no row."""
    unknown = [name for name in names if name and name not in _FIELDS and name != "path"]
    for name in unknown[: max(0, MAX_PROBLEMS - len(report.problems))]:
        known = ", ".join(["path", *_FIELDS])
        message = gettext("is not read; the fields are %(names)s") % {"names": known}
        report.problems.append(Problem(line, storable_text(name), message))
    if is_header and "path" not in names:
        wrong = gettext("the first line names no column path, but %(names)s; add it")
        raise PathError(wrong % {"names": ", ".join(names)})


def _path(library: Library, root: Path, value: Any) -> str:
    """Return the path of a row below the library's root, as stored."""
    text = _text("path", value)
    if not text:
        raise _RowError("path", gettext("is empty; songs without an audio file are not taken"))
    wanted = root / text
    if "\\" in text and not wanted.exists():
        wanted = root / PurePosixPath(text.replace("\\", "/"))
    try:
        # The file itself may be a link; the folders above it are compared without links.
        wanted = wanted.parent.resolve() / wanted.name
        wanted.relative_to(root)
        return to_stored(wanted.relative_to(library.path))
    except (ValueError, OSError, PathError) as error:
        wrong = gettext("%(path)s: is not inside %(root)s; correct it or --root")
        raise _RowError("path", wrong % {"path": text, "root": shown(root)}) from error


def _text(name: str, value: Any) -> str:
    """Return a field as text; empty if it says nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise _RowError(name, gettext("is a list or an object; write one text"))
    text = str(value).strip()
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _RowError(name, gettext("is not UTF-8; save the file as UTF-8")) from error
    if "\0" in text:
        raise _RowError(name, gettext("holds a NUL character; delete it"))
    return text


def _short(name: str, text: str) -> str:
    if len(text) > _TEXTS[name]:
        wrong = gettext("has %(count)s characters; at most %(most)s are kept")
        raise _RowError(name, wrong % {"count": len(text), "most": _TEXTS[name]})
    return text


def _year(name: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", text) or not int(text):
        wrong = gettext("%(text)s: is no year; write it as 1994")
        raise _RowError(name, wrong % {"text": text[:40]})
    return int(text)


def _language(name: str, text: str) -> str:
    if code := language_code(text):
        return code
    wrong = gettext("%(text)s: is no language; write a code such as en or deu")
    raise _RowError(name, wrong % {"text": text[:40]})


def _explicit(name: str, text: str) -> bool:
    if (truth := _TRUTHS.get(text.lower())) is None:
        wrong = gettext("%(text)s: is neither true nor false; write one of the two")
        raise _RowError(name, wrong % {"text": text[:40]})
    return truth


def _bpm(name: str, text: str) -> float:
    try:
        bpm = float(text.replace(",", "."))
    except ValueError:
        bpm = 0.0
    if not 20 <= bpm <= 400:  # as of tags
        wrong = gettext("%(text)s: is no tempo; write beats a minute, 20 to 400")
        raise _RowError(name, wrong % {"text": text[:40]})
    return bpm


def _identifier(name: str, text: str) -> str:
    if not _UUID.fullmatch(text.lower()):
        wrong = gettext("%(text)s: is no id of MusicBrainz; write its 36 characters")
        raise _RowError(name, wrong % {"text": text[:40]})
    return text.lower()


def _lyrics(name: str, text: str) -> str:
    if len(text.encode()) > MAX_LYRICS_BYTES:
        wrong = gettext("are more than %(most)s bytes; shorten them")
        raise _RowError(name, wrong % {"most": MAX_LYRICS_BYTES})
    lyrics, reason = lyrics_judge(text.replace("\r\n", "\n"))
    if not lyrics:
        wrong = gettext("are refused: %(reason)s; correct or delete them")
        raise _RowError(name, wrong % {"reason": retold(reason or "nothing in it is sung")})
    return lyrics


_FIELDS: Final[dict[str, tuple[str, Callable[[str, str], Any]]]] = {
    **{name: (name, _short) for name in _TEXTS},
    "year": ("year", _year),
    "language": ("language", _language),
    "explicit": ("is_explicit", _explicit),
    "bpm": ("bpm", _bpm),
    "musicbrainz_recording_id": ("musicbrainz_recording_id", _identifier),
    "lyrics": ("lyrics", _lyrics),
}
"""The column of a song for each field of a row, and what reads it."""
