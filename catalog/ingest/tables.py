"""Tables of songs, CSV or JSONL: rows as they stand in the file, and the fields of a row.

A row is used whole or not at all. One that cannot be used is reported with its line and field, and
the others go on. No line and no row is ever held longer than `MAX_ROW_CHARS`.
"""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext

from catalog.errors import PathError
from catalog.retold import retold
from catalog.storable import storable_text
from mer.lyrics import MAX_LYRICS_BYTES, language_code, lyrics_judge

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import TextIO

MAX_SENT_BYTES: Final = 1_000_000
"""Of a table that is sent; the command reads one of any size."""
MAX_PROBLEMS: Final = 1000
"""So many rows that cannot be used are named; all are counted."""
MAX_ROW_CHARS: Final = 4 * MAX_LYRICS_BYTES
ROWS_AT_ONCE: Final = 500
_TEXTS: Final = {"title": 300, "artist": 300, "album": 300, "album_artist": 300, "genre": 200}
"""Columns of text, and the most characters of each."""
_MOST_COLUMNS: Final = 1000
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TRUTHS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, slots=True)
class Problem:
    """A row that is not used: where, which field, and what to do."""

    line: int
    field: str
    message: str


@dataclass(slots=True)
class TableReport:
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


class RowError(Exception):
    """A field that cannot be used, and what to do."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


@dataclass(frozen=True, slots=True)
class Layout:
    """The fields that a table may have, and those of which it needs one."""

    known: Collection[str]
    needed: str


def records_of_file(
    file: Path, layout: Layout, report: TableReport, advance: Callable[[int], object] | None = None
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield each row with the line on which it begins; `advance` gets the bytes that were read.

    PathError if the file cannot be read, or is neither ``.csv`` nor ``.jsonl``.
    """
    read = _READERS.get(file.suffix.lower().removeprefix("."))
    if read is None:
        raise PathError(f"{file}: is neither .csv nor .jsonl; save it as one of the two")
    try:
        with file.open("rb") as raw:
            # A byte that is no UTF-8 becomes half of a surrogate pair, which `_text` refuses.
            lines = io.TextIOWrapper(raw, "utf-8-sig", errors="surrogateescape", newline="")
            for record in read(_Lines(lines), layout, report):
                if advance is not None:
                    advance(raw.tell())
                yield record
    except OSError as error:
        raise PathError(f"{file}: cannot be read ({error.strerror}); check the path") from error


