"""The folders that staff may add music from, as a browser shows them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext

from catalog.errors import PathError
from catalog.files.left_out import LeftOut
from catalog.paths import (
    StoreEntry,
    entries_in,
    from_stored,
    ingest_root_check,
    shown,
    to_stored,
)
from catalog.selectors import roots_allowed
from catalog.stores.addresses import in_store
from mer.audio.patches import SUPPORTED_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOST_NAMES: Final = 20_000
"""So many names of a folder are looked at."""
MOST_FOLDERS: Final = 500


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder: its name, and its path in the form of `catalog.paths.to_stored`."""

    name: str
    path: str


@dataclass(frozen=True, slots=True)
class FolderView:
    """A folder with what is directly inside, and the way down to it from its root."""

    folder: Folder
    trail: list[Folder]
    folders: list[Folder]
    audio_files: int
    is_cut: bool
    """Whether there is more inside than is shown."""


def folder_roots() -> list[Folder]:
    """Return the outermost folders that staff may add music from and that are there."""
    roots = [root for root in roots_allowed() if in_store(root) or root.is_dir()]
    outer = [one for one in roots if not any(one != r and one.is_relative_to(r) for r in roots)]
    return [_folder(root, name=shown(root)) for root in outer]


def folder_view(stored: str) -> FolderView:
    """Return what a folder holds; PathError if it is none, or outside the allowed ones.

    Folders that a scan leaves out, and links that lead outside, are not shown.
    """
    roots = roots_allowed()
    path = ingest_root_check(from_stored(stored), roots)
    root = min((r.resolve() for r in roots if path.is_relative_to(r.resolve())), key=_depth)
    try:
        folders, audio_files, is_cut = _inside(path, root)
    except OSError as error:
        raise PathError(
            gettext(
                "%(path)s: cannot be opened (%(strerror)s); choose a folder, or check its rights"
            )
            % {"path": shown(path), "strerror": error.strerror}
        ) from error
    above = [one for one in reversed(path.parents) if one.is_relative_to(root)]
    trail = [_folder(one, name=shown(one) if one == root else "") for one in above]
    own = _folder(path, name=shown(path) if path == root else "")
    return FolderView(own, trail, folders, audio_files, is_cut)


def _inside(path: Path, root: Path) -> tuple[list[Folder], int, bool]:
    rules, folders, audio_files, seen = LeftOut(root), [], 0, 0
    for entry in _entries(path):
        seen += 1
        if seen > MOST_NAMES:
            break
        is_folder = entry.is_dir(follow_symlinks=False)
        if is_folder and not rules.reason((path / entry.name).relative_to(root), is_folder=True):
            folders.append(path / entry.name)
        elif not is_folder:
            audio_files += os.path.splitext(entry.name)[1].lower() in SUPPORTED_SUFFIXES  # noqa: PTH122
    shown = sorted(folders, key=lambda folder: folder.name.casefold())[:MOST_FOLDERS]
    is_cut = seen > MOST_NAMES or len(folders) > MOST_FOLDERS
    return [_folder(one) for one in shown], audio_files, is_cut


def _entries(path: Path) -> Iterator[os.DirEntry[str] | StoreEntry]:
    with entries_in(path) as entries:
        yield from entries


def _folder(path: Path, *, name: str = "") -> Folder:
    shown = os.fsencode(name or path.name).decode("utf-8", "backslashreplace")
    return Folder(shown, to_stored(path))


def _depth(path: Path) -> int:
    return len(path.parts)
