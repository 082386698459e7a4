"""An import adds listens of known songs once, tells what it did not find, and can be undone."""

from __future__ import annotations

import json
import os
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.utils import timezone

from catalog.models import BackgroundJob
from catalog.work.jobs import job_revoke
from recommender.accounts import account_delete
from recommender.errors import DiskShortError, FilePieceError, FileRefusedError
from recommender.feedback import song_like
from recommender.history import history_weights, listen_record
from recommender.index import index_snapshot
from recommender.listening import (
    import_failure,
    import_piece,
    import_read,
    import_undo,
    imports_list,
    pieces,
)
from recommender.listening import imports as imports_module
from recommender.models import Listen, ListenImport
from recommender.mood_history import mood_history
from recommender.personal import profile_of
from recommender.tasks import import_history, sweep_imports
from tests.factories import UserFactory
from tests.recommender.listening.histories import MOMENT, in_lines, listenbrainz, spotify, written

if TYPE_CHECKING:
    from pathlib import Path

    from django.contrib.auth.models import User
    from pytest_django.fixtures import SettingsWrapper

    from catalog.models import Song

pytestmark = pytest.mark.django_db


def of(song: Song, at: int = MOMENT) -> dict[str, Any]:
    return listenbrainz(song.artist, song.title, at=at)


def read(user: User, path: Path, content: Any) -> dict[str, Any]:
    listens = ListenImport.objects.create(user=user, file_name=path.name)
    return import_read(listens=listens, path=written(path, content))


def test_listens_of_known_songs_are_added_and_the_rest_is_told(
    user: User, songs: list[Song], tmp_path: Path
) -> None:
    values = [
        *(of(song, MOMENT + n * 300) for n, song in enumerate(songs)),
        *(listenbrainz("Nobody", "Nothing", at=MOMENT + n) for n in range(3)),
        listenbrainz("Nobody", "Something"),
        listenbrainz("", "x"),
    ]
    result = read(user, tmp_path / "a.jsonl", in_lines(values))
    listens = Listen.objects.filter(user=user).order_by("listened_at")
    assert [listen.song_id for listen in listens] == [song.pk for song in songs]
    assert listens[0].listened_at == datetime.fromtimestamp(MOMENT, UTC)
    counts = {name: value for name, value in result.items() if isinstance(value, int)}
    assert counts == {
        "read": 17,
        "added": 12,
        "known": 0,
        "skipped": 0,
        "unmatched": 4,
        "unmatched_songs": 2,
        "left_out": 1,
    }
    assert result["most_unmatched"][0] == {"artist": "Nobody", "title": "Nothing", "count": 3}
    assert result["faults"] == [{"why": "NO_NAMES", "name": "a.jsonl", "line": 17, "entry": 0}]


def test_the_same_file_twice_adds_nothing(user: User, songs: list[Song], tmp_path: Path) -> None:
    values = in_lines([of(song) for song in songs])
    read(user, tmp_path / "a.jsonl", values)
    again = read(user, tmp_path / "a.jsonl", values)
    assert (again["added"], again["known"]) == (0, 12)
    assert Listen.objects.count() == 12
    other = UserFactory()
    assert read(other, tmp_path / "a.jsonl", values)["added"] == 12


def test_what_was_left_soon_is_no_listen(user: User, songs: list[Song], tmp_path: Path) -> None:
    short = songs[1]
    short.duration_seconds = 40.0
    short.save()
    values = [
        spotify(songs[0].artist, songs[0].title, ms=29_999),
        spotify(songs[0].artist, songs[0].title, ms=30_000),
        spotify(short.artist, short.title, ms=20_000),
        spotify("Nobody", "Nothing", ms=5_000),
    ]
    result = read(user, tmp_path / "a.json", values)
    assert (result["added"], result["skipped"], result["unmatched"]) == (2, 2, 0)
    assert sorted(Listen.objects.values_list("seconds_played", flat=True)) == [20.0, 30.0]


def test_undo_deletes_what_the_import_added_and_nothing_else(
    user: User, songs: list[Song], tmp_path: Path
) -> None:
    own = listen_record(
        user=user, song_id=songs[0].pk, listened_at=datetime.fromtimestamp(MOMENT, UTC)
    )
    first = read(user, tmp_path / "a.jsonl", in_lines([of(songs[0]), of(songs[1])]))
    assert (first["added"], first["known"]) == (1, 1)
    assert import_undo(listens=imports_list(user).get()) == 1
    assert list(Listen.objects.all()) == [own]
    assert not ListenImport.objects.exists()


def test_a_file_that_breaks_off_adds_nothing(
    user: User, songs: list[Song], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports_module, "_PORTION", 2)
    values = in_lines([of(song) for song in songs]) + "{broken}\n"
    with pytest.raises(FileRefusedError, match=r"a\.jsonl, line 13: "):
        read(user, tmp_path / "a.jsonl", values)
    assert not Listen.objects.exists()
    refused = ListenImport.objects.get()
    assert (refused.is_done, refused.failure["why"]) == (True, "NO_JSON")


