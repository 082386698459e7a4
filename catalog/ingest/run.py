"""From a folder to songs: scan → hash → probe → read_tags → upsert_song → queue for analysis.

A few files are read at a time, outside any transaction. Their facts and the job's progress are
then written in one small transaction. After a kill, the next run continues after the last file
that was written, and no file is counted twice.
"""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import DatabaseError, DataError, IntegrityError, transaction
from django.utils import timezone

from catalog.errors import (
    FilesVanishedError,
    FileUnusableError,
    JobStateError,
    PathError,
    TransientError,
    machine_errors_raise,
)
from catalog.files.left_out import LeftOut
from catalog.files.lyrics import Lyrics, lyrics_find
from catalog.files.scan import (
    FileFacts,
    FileStamp,
    Found,
    Kind,
    audio_hash,
    cue_note,
    read_file,
    scan,
    stamp_of,
)
from catalog.files.tags import TAGS_VERSION, Tags, read_tags
from catalog.ingest.upsert import (
    PASSING_CODES,
    Outcome,
    copy_has_its_song,
    copy_upsert,
    failure_upsert,
    library_ensure,
    song_keep,
    song_upsert,
)
from catalog.models import BackgroundJob, IngestFailure, KnownCopy, Library, Song, SongEmotion
from catalog.paths import (
    can_be_seen,
    from_stored,
    holds_anything,
    ingest_root_check,
    is_gone,
    to_stored,
)
from catalog.selectors import job_scope, library_find
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

_NO_STAMP: Final = FileStamp(0, 0)


