"""The first sheet of an .xlsx workbook as rows of text, by the standard library.

It avoids a spreadsheet package for the one data set that needs it. Formulas are not evaluated.
"""

from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree

from mer.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SPACE: Final = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_SHEET: Final = "xl/worksheets/sheet1.xml"
_STRINGS: Final = "xl/sharedStrings.xml"


def read_sheet(
    path: Path, columns: Sequence[str], *, licence: str
) -> list[tuple[int, dict[str, str]]]:
    """Read the rows below the row with the names of the `columns`.

    Parameters
    ----------
    path : Path
    columns : sequence of str
        All in one row, in any order.
    licence : str
        Part of the message about a missing file.

    Returns
    -------
    list of (line number, row)
        Without the rows whose first column is empty.

    Raises
    ------
    DatasetError
        If the file is absent or not a workbook, or lacks a column.
    """
    try:
        with zipfile.ZipFile(path) as workbook:
            strings = _shared_strings(workbook)
            sheet = ElementTree.fromstring(workbook.read(_SHEET))  # noqa: S314 - a file of the user's own
            rows = [_cells(row, strings) for row in sheet.iter(f"{_SPACE}row")]
    except FileNotFoundError as error:
        raise DatasetError(
            f"{path} is missing; put the data set there (licence: {licence})"
        ) from error
    except (OSError, zipfile.BadZipFile, KeyError, IndexError, ElementTree.ParseError) as error:
        raise DatasetError(f"{path} is no readable .xlsx workbook: {error}") from error
    return _table(path, rows, columns)


def _table(
    path: Path, rows: list[dict[str, str]], columns: Sequence[str]
) -> list[tuple[int, dict[str, str]]]:
    for header, cells in enumerate(rows):
        letters = {text: letter for letter, text in cells.items()}
        if columns[0] not in letters:
            continue
        if missing := [column for column in columns if column not in letters]:
            raise DatasetError(f"{path} lacks the column {missing[0]!r}; it has {[*letters]}")
        table = [
            (number, {column: row.get(letters[column], "") for column in columns})
            for number, row in enumerate(rows[header + 1 :], start=header + 2)
        ]
        return [(number, row) for number, row in table if row[columns[0]]]
    raise DatasetError(f"{path} lacks the column {columns[0]!r}")


def _shared_strings(workbook: zipfile.ZipFile) -> list[str]:
    if _STRINGS not in workbook.namelist():
        return []
    root = ElementTree.fromstring(workbook.read(_STRINGS))  # noqa: S314 - a file of the user's own
    return [_text(item) for item in root.iter(f"{_SPACE}si")]


def _cells(row: ElementTree.Element, strings: list[str]) -> dict[str, str]:
    cells = {}
    for cell in row.iter(f"{_SPACE}c"):
        letter = re.sub(r"\d", "", cell.get("r", ""))
        value = cell.find(f"{_SPACE}v")
        if cell.get("t") == "s" and value is not None:
            cells[letter] = strings[int(value.text or 0)].strip()
        else:
            cells[letter] = (_text(cell) or (value.text if value is not None else "") or "").strip()
    return cells


def _text(element: ElementTree.Element) -> str:
    return "".join(part.text or "" for part in element.iter(f"{_SPACE}t"))
