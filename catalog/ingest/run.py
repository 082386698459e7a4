"""From a folder to songs: scan → hash → probe → read_tags → upsert_song → queue for analysis.

A few files are read at a time, outside any transaction. Their facts and the job's progress are
then written in one small transaction. After a kill, the next run continues after the last file
that was written, and no file is counted twice.
"""

from __future__ import annotations

import logging
import os
import time
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import DatabaseError, DataError, IntegrityError, transaction
from django.utils import timezone

from catalog.errors import (
    FileUnusableError,
    JobStateError,
    PathError,
    TransientError,
    machine_errors_raise,
)
from catalog.files.lyrics import Lyrics, lyrics_find
from catalog.files.scan import (
    FileFacts,
    FileStamp,
    Found,
    Kind,
    audio_hash,
    read_file,
    scan,
    stamp_of,
)
from catalog.ingest.upsert import Outcome, failure_upsert, library_ensure, song_keep, song_upsert
from catalog.models import BackgroundJob, IngestFailure, Library, Song, SongEmotion
from catalog.paths import from_stored, ingest_root_check, to_stored
from catalog.selectors import job_scope
from catalog.storable import not_finite, storable_text
from catalog.work.jobs import job_advance, job_create, job_held, job_requeue, job_succeed, job_wait
from catalog.work.queue import songs_dispatch
from mer.errors import AudioError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from django.contrib.auth.models import User

    from catalog.selectors import Scope

logger = logging.getLogger(__name__)

FILES_AT_ONCE: Final = 16
"""Files read between two transactions."""
MAX_NOTES: Final = 100

# Failures that may disappear without a change of the file, so the file is read again.
_PASSING_CODES: Final = frozenset({"FILE_UNREADABLE", "FILE_CHANGING"})
_NO_STAMP: Final = FileStamp(0, 0)


@dataclass(slots=True)
class IngestState:
    """The state of an ingest, as `BackgroundJob.result` stores it.

    `phase` is scanning, analysing or done. `cursor` is the last file written. The other numbers
    count files. `failed` counts the files that did not become songs; once the ingest is done it
    also counts the songs whose analysis failed.
    """

    phase: str = "scanning"
    cursor: str = ""
    added: int = 0
    unchanged: int = 0
    duplicates: int = 0
    changed: int = 0
    moved: int = 0
    restored: int = 0
    failed: int = 0
    ignored: int = 0
    missing: int = 0
    analysed: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def scanned(self) -> int:
        """Return the number of files written."""
        return sum(getattr(self, outcome) for outcome in Outcome)

    def note(self, text: str) -> None:
        """Add a note for the admin, up to `MAX_NOTES`."""
        if text and len(self.notes) < MAX_NOTES:
            self.notes.append(storable_text(text))


@dataclass(frozen=True, slots=True)
class _Reading:
    """The result of reading one file; exactly one of the last three is set."""

    name: str
    stamp: FileStamp
    facts: FileFacts | None = None
    failure: tuple[str, str] | None = None
    kept: tuple[Song, Lyrics | None, str | None] | None = None


def ingest_start(
    *, path: Path, user: User | None = None, is_anywhere_allowed: bool = False
) -> BackgroundJob:
    """Return a job that ingests the folder or file; a worker starts it after the commit.

    PathError unless the path exists, and is inside a catalogue root if not `is_anywhere_allowed`.
    If an ingest of the same path is still scanning, that job is returned instead.
    """
    roots = [path.resolve()] if is_anywhere_allowed else settings.AFFETTI_CATALOG_ROOTS
    path = ingest_root_check(path, roots)
    arguments = {"path": to_stored(path)}
    with transaction.atomic():
        library_ensure(folder=path if path.is_dir() else path.parent)
        same = BackgroundJob.objects.filter(
            kind=BackgroundJob.Kind.INGEST,
            arguments=arguments,
            status__in=[BackgroundJob.Status.PENDING, BackgroundJob.Status.STARTED],
        )
        for job in same:
            if IngestState(**job.result).phase == "scanning":
                return job
        return job_create(kind=BackgroundJob.Kind.INGEST, arguments=arguments, user=user)


def ingest_run(
    *,
    job: BackgroundJob,
    seconds: float = float("inf"),
    on_progress: Callable[[BackgroundJob], object] = lambda _: None,
) -> None:
    """Scan the scope of a started job, and queue its songs for analysis as they are found.

    After about `seconds` the job goes back into the queue and continues there later. PathError if
    the folder is gone.
    """
    end = time.monotonic() + seconds
    with job_held(job=job):
        _run(job, end, on_progress)


