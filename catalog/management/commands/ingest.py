"""``manage.py ingest PATH``: put a folder of music, a file or a table into the catalogue."""

from __future__ import annotations

import json
import logging
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from catalog.analysis import songs_analyse
from catalog.errors import JobStateError, PathError, PermanentError, TransientError
from catalog.ingest.catalogue import catalogue_import
from catalog.ingest.rehearsal import ingest_rehearse
from catalog.ingest.run import ingest_run, ingest_start, ingests_settle
from catalog.ingest.tables import KINDS
from catalog.ingest.tablesongs import table_import, table_library
from catalog.ingest.upsert import Outcome
from catalog.models import BackgroundJob, Song
from catalog.selectors import Scope, job_failures, job_progress, job_scope, unread_lines
from catalog.stores.addresses import path_named
from catalog.work.jobs import job_fail, job_requeue, job_start, jobs_reconcile
from catalog.work.queue import batches_next, leases_release, songs_abandon, songs_waiting
from catalog.work.workers import worker_name

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterable, Iterator

    from catalog.ingest.state import Fate
    from catalog.ingest.tables import TableReport
    from catalog.models import Library

logger = logging.getLogger(__name__)

BAD_PATH: Final = 2
"""Exit status for a path that is absent or not allowed."""
GRACE_SECONDS: Final = 3.0
"""If no worker takes a song for this long, the command analyses songs itself."""
POLL_SECONDS: Final = 0.5
FILES_SHOWN: Final = 20
"""The most files of one outcome that a dry run names without --json."""

_COUNTS: Final = (
    ("added", "new songs"),
    ("unchanged", "unchanged"),
    ("changed", "changed"),
    ("moved", "moved"),
    ("restored", "back again"),
    ("duplicates", "same content as another file"),
    ("removed", "staff removed the song"),
    ("missing", "gone"),
    ("vanished", "gone during the scan"),
    ("unread", "audio of formats that are not read"),
    ("left_out", "files and folders left out"),
    ("analysed", "analysed"),
    ("failed", "failed"),
)

_TABLE_COUNTS: Final = (
    ("added", "new songs"),
    ("changed", "changed"),
    ("restored", "back again"),
    ("unchanged", "unchanged"),
    ("removed", "staff removed the song"),
    ("missing", "no longer in the table"),
    ("kept", "no longer in the table, and not taken out"),
    ("refused", "rows not used"),
)


@dataclass(slots=True)
class _Watch:
    """The time since which nothing has changed."""

    seen: object = None
    since: float = 0.0

    def quiet_seconds(self, seen: object) -> float:
        now = time.monotonic()
        if seen != self.seen:
            self.seen, self.since = seen, now
        return now - self.since


