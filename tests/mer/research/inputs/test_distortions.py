"""Distortions: their effect on waveforms, repeatability, and no shift in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from mer.research.inputs import distortions
from mer.research.inputs.distortions import (
    DISTORTIONS,
    add_noise,
    augment,
    augmentation,
    excerpt,
    gain,
    low_pass,
    mp3,
    pitch_shift,
    tilt,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE = 16_000


def tone(hertz: float, seconds: float = 4.0, level: float = 0.1) -> NDArray[np.float32]:
    time = np.arange(round(seconds * RATE)) / RATE
    return (level * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def clicks(samples: int = 6 * RATE + 77) -> NDArray[np.float32]:
    """Short bursts at uneven times, over a faint hum."""
    rng = np.random.default_rng(3)
    wave = 0.001 * np.sin(np.arange(samples) / 20)
    for start in rng.integers(0, samples - 800, 12):
        wave[start : start + 800] += rng.standard_normal(800) * np.hanning(800) * 0.2
    return wave.astype(np.float32)


def decibels(changed: NDArray[np.float32], clean: NDArray[np.float32]) -> float:
    return float(10 * np.log10(np.mean(changed**2) / np.mean(clean**2)))


def envelope(wave: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.convolve(np.abs(wave), np.hanning(200), mode="same")


def lag(changed: NDArray[np.float32], clean: NDArray[np.float32]) -> int:
    """Delay between two waveforms, in samples."""
    size = 2 * len(clean)
    one, other = np.fft.rfft(changed, size), np.fft.rfft(clean, size)
    best = int(np.fft.irfft(one * other.conj()).argmax())
    return best if best < len(clean) else best - size


@pytest.mark.parametrize("level", [20.0, 5.0, 0.0])
def test_noise_has_the_given_ratio(level: float) -> None:
    time = np.arange(64_000) / 16_000
    wave = (0.05 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
    noise = add_noise(wave, level, seed=1) - wave
    measured = 10 * np.log10(np.mean(wave**2) / np.mean(noise**2))
    assert measured == pytest.approx(level, abs=0.1)


def test_silence_does_not_count_as_signal() -> None:
    loud = np.sin(np.arange(16_000)).astype(np.float32) * 0.1
    half_silent = np.concatenate([loud, np.zeros(16_000, dtype=np.float32)])
    noise = add_noise(half_silent, 10.0, seed=1)[16_000:]
    assert np.mean(noise**2) == pytest.approx(np.mean(loud**2) / 10, rel=0.05)


def test_pink_noise_has_the_ratio_and_equal_octaves() -> None:
    wave = tone(440)
    noise = add_noise(wave, 10.0, seed=1, colour="pink") - wave
    assert decibels(wave, noise) == pytest.approx(10, abs=0.1)
    power = np.abs(np.fft.rfft(noise)) ** 2
    hertz = np.fft.rfftfreq(len(noise), 1 / RATE)
    low, high = (power[(hertz >= at) & (hertz < 2 * at)].sum() for at in (250, 4000 - 1))
    assert low == pytest.approx(high, rel=0.15)


def test_low_pass_keeps_bass_and_removes_treble() -> None:
    assert decibels(low_pass(tone(1000), 4000), tone(1000)) == pytest.approx(0, abs=0.1)
    assert decibels(low_pass(tone(4000), 4000), tone(4000)) == pytest.approx(-3, abs=0.2)
    assert decibels(low_pass(tone(7000), 4000), tone(7000)) < -40


def test_tilt_is_a_straight_line_over_octaves() -> None:
    for hertz, expected in ((7990.0, 3.0), (707.1, 0.0), (176.8, -12 / 7), (62.5, -3.0)):
        assert decibels(tilt(tone(hertz), 6), tone(hertz)) == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize("kilobits", [32, 64])
def test_mp3_has_its_rate_and_no_delay(kilobits: int) -> None:
    for samples in (6 * RATE, 6 * RATE + 77):
        wave = clicks(samples)
        size = len(distortions._mp3_bytes(wave, kilobits))
        assert size * 8 / (len(wave) / RATE) / 1000 == pytest.approx(kilobits, rel=0.05)
        decoded = mp3(wave, kilobits)
        assert len(decoded) == len(wave)
        assert lag(decoded, wave) == 0
        assert -40 < decibels(decoded - wave, wave) < -5


def test_gain_clips_at_full_scale() -> None:
    assert decibels(gain(tone(440), -6), tone(440)) == pytest.approx(-6, abs=0.01)
    loud = gain(tone(440, level=0.8), 6)
    assert np.abs(loud).max() == 1
    assert (np.abs(loud) == 1).mean() > 0.2


def test_excerpt_is_the_middle_or_all() -> None:
    wave = np.arange(20 * RATE, dtype=np.float32)
    assert np.array_equal(excerpt(wave, 5), wave[round(7.5 * RATE) : round(12.5 * RATE)])
    assert np.array_equal(excerpt(wave, 30), wave)


@pytest.mark.parametrize("semitones", [2, -2])
def test_pitch_moves_and_tempo_stays(semitones: int) -> None:
    shifted = pitch_shift(tone(500), semitones)
    loudest = np.abs(np.fft.rfft(shifted)).argmax() / 4
    assert loudest == pytest.approx(500 * 2 ** (semitones / 12), rel=0.01)
    assert len(shifted) == len(tone(500))


@pytest.mark.parametrize("name", [name for name in DISTORTIONS if "excerpt" not in name])
def test_named_distortions_repeat_and_stay_in_time(name: str) -> None:
    wave = clicks()
    original = wave.copy()
    changed = DISTORTIONS[name].apply(wave, 5)
    assert np.array_equal(changed, DISTORTIONS[name].apply(wave, 5))
    assert np.array_equal(wave, original)
    assert changed.dtype == np.float32
    assert changed.shape == wave.shape
    assert not np.array_equal(changed, wave)
    # The phase vocoder smears a click by about half its step of 32 ms.
    assert abs(lag(envelope(changed), envelope(wave))) < 0.02 * RATE


def test_names_match_the_functions() -> None:
    wave = tone(440)
    assert all(name == distortion.name for name, distortion in DISTORTIONS.items())
    noise = DISTORTIONS["white-noise-5db"].apply(wave, 1) - wave
    assert decibels(wave, noise) == pytest.approx(5, abs=0.1)
    assert len(DISTORTIONS["excerpt-5s"].apply(tone(440, 9), 0)) == 5 * RATE
    assert len(DISTORTIONS["excerpt-10s"].apply(tone(440, 19), 0)) == 10 * RATE


def test_copies_are_fixed_by_their_seeds() -> None:
    wave = clicks(3 * RATE)
    copies = [augment(wave, seed) for seed in range(12)]
    assert np.array_equal(augment(wave, 7), copies[7])
    assert len({copy.tobytes() for copy in copies}) == 12
    for copy in copies:
        assert copy.dtype == np.float32
        assert copy.shape == wave.shape
        assert np.abs(copy).max() <= 1
        assert abs(lag(envelope(copy), envelope(wave))) < 0.02 * RATE
    assert augmentation(3).name == "augmented-3"
    assert np.array_equal(augmentation(3).apply(wave, 7), copies[7])


def test_half_the_copies_have_noise_as_loud_as_the_song_or_far_softer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    levels: list[float] = []

    def noted(
        wave: NDArray[np.float32], snr_db: float, seed: int, colour: str
    ) -> NDArray[np.float32]:
        assert colour in ("white", "pink")
        levels.append(snr_db)
        return wave

    monkeypatch.setattr(distortions, "add_noise", noted)
    for name in ("pitch_shift", "low_pass", "mp3", "tilt"):
        monkeypatch.setattr(distortions, name, lambda wave, _: wave)
    for seed in range(400):
        augment(np.zeros(8, dtype=np.float32), seed)
    assert 160 < len(levels) < 240
    assert 0 <= min(levels) < 1
    assert 29 < max(levels) <= 30
    assert np.mean(levels) == pytest.approx(15, abs=1.5)


def test_silence_stays_silent() -> None:
    silence = np.zeros(3 * RATE, dtype=np.float32)
    for distortion in DISTORTIONS.values():
        assert np.abs(distortion.apply(silence, 1)).max() < 1e-4
