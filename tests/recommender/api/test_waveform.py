from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog import waveforms
from catalog.models import SongWaveform
from mer.audio.peaks import PEAKS, Waveform
from mer.errors import AudioCrashError, AudioError, AudioMemoryError, AudioTimeoutError
from recommender.errors import MediaBusyError
from recommender.media.turns import Pauses
from tests.factories import SongEmotionFactory, SongFactory

if TYPE_CHECKING:
    from rest_framework.test import APIClient

    from catalog.models import Song


def address(song: Song) -> str:
    return f"/api/v1/songs/{song.pk}/waveform/"


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the files that were measured."""
    files: list[Any] = []
    measure = waveforms.waveform_of

    def noted(path: Any, **options: Any) -> Waveform:
        files.append(path)
        return measure(path, **options)

    monkeypatch.setattr(waveforms, "waveform_of", noted)
    return files


def test_it_is_measured_once(api: APIClient, wav_song: Song, measured: list[Any]) -> None:
    for _ in range(2):
        response = api.get(address(wav_song))
        assert response.status_code == 200
        body = response.json()
        assert body["duration_seconds"] == pytest.approx(4.0)
        assert len(body["peaks"]) == PEAKS
        assert max(body["peaks"]) == 255
        assert body["sections"] == []
        assert set(response["Cache-Control"].split(", ")) == {"max-age=3600", "private"}
    assert len(measured) == 1


def test_the_mood_of_each_section(api: APIClient, wav_song: Song) -> None:
    SongEmotionFactory(
        song=wav_song,
        timeline=[
            {"start_seconds": 0.0, "valence": 0.9, "arousal": 0.8},
            {"start_seconds": 2.0, "valence": 0.2, "arousal": 0.1},
        ],
    )
    assert api.get(address(wav_song)).json()["sections"] == [
        {"start_seconds": 0.0, "valence": 0.9, "arousal": 0.8, "quadrant": "Q1"},
        {"start_seconds": 2.0, "valence": 0.2, "arousal": 0.1, "quadrant": "Q3"},
    ]


def test_other_sound_is_measured_again_but_other_tags_are_not(
    api: APIClient, wav_song: Song, measured: list[Any]
) -> None:
    wav_song.audio_sha256 = "a" * 64
    wav_song.save()
    api.get(address(wav_song))
    wav_song.content_sha256 = "b" * 64
    wav_song.save()
    api.get(address(wav_song))
    assert len(measured) == 1
    wav_song.audio_sha256 = "c" * 64
    wav_song.save()
    api.get(address(wav_song))
    assert len(measured) == 2
    assert SongWaveform.objects.count() == 1


def test_a_damaged_file_is_said_once_and_names_no_folder(
    api: APIClient, wav_song: Song, measured: list[Any]
) -> None:
    wav_song.path.write_bytes(b"RIFF no music")
    for _ in range(2):
        response = api.get(address(wav_song))
        assert response.status_code == 409
        assert response.json()["code"] == "SONG_UNPLAYABLE"
        assert str(wav_song.path.parent) not in response.content.decode()
    assert len(measured) == 1


@pytest.mark.parametrize("kind", [AudioCrashError, AudioMemoryError, AudioTimeoutError])
def test_a_file_whose_reader_is_killed_is_measured_after_a_pause(
    api: APIClient,
    wav_song: Song,
    monkeypatch: pytest.MonkeyPatch,
    measured: list[Any],
    kind: type[AudioError],
) -> None:
    def killed(path: Any, *, timeout_seconds: float | None) -> Waveform:
        assert timeout_seconds is not None
        assert timeout_seconds <= 30
        raise kind(path, "was not read within 20 s")

    now = [0.0]
    monkeypatch.setattr("recommender.media.waveforms._pauses", Pauses(lambda: now[0]))
    with monkeypatch.context() as patch:
        patch.setattr(waveforms, "waveform_of", killed)
        response = api.get(address(wav_song))
    assert (response.status_code, response["Retry-After"]) == (503, "10")
    assert not SongWaveform.objects.exists()
    assert api.get(address(wav_song)).status_code == 503
    assert not measured
    now[0] = 61.0
    assert api.get(address(wav_song)).status_code == 200


def test_without_its_file_it_is_not_found(api: APIClient, wav_song: Song) -> None:
    wav_song.path.unlink()
    response = api.get(address(wav_song))
    assert (response.status_code, response.json()["code"]) == (404, "NOT_FOUND")
    assert api.get("/api/v1/songs/999/waveform/").status_code == 404


def test_too_many_at_once(api: APIClient, wav_song: Song, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def taken(self, *, wait_seconds: float) -> None:
            raise MediaBusyError("Too many waveforms are being measured now.")

    monkeypatch.setattr("recommender.media.waveforms._turns", Full())
    response = api.get(address(wav_song))
    assert (response.status_code, response["Retry-After"]) == (503, "10")


@pytest.mark.django_db
def test_lists_read_no_waveform(api: APIClient) -> None:
    song = SongEmotionFactory(song=SongFactory()).song
    SongWaveform.objects.create(song=song, sound_sha256="x", peaks=bytes(PEAKS))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert api.get("/api/v1/songs/").json()["count"] == 1
    assert not any("waveform" in query["sql"] for query in queries)
