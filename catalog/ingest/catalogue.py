"""A catalogue file, CSV or JSONL: what it says of files corrects and completes their tags.

Each row names an audio file of a library. Its texts, lyrics and numbers win over the file's tags
until the file itself changes, as corrections by staff do. An empty field leaves the song as it is.
A row that cannot be used is reported with its line and field, and the others go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext

from catalog.errors import PathError
from catalog.ingest.editing import song_complete
from catalog.ingest.tables import (
    FIELDS,
    ROWS_AT_ONCE,
    Layout,
    Problem,
    RowError,
    TableReport,
    records_of_file,
    records_of_text,
    text_of,
    values_of,
)
from catalog.models import Song
from catalog.paths import shown, to_stored
from catalog.selectors import library_find

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from catalog.models import Library

_LAYOUT: Final = Layout(("path", *FIELDS), "path")


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    path: str
    """Of the song, below its library's root, as stored."""
    values: dict[str, Any]


def catalogue_import(*, file: Path, root: Path) -> TableReport:
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
    report = TableReport()
    return _imported(library, root, records_of_file(file, _LAYOUT, report), report)


def catalogue_take(*, library: Library, text: str, kind: str) -> TableReport:
    """Do the same with the text of a catalogue file that staff send; `kind` is csv or jsonl.

    Paths of its rows are below the library's root. PathError if its first line names no paths.
    """
    report = TableReport()
    _audio_check(library)
    records = records_of_text(text, kind, _LAYOUT, report)
    return _imported(library, library.path.resolve(), records, report)


def _audio_check(library: Library) -> None:
    """Raise PathError for a library that is a table itself, whose rows name no files."""
    if not library.has_audio:
        wrong = gettext("%(name)s: its songs have no files; import its own table again")
        raise PathError(wrong % {"name": library.name})


def _imported(
    library: Library,
    root: Path,
    records: Iterator[tuple[int, Mapping[str, Any]]],
    report: TableReport,
) -> TableReport:
    rows = _parsed(library, root, records, report)
    seen: dict[int, int] = {}
    while batch := list(islice(rows, ROWS_AT_ONCE)):
        _apply(library, batch, seen, report)
    return report


def _apply(library: Library, batch: list[_Row], seen: dict[int, int], report: TableReport) -> None:
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
    report: TableReport,
) -> Iterator[_Row]:
    for line, record in records:
        try:
            path = _path(library, root, record.get("path"))
            values = values_of(record, FIELDS)
        except RowError as error:
            report.refuse(Problem(line, error.name, str(error)))
        else:
            yield _Row(line, path, values)


def _path(library: Library, root: Path, value: Any) -> str:
    """Return the path of a row below the library's root, as stored."""
    text = text_of("path", value)
    if not text:
        raise RowError("path", gettext("is empty; songs without audio are a library of their own"))
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
        raise RowError("path", wrong % {"path": text, "root": shown(root)}) from error
