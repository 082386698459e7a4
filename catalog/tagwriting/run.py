"""Runs: tags of chosen songs written, undone, and settled after a process was killed."""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop

from catalog.errors import FileUnusableError, PathError, TagWritingError
from catalog.models import Song, TagRun, TagWrite
from catalog.paths import from_stored, is_gone, resolve_inside, to_stored
from catalog.retold import kept
from catalog.tagwriting.plan import Choice, Plan, Problem, choice_check, plans_make, problem_of
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

    from catalog.tagwriting.plan import Moods

MOST_PROBLEMS: Final = 500
"""So many files that were not written are named; all are counted."""
State = TagWrite.State
_NOT_OURS: Final = kept(gettext_noop("it was changed since it was written, so it is not undone"))
_TAKEN: Final = kept(gettext_noop("another file of the library has its former bytes"))
_FULL: Final = "TAGS_DISK_FULL"


def run_begin(*, choice: Choice, user: User | None = None) -> TagRun:
    """Make a run of a choice; `run_write` writes it. TagWritingError as of `choice_check`."""
    choice_check(choice)
    return TagRun.objects.create(choice=choice.as_json(), created_by=user)


def run_write(
    *,
    run: TagRun,
    moods: Moods,
    after: int = 0,
    seconds: float = float("inf"),
    on_plan: Callable[[Plan], object] = lambda _: None,
) -> int | None:
    """Write the songs of a run behind the id `after`.

    Returns None when all are done; else, after about `seconds`, the id to go on after. A full disk
    ends it, because every file would fail.
    """
    writes_settle()
    end = time.monotonic() + seconds
    choice = Choice.of_json(run.choice)
    for plan in plans_make(choice, moods, after=after):
        if plan.change and plan.change.fields:
            _enter(run, plan.song.path.parent)
        plan = _written(run, plan, is_touched=choice.is_touched)
        _count(run, plan)
        on_plan(plan)
        if plan.problem and plan.problem.code == _FULL:
            break
        if time.monotonic() > end:
            return plan.song.pk
    _end(run, TagRun.State.DONE)
    return None


def run_undo(
    *,
    run: TagRun,
    seconds: float = float("inf"),
    on_file: Callable[[TagWrite, Problem | None], object] = lambda *_: None,
) -> bool:
    """Restore the files of a run, the last one first; return whether all were looked at.

    A file that was changed since stays as it is, with a problem. After a death, or after about
    `seconds`, it goes on where it was.
    """
    writes_settle()
    end, after = time.monotonic() + seconds, None
    if run.state != TagRun.State.UNDOING:
        _begin_undo(run)
    standing = run.writes.filter(state=State.WRITTEN).select_related("song", "library")
    while True:
        left = standing if after is None else standing.filter(pk__lt=after)
        write = left.order_by("-pk").first()
        if write is None:
            break
        _enter(run, _path(write).parent)
        problem = _undone(write)
        if problem:
            _refuse(run, write.relative_path, problem)
        on_file(write, problem)
        after = write.pk
        if time.monotonic() > end:
            return False
    _end(run, TagRun.State.UNDONE)
    return True


def writes_settle() -> int:
    """Settle the files that killed processes left half done; return how many.

    A file is either as before or as after, which tells what was done. Those that cannot be read
    now are left for later.
    """
    unended = TagRun.objects.filter(state__in=[TagRun.State.STARTED, TagRun.State.UNDOING])
    for folder in unended.exclude(folder="").values_list("folder", flat=True):
        parts_sweep(from_stored(folder))
    settled = 0
    rows = TagWrite.objects.filter(state__in=[State.PREPARED, State.UNDOING])
    for write in rows.select_related("song", "library"):
        path = _path(write)
        part = path.with_name(write.part_name)
        if is_being_written(part):
            continue
        parts_sweep(path.parent)
        found = _sha256(path)
        if not found and not is_gone(path):
            continue
        settled += 1
        if write.state == State.UNDOING:
            is_done = found == write.before_sha256
            _settled(write, path, State.UNDONE if is_done else State.WRITTEN)
        elif found == write.after_sha256:
            _settled(write, path, State.WRITTEN)
        else:
            TagWrite.objects.filter(pk=write.pk, state=State.PREPARED).delete()
    return settled


