"""From a folder to songs: scan → hash → probe → read_tags → upsert_song → queue for analysis.

A few files are read at a time, outside any transaction. Their facts and the job's progress are
then written in one small transaction. After a kill, the next run continues after the last file
that was written, and no file is counted twice.
"""

from __future__ import annotations

import logging
import time
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.db import transaction

from catalog.errors import JobStateError, PathError, TransientError
from catalog.files.scan import Found, Kind, cue_note, scan
from catalog.ingest.links import link_refusal, linked_job
from catalog.ingest.missing import missing_mark
from catalog.ingest.reading import Reading, files_read
from catalog.ingest.state import MAX_NOTES, IngestState
from catalog.ingest.upsert import library_ensure
from catalog.ingest.writing import file_write
from catalog.models import BackgroundJob, Library, Song, SongEmotion
from catalog.paths import from_stored, ingest_root_check, is_gone, to_stored
from catalog.selectors import job_scope, library_find
from catalog.storable import storable_text
from catalog.work.jobs import job_advance, job_create, job_held, job_requeue, job_succeed, job_wait
from catalog.work.queue import songs_dispatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from django.contrib.auth.models import User

    from catalog.selectors import Scope

logger = logging.getLogger(__name__)

FILES_AT_ONCE: Final = 16
"""Files read between two transactions."""


def ingest_start(
    *,
    path: Path,
    user: User | None = None,
    is_anywhere_allowed: bool = False,
    accept_empty: bool = False,
) -> BackgroundJob:
    """Return a job that ingests the folder or file; a worker starts it after the commit.

    PathError unless the path exists, and is inside a catalogue root if not `is_anywhere_allowed`.
    With `accept_empty` any number of files may be gone, and the path itself if it is in a library.
    If an ingest of the same path is still scanning, that job is returned instead.
    """
    roots = [path.resolve()] if is_anywhere_allowed else settings.AFFETTI_CATALOG_ROOTS
    is_known = accept_empty and library_find(path.resolve()) is not None
    path = ingest_root_check(path, roots, may_be_gone=is_known)
    stored = to_stored(path)
    with transaction.atomic():
        library_ensure(folder=path.parent if path.is_file() else path)
        same = BackgroundJob.objects.filter(
            kind=BackgroundJob.Kind.INGEST,
            arguments__path=stored,
            status__in=[BackgroundJob.Status.PENDING, BackgroundJob.Status.STARTED],
        )
        for job in same:
            if IngestState(**job.result).phase == "scanning":
                return _accept(job) if accept_empty else job
        arguments = {
            "path": stored,
            "accept_empty": accept_empty,
            "is_anywhere_allowed": is_anywhere_allowed,
        }
        return job_create(kind=BackgroundJob.Kind.INGEST, arguments=arguments, user=user)


def _accept(job: BackgroundJob) -> BackgroundJob:
    """Allow an ingest that is under way to find any number of files gone."""
    job.arguments["accept_empty"] = True
    job.save(update_fields=["arguments"])
    return job


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
    if scope is None or (is_gone(start) and not scope.songs().exists()):
        raise PathError(f"{start}: there is no such file or folder any more; check the disk")
    state = IngestState(**job.result)
    if not state.scanned:
        total = _count(job, state, scope.library, start)
        job_advance(job=job, done=0, total=total, result=asdict(state))
    for batch in _batches(job, scope, start, state):
        _write(job, scope, state, files_read(scope.library, batch, end))
        songs_dispatch()
        on_progress(job)
        if time.monotonic() > end:
            job_requeue(job=job)
            return
    state.missing += missing_mark(job, scope, start, state)
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