def _run(job: BackgroundJob, end: float, on_progress: Callable[[BackgroundJob], object]) -> None:
    scope = job_scope(job)
    start = from_stored(job.arguments["path"])
    if scope is None or not start.exists():
        raise PathError(f"{start}: there is no such file or folder any more; check the disk")
    state = IngestState(**job.result)
    if not state.scanned:
        kinds = [found.kind is Kind.IGNORED for found in scan(scope.library.path, start)]
        state.ignored, total = sum(kinds), len(kinds) - sum(kinds)
        job_advance(job=job, done=0, total=total, result=asdict(state))
    for batch in _batches(scope, start, state):
        _write(job, scope, state, _read(scope.library, batch))
        songs_dispatch()
        on_progress(job)
        if time.monotonic() > end:
            job_requeue(job=job)
            return
    state.missing += _missing_mark(job, scope)
    state.phase = "analysing"
    job_advance(job=job, done=_settled(scope, state), total=state.scanned, result=asdict(state))
    job_wait(job=job)
    ingests_settle()


def ingests_settle() -> None:
    """Save the analysis progress of scanned ingests, and end those without a pending song."""
    for job in BackgroundJob.objects.filter(
        kind=BackgroundJob.Kind.INGEST, status=BackgroundJob.Status.STARTED, worker=""
    ):
        scope, state = job_scope(job), IngestState(**job.result)
        done = _settled(scope, state) if scope else state.scanned
        try:
            if scope and done < state.scanned:
                job_advance(job=job, done=done, total=state.scanned)
            else:
                _finish(job, scope, state)
        except JobStateError:
            continue  # another worker settled it first


def _finish(job: BackgroundJob, scope: Scope | None, state: IngestState) -> None:
    total = state.scanned
    state.phase = "done"
    if scope:
        fresh = SongEmotion.objects.filter(
            song__in=Song.objects.filter(scope.inside()), updated_at__gte=job.created_at
        )
        state.analysed = fresh.values("song").distinct().count()
        state.failed = scope.failed_files().count() + scope.failed_songs().count()
    job_advance(job=job, done=total, total=total)
    job_succeed(job=job, result=asdict(state))


def _settled(scope: Scope, state: IngestState) -> int:
    """Return the number of scanned files that need no more work."""
    pending = scope.songs().filter(status=Song.Status.PENDING).count()
    return max(0, state.scanned - pending)


def _batches(scope: Scope, start: Path, state: IngestState) -> Iterator[list[tuple[str, Found]]]:
    """Yield the files that are not written yet, each with its stored path."""
    after = from_stored(state.cursor) if state.cursor else None
    files = _named(scan(scope.library.path, start, after=after), state)
    while batch := list(islice(files, FILES_AT_ONCE)):
        yield batch


def _named(found: Iterator[Found], state: IngestState) -> Iterator[tuple[str, Found]]:
    for item in found:
        if item.kind is Kind.IGNORED:
            continue
        try:
            yield to_stored(item.relative), item
        except PathError as error:
            state.note(str(error))


def _read(library: Library, batch: Sequence[tuple[str, Found]]) -> list[_Reading]:
    at = {"library": library, "relative_path__in": [name for name, _ in batch]}
    # Of several songs with one path, the available one comes last and wins.
    songs = {s.relative_path: s for s in Song.objects.filter(**at).order_by("is_available", "pk")}
    failures = {f.relative_path: f for f in IngestFailure.objects.filter(**at)}
    return [
        _read_one(library, name, found, songs.get(name), failures.get(name))
        for name, found in batch
    ]


def _read_one(
    library: Library,
    name: str,
    found: Found,
    song: Song | None,
    failure: IngestFailure | None,
) -> _Reading:
    """Read a file, unless it is unchanged since it became a song or failed."""
    if found.kind is Kind.REFUSED:
        return _Reading(name, _NO_STAMP, failure=(PathError.code, found.reason))
    root, path = library.path, library.path / found.relative
    stamp = _NO_STAMP
    try:
        stamp = stamp_of(path)
        if song and stamp == _stamp_in(song):
            # Songs from before that column get the hash once, at a time when nothing else is read.
            audio = None if song.audio_sha256 else audio_hash(path)
            return _Reading(name, stamp, kept=(song, _new_lyrics(song, root, path), audio))
        is_known = failure is not None and stamp == _stamp_in(failure)
        if failure and is_known and failure.code not in _PASSING_CODES:
            return _Reading(name, stamp, failure=(failure.code, failure.message))
        facts = read_file(root, found.relative, max_bytes=settings.AFFETTI_MAX_FILE_BYTES)
    except (SoftTimeLimitExceeded, DatabaseError):
        raise
    except Exception as error:  # the edge of one file: no file may stop the others
        return _Reading(name, stamp, failure=_failure_of(path, error))
    if field_name := not_finite(facts):
        reason = f"its {field_name} is not a finite number; write its tags again, or convert it"
        return _Reading(name, stamp, failure=("FILE_NOT_FINITE", reason))
    return _Reading(name, stamp, facts=facts)


