"""Playlists as files for other players: one module of this package a format.

To add a format, write a module here with a `FORMAT`. Addresses, the API, the page and the command
offer every format that is found.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Final

from recommender.exports.format import ExportFormat, FileEntry, FilePlaylist, unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FORMATS", "ExportFormat", "FileEntry", "FilePlaylist", "playlist_read"]


def _found() -> dict[str, ExportFormat]:
    modules = [
        importlib.import_module(f"{__name__}.{module.name}")
        for module in pkgutil.iter_modules(__path__)
    ]
    formats = [module.FORMAT for module in modules if hasattr(module, "FORMAT")]
    return {form.suffix: form for form in formats}


FORMATS: Final[Mapping[str, ExportFormat]] = _found()
"""Every format by its suffix."""


def playlist_read(data: bytes) -> FilePlaylist:
    """Return what a playlist file says; its content tells the format.

    Raises `FileRefusedError`.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise unreadable("UTF-8") from error
    start = text.lstrip()[:1]
    return FORMATS[{"<": "xspf", "{": "jspf"}.get(start, "m3u8")].read(text)
