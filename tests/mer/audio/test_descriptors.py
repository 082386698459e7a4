"""Descriptors of harmony: what they must tell apart, and what must not move them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from mer.audio.descriptors import DESCRIPTORS, describe
from mer.audio.patches import MUSICNN, song_patches
from tests.mer.untrained import write_tone

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

KEY_MARGIN, ROUGHNESS, REGISTER = 2, 43, 45  # columns: major less minor, roughness, mean pitch


def chord(notes: tuple[int, ...], level: float = 0.1) -> NDArray[np.float32]:
    """Two patches of MIDI `notes` with four partials each."""
    clock = np.arange(MUSICNN.patch_samples) / MUSICNN.sample_rate
    sound = np.zeros(len(clock))
    for note in notes:
        for partial in range(1, 5):
            hertz = partial * 440 * 2 ** ((note - 69) / 12)
            sound += level / partial * np.sin(2 * np.pi * hertz * clock)
    return np.stack([sound, sound]).astype(np.float32)


MAJOR, MINOR, CLUSTER = (60, 64, 67), (60, 63, 67), (60, 61, 62)


def test_shape() -> None:
    rows = describe(chord(MAJOR))
    assert rows.shape == (2, DESCRIPTORS)
    assert rows.dtype == np.float32
    assert np.isfinite(rows).all()


def test_major_and_minor_are_told_apart() -> None:
    assert describe(chord(MAJOR))[0, KEY_MARGIN] > 0.02
    assert describe(chord(MINOR))[0, KEY_MARGIN] < -0.02


@pytest.mark.parametrize("semitones", [-5, 2, 7])
def test_transposition_moves_the_register_alone(semitones: int) -> None:
    here = describe(chord(MAJOR))[0]
    there = describe(chord(tuple(note + semitones for note in MAJOR)))[0]
    assert there[REGISTER] - here[REGISTER] == pytest.approx(semitones, abs=1.1)
    np.testing.assert_allclose(there[5:17], here[5:17], atol=0.06)  # chroma from the tonic


def test_semitones_are_rough() -> None:
    assert describe(chord(CLUSTER))[0, ROUGHNESS] > 2 * describe(chord(MAJOR))[0, ROUGHNESS]


def test_loudness_moves_no_harmony() -> None:
    loud, soft = describe(chord(MAJOR, 0.2))[0], describe(chord(MAJOR, 0.02))[0]
    np.testing.assert_allclose(loud[:48], soft[:48], atol=1e-3)


def test_silence_is_finite() -> None:
    assert np.isfinite(describe(np.zeros((2, MUSICNN.patch_samples), np.float32))).all()


def test_a_song_has_a_row_for_each_patch(tmp_path: Path) -> None:
    path = write_tone(tmp_path / "a.wav", 13, 300)
    patches = song_patches(path)
    assert describe(patches.segments).shape == (len(patches.log_mel), DESCRIPTORS)
