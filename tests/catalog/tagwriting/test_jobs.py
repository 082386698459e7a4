"""Runs by jobs: previewed, written, undone, cancelled, killed and gone on with."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.errors import JobStateError, TagWritingError
from catalog.models import BackgroundJob, Library, Song, TagRun, TagWrite
from catalog.tagwriting import jobs as jobs_module
from catalog.tagwriting.holding import run_held
from catalog.tagwriting.jobs import (
    tag_job_run,
    tag_preview_write,
    tag_run_cancel,
    tag_run_start,
    tag_run_undo,
)
from catalog.tagwriting.plan import Choice, plans_make, songs_chosen
from catalog.tagwriting.run import run_begin, run_undo, run_write, runs_listed
from catalog.work.jobs import MAX_ATTEMPTS, job_start, jobs_reconcile
from tests.catalog.tagwriting.conftest import moods, tag, written

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.django_db


class KilledError(BaseException):
    """Nothing catches it, as nothing catches a kill."""


def begun(*, is_preview: bool = False, **choice: Any) -> TagRun:
    return tag_run_start(choice=Choice(**choice), is_preview=is_preview, user=None)


def worked(run: TagRun, *, seconds: float = 60.0) -> TagRun:
    """Let a worker take the job of a run once, and return the run as the pages see it."""
    job = job_start(job_id=run.job_id or "", worker="here")
    tag_job_run(job=job, moods=moods, seconds=seconds)
    return runs_listed().get(pk=run.pk)


def killed(run: TagRun, monkeypatch: pytest.MonkeyPatch, *, files: int) -> None:
    """Let the worker of a run die after some files, when the journal knows and the job does not."""
    left = files

    def advance(**_: Any) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(jobs_module, "job_advance", advance)
        with pytest.raises(KilledError):
            worked(run)
    BackgroundJob.objects.update(heartbeat_at=timezone.now() - timedelta(hours=1))
    assert jobs_reconcile() == 1


def test_a_preview_keeps_what_would_change_and_writes_nothing(songs: list[Path]) -> None:
    tag(songs[2], title="changed since the scan")
    before = [path.read_bytes() for path in songs]
    run = worked(begun(is_preview=True))
    assert (run.state, run.planned, run.written, run.refused) == ("planned", 2, 0, 1)
    assert [problem["code"] for problem in run.problems] == ["TAGS_FILE_CHANGED"]
    row = run.writes.order_by("pk")[0]
    assert [change["field"] for change in row.changes] == ["mood", "bpm", "key"]
    assert row.changes[0] == {"field": "mood", "before": [], "after": ["calm", "tender"]}
    assert [path.read_bytes() for path in songs] == before
    assert run.job
    assert run.job.result["planned"] == 2
    assert (run.job.progress_done, run.job.progress_total) == (3, 3)
    for act in (lambda: tag_run_undo(run=run, user=None), lambda: run_undo(run=run)):
        with pytest.raises(TagWritingError, match="is a preview"):
            act()


def test_old_previews_go(songs: list[Path]) -> None:
    old, waiting, new = (begun(is_preview=True) for _ in range(3))
    for run in (old, new):
        worked(run)
    day = timezone.now() - timedelta(days=1, seconds=1)
    TagRun.objects.update(created_at=day)  # the new one took a day
    TagRun.objects.filter(pk=old.pk).update(ended_at=day)
    begun()
    assert set(TagRun.objects.filter(state__in=["planned", "planning"])) == {waiting, new}
    assert not TagWrite.objects.filter(run=old.pk).exists()


def test_written_and_undone_in_portions(songs: list[Path]) -> None:
    before = [path.read_bytes() for path in songs]
    run = worked(begun(), seconds=0)
    assert (run.state, run.written, run.is_going) == ("started", 1, True)
    with pytest.raises(TagWritingError, match="still goes on"):
        tag_run_undo(run=run, user=None)
    run = worked(worked(run, seconds=0), seconds=0)
    run = worked(run)
    assert (run.state, run.written, run.unchanged) == ("done", 3, 0)
    assert run.ended_at
    tag(songs[1], title="changed since")
    changed = songs[1].read_bytes()
    run = worked(tag_run_undo(run=run, user=None), seconds=0)
    assert (run.state, run.undone) == ("undoing", 1)
    while run.is_going:
        run = worked(run, seconds=0)
    assert (run.state, run.written, run.undone, run.refused) == ("undone", 1, 2, 1)
    assert [path.read_bytes() for path in songs] == [before[0], changed, before[2]]


@pytest.mark.parametrize("files", [1, 2, 3])
def test_a_killed_worker_s_run_is_gone_on_with(
    songs: list[Path], monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    before = [path.read_bytes() for path in songs]
    run = begun()
    killed(run, monkeypatch, files=files)
    run.refresh_from_db()
    run = worked(run)
    assert (run.state, run.written, run.unchanged, run.refused) == ("done", 3, 0, 0)
    after = [path.read_bytes() for path in songs]
    assert not set(before) & set(after)
    run = tag_run_undo(run=run, user=None)
    killed(run, monkeypatch, files=files)
    run.refresh_from_db()
    run = worked(run)
    assert (run.state, run.written, run.undone, run.refused) == ("undone", 0, 3, 0)
    assert [path.read_bytes() for path in songs] == before


def test_a_song_whose_row_a_kill_cut_off_is_counted_once(
    songs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun()
    killed(run, monkeypatch, files=2)
    TagRun.objects.update(after=Song.objects.order_by("pk")[0].pk)  # before the count of the second
    run.refresh_from_db()
    run = worked(run)
    assert (run.written, run.unchanged) == (3, 0)


def test_a_cancelled_run_stops_between_files_and_is_undone(
    songs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [path.read_bytes() for path in songs]
    run = begun()
    advance = jobs_module.job_advance

    def cancelling(**values: Any) -> None:
        tag_run_cancel(run=TagRun.objects.get(pk=run.pk))
        advance(**values)

    monkeypatch.setattr(jobs_module, "job_advance", cancelling)
    with pytest.raises(JobStateError):
        worked(run)
    monkeypatch.undo()
    run = runs_listed().get(pk=run.pk)
    assert (run.state, run.written, run.is_stopped) == ("started", 1, True)
    with pytest.raises(JobStateError):
        tag_run_cancel(run=run)
    run = worked(tag_run_undo(run=run, user=None))
    assert (run.state, run.undone) == ("undone", 1)
    assert [path.read_bytes() for path in songs] == before


def test_an_undo_that_was_cancelled_goes_on(songs: list[Path]) -> None:
    run = worked(tag_run_undo(run=worked(begun()), user=None), seconds=0)
    tag_run_cancel(run=run)
    run.refresh_from_db()
    run = worked(tag_run_undo(run=run, user=None))
    assert (run.state, run.undone) == ("undone", 3)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="a connection of PostgreSQL locks twice")
def test_a_job_waits_while_another_process_has_its_run(
    songs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun()
    for _ in range(MAX_ATTEMPTS + 1):
        with run_held(TagRun.objects.get(pk=run.pk)):
            worked(run)
        assert BackgroundJob.objects.get(pk=run.job_id).status == "pending"
    assert worked(run).state == "done"
    create = jobs_module.job_create

    def held(**values: Any) -> BackgroundJob:
        with run_held(TagRun.objects.get(pk=run.pk)):  # as a fast worker does
            return create(**values)

    monkeypatch.setattr(jobs_module, "job_create", held)
    assert worked(tag_run_undo(run=run, user=None)).state == "undone"


def test_a_preview_is_written_once_and_when_it_is_ready(songs: list[Path]) -> None:
    preview = begun(is_preview=True)
    with pytest.raises(TagWritingError, match="is not ready"):
        tag_preview_write(preview=preview, user=None)
    worked(preview)
    run = tag_preview_write(preview=preview, user=None)
    assert tag_preview_write(preview=preview, user=None) == run
    tag_run_cancel(run=run)
    assert tag_preview_write(preview=preview, user=None) != run


def test_the_command_undoes_no_run_that_a_job_goes_on_with(songs: list[Path]) -> None:
    run = begun()
    with pytest.raises(TagWritingError, match="still goes on"):
        run_undo(run=run)
    assert worked(run).state == "done"
    tag_run_undo(run=run, user=None)
    with pytest.raises(TagWritingError, match="still goes on"):
        run_undo(run=run)
    tag_run_cancel(run=run)
    assert run_undo(run=run)


def test_an_undo_by_the_command_is_not_that_of_the_job_that_wrote(songs: list[Path]) -> None:
    run = worked(begun())
    assert not run_undo(run=run, seconds=0)
    assert (run.state, run.job, run.is_stopped) == ("undoing", None, False)


def test_lists_do_not_read_problems(songs: list[Path]) -> None:
    written()
    with CaptureQueriesContext(connection) as queries:
        assert [run.refused for run in runs_listed()] == [0]
    assert "problems" not in queries[0]["sql"]


def test_a_run_of_the_command_is_undone_by_a_job(songs: list[Path]) -> None:
    run = written()
    choice = {name: value for name, value in run.choice.items() if name != "folder"}
    TagRun.objects.update(choice=choice)  # as older versions wrote it
    with pytest.raises(JobStateError, match="No job"):
        tag_run_cancel(run=run)
    listed = worked(tag_run_undo(run=TagRun.objects.get(), user=None))
    assert (listed.undone, listed.choice_made["folder"]) == (3, "")


def test_a_job_without_its_run_fails_for_good(songs: list[Path]) -> None:
    run = begun(is_preview=True)
    job = job_start(job_id=run.job_id or "", worker="here")
    run.delete()
    with pytest.raises(TagWritingError, match="is gone"):
        tag_job_run(job=job, moods=moods, seconds=1)


def test_only_a_folder(songs: list[Path]) -> None:
    for path, name in zip(songs, ("Abba", "abba", "Abbas"), strict=True):
        Song.objects.filter(title=path.stem).update(relative_path=f"{name}/{path.name}")
    chosen = songs_chosen(Choice(folder="Abba/"))
    assert [song.relative_path for song in chosen] == ["Abba/0.flac"]
    with pytest.raises(TagWritingError, match="no song in the folder nowhere"):
        run_begin(choice=Choice(folder="nowhere"))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"is_writable": False}, "allow it first"),
        ({"root": "s3://bucket/music"}, "object store"),
        ({"root": "/proc/nothing"}, "cannot be written: /proc/nothing"),
    ],
)
def test_a_library_that_cannot_be_written(
    songs: list[Path], values: dict[str, Any], words: str
) -> None:
    Library.objects.update(**values)
    with pytest.raises(TagWritingError, match=words):
        begun(libraries=(Library.objects.get().pk,))
    with pytest.raises(TagWritingError):
        begun()
    assert not BackgroundJob.objects.filter(kind="tags").exists()


def test_a_read_only_mount(songs: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(TagWritingError, match="mount it to be written"):
        begun()


def test_one_open_library_is_enough_unless_others_are_named(songs: list[Path]) -> None:
    other = Library.objects.create(name="Store", root="s3://bucket/x", is_writable=True)
    assert run_begin(choice=Choice())
    with pytest.raises(TagWritingError, match="Store lies in an object store"):
        run_begin(choice=Choice(libraries=(other.pk, Library.objects.first().pk)))  # type: ignore[union-attr]


def test_a_file_that_comes_into_a_store_is_left_alone(songs: list[Path]) -> None:
    run = run_begin(choice=Choice())
    Library.objects.update(root="s3://bucket/music")
    assert run_write(run=run, moods=moods)
    run.refresh_from_db()
    assert {problem["code"] for problem in run.problems} == {"TAGS_STORE"}
    assert [plan.problem is None for plan in plans_make(Choice(), moods)] == [False] * 3
