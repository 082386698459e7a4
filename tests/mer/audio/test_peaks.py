from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from mer.audio.peaks import PEAKS, waveform_of
from mer.errors import AudioDecodeError, AudioSilentError, AudioTooShortError

if TYPE_CHECKING:
    from pathlib import Path

RATE = 8000


def peaks(path: Path) -> np.ndarray:
    return np.frombuffer(waveform_of(path).peaks, dtype=np.uint8)


def write(path: Path, samples: np.ndarray) -> Path:
    soundfile.write(path, samples, RATE)
    return path


def test_the_peaks_follow_the_loudness(tmp_path: Path) -> None:
    time = np.arange(40 * RATE) / RATE
    tone = np.sin(2 * np.pi * 440 * time)
    envelope = np.where(time < 20, 0.1, 0.5)
    waveform = waveform_of(write(tmp_path / "x.flac", tone * envelope))
    found = np.frombuffer(waveform.peaks, dtype=np.uint8)
    assert waveform.duration_seconds == pytest.approx(40)
    assert len(found) == PEAKS
    assert found.max() == 255
    assert np.abs(found[5:195].astype(int) - 51).max() <= 3
    assert found[205:395].min() >= 250


def test_a_click_is_not_the_loudness_of_its_part(tmp_path: Path) -> None:
    samples = 0.2 * np.sin(2 * np.pi * 440 * np.arange(40 * RATE) / RATE)
    samples[20 * RATE] = 1.0
    assert peaks(write(tmp_path / "x.wav", samples)).min() > 150


@pytest.mark.parametrize("seconds", [3.0, 3.1, 7.77])
def test_short_songs_have_as_many_peaks(tmp_path: Path, seconds: float) -> None:
    samples = 0.2 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * RATE)) / RATE)
    found = peaks(write(tmp_path / "x.wav", samples))
    assert len(found) == PEAKS
    assert found.min() > 100


def test_what_is_cut_off_is_shown_as_silence(tmp_path: Path) -> None:
    samples = 0.2 * np.sin(2 * np.pi * 440 * np.arange(40 * RATE) / RATE)
    path = write(tmp_path / "x.flac", samples)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    found = peaks(path)
    assert len(found) == PEAKS
    assert found[:150].min() > 100
    assert not found[-100:].any() or found[-100:].min() > 100  # or only the rest is counted


def test_what_has_no_waveform(tmp_path: Path) -> None:
    with pytest.raises(AudioSilentError):
        waveform_of(write(tmp_path / "silent.wav", np.zeros(5 * RATE)))
    with pytest.raises(AudioTooShortError):
        waveform_of(write(tmp_path / "short.wav", np.ones(RATE)))
    (tmp_path / "text.mp3").write_text("no music")
    with pytest.raises(AudioDecodeError):
        waveform_of(tmp_path / "text.mp3")
