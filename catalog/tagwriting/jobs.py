"""Runs in the background: a job previews, writes or undoes one, and goes on after a death.

What is left to do follows from the run, so the job only names it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils.translation import gettext, gettext_noop

from catalog.errors import JobStateError, TagRunBusyError, TagWritingError
from catalog.models import BackgroundJob, TagRun, TagWrite
from catalog.retold import kept
from catalog.tagwriting.holding import run_held
from catalog.tagwriting.plan import Choice, songs_chosen
from catalog.tagwriting.run import (
    going_check,
    run_begin,
    run_preview,
    run_undo,
    run_write,
    runs_listed,
    undo_begin,
)
from catalog.work.jobs import (
    job_advance,
    job_create,
    job_defer,
    job_held,
    job_requeue,
    job_revoke,
    job_succeed,
)

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from catalog.tagwriting.plan import Moods

_GONE = kept(gettext_noop("The run of tags is gone: it was deleted as an old preview"))


@transaction.atomic
def tag_run_start(*, choice: Choice, is_preview: bool, user: User | None) -> TagRun:
    """Make a run, or a preview of one, that a worker goes through; TagWritingError as `run_begin`.

    Its job is `TagRun.job`.
    """
    run = run_begin(choice=choice, user=user, is_preview=is_preview)
    return _given(run, "preview" if is_preview else "write", user)


@transaction.atomic
def tag_preview_write(*, preview: TagRun, user: User | None) -> TagRun:
    """Make a run that writes what a preview shows, or return the one that does so already.

    TagWritingError as `run_begin`, and unless the preview is ready.
    """
    ready = TagRun.objects.select_for_update().filter(pk=preview.pk, state=TagRun.State.PLANNED)
    found = ready.first()  # of two requests, the second one waits
    if found is None:
        raise TagWritingError(
            gettext("The preview %(run)s is not ready; wait for it, or make another one")
            % {"run": preview.pk}
        )
    begun = TagRun.objects.filter(state=TagRun.State.STARTED, job__finished_at=None)
    for run in begun.exclude(job=None):
        if run.choice == found.choice:
            return run
    return tag_run_start(choice=Choice.of_json(found.choice), is_preview=False, user=user)


def tag_run_undo(*, run: TagRun, user: User | None) -> TagRun:
    """Let a worker undo a run, or go on with that; TagWritingError if something goes on with it."""
    with transaction.atomic():
        TagRun.objects.select_for_update().get(pk=run.pk)  # of two requests, the second one waits
        with run_held(run):
            going_check(run)
            if run.state != TagRun.State.UNDOING:
                undo_begin(run)
        # Its worker may be there at once, so the run is held no more.
        return _given(run, "undo", user)


def tag_run_cancel(*, run: TagRun) -> None:
    """End the job of a run after the file at hand; JobStateError if none goes on.

    What was written stays, and can be undone.
    """
    if run.job is None:
        raise JobStateError(gettext("No job goes on with the run %(run)s") % {"run": run.pk})
    job_revoke(job=run.job)


def _given(run: TagRun, act: str, user: User | None) -> TagRun:
    arguments = {"run": run.pk, "act": act}
    run.job = job_create(kind=BackgroundJob.Kind.TAGS, arguments=arguments, user=user)
    run.save(update_fields=["job"])
    return run


def tag_job_run(*, job: BackgroundJob, moods: Moods, seconds: float) -> None:
    """Work for about `seconds` on the run of a started job; end the job, or requeue it.

    While another process has the run, such as a dead worker's connection, the job is deferred.
    PermanentError if that is not possible, JobStateError if it was cancelled meanwhile.
    """
    run = TagRun.objects.filter(job=job).first()
    if run is None:
        raise TagWritingError(_GONE)
    try:
        with job_held(job=job):
            is_done = _portion(job, run, moods, seconds)
    except TagRunBusyError:
        job_defer(job=job)
        return
    if not is_done:
        job_requeue(job=job)
        return
    counted = runs_listed().get(pk=run.pk)
    counts = ("planned", "written", "undone", "unchanged", "refused")
    job_succeed(job=job, result={name: getattr(counted, name) for name in counts})


def _portion(job: BackgroundJob, run: TagRun, moods: Moods, seconds: float) -> bool:
    is_undo = run.state == TagRun.State.UNDOING
    if is_undo:
        total = run.writes.count()
        left = run.writes.filter(state=TagWrite.State.WRITTEN)
        done = total - (left.filter(pk__lt=run.after) if run.after else left).count()
    else:
        songs = songs_chosen(Choice.of_json(run.choice))
        total, done = songs.count(), songs.filter(pk__lte=run.after).count()

    def advance(*_: Any) -> None:
        nonlocal done
        done += 1
        job_advance(job=job, done=done, total=max(total, done))

    if is_undo:
        return run_undo(run=run, job=job, seconds=seconds, on_file=advance)
    act = run_preview if run.is_preview else run_write
    return act(run=run, moods=moods, seconds=seconds, on_plan=advance)