@dataclass(slots=True)
class IngestState:
    """The state of an ingest, as `BackgroundJob.result` stores it.

    `phase` is scanning, analysing or done. `cursor` is the last file written, below the path of the
    job. The other numbers count files. `failed` counts the files that did not become songs; once
    the ingest is done it also counts the songs whose analysis failed. `ignored` files are no audio.
    `unread` files are audio of formats that are not read: all are counted by suffix, the first are
    named. `left_out` counts names that `LeftOut` names. `vanished` files went during the scan.
    `missing` songs are gone, or left out now.
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
    unread: int = 0
    unread_suffixes: dict[str, int] = field(default_factory=dict)
    unread_files: list[str] = field(default_factory=list)
    left_out: int = 0
    vanished: int = 0
    missing: int = 0
    analysed: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def scanned(self) -> int:
        """Return the number of files that were dealt with."""
        written: int = sum(getattr(self, outcome) for outcome in Outcome)
        return written + self.vanished

    def note(self, text: str) -> None:
        """Add a note for the admin, up to `MAX_NOTES`."""
        if text and len(self.notes) < MAX_NOTES:
            self.notes.append(storable_text(text))


@dataclass(frozen=True, slots=True)
class _Known:
    """The rows of one path."""

    song: Song | None
    failure: IngestFailure | None
    copy: KnownCopy | None


@dataclass(frozen=True, slots=True)
class _Kept:
    """A song whose file is unchanged, with what it did not have yet, or has otherwise."""

    song: Song
    lyrics: Lyrics | None
    audio_sha256: str | None
    tags: Tags | None


@dataclass(frozen=True, slots=True)
class _Reading:
    """The result of reading one file.

    At most one of the last three is set; none if the file is gone, or is an unchanged copy.
    `known` is what the catalogue says of the path.
    """

    name: str
    stamp: FileStamp
    known: _Known
    is_copy: bool = False
    facts: FileFacts | None = None
    failure: tuple[str, str] | None = None
    kept: _Kept | None = None


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
        arguments = {"path": stored, "accept_empty": accept_empty}
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
        total = _count(state, scope.library.path, start)
        job_advance(job=job, done=0, total=total, result=asdict(state))
    for batch in _batches(scope, start, state):
        _write(job, scope, state, _read(scope.library, batch, end))
        songs_dispatch()
        on_progress(job)
        if time.monotonic() > end:
            job_requeue(job=job)
            return
    state.missing += _missing_mark(job, scope, start, state)
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


def _count(state: IngestState, root: Path, start: Path) -> int:
    """Count what is no file to be read into `state`; return the number of files to be read."""
    total = 0
    state.ignored = state.unread = state.left_out = 0
    state.unread_suffixes, state.unread_files, state.notes = {}, [], []
    for found in _scanned(root, start):
        if found.kind in {Kind.AUDIO, Kind.REFUSED}:
            total += 1
        elif found.kind is Kind.UNREAD:
            _count_unread(state, found.relative)
        elif found.kind is Kind.LEFT_OUT:
            state.left_out += 1
        elif found.kind is Kind.IGNORED:
            state.ignored += 1
            state.note(cue_note(root / found.relative))
    return total


def _count_unread(state: IngestState, relative: Path) -> None:
    suffix = storable_text(relative.suffix.lower())
    state.unread += 1
    state.unread_suffixes[suffix] = state.unread_suffixes.get(suffix, 0) + 1
    if len(state.unread_files) < MAX_NOTES:
        state.unread_files.append(storable_text(str(relative)))


def _scanned(root: Path, start: Path, after: Path | None = None) -> Iterator[Found]:
    """Return what `scan` finds; nothing if `start` is gone, which `_missing_mark` judges."""
    return iter(()) if is_gone(start) else scan(root, start, after=after)


def _batches(scope: Scope, start: Path, state: IngestState) -> Iterator[list[tuple[str, Found]]]:
    """Yield the files that are not written yet, each with its stored path."""
    root = scope.library.path
    after = (start / from_stored(state.cursor)).relative_to(root) if state.cursor else None
    files = _named(_scanned(root, start, after), state)
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


def _read(library: Library, batch: Sequence[tuple[str, Found]], end: float) -> list[_Reading]:
    """Read the files of a batch; after `end` no other one is begun."""
    at = {"library": library, "relative_path__in": [name for name, _ in batch]}
    # Of several songs with one path, the available one comes last and wins.
    songs = {s.relative_path: s for s in Song.objects.filter(**at).order_by("is_available", "pk")}
    failures = {f.relative_path: f for f in IngestFailure.objects.filter(**at)}
    copies = {c.relative_path: c for c in KnownCopy.objects.filter(**at)}
    readings = []
    for name, found in batch:
        known = _Known(songs.get(name), failures.get(name), copies.get(name))
        readings.append(_read_one(library, name, found, known))
        if time.monotonic() > end:
            break
    return readings


def _read_one(library: Library, name: str, found: Found, known: _Known) -> _Reading:
    """Read a file, unless it is unchanged since it became a song or a copy, or failed."""
    if found.kind is Kind.REFUSED:
        return _Reading(name, _NO_STAMP, known, failure=(PathError.code, found.reason))
    root, path = library.path, library.path / found.relative
    song, failure, stamp = known.song, known.failure, _NO_STAMP
    try:
        stamp = stamp_of(path)
        if song and stamp == _stamp_in(song):
            # Songs from before that column get the hash once, at a time when nothing else is read.
            audio = None if song.audio_sha256 else audio_hash(path)
            is_old = song.tags_version < TAGS_VERSION
            tags = read_tags(path, found.relative) if is_old else None
            lyrics = _new_lyrics(song, root, path, tags)
            return _Reading(name, stamp, known, kept=_Kept(song, lyrics, audio, tags))
        if known.copy and stamp == _stamp_in(known.copy) and copy_has_its_song(known.copy):
            return _Reading(name, stamp, known, is_copy=True)
        is_known = failure is not None and stamp == _stamp_in(failure)
        if failure and is_known and failure.code not in PASSING_CODES:
            return _Reading(name, stamp, known, failure=(failure.code, failure.message))
        facts = read_file(root, found.relative, max_bytes=settings.AFFETTI_MAX_FILE_BYTES)
    except (SoftTimeLimitExceeded, DatabaseError):
        raise
    except Exception as error:  # the edge of one file: no file may stop the others
        if is_gone(path):
            return _Reading(name, stamp, known)
        return _Reading(name, stamp, known, failure=_failure_of(path, error))
    if field_name := not_finite(facts):
        reason = f"its {field_name} is not a finite number; write its tags again, or convert it"
        return _Reading(name, stamp, known, failure=("FILE_NOT_FINITE", reason))
    return _Reading(name, stamp, known, facts=facts)


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


def _stamp_in(row: Song | IngestFailure | KnownCopy) -> FileStamp:
    return FileStamp(row.file_size_bytes, row.file_mtime_ns)


def _new_lyrics(song: Song, root: Path, path: Path, tags: Tags | None) -> Lyrics | None:
    """Return the lyrics of an unchanged file if they differ from the song's, else None.

    Without `tags` those in the tags are not read again, and only files beside it count.
    """
    if song.lyrics_source == "admin" or (song.lyrics_source == "tag" and tags is None):
        return None
    lyrics = lyrics_find(path=path, root=root, tag_lyrics=tags.lyrics if tags else "")
    is_same = (lyrics.text, lyrics.note) == (song.lyrics, song.lyrics_note)
    is_refused = not tags and lyrics.text == song.lyrics and "in the tags" in song.lyrics_note
    return None if is_same or is_refused else lyrics


@transaction.atomic
def _write(
    job: BackgroundJob, scope: Scope, state: IngestState, readings: Sequence[_Reading]
) -> None:
    """Write a batch and the job's progress in one transaction."""
    # One writer per library: two ingests of the same files must not both add them.
    if not Library.objects.select_for_update().filter(pk=scope.library.pk).exists():
        raise TransientError(f"library {scope.library.root} has just become part of a wider one")
    for reading in readings:
        if not (reading.kept or reading.facts or reading.failure or reading.is_copy):
            state.vanished += 1
            continue
        outcome = _write_safely(scope.library, reading)
        setattr(state, outcome, getattr(state, outcome) + 1)
        if reading.facts and reading.facts.lyrics.note:
            state.note(f"{reading.name}: {reading.facts.lyrics.note}")
    below = scope.library.path / from_stored(readings[-1].name)
    # Relative to the job's path: the library may become part of a wider one.
    state.cursor = to_stored(below.relative_to(from_stored(job.arguments["path"])))
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
    failed = _Reading(
        reading.name, reading.stamp, reading.known, failure=("FILE_NOT_STORED", reason)
    )
    return _write_one(library, failed)


