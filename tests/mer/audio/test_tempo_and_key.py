"""Tempo and key of sounds that are known to have them, and of sounds that have none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mer.audio.patches import MUSICNN, waveform_patches
from mer.audio.tempo_and_key import tempo_and_key, tempo_and_key_of
from mer.prediction import MODES

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RATE = MUSICNN.sample_rate
CADENCE = ((0, 4, 7), (5, 9, 12), (7, 11, 14), (0, 4, 7))
"""Tonic, subdominant and dominant of a major key."""


def song(bpm: float, tonic: int = 0, seconds: int = 24, tuning: float = 1.0) -> NDArray[np.float32]:
    """A chord on each beat, which changes each bar, over some noise."""
    rng = np.random.default_rng(0)
    clock = np.arange(seconds * RATE) / RATE
    beat = clock * bpm / 60
    bars = (beat // 4).astype(int) % len(CADENCE)
    sound = 0.001 * rng.standard_normal(len(clock))
    for number, chord in enumerate(CADENCE):
        for note in chord:
            hertz = tuning * 440 * 2 ** ((48 + tonic + note - 69) / 12)
            tone = sum(np.sin(2 * np.pi * k * hertz * clock) / k for k in range(1, 5))
            sound += 0.05 * tone * np.exp(-5 * (beat % 1)) * (bars == number)
    return sound.astype(np.float32)


def wave(path: Path, sound: NDArray[np.float32]) -> Path:
    soundfile.write(path, sound, RATE)
    return path


@pytest.mark.parametrize("bpm", [72.0, 100.0, 128.0, 165.0])
def test_the_tempo_of_beats(tmp_path: Path, bpm: float) -> None:
    found = tempo_and_key_of(wave(tmp_path / "a.wav", song(bpm)))
    assert found.tempo_bpm == pytest.approx(bpm, rel=0.02)
    assert found.tempo_confidence > 0.8


@pytest.mark.parametrize("tonic", [0, 3, 7, 10])
def test_the_key_of_a_cadence(tmp_path: Path, tonic: int) -> None:
    found = tempo_and_key_of(wave(tmp_path / "a.wav", song(100.0, tonic)))
    assert (found.tonic, found.mode) == (tonic, "major")
    assert found.key_confidence > 0.5


def test_a_song_that_is_tuned_lower_keeps_its_key(tmp_path: Path) -> None:
    low = song(100.0, 2, tuning=2 ** (-0.3 / 12))
    found = tempo_and_key_of(wave(tmp_path / "a.wav", low))
    assert (found.tonic, found.mode) == (2, "major")


def test_silence_has_neither() -> None:
    patches = waveform_patches(np.zeros(10 * RATE, np.float32))
    found = tempo_and_key(patches.log_mel, np.zeros((len(patches.log_mel), 12)))
    assert (found.tempo_bpm, found.tonic, found.mode) == (None, None, "")
    assert (found.tempo_confidence, found.key_confidence) == (0.0, 0.0)


def test_noise_is_not_sure_of_its_tempo() -> None:
    noise = np.random.default_rng(1).standard_normal(40 * RATE).astype(np.float32) * 0.1
    patches = waveform_patches(noise)
    found = tempo_and_key(patches.log_mel, np.full((len(patches.log_mel), 12), 1 / 12))
    assert found.tempo_confidence < 0.5


def test_one_passage_confirms_nothing() -> None:
    patches = waveform_patches(song(100.0)[: 3 * RATE])
    found = tempo_and_key(patches.log_mel[:1], np.eye(12)[:1])
    assert (found.tempo_confidence, found.key_confidence) == (0.0, 0.0)


@settings(max_examples=30, deadline=None)
@given(
    arrays(np.float32, (2, 187, 96), elements=st.floats(0, 5, width=32), fill=st.just(0.0)),
    arrays(np.float64, (2, 12), elements=st.floats(0, 1)),
)
def test_whatever_the_sound_the_answer_is_in_range(
    log_mel: NDArray[np.float32], chroma: NDArray[np.float64]
) -> None:
    found = tempo_and_key(log_mel, chroma)
    assert found.tempo_bpm is None or 40 <= found.tempo_bpm <= 240
    assert 0 <= found.tempo_confidence < 1
    assert 0 <= found.key_confidence < 1
    assert (found.tonic is None) == (found.mode == "")
    assert found.tonic is None or (0 <= found.tonic < 12 and found.mode in MODES)
    assert tempo_and_key(log_mel, chroma) == found