def _count(job: BackgroundJob, state: IngestState, library: Library, start: Path) -> int:
    """Count what is no file to be read into `state`; return the number of files to be read.

    Folders behind links get jobs of their own, which `state.linked` names.
    """
    root = library.path
    total = 0
    state.ignored = state.unread = state.left_out = 0
    state.unread_suffixes, state.unread_files, state.notes, state.linked = {}, [], [], []
    for found in _judged(job, library, _scanned(root, start)):
        if found.kind is Kind.LINKED:
            linked = linked_job(job, library, found)
            state.linked.append(str(linked.pk))
            state.note(f"{found.relative}: is a link; {linked.arguments['path']} is ingested too")
        elif found.kind in {Kind.AUDIO, Kind.REFUSED}:
            total += 1
        elif found.kind is Kind.UNREAD:
            _count_unread(state, found.relative)
        elif found.kind is Kind.LEFT_OUT:
            state.left_out += 1
        elif found.kind is Kind.IGNORED:
            state.ignored += 1
            state.note(cue_note(root / found.relative))
    return total


def _judged(job: BackgroundJob, library: Library, found: Iterator[Found]) -> Iterator[Found]:
    """Yield what was found; a link that must not be followed is refused."""
    for one in found:
        reason = link_refusal(job, library, one) if one.kind is Kind.LINKED else ""
        yield Found(one.relative, Kind.REFUSED, reason) if reason else one


def _count_unread(state: IngestState, relative: Path) -> None:
    suffix = storable_text(relative.suffix.lower())
    state.unread += 1
    state.unread_suffixes[suffix] = state.unread_suffixes.get(suffix, 0) + 1
    if len(state.unread_files) < MAX_NOTES:
        state.unread_files.append(storable_text(str(relative)))


def _scanned(root: Path, start: Path, after: Path | None = None) -> Iterator[Found]:
    """Return what `scan` finds; nothing if `start` is gone, which `missing_mark` judges."""
    return iter(()) if is_gone(start) else scan(root, start, after=after)


def _batches(
    job: BackgroundJob, scope: Scope, start: Path, state: IngestState
) -> Iterator[list[tuple[str, Found]]]:
    """Yield the files that are not written yet, each with its stored path."""
    root = scope.library.path
    after = (start / from_stored(state.cursor)).relative_to(root) if state.cursor else None
    files = _named(_judged(job, scope.library, _scanned(root, start, after)), state)
    while batch := list(islice(files, FILES_AT_ONCE)):
        yield batch


def _named(found: Iterator[Found], state: IngestState) -> Iterator[tuple[str, Found]]:
    for item in found:
        if item.kind is Kind.VANISHED:
            state.note(f"{item.relative}: this folder vanished during the scan")
        if item.kind not in {Kind.AUDIO, Kind.REFUSED}:
            continue
        try:
            yield to_stored(item.relative), item
        except PathError as error:
            state.note(str(error))


@transaction.atomic
def _write(
    job: BackgroundJob, scope: Scope, state: IngestState, readings: Sequence[Reading]
) -> None:
    """Write a batch and the job's progress in one transaction."""
    # One writer per library: two ingests of the same files must not both add them.
    if not Library.objects.select_for_update().filter(pk=scope.library.pk).exists():
        raise TransientError(f"library {scope.library.root} has just become part of a wider one")
    for reading in readings:
        if not (reading.kept or reading.facts or reading.failure or reading.is_copy):
            state.vanished += 1
            continue
        outcome = file_write(scope.library, reading)
        setattr(state, outcome, getattr(state, outcome) + 1)
        if reading.unread_tags:
            state.tags_unread += 1
            state.note(f"{reading.name}: {reading.unread_tags}; tried again at the next ingest")
        if reading.facts and reading.facts.lyrics.note:
            state.note(f"{reading.name}: {reading.facts.lyrics.note}")
    below = scope.library.path / from_stored(readings[-1].name)
    # Relative to the job's path: the library may become part of a wider one.
    state.cursor = to_stored(below.relative_to(from_stored(job.arguments["path"])))
    job_advance(
        job=job, done=_settled(scope, state), total=job.progress_total, result=asdict(state)
    )
