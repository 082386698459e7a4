"""How loud a song is through time, for pictures of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from mer.audio.child import run_in_child
from mer.audio.decoding import open_audio
from mer.errors import AudioSilentError

PEAKS: Final = 400
"""Parts of a song that have a value each."""
_WINDOWS_OF_A_PEAK: Final = 8
_LOUDEST: Final = 255


@dataclass(frozen=True, slots=True)
class Waveform:
    """The shape of a song.

    Parameters
    ----------
    peaks : bytes
        `PEAKS` values from 0 to 255: how loud the loudest moment of each part is, relative to the
        loudest moment of the song. Parts are equally long.
    duration_seconds : float
    """

    peaks: bytes
    duration_seconds: float


def waveform_of(path: Path | str, *, timeout_seconds: float | None = None) -> Waveform:
    """Decode a whole file and measure how loud it is through time.

    Parameters
    ----------
    path : Path or str
    timeout_seconds : float or None
        As in `mer.audio.child.run_in_child`.

    Returns
    -------
    Waveform

    Raises
    ------
    AudioError
        If the file cannot be decoded, or only to silence.

    Notes
    -----
    The file is read in a child process. Loudness is the root mean square of windows of an eighth
    of a part, which differs less between old and new recordings than the largest sample does.
    """
    return run_in_child(_waveform, Path(path), timeout_seconds=timeout_seconds)


def _waveform(path: Path) -> Waveform:
    with open_audio(path) as reader:
        window = max(1, reader.frames // (PEAKS * _WINDOWS_OF_A_PEAK))
        levels = reader.levels(window)
        # Of a damaged file, what is behind the damage is shown as silence.
        levels = np.pad(levels, (0, max(0, reader.frames // window - len(levels))))
        duration_seconds = reader.frames / reader.sample_rate
    levels = np.nan_to_num(levels, nan=0.0, posinf=0.0, neginf=0.0)
    if not levels.any():
        raise AudioSilentError(path, "is silent, or nothing of it decodes")
    edges = np.linspace(0, len(levels), PEAKS + 1)
    starts = np.minimum(edges[:-1].astype(int), len(levels) - 1)
    peaks = np.maximum.reduceat(levels, starts)
    scaled = np.round(peaks / levels.max() * _LOUDEST).astype(np.uint8)
    return Waveform(scaled.tobytes(), duration_seconds)