class Command(BaseCommand):
    help = (
        "Put a folder of music, or one file, into the catalogue and have it analysed. What is "
        "there already is not done again; run it as often as you like. A table, .csv or .jsonl, "
        "becomes a library of songs without audio."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "path", nargs="?", help="Folder, audio file, s3://bucket/folder, or table."
        )
        parser.add_argument(
            "--name",
            default="",
            help="With a table: the library that it is; the file's own name if absent.",
        )
        parser.add_argument(
            "--catalogue",
            type=Path,
            metavar="FILE",
            help="A .csv or .jsonl that corrects and completes the tags of files, without a path.",
        )
        parser.add_argument(
            "--root",
            metavar="FOLDER",
            help="With --catalogue: where its paths begin; its own folder if absent.",
        )
        parser.add_argument(
            "--wait",
            action="store_true",
            help="Show progress until all is analysed; works along if no worker is running.",
        )
        parser.add_argument(
            "--at-most",
            type=float,
            metavar="SECONDS",
            default=float("inf"),
            help="With --wait: stop waiting then; the work goes on in the background.",
        )
        parser.add_argument(
            "--priority",
            choices=BackgroundJob.Priority.values,
            default=BackgroundJob.Priority.NORMAL,
            help="Of its songs in the queue for analysis; next comes before high.",
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="Say what would happen to which file; nothing is written or analysed.",
        )
        parser.add_argument(
            "--json", action="store_true", help="With --dry-run: one JSON object, with every file."
        )
        parser.add_argument(
            "--accept-empty",
            action="store_true",
            help="Mark songs as gone even if more than half, or all, of the files are gone.",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        if options["json"] and not options["dry_run"]:
            raise CommandError("--json is for --dry-run; manage.py jobs --json tells of real runs")
        if (options["path"] is None) == (options["catalogue"] is None):
            raise CommandError("name a folder or file, or a --catalogue, and not both")
        if options["catalogue"]:
            self._catalogue(options)
            return
        if Path(options["path"]).suffix.lower().removeprefix(".") in KINDS:
            self._table(options)
            return
        if options["name"]:
            raise CommandError("--name is for a table; a folder has the name of its folder")
        if options["dry_run"]:
            self._rehearse(options)
            return
        if options["wait"]:
            jobs_reconcile()  # a killed command may have left the job started
        try:
            job = ingest_start(
                path=path_named(options["path"]),
                is_anywhere_allowed=True,
                accept_empty=options["accept_empty"],
                priority=options["priority"],
            )
        except PathError as error:
            raise CommandError(str(error), returncode=BAD_PATH) from error
        if not options["wait"]:
            self.stdout.write(f"Job {job.pk} waits for a worker; `make run` starts one")
            return
        end = time.monotonic() + options["at_most"]
        worker = worker_name("manage.py ingest")
        jobs = [job]
        for one in jobs:  # grows by the folders behind links
            self._wait(one, worker, end)
            linked = BackgroundJob.objects.filter(pk__in=one.result.get("linked", []))
            jobs.extend(linked.exclude(pk__in=[known.pk for known in jobs]).order_by("created_at"))

    def _catalogue(self, options: dict[str, Any]) -> None:
        """Import a catalogue file, and print each row that cannot be used."""
        if options["dry_run"]:
            raise CommandError("--dry-run is for folders; a catalogue can be imported again")
        file = options["catalogue"].resolve()
        try:
            root = path_named(options["root"]) if options["root"] else file.parent
            report = catalogue_import(file=file, root=root)
        except PathError as error:
            raise CommandError(str(error), returncode=BAD_PATH) from error
        self.stdout.write(f"{report.changed:7d} songs changed")
        self.stdout.write(f"{report.unchanged:7d} unchanged")
        self.stdout.write(f"{report.refused:7d} rows not used")
        self._problems(file, report)

    def _problems(self, file: Path, report: TableReport) -> None:
        for one in report.problems:
            where = f"line {one.line}" + (f", {one.field}" if one.field else "")
            self.stdout.write(f"  {file.name}, {where}: {one.message}")
        if report.refused > len(report.problems):
            self.stdout.write("  and more; correct these and import the file again")

    def _table(self, options: dict[str, Any]) -> None:
        """Import a table of songs without audio, and print what came of each row."""
        if options["dry_run"]:
            raise CommandError("--dry-run is for folders; a table can be imported again")
        file = Path(options["path"]).resolve()
        try:
            size = file.stat().st_size
            library = table_library(name=options["name"] or file.stem)
            with tqdm(
                total=size, unit="B", unit_scale=True, desc="reading", file=sys.stderr
            ) as bar:
                report = table_import(
                    library=library,
                    file=file,
                    accept_empty=options["accept_empty"],
                    advance=lambda read: _show_bytes(read, bar),
                )
        except OSError as error:
            message = f"{file}: cannot be read ({error.strerror}); check the path"
            raise CommandError(message, returncode=BAD_PATH) from error
        except PathError as error:
            raise CommandError(str(error), returncode=BAD_PATH) from error
        self.stdout.write(f"{library.name}: songs without audio, {size:,} bytes read")
        for key, text in _TABLE_COUNTS:
            if getattr(report, key) or key in {"added", "refused"}:
                self.stdout.write(f"{getattr(report, key):7d} {text}")
        if report.kept:
            self.stdout.write(f"  {report.kept_reason} (--accept-empty)")
        self._problems(file, report)
        if options["wait"]:
            self._table_wait(library, time.monotonic() + options["at_most"])

    def _table_wait(self, library: Library, end: float) -> None:
        """Wait until the songs of a table are analysed; work along if nobody else does."""
        scope, worker, watch = Scope(library, ""), worker_name("manage.py ingest"), _Watch()
        is_helping = False
        waiting = scope.songs().filter(status=Song.Status.PENDING)
        with tqdm(total=waiting.count(), unit=" songs", desc="analysing", file=sys.stderr) as bar:
            while time.monotonic() < end and (left := waiting.count()):
                bar.n = (bar.total or 0) - left
                bar.refresh()
                leases_release()
                is_helping = is_helping or watch.quiet_seconds(left) > GRACE_SECONDS
                if not (is_helping and _help(scope, worker)):
                    time.sleep(POLL_SECONDS)
        failed = scope.failed_songs()
        self.stdout.write(f"{waiting.count():7d} wait to be analysed")
        self.stdout.write(f"{failed.count():7d} failed")
        for song in failed.order_by("relative_path")[:FILES_SHOWN]:
            self.stdout.write(f"  {song}: {song.failure_code}: {song.failure_message}")

    def _rehearse(self, options: dict[str, Any]) -> None:
        """Print what an ingest would do."""
        with tqdm(unit=" files", desc="reading", dynamic_ncols=True, file=sys.stderr) as bar:
            try:
                found = ingest_rehearse(
                    path=path_named(options["path"]),
                    accept_empty=options["accept_empty"],
                    on_progress=lambda job: _show_read(job, bar),
                )
            except PathError as error:
                raise CommandError(str(error), returncode=BAD_PATH) from error
        if options["json"]:
            told = [asdict(one) for one in found]
            self.stdout.write(json.dumps({"dry_run": told}, ensure_ascii=False, indent=1))
            return
        for one in found:
            self.stdout.write(f"{one.path}: nothing was changed. An ingest now would count:")
            for key, text in _COUNTS:
                if one.counts.get(key) or key in {"added", "failed"}:
                    self.stdout.write(f"{one.counts.get(key, 0):7d} {text}")
            for line in _fate_lines(one.files):
                self.stdout.write(f"  {line}")
            for note in one.counts.get("notes", []):
                self.stdout.write(f"  note: {note}")
            if one.code:
                self.stdout.write(f"  The ingest would end with {one.code}: {one.message}")

    def _wait(self, job: BackgroundJob, worker: str, end: float) -> None:
        """Work along until the job has ended or the time is over; then print what it did."""
        with tqdm(unit=" files", desc="scanning", dynamic_ncols=True) as bar:
            try:
                self._scan(job, worker, bar, end)
                self._analyse(job, worker, bar, end)
            except KeyboardInterrupt:
                _give_back(job, worker)
                raise
        self._summarise(job)

    def _scan(self, job: BackgroundJob, worker: str, bar: tqdm[Any], end: float) -> None:
        """Scan in this process, unless a worker has started the job."""
        try:
            job = job_start(job_id=job.pk, worker=worker)
            seconds = end - time.monotonic()
            ingest_run(job=job, seconds=seconds, on_progress=lambda now: _show(now, bar))
        except JobStateError:
            return  # a worker has it, or it was revoked; `_analyse` reads which
        except TransientError as error:
            logger.warning("The scan goes on in a moment: %s", error)
            job_requeue(job=job)
        except PathError as error:
            job_fail(job=job, code=error.code, message=str(error))
            raise CommandError(str(error), returncode=BAD_PATH) from error
        except PermanentError as error:
            job_fail(job=job, code=error.code, message=str(error))

    def _analyse(self, job: BackgroundJob, worker: str, bar: tqdm[Any], end: float) -> None:
        """Wait until the job has ended; scan and analyse here what no worker does."""
        watch, unstarted = _Watch(), _Watch()
        is_helping = False
        while time.monotonic() < end:
            jobs_reconcile()  # a worker may have died
            job.refresh_from_db()
            _show(job, bar)
            if job.finished_at:
                return
            is_pending = job.status == BackgroundJob.Status.PENDING
            if unstarted.quiet_seconds(is_pending or object()) > GRACE_SECONDS:
                self._scan(job, worker, bar, end)
            scope = job_scope(job)
            if scope is None:
                raise CommandError(f"The library of job {job.pk} is gone; ingest it again")
            quiet_seconds = watch.quiet_seconds(_moving(job, scope))
            if not is_helping and quiet_seconds > GRACE_SECONDS:
                is_helping = True
                bar.write("No worker takes the songs; analysing them here.", file=sys.stderr)
            if not (is_helping and _help(scope, worker)):
                time.sleep(POLL_SECONDS)

    def _summarise(self, job: BackgroundJob) -> None:
        job.refresh_from_db()
        if job.status == BackgroundJob.Status.FAILED:
            raise CommandError(f"{job.error_code}: {job.error_message}")
        if job.status == BackgroundJob.Status.REVOKED:
            self.stdout.write(f"Staff cancelled the job {job.pk}; the same command starts another.")
            return
        if not job.finished_at:
            progress = job_progress(job)
            self.stdout.write(
                f"Still {progress.phase}: {progress.done} of {progress.total} files done. The work "
                f"goes on in the background (job {job.pk}) while a worker runs; the same command "
                "shows it again."
            )
            return
        for key, text in _COUNTS:
            if job.result[key] or key in {"added", "analysed", "failed"}:
                self.stdout.write(f"{job.result[key]:7d} {text}")
        for text in unread_lines(job):
            self.stdout.write(f"  not read: {text}")
        for failure in job_failures(job=job):
            self.stdout.write(f"  {failure.path}: {failure.code}: {failure.message}")
        for note in job.result["notes"]:
            self.stdout.write(f"  note: {note}")


def _moving(job: BackgroundJob, scope: Scope) -> object:
    """Return a value that stays equal only while nobody works on the job's songs."""
    leases_release()
    pending = Song.objects.filter(status=Song.Status.PENDING)
    waiting = songs_waiting()
    if pending.exclude(leased_by="").exclude(pk__in=waiting.values("pk")).exists():
        return object()  # a worker holds a song, and one song may take long
    return job.result, job.status, (waiting & scope.songs()).count()


def _help(scope: Scope, worker: str) -> bool:
    """Analyse one batch of waiting songs; return whether that settled any."""
    songs_abandon()
    songs = songs_waiting() & scope.songs()
    batches = batches_next(songs=songs, limit=1_000)
    if not batches:
        ingests_settle()
        return False
    try:
        report = songs_analyse(song_ids=batches[0], worker=worker)
    except TransientError as error:
        logger.warning("The analysis goes on in a moment: %s", error)
        return False
    ingests_settle()
    return report.analysed + report.failed > 0


def _fate_lines(files: Iterable[Fate]) -> Iterator[str]:
    """Yield lines on the files that do not stay as they are, the first ones of each kind."""
    texts = dict(_COUNTS)
    by_kind: dict[str, list[Fate]] = {}
    for one in files:
        by_kind.setdefault(one.what, []).append(one)
    for what in texts:
        some = by_kind.get(what, []) if what != "unchanged" else []
        for one in some[:FILES_SHOWN]:
            why = ": ".join(part for part in (one.code, one.reason) if part)
            yield f"{texts[what]}: {one.name}" + (f": {why}" if why else "")
        if len(some) > FILES_SHOWN:
            yield f"{texts[what]}: and {len(some) - FILES_SHOWN} more; --json names all"


def _show_bytes(read: int, bar: tqdm[Any]) -> None:
    bar.update(read - bar.n)


def _show_read(job: BackgroundJob, bar: tqdm[Any]) -> None:
    bar.total = job.progress_total
    bar.n = sum(job.result[outcome] for outcome in Outcome)
    bar.refresh()


def _show(job: BackgroundJob, bar: tqdm[Any]) -> None:
    progress = job_progress(job)
    bar.total = progress.total
    bar.n = progress.done
    bar.set_description(progress.phase, refresh=False)
    bar.set_postfix({"failed": progress.failed}, refresh=False)
    bar.refresh()


def _give_back(job: BackgroundJob, worker: str) -> None:
    """Give the interrupted scan back to the queue."""
    job.refresh_from_db()
    if job.status == BackgroundJob.Status.STARTED and job.worker == worker:
        job_requeue(job=job)
