"""Entries of files and archives, one after the other; no file is in memory as a whole.

What a file may hold is limited: the length of a line and of an entry, the bytes that an archive
becomes when it is unpacked, counted as they come and not as the archive states them.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import lzma
import os
import zipfile
import zlib
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

from recommender.listening.heard import Place, Why

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOST_LINE: Final = 1024**2
MOST_ENTRY: Final = 4 * 1024**2
MOST_UNPACKED: Final = 4 * 1024**3
MOST_MEMBERS: Final = 10_000
MOST_DIRECTORY: Final = 4 * 1024**2
"""Of an archive, in bytes; 256 MB of it would become gigabytes of objects."""
_CHUNK: Final = 64 * 1024
_SUFFIXES: Final = (".json", ".jsonl", ".csv", ".tsv", ".txt")
_BOM: Final = "\ufeff"
_DAMAGE: Final = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError),
    *(NotImplementedError, ValueError, OSError),
)


class Entry(NamedTuple):
    """A value of JSON, or a row of a table, and where it stands."""

    place: Place
    value: Any


class Source(NamedTuple):
    """One file, of an archive or alone."""

    name: str
    stream: IO[bytes]


def sources(path: Path, name: str) -> Iterator[Source]:
    """Return the files of an archive in the order of their names, or the one file."""
    with path.open("rb", buffering=_CHUNK) as file:
        if file.read(4) != b"PK\x03\x04":
            file.seek(0)
            yield Source(name, file)
            return
    try:
        with (
            _Archive(path.open("rb", buffering=0), Place(name)) as file,
            zipfile.ZipFile(file) as archive,
        ):
            yield from _members(archive, name)
    except _DAMAGE:
        raise Place(name).refused(Why.ZIP_DAMAGED) from None


class _Archive(io.BufferedReader):
    """A file of which nothing is read that is larger than a directory of an archive may be.

    `zipfile` reads the whole directory at once, before it can be asked how many entries there are.
    """

    def __init__(self, file: io.FileIO, place: Place) -> None:
        super().__init__(file)
        self._size, self._place = os.fstat(file.fileno()).st_size, place

    def read(self, size: int | None = -1, /) -> bytes:
        """Return as much as was asked for; FileRefusedError if that is too much."""
        left = self._size - self.tell()
        asked = left if size is None or size < 0 else size
        if min(asked, left) > MOST_DIRECTORY:
            raise self._place.refused(Why.TOO_LARGE)
        return super().read(size)


def _members(archive: zipfile.ZipFile, name: str) -> Iterator[Source]:
    members = [one for one in archive.infolist() if _is_read(one.filename)]
    if len(members) > MOST_MEMBERS:
        raise Place(name).refused(Why.TOO_LARGE)
    left = [MOST_UNPACKED]
    for member in sorted(members, key=lambda one: _in_order(one.filename)):
        if member.flag_bits & 1:
            raise Place(name).refused(Why.ZIP_LOCKED)
        with archive.open(member) as stream:
            counted = io.BufferedReader(_Counted(stream, left, Place(member.filename)), _CHUNK)
            yield Source(member.filename, counted)


def _is_read(name: str) -> bool:
    last = name.rpartition("/")[2]
    return last.lower().endswith(_SUFFIXES) and not last.startswith(".") and "__MACOSX" not in name


def _in_order(name: str) -> tuple[int, str]:
    return (len(name), name)  # 2021/9 before 2021/10


class _Counted(io.RawIOBase):
    """A stream that ends with an error after too many bytes of all files of an archive."""

    def __init__(self, stream: IO[bytes], left: list[int], place: Place) -> None:
        self._stream, self._left, self._place = stream, left, place

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._stream.read(len(buffer))
        except _DAMAGE:
            raise self._place.refused(Why.ZIP_DAMAGED) from None
        self._left[0] -= len(data)
        if self._left[0] < 0:
            raise self._place.refused(Why.TOO_LARGE)
        buffer[: len(data)] = data
        return len(data)


def lines(source: Source) -> Iterator[tuple[int, str]]:
    """Return the lines of a text with their numbers, from 1."""
    number = 0
    while data := source.stream.readline(MOST_LINE + 1):
        number += 1
        place = Place(source.name, line=number)
        if len(data) > MOST_LINE:
            raise place.refused(Why.LINE_TOO_LONG)
        yield number, _decoded(data, place).removeprefix(_BOM if number == 1 else "")


def _decoded(data: bytes, place: Place) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise place.refused(Why.NO_UTF8) from None


def json_lines(source: Source) -> Iterator[Entry]:
    """Return the values of a text that has one in each line."""
    for number, line in lines(source):
        if line.strip():
            place = Place(source.name, line=number)
            yield Entry(place, _loaded(line, place))


def json_list(source: Source) -> Iterator[Entry]:
    """Return the values of a list, one by one."""
    reader = _ListReader(source)
    entry = 0
    while (value := reader.following(Place(source.name, entry=entry + 1))) is not reader:
        entry += 1
        yield Entry(Place(source.name, entry=entry), value)


def json_whole(source: Source) -> Any:
    """Return the one value of a small file."""
    data = source.stream.read(MOST_ENTRY + 1)
    place = Place(source.name)
    if len(data) > MOST_ENTRY:
        raise place.refused(Why.NO_JSON)
    return _loaded(_decoded(data, place).removeprefix(_BOM), place)


def _loaded(text: str, place: Place) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise place.refused(Why.NO_JSON) from None


class _ListReader:
    """Reads `[value, value]` in pieces; a value that is cut is read again with the next piece."""

    def __init__(self, source: Source) -> None:
        self._stream = source.stream
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._read = json.JSONDecoder().raw_decode
        self._text, self._at, self._is_over, self._is_first = "", 0, False, True

    def following(self, place: Place) -> Any:
        """Return the next value; the reader itself after the last."""
        mark = self._mark(place)
        if self._is_first:
            self._is_first = False
            if mark == _BOM:
                self._at += 1
                mark = self._mark(place)
            if mark != "[":
                raise place.refused(Why.NO_JSON)
            self._at += 1
            mark = self._mark(place)
        elif mark == ",":
            self._at += 1
            mark = self._mark(place)
        elif mark != "]":
            raise place.refused(Why.NO_JSON)
        return self if mark == "]" else self._value(place)

    def _mark(self, place: Place) -> str:
        """Return the next character that is no space."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in " \t\r\n":
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more(place, _CHUNK):
                raise place.refused(Why.NO_JSON)

    def _value(self, place: Place) -> Any:
        size = _CHUNK
        while True:
            try:
                value, end = self._read(self._text, self._at)
            except (ValueError, RecursionError):
                end = len(self._text)
            # A number that ends with the piece may go on in the next.
            if end < len(self._text):
                self._at = end
                return value
            is_long = len(self._text) - self._at > MOST_ENTRY
            if is_long or not self._more(place, size):
                raise place.refused(Why.NO_JSON)
            size *= 2

    def _more(self, place: Place, size: int) -> bool:
        if self._is_over:
            return False
        data = self._stream.read(size)
        self._is_over = not data
        try:
            self._text = self._text[self._at :] + self._decode(data, final=self._is_over)
        except UnicodeDecodeError:
            raise place.refused(Why.NO_UTF8) from None
        self._at = 0
        return not self._is_over


def table(source: Source) -> Iterator[Entry]:
    """Return the rows of comma-, semicolon- or tab-separated values."""
    numbered = lines(source)
    first = next(numbered, None)
    if first is None:
        return
    delimiter = max(",;\t", key=first[1].count)
    texts = (line for _, line in _again(first, numbered))
    rows = csv.reader(texts, delimiter=delimiter, strict=True)
    while True:
        place = Place(source.name, line=rows.line_num + 1)
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error:
            raise place.refused(Why.NO_CSV) from None
        yield Entry(place, row)


def _again(first: tuple[int, str], others: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    yield first
    yield from others