def _enter(run: TagRun, folder: Path) -> None:
    """Remember the folder in which files are replaced, where a kill may leave a copy."""
    stored = to_stored(folder)
    if run.folder != stored:
        run.folder = stored
        TagRun.objects.filter(pk=run.pk).update(folder=stored)
        parts_sweep(folder)


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
        write = TagWrite(
            run=run,
            song=song,
            library=song.library,
            relative_path=song.relative_path,
            part_name=part_name(path),
            fields={name: asdict(one) for name, one in change.fields.items()},
            before_sha256=change.before_sha256,
            before_mtime_ns=state.st_mtime_ns,
            after_sha256=change.after_sha256,
            back=change.back,
        )
        made = file_replace(path, replacement, name=write.part_name, prepare=write.save)
    except (FileUnusableError, OSError) as error:
        if write.pk:
            write.delete()
        return Plan(song, change, problem_of(error))
    _mark(write, State.PREPARED, State.WRITTEN, made)
    return plan


def _undone(write: TagWrite) -> Problem | None:
    """Restore a file; return why it cannot be."""
    path, song_id = _path(write), write.song_id or 0
    try:
        file_state(path)
        resolve_inside(write.library.path, path)
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
        TagWrite.objects.filter(pk=write.pk, state=State.UNDOING).update(state=State.WRITTEN)
        return problem_of(error)
    _mark(write, State.UNDOING, State.UNDONE, made)
    return None


def _path(write: TagWrite) -> Path:
    """Return the path of the file, which follows its song if that has moved."""
    song = write.song
    if song is not None and song.is_available:
        return song.path
    return write.library.path / from_stored(write.relative_path)


def _settled(write: TagWrite, path: Path, state: str) -> None:
    try:
        made = path.stat()
    except OSError:
        return
    _mark(write, write.state, state, made)


@transaction.atomic
def _mark(write: TagWrite, before: str, after: str, made: os.stat_result) -> None:
    """Write what was done with a file; its song knows the new bytes, so no scan reads it again."""
    TagWrite.objects.filter(pk=write.pk, state=before).update(state=after)
    is_undone = after == State.UNDONE
    hashes = (write.after_sha256, write.before_sha256)
    was, now = hashes if is_undone else reversed(hashes)
    Song.objects.filter(pk=write.song_id or 0, content_sha256=was).update(
        content_sha256=now, file_size_bytes=made.st_size, file_mtime_ns=made.st_mtime_ns
    )


def _count(run: TagRun, plan: Plan) -> None:
    if plan.problem:
        _refuse(run, plan.song.relative_path, plan.problem)
    elif plan.change and not plan.change.fields:
        TagRun.objects.filter(pk=run.pk).update(unchanged=F("unchanged") + 1)


def _refuse(run: TagRun, relative_path: str, problem: Problem) -> None:
    run.problems = [*run.problems, {"path": relative_path, **asdict(problem)}][:MOST_PROBLEMS]
    TagRun.objects.filter(pk=run.pk).update(refused=F("refused") + 1, problems=run.problems)


def _begin_undo(run: TagRun) -> None:
    values: dict[str, Any] = {"refused": 0, "unchanged": 0, "problems": [], "ended_at": None}
    undoable = [TagRun.State.STARTED, TagRun.State.DONE, TagRun.State.UNDONE]
    found = TagRun.objects.filter(pk=run.pk, state__in=undoable)
    if not found.update(state=TagRun.State.UNDOING, **values):
        raise TagWritingError(gettext("The run %(run)s is being undone already") % {"run": run.pk})
    run.refresh_from_db()


def _end(run: TagRun, state: str) -> None:
    TagRun.objects.filter(pk=run.pk).update(state=state, ended_at=timezone.now(), folder="")
    run.refresh_from_db()


def _sha256(path: Path) -> str:
    """Return the hash of a file, empty if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