def test_more_listens_than_are_taken(
    user: User, songs: list[Song], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports_module, "MOST_LISTENS", 11)
    with pytest.raises(FileRefusedError, match="a million"):
        read(user, tmp_path / "a.jsonl", in_lines([of(song) for song in songs]))
    assert not Listen.objects.exists()


def test_an_import_that_takes_too_long_adds_nothing(
    user: User, songs: list[Song], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports_module, "_PORTION", 2)
    listens = send(user, in_lines([of(song) for song in songs]).encode(), upload=uuid.uuid4())
    match = imports_module._matched
    stored = []

    def end_after(portion: Any, tally: Any, matcher: Any) -> Any:
        if tally.read == 6:
            stored.append(Listen.objects.count())
            raise SoftTimeLimitExceeded
        return match(portion, tally, matcher)

    monkeypatch.setattr(imports_module, "_matched", end_after)
    assert import_history(str(listens.job_id))["status"] == "failed"
    listens = imports_list(user).get()
    assert (stored, Listen.objects.count()) == ([4], 0)
    assert import_failure(listens) == (
        "my history.jsonl: it took too long; import its files one by one."
    )
    assert not list(pieces.kept_file(listens.pk).parent.iterdir()), "the file is gone"


def test_imported_listens_weigh_in_lists_and_in_moods(
    user: User, songs: list[Song], tmp_path: Path
) -> None:
    lately = int((timezone.now() - timedelta(days=2)).timestamp())
    song_like(user=user, song_id=songs[5].pk)
    before = profile_of(user, index_snapshot())
    listen_record(user=user, song_id=songs[4].pk)
    newer = profile_of(user, index_snapshot())
    read(user, tmp_path / "a.jsonl", in_lines([of(song, lately) for song in songs[:3]]))
    weights = history_weights(user=user)
    assert set(weights) == {song.pk for song in (*songs[:3], songs[4])}
    assert mood_history(user=user, zone=UTC).count == 4
    after = profile_of(user, index_snapshot())
    assert before is not newer
    assert after is not newer, "what is learned of a listener does not stay as it was"


# --- Pieces, and the job -------------------------------------------------------------------------


def send(user: User, data: bytes, *, upload: uuid.UUID, size: int = 0, step: int = 50) -> Any:
    listens = None
    for offset in range(0, len(data), step):
        listens = import_piece(
            user=user,
            upload=upload,
            name="C:/fakepath/../my history.jsonl",
            size=size or len(data),
            offset=offset,
            data=data[offset : offset + step],
        )
    return listens


def test_a_file_comes_in_pieces_and_a_worker_reads_it(user: User, songs: list[Song]) -> None:
    data = in_lines([of(song) for song in songs]).encode()
    upload = uuid.uuid4()
    listens = send(user, data, upload=upload)
    assert (listens.pk, listens.file_name) == (upload, "my history.jsonl")
    assert listens.job.status == "pending"
    assert import_history(str(listens.job_id))["status"] == "succeeded"
    listens = imports_list(user).get()
    assert listens.result["added"] == 12
    assert listens.job.progress_done == 12
    assert listens.job.result["added"] == 12
    assert import_history(str(listens.job_id))["status"] == "not pending"
    assert not list(pieces.kept_file(upload).parent.iterdir()), "the file is gone"
    assert send(user, data, upload=upload) == listens, "a last piece may come again"
    assert BackgroundJob.objects.count() == 1


def test_a_piece_must_go_on_where_the_last_one_ended(user: User) -> None:
    upload = uuid.uuid4()
    start: dict[str, Any] = {"user": user, "upload": upload, "name": "a", "size": 9}
    assert import_piece(**start, offset=0, data=b"[1,") is None
    with pytest.raises(FilePieceError) as caught:
        import_piece(**start, offset=5, data=b"2]")
    assert caught.value.offset == 3
    with pytest.raises(FilePieceError):
        import_piece(**start, offset=3, data=b"x" * 7)
    assert import_piece(**start, offset=3, data=b"2,3,4]") is not None
    other = UserFactory()
    with pytest.raises(FilePieceError, match="taken"):
        import_piece(**{**start, "user": other}, offset=0, data=b"x" * 9)


@pytest.mark.parametrize("size", [0, -1, pieces.MOST_BYTES + 1, 2**62])
def test_sizes_that_no_history_has(user: User, size: int) -> None:
    with pytest.raises(FileRefusedError, match="256 MB"):
        import_piece(user=user, upload=uuid.uuid4(), name="a", size=size, offset=0, data=b"x")


