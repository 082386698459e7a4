"""Songs whose files are gone, and the sign of a disk that is missing."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Final

from django.utils import timezone

from catalog.errors import FilesVanishedError
from catalog.files.left_out import LeftOut
from catalog.ingest.state import Fate, fate_ignore
from catalog.models import IngestFailure, KnownCopy, Song
from catalog.paths import (
    can_be_seen,
    from_stored,
    holds_anything,
    is_file_at,
    is_gone,
    shown,
)
from catalog.selectors import Scope

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from catalog.ingest.state import IngestState
    from catalog.models import BackgroundJob

LOST_FOLDER_SONGS: Final = 30
"""A lost folder with more songs may be a disk that is missing; an album has fewer."""


def missing_mark(
    job: BackgroundJob,
    scope: Scope,
    start: Path,
    state: IngestState,
    on_file: Callable[[Fate], object] = fate_ignore,
) -> int:
    """Mark the songs, and delete the failures, whose file is gone or left out now.

    Returns the number of songs. Raises FilesVanishedError, and marks none, if more than half of
    them are gone at once, or `start` or a folder below it is lost, unless the job accepts that.
    """
    root, rules = scope.library.path, LeftOut(scope.library.path)
    gone, left_out, last = [], [], 0
    lost = _LostFolders(root, start)
    while page := list(scope.songs().filter(pk__gt=last).values_list("pk", "relative_path")[:500]):
        for pk, stored in page:
            relative = from_stored(stored)
            if rules.reason_with_parents(relative, is_folder=False):
                left_out.append(pk)
            elif is_gone(root / relative):
                gone.append(pk)
                lost.count(relative)
        last = page[-1][0]
    _vanished_check(job, scope, start, gone=len(gone), lost=lost)
    if left_out:
        state.note(f"{len(left_out)} songs are left out now (.affettiignore, .nomedia, system)")
    missing = [*gone, *left_out]
    for at in range(0, len(missing), 500):
        Song.objects.filter(pk__in=missing[at : at + 500]).update(
            is_available=False, updated_at=timezone.now()
        )
        for name in Song.objects.filter(pk__in=missing[at : at + 500]).values_list(
            "relative_path", flat=True
        ):
            on_file(Fate("missing", name))
    _rows_forget(job, scope)
    return len(missing)


class _LostFolders:
    """Counts the songs that are gone by the highest folder above them that is empty or absent."""

    def __init__(self, root: Path, start: Path) -> None:
        self._root, self._start = root, start
        self._holds = cache(holds_anything)
        self.songs: Counter[Path] = Counter()

    def count(self, relative: Path) -> None:
        """Count a song that is gone."""
        for parent in reversed(relative.parents):
            folder = self._root / parent
            if folder.is_relative_to(self._start) and not self._holds(folder):
                self.songs[folder] += 1
                return


def _vanished_check(
    job: BackgroundJob, scope: Scope, start: Path, *, gone: int, lost: _LostFolders
) -> None:
    """Raise FilesVanishedError if so many files are gone that a disk may be missing."""
    job.refresh_from_db(fields=["arguments"])
    is_lost = not is_file_at(start) and not holds_anything(start)
    if "unasked" in job.arguments:
        # Its scope is as small as the change: a deleted album is all of it. The library is judged.
        of = Scope(scope.library, "").songs().count()
        is_lost &= not holds_anything(scope.library.path)
    else:
        of = scope.songs().count()
    folder, songs = next(iter(lost.songs.most_common(1)), (start, 0))
    if is_lost or songs > LOST_FOLDER_SONGS:
        what = f"{shown(start if is_lost else folder)}: is empty or absent"
    elif 2 * gone > of:
        what = f"{shown(start)}: has lost more than half of its files"
    else:
        return
    if not gone or job.arguments.get("accept_empty"):
        return
    raise FilesVanishedError(
        f"{what}: {gone} of {of} songs are gone at once, and none was marked as gone. If "
        "a disk is not mounted, mount it and ingest again. If the files are gone for good, confirm "
        "it: --accept-empty, accept_empty of the API, or the button on the page of the job"
    )


def _rows_forget(job: BackgroundJob, scope: Scope) -> None:
    """Delete the failures and copies that are gone, and failures that this scan did not meet."""
    root = scope.library.path
    for failure in IngestFailure.objects.filter(scope.inside()):
        path = root / from_stored(failure.relative_path)
        is_unmet = failure.updated_at < job.created_at and can_be_seen(path)
        if is_gone(path) or is_unmet:
            failure.delete()
    for copy in KnownCopy.objects.filter(scope.inside()):
        if is_gone(root / from_stored(copy.relative_path)):
            copy.delete()
