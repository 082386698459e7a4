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
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from catalog.errors import JobStateError, PathError, StoreAwayError, TransientError
from catalog.files.scan import Found, Kind, cue_note, scan
from catalog.ingest.links import link_refusal, linked_job
from catalog.ingest.missing import missing_mark
from catalog.ingest.reading import Reading, files_read
from catalog.ingest.settled import batch_settled, found_to_take
from catalog.ingest.state import MAX_NOTES, Fate, IngestState, fate_ignore
from catalog.ingest.upsert import Outcome, library_ensure
from catalog.ingest.writing import files_write
from catalog.models import BackgroundJob, Library, Song, SongEmotion
from catalog.paths import (
    from_stored,
    ingest_root_check,
    is_file_at,
    is_gone,
    shown,
    to_stored,
)
from catalog.selectors import job_scope, library_find, roots_allowed
from catalog.storable import storable_text
from catalog.stores.objects import listings_forget
from catalog.work.jobs import (
    job_advance,
    job_create,
    job_held,
    job_requeue,
    job_resume,
    job_succeed,
    job_wait,
)
from catalog.work.queue import songs_dispatch, songs_rank
from catalog.work.timings import Stage, timed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from django.contrib.auth.models import User

    from catalog.selectors import Scope

logger = logging.getLogger(__name__)

FILES_AT_ONCE: Final = 16
"""Files read between two transactions, at first."""
MOST_AT_ONCE: Final = 256
"""Files read between two transactions while they are unchanged, or read quickly."""
READ_SECONDS: Final = 0.5
"""No other file is begun after so long, before those that were read are written."""


def ingest_start(
    *,
    path: Path,
    user: User | None = None,
    is_anywhere_allowed: bool = False,
    accept_empty: bool = False,
    unasked: Mapping[str, Any] | None = None,
    priority: str = BackgroundJob.Priority.NORMAL,
) -> BackgroundJob:
    """Return a job that ingests the folder or file; a worker starts it after the commit.

    PathError unless the path exists, and is inside a catalogue root if not `is_anywhere_allowed`.
    With `accept_empty` any number of files may be gone, and the path itself if it is in a library.
    If an ingest of the same path is still scanning, that job is returned instead. A paused ingest
    of the same path goes on. `priority` is that of new and changed songs in the queue for analysis.
    `catalog.ingest.unasked` starts those that nobody asked for.
    """
    roots = [path.resolve()] if is_anywhere_allowed else roots_allowed()
    may_be_gone = accept_empty or unasked is not None
    is_known = may_be_gone and library_find(path.resolve()) is not None
    path = ingest_root_check(path, roots, may_be_gone=is_known)
    stored = to_stored(path)
    with transaction.atomic():
        library = library_ensure(folder=path.parent if is_file_at(path) else path)
        if library.is_going:
            raise PathError(_going(path))
        same = BackgroundJob.objects.filter(
            kind=BackgroundJob.Kind.INGEST,
            arguments__path=stored,
            status__in=BackgroundJob.Status.open(),
        )
        for job in same:
            if unasked is None and "unasked" in job.arguments:
                continue  # it leaves out links, and files that have just changed
            is_scanning = IngestState(**job.result).phase == "scanning"
            if job.status == BackgroundJob.Status.PAUSED:
                job_resume(job=job, is_waiting=not is_scanning)
            if is_scanning:
                return _joined(job, accept_empty=accept_empty, priority=priority)
        arguments: dict[str, Any] = {
            "path": stored,
            "accept_empty": accept_empty,
            "is_anywhere_allowed": is_anywhere_allowed,
        }
        if unasked is not None:
            arguments["unasked"] = dict(unasked)
        return job_create(
            kind=BackgroundJob.Kind.INGEST, arguments=arguments, user=user, priority=priority
        )


def _going(path: Path) -> str:
    return gettext("%(path)s: its library is being removed; add it again when that is done") % {
        "path": shown(path)
    }


def _joined(job: BackgroundJob, *, accept_empty: bool, priority: str) -> BackgroundJob:
    """Return an ingest under way that was asked for again, with what is asked for now."""
    if accept_empty:
        job.arguments["accept_empty"] = True
    if priority != BackgroundJob.Priority.NORMAL:
        job.priority = priority
    job.save(update_fields=["arguments", "priority"])
    return job


def ingest_run(
    *,
    job: BackgroundJob,
    seconds: float = float("inf"),
    on_progress: Callable[[BackgroundJob], object] = lambda _: None,
    on_file: Callable[[Fate], object] = fate_ignore,
) -> None:
    """Scan the scope of a started job, and queue its songs for analysis as they are found.

    After about `seconds` the job goes back into the queue and continues there later. PathError if
    the folder is gone. `on_file` gets every file that is written, left out, not read or missing.
    """
    end = time.monotonic() + seconds
    with job_held(job=job):
        try:
            _run(job, end, on_progress, on_file)
        except StoreAwayError as error:
            _outage_note(job, error)
            raise


def _outage_note(job: BackgroundJob, error: StoreAwayError) -> None:
    """Let staff read why the job does not go on; the next try that counts files clears it."""
    job.refresh_from_db(fields=["result"])
    state = IngestState(**job.result)
    if storable_text(str(error)) not in state.notes:
        state.note(str(error))
        job.result = asdict(state)
        job.save(update_fields=["result"])


