"""What a scan leaves out of a library: folders of systems, and what the owner marked.

A file ``.affettiignore`` holds patterns as git's ``.gitignore`` does, for its folder and those
below. A folder with a file ``.nomedia`` is left out whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pathspec import GitIgnoreSpec

from catalog.paths import at_hand, is_file_at, is_there, seen_stamp

if TYPE_CHECKING:
    from collections.abc import Iterator

IGNORE_NAME: Final = ".affettiignore"
MARK_NAME: Final = ".nomedia"
HIDDEN: Final = "hidden"
"""The reason for a name that begins with a dot."""
SYSTEM_FOLDERS: Final = frozenset(
    {
        "#recycle",
        "#snapshot",
        "$recycle.bin",
        "@eadir",
        "@recently-snapshot",
        "@recycle",
        "@sharebin",
        "@tmp",
        "__macosx",
        "lost+found",
        "recycler",
        "system volume information",
    }
)
"""Folders that operating systems and network storages make, in lower case."""

_MAX_IGNORE_BYTES: Final = 256 * 1024
_FOLDERS_KEPT: Final = 4096


@dataclass(frozen=True, slots=True)
class _Marks:
    """What the owner wrote in one folder."""

    is_left_out: bool
    patterns: GitIgnoreSpec | None


class LeftOut:
    """The rules of one library; ignore files are read once each."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._marks = lru_cache(maxsize=_FOLDERS_KEPT)(self._read)
        # The rules of a folder are worked out once, and not for each name in it.
        self._patterns_above = lru_cache(maxsize=_FOLDERS_KEPT)(self._above)
        self._folder_reason = lru_cache(maxsize=_FOLDERS_KEPT)(self._of_folder)

    def reason(self, relative: Path, *, is_folder: bool) -> str:
        """Return why a name is left out, if nothing above it is; empty if it is not."""
        name = relative.name
        if name.startswith("."):
            return HIDDEN
        if is_folder and name.lower() in SYSTEM_FOLDERS:
            return "a system's folder"
        if is_folder and self._marks(relative).is_left_out:
            return MARK_NAME
        return IGNORE_NAME if self._is_ignored(relative, is_folder=is_folder) else ""

    def reason_with_parents(self, relative: Path, *, is_folder: bool) -> str:
        """Return why a path is left out, by itself or by a folder above it."""
        if not relative.parts:
            return self._folder_reason(relative)
        above = self._folder_reason(relative.parent)
        return above or self.reason(relative, is_folder=is_folder)

    def _of_folder(self, folder: Path) -> str:
        if self._marks(Path()).is_left_out:
            return MARK_NAME
        for one in reversed((folder, *folder.parents[:-1])):
            if one.parts and (reason := self.reason(one, is_folder=True)):
                return reason
        return ""

    def _is_ignored(self, relative: Path, *, is_folder: bool) -> bool:
        """Return whether patterns exclude a path; those of the nearest folder decide."""
        for folder, patterns in self._patterns_above(relative.parent):
            name = str(relative.relative_to(folder)) + ("/" if is_folder else "")
            is_excluded = patterns.check_file(name).include
            if is_excluded is not None:
                return is_excluded
        return False

    def _above(self, folder: Path) -> list[tuple[Path, GitIgnoreSpec]]:
        """Return the patterns that hold for the names in a folder, the nearest first."""
        found = ((one, self._marks(one).patterns) for one in (folder, *folder.parents))
        return [(one, patterns) for one, patterns in found if patterns is not None]

    def _read(self, folder: Path) -> _Marks:
        path = self._root / folder
        is_left_out = is_there(path / MARK_NAME)
        return _Marks(is_left_out, _patterns_read(path / IGNORE_NAME))


def _patterns_read(path: Path) -> GitIgnoreSpec | None:
    """Return the patterns in a file; None if there is none that can be read."""
    try:
        if not (is_there(path) and is_file_at(path)):
            return None
        with at_hand(path, known=seen_stamp(path)) as here, here.open("rb") as file:
            text = file.read(_MAX_IGNORE_BYTES).decode("utf-8-sig", "surrogateescape")
    except OSError:
        return None
    return GitIgnoreSpec.from_lines(_valid(text.splitlines()))


def _valid(lines: list[str]) -> Iterator[str]:
    for line in lines:
        try:
            GitIgnoreSpec.from_lines([line])
        except ValueError:
            continue  # git passes over a broken pattern too
        yield line
