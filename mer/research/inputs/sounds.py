"""Waveforms, log-mels and noisy MusiCNN patches of labelled tracks.

Clips are decoded once and cached on disk as 16-bit samples. Memory holds the log-mels of the clean
clips, and those of noisy clips at one noise level at a time.
"""

from __future__ import annotations

import hashlib
from itertools import islice
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from mer.audio.patches import MUSICNN, load, log_mel, patch_frames
from mer.encoders.musicnn import PATCH_FRAMES, MusicnnEncoder
from mer.errors import InputError
from mer.files import written_aside
from mer.research.inputs.distortions import add_noise
from mer.research.inputs.front_ends import front_end

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from mer.research.datasets.base import Track

    Waveform = NDArray[np.float32]

SAMPLE_RATE: Final = 16_000
"""Rate of the cached waveforms in hertz; the research clips have it."""


class Sounds:
    """Waveforms, log-mels and patches by track.

    Parameters
    ----------
    folder : Path
        Cache of decoded clips. Created when needed. It may be deleted at any time.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mels: dict[tuple[str, str, str], torch.Tensor] = {}
        self._noisy_mels: dict[tuple[str, str, str], torch.Tensor] = {}
        self._noisy_level: float | None = None
        self._patches: dict[tuple[str, str, float], torch.Tensor] = {}
        self._encoder: MusicnnEncoder | None = None

    def waveform(self, track: Track, sample_rate: int, snr_db: float | None = None) -> Waveform:
        """Waveform of a track, optionally with white noise.

        Parameters
        ----------
        track : Track
            Must have audio.
        sample_rate : int
            In hertz.
        snr_db : float or None
            Signal-to-noise ratio in decibels; None adds no noise.

        Returns
        -------
        (samples,) float32 ndarray

        Raises
        ------
        InputError
            If the track has no audio.
        AudioError
            If its file cannot be used.
        """
        import soxr  # noqa: PLC0415 - a machine that has the 16 kHz clips needs no resampler

        waveform = self._decoded(track)
        if snr_db is not None:
            waveform = add_noise(waveform, snr_db, _seed(track, snr_db))
        if sample_rate == SAMPLE_RATE:
            return waveform
        resampled: Waveform = soxr.resample(waveform, SAMPLE_RATE, sample_rate, quality="HQ")
        return resampled

    def log_mel(self, track: Track, preset: str, snr_db: float | None = None) -> torch.Tensor:
        """Log-mel of a whole track, (n_mels, frames) float16; arguments as `waveform`."""
        kept = self._mels
        if snr_db is not None:
            if snr_db != self._noisy_level:  # memory holds one noise level at a time
                self._noisy_mels.clear()
                self._noisy_level = snr_db
            kept = self._noisy_mels
        key = (preset, track.dataset, track.track_id)
        if kept is self._mels and any(preset != other for other, _, _ in islice(kept, 1)):
            kept.clear()  # architectures run one after the other: one front end at a time
        if key not in kept:
            rows = front_end(preset)
            waveform = torch.from_numpy(self.waveform(track, rows.sample_rate, snr_db))
            kept[key] = rows.log_mel(waveform.unsqueeze(0))[0].half()
        return kept[key]

    def noisy_patches(self, track: Track, snr_db: float) -> torch.Tensor:
        """MusiCNN rows of a noisy track, (patches, 1756); arguments as `waveform`."""
        key = (track.dataset, track.track_id, snr_db)
        if key not in self._patches:
            self._encoder = self._encoder or MusicnnEncoder.from_pretrained()
            waveform = self.waveform(track, MUSICNN.sample_rate, snr_db)
            frames = log_mel(waveform).T
            # The patch positions are those of the clean track, so only the noise differs.
            patches = [frames[at : at + PATCH_FRAMES] for at in patch_frames(len(waveform))]
            self._patches[key] = self._encoder.embed(torch.from_numpy(np.stack(patches)))
        return self._patches[key]

    def _decoded(self, track: Track) -> Waveform:
        if track.audio_path is None:
            raise InputError(f"{track.dataset} {track.track_id} has no audio; withhold it instead")
        stat = track.audio_path.stat()
        name = f"{track.dataset}-{track.track_id} {stat.st_size}"
        path = self._folder / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.npy"
        if not path.is_file():
            samples = np.round(load(track.audio_path, SAMPLE_RATE).clip(-1, 1) * 32767)
            self._folder.mkdir(parents=True, exist_ok=True)
            with written_aside(path) as part, part.open("wb") as file:
                np.save(file, samples.astype(np.int16))
        decoded: NDArray[np.int16] = np.load(path)
        return (decoded / 32767).astype(np.float32)


def _seed(track: Track, snr_db: float) -> int:
    text = f"{track.dataset} {track.track_id} {snr_db}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
