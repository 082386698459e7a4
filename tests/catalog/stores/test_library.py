"""A library in a store: ingested, watched over, analysed, and never emptied by an outage."""

from __future__ import annotations

import json
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from catalog.analysis import songs_analyse
from catalog.errors import FilesVanishedError, PathError, StoreAwayError, StoreRefusedError
from catalog.estimates import estimate_measure
from catalog.files.pictures import cover_of, folder_picture
from catalog.folders import folder_roots, folder_view
from catalog.ingest.libraries import LibrarySettings, library_add, library_change, rescans_start
from catalog.ingest.run import ingest_run, ingest_start
from catalog.models import BackgroundJob, IngestFailure, Library, Song
from catalog.selectors import song_file
from catalog.stores import copies, objects
from catalog.stores.addresses import path_of
from catalog.work.jobs import job_start
from tests.catalog.conftest import write_tone

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fsspec.implementations.memory import MemoryFileSystem
    from pytest_django.fixtures import SettingsWrapper

    from tests.fakes import FakePipeline

    Ingest = Callable[..., BackgroundJob]

pytestmark = pytest.mark.django_db
TOP = "memory://music"


@pytest.fixture
def tone(memory: MemoryFileSystem, tmp_path: Path) -> Callable[..., None]:
    """Return a function that puts a tone into the store."""

    def put(name: str, *, hz: float = 440.0, seconds: float = 4.0) -> None:
        file = write_tone(tmp_path / "made" / name, hz=hz, seconds=seconds)
        memory.pipe(f"/music/{name}", file.read_bytes())

    return put


@pytest.fixture
def three(tone: Callable[..., None], memory: MemoryFileSystem) -> None:
    """Put three songs into the store, with lyrics, a picture and what is left out."""
    for n, name in enumerate(("A/Eins/01 Satie - Gnossienne.flac", "A/Eins/02 x.wav", "B/y.ogg")):
        tone(name, hz=200 + 50 * n)
    memory.pipe(
        {
            "/music/A/Eins/02 x.lrc": b"[00:01.00]a river runs\n[00:02.00]down to the sea\n",
            "/music/A/Eins/cover.jpg": b"no picture",
            "/music/A/.nomedia-not": b"",
            "/music/C/.nomedia": b"",
            "/music/C/left.mp3": b"x",
            "/music/.affettiignore": b"skipped*\n",
            "/music/skipped.mp3": b"x",
            "/music/old.mid": b"x",
        }
    )


def counts(job: BackgroundJob) -> dict[str, int]:
    names = ("added", "unchanged", "changed", "moved", "restored", "duplicates", "failed")
    told = {name: job.result[name] for name in (*names, "missing")}
    return {name: number for name, number in told.items() if number}


@pytest.mark.usefixtures("three")
def test_a_store_becomes_songs_in_order(ingest: Ingest) -> None:
    job = ingest(path_of(TOP))

    library = Library.objects.get()
    assert (library.root, library.name) == (TOP, "music")
    assert job.arguments["path"] == TOP
    songs = list(Song.objects.order_by("pk"))
    assert [song.relative_path for song in songs] == [
        "A/Eins/01 Satie - Gnossienne.flac",
        "A/Eins/02 x.wav",
        "B/y.ogg",
    ]
    assert (songs[0].artist, songs[0].title) == ("Satie", "Gnossienne")
    assert (songs[1].lyrics_source, songs[1].lyrics.splitlines()[0]) == (
        "lrc",
        "[00:01.00]a river runs",
    )
    assert (job.result["left_out"], job.result["unread"]) == (2, 1)
    assert all(len(song.content_sha256) == 64 for song in songs)