def records_of_text(
    text: str, kind: str, layout: Layout, report: TableReport
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the same of a text that was sent; `kind` is csv or jsonl."""
    plain = io.StringIO(text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}"), newline="")
    return _READERS[kind](_Lines(plain), layout, report)


class _TooLongError(Exception):
    """A row is longer than `MAX_ROW_CHARS`."""


class _Lines:
    """The lines of a file, of which a row may have several; a row that is too long is skipped."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.number = 0
        self._chars = self._quotes = 0

    def begin(self) -> int:
        """Begin a row; return the number of its first line."""
        self._chars = self._quotes = 0
        return self.number + 1

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._line()
        if self._chars <= MAX_ROW_CHARS:
            return line
        while self._quotes % 2:  # its next lines are inside a quoted field
            try:
                self._line()
            except StopIteration:
                break
        raise _TooLongError

    def _line(self) -> str:
        """Return the next line; of one that is too long, the first part."""
        part = line = self._file.readline(MAX_ROW_CHARS)
        if not line:
            raise StopIteration
        self.number += 1
        self._count(part)
        while len(part) == MAX_ROW_CHARS and not part.endswith("\n"):
            part = self._file.readline(MAX_ROW_CHARS)
            self._count(part)
        return line

    def _count(self, part: str) -> None:
        self._chars += len(part)
        self._quotes += part.count('"')


def _too_long(line: int) -> Problem:
    message = gettext("is longer than %(most)s characters; shorten it")
    return Problem(line, "", message % {"most": MAX_ROW_CHARS})


def _csv_records(
    lines: _Lines, layout: Layout, report: TableReport
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    csv.field_size_limit(MAX_ROW_CHARS)
    names, separator = _header(lines)
    _names_check(1, names, layout, report)
    reader = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        line = lines.begin()
        try:
            values = next(reader)
        except StopIteration:
            return
        except _TooLongError:
            report.refuse(_too_long(line))
            continue
        except csv.Error as error:
            wrong = gettext("is no row of CSV up to line %(last)s (%(reason)s); correct its quotes")
            report.refuse(Problem(line, "", wrong % {"last": lines.number, "reason": error}))
            continue
        if len(values) > len(names):
            more = gettext("has %(count)s fields, the first line %(names)s; quote its separators")
            report.refuse(Problem(line, "", more % {"count": len(values), "names": len(names)}))
        elif name := _broken(names, values, separator, layout):
            broken = gettext("its %(name)s goes on up to line %(last)s; correct its quotes")
            report.refuse(Problem(line, "", broken % {"name": name, "last": lines.number}))
        elif any(values):
            yield line, dict(zip(names, values, strict=False))


def _broken(names: Sequence[str], values: Sequence[str], separator: str, layout: Layout) -> str:
    """Return the first field that holds rows, because there is a quote too many."""
    for name, value in zip(names, values, strict=False):
        further = value.strip().partition("\n")[2]
        if name in layout.known and name != "lyrics" and separator in further:
            return name
    return ""


def _header(lines: _Lines) -> tuple[list[str], str]:
    """Return the names of the first line, and what separates them."""
    lines.begin()
    try:
        first = next(lines, "")
        separator = max(",;\t", key=first.count)
        names = next(csv.reader([first], delimiter=separator, strict=True), [])
    except (_TooLongError, csv.Error) as error:
        raise PathError(gettext("the first line names no columns; write their names")) from error
    return [name.strip().lower() for name in names], separator


def _json_records(
    lines: _Lines, layout: Layout, report: TableReport
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    known: set[str] = set()
    while True:
        line = lines.begin()
        try:
            text = next(lines)
        except StopIteration:
            return
        except _TooLongError:
            report.refuse(_too_long(line))
            continue
        if text.strip() and (record := _json_record(line, text, report)) is not None:
            fresh = [name for name in record if name not in known]
            known.update(fresh[: _MOST_COLUMNS - len(known)])
            _names_check(line, fresh, layout, report, is_header=False)
            yield line, record


def _json_record(line: int, text: str, report: TableReport) -> dict[str, Any] | None:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        wrong = gettext("is no JSON (%(reason)s); write one object a line")
        report.refuse(Problem(line, "", wrong % {"reason": storable_text(str(error))}))
        return None
    if isinstance(record, dict):
        return record
    report.refuse(Problem(line, "", gettext("is no object; write one in braces on each line")))
    return None


_READERS: Final[dict[str, Callable[..., Iterator[tuple[int, Mapping[str, Any]]]]]] = {
    "csv": _csv_records,
    "jsonl": _json_records,
}
KINDS: Final = tuple(_READERS)


def _names_check(
    line: int, names: list[str], layout: Layout, report: TableReport, *, is_header: bool = True
) -> None:
    """Name the columns that are not read, each once; they stop no row."""
    if is_header and layout.needed not in names:
        wrong = gettext("the first line names no column %(needed)s, but %(names)s; add it")
        given = storable_text(", ".join(names))
        raise PathError(wrong % {"needed": layout.needed, "names": given})
    unknown = [name for name in names if name and name not in layout.known]
    for name in unknown[: max(0, MAX_PROBLEMS - len(report.problems))]:
        message = gettext("is not read; the fields are %(names)s")
        known = ", ".join(layout.known)
        report.problems.append(Problem(line, storable_text(name), message % {"names": known}))


def values_of(
    record: Mapping[str, Any], fields: Mapping[str, tuple[str, Callable[[str, str], Any]]]
) -> dict[str, Any]:
    """Return what a row says, by column; fields that are empty are left out. May raise RowError."""
    return {
        column: value
        for name, (column, read) in fields.items()
        if (text := text_of(name, record.get(name))) and (value := read(name, text)) != ""
    }


def text_of(name: str, value: Any) -> str:
    """Return a field as text; empty if it says nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise RowError(name, gettext("is a list or an object; write one text"))
    text = str(value).strip()
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RowError(name, gettext("is not UTF-8; save the file as UTF-8")) from error
    if "\0" in text:
        raise RowError(name, gettext("holds a NUL character; delete it"))
    return text


def _short(name: str, text: str) -> str:
    return text_at_most(name, text, _TEXTS[name])


def text_at_most(name: str, text: str, most: int) -> str:
    """Return a text that is not longer than the database holds."""
    if len(text) > most:
        wrong = gettext("has %(count)s characters; at most %(most)s are kept")
        raise RowError(name, wrong % {"count": len(text), "most": most})
    return text


def _year(name: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", text) or not int(text):
        wrong = gettext("%(text)s: is no year; write it as 1994")
        raise RowError(name, wrong % {"text": text[:40]})
    return int(text)


def _language(name: str, text: str) -> str:
    if code := language_code(text):
        return code
    wrong = gettext("%(text)s: is no language; write a code such as en or deu")
    raise RowError(name, wrong % {"text": text[:40]})


def _explicit(name: str, text: str) -> bool:
    if (truth := _TRUTHS.get(text.lower())) is None:
        wrong = gettext("%(text)s: is neither true nor false; write one of the two")
        raise RowError(name, wrong % {"text": text[:40]})
    return truth


def _bpm(name: str, text: str) -> float:
    bpm = number_of(text)
    if not 20 <= bpm <= 400:  # as of tags
        wrong = gettext("%(text)s: is no tempo; write beats a minute, 20 to 400")
        raise RowError(name, wrong % {"text": text[:40]})
    return bpm


def number_of(text: str) -> float:
    """Return the number that a text is, also with a decimal comma; NaN if it is none."""
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return float("nan")


def _identifier(name: str, text: str) -> str:
    if not _UUID.fullmatch(text.lower()):
        wrong = gettext("%(text)s: is no id of MusicBrainz; write its 36 characters")
        raise RowError(name, wrong % {"text": text[:40]})
    return text.lower()


def _lyrics(name: str, text: str) -> str:
    lyrics_size_check(name, text)
    lyrics, reason = lyrics_judge(text.replace("\r\n", "\n"))
    if not lyrics:
        wrong = gettext("are refused: %(reason)s; correct or delete them")
        raise RowError(name, wrong % {"reason": retold(reason or "nothing in it is sung")})
    return lyrics


def lyrics_size_check(name: str, text: str) -> None:
    """Raise RowError for lyrics that are too long to be read."""
    if len(text.encode()) > MAX_LYRICS_BYTES:
        wrong = gettext("are more than %(most)s bytes; shorten them")
        raise RowError(name, wrong % {"most": MAX_LYRICS_BYTES})


FIELDS: Final[dict[str, tuple[str, Callable[[str, str], Any]]]] = {
    **{name: (name, _short) for name in _TEXTS},
    "year": ("year", _year),
    "language": ("language", _language),
    "explicit": ("is_explicit", _explicit),
    "bpm": ("bpm", _bpm),
    "musicbrainz_recording_id": ("musicbrainz_recording_id", _identifier),
    "lyrics": ("lyrics", _lyrics),
}
"""The column of a song for each field of a row, and what reads it."""
