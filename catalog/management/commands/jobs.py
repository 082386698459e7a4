"""``manage.py jobs``: how ingests stand, and priority, pause, resume, cancel and retry."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from django.core.management.base import BaseCommand, CommandError

from catalog.errors import JobStateError, PathError
from catalog.ingest.control import (
    failures_retry,
    ingest_cancel,
    ingest_pause,
    ingest_prioritise,
    ingest_resume,
)
from catalog.models import BackgroundJob
from catalog.selectors import (
    STAGES,
    Failure,
    JobProgress,
    job_failure_count,
    job_failures,
    job_progress,
    unread_lines,
)

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable

Status = BackgroundJob.Status

POLL_SECONDS: Final = 1.0
_ACTIONS: Final = ("list", "show", "pause", "resume", "cancel", "retry", "priority")
_CLEAR: Final = "\x1b[2J\x1b[H"
_COUNTED: Final = (
    *("added", "unchanged", "changed", "moved", "restored", "duplicates", "removed", "missing"),
    *("vanished", "unread", "left_out", "analysed", "failed"),
)
_MINUTE: Final = 60
_HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class _Told:
    """What the command says of a job; its fields are those of the JSON."""

    id: str
    state: str
    priority: str
    stages: dict[str, str]
    progress: JobProgress
    counts: dict[str, int]
    path: str
    error_code: str
    error_message: str
    created_at: str
    finished_at: str | None


class Command(BaseCommand):
    help = (
        "List the ingests, show one with its failures, and pause, resume, cancel, retry or move it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", nargs="?", choices=_ACTIONS, default="list")
        parser.add_argument("id", nargs="?", default="", help="Of the job, or how it begins.")
        parser.add_argument(
            "priority",
            nargs="?",
            choices=BackgroundJob.Priority.values,
            help="With priority: the place of its songs in the queue.",
        )
        parser.add_argument(
            "--file", metavar="PATH", default="", help="With retry: only this failed file."
        )
        parser.add_argument("--json", action="store_true", help="Print JSON.")
        parser.add_argument(
            "--watch",
            action="store_true",
            help="With list and show: print again until the jobs have ended.",
        )
        parser.add_argument(
            "--most", type=int, default=20, metavar="N", help="With list: the newest N jobs."
        )

    def handle(self, *_: Any, **options: Any) -> None:
        action = options["action"]
        if options["file"] and action != "retry":
            raise CommandError("--file is for retry: manage.py jobs retry ID --file PATH")
        if action == "list":
            self._print(lambda: self._list(options), options)
            return
        job = _find(options["id"])
        if action != "show":
            job = _act(action, job, file=options["file"], priority=options["priority"])
        self._print(lambda: self._show(job, options), options)
        if options["watch"] and job.status == Status.FAILED:
            raise CommandError(f"{job.error_code}: {job.error_message}")

    def _print(self, told: Callable[[], tuple[str, bool]], options: dict[str, Any]) -> None:
        """Print what is told; with --watch whenever it changes, until no job is open."""
        before = None
        while True:
            text, is_open = told()
            if text != before:
                is_screen = options["watch"] and not options["json"] and self.stdout.isatty()
                self.stdout.write((_CLEAR if is_screen else "") + text)
                before = text
            if not (options["watch"] and is_open):
                return
            time.sleep(POLL_SECONDS)

    def _list(self, options: dict[str, Any]) -> tuple[str, bool]:
        jobs = list(_ingests().order_by("-created_at", "id")[: options["most"]])
        told = [_told(job) for job in jobs]
        is_open = any(job.finished_at is None for job in jobs)
        if options["json"]:
            lines = options["watch"]
            return _as_json({"jobs": [asdict(one) for one in told]}, is_line=lines), is_open
        if not told:
            return "Nothing has been added yet; manage.py ingest PATH adds a folder of music", False
        rows: list[tuple[str, ...]] = [
            ("ID", "STATE", "STAGE", "FILES", "FAILED", "SPEED", "LEFT", "PATH")
        ]
        rows += [_row(one) for one in told]
        widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
        cells = (
            [text.ljust(width) for text, width in zip(row, widths, strict=True)] for row in rows
        )
        return "\n".join("  ".join(row).rstrip() for row in cells), is_open

    def _show(self, job: BackgroundJob, options: dict[str, Any]) -> tuple[str, bool]:
        job.refresh_from_db()
        told, failures = _told(job), job_failures(job=job)
        is_open = job.finished_at is None
        notes = job.result.get("notes", [])
        if options["json"]:
            answer = {
                **asdict(told),
                "failures": [asdict(one) for one in failures],
                "failure_count": job_failure_count(job=job),
                "notes": notes,
            }
            return _as_json(answer, is_line=options["watch"]), is_open
        return "\n".join(_lines(told, failures, [*unread_lines(job)], notes)), is_open


def _ingests() -> Any:
    return BackgroundJob.objects.filter(kind=BackgroundJob.Kind.INGEST)


def _find(start: str) -> BackgroundJob:
    """Return the only job whose id begins so; CommandError if there is none, or several."""
    if not start:
        raise CommandError("name the job: manage.py jobs lists them with their ids")
    wanted = start.replace("-", "").lower()
    found = [pk for pk in _ingests().values_list("pk", flat=True) if pk.hex.startswith(wanted)]
    if len(found) != 1:
        what = f"{len(found)} jobs have ids that begin" if found else "no job has an id that begins"
        raise CommandError(f"{what} with {start}; manage.py jobs lists the jobs")
    job: BackgroundJob = _ingests().get(pk=found[0])
    return job


def _act(action: str, job: BackgroundJob, *, file: str, priority: str | None) -> BackgroundJob:
    """Do what the page of the job does, by the same functions; return the job to show."""
    acts: dict[str, Callable[..., object]] = {
        "pause": ingest_pause,
        "resume": ingest_resume,
        "cancel": ingest_cancel,
        "priority": partial(ingest_prioritise, priority=priority or ""),
    }
    if action == "priority" and priority is None:
        named = ", ".join(BackgroundJob.Priority.values)
        raise CommandError(f"name the priority, one of {named}: manage.py jobs priority ID high")
    try:
        if action == "retry":
            return failures_retry(job=job, path=file)
        acts[action](job=job)
    except JobStateError as error:
        raise CommandError(str(error)) from error
    except PathError as error:
        raise CommandError(f"{error}; manage.py jobs show {job.pk} names what failed") from error
    return job


def _told(job: BackgroundJob) -> _Told:
    progress = job_progress(job)
    at = STAGES.index(progress.stage) + (job.status == Status.SUCCEEDED)
    return _Told(
        id=str(job.pk),
        state=job.status,
        priority=job.priority,
        stages={
            name: "done" if n < at else "now" if n == at else "next"
            for n, name in enumerate(STAGES)
        },
        progress=progress,
        counts={**{name: job.result.get(name, 0) for name in _COUNTED}, "failed": progress.failed},
        path=job.arguments["path"],
        error_code=job.error_code,
        error_message=job.error_message,
        created_at=job.created_at.isoformat(timespec="seconds"),
        finished_at=job.finished_at.isoformat(timespec="seconds") if job.finished_at else None,
    )


def _row(one: _Told) -> tuple[str, ...]:
    progress = one.progress
    speed = f"{progress.songs_per_minute:.1f}/min" if progress.rate_songs else ""
    return (
        one.id[:8],
        one.state,
        progress.stage,
        f"{progress.done}/{progress.total}",
        str(progress.failed),
        speed if one.state == Status.STARTED else "",
        _left(one),
        one.path,
    )


def _left(one: _Told) -> str:
    """Return how long a running job will take, and what says so; empty if nothing does."""
    seconds = one.progress.eta_seconds
    if one.state != Status.STARTED or not seconds or not math.isfinite(seconds):
        return ""
    if seconds < _MINUTE:
        left = f"{math.ceil(seconds)} s"
    elif seconds < _HOUR:
        left = f"{math.ceil(seconds / _MINUTE)} min"
    else:
        left = f"{seconds / _HOUR:.1f} h"
    basis = f"{one.progress.rate_songs} songs in the last {one.progress.rate_seconds:.0f} s"
    return f"{left} (by {basis})"


def _lines(one: _Told, failures: list[Failure], unread: list[str], notes: list[str]) -> list[str]:
    progress = one.progress
    stages = " > ".join(
        f"[{name}]" if state == "now" else name for name, state in one.stages.items()
    )
    lines = [
        f"job      {one.id}",
        f"path     {one.path}",
        f"state    {one.state}; {stages}",
        f"priority {one.priority}",
        f"files    {progress.done} of {progress.total}, {progress.failed} failed",
    ]
    if left := _left(one):
        lines.append(f"speed    {progress.songs_per_minute:.1f} songs a minute; {left} left")
    counts = ", ".join(f"{count} {name}" for name, count in one.counts.items() if count)
    lines.append(f"counts   {counts or 'nothing yet'}")
    if one.error_code:
        lines.append(f"error    {one.error_code}: {one.error_message}")
    lines += [f"not read {text}" for text in unread]
    lines += [f"note     {text}" for text in notes]
    lines += [f"failed   {failure.path}: {failure.code}: {failure.message}" for failure in failures]
    if failures and one.finished_at:
        lines.append(f"try them again with: manage.py jobs retry {one.id[:8]} [--file PATH]")
    return lines


def _as_json(answer: dict[str, Any], *, is_line: bool) -> str:
    return json.dumps(answer, ensure_ascii=False, indent=None if is_line else 1)
