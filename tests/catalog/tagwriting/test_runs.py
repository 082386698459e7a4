"""Files written and undone: what a library says of them, and every reason to leave one alone."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mutagen
import pytest
from django.db import connection

from catalog.errors import FileUnusableError, TagWritingError
from catalog.files.tags import read_fields
from catalog.models import KnownCopy, Library, Song, SongEmotion, TagRun, TagWrite
from catalog.tagwriting import replacing
from catalog.tagwriting import run as run_module
from catalog.tagwriting.holding import run_held
from catalog.tagwriting.jobs import tag_job_run, tag_run_start
from catalog.tagwriting.plan import Choice, choice_check, plans_make
from catalog.tagwriting.run import run_begin, run_undo, run_write, writes_settle
from catalog.work.jobs import job_fail, job_start
from tests.catalog.conftest import write_tone
from tests.catalog.tagwriting.conftest import WORDS, analysed, moods, tag, written

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db


def moods_in(path: Path) -> tuple[str, ...]:
    return tuple(read_fields(path)[0]["mood"])


def names_beside(path: Path) -> list[str]:
    return sorted(one.name for one in path.parent.iterdir())


def problems(run: TagRun) -> dict[str, str]:
    run.refresh_from_db()
    return {problem["path"]: problem["code"] for problem in run.problems}


def states(run: TagRun) -> set[str]:
    return set(run.writes.values_list("state", flat=True))


def test_written_and_undone_byte_for_byte(songs: list[Path]) -> None:
    songs[0].chmod(0o640)
    before = [(path.read_bytes(), path.stat()) for path in songs]
    run = written()
    for path, (data, stat) in zip(songs, before, strict=True):
        now = path.stat()
        assert path.read_bytes() != data
        assert (now.st_mode, now.st_mtime_ns) == (stat.st_mode, stat.st_mtime_ns)
        texts = read_fields(path)[0]
        assert (texts["mood"], texts["bpm"], texts["key"]) == ([*WORDS], ["120"], ["F#m"])
    assert run.state == TagRun.State.DONE
    assert states(run) == {"written"}
    assert run_undo(run=run)
    for path, (data, stat) in zip(songs, before, strict=True):
        assert path.read_bytes() == data
        assert path.stat().st_mtime_ns == stat.st_mtime_ns
    assert states(run) == {"undone"}
    assert run.state == TagRun.State.UNDONE
    assert names_beside(songs[0]) == ["0.flac", "1.flac", "2.flac"]


def test_a_scan_reads_nothing_again_and_takes_no_mood_for_a_persons(
    songs: list[Path], ingest: Callable[..., Any]
) -> None:
    written()
    assert ingest().result["unchanged"] == 3
    for path in songs:  # even if everything is read again
        os.utime(path, ns=(1, path.stat().st_mtime_ns + 10**9))
    ingest()
    assert set(Song.objects.values_list("status", flat=True)) == {Song.Status.ANALYSED}
    assert SongEmotion.objects.count() == 3
    assert [*Song.objects.values_list("mood_tags", "bpm")] == [([], None)] * 3
    tag(songs[0], mood=["Mine"], bpm="99")
    ingest()
    song = Song.objects.get(title="0")
    assert (song.mood_tags, song.bpm) == (["Mine"], 99.0)


def test_a_second_run_changes_what_differs_and_is_undone_first(songs: list[Path]) -> None:
    data = songs[0].read_bytes()
    first = written()
    again = written()
    assert (again.unchanged, again.writes.count()) == (3, 0)
    second = written(lambda ids, least: dict.fromkeys(ids, ("sad",)))
    assert moods_in(songs[0]) == ("sad",)
    run_undo(run=first)
    assert set(problems(first).values()) == {"TAGS_NOT_OURS"}
    assert moods_in(songs[0]) == ("sad",)
    run_undo(run=second)
    assert moods_in(songs[0]) == WORDS
    run_undo(run=first)
    assert problems(first) == {}
    assert songs[0].read_bytes() == data


def test_a_persons_mood_stays_and_the_choice_is_kept_to(
    songs: list[Path], ingest: Callable[..., Any]
) -> None:
    tag(songs[0], mood=["Mine"])
    ingest()
    run = written(fields=("mood",), songs=tuple(Song.objects.values_list("pk", flat=True)[:2]))
    assert moods_in(songs[0]) == ("Mine",)
    texts = read_fields(songs[1])[0]
    assert (texts["mood"], texts["bpm"], texts["key"]) == ([*WORDS], [], [])
    assert moods_in(songs[2]) == ()
    assert run.writes.count() == 1
    written(fields=("mood",), may_overwrite=True)
    assert moods_in(songs[0]) == WORDS


def test_a_tempo_or_key_that_is_not_sure_is_not_written(songs: list[Path]) -> None:
    Song.objects.update(tempo_confidence=0.1, key_confidence=0.1)
    written()
    texts = read_fields(songs[0])[0]
    assert (texts["mood"], texts["bpm"], texts["key"]) == ([*WORDS], [], [])


def test_off_unless_a_library_may_be_written(songs: list[Path]) -> None:
    Library.objects.update(is_writable=False)
    library = Library.objects.get()
    for choice in (Choice(), Choice(libraries=(library.pk,)), Choice(libraries=(10**9,))):
        with pytest.raises(TagWritingError):
            run_begin(choice=choice)
    assert [*plans_make(Choice(), moods)] == []
    Library.objects.update(is_writable=True)
    choice_check(Choice(libraries=(library.pk,)))


def test_a_dry_run_touches_nothing(songs: list[Path]) -> None:
    before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in songs]
    plans = [*plans_make(Choice(), moods)]
    assert [plan.change.fields["mood"].after for plan in plans if plan.change] == [WORDS] * 3
    assert [(path.read_bytes(), path.stat().st_mtime_ns) for path in songs] == before
    assert not TagWrite.objects.exists()


def spoil_link(path: Path) -> None:
    path.rename(path.with_name("target.bin"))
    path.symlink_to(path.with_name("target.bin"))


SPOILS: dict[str, Callable[[Path], object]] = {
    "TAGS_READ_ONLY": lambda path: path.chmod(0o444),
    "TAGS_FILE_GONE": lambda path: path.unlink(),
    "TAGS_LINK": spoil_link,
    "TAGS_HARD_LINKS": lambda path: path.with_name("other.bin").hardlink_to(path),
    "TAGS_FILE_CHANGED": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
}


@pytest.mark.parametrize("code", SPOILS)
def test_a_file_that_is_left_alone_gets_a_sentence_and_the_others_are_written(
    songs: list[Path], code: str
) -> None:
    SPOILS[code](songs[1])
    run = written()
    assert problems(run) == {"1.flac": code}
    assert run.refused == 1
    assert " " in run.problems[0]["message"]
    assert moods_in(songs[0]) == moods_in(songs[2]) == WORDS


def test_same_bytes_elsewhere_keep_a_file_as_it_is(songs: list[Path]) -> None:
    song = Song.objects.get(title="0")
    KnownCopy.objects.create(
        library=song.library,
        relative_path="copy.flac",
        file_size_bytes=1,
        file_mtime_ns=1,
        content_sha256=song.content_sha256,
    )
    assert problems(written()) == {"0.flac": "TAGS_COPIES"}


def test_a_changed_file_of_the_same_size_and_time_is_found(
    songs: list[Path], ingest: Callable[..., Any]
) -> None:
    stat, data = songs[0].stat(), bytearray(songs[0].read_bytes())
    data[-1] ^= 1
    songs[0].write_bytes(data)
    os.utime(songs[0], ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert problems(written()) == {"0.flac": "TAGS_FILE_CHANGED"}
    assert songs[0].read_bytes() == data
    ingest()  # as the sentence says
    assert problems(written(songs=(Song.objects.get(title="0").pk,))) == {}
    assert moods_in(songs[0]) == WORDS


def test_a_file_that_changed_since_is_not_undone(songs: list[Path]) -> None:
    run = written()
    tag(songs[0], title="New")
    data = songs[0].read_bytes()
    run_undo(run=run)
    assert problems(run) == {"0.flac": "TAGS_NOT_OURS"}
    assert songs[0].read_bytes() == data
    assert moods_in(songs[1]) == ()


def test_undo_follows_a_file_that_was_moved(songs: list[Path], ingest: Callable[..., Any]) -> None:
    data = songs[0].read_bytes()
    run = written()
    moved = songs[0].rename(songs[0].with_name("moved.flac"))
    ingest()
    run_undo(run=run)
    assert moved.read_bytes() == data


def test_a_full_disk_ends_the_run_and_harms_nothing(
    songs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [path.read_bytes() for path in songs]

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(replacing.os, "fsync", full)
    monkeypatch.setattr(run_module, "MOST_PROBLEMS", 0)  # it is named though many others are
    run = tag_run_start(choice=Choice(), is_preview=False, user=None)
    job = job_start(job_id=run.job_id or "", worker="here")
    with pytest.raises(FileUnusableError, match="the disk is full") as raised:
        tag_job_run(job=job, moods=moods, seconds=60)
    assert raised.value.code == "TAGS_DISK_FULL"  # with which the task ends the job
    job_fail(job=job, code=raised.value.code, message=str(raised.value))
    assert problems(run) == {"0.flac": "TAGS_DISK_FULL"}
    assert (run.state, run.is_stopped) == (TagRun.State.STARTED, True)
    assert [path.read_bytes() for path in songs] == before
    assert not run.writes.exists()
    assert len(names_beside(songs[0])) == 3


@pytest.mark.parametrize("step", ["prepared", "replaced"])
def test_killed_in_the_middle_heals(
    songs: list[Path], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """A kill leaves the row, and the copy or the new file; nothing is cleared up."""
    before = songs[0].read_bytes()
    replace = Path.replace

    class Killed(BaseException):
        pass

    def killed(self: Path, target: Path) -> Path:
        if step == "replaced":
            replace(self, target)
        else:
            self.with_name(".affetti-tags-0123456789ab.flac").write_bytes(b"left")
        raise Killed

    monkeypatch.setattr(Path, "replace", killed)
    run = run_begin(choice=Choice())
    with pytest.raises(Killed):
        run_write(run=run, moods=moods)
    monkeypatch.undo()
    assert states(run) == {"prepared"}
    writes_settle()
    assert (moods_in(songs[0]) == WORDS) is (step == "replaced")
    assert states(run) == ({"written"} if step == "replaced" else set())
    assert run_write(run=run, moods=moods)
    assert run.writes.count() == 3
    assert len(names_beside(songs[0])) == 3
    run_undo(run=run)
    assert songs[0].read_bytes() == before
    assert not problems(run)


def test_a_copy_that_a_live_process_holds_is_left(songs: list[Path]) -> None:
    part = songs[0].with_name(".affetti-tags-0123456789ab.flac")
    with replacing._new_file(part):
        assert replacing.is_being_written(part)
        assert replacing.parts_sweep(part.parent) == 0
        assert part.exists()
    part.write_bytes(b"")
    assert replacing.parts_sweep(part.parent) == 1


def test_a_run_goes_on_where_its_time_ended(songs: list[Path]) -> None:
    run = run_begin(choice=Choice())
    assert not run_write(run=run, moods=moods, seconds=0)
    assert run.after == Song.objects.order_by("pk")[0].pk
    assert run.writes.count() == 1
    assert run_write(run=run, moods=moods)
    assert run.writes.count() == 3
    assert not run_undo(run=run, seconds=0)
    assert run_undo(run=run)
    assert moods_in(songs[0]) == ()


def test_a_touched_file_has_a_new_time_that_the_library_knows(
    songs: list[Path], ingest: Callable[..., Any]
) -> None:
    old = songs[0].stat().st_mtime_ns
    run = written(is_touched=True)
    assert songs[0].stat().st_mtime_ns > old
    assert ingest().result["unchanged"] == 3
    run_undo(run=run)
    assert songs[0].stat().st_mtime_ns == old


def test_a_song_removed_from_the_library_is_restored_by_its_path(songs: list[Path]) -> None:
    data = songs[0].read_bytes()
    run = written()
    Song.objects.filter(title="0").delete()
    run_undo(run=run)
    assert songs[0].read_bytes() == data


def test_extended_attributes_stay(songs: list[Path]) -> None:
    try:
        os.setxattr(songs[0], "user.note", b"x")
    except OSError:
        pytest.skip("no extended attributes here")
    written()
    assert os.getxattr(songs[0], "user.note") == b"x"


def test_an_mp3_with_a_picture(music_dir: Path, ingest: Callable[..., Any]) -> None:
    path = write_tone(music_dir / "a.mp3")
    tags = mutagen.File(path)
    tags.add_tags()
    tags.tags.add(mutagen.id3.APIC(mime="image/png", type=3, data=os.urandom(200_000)))
    tags.save()
    ingest()
    Library.objects.update(is_writable=True)
    analysed()
    data = path.read_bytes()
    run = written()
    assert path.read_bytes() != data
    assert len(run.writes.get().back) < 500
    run_undo(run=run)
    assert path.read_bytes() == data


def test_a_table_has_no_files_to_write(songs: list[Path]) -> None:
    Library.objects.update(kind=Library.Kind.TABLE)
    for choice in (Choice(), Choice(libraries=(Library.objects.get().pk,))):
        with pytest.raises(TagWritingError):
            run_begin(choice=choice)
    assert [*plans_make(Choice(), moods)] == []


def test_bytes_that_another_song_has_are_not_written(songs: list[Path]) -> None:
    song, other = Song.objects.order_by("pk")[:2]
    data = songs[0].read_bytes()
    (plan,) = plans_make(Choice(songs=(song.pk,)), moods)
    assert plan.change
    Song.objects.filter(pk=other.pk).update(content_sha256=plan.change.after_sha256)
    run = written(songs=(song.pk,))
    assert problems(run) == {"0.flac": "TAGS_TAKEN"}
    assert songs[0].read_bytes() == data
    assert not run.writes.exists()


def test_bytes_that_another_song_gets_meanwhile_leave_the_file_to_the_next_scan(
    songs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    song, other = Song.objects.order_by("pk")[:2]
    (plan,) = plans_make(Choice(songs=(song.pk,)), moods)
    assert plan.change
    after = plan.change.after_sha256
    replace = Path.replace

    def raced(self: Path, target: Path) -> Path:
        Song.objects.filter(pk=other.pk).update(content_sha256=after)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", raced)
    run = written(songs=(song.pk,))
    monkeypatch.undo()
    assert states(run) == {"written"}
    song.refresh_from_db()
    assert song.file_mtime_ns == 0
    TagWrite.objects.update(state="prepared")  # as if it had been killed then
    assert writes_settle() == 1
    assert states(run) == {"written"}
    Song.objects.filter(pk=other.pk).update(content_sha256="0" * 64)
    data = songs[0].read_bytes()
    assert run_undo(run=run)
    assert songs[0].read_bytes() != data


def test_what_is_not_known_takes_nothing_out(songs: list[Path]) -> None:
    written()
    unknown = ("estimated_bpm", "tempo_confidence", "estimated_key", "key_confidence")
    Song.objects.update(**dict.fromkeys(unknown))
    run = written(lambda ids, least: {})
    assert (run.unchanged, run.writes.count()) == (3, 0)
    texts = read_fields(songs[0])[0]
    assert (texts["mood"], texts["bpm"], texts["key"]) == ([*WORDS], ["120"], ["F#m"])
    Song.objects.update(tempo_confidence=0.1)
    written(lambda ids, least: dict.fromkeys(ids, ()))  # it is known that there are none
    texts = read_fields(songs[0])[0]
    assert (texts["mood"], texts["bpm"], texts["key"]) == ([], [], ["F#m"])


def test_a_persons_tempo_never_becomes_ours(songs: list[Path], ingest: Callable[..., Any]) -> None:
    tag(songs[0], bpm="99.4")
    ingest()
    analysed()
    written(may_overwrite=True)
    texts = read_fields(songs[0])[0]
    assert (texts["mood"], texts["bpm"]) == ([*WORDS], ["99.4"])
    assert not any("bpm" in mark for mark in texts["ours"])


@pytest.mark.parametrize("left", ["gone", "changed"])
def test_a_row_stays_until_the_file_tells_what_was_done(songs: list[Path], left: str) -> None:
    run = written()
    write = run.writes.order_by("pk")[0]
    TagWrite.objects.filter(pk=write.pk).update(state="prepared")
    data = songs[0].read_bytes()
    if left == "gone":
        songs[0].unlink()
    else:
        songs[0].write_bytes(data + b"x")
    assert writes_settle() == 0
    assert TagWrite.objects.get(pk=write.pk).state == "prepared"
    songs[0].write_bytes(data)
    assert writes_settle() == 1
    assert TagWrite.objects.get(pk=write.pk).state == "written"


def test_an_error_after_the_file_took_its_place_leaves_it_written(
    songs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def broken(self: Path, target: Path) -> Path:
        replace(self, target)
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    before = songs[0].read_bytes()
    monkeypatch.setattr(Path, "replace", broken)
    run = written()
    monkeypatch.undo()
    assert problems(run) == {}
    assert states(run) == {"written"}
    run_undo(run=run)
    assert songs[0].read_bytes() == before


def test_a_run_has_one_process_at_a_time_and_is_not_written_after_its_end(
    songs: list[Path],
) -> None:
    run = run_begin(choice=Choice())
    with run_held(TagRun.objects.get(pk=run.pk)), run_held(run_begin(choice=Choice())):
        if connection.vendor == "sqlite":  # a connection of PostgreSQL may lock twice
            for act in (lambda: run_write(run=run, moods=moods), lambda: run_undo(run=run)):
                with pytest.raises(TagWritingError, match="Another process"):
                    act()
    run_write(run=run, moods=moods)
    run_undo(run=run)
    with pytest.raises(TagWritingError, match="is over"):
        run_write(run=run, moods=moods)
    assert moods_in(songs[0]) == ()


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL syncs each commit")
def test_sqlite_syncs_the_journal_while_files_are_written(songs: list[Path]) -> None:
    def level() -> int:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA synchronous")
            return int(cursor.fetchone()[0])

    usual, seen = level(), []
    run = run_begin(choice=Choice())
    run_write(run=run, moods=moods, on_plan=lambda _: seen.append(level()))
    run_undo(run=run, on_file=lambda *_: seen.append(level()))
    assert set(seen) == {2}
    assert (level(), usual) == (usual, 1)


def test_undo_follows_a_song_into_another_library(songs: list[Path], tmp_path: Path) -> None:
    data = songs[0].read_bytes()
    run = written()
    root = tmp_path / "other"
    root.mkdir()
    library = Library.objects.create(name="Other", root=str(root), is_writable=True)
    Song.objects.filter(title="0").update(library=library, relative_path="0.flac")
    moved = songs[0].rename(root / "0.flac")
    assert run_undo(run=run)
    assert problems(run) == {}
    assert moved.read_bytes() == data


def test_copies_are_counted_once_for_many_songs(
    songs: list[Path], django_assert_max_num_queries: Any
) -> None:
    written()
    with django_assert_max_num_queries(3):  # songs twice, and copies
        assert [plan.problem for plan in plans_make(Choice(), moods)] == [None] * 3


def test_problems_are_written_while_there_is_room(
    songs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "MOST_PROBLEMS", 1)
    for path in songs:
        path.chmod(0o444)
    run = written()
    assert (run.refused, len(run.problems)) == (3, 1)


@pytest.mark.parametrize(("code", "is_busy"), [(errno.EAGAIN, True), (errno.ENOLCK, False)])
def test_only_a_lock_tells_of_a_live_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, code: int, is_busy: bool
) -> None:
    part = tmp_path / ".affetti-tags-0123456789ab.flac"
    part.write_bytes(b"")
    modes = []

    def locked(descriptor: int, _: int) -> None:
        modes.append(fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE)
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(replacing.fcntl, "flock", locked)
    assert replacing.is_being_written(part) is is_busy
    assert modes == [os.O_RDWR]  # NFS locks nothing else