@pytest.mark.usefixtures("three")
def test_an_unchanged_store_is_listed_and_nothing_comes(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(path_of(TOP))
    monkeypatch.setattr(copies, "entry_now", None)
    monkeypatch.setattr(copies, "download", None)

    assert counts(ingest(path_of(TOP))) == {"unchanged": 3}


def test_changed_moved_gone_and_returned_objects(
    ingest: Ingest, tone: Callable[..., None], memory: MemoryFileSystem
) -> None:
    for n in range(5):
        tone(f"a/{n}.wav", hz=200 + 10 * n)
    ingest(path_of(TOP))
    ids = dict(Song.objects.values_list("relative_path", "pk"))

    tone("a/0.wav", hz=999)
    memory.mv("/music/a/1.wav", "/music/b/1.wav")
    kept = memory.cat("/music/a/2.wav")
    memory.rm("/music/a/2.wav")
    assert counts(ingest(path_of(TOP))) == {"unchanged": 2, "changed": 1, "moved": 1, "missing": 1}
    assert Song.objects.get(relative_path="b/1.wav").pk == ids["a/1.wav"]
    assert not Song.objects.get(pk=ids["a/2.wav"]).is_available

    memory.pipe("/music/a/2.wav", kept)
    assert counts(ingest(path_of(TOP))) == {"unchanged": 4, "moved": 1}
    assert Song.objects.get(pk=ids["a/2.wav"]).is_available


@pytest.mark.parametrize("error", [PermissionError("no"), TimeoutError("no")])
def test_an_outage_marks_no_song_as_gone(
    ingest: Ingest,
    tone: Callable[..., None],
    memory: MemoryFileSystem,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    for n in range(3):
        tone(f"a/{n}.wav", hz=200 + 10 * n)
    ingest(path_of(TOP))
    job = job_start(job_id=ingest_start(path=path_of(TOP), accept_empty=True).pk, worker="test")

    def fail(*_: object, **__: object) -> None:
        raise error

    for name in ("ls", "find", "info"):
        monkeypatch.setattr(type(memory), name, fail)
    with pytest.raises((StoreAwayError, StoreRefusedError)) as raised:
        ingest_run(job=job)
    job.refresh_from_db()
    is_transient = isinstance(raised.value, StoreAwayError)
    assert job.result.get("notes", []) == ([str(raised.value)] if is_transient else [])
    assert Song.objects.filter(is_available=True).count() == 3
    assert not IngestFailure.objects.exists()


def test_a_store_that_is_empty_of_a_sudden_is_not_believed(
    ingest: Ingest, tone: Callable[..., None], memory: MemoryFileSystem
) -> None:
    tone("a/0.wav")
    ingest(path_of(TOP))
    memory.rm("/music", recursive=True)
    job = job_start(
        job_id=ingest_start(path=path_of(TOP), unasked={"settle_seconds": 0}).pk, worker="t"
    )

    with pytest.raises(FilesVanishedError, match="memory://music: is empty or absent"):
        ingest_run(job=job)
    assert Song.objects.get().is_available


def test_one_object_that_does_not_come_fails_alone_and_is_tried_again(
    ingest: Ingest,
    tone: Callable[..., None],
    memory: MemoryFileSystem,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tone("a/0.wav", hz=300)
    tone("a/1.wav", hz=400)
    original = copies.download

    def download(path: Path, target: Path) -> None:
        original(path, target)
        if path.name == "0.wav":
            target.write_bytes(b"half")

    with monkeypatch.context() as patch:
        patch.setattr(copies, "download", download)
        assert counts(ingest(path_of(TOP))) == {"added": 1, "failed": 1}
    failure = IngestFailure.objects.get()
    assert (failure.code, failure.relative_path) == ("FILE_UNREADABLE", "a/0.wav")
    assert "4 of" in failure.message
    assert "next ingest" in failure.message
    assert counts(ingest(path_of(TOP))) == {"added": 1, "unchanged": 1}


def test_songs_are_analysed_from_copies_and_wait_while_the_store_is_away(
    ingest: Ingest,
    tone: Callable[..., None],
    memory: MemoryFileSystem,
    fake_pipeline: FakePipeline,
    monkeypatch: pytest.MonkeyPatch,
    settings: SettingsWrapper,
) -> None:
    tone("a/0.wav", hz=300)
    tone("a/1.wav", hz=400)
    ingest(path_of(TOP))
    ids = list(Song.objects.order_by("pk").values_list("pk", flat=True))
    path_of(f"{TOP}/a/1.wav").unlink()  # deleted from the cache

    def fail(*_: object, **__: object) -> None:
        raise TimeoutError

    with monkeypatch.context() as patch:
        for name in ("ls", "find", "info"):
            patch.setattr(type(memory), name, fail)
        objects.listings_forget()
        report = songs_analyse(song_ids=ids, worker="w")
    assert (report.analysed, report.failed) == (1, 0)
    assert list(Song.objects.order_by("pk").values_list("status", "is_available")) == [
        ("analysed", True),
        ("pending", True),
    ]
    assert songs_analyse(song_ids=ids, worker="w").analysed == 1


def test_an_object_that_is_gone_is_gone_and_one_that_changed_fails(
    ingest: Ingest, tone: Callable[..., None], memory: MemoryFileSystem, fake_pipeline: FakePipeline
) -> None:
    for n in range(3):
        tone(f"a/{n}.wav", hz=300 + 50 * n)
    ingest(path_of(TOP))
    ids = list(Song.objects.order_by("pk").values_list("pk", flat=True))
    for n in range(3):
        path_of(f"{TOP}/a/{n}.wav").unlink()
    memory.rm("/music/a/0.wav")
    tone("a/1.wav", hz=999, seconds=5.0)
    objects.listings_forget()

    songs_analyse(song_ids=ids, worker="w")

    gone, changed, good = Song.objects.order_by("pk")
    assert not gone.is_available
    assert (changed.status, changed.failure_code) == ("failed", "FILE_CHANGED")
    assert good.status == "analysed"


def test_a_song_of_a_store_is_measured_and_has_the_picture_of_its_folder(
    ingest: Ingest, tone: Callable[..., None], memory: MemoryFileSystem
) -> None:
    import io  # noqa: PLC0415

    import PIL.Image  # noqa: PLC0415

    picture = io.BytesIO()
    PIL.Image.new("RGB", (300, 300), "red").save(picture, "JPEG")
    tone("a/0.wav", seconds=8.0)
    memory.pipe("/music/a/Folder.jpg", picture.getvalue())
    ingest(path_of(TOP))
    song = Song.objects.select_related("library").get()

    estimate_measure(song=song)
    song.refresh_from_db()
    assert song.tempo_confidence is not None
    assert folder_picture(song.path) == path_of(f"{TOP}/a/Folder.jpg")
    with song_file(song) as path:
        assert cover_of(path=path, root=song.library.path)


def test_a_dry_run_of_a_store_changes_nothing(tone: Callable[..., None]) -> None:
    tone("a/0.wav")
    out = StringIO()

    call_command("ingest", TOP, dry_run=True, json=True, stdout=out)

    (told,) = json.loads(out.getvalue())["dry_run"]
    assert (told["path"], told["counts"]["added"]) == (TOP, 1)
    assert not Library.objects.exists()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("memory://other", "AFFETTI_STORES"),
        ("memory://music/none", "no such file or folder"),
        ("memory://music/../x", "is no address of a store"),
        ("file:///etc", "is no address of a store"),
    ],
)
def test_the_command_says_why_an_address_is_not_taken(
    tone: Callable[..., None], address: str, words: str
) -> None:
    tone("a/0.wav")
    with pytest.raises(CommandError, match=words):
        call_command("ingest", address)
    assert not Library.objects.exists()


def test_a_store_is_added_and_browsed_but_not_watched(tone: Callable[..., None]) -> None:
    tone("a/b/0.wav")
    tone("a/1.wav", hz=300)
    chosen = LibrarySettings("Mine", Library.Watch.POLLING, None)
    with pytest.raises(PathError, match="not watched; choose a time"):
        library_add(path=path_of(TOP), chosen=chosen, user=None)
    assert not Library.objects.exists()
    assert not BackgroundJob.objects.exists()

    library = library_add(
        path=path_of(TOP), chosen=LibrarySettings("", Library.Watch.OFF, 6), user=None
    )
    with pytest.raises(PathError, match="not watched"):
        library_change(library=library, chosen=chosen)
    assert TOP in [root.path for root in folder_roots()]
    view = folder_view(f"{TOP}/a")
    assert ([one.name for one in view.folders], view.audio_files) == (["b"], 1)
    assert [one.path for one in view.trail] == [TOP]
    with pytest.raises(PathError):
        folder_view(f"{TOP}/none")

    Library.objects.update(rescan_at=None)
    BackgroundJob.objects.update(status="succeeded")
    assert rescans_start() == 1
    job = BackgroundJob.objects.get(status="pending")
    ingest_run(job=job_start(job_id=job.pk, worker="test"))
    assert Song.objects.count() == 2


def test_the_library_stays_whole_when_its_store_leaves_the_settings(
    ingest: Ingest, tone: Callable[..., None], settings: SettingsWrapper
) -> None:
    tone("a/0.wav")
    ingest(path_of(TOP))
    settings.AFFETTI_STORES = []
    objects.listings_forget()

    with pytest.raises(StoreRefusedError, match="add its store to AFFETTI_STORES"):
        ingest(path_of(TOP))
    assert Song.objects.get().is_available


def test_a_song_whose_object_did_not_come_is_analysed_at_the_next_ingest(
    ingest: Ingest,
    tone: Callable[..., None],
    fake_pipeline: FakePipeline,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tone("a/0.wav")
    ingest(path_of(TOP))
    song = Song.objects.get()
    path_of(f"{TOP}/a/0.wav").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(copies, "download", lambda _, target: target.write_bytes(b"half"))
        assert songs_analyse(song_ids=[song.pk], worker="w").failed == 1
    song.refresh_from_db()
    assert (song.status, song.failure_code) == ("failed", "FILE_UNREADABLE")

    assert counts(ingest(path_of(TOP))) == {"unchanged": 1}

    song.refresh_from_db()
    assert (song.status, song.failure_code) == ("pending", "")
    assert songs_analyse(song_ids=[song.pk], worker="w").analysed == 1


def test_a_store_that_is_away_stops_no_other_library(
    ingest: Ingest,
    tone: Callable[..., None],
    memory: MemoryFileSystem,
    monkeypatch: pytest.MonkeyPatch,
    music_dir: Path,
) -> None:
    tone("a/0.wav", hz=300)
    tone("a/1.wav", hz=400)
    ingest(path_of(TOP))
    for name in ("0.wav", "1.wav"):
        (music_dir / name).write_bytes(memory.cat(f"/music/a/{name}"))
    write_tone(music_dir / "new.wav", hz=500)

    def away(*_: object, **__: object) -> None:
        raise TimeoutError

    for name in ("ls", "info", "find", "get_file"):
        monkeypatch.setattr(type(memory), name, away)
    for expected in ({"duplicates": 2, "added": 1}, {"duplicates": 2, "unchanged": 1}):
        objects.listings_forget()
        assert counts(ingest(music_dir)) == expected
    assert Song.objects.filter(library__root=TOP, is_available=True).count() == 2


def test_lyrics_that_do_not_come_cost_no_song(
    ingest: Ingest,
    tone: Callable[..., None],
    memory: MemoryFileSystem,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tone("a/0.wav")
    memory.pipe("/music/a/0.lrc", b"[00:01.00]a river runs\n[00:02.00]down to the sea\n")
    original = copies.download

    def download(path: Path, target: Path) -> None:
        original(path, target)
        if path.suffix == ".lrc":
            target.write_bytes(b"[00")

    monkeypatch.setattr(copies, "download", download)
    job = ingest(path_of(TOP))

    assert counts(job) == {"added": 1}
    assert any("0.lrc ignored: the store did not send it" in note for note in job.result["notes"])
