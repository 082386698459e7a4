"""Waveforms and log-mel patches of audio files; decodes only the patches that a model needs.

`mer.audio.decoding` reads the files. soxr resamples with its HQ setting.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from mer.audio.child import run_in_child
from mer.audio.decoding import MIN_DURATION_SECONDS, SUPPORTED_SUFFIXES, open_audio
from mer.audio.segments import (
    Segments,
    in_song,
    is_silent,
    read_plan,
    read_planned,
    silence_level,
    sounding_parts,
)
from mer.errors import AudioSilentError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from mer.audio.decoding import AudioReader

    Waveform = NDArray[np.float32]

__all__ = [
    "MAX_PATCHES",
    "MIN_DURATION_SECONDS",
    "MUSICNN",
    "SUPPORTED_SUFFIXES",
    "AudioInfo",
    "AudioPatches",
    "LogMelPreset",
    "load",
    "load_segments",
    "log_mel",
    "mel_filter_bank",
    "patch_frames",
    "probe",
    "song_patches",
    "waveform_patches",
]

_STFT_BLOCK_FRAMES: Final = 256  # the spectra of a block fit in the cache


@dataclass(frozen=True, slots=True)
class LogMelPreset:
    """Parameters of a log-mel front end with values ``log10(gain * mel power + 1)``.

    Parameters
    ----------
    sample_rate : int
        In hertz.
    n_fft, hop_length : int
        Length of the Hann window and its step, in samples.
    n_mels : int
        Number of Slaney mel bands of unit area, from 0 Hz to half the sample rate.
    gain : float
    patch_frames : int
        Frames of one patch.
    """

    sample_rate: int
    n_fft: int
    hop_length: int
    n_mels: int
    gain: float
    patch_frames: int

    @property
    def patch_samples(self) -> int:
        """Samples that the windows of one patch cover."""
        return (self.patch_frames - 1) * self.hop_length + self.n_fft


MUSICNN: Final = LogMelPreset(
    sample_rate=16_000, n_fft=512, hop_length=256, n_mels=96, gain=10_000.0, patch_frames=187
)
"""Front end of MusiCNN (Pons & Serra, 2019)."""
MAX_PATCHES: Final = 16
"""Most patches of one song; fewer move valence by .02 or more (docs/results/patches.md)."""


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """Values of the header of a file.

    Parameters
    ----------
    duration_seconds : float
    sample_rate : int
        In hertz.
    channels : int
    media_type : str
        Of the content, whatever the suffix.
    """

    duration_seconds: float
    sample_rate: int
    channels: int
    media_type: str


@dataclass(frozen=True, slots=True)
class AudioPatches:
    """Log-mel patches of one song, in order of time.

    Parameters
    ----------
    log_mel : (patches, frames, n_mels) float32 ndarray
    segments : (patches, samples) float32 ndarray
        Waveforms of the patches, at the sample rate of the front end.
    start_seconds : (patches,) float64 ndarray
        Start of each patch in the song.
    duration_seconds : float
        Length of the song.
    """

    log_mel: NDArray[np.float32]
    segments: Waveform
    start_seconds: NDArray[np.float64]
    duration_seconds: float


def probe(path: Path | str) -> AudioInfo:
    """Read the header of a file.

    Parameters
    ----------
    path : Path or str

    Returns
    -------
    AudioInfo

    Raises
    ------
    AudioError
        Or a subclass, if the file is not audio, is empty, is shorter than `MIN_DURATION_SECONDS`
        or exceeds a limit.

    Notes
    -----
    The file is read in a child process.
    """
    return run_in_child(_probe, Path(path))


def _probe(path: Path) -> AudioInfo:
    with open_audio(path) as reader:
        seconds = reader.frames / reader.sample_rate
        return AudioInfo(seconds, reader.sample_rate, reader.channels, reader.media_type)


def load(path: Path | str, sample_rate: int = MUSICNN.sample_rate) -> Waveform:
    """Decode a whole file.

    Parameters
    ----------
    path : Path or str
    sample_rate : int
        In hertz.

    Returns
    -------
    (samples,) float32 ndarray
        Mono. A truncated file gives the part that decodes.

    Raises
    ------
    AudioError
        As `probe`; or if less than `MIN_DURATION_SECONDS` decodes, or a sample is not finite.
    """
    with open_audio(Path(path)) as reader:
        planned, _ = read_planned(reader, lambda total: ([0], total), sample_rate)
    waveform: Waveform = planned.waveforms[0]
    return waveform


def load_segments(
    path: Path | str,
    starts_seconds: Sequence[float],
    duration_seconds: float,
    sample_rate: int = MUSICNN.sample_rate,
) -> Waveform:
    """Decode parts of a file; seeks where seeking is exact.

    Parameters
    ----------
    path : Path or str
    starts_seconds : sequence of float
        In any order. Parts may overlap.
    duration_seconds : float
        Length of each part, more than 0.
    sample_rate : int
        In hertz.

    Returns
    -------
    (segments, samples) float32 ndarray
        Mono; zero before the start and after the end of the file. Equal to slices of the result of
        `load`, except for rounding in the resampler.

    Raises
    ------
    AudioError
        As `load`.
    InputError
        If there is no start, or the duration is not positive.
    """
    if not len(starts_seconds) or duration_seconds <= 0:
        raise InputError("give at least one start and a positive duration")
    starts = [round(start * sample_rate) for start in starts_seconds]
    samples = round(duration_seconds * sample_rate)
    with open_audio(Path(path)) as reader:
        planned, _ = read_planned(reader, lambda _: (starts, samples), sample_rate)
    return planned.waveforms


def log_mel(waveform: Waveform, preset: LogMelPreset = MUSICNN) -> NDArray[np.float32]:
    """Log-mel spectrogram of a whole waveform, with frames centred as in librosa.

    Parameters
    ----------
    waveform : (samples,) float32 ndarray
        Mono, at the sample rate of `preset`.
    preset : LogMelPreset

    Returns
    -------
    (n_mels, frames) float32 ndarray
        ``1 + samples // hop_length`` frames.
    """
    padded = np.pad(waveform, preset.n_fft // 2)
    return np.ascontiguousarray(_uncentred_log_mel(padded, preset).T)


def song_patches(path: Path | str, max_patches: int = MAX_PATCHES) -> AudioPatches:
    """Log-mel patches spread evenly over a song, for `mer.encoders.musicnn.MusicnnEncoder`.

    Parameters
    ----------
    path : Path or str
    max_patches : int
        At least 1. A short song has as many patches as fit without overlap.

    Returns
    -------
    AudioPatches
        Equal to slices of `log_mel` of the whole song, except for rounding in the resampler.

    Raises
    ------
    AudioError
        As `load`; `AudioSilentError` if every patch is silent.
    InputError
        If `max_patches` is less than 1.

    Notes
    -----
    The file is read in a child process.
    """
    if max_patches < 1:
        raise InputError(f"max_patches must be at least 1, got {max_patches}")
    planned = run_in_child(_song_segments, Path(path), max_patches)
    return _patches_of(planned)


def _song_segments(path: Path, max_patches: int) -> Segments:
    preset = MUSICNN

    def plan(total: int) -> tuple[list[int], int]:
        frames = patch_frames(total, max_patches, preset)
        return [_first_sample(frame) for frame in frames], preset.patch_samples

    with open_audio(path) as reader:
        planned, heard = read_planned(reader, plan, preset.sample_rate)
        levels = np.sqrt(np.square(planned.waveforms).mean(axis=1))
        if not is_silent(planned) and levels.min() > silence_level(levels.max()):
            return planned
        return _without_silence(heard, planned, max_patches)


def _without_silence(reader: AudioReader, planned: Segments, max_patches: int) -> Segments:
    """Plan again over the sounding parts of a song with a silent patch."""
    preset = MUSICNN
    parts = sounding_parts(reader, planned.total, preset.sample_rate)
    total = sum(stop - first for first, stop in parts)
    if total < MIN_DURATION_SECONDS * preset.sample_rate:
        raise AudioSilentError(
            reader.path,
            f"is silent but for {total / preset.sample_rate:.1f} s; "
            f"at least {MIN_DURATION_SECONDS:.0f} s are needed",
        )
    if total == planned.total:  # no silence is long
        if is_silent(planned):
            raise AudioSilentError(reader.path, "is silent in every part that was decoded")
        return planned

    def plan(_: int) -> tuple[list[int], int]:
        frames = patch_frames(total, max_patches)
        samples = preset.patch_samples
        return [in_song(_first_sample(frame), parts, samples) for frame in frames], samples

    return read_plan(reader, plan, preset.sample_rate)[0]


def _first_sample(frame: int) -> int:
    """First sample of the window of a frame, as `log_mel` centres it."""
    return frame * MUSICNN.hop_length - MUSICNN.n_fft // 2


def waveform_patches(waveform: Waveform, max_patches: int = MAX_PATCHES) -> AudioPatches:
    """Log-mel patches of a decoded song, at the same places as those of `song_patches`.

    Parameters
    ----------
    waveform : (samples,) float32 ndarray
        Mono, at the sample rate of `MUSICNN`. It may be silent.
    max_patches : int
        At least 1.

    Returns
    -------
    AudioPatches

    Raises
    ------
    InputError
        If `max_patches` is less than 1, or the waveform is shorter than `MIN_DURATION_SECONDS`.
    """
    preset = MUSICNN
    if max_patches < 1:
        raise InputError(f"max_patches must be at least 1, got {max_patches}")
    if len(waveform) < MIN_DURATION_SECONDS * preset.sample_rate:
        raise InputError(f"{len(waveform)} samples are too few; give {MIN_DURATION_SECONDS:.0f} s")
    padded = np.pad(waveform, preset.n_fft // 2)
    frames = patch_frames(len(waveform), max_patches, preset)
    starts = [frame * preset.hop_length for frame in frames]
    segments = np.stack([padded[start : start + preset.patch_samples] for start in starts])
    return _patches_of(Segments(segments, [_first_sample(f) for f in frames], len(waveform)))


def _patches_of(planned: Segments) -> AudioPatches:
    """Compute the log-mels of the planned segments of a song."""
    preset = MUSICNN
    starts = np.array(planned.starts, dtype=np.float64) + preset.n_fft // 2
    return AudioPatches(
        log_mel=np.stack([_uncentred_log_mel(segment, preset) for segment in planned.waveforms]),
        segments=planned.waveforms,
        start_seconds=starts / preset.sample_rate,
        duration_seconds=planned.total / preset.sample_rate,
    )


def patch_frames(
    total: int, max_patches: int = MAX_PATCHES, preset: LogMelPreset = MUSICNN
) -> list[int]:
    """First frame of each patch. Patches lie in the middle of equal parts of the song.

    Parameters
    ----------
    total : int
        Samples of the song, at least `MIN_DURATION_SECONDS`.
    max_patches : int
    preset : LogMelPreset

    Returns
    -------
    list of int
    """
    frames = 1 + total // preset.hop_length
    patches = min(max_patches, frames // preset.patch_frames)
    part = frames / patches
    return [math.floor((index + 0.5) * part - preset.patch_frames / 2) for index in range(patches)]


# --- log-mel -----------------------------------------------------------------------------------


def mel_filter_bank(
    sample_rate: int,
    n_fft: int,
    n_mels: int,
    *,
    fmin: float = 0.0,
    fmax: float | None = None,
    norm: Literal["slaney"] | None = "slaney",
    scale: Literal["slaney", "htk"] = "slaney",
) -> Tensor:
    """Triangular mel filters, equal to those of librosa.

    Parameters
    ----------
    sample_rate : int
        In hertz.
    n_fft : int
        Length of the Fourier transform, in samples.
    n_mels : int
    fmin : float
        Lower edge of the lowest band, in hertz.
    fmax : float or None
        Upper edge of the highest band, in hertz; None is half the sample rate.
    norm : {'slaney', None}
        Bands of unit area, or of unit height.
    scale : {'slaney', 'htk'}
        Mel scale.

    Returns
    -------
    (n_fft / 2 + 1, n_mels) float32 Tensor
    """
    import torch  # noqa: PLC0415  # the web process imports this module without torch
    from transformers import audio_utils  # noqa: PLC0415  # loads torch, too

    bank = audio_utils.mel_filter_bank(
        num_frequency_bins=n_fft // 2 + 1,
        num_mel_filters=n_mels,
        min_frequency=fmin,
        max_frequency=sample_rate / 2 if fmax is None else fmax,
        sampling_rate=sample_rate,
        norm=norm,
        mel_scale=scale,
    )
    return torch.from_numpy(bank).float()


def _uncentred_log_mel(samples: Waveform, preset: LogMelPreset) -> NDArray[np.float32]:
    """Transform (samples,) to (frames, n_mels); the first window starts at the first sample."""
    import torch  # noqa: PLC0415  # see `mel_filter_bank`

    window, bank = _window_and_bank(preset)
    windows = torch.from_numpy(samples).unfold(0, preset.n_fft, preset.hop_length)
    out = torch.empty(len(windows), preset.n_mels)
    for start in range(0, len(windows), _STFT_BLOCK_FRAMES):
        block = slice(start, start + _STFT_BLOCK_FRAMES)
        spectrum = torch.fft.rfft(windows[block] * window)
        power = spectrum.real.square() + spectrum.imag.square()
        torch.mm(power, bank, out=out[block])
    mels: NDArray[np.float32] = out.mul_(preset.gain).add_(1.0).log10_().numpy()
    return mels


@functools.cache
def _window_and_bank(preset: LogMelPreset) -> tuple[Tensor, Tensor]:
    """Periodic Hann window (n_fft,) and filter bank (n_fft / 2 + 1, n_mels)."""
    import torch  # noqa: PLC0415  # see `mel_filter_bank`

    window = torch.hann_window(preset.n_fft, periodic=True, dtype=torch.float64)
    return window.float(), mel_filter_bank(preset.sample_rate, preset.n_fft, preset.n_mels)
