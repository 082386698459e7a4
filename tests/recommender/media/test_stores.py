"""Songs in a store are played, covered and converted; listeners learn nothing of the store."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import fsspec
import PIL.Image
import pytest
from django.urls import reverse

from catalog.errors import StoreRefusedError
from catalog.ingest.run import ingest_run, ingest_start
from catalog.models import BackgroundJob, Library, Song
from catalog.stores import copies, objects
from catalog.stores.addresses import path_of
from catalog.work.jobs import job_start
from recommender.media import covers
from recommender.media.covers import Cover, song_cover
from recommender.media.transcoding import can_transcode
from tests.catalog.conftest import write_tone
from tests.factories import SongEmotionFactory, UserFactory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from django.http import HttpResponse
    from django.test import Client
    from fsspec.implementations.memory import MemoryFileSystem
    from pytest_django.fixtures import SettingsWrapper

TOP = "memory://secret-bucket"
pytestmark = pytest.mark.django_db


@pytest.fixture
def store(settings: SettingsWrapper, monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryFileSystem]:
    settings.AFFETTI_STORES = [TOP]
    monkeypatch.setattr(copies, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(objects, "AWAY_SECONDS", 0.0)
    objects.listings_forget()
    memory = fsspec.filesystem("memory")
    yield memory
    memory.store.clear()


@pytest.fixture
def stored(store: MemoryFileSystem, tmp_path: Path) -> Song:
    """A song in the store, without a copy here."""
    store.pipe("/secret-bucket/a/tone.wav", write_tone(tmp_path / "tone.wav").read_bytes())
    job = job_start(job_id=ingest_start(path=path_of(TOP)).pk, worker="test")
    ingest_run(job=job)
    song = Song.objects.select_related("library").get()
    SongEmotionFactory(song=song)
    song.path.unlink()
    return song


def body(response: HttpResponse) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


def away(*_: object, **__: object) -> None:
    raise TimeoutError


@pytest.mark.parametrize("is_copied", [False, True])
def test_parts_come_from_the_store_or_from_the_copy(
    client: Client, store: MemoryFileSystem, stored: Song, is_copied: bool
) -> None:
    whole = store.cat("/secret-bucket/a/tone.wav")
    if is_copied:
        with copies.copy_held(stored.path):
            pass
    url = reverse("song-audio", args=[stored.pk])

    full = client.get(url)
    assert (full.status_code, full["ETag"]) == (200, f'"{stored.content_sha256}"')
    assert body(full) == whole
    assert full["Content-Length"] == str(len(whole))
    part = client.get(url, headers={"Range": "bytes=100-199"})
    assert (part.status_code, body(part)) == (206, whole[100:200])
    assert part["Content-Range"] == f"bytes 100-199/{len(whole)}"
    last = client.get(url, headers={"Range": "bytes=-10"})
    assert body(last) == whole[-10:]
    assert client.get(url, headers={"Range": f"bytes={len(whole)}-"}).status_code == 416
    assert client.head(url)["Content-Length"] == str(len(whole))
    assert client.get(url, headers={"If-None-Match": full["ETag"]}).status_code == 304
    assert stored.path.exists() == is_copied  # playing makes no copy


def test_the_etag_of_another_object_is_another_one(
    client: Client, store: MemoryFileSystem, stored: Song
) -> None:
    url = reverse("song-audio", args=[stored.pk])
    store.pipe("/secret-bucket/a/tone.wav", b"x" * 100)

    answer = client.get(url)

    assert answer["ETag"] != f'"{stored.content_sha256}"'
    assert body(answer) == b"x" * 100


def test_an_outage_is_503_and_an_absent_object_404(
    client: Client, store: MemoryFileSystem, stored: Song, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = reverse("song-audio", args=[stored.pk])
    with monkeypatch.context() as patch:
        for name in ("ls", "info", "find", "get_file", "_open"):
            patch.setattr(type(store), name, away)
        answer = client.get(url)
        assert answer.status_code == 503
        assert answer["Retry-After"]
        assert b"secret-bucket" not in answer.content
        assert client.get(reverse("song-cover", args=[stored.pk])).status_code == 200  # drawn
    store.rm("/secret-bucket/a/tone.wav")
    objects.listings_forget()
    answer = client.get(url)
    assert answer.status_code == 404
    assert b"secret-bucket" not in answer.content


def test_a_converted_song_is_of_a_copy(client: Client, stored: Song) -> None:
    if not can_transcode():
        pytest.skip("ffmpeg is not installed")
    answer = client.get(reverse("song-audio", args=[stored.pk]), {"as": "mp3"})

    assert answer.status_code == 200
    assert len(body(answer)) > 1000
    assert stored.path.exists()


def test_the_waveform_is_measured(client: Client, stored: Song) -> None:
    answer = client.get(f"/api/v1/songs/{stored.pk}/waveform/")

    assert answer.status_code == 200
    assert max(answer.json()["peaks"]) > 0


def test_staff_add_a_store_by_page_and_api_and_hear_why_not(
    client: Client,
    store: MemoryFileSystem,
    tmp_path: Path,
    settings: SettingsWrapper,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.AFFETTI_STORE_OPTIONS = {TOP: {"password": "HUSH"}}
    store.pipe("/secret-bucket/a/tone.wav", write_tone(tmp_path / "tone.wav").read_bytes())
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    page = reverse("add-music")

    assert TOP in client.get(page, {"folder": ""}).content.decode()
    browsed = client.get(page, {"folder": TOP}).content.decode()
    assert ">a</bdi>" in browsed
    with monkeypatch.context() as patch:
        for name in ("ls", "info", "find"):
            patch.setattr(type(store), name, away)
        objects.listings_forget()
        assert "the store does not answer" in client.get(page, {"folder": TOP}).content.decode()
        said = client.post(page, {"path": f"{TOP}/a", "watch": "off"}).content.decode()
        assert "the store does not answer" in said
    for outside in ("memory://other", "s3://secret-bucket/a", f"{TOP}/../x", "http://127.0.0.1/a"):
        answer = client.post("/api/v1/libraries/", {"path": outside}, "application/json")
        assert (answer.status_code, answer.json()["code"]) == (400, "PATH_INVALID")
        assert "HUSH" not in answer.content.decode()
    answer = client.post(
        "/api/v1/libraries/", {"path": TOP, "watch": "polling"}, "application/json"
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "PATH_INVALID")
    assert "not watched" in answer.json()["message"]
    answer = client.post("/api/v1/libraries/", {"path": TOP, "rescan_hours": 6}, "application/json")
    assert (answer.status_code, answer.json()["root"]) == (201, TOP)
    assert "HUSH" not in answer.content.decode()
    library = Library.objects.get()
    assert TOP in client.get(reverse("libraries")).content.decode()
    form = {f"library-{library.pk}-{k}": v for k, v in {"name": "N", "watch": "events"}.items()}
    said = client.post(reverse("library-edit", args=[library.pk]), form).content.decode()
    assert "not watched" in said
    job = BackgroundJob.objects.get()
    assert job.arguments["path"] == TOP


def refuse(*_: object, **__: object) -> None:
    raise PermissionError


def test_a_store_that_refuses_is_503_everywhere(
    client: Client, store: MemoryFileSystem, stored: Song, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ls", "info", "find", "get_file", "_open"):
        monkeypatch.setattr(type(store), name, refuse)

    for url in (
        reverse("song-audio", args=[stored.pk]),
        f"/api/v1/songs/{stored.pk}/waveform/",
    ):
        answer = client.get(url)
        assert answer.status_code == 503, url
        assert b"secret-bucket" not in answer.content


def test_the_picture_of_a_folder_that_does_not_come_is_asked_for_again(
    store: MemoryFileSystem, stored: Song, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = io.BytesIO()
    PIL.Image.new("RGB", (300, 300), "red").save(picture, "JPEG")
    store.pipe("/secret-bucket/a/cover.jpg", picture.getvalue())
    objects.listings_forget()
    original = copies.download

    def download(path: Path, target: Path) -> None:
        if path.name == "cover.jpg":
            raise StoreRefusedError
        original(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(copies, "download", download)
        assert song_cover(song=stored, size="small") == Cover("", None, is_sure=False)
    assert song_cover(song=stored, size="small").path is not None


def test_covers_of_a_store_hold_no_turn_of_others(
    stored: Song, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = []
    original = covers._make

    def make(*args: object) -> None:
        free.append(covers._turns._turns._value)
        original(*args)

    monkeypatch.setattr(covers, "_make", make)
    song_cover(song=stored, size="small")
    assert free == [2]
