"""What staff do with libraries: add, rename, watch, scan at set times, remove."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from catalog.errors import CatalogError, JobStateError, PathError, TagWritingError
from catalog.ingest.run import ingest_start
from catalog.ingest.settled import RESCAN_SOON
from catalog.ingest.unasked import unasked_start
from catalog.models import Album, Artist, BackgroundJob, IngestFailure, KnownCopy, Library, Song
from catalog.paths import from_stored, shown
from catalog.recordings import recordings_lock, recordings_settle
from catalog.selectors import library_find, library_jobs
from catalog.stores.addresses import in_store
from catalog.tagwriting.plan import writing_problem
from catalog.work.jobs import job_revoke
from catalog.work.messages import message_send

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

MOST_HOURS: Final = 24 * 366
"""The longest time between two scheduled scans."""
KEEP_TASK: Final = "catalog.keep_libraries"
_SONGS_AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True)
class LibrarySettings:
    """What staff choose of a library; `rescan_hours` is None for no scheduled scans."""

    name: str
    watch: str
    rescan_hours: int | None
    is_writable: bool = False
    """Whether moods, tempo and key may be written into its files."""

    @classmethod
    def of(cls, library: Library) -> LibrarySettings:
        """Return what is chosen of a library now."""
        return cls(library.name, library.watch, library.rescan_hours, library.is_writable)


def library_add(*, path: Path, chosen: LibrarySettings, user: User | None) -> Library:
    """Make a folder a library, and start its first scan; an empty name is the folder's.

    Libraries inside become part of it. PathError unless the folder exists, is inside a catalogue
    root, and is not inside another library.
    """
    with transaction.atomic():
        known = library_find(path.resolve())
        if known is not None:
            raise PathError(
                gettext("%(path)s: is in the library %(name)s already; change that one")
                % {"path": shown(path), "name": known.name}
            )
        ingest_start(path=path, user=user)
        library = library_find(path.resolve())
        if library is None:  # a file's library is its folder
            raise PathError(gettext("%(path)s: is no folder") % {"path": shown(path)})
        library_change(library=library, chosen=replace(chosen, name=chosen.name or library.name))
    return library


@transaction.atomic
def folder_add(
    *, path: Path, watch: str, rescan_hours: int | None, user: User | None, accept_empty: bool
) -> tuple[BackgroundJob, Library | None]:
    """Ingest a folder or file. A library that comes of it is watched and scanned as chosen.

    Returns the job, and the library that was there before, which stays as it is. PathError as of
    `ingest_start`.
    """
    known = set(Library.objects.values_list("pk", flat=True))
    job = ingest_start(path=path, user=user, accept_empty=accept_empty)
    library = library_find(from_stored(job.arguments["path"]))
    if library is None or library.pk in known:
        return job, library
    if watch != Library.Watch.OFF or rescan_hours:
        library_change(library=library, chosen=LibrarySettings(library.name, watch, rescan_hours))
    return job, None


def library_change(*, library: Library, chosen: LibrarySettings) -> None:
    """Rename a library, and switch its watching, its schedule and the writing of tags.

    The watcher follows within seconds; the next scheduled scan begins a whole period from now.
    PathError if it is to be watched and lies in a store, or is a table, which has no folder.
    TagWritingError if tags are to be written, and can never be.
    """
    if chosen.is_writable and not library.is_writable and (problem := writing_problem(library)):
        raise TagWritingError(problem)
    if chosen.watch != Library.Watch.OFF or chosen.rescan_hours:
        _folder_check(library)
    if chosen.watch != Library.Watch.OFF and in_store(library.path):
        words = gettext(
            "%(path)s: a store tells of no changes, so it is not watched; choose a time between "
            "two scans"
        )
        raise PathError(words % {"path": shown(library.path)})
    if chosen.rescan_hours != library.rescan_hours:
        hours = chosen.rescan_hours
        library.rescan_at = timezone.now() + timedelta(hours=hours) if hours else None
    library.name, library.watch = chosen.name, chosen.watch
    library.rescan_hours, library.is_writable = chosen.rescan_hours, chosen.is_writable
    library.save(update_fields=["name", "watch", "rescan_hours", "rescan_at", "is_writable"])


def _folder_check(library: Library) -> None:
    if not library.has_audio:
        wrong = gettext("%(name)s: is a table without a folder; import the table again")
        raise PathError(wrong % {"name": library.name})


def library_rescan(*, library: Library, user: User | None) -> BackgroundJob:
    """Start a scan of a whole library; PathError if its folder is gone, or it is a table."""
    _folder_check(library)
    return ingest_start(path=library.path, user=user)


@transaction.atomic
def library_remove(*, library: Library) -> None:
    """Take a library out of the catalogue, with all that is known of its songs.

    Open ingests of it end at once. A worker deletes the songs, with their places in saved lists,
    likes and plays. Files stay as they are.
    """
    locked = Library.objects.select_for_update().get(pk=library.pk)
    locked.is_going, locked.watch = True, Library.Watch.OFF
    locked.rescan_hours = locked.rescan_at = None
    locked.save(update_fields=["is_going", "watch", "rescan_hours", "rescan_at"])
    for job in library_jobs(locked):
        with suppress(JobStateError):  # it has just ended
            job_revoke(job=job)
    message_send(KEEP_TASK)


def rescans_start() -> int:
    """Start the scheduled scans that are due; return how many.

    A time further away than a whole period is of a clock that was set back, and counts as now.
    """
    started, now = 0, timezone.now()
    for library in Library.objects.exclude(rescan_hours=None).filter(is_going=False):
        period, at = timedelta(hours=library.rescan_hours or 0), library.rescan_at
        if at is not None and now < at <= now + period:
            continue
        with transaction.atomic():
            mine = Library.objects.filter(pk=library.pk, rescan_at=at)
            if not mine.update(rescan_at=now + period):
                continue  # another worker does it
            try:
                is_started = unasked_start(library=library, relative=Path()) is not None
            except CatalogError as error:
                logger.warning("%s: no scheduled scan: %s", library.root, error)
                continue
            started += is_started
            if not is_started:  # another ingest has to end first
                Library.objects.filter(pk=library.pk).update(rescan_at=now + RESCAN_SOON)
    return started


def removed_delete(*, seconds: float) -> int:
    """Delete songs of removed libraries, some at a time, and libraries without any.

    Returns how many songs went. After about `seconds` it stops, and asks to be called again.
    """
    end, count = time.monotonic() + seconds, 0
    for library in Library.objects.filter(is_going=True):
        while deleted := _songs_delete(library):
            count += deleted
            if time.monotonic() > end:
                message_send(KEEP_TASK)
                return count
        _rows_delete(library)
    return count


@transaction.atomic
def _songs_delete(library: Library) -> int:
    """Delete the next songs of a library."""
    recordings_lock()  # before any song, as whoever links songs does
    songs = Song.objects.select_for_update().filter(library=library, library__is_going=True)
    rows = list(songs.order_by("pk").values_list("pk", "recording_id")[:_SONGS_AT_ONCE])
    Song.objects.filter(pk__in=[pk for pk, _ in rows]).delete()
    recordings_settle(recording_ids={recording for _, recording in rows if recording})
    return len(rows)


@transaction.atomic
def _rows_delete(library: Library) -> None:
    """Delete a library without songs."""
    locked = Library.objects.select_for_update().filter(pk=library.pk, is_going=True).first()
    if locked is None or locked.songs.exists():
        return
    IngestFailure.objects.filter(library=locked).delete()
    KnownCopy.objects.filter(library=locked).delete()
    locked.delete()
    Album.objects.filter(songs__isnull=True).delete()
    Artist.objects.filter(credits__isnull=True, albums__isnull=True).delete()