def _run(
    job: BackgroundJob,
    end: float,
    on_progress: Callable[[BackgroundJob], object],
    on_file: Callable[[Fate], object],
) -> None:
    scope = job_scope(job)
    start = from_stored(job.arguments["path"])
    listings_forget()
    is_asked = "unasked" not in job.arguments
    if scope is None or (is_asked and is_gone(start) and not scope.songs().exists()):
        raise PathError(
            gettext("%(start)s: there is no such file or folder any more; check the disk")
            % {"start": shown(start)}
        )
    state = IngestState(**job.result)
    if not state.scanned:
        total = _count(job, state, scope.library, start, on_file)
        job_advance(job=job, done=0, total=total, result=asdict(state))
    for readings in _readings(job, scope, start, state, end):
        with timed(Stage.WRITE, len(readings)):
            _write(job, scope, state, readings, on_file)
        songs_dispatch()
        on_progress(job)
        if time.monotonic() > end:
            job_requeue(job=job)
            return
    state.missing += missing_mark(job, scope, start, state, on_file)
    if start == scope.library.path:
        Library.objects.filter(pk=scope.library.pk).update(scanned_at=timezone.now())
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


def _count(
    job: BackgroundJob,
    state: IngestState,
    library: Library,
    start: Path,
    on_file: Callable[[Fate], object],
) -> int:
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
            on_file(Fate("unread", str(found.relative)))
        elif found.kind is Kind.LEFT_OUT:
            state.left_out += 1
            on_file(Fate("left_out", str(found.relative), reason=found.reason))
        elif found.kind is Kind.IGNORED:
            state.ignored += 1
            state.note(cue_note(root / found.relative))
    return total


def _judged(job: BackgroundJob, library: Library, found: Iterator[Found]) -> Iterator[Found]:
    """Yield what was found; a link that must not be followed is refused."""
    for one in found_to_take(job, found):
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


def _readings(
    job: BackgroundJob, scope: Scope, start: Path, state: IngestState, end: float
) -> Iterator[list[Reading]]:
    """Read the files that are not written yet, some at a time; after `end` no other is begun."""
    root = scope.library.path
    after = (start / from_stored(state.cursor)).relative_to(root) if state.cursor else None
    files = _named(_judged(job, scope.library, _scanned(root, start, after)), state)
    most, held = FILES_AT_ONCE, list[tuple[str, Found]]()
    while (taken := list(islice(files, max(0, most - len(held))))) or held:
        held += batch_settled(job, scope.library, taken, state)
        until = min(end, time.monotonic() + READ_SECONDS)
        with timed(Stage.READ, len(held)) as stage:
            readings = files_read(scope.library, held[:most], until)
            stage.items = len(readings)
        held = held[len(readings) :]
        # Unchanged files take no time, so many of them share the cost of a transaction.
        most = max(FILES_AT_ONCE, len(readings)) if held else min(2 * most, MOST_AT_ONCE)
        if readings:
            yield readings


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


def _fate(outcome: Outcome, reading: Reading) -> Fate:
    refused = "FILE_NOT_STORED", "the database refuses its tags, lyrics or length"
    code, reason = reading.failure or (refused if outcome is Outcome.FAILED else ("", ""))
    return Fate(outcome, reading.name, code, reason)


@transaction.atomic
def _write(
    job: BackgroundJob,
    scope: Scope,
    state: IngestState,
    readings: Sequence[Reading],
    on_file: Callable[[Fate], object],
) -> None:
    """Write a batch and the job's progress in one transaction."""
    # One writer per library: two ingests of the same files must not both add them.
    library = Library.objects.select_for_update().filter(pk=scope.library.pk).first()
    if library is None:
        raise TransientError(f"library {scope.library.root} has just become part of a wider one")
    if library.is_going:
        raise PathError(_going(library.path))
    there = [reading for reading in readings if not reading.is_vanished]
    state.vanished += len(readings) - len(there)
    for reading in readings:
        if reading.is_vanished:
            on_file(Fate("vanished", reading.name))
    for reading, outcome in zip(there, files_write(scope.library, there), strict=True):
        setattr(state, outcome, getattr(state, outcome) + 1)
        on_file(_fate(outcome, reading))
        if reading.facts and outcome is Outcome.REMOVED:
            state.note(f"{reading.name}: staff removed this song; put it back under Songs, Removed")
        if reading.unread_tags:
            state.tags_unread += 1
            state.note(f"{reading.name}: {reading.unread_tags}; tried again at the next ingest")
        if reading.facts and reading.facts.lyrics.note:
            state.note(f"{reading.name}: {reading.facts.lyrics.note}")
    if job.priority != BackgroundJob.Priority.NORMAL:
        names = [reading.name for reading in readings]
        songs_rank(songs=scope.songs().filter(relative_path__in=names), priority=job.priority)
    below = scope.library.path / from_stored(readings[-1].name)
    # Relative to the job's path: the library may become part of a wider one.
    state.cursor = to_stored(below.relative_to(from_stored(job.arguments["path"])))
    job_advance(
        job=job, done=_settled(scope, state), total=job.progress_total, result=asdict(state)
    )