def test_a_user_has_few_files_open(user: User, settings: SettingsWrapper) -> None:
    for _ in range(pieces.MOST_OPEN):
        import_piece(user=user, upload=uuid.uuid4(), name="a", size=9, offset=0, data=b"x")
    with pytest.raises(FileRefusedError, match=r"has not ended, an upload.*Wait"):
        import_piece(user=user, upload=uuid.uuid4(), name="a", size=9, offset=0, data=b"x")
    other = UserFactory()
    import_piece(user=other, upload=uuid.uuid4(), name="a", size=9, offset=0, data=b"x")
    settings.AFFETTI_DISK_FREE_BYTES = 2**60
    with pytest.raises(DiskShortError):
        import_piece(user=UserFactory(), upload=uuid.uuid4(), name="a", size=9, offset=0, data=b"x")


def aged(path: Path, hours: float) -> Path:
    then = time.time() - hours * 3600
    os.utime(path, (then, then))
    return path


def test_uploads_that_stopped_do_not_keep_a_user_waiting(user: User) -> None:
    begun = [send(user, b"[]", upload=uuid.uuid4()) for _ in range(pieces.MOST_OPEN - 1)]
    start: dict[str, Any] = {"user": user, "name": "a", "size": 9, "offset": 0, "data": b"x"}
    import_piece(**start, upload=uuid.uuid4())
    with pytest.raises(FileRefusedError, match=r"my history\.jsonl, my history\.jsonl, an upload"):
        import_piece(**start, upload=uuid.uuid4())
    (part,) = pieces.kept_file(begun[0].pk).parent.glob("*.part")
    aged(part, 1.1)
    assert import_piece(**start, upload=uuid.uuid4()) is None
    assert part.exists(), "it may still go on"


def test_the_sweep_keeps_what_somebody_waits_for(user: User) -> None:
    """Nobody waits for files of an account that is gone, of an import that is, or of yesterday."""
    start: dict[str, Any] = {"name": "a", "size": 9, "offset": 0, "data": b"x"}
    waits = pieces.kept_file(send(user, b"[]", upload=uuid.uuid4()).pk)
    ended = send(user, b"[]", upload=uuid.uuid4())
    job_revoke(job=ended.job)
    gone = UserFactory()
    for owner in (user, user, gone):
        import_piece(**start, user=owner, upload=uuid.uuid4())
    waits_too = send(gone, b"[]", upload=uuid.uuid4())
    account_delete(user=gone)
    new, old = waits.parent.glob(f"{user.pk}-*.part")
    for path in (waits, old, pieces.kept_file(ended.pk)):
        aged(path, 25)
    aged(pieces.kept_file(waits_too.pk), 0.1)
    assert sweep_imports() == {"deleted": 4}
    assert set(waits.parent.iterdir()) == {waits, new}
    assert sweep_imports() == {"deleted": 0}


def test_a_refused_file_fails_its_job_with_file_and_line(user: User) -> None:
    listens = send(user, b'{"listened_at": 1}\n{broken}\n', upload=uuid.uuid4())
    assert import_history(str(listens.job_id))["status"] == "failed"
    listens = imports_list(user).get()
    assert listens.job.error_code == "FILE_INVALID"
    assert (listens.failure["why"], listens.failure["line"]) == ("NO_JSON", 2)


def test_an_import_that_goes_on_can_be_taken_back(
    user: User, songs: list[Song], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker stops at its next step and adds nothing more."""
    monkeypatch.setattr(imports_module, "_PORTION", 2)
    listens = send(user, in_lines([of(song) for song in songs]).encode(), upload=uuid.uuid4())
    match = imports_module._matched

    def undo_after(portion: Any, tally: Any, matcher: Any) -> Any:
        if tally.read == 6:
            import_undo(listens=ListenImport.objects.select_related("job", "user").get())
        return match(portion, tally, matcher)

    monkeypatch.setattr(imports_module, "_matched", undo_after)
    assert import_history(str(listens.job_id))["status"] == "started"
    assert BackgroundJob.objects.get().status == "revoked"
    assert not Listen.objects.exists()
    assert not ListenImport.objects.exists()


def test_a_job_without_its_import_or_file_ends(user: User) -> None:
    listens = send(user, b"[]" + b" " * 99, upload=uuid.uuid4())
    pieces.kept_file(listens.pk).unlink()
    assert import_history(str(listens.job_id))["status"] == "failed"
    assert BackgroundJob.objects.get().error_code == "FILE_GONE"
    other = send(user, b"[]" + b" " * 99, upload=uuid.uuid4())
    job_revoke(job=other.job)
    assert import_history(str(other.job_id))["status"] == "not pending"


def test_what_is_stored_of_an_import_is_small(
    user: User, songs: list[Song], tmp_path: Path
) -> None:
    values = [listenbrainz(f"Artist no {n}", "Nothing") for n in range(3000)]
    values += [listenbrainz("", "x")] * 3000
    result = read(user, tmp_path / "a.jsonl", in_lines(values))
    assert (result["unmatched"], result["left_out"]) == (3000, 3000)
    assert len(json.dumps(result)) < 100_000
