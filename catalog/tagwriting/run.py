"""Runs: tags of chosen songs written, undone, and settled after a process was killed."""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.db import IntegrityError, transaction
from django.db.models import Count, F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop

from catalog.errors import FileUnusableError, PathError, TagWritingError
from catalog.models import BackgroundJob, Song, TagRun, TagWrite
from catalog.paths import from_stored, resolve_inside, to_stored
from catalog.retold import kept
from catalog.tagwriting.holding import run_held
from catalog.tagwriting.plan import (
    Choice,
    Plan,
    Problem,
    choice_check,
    plans_make,
    problem_of,
    taken_check,
)
from catalog.tagwriting.replacing import (
    Replacement,
    file_replace,
    file_state,
    is_being_written,
    part_name,
    parts_sweep,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from pathlib import Path

    from django.contrib.auth.models import User
    from django.db.models import QuerySet

    from catalog.files.writing import TagChange
    from catalog.tagwriting.plan import Moods

MOST_PROBLEMS: Final = 500
"""So many files that were not written are named; all are counted."""
State = TagWrite.State
PREVIEWS: Final = (TagRun.State.PLANNING, TagRun.State.PLANNED)
_PREVIEW_KEPT: Final = timedelta(days=1)
_NOT_OURS: Final = kept(gettext_noop("it was changed since it was written, so it is not undone"))
_TAKEN: Final = kept(gettext_noop("another file of the library has its former bytes"))
_FULL: Final = "TAGS_DISK_FULL"


def run_begin(*, choice: Choice, user: User | None = None, is_preview: bool = False) -> TagRun:
    """Make a run of a choice; `run_write` or `run_preview` goes through its songs.

    TagWritingError as of `choice_check`. Previews that ended a day ago are deleted.
    """
    choice_check(choice)
    day_ago = timezone.now() - _PREVIEW_KEPT
    is_old = Q(ended_at__lt=day_ago) | Q(ended_at=None, created_at__lt=day_ago)
    old = TagRun.objects.filter(is_old, state__in=PREVIEWS)
    old.exclude(job__in=BackgroundJob.objects.filter(finished_at=None)).delete()
    state = TagRun.State.PLANNING if is_preview else TagRun.State.STARTED
    return TagRun.objects.create(state=state, choice=choice.as_json(), created_by=user)


def runs_listed() -> QuerySet[TagRun]:
    """Return the runs, the newest first, with ``planned``, ``written`` and ``undone``: files.

    Problems are read when they are asked for; a run may have hundreds.
    """
    return (
        TagRun.objects.defer("problems")
        .annotate(
            planned=_files(State.PLANNED),
            written=_files(State.WRITTEN, State.UNDOING),
            undone=_files(State.UNDONE),
        )
        .order_by("-pk")
    )


def _files(*states: str) -> Coalesce:
    rows = TagWrite.objects.filter(run=OuterRef("pk"), state__in=states).order_by()
    return Coalesce(Subquery(rows.values("run").annotate(n=Count("pk")).values("n")), 0)


def run_write(
    *,
    run: TagRun,
    moods: Moods,
    seconds: float = float("inf"),
    on_plan: Callable[[Plan], object] = lambda _: None,
) -> bool:
    """Write the songs of a run; return whether all were looked at.

    After a death, or after about `seconds`, it goes on where it was. TagWritingError if another
    process has the run, or if it was undone. FileUnusableError if the disk is full, because every
    file would fail; the run stays as one that was begun.
    """

    def step(plan: Plan) -> Plan:
        if plan.change and plan.change.fields:
            _enter(run, plan.song.path.parent)
        plan = _written(run, plan, is_touched=run.choice["is_touched"])
        _count(run, plan)
        return plan

    with run_held(run):
        if run.state != TagRun.State.STARTED:
            raise TagWritingError(
                gettext("The run %(run)s is over; begin another one") % {"run": run.pk}
            )
        writes_settle()
        if not _through(run, moods, step, seconds=seconds, on_plan=on_plan):
            return False
        _end(run, TagRun.State.STARTED, TagRun.State.DONE)
        return True


def run_preview(
    *,
    run: TagRun,
    moods: Moods,
    seconds: float = float("inf"),
    on_plan: Callable[[Plan], object] = lambda _: None,
) -> bool:
    """Keep what a run would write, as files that are planned; as `run_write`, but files stay."""

    @transaction.atomic
    def step(plan: Plan) -> Plan:
        if plan.change and plan.change.fields:
            _row(run, plan.song, plan.change, state=State.PLANNED, before_mtime_ns=0).save()
        _count(run, plan)
        return plan

    if not _through(run, moods, step, seconds=seconds, on_plan=on_plan):
        return False
    _end(run, TagRun.State.PLANNING, TagRun.State.PLANNED)
    return True


def _through(
    run: TagRun,
    moods: Moods,
    step: Callable[[Plan], Plan],
    *,
    seconds: float,
    on_plan: Callable[[Plan], object],
) -> bool:
    """Go through the songs of a run that are left; return whether none is left."""
    end = time.monotonic() + seconds
    for planned in plans_make(Choice.of_json(run.choice), moods, after=run.after):
        plan = step(planned)
        on_plan(plan)
        if plan.problem and plan.problem.code == _FULL:
            raise FileUnusableError(plan.problem.code, plan.problem.message)
        if time.monotonic() > end:
            return False
    return True


def run_undo(
    *,
    run: TagRun,
    job: BackgroundJob | None = None,
    seconds: float = float("inf"),
    on_file: Callable[[TagWrite, Problem | None], object] = lambda *_: None,
) -> bool:
    """Restore the files of a run, the last one first; return whether all were looked at.

    A file that was changed since stays as it is, with a problem. After a death, or after about
    `seconds`, it goes on where it was. TagWritingError if another process or another job than `job`
    has the run, or if it is a preview.
    """
    with run_held(run):
        going_check(run, job=job)
        return _undo(run, seconds=seconds, on_file=on_file)


def _undo(
    run: TagRun, *, seconds: float, on_file: Callable[[TagWrite, Problem | None], object]
) -> bool:
    writes_settle()
    end = time.monotonic() + seconds
    if run.state != TagRun.State.UNDOING:
        undo_begin(run)
    standing = run.writes.filter(state=State.WRITTEN).select_related("song__library", "library")
    while True:
        left = standing.filter(pk__lt=run.after) if run.after else standing
        write = left.order_by("-pk").first()
        if write is None:
            break
        _enter(run, _place(write)[1].parent)
        problem = _undone(write)
        _pass(run, write.pk, write.relative_path, problem)
        on_file(write, problem)
        if time.monotonic() > end:
            return False
    _end(run, TagRun.State.UNDOING, TagRun.State.UNDONE)
    return True


def going_check(run: TagRun, *, job: BackgroundJob | None = None) -> None:
    """Raise TagWritingError while a job goes on with a run, unless it is `job`."""
    if run.is_going and run.job != job:
        raise TagWritingError(
            gettext("The run %(run)s still goes on; wait for it, or cancel it") % {"run": run.pk}
        )


def undo_begin(run: TagRun) -> None:
    """Let a run be one that is undone; TagWritingError if it is already, or is a preview.

    The job that wrote it is none of the undo.
    """
    values: dict[str, Any] = {"refused": 0, "unchanged": 0, "problems": [], "ended_at": None}
    values["job"] = None
    undoable = [TagRun.State.STARTED, TagRun.State.DONE, TagRun.State.UNDONE]
    found = TagRun.objects.filter(pk=run.pk, state__in=undoable)
    if not found.update(state=TagRun.State.UNDOING, after=0, **values):
        words = (
            gettext("The run %(run)s is a preview, which wrote nothing")
            if run.is_preview
            else gettext("The run %(run)s is being undone already")
        )
        raise TagWritingError(words % {"run": run.pk})
    run.refresh_from_db()


def writes_settle() -> int:
    """Settle the files that killed processes left half done; return how many.

    A file is either as before or as after, which tells what was done. Those that cannot be read
    now, or say something else, are left for later.
    """
    unended = TagRun.objects.filter(state__in=[TagRun.State.STARTED, TagRun.State.UNDOING])
    for folder in unended.exclude(folder="").values_list("folder", flat=True):
        parts_sweep(from_stored(folder))
    settled = 0
    rows = TagWrite.objects.filter(state__in=[State.PREPARED, State.UNDOING])
    for write in rows.select_related("song__library", "library"):
        _, path = _place(write)
        if not is_being_written(path.with_name(write.part_name)):
            parts_sweep(path.parent)
            settled += bool(_settled(write, path))
    return settled


def _settled(write: TagWrite, path: Path) -> str:
    """Settle a row by what its file says; return how: a state, "none" if taken out, else empty."""
    try:
        made, found = path.stat(), _sha256(path)
    except OSError:
        return ""
    if found == write.after_sha256:
        _mark(write, write.state, State.WRITTEN, made)
        return State.WRITTEN
    if found != write.before_sha256:
        return ""
    if write.state == State.UNDOING:
        _mark(write, write.state, State.UNDONE, made)
        return State.UNDONE
    TagWrite.objects.filter(pk=write.pk, state=State.PREPARED).delete()
    return "none"


def _enter(run: TagRun, folder: Path) -> None:
    """Remember the folder in which files are replaced, where a kill may leave a copy."""
    stored = to_stored(folder)
    if run.folder != stored:
        run.folder = stored
        TagRun.objects.filter(pk=run.pk).update(folder=stored)
        parts_sweep(folder)


def _row(run: TagRun, song: Song, change: TagChange, **values: Any) -> TagWrite:
    return TagWrite(
        run=run,
        song=song,
        library=song.library,
        relative_path=song.relative_path,
        fields={name: asdict(one) for name, one in change.fields.items()},
        before_sha256=change.before_sha256,
        after_sha256=change.after_sha256,
        **values,
    )


def _written(run: TagRun, plan: Plan, *, is_touched: bool) -> Plan:
    """Write the file of a plan; return the plan, with the problem if it could not be."""
    song, change = plan.song, plan.change
    if change is None or not change.fields:
        return plan
    path, write = song.path, TagWrite()
    try:
        state = file_state(path)
        kept_ns = None if is_touched else state.st_mtime_ns
        replacement = Replacement(
            change.forward, change.before_sha256, change.after_sha256, kept_ns, change.back
        )
        write = _row(run, song, change, before_mtime_ns=state.st_mtime_ns, back=change.back)
        write.part_name = part_name(path)
        taken_check(song, change.after_sha256)
        made = file_replace(path, replacement, name=write.part_name, prepare=write.save)
    except (FileUnusableError, OSError) as error:
        if write.pk and _settled(write, path) == State.WRITTEN:
            return plan
        return Plan(song, change, problem_of(error))
    _mark(write, State.PREPARED, State.WRITTEN, made)
    return plan


def _undone(write: TagWrite) -> Problem | None:
    """Restore a file; return why it cannot be."""
    (root, path), song_id, name = _place(write), write.song_id or 0, ""
    try:
        file_state(path)
        resolve_inside(root, path)
        if _sha256(path) != write.after_sha256:
            raise FileUnusableError("TAGS_NOT_OURS", _NOT_OURS)
        others = Song.objects.filter(content_sha256=write.before_sha256).exclude(pk=song_id)
        if others.exists():
            raise FileUnusableError("TAGS_TAKEN", _TAKEN)
        replacement = Replacement(
            bytes(write.back), write.after_sha256, write.before_sha256, write.before_mtime_ns
        )
        name = part_name(path)

        def prepare() -> None:
            values = {"state": State.UNDOING, "part_name": name}
            if not TagWrite.objects.filter(pk=write.pk, state=State.WRITTEN).update(**values):
                raise FileUnusableError("TAGS_NOT_OURS", _NOT_OURS)

        made = file_replace(path, replacement, name=name, prepare=prepare)
    except (FileUnusableError, PathError, OSError) as error:
        mine = TagWrite.objects.filter(pk=write.pk, state=State.UNDOING, part_name=name).first()
        is_restored = mine is not None and _settled(mine, path) == State.UNDONE
        return None if is_restored else problem_of(error)
    _mark(write, State.UNDOING, State.UNDONE, made)
    return None


def _place(write: TagWrite) -> tuple[Path, Path]:
    """Return the folder of the library and the path of the file, which follow a moved song."""
    song = write.song
    if song is not None and song.is_available:
        return song.library.path, song.path
    return write.library.path, write.library.path / from_stored(write.relative_path)


@transaction.atomic
def _mark(write: TagWrite, before: str, after: str, made: os.stat_result) -> None:
    """Write what was done with a file; its song knows the new bytes, so no scan reads it again.

    If another song has these bytes, the next scan reads the file and decides.
    """
    TagWrite.objects.filter(pk=write.pk, state=before).update(state=after)
    is_undone = after == State.UNDONE
    hashes = (write.after_sha256, write.before_sha256)
    was, now = hashes if is_undone else reversed(hashes)
    songs = Song.objects.filter(pk=write.song_id or 0, content_sha256=was)
    try:
        with transaction.atomic():
            songs.update(
                content_sha256=now, file_size_bytes=made.st_size, file_mtime_ns=made.st_mtime_ns
            )
    except IntegrityError:
        songs.update(file_mtime_ns=0)


def _count(run: TagRun, plan: Plan) -> None:
    """Count the outcome of a song, and store the position of the run."""
    is_same = plan.change is not None and not plan.change.fields
    # A song that was written just before a kill is looked at once more.
    is_unchanged = is_same and not run.writes.filter(song=plan.song).exists()
    _pass(run, plan.song.pk, plan.song.relative_path, plan.problem, unchanged=int(is_unchanged))


def _pass(
    run: TagRun, after: int, relative_path: str, problem: Problem | None, *, unchanged: int = 0
) -> None:
    values: dict[str, Any] = {"after": after}
    if problem:
        values["refused"] = F("refused") + 1
        if len(run.problems) < MOST_PROBLEMS or problem.code == _FULL:
            run.problems = [*run.problems, {"path": relative_path, **asdict(problem)}]
            values["problems"] = run.problems
    if unchanged:
        values["unchanged"] = F("unchanged") + unchanged
    TagRun.objects.filter(pk=run.pk).update(**values)
    run.after = after


def _end(run: TagRun, before: str, after: str) -> None:
    ended = {"state": after, "ended_at": timezone.now(), "folder": ""}
    TagRun.objects.filter(pk=run.pk, state=before).update(**ended)
    run.refresh_from_db()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