def _write_one(library: Library, reading: _Reading) -> Outcome:
    if reading.is_copy:
        return Outcome.DUPLICATE
    outcome = _write_changed(library, reading)
    if outcome is Outcome.DUPLICATE and reading.facts:
        copy_upsert(library=library, relative_path=reading.name, facts=reading.facts)
    elif reading.known.copy:
        KnownCopy.objects.filter(pk=reading.known.copy.pk).delete()
    return outcome


def _write_changed(library: Library, reading: _Reading) -> Outcome:
    if reading.kept:
        kept = reading.kept
        return song_keep(
            song=kept.song, lyrics=kept.lyrics, audio_sha256=kept.audio_sha256, tags=kept.tags
        )
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


def _missing_mark(job: BackgroundJob, scope: Scope, start: Path, state: IngestState) -> int:
    """Mark the songs, and delete the failures, whose file is gone or left out now.

    Returns the number of songs. Raises FilesVanishedError, and marks none, if more than half of
    them are gone at once or `start` is empty, unless the job accepts that.
    """
    root, rules = scope.library.path, LeftOut(scope.library.path)
    gone, left_out, last = [], [], 0
    while page := list(scope.songs().filter(pk__gt=last).values_list("pk", "relative_path")[:500]):
        for pk, stored in page:
            relative = from_stored(stored)
            if rules.reason_with_parents(relative, is_folder=False):
                left_out.append(pk)
            elif is_gone(root / relative):
                gone.append(pk)
        last = page[-1][0]
    _vanished_check(job, start, gone=len(gone), of=scope.songs().count())
    if left_out:
        state.note(f"{len(left_out)} songs are left out now (.affettiignore, .nomedia, system)")
    missing = [*gone, *left_out]
    for at in range(0, len(missing), 500):
        Song.objects.filter(pk__in=missing[at : at + 500]).update(
            is_available=False, updated_at=timezone.now()
        )
    _rows_forget(job, scope)
    return len(missing)


def _vanished_check(job: BackgroundJob, start: Path, *, gone: int, of: int) -> None:
    """Raise FilesVanishedError if so many files are gone that a disk may be missing."""
    job.refresh_from_db(fields=["arguments"])
    is_lost = not start.is_file() and not holds_anything(start)
    if not gone or job.arguments.get("accept_empty") or not (is_lost or 2 * gone > of):
        return
    what = "is empty or absent" if is_lost else "has lost more than half of its files"
    raise FilesVanishedError(
        f"{start}: {what}: {gone} of {of} songs are gone at once, and none was marked as gone. If "
        "a disk is not mounted, mount it and ingest again. If the files are gone for good, confirm "
        "it: --accept-empty, accept_empty of the API, or the box on the ingest page"
    )


def _rows_forget(job: BackgroundJob, scope: Scope) -> None:
    """Delete the failures and copies that are gone, and failures that this scan did not meet."""
    root = scope.library.path
    for failure in scope.failed_files():
        path = root / from_stored(failure.relative_path)
        is_unmet = failure.updated_at < job.created_at and can_be_seen(path)
        if is_gone(path) or is_unmet:
            failure.delete()
    for copy in KnownCopy.objects.filter(scope.inside()):
        if is_gone(root / from_stored(copy.relative_path)):
            copy.delete()
