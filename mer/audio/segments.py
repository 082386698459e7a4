"""Segments of a song: exact to the sample, resampled, and where it sounds.

`mer.audio.decoding` reads the files. soxr resamples with its HQ setting.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from mer.audio.decoding import MIN_DURATION_SECONDS, damaged, most_heard
from mer.errors import AudioDecodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from mer.audio.decoding import AudioReader
    from mer.audio.pyav import Span, Waveform

    Plan = Callable[[int], tuple[list[int], int]]

_SILENCE_PEAK: Final = 1e-4  # -80 dB of full scale
_SILENCE_LEVEL: Final = 1e-3  # root mean square: -60 dB of full scale
_SILENCE_RATIO: Final = 1e-2  # and -40 dB of the loudest window
_SILENCE_WINDOW_SECONDS: Final = 0.5
_LONG_SILENCE_SECONDS: Final = 5.0
_MOST_AMPLITUDE: Final = 1e6  # full scale is 1; the spectrum of more overflows
_RESAMPLER_MARGIN_SECONDS: Final = 0.1  # longer than the response of soxr's HQ filter
_END_TOLERANCE_SECONDS: Final = 0.1  # headers of lossy files overstate the length by less


@dataclass(frozen=True, slots=True)
class Segments:
    """Parts of a song, decoded and resampled.

    Parameters
    ----------
    waveforms : (segments, samples) float32 ndarray
    starts : list of int
        First sample of each segment in the song.
    total : int
        Samples of the song.
    """

    waveforms: Waveform
    starts: list[int]
    total: int


def read_planned(reader: AudioReader, plan: Plan, sample_rate: int) -> tuple[Segments, AudioReader]:
    """Segments of `plan`, and the reader that decoded them.

    If a file is shorter than its header states, its frames are counted and planned again.
    """
    planned, is_complete = read_plan(reader, plan, sample_rate)
    if is_complete:
        return planned, reader
    heard = most_heard(reader)
    if heard.frames < MIN_DURATION_SECONDS * heard.sample_rate:
        raise damaged(heard)
    return read_plan(heard, plan, sample_rate)[0], heard


def read_plan(reader: AudioReader, plan: Plan, sample_rate: int) -> tuple[Segments, bool]:
    """Segments of `plan`, and whether all of them decoded."""
    total = round(reader.frames * sample_rate / reader.sample_rate)
    starts, samples = plan(total)
    segments, is_complete = _read_segments(reader, reader.frames, starts, samples, sample_rate)
    return Segments(segments, starts, total), is_complete


def _read_segments(
    reader: AudioReader, frames: int, starts: list[int], samples: int, sample_rate: int
) -> tuple[Waveform, bool]:
    """Segments from the first `frames` frames of the file, and whether all of them decoded."""
    grid = _Grid(reader.sample_rate, sample_rate)
    wanted = (grid.span(start, start + samples, frames) for start in starts)
    spans = _merged([span for span in wanted if span[0] < span[1]])
    pieces = reader.read(spans)
    segments = np.zeros((len(starts), samples), dtype=np.float32)
    missing = 0
    for (first, stop), piece in zip(spans, pieces, strict=True):
        missing = max(missing, stop - first - len(piece))
        resampled = grid.resample(piece)
        _check_range(reader.path, piece, resampled)
        offset = grid.output_index(first)
        for start, segment in zip(starts, segments, strict=True):
            low = max(start, offset)
            high = min(start + samples, offset + len(resampled))
            if low < high:
                segment[low - start : high - start] = resampled[low - offset : high - offset]
    return segments, missing <= _END_TOLERANCE_SECONDS * reader.sample_rate


def is_silent(segments: Segments) -> bool:
    """Whether no sample of the segments reaches -80 dB of full scale."""
    return bool(np.abs(segments.waveforms).max() < _SILENCE_PEAK)


def silence_level(loudest: float) -> float:
    """Root mean square below which a song with windows as loud as `loudest` is silent."""
    return min(_SILENCE_LEVEL, loudest * _SILENCE_RATIO)


def sounding_parts(reader: AudioReader, total: int, sample_rate: int) -> list[Span]:
    """Parts of a song between long silences, as (first, past the last) of its `total` samples."""
    window = round(_SILENCE_WINDOW_SECONDS * reader.sample_rate)
    sounding = _sounding(np.nan_to_num(reader.levels(window), nan=np.inf))
    scale = window * sample_rate / reader.sample_rate
    return [(round(first * scale), min(total, round(stop * scale))) for first, stop in sounding]


def _sounding(levels: NDArray[np.float64]) -> list[Span]:
    """Windows of the parts between long silences, as (first, past the last)."""
    loud = np.flatnonzero(levels >= silence_level(levels.max(initial=0.0)))
    if not levels.any() or not len(loud):
        return []
    longest = round(_LONG_SILENCE_SECONDS / _SILENCE_WINDOW_SECONDS)
    # Short silences at either end belong to the song.
    edges = np.concatenate([[-1], loud, [len(levels)]])
    parts, first = [], 0
    for before, after in itertools.pairwise(edges.tolist()):
        if after - before - 1 >= longest:
            parts.append((first, before + 1))
            first = after
    parts.append((first, len(levels)))
    return [(start, stop) for start, stop in parts if start < stop]


def in_song(start: int, parts: Sequence[Span], samples: int) -> int:
    """First sample, in the song, of a segment at `start` of its sounding `parts` in a row.

    A segment of `samples` that would reach over the end of a part is moved back.
    """
    for first, stop in parts:
        if start < stop - first:
            return min(first + start, max(first, stop - samples))
        start -= stop - first
    return parts[-1][1] - samples


class _Grid:
    """The instants that are samples at both rates. Resampling from one of them keeps the phase."""

    def __init__(self, input_rate: int, output_rate: int) -> None:
        divisor = math.gcd(input_rate, output_rate)
        self._rates = (input_rate, output_rate)
        self._input_step = input_rate // divisor
        self._output_step = output_rate // divisor
        self._margin = 0
        if input_rate != output_rate:
            self._margin = math.ceil(_RESAMPLER_MARGIN_SECONDS * output_rate)

    def span(self, start: int, stop: int, frames: int) -> Span:
        """Input frames needed for samples `start` to `stop` of the output."""
        first = (start - self._margin) // self._output_step
        last = -((-stop - self._margin) // self._output_step)
        return max(0, first * self._input_step), min(frames, last * self._input_step)

    def output_index(self, frame: int) -> int:
        return frame // self._input_step * self._output_step

    def resample(self, piece: Waveform) -> Waveform:
        import soxr  # noqa: PLC0415  # only decoding needs it, and a GPU machine may lack it

        input_rate, output_rate = self._rates
        if input_rate == output_rate or not len(piece):
            return piece
        resampled: Waveform = soxr.resample(piece, input_rate, output_rate, quality="HQ")
        return resampled


def _merged(spans: list[Span]) -> list[Span]:
    """Union of spans, in order; spans that touch are joined."""
    merged: list[Span] = []
    for first, stop in sorted(spans):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((first, stop))
    return merged


def _check_range(path: Path, *pieces: Waveform) -> None:
    """Refuse what is not finite, or would not be in the spectrum."""
    for piece in pieces:
        if not (np.abs(piece) <= _MOST_AMPLITUDE).all():
            raise AudioDecodeError(
                path, "contains samples that are not finite or far too large; export it again"
            )