def _failure_of(path: Path, error: Exception) -> tuple[str, str]:
    """Return the code and the reason for which a file cannot become a song."""
    machine_errors_raise(error)
    if isinstance(error, AudioError | PathError | FileUnusableError):
        return error.code, storable_text(str(getattr(error, "reason", error)))
    if isinstance(error, OSError):
        return "FILE_UNREADABLE", storable_text(str(error.strerror or error))
    logger.exception("%s: an unexpected error while it was read", path)
    what = f"{type(error).__name__}: {error}".replace(str(path), path.name)
    return "FILE_READ_FAILED", storable_text(
        f"reading it raised {what}; the file is probably damaged: convert it to another format, or "
        "write its tags again"
    )


def _stamp_in(row: Song | IngestFailure) -> FileStamp:
    return FileStamp(row.file_size_bytes, row.file_mtime_ns)


def _new_lyrics(song: Song, root: Path, path: Path) -> Lyrics | None:
    """Return the lyrics beside an unchanged file if they differ from the song's, else None."""
    if song.lyrics_source in {"tag", "admin"}:
        return None
    lyrics = lyrics_find(path=path, root=root, tag_lyrics="")
    return None if lyrics.text == song.lyrics else lyrics


@transaction.atomic
def _write(
    job: BackgroundJob, scope: Scope, state: IngestState, readings: Sequence[_Reading]
) -> None:
    """Write a batch and the job's progress in one transaction."""
    # One writer per library: two ingests of the same files must not both add them.
    if not Library.objects.select_for_update().filter(pk=scope.library.pk).exists():
        raise TransientError(f"library {scope.library.root} has just become part of a wider one")
    for reading in readings:
        outcome = _write_safely(scope.library, reading)
        setattr(state, outcome, getattr(state, outcome) + 1)
        if reading.facts and reading.facts.lyrics.note:
            state.note(f"{reading.name}: {reading.facts.lyrics.note}")
    state.cursor = readings[-1].name
    job_advance(
        job=job, done=_settled(scope, state), total=job.progress_total, result=asdict(state)
    )


# What a database raises for the values of one file; other errors are the database's own.
_VALUE_ERRORS: Final = (DataError, IntegrityError, ValueError, TypeError, OverflowError)


def _write_safely(library: Library, reading: _Reading) -> Outcome:
    """Write one file; if its values cannot be stored, write that as its failure."""
    for is_last in (False, True):
        try:
            with transaction.atomic():
                return _write_one(library, reading)
        except _VALUE_ERRORS as error:
            # Another process may have stored the same content just now; once more, it is found.
            if isinstance(error, IntegrityError) and not is_last:
                continue
            logger.exception("%s: its values cannot be stored", library.path / reading.name)
            reason = storable_text(
                f"the database refuses its tags, lyrics or length ({error}); write its tags again"
            )
            break
    failed = _Reading(reading.name, reading.stamp, failure=("FILE_NOT_STORED", reason))
    return _write_one(library, failed)


def _write_one(library: Library, reading: _Reading) -> Outcome:
    if reading.kept:
        song, lyrics, audio_sha256 = reading.kept
        return song_keep(song=song, lyrics=lyrics, audio_sha256=audio_sha256)
    if reading.facts:
        return song_upsert(library=library, relative_path=reading.name, facts=reading.facts)
    code, message = reading.failure or ("", "")
    return failure_upsert(
        library=library,
        relative_path=reading.name,
        stamp=reading.stamp,
        code=code,
        message=message,
    )


def _missing_mark(job: BackgroundJob, scope: Scope) -> int:
    """Mark the songs, and delete the failures, whose file is gone; return the number of songs."""
    missing, last = 0, 0
    root = scope.library.path
    while page := list(scope.songs().filter(pk__gt=last).values_list("pk", "relative_path")[:500]):
        gone = [pk for pk, stored in page if not os.path.lexists(root / from_stored(stored))]
        missing += Song.objects.filter(pk__in=gone).update(
            is_available=False, updated_at=timezone.now()
        )
        last = page[-1][0]
    for failure in scope.failed_files():
        if not os.path.lexists(root / from_stored(failure.relative_path)):
            failure.delete()
    return missing
