from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from catalog.files import pictures
from mer.errors import AudioCrashError, AudioError, AudioMemoryError, AudioTimeoutError
from recommender.errors import MediaBusyError
from recommender.media import covers
from recommender.media.covers import cover_cache, song_cover
from recommender.media.turns import Pauses
from tests.made_pictures import BLUE, colour_of, embed, picture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from django.test import Client
    from pytest_django.fixtures import SettingsWrapper

    from catalog.models import Song


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return the songs whose covers were read from their files."""
    paths: list[Path] = []
    read = covers.cover_of

    def noted(*, path: Path, root: Path) -> dict[str, bytes] | None:
        paths.append(path)
        return read(path=path, root=root)

    monkeypatch.setattr(covers, "cover_of", noted)
    return paths


def test_a_cover_is_made_once_for_all_sizes(wav_song: Song, made: list[Path]) -> None:
    (wav_song.path.parent / "cover.jpg").write_bytes(picture())
    for size in ("small", "large", "small"):
        cover = song_cover(song=wav_song, size=size)
        assert cover.path is not None
        assert colour_of(cover.path.read_bytes()) == "red"
    assert len(made) == 1


def test_that_there_is_none_is_kept_too(wav_song: Song, made: list[Path]) -> None:
    for _ in range(3):
        cover = song_cover(song=wav_song, size="small")
        assert (cover.path, cover.is_sure) == (None, True)
    assert len(made) == 1


def test_another_picture_is_another_cover(wav_song: Song) -> None:
    beside = wav_song.path.parent / "cover.jpg"
    beside.write_bytes(picture())
    first = song_cover(song=wav_song, size="small")
    beside.write_bytes(picture(colour=BLUE))
    second = song_cover(song=wav_song, size="small")
    assert first.name != second.name
    assert second.path is not None
    assert colour_of(second.path.read_bytes()) == "blue"


def test_a_song_without_a_file_has_none(wav_song: Song) -> None:
    wav_song.path.unlink()
    assert song_cover(song=wav_song, size="small").path is None


def test_who_finds_no_turn_is_told_that_it_is_not_sure(
    wav_song: Song, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        def taken(self, *, wait_seconds: float) -> Iterator[None]:
            assert wait_seconds <= 3
            raise MediaBusyError("full")

    monkeypatch.setattr(covers, "_turns", Full())
    assert not song_cover(song=wav_song, size="small").is_sure


@pytest.mark.parametrize("kind", [AudioCrashError, AudioMemoryError, AudioTimeoutError])
def test_a_picture_whose_reader_is_killed_is_made_after_a_pause(
    wav_song: Song, monkeypatch: pytest.MonkeyPatch, made: list[Path], kind: type[AudioError]
) -> None:
    def killed(_function: object, path: Path, **_: object) -> None:
        raise kind(path, "was ended")

    now = [0.0]
    monkeypatch.setattr(covers, "_pauses", Pauses(lambda: now[0]))
    (wav_song.path.parent / "cover.jpg").write_bytes(picture())
    with monkeypatch.context() as patch:
        patch.setattr(pictures, "run_in_child", killed)
        assert not song_cover(song=wav_song, size="small").is_sure
    assert not song_cover(song=wav_song, size="small").is_sure
    assert len(made) == 1
    now[0] = 61.0
    assert song_cover(song=wav_song, size="small").path is not None


def test_the_folders_picture_is_shown_only_until_that_in_the_file_is_read(
    wav_song: Song, monkeypatch: pytest.MonkeyPatch, client: Client
) -> None:
    run = pictures.run_in_child

    def killed(function: Any, path: Path, **options: Any) -> Any:
        if function is pictures.embedded_cover:
            raise AudioCrashError(path, "was ended")
        return run(function, path, **options)

    now = [0.0]
    monkeypatch.setattr(covers, "_pauses", Pauses(lambda: now[0]))
    embed(wav_song.path, picture(colour=BLUE))
    (wav_song.path.parent / "cover.jpg").write_bytes(picture())
    with monkeypatch.context() as patch:
        patch.setattr(pictures, "run_in_child", killed)
        for _ in range(2):
            answer = client.get(f"/songs/{wav_song.pk}/cover?size=small")
            assert colour_of(b"".join(answer)) == "red"
            assert answer["Cache-Control"] == "no-store"
    now[0] = 61.0
    answer = client.get(f"/songs/{wav_song.pk}/cover?size=small")
    assert colour_of(b"".join(answer)) == "blue"
    assert "max-age" in answer["Cache-Control"]


def test_many_requests_for_one_cover_make_it_once(wav_song: Song, made: list[Path]) -> None:
    (wav_song.path.parent / "cover.jpg").write_bytes(picture())
    threads = [
        threading.Thread(target=song_cover, kwargs={"song": wav_song, "size": "small"})
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(made) == 1


def test_the_cache_is_bounded(wav_song: Song, settings: SettingsWrapper) -> None:
    settings.AFFETTI_COVER_CACHE_BYTES = 20_000
    (wav_song.path.parent / "cover.jpg").write_bytes(picture(size=(600, 600)))
    for number in range(12):
        wav_song.content_sha256 = str(number)
        song_cover(song=wav_song, size="small")
    files = list(cover_cache().folder.glob("*/*"))
    assert 0 < sum(path.stat().st_size for path in files) <= 20_000
